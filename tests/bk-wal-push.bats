#!/usr/bin/env bats
# bk-wal-push: 0 only when the file is in the store, whatever happens on the
# way; real segments of a real server.

load helper
load wal

setup_file() {
	export BATS_TEST_TIMEOUT=120
	wal_start || return 1
	real_segments 6 "$BATS_FILE_TMPDIR/seg"
	SYSTEM=$(system_of "$PGDATA")
	export SYSTEM SEG=$BATS_FILE_TMPDIR/seg
}

teardown_file() { wal_stop; }

setup() {
	. "$BATS_FILE_TMPDIR/env"
	own_store
	mapfile -t W < <(ls "$SEG")
	K=app/wal/$SYSTEM/00000001
}

# A server's directory with the segments $2... marked ready.
server() {
	local d=$1
	shift
	mkdir -p "$d/global" "$d/pg_wal/archive_status"
	cp "$PGDATA/global/pg_control" "$d/global/"
	for w in "$@"; do
		cp "$SEG/$w" "$d/pg_wal/"
		: > "$d/pg_wal/archive_status/$w.ready"
	done
}

@test "a segment is stored, once, as plain tools open it" {
	for c in gzip zstd:1 none; do
		run -0 --separate-stderr bk-wal-push --name "a-${c%:*}" --compress $c "$S" "$SEG/${W[0]}"
		[ -z "$output$stderr" ]
	done
	sum=$(sha256sum < "$SEG/${W[0]}")
	k=wal/$SYSTEM/00000001/${W[0]}-${sum:0:16}
	gzip -dc "store/a-gzip/$k.gz" | cmp - "$SEG/${W[0]}"
	zstd -qdc "store/a-zstd/$k.zst" | cmp - "$SEG/${W[0]}"
	cmp "store/a-none/$k" "$SEG/${W[0]}"
	[ "$(objects . | wc -l)" -eq 3 ]
}

@test "the same again succeeds, another content never" {
	bk-wal-push --name app "$S" "$SEG/${W[0]}"
	objects . > before
	run -0 --separate-stderr bk-wal-push -v --name app --compress zstd "$S" "$SEG/${W[0]}"
	said "'${W[0]}' is in file://"
	cp "$SEG/${W[0]}" .
	bend "${W[0]}" 100000 ffff
	run -65 --separate-stderr bk-wal-push --name app "$S" "${W[0]}"
	one_line
	said "'${W[0]}' is stored already with another content"
	objects . | cmp - before
}

@test "a file that is not what its name says is refused" {
	cp "$SEG/${W[0]}" "${W[1]}"
	run -65 --separate-stderr bk-wal-push --name app "$S" "${W[1]}"
	said "'${W[1]}': is in fact segment ${W[0]}"
	head -c 100000 "$SEG/${W[2]}" > "${W[2]}"
	run -65 --separate-stderr bk-wal-push --name app "$S" "${W[2]}"
	said "has 100000 bytes, a segment of this server has 16777216"
	: > 00000002.history
	run -65 --separate-stderr bk-wal-push --name app "$S" 00000002.history
	server other "${W[3]}"
	bend other/global/pg_control 0 2a00000000000000
	run -65 --separate-stderr bk-wal-push --name app "$S" "other/pg_wal/${W[3]}"
	said "is of system $SYSTEM, not 42"
	run -66 --separate-stderr bk-wal-push --name app "$S" "${W[4]}"
	[ -z "$(objects .)" ]
}

@test "a system that is new under the name wants --new-system" {
	bk-wal-push --name app "$S" "$SEG/${W[0]}"
	cp "$SEG/${W[0]}" .
	bend "${W[0]}" 24 0100000000000000
	run -78 --separate-stderr bk-wal-push --name app "$S" "${W[0]}"
	one_line
	said "'app' has the WAL of system $SYSTEM, this is system 1"
	bk-wal-push --name app --new-system "$S" "${W[0]}"
	[ "$(objects app | cut -d/ -f3 | sort -u | wc -l)" -eq 2 ]
	cp "$SEG/${W[1]}" .
	bend "${W[1]}" 24 0100000000000000
	bk-wal-push --name app "$S" "${W[1]}"
	bk-wal-push --name app "$S" "$SEG/${W[1]}"
	[ "$(objects app | wc -l)" -eq 4 ]
}

