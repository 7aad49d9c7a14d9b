#!/usr/bin/env bats
# examples/postgres-pitr on a real server, both ways, with the commands that its
# README prints.

load helper
load supervise
load wal
load pgback

setup() {
	export BATS_TEST_TIMEOUT=120
	wal_start || return 1
	. "$BATS_FILE_TMPDIR/env"
	PATH=$PGBIN:$PATH
	as_pg test -x "$B/bin/bk-supervise" || skip "the server's user cannot reach the programs"
	home=${PGDATA%/data}
	pids=()
	as_pg mkdir "$home/store" "$home/to" "$home/wal"
	cd "$home"
	# The environment of the service and of the server.
	export BK_STATE=$home/state BK_STORE=file://$home/store WAL_DIR=$home/wal WAL_PARTIAL=1s
	export BASE_SERVER=postgres@127.0.0.1:$PGPORT BK_ON_STALE="echo stale >> '$home/alarm'"
	export BK_CONF=$root/examples/postgres-pitr/bk.conf
	PGPASSWORD=$(cut -d: -f5 "$PGPASSFILE")
	export PGPASSWORD
	unset PGPASSFILE
	q 'CREATE TABLE n (i int, at timestamptz DEFAULT clock_timestamp())'
}

teardown() {
	halt
	for p in "${pids[@]}"; do
		kill -KILL $(pgrep -P "$p") "$p" 2> /dev/null && wait "$p" 2> /dev/null || true
	done
	for p in $(pgrep -f "^[^ ]*(bk-|pg_receivewal).*$home/"); do kill -KILL "$p" || true; done
	cd /
	wal_stop
}

# The commands of README.md under this name, with a directory of ours.
told() {
	awk -v want="\`\`\`sh $1" '$0 == want { on = 1; next } /^```/ { on = 0 } on' \
	    "$root/examples/postgres-pitr/README.md" | sed "s|/srv/pg|$home/to/data|" > "$BATS_TEST_TMPDIR/$1"
	[ -s "$BATS_TEST_TMPDIR/$1" ]
	as_pg sh -euc "$(cat "$BATS_TEST_TMPDIR/$1")"
}

# The cluster in to/data has these rows.
holds() {
	begin "$home/to/data"
	[ "$(there "SELECT string_agg(i::text, ' ' ORDER BY i) FROM n")" = "$1" ]
	[ "$(there 'SHOW archive_mode')" = off ]
	halt
	rm -r "$home/to/data"
}

@test "by archive_command: base backups, retention, freshness, a moment" {
	mapfile -t settings < <(grep -v '^#' "$root/examples/postgres-pitr/postgresql.conf")
	restart_with "${settings[@]}"
	q 'INSERT INTO n VALUES (1)'
	told begin > out
	cat out
	grep -q '"job":"app".*"state":"fresh"' out
	[ ! -e alarm ]
	moment=$(commit 2)
	commit 3 > /dev/null
	f=$(q 'SELECT pg_walfile_name(pg_switch_wal())')
	timeout 30 sh -c "until ls '$home'/store/app/wal/*/*/$f-* > /dev/null 2>&1; do :; done"
	told list > list
	grep '"recoverable"' list
	grep '"stop-time"' list
	told fresh > fresh
	grep '"state":"fresh"' fresh
	run -1 as_pg faketime '+27 hours' sh -c "$(cat "$BATS_TEST_TMPDIR/fresh")"
	[[ $output == *'"state":"stale"'* ]]
	MOMENT=$moment told restore > line
	grep '"end":"target"' line
	holds '1 2'
	told latest > /dev/null
	holds '1 2 3'
	# The rule was applied, and is remembered.
	grep -q -e '15,4,3' store/.bk/rule/app.json
}

@test "by pg_receivewal: what was written seconds ago is in the store" {
	BK_CONF=$root/examples/postgres-pitr/receive.conf
	sed "s|/usr/bin/|$PGBIN/|; s|/srv/wal|$WAL_DIR|" "$root/examples/postgres-pitr/pg_receivewal.service" > unit
	as_pg env PGHOST="$PGHOST" PGPORT="$PGPORT" PGUSER=postgres sh -c "$PGBIN/$(sed -n 's/^#\tpg_receivewal/pg_receivewal/p' unit)"
	as_pg env PGHOST="$PGHOST" PGPORT="$PGPORT" PGUSER=postgres sh -c "exec $(sed -n 's/^ExecStart=//p' unit)" 2> recv 3>&- &
	pids+=($!)
	q 'INSERT INTO n VALUES (1)'
	as_pg bk-supervise > log 2>&1 3>&- &
	pids+=($!)
	timeout 60 sh -c "until grep -q '\"job\":\"app\",\"event\":\"committed\"' state/ledger 2> /dev/null; do :; done" || { cat log; false; }
	commit 2 > /dev/null
	file=$(q 'SELECT pg_walfile_name(pg_current_wal_insert_lsn())')
	lsn=$(q 'SET synchronous_commit = on; INSERT INTO n VALUES (3); SELECT pg_current_wal_flush_lsn()')
	# What is stored of the growing segment has it; the server dies.
	stored() {
		rm -rf got && mkdir got &&
		    bk-wal-fetch --prefetch 0 --name app "$file" "got/$file" &&
		    [ "$(pg_waldump -p got "$file" 2> /dev/null | grep -c COMMIT)" -ge "$want" ]
	}
	want=$(pg_waldump -p "$PGDATA/pg_wal" "$file" 2> /dev/null | grep -c COMMIT)
	end=$((SECONDS + 30))
	until stored; do [ $SECONDS -lt $end ]; done
	as_pg pg_ctl -s -w -m immediate -D "$PGDATA" stop
	told latest > line
	grep '"end":"end of the log"' line
	holds '1 2 3'
}
