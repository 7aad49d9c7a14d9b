load helper

setup() { cd "$BATS_TEST_TMPDIR" || return; }

teardown() {
	[ -z "${pid:-}" ] || { kill -KILL "$pid"; wait "$pid"; } 2>/dev/null || true
}

# Start bk-watch with these arguments and wait until its watches stand; its
# lines are read by next.
watching() {
	rm -f lines && mkfifo lines
	bk-watch "$@" > lines 2> err 3>&- &
	pid=$!
	exec 9< lines
	next ready
}

# The next line is this event; it is in ${line}.
next() {
	if ! read -r -t 10 -u 9 line; then
		echo "no $1 came; it said: $(cat err)"
		return 1
	fi
	[ "$(jq -r .event <<< "$line")" = "$1" ] || { echo "not $1: $line"; return 1; }
	path=$(jq -r .path <<< "$line")
}

# No line within so many seconds, which is what is asked here.
silent() {
	if read -r -t "$1" -u 9 line; then
		echo "unexpected: $line"
		return 1
	fi
}

ended() {
	status=0
	wait "$pid" || status=$?
	pid=
	[ "$status" -eq "$1" ] || { echo "status $status; $(cat err)"; return 1; }
}

@test "it alone links libinotifytools, and nothing of OpenSSL" {
	run -0 ldd "$B/bin/bk-watch"
	[[ $output == *libinotifytools* ]]
	[[ $output != *libssl* ]] && [[ $output != *libcrypto* ]]
	for p in "$B"/bin/bk*; do
		[ "${p##*/}" = bk-watch ] || ! ldd "$p" | grep -q inotifytools
	done
}

@test "wrong usage" {
	run -64 --separate-stderr bk-watch
	said "want one path or more"
	run -64 --separate-stderr bk-watch ''
	run -64 --separate-stderr bk-watch x --exec
	run -64 --separate-stderr bk-watch x -- true
	run -64 --separate-stderr bk-watch --settle 5 x
	run -64 --separate-stderr bk-watch --exec --flag f x -- true
	said "choose one"
	run -64 --separate-stderr bk-watch --flag '' x
}

@test "written, replaced by rename, and made for the first time: one line each" {
	watching --settle 50ms new old
	echo one > new
	next settled
	[ "$path" = new ] && [ "$(jq .bytes <<< "$line")" = 4 ]
	jq -e '.time | fromdateiso8601? // (sub("\\.[0-9]+";"") | fromdateiso8601)' <<< "$line"
	echo twenty > .t && mv .t old
	next settled
	[ "$path" = old ] && [ "$(jq .bytes <<< "$line")" = 7 ]
	# In place, of the same size.
	echo TWENTY > old
	next settled
	[ "$path" = old ]
	# Removed is nothing to tell, and closed without a change neither.
	rm new
	exec 8>> old 8>&-
	silent 0.4
	kill "$pid"
	ended 0
}

@test "open for writing is not over, however long it is quiet" {
	watching --settle 50ms f
	exec 8> f
	echo a >&8
	silent 0.4
	echo b >&8
	exec 8>&-
	next settled
	[ "$(jq .bytes <<< "$line")" = 4 ]
}

@test "open for writing since before anything was watched there" {
	watching --settle 50ms d/f
	# The directory and what is first written, in one go.
	kill -STOP "$pid"
	mkdir d
	exec 8> d/f
	echo a >&8
	kill -CONT "$pid"
	silent 0.6
	# From here on it is heard of, and waited for without limit.
	echo b >&8
	silent 1.8
	exec 8>&-
	next settled
	[ "$(jq .bytes <<< "$line")" = 4 ]
	# One who only holds it open delays it, and no more.
	rm -r d
	kill -STOP "$pid"
	mkdir d
	exec 8> d/f
	echo abc >&8
	kill -CONT "$pid"
	silent 0.6
	next settled
	[ "$(jq .bytes <<< "$line")" = 4 ]
	exec 8>&-
}

