#!/usr/bin/env bats
# The way to a moment of a PostgreSQL server, as the README prints it.

load helper
load wal
load pgback

setup_file() {
	pushing_start || return 1
	q 'CREATE TABLE n (i int)'
}

teardown_file() {
	wal_stop
}

@test "the README's way to a moment, as printed" {
	. "$BATS_FILE_TMPDIR/env"
	PATH=$PGBIN:$PATH
	cd "$BATS_TEST_TMPDIR"
	awk '/^## /{ on = $0 == "## To any moment, with PostgreSQL" } on' "$root/README.md" > part
	grep -qx "archive_command = 'bk-wal-push s3://backups/prod --name main %p'" part
	sed -n '/^```sh$/,/^```$/{/^```/d;p;}' part |
	    sed "s,postgres-base://backup@db/,postgres-base://postgres@127.0.0.1:$PGPORT/,
	    s,--name main,--name app,; s,/srv/pg/then,$home/to/data," > run.sh
	[ "$(grep -c '^bk' run.sh)" -eq 3 ]
	# Between the backup and the rest there is what is to be restored.
	as_pg env PATH="$PATH" PGPASSWORD="$PGPASSWORD" BK_STORE="$S" sh -ec "$(sed -n '1,/^bk backup/p' run.sh)" > out
	moment=$(commit 1)
	commit 2 > /dev/null
	f=$(q 'SELECT pg_walfile_name(pg_switch_wal())')
	timeout 30 sh -c "until ls '$home/store/app/wal'/*/*/$f-* > /dev/null 2>&1; do :; done"
	as_pg env PATH="$PATH" PGPASSWORD="$PGPASSWORD" BK_STORE="$S" sh -ec "$(sed "1,/^bk backup/d; s,--at [^ ]*,--at $moment," run.sh)" >> out
	grep -q '"recoverable"' out
	grep '"end":"target"' out
	begin "$home/to/data"
	rows 1
	halt
}
