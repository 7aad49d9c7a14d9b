load helper

# Every option with an argument of every program: values out of range, values
# that are none, and the option given twice.  64, a first line that names the
# value or the option and says what is wanted, and the store is not touched.

@test "values out of range, and options given twice: 64, the bounds named" {
	own_store
	bk-dump --name app 'fake:?bytes=10' > stream
	bk-put "$S" < stream > /dev/null
	find store > before
	run timeout 250 python3 - <<-'END'
	import os, re, subprocess, sys
	S = os.environ["S"]
	NAME = ["", "a/b", "..", "-x", "a b", "x" * 65, "é", ".x"]
	BYTES = ["", "x", "-1", "+5", " 5", "5 ", "1e3", "0x10", "1.5", "9223372036854775808", "99999999999999999999G", "5KK", "9000000000G"]
	TIMES = ["", "yesterday", "2026-11-21", "2026-11-21T10:00:00", "2026-02-30T00:00:00Z", "2026-11-21T25:00:00Z", "-h", "-99999999999999999999h"]
	SPAN = ["", "x", "-1s", "10", "5 s", "1.5h", "99999999999999999h", "9223372036854775807d"]
	INT = ["", "x", "-1", "1.5", "+1", " 1", "99999999999999999999", "4294967297"]
	EXT = ["", "A", "a/b", "a.b", "x" * 17, "é"]
	TAG = ["", "a", "=b", "a-b=c", "1a=b", "name=x", "daily=1", "a=" + "x" * 256, "x" * 64 + "=a", "a=\udcff"]
	DIR = []
	ID = ["", "7", "x" * 26, "01ARZ3NDEKTSV4RRFFQ69G5FA", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ"]
	UNDO = ["", "xz", "=cat", ".XZ=cat", ".a/b=cat", ".xz=", ".xz='a"]
	JOBS = {
	"bk-dump": (["fake:?bytes=5"], {"--name": NAME, "-t": TAG, "--timeout": SPAN + ["0s"], "--max-bytes": BYTES + ["0"], "--source-env": ["", "A=B", "1A"],
	    "--trigger": ["", "x" * 300], "--run": ["", "x" * 300], "--group": NAME}),
	"bk-compress": ([], {"--threads": INT + ["0", "65"]}),
	"bk-pipe": (["--", "cat"], {"--ext": EXT, "--timeout": SPAN + ["0s"]}),
	"bk-put": ([S], {"-t": TAG, "--max-bytes": BYTES + ["0"], "--memory": BYTES + ["0", "15M"], "--temp-dir": DIR, "--timeout": SPAN + ["0s", "999ms"]}),
	"bk-put --raw --engine a --ext b": ([S], {"--name": NAME}), "bk-put --raw --name a --ext b": ([S], {"--engine": ["", "A", "a/b", "1a", "x" * 33]}),
	"bk-put --raw --name a --engine b": ([S], {"--ext": EXT}), "bk-put --raw --name a --engine b --ext c": ([S], {"--time": TIMES}),
	"bk-get --name app --latest": ([S], {"--memory": BYTES + ["0"], "--timeout": SPAN + ["0s"]}), "bk-get": ([S], {"--id": ID}),
	"bk-get --name app": ([S], {"--at": TIMES}), "bk-get --latest": ([S], {"--name": NAME}), "bk-get --raw --decode --latest --name app": ([S], {"--undo": UNDO}),
	"bk-list": ([S], {"--name": NAME, "--id": ID, "--query": ["", "x", "{", "{a}", "{a=b}", "{a=\"b\"", "{a=~\"(\"}", "{a=\"b\"}x"], "--since": TIMES, "--until": TIMES,
	    "--at": TIMES, "--order-by": ["", "size", "tag:", "tag:a-b", "tag:"], "--limit": INT[:-1] + ["0"], "--timeout": SPAN + ["0s"]}),
	"bk-tag": ([], {"-t": TAG, "-T": ["", "a-b", "name", "x" * 64], "--hold": ["", "x" * 256]}),
	"bk-restore": (["--into", "fake:", S, "--name", "app", "--latest"], {"--jobs": INT + ["0"], "--undo": UNDO, "--source-env": ["", "A=B"], "--timeout": SPAN + ["0s"]}),
	"bk-restore --name app --latest": ([S], {"--into": ["", "x", "nowhere", "ftp://x", "fake:?no=1", "fake:?bytes=-1", "fake:?bytes=1&bytes=2"]}),
	}
	MANY = {"-t", "-T", "--undo", "--hold"}
	wrong = n = 0
	def run(what, argv, twice=False):
	    global wrong, n
	    n += 1
	    p = subprocess.run(argv, stdin=open("stream"), capture_output=True, timeout=30)
	    err = p.stderr.decode("utf-8", "backslashreplace")
	    bad = []
	    if p.returncode != 64: bad.append("status %d" % p.returncode)
	    first = err.split("\n")[0]
	    if not first.startswith(argv[0] + ": "): bad.append("does not name itself")
	    if twice and not re.search("twice|again|once|repeated", first): bad.append("does not say twice")
	    if not twice and p.returncode == 64 and not re.search("want|unknown|empty|there is|must|no |not |at most|at least|ends|reserved|missing|character|option|1 to|more than|longer than|no ULID", first): bad.append("says nothing of what is wanted")
	    if bad:
	        wrong += 1
	        print("%s: %s: %s" % (what, ", ".join(bad), first[:250]))
	for prog, (rest, options) in JOBS.items():
	    for opt, values in options.items():
	        head = prog.split()
	        for v in values:
	            run("%s %s %r" % (prog, opt, v[:40]), head + [opt, v] + rest)
	        if opt not in MANY:
	            ok = {"--timeout": "10s", "--memory": "32M", "--limit": "1", "--threads": "1", "--jobs": "1", "--ext": "x", "--since": "now", "--until": "now",
	                "--at": "now", "--time": "now", "--order-by": "id", "--query": "{}", "--id": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "--max-bytes": "9", "--into": "fake:", "--store": S, "--temp-dir": "/tmp", "--run": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}.get(opt, "a")
	            run("%s %s twice" % (prog, opt), head + [opt, ok, opt, ok] + rest, True)
	        run("%s %s without argument" % (prog, opt), head + rest[:0] + [opt])
	    run(prog + " --no-such-option", prog.split() + ["--no-such-option"] + rest)
	for url in ("", "x", "://x", "file:", "file://host/x", "file:///a?x=1", "s3://", "s3:///x", "s3://b?region=a&region=b", "s3://b?no=1", "s3://b/../x", "s3://b?endpoint=ftp://x",
	    "s3://b/%zz", "s3://b/a%00b", "S3S://b", "s3://" + "b" * 300, "file:///" + "x" * 5000):
	    for prog in ("bk-put", "bk-list"):
	        run("%s %r" % (prog, url[:40]), [prog, url])
	for url in ("", "x", "fake:?bytes=x", "fake:?bytes=-1", "fake:?bytes=1&bytes=2", "fake:?no=1", "fake:?exit=0", "fake:?exit=128", "fake:?bytes=9223372036854775808", "postgres://h:0/x", "postgres://h:65536/x",
	    "postgres://h:x/x", "postgres://h/x?format=zip", "postgres://h/x?no=1", "mysql://h:65536/x", "mysql://h/x?lock=maybe", "mysql://h/x?no=1", "sqlite:", "files:", "files:relative", "nowhere://x", "exec:", "exec:x"):
	    run("bk-dump %r" % url, ["bk-dump", url])
	print(n)
	sys.exit(wrong != 0)
	END
	echo "$output"
	find store | diff before -
	[ "$status" -eq 0 ]
}