@test "directories that are not there, go, and are made again, at any level" {
	watching --settle 50ms a/b/c/f
	mkdir -p a/b/c
	echo 1 > a/b/c/f
	next settled
	# The whole way moved away: what is written there is no business of ours.
	mv a gone
	echo 22 > gone/b/c/f
	silent 0.3
	mkdir a
	mkdir -p a/b/c && echo 333 > a/b/c/.t && mv a/b/c/.t a/b/c/f
	next settled
	[ "$(jq .bytes <<< "$line")" = 4 ]
	# Removed while a process stands in it: it says nothing of itself.
	(cd a/b/c && exec sleep 60) 3>&- 9<&- &
	stands=$!
	rm -r a/b
	mkdir -p a/b/c && echo 4444 > a/b/c/f
	next settled
	[ "$(jq .bytes <<< "$line")" = 5 ]
	# Another one renamed over it: the file in it is another one too.
	mkdir -p x/c && echo 55555 > x/c/f
	rm -r a/b && mv x a/b
	next settled
	[ "$(jq .bytes <<< "$line")" = 6 ]
	kill "$stands"
}

@test "symbolic links: the file behind it, and the link replaced" {
	mkdir v1 v2
	echo 1 > v1/f && echo 22 > v2/f
	ln -s v1 current
	ln -s "$PWD/current/f" f
	ln -s later/f dangling
	watching --settle 50ms f dangling
	echo 333 > v1/.t && mv v1/.t v1/f
	next settled
	[ "$(jq .bytes <<< "$line")" = 4 ]
	ln -s v2 new && mv -T new current
	next settled
	[ "$(jq .bytes <<< "$line")" = 3 ]
	echo 4444 > v2/f
	next settled
	[ "$(jq .bytes <<< "$line")" = 5 ]
	mkdir later && echo 1 > later/f
	next settled
	[ "$path" = dangling ]
}

@test "a directory: what is made, changed or removed in it; no hidden names" {
	mkdir d
	watching --settle 50ms d
	echo 1 > d/a
	next settled
	[ "$path" = d ] && [ "$(jq .bytes <<< "$line")" = 2 ]
	echo 1 > d/.hidden
	silent 0.3
	mv d/.hidden d/b
	next settled
	[ "$(jq .bytes <<< "$line")" = 4 ]
	rm d/a
	next settled
	[ "$(jq .bytes <<< "$line")" = 2 ]
	rm -r d
	mkdir d && echo new > d/z
	next settled
	[ "$(jq .bytes <<< "$line")" = 4 ]
}

@test "at most one in a time, and the last change is told" {
	watching --settle 20ms --at-most-every 1s f g
	start=$(date +%s%N)
	echo 1 > f
	next settled
	for i in 2 3 4; do echo "$i$i$i" > f; done
	echo g > g
	next settled
	[ $((($(date +%s%N) - start) / 1000000)) -ge 1000 ]
	[ "$path" = f ] && [ "$(jq .bytes <<< "$line")" = 4 ]
	# Those of one moment are one report.
	next settled
	[ "$path" = g ]
	silent 0.3
}

@test "never quiet: told all the same, within thirty times the quiet" {
	watching --settle 40ms f
	(while :; do echo x > f; sleep 0.01; done) 3>&- 9<&- &
	writer=$!
	next settled
	next settled
	kill "$writer"
}

@test "heartbeat: that it is still here and nothing changed" {
	watching --settle 20ms --heartbeat 150ms f
	next unchanged
	first=$(jq -r .since <<< "$line")
	next unchanged
	[ "$(jq -r .since <<< "$line")" = "$first" ]
	echo 1 > f
	until [ "$(jq -r .event <<< "$line")" = settled ]; do read -r -t 5 -u 9 line; done
	next unchanged
	[ "$(jq -r .since <<< "$line")" != "$first" ]
	# A file that is being written is not unchanged.
	exec 8> f
	echo 1 >&8
	until [ "$(jq -r .event <<< "$line")" = changing ]; do read -r -t 5 -u 9 line; done
	exec 8>&-
}

