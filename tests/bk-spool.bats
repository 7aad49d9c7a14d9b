load helper
load supervise

setup() {
	own_store
	mkdir in
}

teardown() {
	supervise_teardown
	! mountpoint -q "$BATS_TEST_TMPDIR/in" || umount "$BATS_TEST_TMPDIR/in"
	[ -z "${pid:-}" ] || { kill -KILL "$pid"; wait "$pid"; } 2>/dev/null || true
}

# Put standard input into the spool as ${1}, as it should be done.
put() { cat > "in/.$1" && mv "in/.$1" "in/$1"; }

# Start bk-spool with these arguments; its lines are read by next.
spooling() {
	rm -f lines && mkfifo lines
	bk-spool -v "$@" in "$S" > lines 2> err 3>&- 8>&- &
	pid=$!
	exec 9< lines
}

# The next record is in ${line}.
next() {
	read -r -t 20 -u 9 line || { echo "nothing came; it said: $(cat err)"; return 1; }
	jq -e .id <<< "$line" > id
}

# Wait until it has said this on standard error.
tells() {
	for _ in $(seq 400); do
		! grep -q "$1" err || return 0
		sleep 0.05
	done
	echo "never said '$1': $(cat err)"
	return 1
}

records() { bk-list "$S" "$@" | grep -v '"end"'; }

# The directory holds nothing but what is ours.
empty() { [ -z "$(find in -type f ! -name .bk-spool)" ] || { ls -la in; return 1; }; }

@test "wrong usage, a directory that is not there, one that another has" {
	run -64 --separate-stderr bk-spool
	said "want a directory"
	run -64 --separate-stderr bk-spool in
	said "BK_STORE"
	run -64 --separate-stderr bk-spool --settle 2s in "$S"
	run -64 --separate-stderr bk-spool --name .x in "$S"
	run -64 --separate-stderr bk-spool --compress lz5 in "$S"
	run -66 --separate-stderr bk-spool --once gone "$S"
	said "cannot open 'gone'"
	echo x | put x
	run -66 --separate-stderr bk-spool in "file://$PWD/nowhere"
	[ "$output" = '{"end":"failed","status":66,"records":0}' ]
	[ -e in/x ]
	rm in/x
	spooling
	# Seen from outside: one who tries the lock could keep bk-spool from it.
	timeout 10 sh -c "until grep -q ':$(stat -c %i in) 0 EOF' /proc/locks; do :; done"
	run -75 --separate-stderr bk-spool --once in "$S"
	said "another bk-spool has it"
}

@test "once: what is there, the oldest first; hidden names, directories and links stay" {
	echo 1 | put b.sql && echo 22 | put a.sql.gz && echo 333 | put c-20261121.dump
	touch -d '2026-11-20T10:00:00Z' in/c-20261121.dump
	touch -d '2026-11-20T11:00:00.5Z' in/b.sql
	mkdir in/sub && echo x > in/sub/y && echo x > in/.hidden && ln -s sub/y in/link
	run -0 --separate-stderr bk-spool --once -t tier=app in "$S"
	[ "$(jq -r '.name // .end' <<< "$output" | tr '\n' ' ')" = "c b a ok " ]
	[ "$(jq -r '.time // ""' <<< "${lines[1]}")" = 2026-11-20T11:00:00.500Z ]
	[ "$(jq -c '[.engine,.ext,.info.proof,.info.file,.source.path,.tags.tier]' <<< "${lines[2]}")" = \
	    "[\"exec\",\"gz\",\"rename\",\"a.sql.gz\",\"$PWD/in\",\"app\"]" ]
	[ "$(ls -A in | tr '\n' ' ')" = ".bk-spool .hidden link sub " ]
	[ "$(records --name a | bk-get --raw)" = 22 ]
	# Nothing there is no failure.
	run -0 bk-spool --once in "$S"
	[ "$output" = '{"end":"ok","records":0}' ]
}

