load helper

# Archives made by hand to write outside the target: 65, one line, nothing
# outside is touched, and there is no target.

@test "names, links and headers that lead outside" {
	own_store
	run timeout 200 python3 - <<-'END'
	import io, os, shutil, subprocess, sys, tarfile
	HERE = os.getcwd()
	OUT = HERE + "/victims"
	def entry(name, kind=tarfile.REGTYPE, link="", data=b"evil", pax=None):
	    i = tarfile.TarInfo(name)
	    i.type, i.linkname, i.mode = kind, link, 0o755
	    if pax: i.pax_headers = pax
	    if kind == tarfile.REGTYPE: i.size = len(data)
	    return i, data
	D, L, H, F = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.REGTYPE
	CASES = {
	"absolute": [("/" + OUT[1:] + "/new",)], "dot dot": [("../victims/new",)], "inside, then out": [("a", D), ("a/../../victims/new",)],
	"./..": [("./../victims/new",)], "a//..": [("a", D), ("a//..//../victims/new",)], "ends in ..": [("a", D), ("a/..", D)], "..": [("..", D)],
	"link, file below": [("l", L, OUT), ("l/new",)], "relative link": [("l", L, "../victims"), ("l/new",)], "link, directory, file": [("l", L, OUT), ("l", D), ("l/new",)],
	"two links": [("l", L, "m"), ("m", L, OUT), ("l/new",)], "link below a link": [("l", L, OUT), ("l/m", L, "x")], "link to the root": [("l", L, "/"), ("l" + OUT + "/new",)],
	"./l and l": [("./l", L, OUT), ("l//new",)], "link late": [("l", D), ("l/a",), ("l", L, OUT), ("l/new",)],
	"hard link absolute": [("h", H, OUT + "/here"), ("h",)], "hard link up": [("h", H, "../victims/here"), ("h",)],
	"hard link through a link": [("l", L, OUT), ("h", H, "l/here"), ("h",)],
	"pax path": [("innocent", F, "", b"evil", {"path": OUT + "/new"})], "pax path up": [("innocent", F, "", b"evil", {"path": "../victims/new"})],
	"pax linkpath": [("h", H, "innocent", b"", {"linkpath": OUT + "/here"}), ("h",)],
	"long name": [("a/" * 80 + "../" * 81 + "victims/new",)], "long absolute": [(OUT + "/" + "x" * 150,)],
	}
	wrong = 0
	for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
	    for what, items in CASES.items():
	        if form == tarfile.GNU_FORMAT and "pax" in what: continue
	        shutil.rmtree(OUT, ignore_errors=True); os.mkdir(OUT)
	        open(OUT + "/here", "w").write("good")
	        with tarfile.open("x.tar", "w", format=form) as t:
	            for it in items:
	                i, data = entry(*it)
	                t.addfile(i, io.BytesIO(data))
	        dump = subprocess.run("bk-dump --as files exec: -- cat x.tar > x.stream", shell=True, capture_output=True)
	        p = subprocess.run(["bk-restore", "--into", "files://" + HERE + "/target"], stdin=open("x.stream"), capture_output=True)
	        bad = []
	        if dump.returncode != 0: bad.append("no dump %s" % dump.stderr)
	        if p.returncode != 65: bad.append("status %d" % p.returncode)
	        if p.stderr.count(b"\n") != 1: bad.append("not one line")
	        if os.listdir(OUT) != ["here"] or open(OUT + "/here").read() != "good": bad.append("WROTE OUTSIDE")
	        if os.path.lexists("target"): bad.append("left a target"); shutil.rmtree("target", ignore_errors=True)
	        left = [n for n in os.listdir(".") if n not in ("store", "victims", "x.tar", "x.stream")]
	        if left: bad.append("left %s" % left)
	        if bad:
	            wrong += 1
	            print("%s (%d): %s: %s" % (what, form, ", ".join(bad), p.stderr.decode()[:200]))
	sys.exit(wrong != 0)
	END
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "any byte of a header changed, any block missing: restored the same, or refused" {
	own_store
	mkdir tree && echo a > tree/a && ln -s ../../victim tree/l && mkdir tree/d && echo b > tree/d/b
	echo good > victim
	tar -cf x.tar -C tree .
	run timeout 200 python3 - <<-'END'
	import os, random, shutil, subprocess, sys
	good = open("x.tar", "rb").read()
	# Bytes of padding and of owner names say nothing; those are restored.
	rng = random.Random(5)
	wrong = n = 0
	before = sorted(os.listdir("."))
	for i in range(60):
	    data = bytearray(good)
	    if i % 3 == 0:
	        b = 512 * rng.randrange(8); del data[b:b + 512]
	    else:
	        data[rng.randrange(3072)] ^= 1 << rng.randrange(8)
	    open("y.tar", "wb").write(data)
	    d = subprocess.run("bk-dump --as files exec: -- cat y.tar > y.stream", shell=True, capture_output=True)
	    p = subprocess.run(["bk-restore", "--into", "files://" + os.getcwd() + "/target"], stdin=open("y.stream"), capture_output=True)
	    now = [x for x in sorted(os.listdir(".")) if x not in ("y.tar", "y.stream")]
	    if p.returncode not in (0, 65, 74, 77) or open("victim").read() != "good\n" or (now != before and p.returncode) or \
	        (p.returncode == 0 and now != sorted(before + ["target"])):
	        wrong += 1; print(i, d.returncode, p.returncode, now, p.stderr)
	    shutil.rmtree("target", ignore_errors=True)
	    n += p.returncode != 0
	print(n, "refused")
	sys.exit(wrong != 0 or n < 20)
	END
	echo "$output"
	[ "$status" -eq 0 ]
}
