load helper

setup() {
	cd "$BATS_TEST_TMPDIR"
	export root
}

stream() {
	python3 "$root/tests/mkstream.py" "$@"
}

payload() {
	python3 "$root/tests/mkstream.py" --payload
}

# Some MB of text that compresses like a dump.
text() {
	seq -f 'INSERT INTO t VALUES (%06.0f, 0, NULL);' 100000
}

@test "gzip is the default; gunzip reads the payload; -d gives the stream back" {
	text > plain
	stream - < plain > in
	run --separate-stderr bash -c 'bk-compress < in > out && bk-compress -d < out > back'
	[ "$status" -eq 0 ] && [ -z "$stderr" ]
	head -n 1 out | grep -q '"filters":\[{"filter":"gzip"}\]'
	payload < out > x.gz
	gunzip -c x.gz | cmp - plain
	tail -n 1 out | grep -q '{"stage":"gzip","bytes":'"$(stat -c %s x.gz)"'}'
	payload < back | cmp - plain
	head -n 1 back | grep -q '"filters":\[\]'
	run ! grep -aq '"stage":"gzip"' back
}

@test "--zstd; zstd reads the payload; -d gives it back" {
	text > plain
	stream - < plain > in
	run --separate-stderr bash -c 'bk-compress --zstd < in > out && bk-compress -d < out | python3 "$root/tests/mkstream.py" --payload | cmp - plain'
	[ "$status" -eq 0 ] && [ -z "$stderr" ]
	head -n 1 out | grep -q '"filters":\[{"filter":"zstd"}\]'
	payload < out | zstd -dc | cmp - plain
}

@test "an empty payload is a file that the tools read" {
	stream '' > in
	bk-compress < in > gz
	bk-compress --zstd < in > zst
	payload < gz | gunzip -c | cmp - /dev/null
	payload < zst | zstd -dc | cmp - /dev/null
	bk-compress -d < gz | payload | cmp - /dev/null
	bk-compress -d < zst | payload | cmp - /dev/null
}

@test "two filters are undone in the reverse order" {
	stream hello > in
	run bash -c 'bk-compress --zstd < in | bk-compress | bk-compress -d | bk-compress -d | python3 "$root/tests/mkstream.py" --payload'
	[ "$status" -eq 0 ] && [ "$output" = hello ]
}

@test "levels and threads change the size and nothing else" {
	text | stream - > in
	for o in -1 -9 -12 '--zstd -1' '--zstd -19' '--threads 1' '--threads 64'; do
		# shellcheck disable=SC2086
		bk-compress $o < in > out
		[ "$(bk-compress -d < out | payload | sha256sum)" = "$(text | sha256sum)" ]
	done
	[ "$(bk-compress -9 < in | wc -c)" -lt "$(bk-compress -1 < in | wc -c)" ]
}

@test "--threads does not change a byte" {
	text | stream - > in
	bk-compress --threads 1 < in > a
	bk-compress --threads 7 < in | cmp - a
}

@test "foreign gzip in a stream is read" {
	text | gzip -c > f.gz
	python3 - <<-'PY'
	import os, sys, hashlib
	sys.path.insert(0, os.environ["root"] + "/tests")
	import gzip, mkstream as m
	d = open("f.gz", "rb").read()
	p = gzip.decompress(d)
	end = {"end": "ok", "stages": [{"stage": "fake", "bytes": len(p),
	    "sha256": hashlib.sha256(p).hexdigest()}, {"stage": "gzip", "bytes": len(d)}]}
	body = m.line(m.header(filters=[{"filter": "gzip"}])) + m.line({"data": len(d)}) + d
	open("in", "wb").write(m.seal(body, end))
	bad = d[:5000] + bytes([d[5000] ^ 1]) + d[5001:]
	body = m.line(m.header(filters=[{"filter": "gzip"}])) + m.line({"data": len(d)}) + bad
	open("bad", "wb").write(m.seal(body, end))
	end["stages"][0]["sha256"] = "0" * 64
	body = m.line(m.header(filters=[{"filter": "gzip"}])) + m.line({"data": len(d)}) + d
	open("other", "wb").write(m.seal(body, end))
	PY
	[ "$(bk-compress -d < in | payload | sha256sum)" = "$(text | sha256sum)" ]
	run -65 --separate-stderr bash -c 'bk-compress -d < bad > out'
	said 'bk-compress: bad gzip data'
	one_line
	tail -n 1 out | grep -aq '"end":"failed","status":65,"stage":"decompress"'
	# Of another source: whoever takes the payload finds it.
	run -65 --separate-stderr bash -c 'set -o pipefail; bk-compress -d < other | bk-put --create "file://$PWD/s"'
	said 'SHA-256'
	nothing_listed s
}

