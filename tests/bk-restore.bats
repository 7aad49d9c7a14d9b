load helper

setup() {
	cd "$BATS_TEST_TMPDIR"
	store=file://$BATS_TEST_TMPDIR/store
	export root store
}

# put NAME BYTES [FILTER...]: one fake backup in $store
put() {
	name=$1 bytes=$2
	shift 2
	[ $# -gt 0 ] || set -- cat
	bk-dump "fake:?bytes=$bytes" --name "$name" | "$@" | bk-put --create "$store" >> records
}

# Two backups of app, one of other.
three() {
	put app 1000
	put other 3000
	put app 2000
	mapfile -t ids < <(sed -n 's/.*"id":"\([^"]*\)".*/\1/p' records)
}

payload() {
	find "$BATS_TEST_TMPDIR/store/$1" -type f
}

# On a terminal: python's pty, so that /dev/tty is there.  on_tty ANSWER COMMAND
on_tty() {
	python3 - "$@" <<-'PY'
	import os, pty, sys
	pid, fd = pty.fork()
	if pid == 0:
	    os.execvp("sh", ["sh", "-c", sys.argv[2]])
	seen, told = b"", False
	while True:
	    try:
	        got = os.read(fd, 4096)
	    except OSError:
	        break
	    if not got:
	        break
	    seen += got
	    if not told and b"Type yes: " in seen:
	        os.write(fd, sys.argv[1].encode() + b"\n")
	        told = True
	sys.stdout.write(seen.decode(errors="replace").replace("\r", ""))
	sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
	PY
}

@test "a record on standard input is restored, every byte of it" {
	put app 3000000 bk-compress
	run -0 --separate-stderr bash -c 'bk-list "$store" | bk-restore --into "fake:?bytes=3000000"'
	[ -z "$output" ] && [ -z "$stderr" ]
	run -65 --separate-stderr bash -c 'bk-list "$store" | bk-restore --into "fake:?bytes=3000001"'
	said "got 3000000 bytes"
	one_line
	run -65 --separate-stderr bash -c 'bk-list "$store" | bk-restore --into "fake:?bytes=3000000&seed=1"'
	one_line
}

@test "a record needs no end line, and its store may be the operand" {
	put app 1000
	run -0 bash -c 'head -n 1 records | bk-restore --into "fake:?bytes=1000"'
	mv store moved
	run -66 --separate-stderr bash -c 'head -n 1 records | bk-restore --into fake:'
	run -0 bash -c 'head -n 1 records | bk-restore "file://$PWD/moved" --into "fake:?bytes=1000"'
	# The manifest names no store.
	manifest=$(find moved/.bk/manifest -name '*.json')
	run -64 --separate-stderr bk-restore --into fake: < "$manifest"
	said "names no store"
	run -0 bk-restore "file://$PWD/moved" --into 'fake:?bytes=1000' < "$manifest"
}

@test "a stream on standard input" {
	run -0 --separate-stderr bash -c 'bk-dump "fake:?bytes=5000000" | bk-compress | bk-compress --zstd | bk-restore --into "fake:?bytes=5000000"'
	[ -z "$stderr" ]
	run -0 bash -c 'bk-dump "fake:?bytes=0" --allow-empty | bk-restore --into "fake:?bytes=0"'
}

@test "of a store: by id, name, time" {
	three
	run -0 bk-restore "$store" --id "${ids[0]}" --into 'fake:?bytes=1000'
	run -0 bk-restore "$store" --name app --latest --into 'fake:?bytes=2000'
	run -0 bk-restore "$store" --name other --latest --into 'fake:?bytes=3000'
	first=$(sed -n '1s/.*"time":"\([^"]*\)".*/\1/p' records)
	run -0 bk-restore "$store" --name app --at "$first" --into 'fake:?bytes=1000'
	run -0 bk-restore "$store" --name app --at now --into 'fake:?bytes=2000'
	run -0 env BK_STORE="$store" bk-restore --name app --latest --into 'fake:?bytes=2000'
}

@test "of a store: nothing or too much matches" {
	three
	run -66 --separate-stderr bk-restore "$store" --name ap --latest --into fake:
	said "'app'"
	run -66 --separate-stderr bk-restore "$store" --name app --at -30h --into fake:
	run -66 --separate-stderr bk-restore "$store" --id 01JD7Z00000000000000000000 --into fake:
	run -64 --separate-stderr bk-restore "$store" --latest --into fake:
	said "2 backups match"
	run -66 --separate-stderr bk-restore "file://$PWD/nowhere" --latest --into fake:
}

@test "a second record is refused before the target is touched" {
	put app 1000
	put app 1000
	run -64 --separate-stderr bash -c 'bk-list "$store" | bk-restore --into "exec:" -- touch ran'
	one_line
	[ ! -e ran ]
}

@test "a list that failed behind its record: acted on, and its status passed on" {
	put app 1000
	(head -n 1 records; echo '{"end":"failed","status":69,"records":1}') > list
	run -69 --separate-stderr bash -c 'bk-restore --into exec: -- sh -c "cat > out" < list'
	[ "$(stat -c %s out)" -eq 1000 ]
	(head -n 1 records; echo '{"end":"ok","records":1,"unreadable":2}') > list
	run -1 bash -c 'bk-restore --into "fake:?bytes=1000" < list'
	(head -n 1 records; echo '{"end":"ok","records":2}') > list
	run -65 bash -c 'bk-restore --into exec: -- touch ran < list'
	[ ! -e ran ]
}

@test "a list that failed without a record" {
	run -77 --separate-stderr bash -c 'echo "{\"end\":\"failed\",\"status\":77,\"records\":0}" | bk-restore --into exec: -- touch ran'
	run -66 --separate-stderr bash -c 'echo "{\"end\":\"ok\",\"records\":0}" | bk-restore --into exec: -- touch ran'
	run -66 --separate-stderr bash -c 'mkdir -p store; bk-list "$store" --name no | bk-restore --into exec: -- touch ran'
	[ ! -e ran ]
}

@test "empty input, and input that is neither" {
	run -65 --separate-stderr bash -c ': | bk-restore --into exec: -- touch ran'
	said 'without a record or a stream'
	one_line
	run -65 --separate-stderr bash -c 'echo raw | bk-restore --into exec: -- touch ran'
	one_line
	[ ! -e ran ]
}

@test "a failed line first, a failed line later: its status, and nothing done" {
	for s in 69 77 3; do
		run "-$s" bash -c "bk-dump 'fake:?exit=$s' 2>/dev/null | bk-restore --into exec: -- touch ran"
		run "-$s" bash -c "bk-dump 'fake:?bytes=3000000&fail-after=2000000&exit=$s' 2>/dev/null | bk-restore --into exec: -- touch ran"
	done
	[ ! -e ran ]
}

@test "a stream cut anywhere, or with a byte changed, is 65 and changes nothing" {
	mkdir tree
	echo one > tree/a
	bk-dump "files://$PWD/tree" | bk-compress > whole
	size=$(stat -c %s whole)
	for n in 1 40 $((size / 2)) $((size - 1)); do
		head -c "$n" whole > cut
		run -65 --separate-stderr bk-restore --into "files://$PWD/back" < cut
		[ ! -e back ]
	done
	for n in 5 $((size / 2)) $((size - 8)); do
		python3 -c 'import sys
d = bytearray(open("whole", "rb").read()); d[int(sys.argv[1])] ^= 4
open("bad", "wb").write(d)' "$n"
		run -65 --separate-stderr bk-restore --into "files://$PWD/back" < bad
		[ ! -e back ]
	done
	(cat whole; echo more) > long
	run -65 --separate-stderr bk-restore --into "files://$PWD/back" < long
	[ ! -e back ]
	[ -z "$(find . -name '.*' ! -name .)" ]
}

@test "a payload that is corrupt, cut or gone in the store: the target is not touched" {
	mkdir tree
	head -c 3000000 /dev/urandom > tree/a
	bk-dump "files://$PWD/tree" | bk-put --create "$store" > records
	obj=$(payload tree)
	cp "$obj" kept
	python3 - "$obj" <<-'PY'
	import os, sys
	os.chmod(sys.argv[1], 0o600)
	with open(sys.argv[1], "r+b") as f:
	    f.seek(1500000)
	    b = f.read(1)
	    f.seek(1500000)
	    f.write(bytes([b[0] ^ 1]))
	PY
	run -65 --separate-stderr bk-restore --into "files://$PWD/back" < records
	one_line
	[ ! -e back ]
	head -c 2000000 kept > "$obj"
	run -65 --separate-stderr bk-restore --into "files://$PWD/back" < records
	[ ! -e back ]
	rm "$obj"
	run -66 --separate-stderr bk-restore --into "files://$PWD/back" < records
	[ ! -e back ]
	cp kept "$obj"
	run -0 bk-restore --into "files://$PWD/back" < records
	cmp tree/a back/a
}

@test "a record edited by hand is refused" {
	put app 1000
	sed 's/"key":"app/"key":"..\/app/' records > r
	run -65 --separate-stderr bk-restore --into exec: -- touch ran < r
	sed 's/backup\/1/backup\/2/' records > r
	run -65 --separate-stderr bk-restore --into exec: -- touch ran < r
	sed 's/"filters":\[\]/"filters":[{"filter":"pipe","ext":"x","command":"touch ran"}]/' records > r
	run --separate-stderr bk-restore --into fake: < r
	[ "$status" -ne 0 ]
	[ ! -e ran ]
	sed 's/"bk":/"unknown":{"a":[1]},"bk":/' records > r
	run -0 bk-restore --into 'fake:?bytes=1000' < r
}

@test "a pipe filter wants --undo, by its suffix" {
	put app 100000 bk-pipe --ext .xz -- xz -c
	run -64 --separate-stderr bk-restore --into exec: -- touch ran < records
	said '.xz'
	one_line
	[ ! -e ran ]
	run -0 bk-restore --undo '.xz=xz -dc' --into 'fake:?bytes=100000' < records
	run -65 --separate-stderr bk-restore --undo '.xz=false' --into exec: -- touch ran < records
	run -65 --separate-stderr bk-restore --undo '.xz=cat' --into exec: -- touch ran < records
	run -69 --separate-stderr bk-restore --undo '.xz=no-such-program' --into exec: -- touch ran < records
	[ ! -e ran ]
}

@test "a directory that holds something is refused, and replaced only when told twice" {
	mkdir tree back
	echo new > tree/a
	echo old > back/b
	bk-dump "files://$PWD/tree" > s
	run -73 --separate-stderr bk-restore --into "files://$PWD/back" < s
	one_line
	[ "$(cat back/b)" = old ] && [ ! -e back/a ]
	run -73 --separate-stderr setsid -w bk-restore --replace --into "files://$PWD/back" < s
	said '--yes'
	[ "$(cat back/b)" = old ] && [ ! -e back/a ]
	run -0 --separate-stderr setsid -w bk-restore --replace --yes --into "files://$PWD/back" < s
	[ "$(cat back/a)" = new ] && [ ! -e back/b ]
}

@test "at a terminal --replace asks on it, though the record comes on standard input" {
	mkdir tree back
	echo new > tree/a
	echo old > back/b
	bk-dump "files://$PWD/tree" > s
	run -73 on_tty no "bk-restore --replace --into files://$PWD/back < s"
	[[ $output == *"holds data. Replace it? Type yes:"* ]]
	[ "$(cat back/b)" = old ]
	run -73 on_tty 'yes please' "bk-restore --replace --into files://$PWD/back < s"
	[ "$(cat back/b)" = old ]
	run -0 on_tty yes "bk-restore --replace --into files://$PWD/back < s"
	[ "$(cat back/a)" = new ] && [ ! -e back/b ]
}

@test "files: modes, links and contents come back" {
	mkdir -p tree/sub/empty
	head -c 700000 /dev/urandom > tree/sub/data
	: > tree/none
	ln -s sub/data tree/link
	ln tree/sub/data tree/hard
	chmod 4750 tree/sub/data
	chmod 1777 tree/sub/empty
	bk-dump "files://$PWD/tree" | bk-compress --zstd | bk-put --create "$store" > records
	run -0 --separate-stderr bk-restore --into "files://$PWD/back" < records
	[ -z "$stderr" ]
	diff -r --no-dereference tree back
	[ "$(cd tree && find . -printf '%p %m %l %y %n %T@\n' | sort)" = "$(cd back && find . -printf '%p %m %l %y %n %T@\n' | sort)" ]
}

@test "sqlite: the rows come back, a file that is there is refused" {
	sqlite3 a.db "create table t(n, s); with recursive c(i) as (select 1 union all select i+1 from c where i<5000) insert into t select i, hex(i*i) from c"
	bk-dump "sqlite://$PWD/a.db" | bk-compress | bk-put --create "$store" > records
	run -0 --separate-stderr bk-restore --into "sqlite://$PWD/b.db" < records
	[ "$(sqlite3 a.db .dump | sha256sum)" = "$(sqlite3 b.db .dump | sha256sum)" ]
	run -73 --separate-stderr bk-restore --into "sqlite://$PWD/b.db" < records
	sqlite3 b.db 'delete from t'
	run -0 bk-restore --replace --yes --into "sqlite://$PWD/b.db" < records
	[ "$(sqlite3 a.db .dump | sha256sum)" = "$(sqlite3 b.db .dump | sha256sum)" ]
}

@test "another engine's target is refused" {
	put app 1000
	run -64 --separate-stderr bk-restore --into "files://$PWD/back" < records
	one_line
	run -64 --separate-stderr bk-restore --into nosuch://x < records
	[ ! -e back ]
}

@test "exec: gets the payload only when it was verified, and its status counts" {
	put app 3000000 bk-compress
	run -0 bk-restore --into exec: -- sh -c 'cat > out' < records
	bk-dump 'fake:?bytes=3000000' | python3 "$root/tests/mkstream.py" --payload | cmp - out
	run -65 --separate-stderr bk-restore --into exec: -- sh -c 'cat >/dev/null; echo broken >&2; exit 9' < records
	said broken
}

@test "--spool is where the spooled file goes" {
	put app 1000
	run -0 bk-restore --spool "$PWD" --into exec: -- sh -c 'cat > out' < records
	run -73 --separate-stderr bk-restore --spool "$PWD/nowhere" --into exec: -- touch ran < records
	[ ! -e ran ]
}

@test "--timeout ends a restore that hangs" {
	put app 1000
	run -65 --separate-stderr timeout 20 bk-restore --timeout 300ms --into exec: -- sleep 600 < records
	said timeout
}

@test "memory stays as the page says, whatever the size" {
	peak() {
		python3 -c 'import resource as r, subprocess as s, sys; s.run(sys.argv[1:], stdin=open("in"), check=True); print(r.getrusage(r.RUSAGE_CHILDREN).ru_maxrss)' "$@"
	}
	bk-dump 'fake:?bytes=60000000' > in
	[ "$(peak bk-restore --into fake:)" -lt $((18 * 1024)) ]
	bk-dump 'fake:?bytes=60000000' | bk-compress > in
	[ "$(peak bk-restore --into fake:)" -lt $((29 * 1024)) ]
	bk-dump 'fake:?bytes=60000000' | bk-put --create "$store" > in
	[ "$(peak bk-restore --into fake:)" -lt $((18 * 1024)) ]
	bk-dump 'fake:?bytes=60000000' > in
	[ "$(peak sh -c 'exec bk-pipe --ext x -- cat > out')" -lt $((18 * 1024)) ]
}

@test "-v tells the steps; silence without it" {
	put app 1000
	run -0 --separate-stderr bk-restore -v --into fake: < records
	said 'payload verified, 1000 bytes'
	said "restored 'app' of "
}

@test "a terminal shows no stream to be read" {
	run -64 on_tty no 'bk-restore --into fake:'
	[[ $output == *'is a terminal'* ]]
	mkdir store
	run -64 on_tty no 'bk-restore $store --into fake:'
	[[ $output == *'want --id, --latest or --at'* ]]
}

@test "wrong usage is 64" {
	put app 1000
	run -64 --separate-stderr bk-restore < records
	said 'want --into'
	run -64 bk-restore --into fake: --id short "$store"
	run -64 bk-restore --into fake: --name 'a b' --latest "$store"
	run -64 bk-restore --into fake: --name app "$store"
	run -64 bk-restore --into fake: --name app --latest
	run -64 bk-restore --into fake: --latest --at now "$store"
	run -64 bk-restore --into fake: --at 2026-11-21T10:00:00 "$store"
	run -64 bk-restore --into fake: "$store" "$store" < records
	run -64 bk-restore --into fake: --yes < records
	run -64 bk-restore --into fake: --jobs 0 < records
	run -64 bk-restore --into fake: --jobs 65 < records
	run -64 bk-restore --into fake: --undo xz < records
	run -64 bk-restore --into fake: --timeout soon < records
	run -64 bk-restore --into fake: --into fake: < records
	run -64 bk-restore --into fake: --no-such < records
	run -64 bk-restore --into nonsense < records
	run -64 --separate-stderr bk-restore --into postgres://u:secret@h/db < records
	[[ $stderr != *secret* ]]
}
