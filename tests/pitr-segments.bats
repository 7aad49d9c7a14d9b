#!/usr/bin/env bats
# One segment of the log is missing, cut, swapped, of another server, or there
# twice: a restore past it fails, names it, and leaves nothing.

load helper
load wal
load pgback

setup_file() {
	export BATS_TEST_TIMEOUT=120
	root=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
	wal_start || return 1
	as_pg test -x "$B/bin/bk-wal-push" || skip "the server's user cannot reach the programs"
	home=${PGDATA%/data}
	as_pg mkdir "$home/store" "$home/to"
	restart_with "archive_mode = on" "full_page_writes = on" "track_commit_timestamp = on" \
	    "archive_command = '$B/bin/bk-wal-push --name app file://$home/store %p'" || return 1
	PGPASSWORD=$(cut -d: -f5 "$PGPASSFILE")
	export PGPASSWORD
	q 'CREATE TABLE n (i int); INSERT INTO n VALUES (0)'
	as_pg env PATH="$PATH" sh -c "bk-dump -n app 'postgres-base://postgres@127.0.0.1:$PGPORT/?checkpoint=fast' |
	    bk-put 'file://$home/store'" > /dev/null || return 1
	# One row in each of five segments.
	for i in 1 2 3 4 5; do
		at=$(commit "$i")
		f=$(q 'SELECT pg_walfile_name(pg_switch_wal())')
		echo "w$i=$f at$i=$at" >> "$BATS_FILE_TMPDIR/env"
	done
	echo "time2=$(q "SELECT to_char(pg_xact_commit_timestamp(xmin) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')
	    FROM n WHERE i = 2")" >> "$BATS_FILE_TMPDIR/env"
	timeout 30 sh -c "until ls '$home'/store/app/wal/*/*/$f-* > /dev/null 2>&1; do :; done"
	echo "home=$home PGPASSWORD=$PGPASSWORD; export home PGPASSWORD" >> "$BATS_FILE_TMPDIR/env"
}

teardown_file() {
	wal_stop
}

setup() {
	. "$BATS_FILE_TMPDIR/env"
	PATH=$PGBIN:$PATH
	cd "$BATS_TEST_TMPDIR"
	as_pg cp -a "$home/store" "$home/mine"
	S=file://$home/mine
	K=$(echo "$home"/mine/app/wal/*/00000001)
	one=$(echo "$K/$w3"-*) other=$(echo "$K/$w2"-*)
}

teardown() {
	halt
	rm -rf "$home/mine" "$home/to" && as_pg mkdir "$home/to"
}

# A restore past the segment fails, names it and says $1; to a moment that lies
# before it, with the same store, it does not.
refused() {
	run --separate-stderr as_pg env PATH="$PATH" bk-restore "$S" --name app --at "$at4" --into "$home/to/data" --start
	echo "$status: $stderr"
	[ "$status" -eq 65 ]
	said "$w3"
	said "$1"
	[ -z "$output" ]
	[ -z "$(ls -A "$home/to")" ]
	as_pg env PATH="$PATH" bk-restore "$S" --name app --at "$at1" --into "$home/to/data" --start > line
	grep '"end":"target"' line
	begin "$home/to/data"
	[ "$(there "SELECT string_agg(i::text, ' ' ORDER BY i) FROM n")" = '0 1' ]
}

@test "missing" {
	rm "$one"
	refused "is missing"
	halt
	rm -rf "${home:?}"/to/*
	find "$K" -type f -exec touch -d '11 minutes ago' {} +
	refused "is missing"
	halt
	rm -rf "${home:?}"/to/*
	# The last commit before it.
	as_pg env PATH="$PATH" bk-restore "$S" --name app --at "$time2" --into "$home/to/data" --start > line
	grep '"end":"target"' line
	begin "$home/to/data"
	[ "$(there "SELECT string_agg(i::text, ' ' ORDER BY i) FROM n")" = '0 1 2' ]
}

@test "cut" {
	truncate -s 9000 "$one"
	refused ".gz"
}

@test "swapped with another" {
	as_pg cp "$other" "$one"
	refused "its SHA-256 begins with"
}

@test "another under its right hash" {
	rm "$one"
	as_pg cp "$other" "$K/$w3-${other##*-}"
	refused "is in fact segment $w2"
}

@test "of another server" {
	gzip -dc "$one" > x
	rm "$one"
	bend x 24 0700000000000000
	sum=$(sha256sum < x)
	chmod 644 x && cp x "$K/$w3-${sum:0:16}"
	refused "is of system 7, not"
}

@test "two contents" {
	gzip -dc "$one" > x
	bend x 9000000 ffff
	sum=$(sha256sum < x)
	chmod 644 x && cp x "$K/$w3-${sum:0:16}"
	refused "is stored with two contents"
	# And nothing more is pushed under that name, neither the one nor the other.
	run -65 --separate-stderr bk-wal-push --name app "$S" "$PGDATA/pg_wal/$w3"
	said "'$w3'"
}