@test "history, backup and partial files go as they come" {
	server d "${W[0]}"
	printf '1\t0/3000000\tno recovery target specified\n' > d/pg_wal/00000002.history
	printf 'START WAL LOCATION: 0/2000028\n' > "d/pg_wal/${W[0]}.00000028.backup"
	cp "$SEG/${W[1]}" "d/pg_wal/${W[1]}.partial"
	for f in 00000002.history "${W[0]}.00000028.backup" "${W[1]}.partial"; do
		bk-wal-push -j 1 --name app "$S" "d/pg_wal/$f"
		bk-wal-push -j 1 --name app "$S" "d/pg_wal/$f"
	done
	bk-wal-push --name app "$S" "d/pg_wal/${W[0]}"
	bk-wal-push --name app "$S" "$SEG/${W[1]}"
	[ "$(objects app | wc -l)" -eq 5 ]
	gzip -dc store/app/wal/$SYSTEM/00000002/00000002.history-*.gz | cmp - d/pg_wal/00000002.history
	# Without a data directory nobody knows whose they are.
	cp d/pg_wal/00000002.history .
	run -78 --separate-stderr bk-wal-push --name new "$S" 00000002.history
	one_line
}

@test "what is ready behind it goes in the same call, and is remembered honestly" {
	server d "${W[@]}"
	bk-wal-push --name app -j 2 "$S" "d/pg_wal/${W[0]}"
	[ "$(objects "$K" | wc -l)" -eq 6 ]
	mv store away
	for w in "${W[@]:1:4}"; do
		run -0 --separate-stderr bk-wal-push -v --name app "$S" "d/pg_wal/$w"
		said 'was pushed ahead'
	done
	# Another name, another store, another file: none of them is remembered.
	run -66 --separate-stderr bk-wal-push --name app2 "$S" "d/pg_wal/${W[1]}"
	run -66 --separate-stderr bk-wal-push --name app "$S/x" "d/pg_wal/${W[1]}"
	cp "d/pg_wal/${W[5]}" x && mv x "d/pg_wal/${W[5]}"
	run -66 --separate-stderr bk-wal-push --name app "$S" "d/pg_wal/${W[5]}"
	mv away store
	bk-wal-push --name app "$S" "d/pg_wal/${W[5]}"
	# An hour later the store is asked again.
	mv store away
	cp d/pg_wal/archive_status/bk-wal-push.* kept
	awk 'NF == 6 { $6 -= 3601000 } { print }' kept > "$(echo d/pg_wal/archive_status/bk-wal-push.*)"
	run -66 --separate-stderr bk-wal-push --name app "$S" "d/pg_wal/${W[1]}"
	cp kept "$(echo d/pg_wal/archive_status/bk-wal-push.*)"
	run -0 --separate-stderr bk-wal-push --name app "$S" "d/pg_wal/${W[1]}"
	# A torn memo is none.
	for m in d/pg_wal/archive_status/bk-wal-push.*; do
		head -c 150 "$m" > t && mv t "$m"
	done
	run -66 --separate-stderr bk-wal-push --name app "$S" "d/pg_wal/${W[1]}"
}

@test "a bad file ahead is told, and neither stored nor remembered" {
	server d "${W[@]}"
	cp "$SEG/${W[3]}" "d/pg_wal/${W[2]}"
	rm "d/pg_wal/${W[4]}"
	run -0 --separate-stderr bk-wal-push --name app "$S" "d/pg_wal/${W[0]}"
	said "not pushed ahead: 'd/pg_wal/${W[2]}': is in fact segment ${W[3]}"
	said "not pushed ahead: cannot open 'd/pg_wal/${W[4]}'"
	[ "$(objects "$K" | wc -l)" -eq 4 ]
	run -65 --separate-stderr bk-wal-push --name app "$S" "d/pg_wal/${W[2]}"
}

@test "as many ahead as the jobs allow, and none with one job" {
	server d "${W[@]}"
	bk-wal-push -j 1 --name app "$S" "d/pg_wal/${W[0]}"
	[ "$(objects "$K" | wc -l)" -eq 1 ]
	# PostgreSQL's own order: the oldest first.
	for ((i = 0; i < 40; i++)); do
		: > "d/pg_wal/archive_status/$(printf '00000001000000090000%04X' "$i").ready"
	done
	run -0 --separate-stderr bk-wal-push -j 2 --name app "$S" "d/pg_wal/${W[0]}"
	[ "$(objects "$K" | wc -l)" -eq 6 ]
	[ "$(grep -c 'not pushed ahead' <<< "$stderr")" -eq 3 ]
}

