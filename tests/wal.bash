# A private PostgreSQL whose log is archived; loaded by the files whose tests
# want real segments.

# Start one; its data directory is ${PGDATA}.
wal_start() {
	local lab=$BATS_FILE_TMPDIR/${1:-lab}
	"$root/tests/lab/postgres" start "$lab" > "$BATS_FILE_TMPDIR/env" || return 1
	. "$BATS_FILE_TMPDIR/env"
	# What a killed restore leaves goes with the server.
	as_pg mkdir "${PGDATA%/data}/tmp"
	echo "export TMPDIR=${PGDATA%/data}/tmp" >> "$BATS_FILE_TMPDIR/env"
}

wal_stop() { "$root/tests/lab/postgres" stop "$BATS_FILE_TMPDIR/${1:-lab}"; }

# as COMMAND...: as the server's user
as_pg() {
	if [ "$(id -u)" -eq 0 ]; then
		(cd / && exec setpriv --reuid "$(stat -c %u "$PGDATA")" --regid "$(stat -c %g "$PGDATA")" \
		    --clear-groups -- env HOME=/ "$@")
	else
		"$@"
	fi
}

# q SQL
q() { "$PGBIN/psql" -XAtq -v ON_ERROR_STOP=1 -d postgres -c "$1"; }

# Restart with these settings (words of postgresql.conf).
restart_with() {
	printf '%s\n' "$@" | as_pg tee -a "$PGDATA/postgresql.auto.conf" > /dev/null
	as_pg "$PGBIN/pg_ctl" -s -w -t 30 -D "$PGDATA" -l "$PGHOST/log" restart > /dev/null 2>&1 3>&- < /dev/null
}

# The system identifier of data directory $1.
system_of() { od -An -N8 -tu8 "$1/global/pg_control" | tr -d ' '; }

# $1 whole segments of a real server, some with rows, as $2/0000….
real_segments() {
	local i f
	mkdir -p "$2"
	q 'CREATE TABLE IF NOT EXISTS rows (n bigserial, t text)'
	for ((i = 0; i < $1; i++)); do
		q "INSERT INTO rows (t) SELECT md5(g::text) FROM generate_series(1, 20000) g"
		f=$(q 'SELECT pg_walfile_name(pg_current_wal_insert_lsn())')
		q 'SELECT pg_switch_wal()' > /dev/null
		cp "$PGDATA/pg_wal/$f" "$2/"
	done
}

# Change bytes: bend FILE OFFSET HEX
bend() {
	python3 -c 'import sys
f = open(sys.argv[1], "r+b"); f.seek(int(sys.argv[2])); f.write(bytes.fromhex(sys.argv[3]))' "$@"
}

# The objects below $1 of the file store, one a line.
objects() { (cd store && find "$1" -type f 2> /dev/null | sort); }
