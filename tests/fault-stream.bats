load helper

# Streams that are wrong but sealed with the right CRC, so that the check they
# name is the one that speaks, given to every program that reads a stream.

setup() {
	own_store
	bk-dump --name earlier 'fake:?bytes=10' | bk-put "$S" > /dev/null
	find store -type f | sort > before
	cat > bad.py <<-'END'
	import json, os, subprocess, sys
	sys.path.insert(0, os.environ["root"] + "/tests")
	import mkstream as m
	DATA = b"hello"
	GOOD = {"end": "ok", "stages": [{"stage": "fake", "bytes": 5,
	    "sha256": m.hashlib.sha256(DATA).hexdigest()}], "info": {"proof": "exit"}}
	BLOCK = m.line({"data": 5}) + DATA
	READERS = {"put": ["bk-put", os.environ["S"]], "gzip": ["bk-compress"],
	    "undo": ["bk-compress", "-d"], "pipe": ["bk-pipe", "--ext", "x", "--", "cat"],
	    "restore": ["bk-restore", "--into", "fake:"],
	    "exec": ["bk-restore", "--into", "exec:", "--", "touch", "ran"]}
	wrong = 0
	def give(what, data, readers=READERS, status=65, says=""):
	    global wrong
	    for r in readers:
	        open("in", "wb").write(data)	# no pipe: no other stage has spoken
	        out = open("out", "wb")
	        p = subprocess.run(READERS[r], stdin=open("in"), stdout=out, stderr=subprocess.PIPE, timeout=60)
	        err = p.stderr.decode()
	        out = open("out", "rb").read()
	        bad = []
	        if p.returncode != status: bad.append("status %d" % p.returncode)
	        if err.count("\n") != 1: bad.append("not one line")
	        if says not in err: bad.append("lacks '%s'" % says)
	        if b'"end":"ok"' in out: bad.append("calls it whole")
	        if os.path.exists("ran"): bad.append("ran"); os.unlink("ran")
	        if bad:
	            wrong += 1
	            print("%s, %s: %s: %s" % (what, r, ", ".join(bad), err[:300]))
	def end(**more):
	    e = json.loads(json.dumps(GOOD)); e.update(more)
	    return {k: v for k, v in e.items() if v is not None}
	def with_header(**more):
	    h = m.header(**more)
	    return m.seal(m.line({k: v for k, v in h.items() if v is not None}) + BLOCK, GOOD)
	def with_block(text, data=DATA):
	    return m.seal(m.line(m.header()) + text + b"\n" + data, GOOD)
	def with_end(**more):
	    return m.seal(m.line(m.header()) + BLOCK, end(**more))
	def finish():
	    sys.exit(wrong != 0)
	END
}

bad() {
	cat bad.py - > this.py
	run timeout 250 python3 this.py
	echo "$output"
	[ "$status" -eq 0 ]
	find store -type f | sort | diff before -
}

@test "data lines: counts that are none, negative, too large, no integer" {
	bad <<-'END'
	for n in ("-1", "0", "1048577", "4294967301", "9223372036854775808",
	    "99999999999999999999999999", "1e3", "5.0", '"5"', "null", "true", "[5]", "{}"):
	    give("data " + n, with_block(b'{"data":' + n.encode() + b"}"))
	give("data twice in a line", with_block(b'{"data":5,"data":4}'))
	give("a blank line", with_block(b'\n{"data":5}'))
	give("no object", with_block(b"[1]"))
	give("rubbish", with_block(b"hello"))
	give("another kind of line", with_block(b'{"dota":5}'))
	give("NUL", with_block(b'{"data":5}\0'))
	give("a second header", with_block(m.line(m.header()) + b'{"data":5}'))
	finish()
	END
}

@test "a line of 2 MiB, deep nesting, bytes that are no UTF-8" {
	bad <<-'END'
	big = b"x" * (2 << 20)
	give("first line", b'{"bk":"stream/1","name":"' + big + b'"}\n')
	give("header", with_header(more=big.decode()))
	give("data", with_block(b'{"data":5,"more":"' + big + b'"}'))
	give("end", with_end(more=big.decode()))
	give("blanks", with_block(b" " * (2 << 20) + b'{"data":5}'))
	deep = b"[" * 200000 + b"]" * 200000
	give("deep", m.seal(m.line(m.header())[:-2] + b',"x":' + deep + b"}\n" + BLOCK, GOOD))
	give("latin-1", m.seal(m.line(m.header())[:-2] + b',"x":"\xe9"}\n' + BLOCK, GOOD))
	give("surrogate", m.seal(m.line(m.header())[:-2] + b',"x":"\\ud800"}\n' + BLOCK, GOOD))
	finish()
	END
}