@test "every store gets it, or the status is not 0" {
	mkdir two
	bk-wal-push --name app "$S" "file://$PWD/two" "$SEG/${W[0]}"
	[ -f two/$K/${W[0]}-*.gz ]
	rm -r two
	run -66 --separate-stderr bk-wal-push --name app "$S" "file://$PWD/two" "$SEG/${W[1]}"
	BK_STORE=$S run -0 --separate-stderr bk-wal-push --name app "$SEG/${W[1]}"
	[ "$(objects "$K" | wc -l)" -eq 2 ]
}

@test "killed at any moment, the next call finds or makes it whole" {
	server d "${W[@]}"
	for i in 1 2 3 4 5 6 7 8 9 10; do
		bk-wal-push --name app "$S" "d/pg_wal/${W[0]}" 2> /dev/null 3>&- &
		sleep "0.0$((RANDOM % 10))$((RANDOM % 10))"
		kill -9 $! 2> /dev/null || :
		wait $! || :
	done
	for w in "${W[@]}"; do
		bk-wal-push --name app "$S" "d/pg_wal/$w"
		gzip -dc store/$K/$w-*.gz | cmp - "$SEG/$w"
	done
	[ "$(objects "$K" | grep -c "$K/0")" -eq 6 ]
}

@test "what a killed push left is swept after a week, and nothing else" {
	bk-wal-push --name app "$S" "$SEG/${W[0]}"
	t=store/$K/.bk-tmp-01M7Z8V4MFASPYEGABX9VNFAPK-${W[1]}-0123456789abcdef.gz
	: > "$t"
	touch -d '6 days ago' "$t"
	touch -d '30 days ago' store/$K/${W[0]}-*
	bk-prune --sweep "$S"
	[ -e "$t" ]
	touch -d '8 days ago' "$t"
	run -0 bk-prune --sweep --dry-run "$S"
	[[ $output = *"$K/${W[1]}-0123456789abcdef.gz"* ]] && [ -e "$t" ]
	bk-prune --sweep "$S"
	[ ! -e "$t" ]
	[ "$(objects "$K" | wc -l)" -eq 1 ]
}

@test "a real server archives by it, waits while the store is down, loses nothing" {
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" .
	dir=$(mktemp -d /tmp/bk-test-XXXXXX)
	chmod 777 "$dir"
	mkfifo -m 666 "$dir/said"
	mkdir -m 777 "$dir/store"
	as_pg test -x "$B/bin/bk-wal-push" || skip "the server's user cannot reach the programs"
	restart_with "archive_mode = on" \
	    "archive_command = '$B/bin/bk-wal-push --name app file://$dir/store %p; s=\$?; echo %f \$s > $dir/said; exit \$s'"
	exec 7<> "$dir/said"
	told() {
		while read -r -t 60 -u 7 file st; do
			[ "$file $st" != "$1" ] || return 0
			echo "$file $st"
		done
		return 1
	}
	next() {
		local f
		q "INSERT INTO rows (t) VALUES ('x')"
		f=$(q 'SELECT pg_walfile_name(pg_current_wal_insert_lsn())')
		q 'SELECT pg_switch_wal()' > /dev/null
		cp "$PGDATA/pg_wal/$f" . && echo "$f"
	}
	a=$(next)
	told "$a 0"
	[ -f "$dir"/store/$K/$a-*.gz ]
	mv "$dir/store" "$dir/away"
	b=$(next) c=$(next) d=$(next)
	told "$b 66"
	# The next try is in this second or in the next minute: wake the archiver.
	mv "$dir/away" "$dir/store"
	q 'SELECT pg_reload_conf()' > /dev/null
	as_pg "$PGBIN/pg_ctl" -s -w -t 30 -D "$PGDATA" -l "$PGHOST/log" restart > /dev/null 2>&1 3>&- < /dev/null
	told "$d 0"
	for w in $a $b $c $d; do
		gzip -dc "$dir"/store/$K/$w-*.gz | cmp - "$w"
	done
	[ "$(system_of "$PGDATA")" = "$SYSTEM" ]
	grep -q 'archive command failed with exit code 66' "$PGHOST/log"
	exec 7>&-
	q 'ALTER SYSTEM SET archive_command = $$true$$'
	q 'SELECT pg_reload_conf()' > /dev/null
	rm -r "$dir"
}

@test "wrong usage is 64" {
	for args in "" "$S" "--name app" "--name /x $S f" "--name app --compress lz $S f" \
	    "--name app --compress gzip:99 $S f" "--name app -j 0 $S f" "--name app -j 33 $S f"; do
		run -64 --separate-stderr env -u BK_STORE bk-wal-push $args
	done
	run -64 --separate-stderr bk-wal-push --name app "$S" /etc/passwd
	said "no name of a file of WAL"
}
