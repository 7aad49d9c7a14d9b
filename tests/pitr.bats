#!/usr/bin/env bats
# Points in time as a whole: log and base backups in one store, restored by
# one command; a replica, a clone and a failover beside the original.

load helper
load wal
load pgback

setup_file() {
	pushing_start || return 1
	q 'CREATE TABLE n (i int, at timestamptz DEFAULT clock_timestamp()); INSERT INTO n VALUES (1)'
	backup > "$BATS_FILE_TMPDIR/first"
}

teardown_file() {
	wal_stop
}

setup() {
	. "$BATS_FILE_TMPDIR/env"
	PATH=$PGBIN:$PATH
	cd "$BATS_TEST_TMPDIR"
	U="postgres-base://postgres@127.0.0.1:$PGPORT/?checkpoint=fast"
}

teardown() {
	halt
	rm -rf "$home/to" && as_pg mkdir "$home/to"
}

# bk COMMAND...: as the server's user, as the log is pushed
bk() { as_pg env PATH="$PATH" PGPASSWORD="$PGPASSWORD" "$@"; }

# The rows of the original.
have() { q "SELECT string_agg(i::text, ' ' ORDER BY i) FROM n"; }

id_of() { sed -n '1s/.*"id":"\([^"]*\)".*/\1/p' "$1"; }

@test "one command, to a moment, out of the store" {
	moment=$(commit 2)
	commit 3 > /dev/null
	pushed
	command bk restore "$S" --name app --at "$moment" --owner "$(stat -c %U "$PGDATA")" --into "$home/to/data" --start > line
	grep '"end":"target"' line
	begin "$home/to/data"
	rows '1 2'
	[ "$(there 'SHOW archive_mode')" = off ]
	halt
	# As the server's user, and two programs of one pipeline.
	bk sh -c "bk-list '$S' --name app --at '$moment' | bk-restore --at '$moment' --into 'postgres-base://$home/to/other'"
	begin "$home/to/other"
	rows '1 2'
}

@test "a backup that ends after the moment is passed over, or named" {
	first=$(id_of "$BATS_FILE_TMPDIR/first")
	backup '&max-rate=8M' > second &
	timeout 20 sh -c "until psql -XAtqc \"SELECT 1 FROM pg_stat_progress_basebackup
	    WHERE phase = 'streaming database files'\" -d postgres | grep -q 1; do :; done"
	moment=$(commit 4)
	wait "$!"
	pushed
	[ "$(bk-list "$S" --name app --at "$moment" --plain | sed -n 's/.*"id":"\([^"]*\)".*/\1/p')" = "$(id_of second)" ]
	run -65 --separate-stderr sh -c "bk-list '$S' --name app --at '$moment' | bk-restore --at '$moment' --into '$home/to/data'"
	said "'$first' can be recovered to it"
	bk-restore -v "$S" --name app --at "$moment" --into "$home/to/data" 2> err
	grep "restoring '$first'" err
	begin "$home/to/data"
	rows "$(have)"
	run -66 --separate-stderr bk-restore "$S" --name app --at 2020-01-01T00:00:00Z --into "$home/to/x"
	said "name app at or before 2020-01-01T00:00:00"
	bk-restore "$S" --name app --at 2100-01-01T00:00:00Z --into "$home/to/y" 2> err
	grep '2100-01-01T00:00:00Z is not over yet' err
	# Other backups have one moment only.
	bk-dump 'fake:?bytes=10' > fake
	run -64 --separate-stderr bk-restore --at now --into fake: < fake
	run -64 --separate-stderr bk-restore --lsn 0/1 --into fake: < fake
}

@test "a replica catches up; it is backed up; a clone does not disturb a failover" {
	echo "127.0.0.1:*:*:postgres:$PGPASSWORD" | as_pg tee "$home/to/pgpass" > /dev/null
	as_pg chmod 600 "$home/to/pgpass"
	bk-restore "$S" --name app --latest --archive keep --into "$home/to/replica" \
	    --replica-of "postgres://postgres@127.0.0.1:$PGPORT/?passfile=$home/to/pgpass"
	! grep -r "$PGPASSWORD" "$home/to/replica" --include='*.conf'
	begin "$home/to/replica" "pg_is_in_recovery()"
	commit 5 > /dev/null
	timeout 30 sh -c "until psql -XAtq -h '$home/to' -p 5499 -d postgres -c 'SELECT 1 FROM n WHERE i = 5' | grep -q 1; do :; done"
	rows "$(have)"

	# Of the standby: what it requires, the primary has to fill.
	bk sh -c "bk-dump -n app 'postgres-base://:5499/?host=$home/to&checkpoint=fast' | bk-put '$S'" > third &
	put=$!
	timeout 60 sh -c "while kill -0 $put 2> /dev/null; do
	    psql -XAtqc \"SELECT pg_logical_emit_message(true, 'x', 'x'), pg_switch_wal()\" -d postgres; done" > /dev/null
	wait "$put"
	grep '"from-standby":true' third

	# A clone is promoted while all goes on.
	bk-restore "$S" --name app --at now --into "$home/to/clone" --start > line
	grep '"timeline":2' line
	! find "$home/store/app/wal" -name '00000002*' | grep .

	# Then the original dies, and its replica takes over the archive.
	before=$(commit 6)
	was=$(have)
	timeout 30 sh -c "until psql -XAtq -h '$home/to' -p 5499 -d postgres -c 'SELECT 1 FROM n WHERE i = 6' | grep -q 1; do :; done"
	as_pg "$PGBIN/pg_ctl" -s -w -m immediate -D "$PGDATA" stop > /dev/null
	there 'SELECT pg_promote()' > /dev/null
	there 'INSERT INTO n VALUES (7)'
	moment=$(there "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
	there 'INSERT INTO n VALUES (8)'
	f=$(there 'SELECT pg_walfile_name(pg_switch_wal())')
	timeout 30 sh -c "until ls '$home/store/app/wal'/*/*/$f-* > /dev/null 2>&1; do :; done"
	halt
	case $f in 00000002*) ;; *) false ;; esac
	bk-restore "$S" --name app --at "$moment" --into "$home/to/after" --start > line
	grep '"timeline":3' line
	begin "$home/to/after"
	rows "$was 7"
	halt
	bk-restore "$S" --name app --at "$before" --into "$home/to/before" --start > line
	begin "$home/to/before"
	rows "$was"
}
