load helper

setup() {
	cd "$BATS_TEST_TMPDIR"
	export root
	PATH=$root/examples/filter-python:$PATH
}

stream() {
	python3 "$root/tests/mkstream.py" "$@"
}

payload() {
	python3 "$root/tests/mkstream.py" --payload
}

@test "xz reads what the Python filter wrote; -d gives it back" {
	seq 200000 > plain
	stream - < plain > in
	run --separate-stderr bash -c 'bk-xz < in > out && bk-xz -d < out > back'
	[ "$status" -eq 0 ] && [ -z "$stderr" ]
	head -n 1 out | grep -q '"filters":\[{"filter":"pipe","ext":"xz"}\]'
	payload < out | xz -dc | cmp - plain
	payload < back | cmp - plain
	head -n 1 back | cmp - <(head -n 1 in)
}

@test "filters in C and in Python follow each other" {
	seq 300000 > plain
	stream - < plain > in
	run bash -c 'set -o pipefail
		bk-xz < in | bk-compress --zstd | bk-compress -d | bk-xz -d > a ||
		{ echo "a: ${PIPESTATUS[*]}"; exit 1; }
		bk-compress < in | bk-xz | bk-xz -d | bk-compress -d > b ||
		{ echo "b: ${PIPESTATUS[*]}"; exit 1; }'
	echo "$output"
	[ "$status" -eq 0 ]
	payload < a | cmp - plain
	payload < b | cmp - plain
}

@test "it reads xz files of several parts, and an empty payload" {
	python3 - <<-'PY'
	import hashlib, lzma, os, sys
	sys.path.insert(0, os.environ["root"] + "/tests")
	import mkstream as m
	p = b"one" + b"0" * 5000000 + b"two"
	d = lzma.compress(p[:3]) + lzma.compress(p[3:])
	end = {"end": "ok", "stages": [{"stage": "fake", "bytes": len(p),
	    "sha256": hashlib.sha256(p).hexdigest()}, {"stage": "xz", "bytes": len(d)}]}
	h = m.header(filters=[{"filter": "pipe", "ext": "xz"}])
	open("in", "wb").write(m.seal(m.line(h) + m.line({"data": len(d)}) + d, end))
	PY
	[ "$(bk-xz -d < in | payload | wc -c)" -eq 5000006 ]
	stream '' > empty
	bk-xz < empty | bk-xz -d | cmp - empty
}

@test "bad streams are 65 and never called whole; failed ones keep their status" {
	stream hello > in
	cat > try.py <<-'PY'
	import io, os, sys
	from importlib import machinery, util
	sys.dont_write_bytecode = True
	loader = machinery.SourceFileLoader("xz",
	    os.environ["root"] + "/examples/filter-python/bk-xz")
	xz = util.module_from_spec(util.spec_from_loader("xz", loader))
	loader.exec_module(xz)

	def run(data):
	    out = io.BytesIO()
	    w = xz.Writer(out)
	    try:
	        xz.run(False, xz.Reader(io.BytesIO(data)), w)
	        return 0
	    except xz.Failed as e:
	        return e.status
	good = open("in", "rb").read()
	assert run(good) == 0
	for i in range(len(good)):
	    assert run(good[:i]) == 65, i
	    for bit in range(8):
	        bad = good[:i] + bytes([good[i] ^ 1 << bit]) + good[i + 1:]
	        assert run(bad) == 65, (i, bit)
	assert run(good + b"x") == 65
	PY
	run --separate-stderr python3 -W ignore try.py
	[ "$status" -eq 0 ] || { echo "$stderr"; false; }
	stream --failed 77 > bad
	run -77 --separate-stderr bash -c 'bk-xz < bad > out'
	tail -n 1 out | grep -q '"end":"failed","status":77,"stage":"test","reason":"as asked"'
	run -77 bash -c 'bk-xz < bad | bk-compress > out'
	head -c 200 in > cut
	run -65 --separate-stderr bash -c 'bk-xz < cut > out'
	one_line
	run -65 bash -c 'bk-xz < cut | bk-compress > out'
	tail -n 1 out | grep -q '"end":"failed","status":65,"stage":"xz"'
}

@test "another last filter is 65, a full disk 74, wrong usage 64" {
	stream hello > in
	run -65 bash -c 'bk-xz -d < in > out'
	run -65 bash -c 'bk-compress < in | bk-xz -d > out'
	run -74 bash -c 'bk-xz < in > /dev/full'
	run -64 bash -c 'bk-xz -x < in > out'
}
