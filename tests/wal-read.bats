# What is read of real segments is what pg_waldump reads.

load helper
load wal

setup_file() {
	export BATS_TEST_TIMEOUT=120
	wal_start || return 1
	real_segments 1 "$BATS_FILE_TMPDIR/seg"
	q 'ALTER SYSTEM SET max_prepared_transactions = 5'
	restart_with "wal_level = logical" "full_page_writes = on" "wal_compression = on"
	q 'CREATE TABLE many (n int, t text)'
	for i in 1 2 3; do
		q "INSERT INTO many SELECT g, repeat(md5(g::text), 20) FROM generate_series(1, 20000) g"
		q "SELECT pg_create_restore_point('point $i')" > /dev/null
		"$PGBIN/psql" -XAtq -d postgres <<-SQL > /dev/null
		BEGIN; INSERT INTO many VALUES (1, 'x'); ROLLBACK;
		BEGIN; INSERT INTO many VALUES (2, 'x'); PREPARE TRANSACTION 'a$i';
		COMMIT PREPARED 'a$i';
		BEGIN; INSERT INTO many VALUES (2, 'x'); PREPARE TRANSACTION 'b$i';
		ROLLBACK PREPARED 'b$i';
		BEGIN; SAVEPOINT a; INSERT INTO many VALUES (3, 'x'); SAVEPOINT b; CREATE TABLE t$i (n int); COMMIT;
		SELECT pg_logical_emit_message(true, 'big', repeat('x', 300000));
		DROP TABLE t$i;
		SQL
		f=$(q 'SELECT pg_walfile_name(pg_current_wal_insert_lsn())')
		q 'SELECT pg_switch_wal()' > /dev/null
	done
	q "SET synchronous_commit = on; INSERT INTO many VALUES (9, 'not the end of its segment')"
	cp "$PGDATA"/pg_wal/0000* "$BATS_FILE_TMPDIR/seg/"
	export SEG=$BATS_FILE_TMPDIR/seg
}

teardown_file() { wal_stop; }

setup() {
	. "$BATS_FILE_TMPDIR/env"
	cd "$BATS_TEST_TMPDIR"
	[ -x "$B/unit/test_walread" ] || skip "the unit tests are not built"
	mapfile -t W < <(ls "$SEG")
}

# The same of pg_waldump, from segment $1 to $2.
dumped() {
	TZ=UTC "$PGBIN/pg_waldump" -p "$SEG" "$1" "$2" 2> waldump.err > all || :
	sed -nE 's/^rmgr: (Transaction|XLOG) .* lsn: ([0-9A-F]+\/[0-9A-F]+), .*desc: (COMMIT|ABORT)(_PREPARED [0-9]+:?)? ([0-9-]+) ([0-9:.]+) UTC.*/\2 \3 \5T\6/p
s/^rmgr: XLOG .* lsn: ([0-9A-F]+\/[0-9A-F]+), .*desc: RESTORE_POINT (.*)/\1 RESTORE_POINT \2/p' all
}

@test "each segment by itself, in pieces of any size" {
	for w in "${W[@]}"; do
		dumped "$w" "$w" > want
		for piece in 4096 1000 8191 1048576; do
			run -0 --separate-stderr "$B/unit/test_walread" $piece "$SEG/$w"
			# pg_waldump ends in an error where a record goes on behind.
			diff <(printf '%s' "${output:+$output$'\n'}") want
		done
		cat want
	done > seen
	[ "$(grep -c RESTORE_POINT seen)" -eq 3 ]
	[ "$(grep -c ABORT seen)" -ge 6 ]
	[ "$(grep -c COMMIT seen)" -ge 20 ]
}

@test "all of them as one log" {
	dumped "${W[0]}" "${W[-1]}" > want
	"$B/unit/test_walread" 65536 "${W[@]/#/$SEG/}" > got 2> end
	diff got want
	grep -q ended end
	[ "$(wc -l < got)" -ge 30 ]
}
