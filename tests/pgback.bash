# Servers whose log goes into a store as it comes, and restored clusters, in
# ${home}/to; loaded with wal.bash.

# Start one that pushes to ${S}, as the name app; all that is known of it goes
# to the file that setup reads.
pushing_start() {
	export BATS_TEST_TIMEOUT=120
	root=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
	wal_start || return 1
	as_pg test -x "$B/bin/bk-wal-push" || skip "the server's user cannot reach the programs"
	home=${PGDATA%/data}
	as_pg mkdir "$home/store" "$home/to"
	S=file://$home/store
	echo "S=$S home=$home PGPASSWORD=$(cut -d: -f5 "$PGPASSFILE"); export S home PGPASSWORD" >> "$BATS_FILE_TMPDIR/env"
	. "$BATS_FILE_TMPDIR/env"
	restart_with "archive_mode = on" "full_page_writes = on" \
	    "archive_command = '$B/bin/bk-wal-push --name app $S %p'"
}

# backup [PARAMETERS [PORT]]: a base backup into the store, by the user who
# pushes its log; prints the record.
backup() {
	as_pg env PATH="$PATH" PGPASSWORD="$PGPASSWORD" sh -c \
	    "bk-dump -n app 'postgres-base://postgres@127.0.0.1:${2:-$PGPORT}/?checkpoint=fast${1-}' | bk-compress | bk-put '$S'"
}

# Wait until the segment under way is in the store; prints its name.
pushed() {
	local f
	f=$(q 'SELECT pg_walfile_name(pg_switch_wal())')
	timeout 30 sh -c "until ls '$home/store/app/wal'/*/*/$f-* > /dev/null 2>&1; do :; done"
	echo "$f"
}

# A row; prints a moment after it.
commit() {
	q "INSERT INTO n VALUES ($1)" > /dev/null
	q "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
}

# Start the cluster in $1 on a socket of its own, until it takes writes.
begin() {
	as_pg "$PGBIN/pg_ctl" -s -w -t 60 -D "$1" -l "$home/to/log" \
	    -o "-c fsync=off -c port=5499 -c listen_addresses= -c unix_socket_directories=$home/to" \
	    start > /dev/null 2>&1 3>&- < /dev/null || { cat "$home/to/log"; return 1; }
	started=$1
	timeout 60 sh -c "until psql -XAtq -h '$home/to' -p 5499 -d postgres -c 'SELECT ${2:-NOT pg_is_in_recovery()}' 2> /dev/null |
	    grep -q t; do :; done"
}

halt() {
	[ -z "${started-}" ] || as_pg "$PGBIN/pg_ctl" -s -w -m immediate -D "$started" stop > /dev/null 2>&1 || :
	started=
}

# there SQL: of the restored cluster
there() { psql -XAtq -v ON_ERROR_STOP=1 -h "$home/to" -p 5499 -d postgres -c "$1"; }

# The rows of n in a restored cluster are $1.
rows() {
	there "SELECT string_agg(i::text, ' ' ORDER BY i) FROM n" > got
	[ "$(cat got)" = "$1" ] || { echo "rows: $(cat got), not $1"; return 1; }
}