@test "a name, engine and suffix for all, and compressed" {
	seq 100000 | put x
	run -0 --separate-stderr bk-spool --once --name app --engine redis --ext .rdb \
	    --compress zstd:1 in "$S"
	[ "$(jq -c '[.name,.engine,.ext,.filters[0].filter]' <<< "${lines[0]}")" = \
	    '["app","redis","rdb","zstd"]' ]
	# The stored file is what a plain tool reads; the record can be restored.
	zstd -dcq store/app/*.redis.rdb.zst | cmp - <(seq 100000)
	bk-list "$S" --latest | bk-restore --into fake:
	empty
}

@test "what comes while it runs is uploaded and removed" {
	spooling
	for i in 1 2 3; do
		echo "$i" | put "f$i.txt"
		next
		[ "$(jq -r .name <<< "$line")" = "f$i" ]
	done
	kill "$pid"
	read -r -t 10 -u 9 line
	[ "$line" = '{"end":"failed","status":65,"records":3}' ]
	status=0
	wait "$pid" || status=$?
	[ "$status" -eq 143 ]
	pid=
	empty
	[ "$(records | wc -l)" -eq 3 ]
	# bk-watch has gone with it.
	! pgrep -f "bk-watch.*$PWD" || false
}

@test "a file that cannot be uploaded keeps no other from it" {
	: > in/empty
	echo 1 | put good
	run -65 --separate-stderr bk-spool --once in "$S"
	[ "$(jq -r '.name // .end' <<< "$output" | tr '\n' ' ')" = "good failed " ]
	said "'empty' is empty: left where it is"
	[ "$(ls in)" = empty ]
	# Once it is another one it is taken.
	echo 2 | put empty
	run -0 bk-spool --once in "$S"
	empty
}

@test "written under its name: --on-close takes it when nobody writes, proven by nothing" {
	exec 8> in/f
	echo a >&8
	spooling --on-close --settle 100ms
	tells "'f' is open for writing"
	nothing_listed store
	echo b >&8
	exec 8>&-
	next
	[ "$(jq -r .info.proof <<< "$line")" = none ]
	kill "$pid"
	[ "$(records | bk-get --raw)" = "$(printf 'a\nb')" ]
	for _ in $(seq 100); do [ -e in/f ] || break; sleep 0.05; done
	empty
	wait "$pid" || pid=
	# At the end of --once nothing is left that was only not old enough.
	echo c > in/g
	run -0 --separate-stderr bk-spool --once --on-close --settle 100ms in "$S"
	empty
}

@test "the store is down: nothing is lost, waits grow, memory does not" {
	echo 1 | put first
	spooling
	next
	mv store away
	echo 2 | put second
	tells "trying again in 1s"
	tells "trying again in 2s"
	[ -e in/second ]
	python3 -c '
import os
for i in range(20000):
    with open("in/.t", "w") as f: f.write(str(i))
    os.rename("in/.t", "in/many-%d" % i)'
	tells "trying again in 4s"
	[ "$(grep -c 'trying again' err)" -le 6 ]
	[ "$(awk '/VmHWM/ { print $2 }' "/proc/$pid/status")" -lt 40000 ]
	python3 -c '
import os
for i in range(20000): os.unlink("in/many-%d" % i)'
	mv away store
	next
	[ "$(jq -r .name <<< "$line")" = second ]
	kill "$pid"
	wait "$pid" || pid=
	empty
	[ "$(records | wc -l)" -eq 2 ]
}

@test "stopped while it uploads: the file stays, nothing is listed" {
	truncate -s 300M in/.big && mv in/.big in/big
	spooling
	for _ in $(seq 200); do
		[ -z "$(find store -name '*big*' -size +1k)" ] || break
		sleep 0.01
	done
	kill "$pid"
	status=0
	wait "$pid" || status=$?
	pid=
	[ "$status" -eq 143 ]
	[ -e in/big ] || [ "$(records | wc -l)" -eq 1 ]
	[ ! -e in/big ] || nothing_listed store
	rm -f in/big
}

@test "stopped between commit and removal: not stored twice" {
	[ "$(id -u)" = 0 ] || skip "strace knows no paths of what has no core"
	for at in renameat unlinkat; do
		echo "$at" | put x
		# The removal begins by this call on the spool's own directory.
		run strace -qq -o trace -P "$PWD/in" -e trace=$at \
		    -e inject=$at:signal=KILL:when=1 bk-spool --once in "$S"
		[ "$(records | wc -l)" -eq 1 ] || { cat trace; false; }
		id=$(records | jq -r .id)
		[ -n "$(find in -type f ! -name .bk-spool)" ]
		run -0 --separate-stderr bk-spool --once in "$S"
		if [ $at = renameat ]; then [ "$(jq -r '.id // ""' <<< "${lines[0]}")" = "$id" ]; fi
		[ "$(records | jq -r .id)" = "$id" ]
		empty
		rm -rf store && mkdir store
	done
}

@test "stopped there, and the payload is lost since: stored anew" {
	[ "$(id -u)" = 0 ] || skip "strace knows no paths of what has no core"
	echo 1 | put x
	run strace -qq -o trace -P "$PWD/in" -e trace=renameat \
	    -e inject=renameat:signal=KILL:when=1 bk-spool --once in "$S"
	rm store/x/*
	run -0 --separate-stderr bk-spool --once in "$S"
	empty
	[ "$(records | wc -l)" -eq 2 ]
	[ "$(bk-list "$S" --latest | bk-get --raw)" = 1 ]
}

@test "the same name again and again, renamed over while it uploads" {
	spooling
	python3 -c '
import os
for i in range(300):
    with open("in/.x", "w") as f: f.write("content %04d\n" % i * 1000)
    os.rename("in/.x", "in/x")'
	for _ in $(seq 400); do [ -e in/x ] || break; sleep 0.05; done
	kill "$pid"
	cat <&9 > rest
	wait "$pid" || pid=
	empty
	# The last one is there, each is whole, none is there twice.
	for f in store/x/*; do
		[ "$(sort -u "$f" | wc -l)" -eq 1 ] && [ "$(wc -l < "$f")" -eq 1000 ]
	done
	grep -lq 'content 0299' store/x/*
	[ "$(sha256sum store/x/* | cut -c1-64 | sort | uniq -d | wc -l)" -eq 0 ]
}

@test "killed at any moment: nothing lost, nothing twice, nothing partial" {
	(
		for i in $(seq 60); do
			{ echo "file $i"; head -c $((RANDOM * 40)) /dev/urandom; } > "in/.f$i"
			sha256sum < "in/.f$i" >> sums
			mv "in/.f$i" "in/f$i"
			sleep 0.02
		done
	) 3>&- &
	producer=$!
	for _ in $(seq 25); do
		bk-spool --name app in "$S" > /dev/null 2> err 3>&- &
		pid=$!
		sleep "0.0$((RANDOM % 90 + 10))"
		kill -KILL "$pid" || :
		rc=0; wait "$pid" 2>/dev/null || rc=$?
		# Or a child of the one before had not begun yet, and holds the lock.
		[ "$rc" -eq 137 ] || [ "$rc" -eq 75 ] || { echo "status $rc: $(cat err)"; false; }
	done
	wait "$producer"
	run -0 --separate-stderr bk-spool --once --name app in "$S"
	pid=
	empty
	[ "$(records | jq -r .sha256 | sort)" = "$(cut -c1-64 sums | sort)" ]
	[ "$(records | jq -r .info.file | sort -u | wc -l)" -eq 60 ]
	records | while read -r r; do
		[ "$(bk-get --raw <<< "$r" | sha256sum)" = "$(jq -r .sha256 <<< "$r")  -" ]
	done
}

@test "nothing wakes it while nothing comes" {
	spooling
	echo 1 | put x
	next
	for _ in $(seq 10); do
		before=$(grep ctxt "/proc/$pid/status")
		sleep 1
		[ "$before" != "$(grep ctxt "/proc/$pid/status")" ] || return 0
	done
	return 1
}

@test "a note that somebody else has put there leads nowhere" {
	mkdir out
	echo mine > in/.bk-spool.taken
	printf '{"bk":"spool/1","file":"%s","inode":1,"bytes":1,"sec":1,"nsec":1,"name":"x","id":"01ARZ3NDEKTSV4RRFFQ69G5FAV"}\n' \
	    "$(printf ../out/placed | od -An -tx1 | tr -d ' \n')" > in/.bk-spool
	run -65 --separate-stderr bk-spool --once in "$S"
	said "no note tells what it was"
	[ -z "$(ls out)" ]
	rm in/.bk-spool*
	mkfifo in/.bk-spool
	echo 1 | put a
	run -0 --separate-stderr timeout 20 bk-spool --once in "$S"
	[ ! -e in/a ]
	rm in/.bk-spool
	echo precious > out/kept
	ln out/kept in/.bk-spool
	echo 2 | put b
	run -0 --separate-stderr timeout 20 bk-spool --once in "$S"
	[ ! -e in/b ]
	[ "$(cat out/kept)" = precious ]
}

@test "the directory is removed and made again" {
	spooling
	echo 1 | put a
	next
	for _ in $(seq 100); do [ -e in/a ] || break; sleep 0.05; done
	rm -r in
	mkdir in
	echo 2 | put b
	next
	[ "$(jq -r .name <<< "$line")" = b ]
	# It is locked, too.
	run -75 bk-spool --once in "$S"
}

@test "a directory on a full disk is emptied all the same" {
	[ "$(id -u)" = 0 ] || skip "wants to mount"
	mount -t tmpfs -o size=64k none in || skip "cannot mount"
	echo 1 | put a
	cat /dev/zero > in/full 2>/dev/null || true
	run -0 --separate-stderr bk-spool --once in "$S"
	n=$(find in -type f ! -name .bk-spool | wc -l)
	umount in
	[ "$n" -eq 0 ]
	[ "$(records | wc -l)" -eq 2 ]
}

@test "as a job of the supervisor, woken by what is put there" {
	cat > bk.conf <<-END
	state = "$PWD/state"
	store "offsite" { url = "$S" }
	END
	export BK_CONF=$PWD/bk.conf
	job spool <<-END
	watch = "$PWD/in"
	settle = "100ms"
	run = { "bk-spool --once $PWD/in @offsite" }
	END
	daemon -vv
	await logged 'spool.: ready'
	echo 1 | put a
	await test ! -e in/a
	echo 2 | put b
	await test ! -e in/b
	[ "$(records | wc -l)" -eq 2 ]
	ends 0
}

@test "a reader of records that goes away: what is stored is removed, the rest stays" {
	for i in 1 2 3; do echo "$i" | put "f$i"; done
	mkfifo out
	bk-spool --once in "$S" > out 3>&- 2> err &
	pid=$!
	exec 9< out 9<&-
	status=0
	wait "$pid" || status=$?
	pid=
	[ "$status" -eq 141 ]
	[ "$(($(records | wc -l) + $(ls in | wc -l)))" -eq 3 ]
	run -0 bk-spool --once in "$S"
	empty
	[ "$(records | wc -l)" -eq 3 ]
}