@test "end lines: counts, CRC, stages, what follows" {
	bad <<-'END'
	good = m.make(DATA)
	five = ("put", "gzip", "pipe", "restore", "exec")
	give("bytes differ", with_end(stages=[dict(GOOD["stages"][0], bytes=6)]), five)
	give("negative bytes", with_end(stages=[dict(GOOD["stages"][0], bytes=-5)]), five)
	give("bytes as text", with_end(stages=[dict(GOOD["stages"][0], bytes="5")]), five)
	give("no stages", with_end(stages=[]), five)
	give("stages missing", with_end(stages=None), five)
	give("stages no array", with_end(stages={}), five)
	give("neither ok nor failed", with_end(end="fine"))
	give("end of another type", with_end(end=True))
	give("sha256 differs", with_end(stages=[dict(GOOD["stages"][0], sha256="0" * 64)]), ("put", "restore", "exec"))
	give("upper-case CRC", good[:-11] + b'ABCDEF12"}\n')
	give("CRC not last", good[:-2] + b',"more":1}\n')
	give("a blank after the CRC", good[:-2] + b" }\n")
	give("no newline", good[:-1])
	give("carriage return", good[:-1] + b"\r\n")
	give("a byte after", good + b"\0")
	give("a second stream", good + good)
	give("a failed line after", good + m.seal(b"", {"end": "failed", "status": 69, "stage": "x", "reason": "y"}))
	finish()
	END
}

@test "failed lines: a status in 1 to 127 goes on, any other is 65" {
	bad <<-'END'
	def failed(status):
	    return m.seal(m.line(m.header()) + BLOCK, {"end": "failed", "status": status, "stage": "up\nstream", "reason": "no\u001b[2J \n bk-put: done"})
	# One line, whatever the reason holds.
	for s in (1, 66, 69, 77, 127):
	    give("status %d" % s, failed(s), ("put", "gzip", "pipe", "restore", "exec"), s)
	for s in (0, -1, 128, 255, 256, 1 << 40, 1.5, "69", None):
	    give("status %r" % s, failed(s))
	p = subprocess.run(READERS["put"], input=failed(69), capture_output=True)
	if b"\x1b" in p.stderr: sys.exit("an escape sequence reaches the terminal")
	p = subprocess.run(READERS["restore"], input=failed(69), capture_output=True)
	if p.stderr.count(b"\n") != 1: sys.exit("a restore fails in silence")
	finish()
	END
}

@test "headers: what becomes a key or a path is checked" {
	bad <<-'END'
	for name in ("", "..", ".", "../x", "a/b", "/etc", "-x", ".bk", "a" * 65, "a b", "a\n", "\u00fc", "a\u0000b"):
	    give("name %r" % name, with_header(name=name))
	for ext in ("", "..", "a/b", "A", "a.b", "x" * 17, "x\n"):
	    give("ext %r" % ext, with_header(ext=ext))
	for engine in ("", "..", "a/b", "A", "1a", "x" * 33):
	    give("engine %r" % engine, with_header(engine=engine))
	for t in ("", "yesterday", "2026-11-21", "2026-11-21T10:00:00", "2026-13-01T00:00:00Z", "9" * 30, 5, "2026-11-21T10:00:00Z/../x"):
	    give("time %r" % t, with_header(time=t), ("put",))
	for filters in ({}, "gzip", [1], [{}], [{"filter": "../x"}], [{"filter": "pipe", "ext": "../../x"}], [{"filter": "pipe"}], [{"filter": ""}]):
	    give("filters %r" % filters, with_header(filters=filters), ("put",))
	for tags in ([], {"name": "x"}, {"a-b": "c"}, {"a": 1}, {"a": "x" * 256}, {"": "x"}):
	    give("tags %r" % tags, with_header(tags=tags), ("put",))
	for member in ("name", "engine", "ext", "time"):
	    give("no " + member, with_header(**{member: None}), ("put",))
	for v in ("stream/2", "stream/0", "stream/", "stream/1x", "Stream/1", "backup/1", 1, None):
	    give("bk %r" % v, with_header(bk=v))
	give("stream/2", with_header(bk="stream/2"), says="stream/2")
	finish()
	END
}

@test "raw bytes: each reader names the two ways in" {
	bad <<-'END'
	import gzip
	for what, data in (("gzip", gzip.compress(b"x" * 100)), ("text", b"hello\n"), ("PGDMP", b"PGDMP\1\16"),
	    ("a JSON line", b'{"a":1}\n'), ("zeros", bytes(3 << 20)), ("no newline", b"x" * (3 << 20))):
	    give(what, data, ("put", "gzip", "undo", "pipe"), says="bk-dump exec:")
	    give(what, data, ("put",), says="bk-put --raw")
	give("nothing", b"")
	finish()
	END
}
