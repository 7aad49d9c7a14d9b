#!/usr/bin/env bats
# Points in time against a history of chance: tests/fault/pitr.py.

load helper
load wal

setup() {
	export BATS_TEST_TIMEOUT=${LONG:-240}
	wal_start || return 1
	. "$BATS_FILE_TMPDIR/env"
	as_pg test -x "$B/bin/bk-wal-push" || skip "the server's user cannot reach the programs"
	home=${PGDATA%/data}
	as_pg mkdir "$home/store" "$home/to"
	# A push that is killed is one that failed; a server that sees the signal
	# itself rests for 10 seconds.
	as_pg tee "$home/archive" > /dev/null <<-END
	#!/bin/sh
	PATH=$PATH
	bk-wal-push --name app "file://$home/store" "\$1" || exit 1
	END
	as_pg chmod 755 "$home/archive"
	restart_with "archive_mode = on" "full_page_writes = on" "track_commit_timestamp = on" \
	    "archive_command = '$home/archive %p'"
}

teardown() {
	wal_stop
}

@test "exactly the rows that were committed, at random moments of a random history" {
	run as_pg env PATH="$PATH" PGDATA="$PGDATA" PGPORT="$PGPORT" PGBIN="$PGBIN" PYTHONDONTWRITEBYTECODE=1 \
	    PGPASSWORD="$(cut -d: -f5 "$PGPASSFILE")" \
	    timeout "$((BATS_TEST_TIMEOUT - 20))" python3 "$root/tests/fault/pitr.py" "$home" "${STEPS:-12}" "${MOMENTS:-3}" ${SEED-}
	echo "$output"
	[ "$status" -eq 0 ]
}
