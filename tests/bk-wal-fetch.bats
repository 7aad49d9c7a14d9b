#!/usr/bin/env bats
# bk-wal-fetch: what it puts in place is what was pushed, and what is not so
# ends a recovery instead of the log.

load helper
load wal

setup_file() {
	export BATS_TEST_TIMEOUT=120
	wal_start || return 1
	real_segments 6 "$BATS_FILE_TMPDIR/seg"
	SYSTEM=$(system_of "$PGDATA")
	mkdir "$BATS_FILE_TMPDIR/store"
	for f in "$BATS_FILE_TMPDIR"/seg/*; do
		bk-wal-push --name app "file://$BATS_FILE_TMPDIR/store" "$f"
	done
	export SYSTEM SEG=$BATS_FILE_TMPDIR/seg
}

teardown_file() { wal_stop; wal_stop lab2; }

setup() {
	. "$BATS_FILE_TMPDIR/env"
	cd "$BATS_TEST_TMPDIR"
	cp -r "$BATS_FILE_TMPDIR/store" store
	S=file://$PWD/store
	mapfile -t W < <(ls "$SEG")
	K=app/wal/$SYSTEM/00000001
	mkdir -p d/pg_wal d/global
	cp "$PGDATA/global/pg_control" d/global/
	D=d/pg_wal/.bk-wal-fetch
}

# fetch FILE [OPTION]...: as PostgreSQL does
fetch() {
	local f=$1
	shift
	run --separate-stderr bk-wal-fetch --name app "$@" "$S" "$f" d/pg_wal/RECOVERYXLOG
}

# The file in place is segment $1, and nothing else is there but the spool.
in_place() {
	cmp d/pg_wal/RECOVERYXLOG "$SEG/$1"
	rm d/pg_wal/RECOVERYXLOG
	[ -z "$(ls d/pg_wal)" ]
}

# Status $1, and nothing is in place.
refused() {
	[ "$status" -eq "$1" ] || { echo "status $status: $stderr"; return 1; }
	[ -z "$(ls d/pg_wal)" ]
	one_line
}

@test "a segment and those behind it, and absent is 1" {
	fetch "${W[0]}" --prefetch 3
	[ "$status" -eq 0 ] && [ -z "$output$stderr" ]
	in_place "${W[0]}"
	[ "$(ls -A $D | wc -l)" -eq 3 ]
	[ "$(stat -c %a $D)" = 700 ]
	mv store away
	for w in "${W[@]:1:3}"; do
		fetch "$w"
		[ "$status" -eq 0 ]
		in_place "$w"
	done
	fetch "${W[4]}"
	refused 194
	mv away store
	fetch "${W[4]}"
	in_place "${W[4]}"
	fetch "${W[5]}"
	in_place "${W[5]}"
	[ -z "$(ls -A $D)" ]
	fetch 0000000100000000000000FF
	[ "$status" -eq 1 ] && [ -z "$stderr" ]
	fetch 00000002.history
	[ "$status" -eq 1 ] && [ ! -e $D ]
}

@test "one by one, and into a spool elsewhere" {
	fetch "${W[0]}" --prefetch 0
	in_place "${W[0]}"
	[ ! -e $D ]
	spool=$(mktemp -d -p /dev/shm)
	fetch "${W[0]}" --spool "$spool"
	in_place "${W[0]}"
	mv store away
	fetch "${W[1]}" --spool "$spool"
	in_place "${W[1]}"
	touch "$spool/other"
	mv away store
	fetch 00000009.history --spool "$spool"
	[ "$(ls "$spool")" = other ]
	chmod 777 "$spool"
	fetch "${W[0]}" --spool "$spool"
	[ "$status" -eq 0 ]
	said "is no directory that only this user can write to"
	in_place "${W[0]}"
	rm -r "$spool"
}

@test "the spool is not trusted" {
	fetch "${W[0]}" --prefetch 3
	rm d/pg_wal/RECOVERYXLOG
	bend $D/*"${W[1]}"-* 70000 00ff00ff
	: > "$(echo $D/*"${W[2]}"-*)"
	ln -sf /etc/passwd "$(echo $D/*"${W[3]}"-*)"
	for w in "${W[@]:1:3}"; do
		fetch "$w" --prefetch 0
		[ "$status" -eq 0 ]
		in_place "$w"
	done
}

@test "cut, changed, swapped and foreign objects end the recovery" {
	a=$(echo store/$K/${W[0]}-*) b=$(echo store/$K/${W[1]}-*)
	cp "$a" a
	truncate -s 100000 "$a"
	fetch "${W[0]}"
	refused 193
	said "$K/${W[0]}-"
	cp a "$a"
	bend "$a" 50000 ffffffff
	fetch "${W[0]}"
	refused 193
	cp "$b" "$a"
	fetch "${W[0]}"
	refused 193
	said "its SHA-256 begins with"
	: > "$a"
	fetch "${W[0]}"
	refused 193
	# The right hash under the name of another.
	rm "$a"
	cp "$b" "store/$K/${W[0]}-${b##*-}"
	fetch "${W[0]}"
	refused 193
	said "is in fact segment ${W[1]}"
	rm "store/$K/${W[0]}-${b##*-}"
	# Of another system, under this one's.
	cp "$SEG/${W[0]}" x
	bend x 24 0700000000000000
	sum=$(sha256sum < x)
	cp x "store/$K/${W[0]}-${sum:0:16}"
	fetch "${W[0]}"
	refused 193
	said "is of system 7, not $SYSTEM"
	cp a "$a"
	fetch "${W[0]}"
	refused 193
	said "'${W[0]}' is stored with two contents"
}

@test "a bad one ahead is left to the call that asks for it" {
	bend store/$K/${W[1]}-* 50000 ffffffff
	cp store/$K/${W[3]}-* "store/$K/${W[3]}-0123456789abcdef.gz"
	fetch "${W[0]}"
	[ "$status" -eq 0 ] && [ -z "$stderr" ]
	in_place "${W[0]}"
	[ "$(ls -A $D | wc -l)" -eq 1 ]
	fetch "${W[1]}"
	[ "$status" -eq 193 ]
	fetch "${W[2]}"
	in_place "${W[2]}"
	fetch "${W[3]}"
	[ "$status" -eq 193 ]
}

@test "a gap is not the end of the log" {
	fetch 000000010000000000000000
	[ "$status" -eq 1 ] && [ -z "$stderr" ]
	rm store/$K/${W[1]}-*
	fetch "${W[1]}"
	[ "$status" -eq 1 ]
	touch -d '11 minutes ago' store/$K/*
	fetch "${W[1]}"
	refused 193
	said "'${W[1]}' is missing: '${W[2]}' behind it is there"
	# A history from before there was an archive is not one.
	mkdir -p store/app/wal/$SYSTEM/00000002
	: > store/app/wal/$SYSTEM/00000002/000000020000000000000009-0123456789abcdef
	touch -d '11 minutes ago' store/app/wal/$SYSTEM/00000002/*
	fetch 00000002.history
	[ "$status" -eq 1 ]
	touch d/standby.signal
	fetch "${W[1]}"
	[ "$status" -eq 1 ]
	rm d/standby.signal
	fetch "${W[0]}"
	in_place "${W[0]}"
}

@test "whose log: pg_control, --system, or the only one" {
	sum=$(sha256sum < "$SEG/${W[0]}")
	rm d/global/pg_control
	fetch "${W[0]}"
	in_place "${W[0]}"
	cp "$SEG/${W[0]}" .
	bend "${W[0]}" 24 0700000000000000
	bk-wal-push --new-system --name app "$S" "${W[0]}"
	fetch "${W[0]}"
	[ "$status" -eq 206 ]
	said "'app' has the WAL of systems"
	said "$SYSTEM"
	said ': choose by --system'
	fetch "${W[0]}" --system 7
	cmp d/pg_wal/RECOVERYXLOG "${W[0]}"
	rm -r $D d/pg_wal/RECOVERYXLOG
	fetch "${W[0]}" --system 8
	[ "$status" -eq 1 ]
	cp "$PGDATA/global/pg_control" d/global/
	fetch "${W[0]}"
	in_place "${W[0]}"
}

@test "killed at any moment, the next call puts it in place" {
	for i in 1 2 3 4 5 6 7 8 9 10; do
		bk-wal-fetch --name app "$S" "${W[0]}" d/pg_wal/RECOVERYXLOG 3>&- &
		sleep "0.0$((RANDOM % 10))$((RANDOM % 10))"
		kill -9 $! 2> /dev/null || :
		wait $! || :
		[ ! -e d/pg_wal/RECOVERYXLOG ] || cmp d/pg_wal/RECOVERYXLOG "$SEG/${W[0]}"
	done
	for w in "${W[@]}"; do
		fetch "$w"
		[ "$status" -eq 0 ]
		cmp d/pg_wal/RECOVERYXLOG "$SEG/$w"
	done
	fetch 00000002.history
	[ "$(ls -A d/pg_wal)" = RECOVERYXLOG ]
}

@test "wrong usage is above 125 too" {
	for args in "" "--name app $S" "--name app $S x y z" "--name app $S nolog p" "--name / $S f p" \
	    "--name app --prefetch 65 $S f p" "--name app --system 0 $S f p" "--bad"; do
		run -192 --separate-stderr env -u BK_STORE bk-wal-fetch $args
	done
	AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x run -197 --separate-stderr bk-wal-fetch --name app --timeout 1s \
	    's3://b?endpoint=http://127.0.0.1:1' "${W[0]}" d/pg_wal/x
	run -0 bk-wal-fetch --help
}

# A copy of the server, recovering by what the store has.
recover() {
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR"
	cp -a "$dir/base" "$dir/new"
	as_pg touch "$dir/new/recovery.signal"
	printf '%s\n' "restore_command = '$B/bin/bk-wal-fetch --name app file://$dir/store %f %p'" \
	    "archive_mode = off" "hot_standby = off" "port = 1" "listen_addresses = ''" "unix_socket_directories = '$dir'" "$@" |
	    as_pg tee -a "$dir/new/postgresql.auto.conf" > /dev/null
	as_pg "$PGBIN/pg_ctl" -s -w -t 60 -D "$dir/new" -l "$dir/log" start 3>&- < /dev/null || return 1
	# Until it answers, or ends.
	for ((n = 0; n < 600; n++)); do
		! rows=$("$PGBIN/psql" -XAtq -h "$dir" -p 1 -d postgres -c 'SELECT sum(n) FROM late' 2> /dev/null) || return 0
		[ -e "$dir/new/postmaster.pid" ] || return 1
		sleep 0.1
	done
	return 1
}

@test "a real server recovers by it; a damaged segment stops it" {
	dir=$(mktemp -d /tmp/bk-test-XXXXXX)
	chmod 777 "$dir"
	mkdir -m 777 "$dir/store"
	as_pg test -x "$B/bin/bk-wal-push" || skip "the server's user cannot reach the programs"
	restart_with "archive_mode = on" "archive_command = '$B/bin/bk-wal-push --name app file://$dir/store %p'"
	as_pg env PGPASSWORD="$(cut -d: -f5 "$PGPASSFILE")" "$PGBIN/pg_basebackup" -h "$PGHOST" -p "$PGPORT" \
	    -U postgres -X none -c fast -D "$dir/base"
	q 'CREATE TABLE late (n int)'
	for i in 1 2 3 4 5; do
		q "INSERT INTO late VALUES ($i); INSERT INTO rows (t) SELECT md5(g::text) FROM generate_series(1, 5000) g"
		last=$(q 'SELECT pg_walfile_name(pg_current_wal_insert_lsn())')
		q 'SELECT pg_switch_wal()' > /dev/null
	done
	# Archived once its mark is .done.
	for ((n = 0; n < 300; n++)); do
		[ ! -e "$PGDATA/pg_wal/archive_status/$last.done" ] || break
		sleep 0.1
	done
	q 'ALTER SYSTEM SET archive_command = $$true$$'
	q 'SELECT pg_reload_conf()' > /dev/null

	recover
	[ "$rows" = 15 ]
	as_pg "$PGBIN/pg_ctl" -s -w -m fast -D "$dir/new" stop
	[ ! -e "$dir/new/pg_wal/.bk-wal-fetch" ]
	grep -q "restored log file \"$last\" from archive" "$dir/log"

	rm -r "$dir/new" "$dir/log"
	bend "$dir"/store/app/wal/*/00000001/$last-* 50 ffffffff
	run recover
	[ "$status" -ne 0 ]
	grep -q 'FATAL: .*could not restore file' "$dir/log"
	rm -r "$dir"
}