@test "the queue runs over: nothing is lost" {
	max=$(cat /proc/sys/fs/inotify/max_queued_events)
	[ "$max" -le 100000 ] || skip "a queue of $max events"
	mkdir d
	watching --settle 50ms d/f e/f
	kill -STOP "$pid"
	python3 - "$max" <<-'PY'
	import sys
	a, b = open('d/a', 'wb', 0), open('d/b', 'wb', 0)
	for i in range(int(sys.argv[1]) // 2 + 100):
	    a.write(b'x'); b.write(b'x')
	PY
	# These events have no place in the queue any more.
	echo 1 > d/f
	mkdir e && echo 22 > e/f
	kill -CONT "$pid"
	next settled
	[ "$path" = d/f ]
	next settled
	[ "$path" = e/f ]
	# And it watches on, where it did not before too.
	echo 333 > e/f
	next settled
	[ "$(jq .bytes <<< "$line")" = 4 ]
}

@test "a limit of inotify: which, and what to do" {
	unshare -Ur true 2>/dev/null || skip "no user namespaces here"
	run -73 --separate-stderr unshare -Ur sh -c \
	    'echo 1 > /proc/sys/user/max_inotify_watches && timeout 10 bk-watch a/b'
	said "sysctl fs.inotify.max_user_watches="
	one_line
	run -73 --separate-stderr unshare -Ur sh -c \
	    'echo 0 > /proc/sys/user/max_inotify_instances && timeout 10 bk-watch a/b'
	said "sysctl fs.inotify.max_user_instances="
}

@test "a directory that may not be read is an error at the start" {
	as_other
	mkdir "$pub/d" && chmod 311 "$pub/d"
	run -77 --separate-stderr $as timeout 10 bk-watch "$pub/d/f"
	said "cannot watch '$pub/d/': Permission denied"
	# One that is only passed through need not be readable.
	mkdir "$pub/d/e" && chmod 755 "$pub/d/e"
	run -124 --separate-stderr $as timeout -s INT 0.5 bk-watch "$pub/d/e/f"
	chmod 711 "$pub/d"
	rm -rf "$pub"
}

@test "its descriptors are close-on-exec: a command has three" {
	echo 1 > f
	mkfifo up
	bk-watch f --exec -- sh -c 'ls /proc/self/fd > fds; echo > up; cat > in' 3>&- &
	pid=$!
	read -r _ < up
	# The fourth is that of ls itself.
	[ "$(tr '\n' ' ' < fds)" = "0 1 2 3 " ]
	kill "$pid"
	ended 0
}

@test "ends when its reader goes away, and on TERM, with 0" {
	watching f
	exec 9<&-
	ended 0
	watching f
	kill "$pid"
	ended 0
	watching f
	kill -INT "$pid"
	ended 130
}

@test "nothing wakes it while nothing happens" {
	watching --settle 20ms --at-most-every 10ms f
	echo 1 > f
	next settled
	# Other tests come and go in the directories above, and that is an event:
	# one quiet second is asked for, or else that no timer could wake it.
	for _ in $(seq 5); do
		before=$(grep ctxt "/proc/$pid/status")
		sleep 1
		[ "$before" != "$(grep ctxt "/proc/$pid/status")" ] || return 0
	done
	[ -r "/proc/$pid/syscall" ] || skip "busy directories above, and not root"
	for _ in $(seq 50); do
		timer=$(grep -h it_value "/proc/$pid/fdinfo/"*)
		read -r call _ _ timeout _ < "/proc/$pid/syscall"
		[ "$call" != running ] && [ "$timer" = "it_value: (0, 0)" ] &&
		    [ "$((timeout & 0xffffffff))" -eq $((0xffffffff)) ] && return 0
		sleep 0.1
	done
	return 1
}

@test "a large file that is written beside it costs next to nothing" {
	watching --settle 2s f
	before=$(awk '/^voluntary/ { print $2 }' "/proc/$pid/status")
	python3 - <<-'PY'
	import time
	end = time.monotonic() + 1
	with open('other', 'wb', 0) as f:
	    n = 0
	    while time.monotonic() < end:
	        f.write(b'x')
	        n += 1
	assert n > 2000, n
	PY
	after=$(awk '/^voluntary/ { print $2 }' "/proc/$pid/status")
	# Two wake-ups for each look at most.
	[ $((after - before)) -le 100 ] || { echo "$((after - before)) wake-ups"; false; }
}

# Wait for a line of the fifo ${1}.
event() { read -r -t 20 event < "$1"; }

@test "exec: what is there at the start, one at a time, a change meanwhile after it" {
	echo 1 > f
	mkfifo up go
	bk-watch --settle 20ms f g --exec -- \
	    sh -c 'cat >> got; echo run >> runs; echo > up; read -r _ < go' 3>&- 2> err &
	pid=$!
	event up
	[ "$(jq -r .path got)" = f ]
	# Twice while it runs: one run more, with the last of each.
	echo 22 > f && sleep 0.1 && echo 333 > f && echo 4444 > g && sleep 0.2
	[ "$(wc -l < runs)" -eq 1 ]
	echo > go
	event up
	[ "$(sed 1d got | jq -c '[.path,.bytes]' | tr '\n' ' ')" = '["f",4] ["g",5] ' ]
	echo > go
	sleep 0.3
	[ "$(wc -l < runs)" -eq 2 ]
	kill "$pid"
	ended 0
}

@test "exec: a failure is said, and one that may pass is tried again" {
	echo 1 > f
	mkfifo up
	bk-watch --settle 20ms f --exec -- \
	    sh -c 'cat >> got; echo > up; exit $(cat code)' 3>&- 2> err &
	pid=$!
	echo 65 > code
	event up
	# 65 stays so until the next change.
	for _ in $(seq 100); do ! grep -q 'status 65' err || break; sleep 0.05; done
	grep -q "'sh' ended with status 65" err
	! grep -q again err
	echo 75 > code && echo 22 > f
	event up
	for _ in $(seq 100); do ! grep -q 'again in 10s' err || break; sleep 0.05; done
	grep -q "trying again in 10s" err
	# The same lines once more.
	echo 0 > code
	event up
	[ "$(jq .bytes got | tr '\n' ' ')" = "2 3 3 " ]
	kill "$pid"
	ended 0
}

@test "exec: told to end, the command ends before it does" {
	echo 1 > f
	mkfifo up
	bk-watch f --exec -- sh -c 'trap "echo ended > end; exit 0" TERM
	    echo > up; while :; do sleep 0.05; done' 3>&- &
	pid=$!
	event up
	kill "$pid"
	ended 0
	[ "$(cat end)" = ended ]
	run -69 --separate-stderr timeout 10 bk-watch f --exec -- no-such-command
	said no-such-command
}

@test "flag: whole, readable, raised again after it was taken" {
	echo 1 > f
	mkdir run
	bk-watch --settle 20ms f --flag run/f.changed 3>&- 2> err &
	pid=$!
	taken() {
		for _ in $(seq 200); do
			mv run/f.changed run/f.taken 2>/dev/null && return
			sleep 0.05
		done
		return 1
	}
	taken
	[ "$(jq -r .path run/f.taken)" = f ]
	[ "$(stat -c %a run/f.taken)" = 644 ]
	rm run/f.taken
	echo 22 > f
	taken
	[ "$(jq .bytes run/f.taken)" = 3 ]
	[ -z "$(find run -name '.*' -type f)" ]
	kill "$pid"
	ended 0
	run -73 --separate-stderr timeout 10 bk-watch f --flag no/such
	said "no/such"
}

@test "flag: killed at any moment, no change is lost, and never half a flag" {
	mkdir run
	for i in $(seq 20); do
		bk-watch --settle 5ms f --flag run/changed 3>&- 2> err &
		pid=$!
		echo "$i" > .t && mv .t f
		sleep "0.0$((RANDOM % 60 + 10))"
		kill -KILL "$pid"
		wait "$pid" 2>/dev/null || true
		# Whoever takes it now acts on the file as it is.
		if [ $((RANDOM % 2)) = 0 ] && mv run/changed run/taken 2>/dev/null; then
			jq -e .path run/taken
			cp f acted
		fi
	done
	bk-watch --settle 5ms f --flag run/changed 3>&- 2> err &
	pid=$!
	for _ in $(seq 200); do [ ! -e run/changed ] || break; sleep 0.05; done
	jq -e .path run/changed
	cp f acted
	[ "$(cat acted)" = 20 ]
}

@test "whatever is done to the file and its directories, the last state is told" {
	cat > any.py <<-'PY'
	import json, os, random, select, shutil, subprocess, sys
	seed = int(sys.argv[1])
	rng = random.Random(seed)
	size = 0
	w = subprocess.Popen(['bk-watch', '--settle', '20ms', 'a/b/f'], stdout=subprocess.PIPE)
	os.set_blocking(w.stdout.fileno(), False)
	buf, last = b'', None

	def hear(seconds):
	    global buf, last
	    if not select.select([w.stdout], [], [], seconds)[0]:
	        return False
	    buf += os.read(w.stdout.fileno(), 65536)
	    while b'\n' in buf:
	        line, buf = buf.split(b'\n', 1)
	        last = json.loads(line)
	    return True

	def write(path, how='wb'):
	    global size
	    size += 1
	    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
	    with open(path, how, 0) as f:
	        f.write(b'x' * size)

	def clear(path):
	    if os.path.islink(path) or os.path.isfile(path):
	        os.unlink(path)
	    else:
	        shutil.rmtree(path, ignore_errors=True)

	def in_place(): write('a/b/f')
	def rename(): write('a/b/t'); os.rename('a/b/t', 'a/b/f')
	def beside(): write('a/b/other')
	def remove(): clear(rng.choice(['a', 'a/b', 'a/b/f']))
	def swap():
	    clear('z'); write('z/b/f')
	    clear('y')
	    if os.path.lexists('a'): os.rename('a', 'y')
	    os.rename('z', 'a')
	def inner():
	    clear('z'); write('z/f'); os.makedirs('a', exist_ok=True); clear('a/b'); os.rename('z', 'a/b')
	def link():
	    real = 'r%d' % rng.randrange(3)
	    write(real + '/b/f'); clear('l'); os.symlink(real, 'l'); clear('a'); os.rename('l', 'a')
	def hard(): write('h'); os.makedirs('a/b', exist_ok=True); clear('a/b/f'); os.link('h', 'a/b/f'); os.unlink('h')

	assert hear(10) and last['event'] == 'ready'
	told = None
	for step in range(60):
	    for _ in range(rng.randrange(1, 5)):
	        rng.choice([in_place, rename, beside, remove, swap, inner, link, hard])()
	    try:
	        want = os.path.getsize('a/b/f')
	    except OSError:
	        continue
	    # The same file as the last time needs not be told again.
	    now = os.stat('a/b/f')
	    if told == (now.st_ino, now.st_size, now.st_mtime_ns):
	        continue
	    while last.get('bytes') != want:
	        assert hear(10), 'seed %d, step %d: want %d, last %s' % (seed, step, want, last)
	    told = (now.st_ino, now.st_size, now.st_mtime_ns)
	w.terminate()
	assert w.wait() == 0
	PY
	for seed in 1 2 "$RANDOM"; do
		rm -rf a r? x y z
		timeout 60 python3 any.py "$seed"
	done
}