@test "nothing to undo, or another kind of filter: 65" {
	stream hello > in
	run -65 --separate-stderr bash -c 'bk-compress -d < in > out'
	said 'nothing to undo'
	stream hello '{"filters":[{"filter":"pipe","ext":"xz"}]}' > in
	run -65 --separate-stderr bash -c 'bk-compress -d < in > out'
	said "'pipe'"
	one_line
}

@test "a cut stream is 65 and its output is never called whole" {
	text | stream - > in
	for n in 1 10 300 100000 $(($(stat -c %s in) - 1)); do
		head -c "$n" in > cut
		run -65 bash -c 'bk-compress < cut > out'
		run ! grep -aq '"end":"ok"' out
	done
}

@test "a failed stream is passed on with its status, silently in a pipe" {
	stream --failed 77 > in
	run --separate-stderr bash -c 'set -o pipefail; bk-compress < in | bk-compress --zstd | cat > out'
	[ "$status" -eq 77 ] && [ -z "$stderr" ]
	tail -n 1 out | grep -q '"end":"failed","status":77,"stage":"test"'
}

@test "raw bytes on standard input name the ways in" {
	run -65 --separate-stderr bash -c 'echo raw | bk-compress > out'
	said 'bk-dump exec:'
	said 'bk-put --raw'
}

@test "a full disk is 74, a reader that left is SIGPIPE" {
	head -c 5000000 /dev/urandom | stream - > in
	run -74 --separate-stderr bash -c 'bk-compress < in > /dev/full'
	one_line
	run --separate-stderr bash -c 'bk-compress < in | head -c 1 > /dev/null; echo "${PIPESTATUS[0]}"'
	[ "$output" = 141 ] && [ -z "$stderr" ]
}

@test "memory stays as the page says, whatever the size" {
	case $B in *-address*) skip "a sanitizer's memory is its own" ;; esac
	head -c 60000000 /dev/urandom | stream - > in
	peak() {
		python3 -c 'import resource as r, subprocess as s, sys; s.run(sys.argv[1:], stdin=open("in"), stdout=open("out", "w"), check=True); print(r.getrusage(r.RUSAGE_CHILDREN).ru_maxrss)' "$@"
	}
	[ "$(peak bk-compress --threads 2)" -lt $((16 * 1024)) ]
	[ "$(peak bk-compress --zstd --threads 2)" -lt $((40 * 1024)) ]
	mv out in
	[ "$(peak bk-compress -d --threads 2)" -lt $((48 * 1024)) ]
}

@test "-v tells the sizes" {
	stream hello > in
	run --separate-stderr bash -c 'bk-compress -v < in > out'
	said 'bk-compress: gzip: 5 bytes in'
}

@test "wrong usage is 64" {
	stream hello > in
	for o in -0 -13 '--zstd -20' '-1 -2' '--gzip --zstd' '-d -3' '-d --zstd' \
	    '--threads 0' '--threads 65' '--threads x' '--no-such' operand; do
		run -64 --separate-stderr bash -c "bk-compress $o < in > out"
		grep -q '^{"end":"failed","status":64,' out && [ "$(wc -l < out)" -eq 1 ]
	done
	run -64 --separate-stderr bash -c 'bk-compress -13 < in > out'
	said 'from 1 to 12'
}
