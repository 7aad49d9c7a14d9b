load helper

# Records edited by hand: nothing is read or written outside the store and the
# target, nothing is executed, and what is not known passes through.

setup() {
	own_store
	bk-dump --name app -t tier=a 'fake:?bytes=1000&seed=5' | bk-compress | bk-put "$S" | head -n 1 > rec
	mkdir -p outside/app
	cp store/app/* outside/app/
	find store outside -type f -exec sha256sum {} + | sort > before
	cat > edits.py <<-'END'
	import json, os, subprocess, sys
	REC = json.load(open("rec"))
	USERS = {"get": ["bk-get"], "raw": ["bk-get", "--raw"], "decode": ["bk-get", "--raw", "--decode"],
	    "restore": ["bk-restore", "--into", "fake:"],
	    "exec": ["bk-restore", "--into", "exec:", "--", "touch", "ran"],
	    "tag": ["bk-tag", "--no-end", "-t", "x=y"]}
	wrong = 0
	def text(edit):
	    r = json.loads(json.dumps(REC))
	    exec(edit, {"r": r})
	    return json.dumps(r).encode() + b"\n"
	def give(what, data, users=USERS, status=65):
	    global wrong
	    for u in users:
	        p = subprocess.run(USERS[u], input=data, capture_output=True, timeout=60)
	        err, bad = p.stderr.decode(), []
	        if p.returncode != status: bad.append("status %d" % p.returncode)
	        if status and err.count("\n") != 1: bad.append("not one line")
	        if status and u in ("raw", "decode") and p.stdout: bad.append("lets something out")
	        if status and b'"end":"ok"' in p.stdout: bad.append("calls it whole")
	        if status and os.path.exists("ran"): bad.append("ran")
	        if bad:
	            wrong += 1
	            print("%s, %s: %s: %s" % (what, u, ", ".join(bad), err[:300]))
	END
}

edits() {
	{ cat edits.py -; echo 'sys.exit(wrong != 0)'; } > this.py
	run timeout 250 python3 this.py
	echo "$output"
	[ "$status" -eq 0 ]
}

untouched() {
	find store outside -type f -exec sha256sum {} + | sort | diff before -
	[ ! -e ran ]
}

@test "members that are wrong, in a record on standard input: 65" {
	edits <<-'END'
	key = REC["key"]
	for k in ("../outside/" + key, "/etc/passwd", "app/../../outside/" + key, "./" + key, key + "/", "", key + "\0", "app//" + key[4:], ".bk/manifest/app/x.json"):
	    give("key %r" % k, text("r['key'] = %r" % k))
	for name in ("..", "../outside", "", "a/b", ".bk", 5, None):
	    give("name %r" % name, text("r['name'] = %r" % name))
	for edit in ("r['id'] = '../../x'", "r['id'] = 'x'", "r['id'] = r['id'].lower()", "del r['id']", "r['bytes'] = -1",
	    "r['bytes'] = 2 ** 63", "r['bytes'] = '5'", "r['bytes'] = 1.5", "r['sha256'] = 'x'", "r['sha256'] = r['sha256'].upper()",
	    "r['ext'] = 'a/b'", "r['engine'] = '../x'", "r['time'] = '2001-01-01T00:00:00Z'", "r['time'] = 5", "r['filters'] = {}",
	    "r['filters'] = [{'filter': '../x'}]", "r['filters'] = [{'filter': 'gzip'}] * 1000", "del r['key']", "del r['filters']",
	    "r['bk'] = 'backup/2'", "r['bk'] = 'backup/0'", "r['bk'] = 'stream/1'", "del r['bk']", "r['stages'] = 5",
	    "r['stages'][0]['bytes'] = -1", "r['tags'] = []", "r['tags'] = {'a': 1}", "r['info'] = 5"):
	    give(edit, text(edit))
	give("2 MiB", text("r['more'] = 'x' * (2 << 20)"))
	give("deep", text("r['more'] = 0")[:-3] + b"[" * 100000 + b"]" * 100000 + b"}\n")
	give("no JSON", b'{"bk":"backup/1",\n')
	give("cut", text("pass")[:-40], ("get", "raw", "restore"))
	END
	untouched
}

@test "members that are wrong only in what they say of the payload: 65, and nothing out" {
	edits <<-'END'
	for edit in ("r['bytes'] += 1", "r['bytes'] -= 1", "r['bytes'] = 0", "r['sha256'] = '0' * 64"):
	    give(edit, text(edit), ("get", "raw", "decode", "restore", "exec"))
	for edit in ("r['stages'][0]['bytes'] += 1", "r['stages'][0]['sha256'] = '0' * 64", "r['stages'] = []"):
	    give(edit, text(edit), ("restore", "exec"))
	END
	untouched
}

@test "a store named in the record: no such place, no such scheme, no password" {
	edits <<-'END'
	for s, st in (("file:///nowhere/x", 66), ("file://%s/outside" % os.getcwd(), 66), ("exec:touch ran", 64), ("ftp://x/", 64), ("", 64), (5, 65)):
	    give("store %r" % s, text("r['store'] = %r" % s), ("raw", "restore", "exec", "tag") if "outside" not in str(s) else ("tag",), st)
	p = subprocess.run(USERS["raw"], input=text("r['store'] = 's3://k:canary-pw@b/x'"), capture_output=True)
	if p.returncode not in (64, 65) or b"canary-pw" in p.stderr: print(p); wrong = 1
	END
}

@test "members that nobody knows, and commands: passed through, never run" {
	edits <<-'END'
	odd = "r['command'] = r['undo'] = 'touch ran'; r['info']['undo'] = 'touch ran'; r['info']['restore'] = ['touch', 'ran']; r['zz'] = {'a': [1, None]}; r['filters'][0]['command'] = 'touch ran'; r['source']['command'] = 'touch ran'; r['name'] = r['name']"
	give("commands", text(odd), ("raw", "decode", "restore"), 0)
	give("a pipe with a command", text("r['filters'] = [{'filter': 'pipe', 'ext': 'gz', 'command': 'touch ran', 'undo': 'touch ran'}]"), ("decode", "restore"), 64)
	p = subprocess.run(["bk-tag", "--no-end", "-t", "x=y"], input=text(odd), capture_output=True)
	if b'"zz"' not in p.stdout or p.returncode: print(p); wrong = 1
	m = json.load(open(next(os.path.join(d, f) for d, _, fs in os.walk("store/.bk/manifest") for f in fs if f.count(".") == 1)))
	if "command" in m or "zz" in m: print("the manifest was changed", m); wrong = 1
	END
	[ ! -e ran ]
}

@test "manifests and notes edited by hand in the store: skipped, named, counted" {
	m=$(find store/.bk/manifest/app -type f)
	id=$(basename "$m" .json)
	cp "$m" good
	for edit in 's|"key":"app/|"key":"../outside/app/|' 's|"name":"app"|"name":".."|' \
	    's|"name":"app"|"name":"other"|' 's|"id":"...|"id":"000|' 's|"bytes":[0-9]*|"bytes":-1|' \
	    's|^{|[|' 's|$|{}|' 's|.*||' 's|backup/1|backup/x|'; do
		sed "$edit" good > "$m"
		run -1 --separate-stderr bk-list "$S"
		[ "$output" = '{"end":"ok","records":0,"unreadable":1}' ] || { echo "$edit: $output"; false; }
		said "$id"
		run ! --separate-stderr bk-get --raw "$S" --name app --latest
		[ -z "$output" ]
	done
	# A file that is no manifest at all is in nobody's way.
	cp good "$m"
	echo junk > store/.bk/manifest/app/README
	mkdir store/.bk/manifest/app/sub store/.bk/manifest/..x
	run -0 --separate-stderr bk-list "$S"
	[ "$stderr" = "" ]
	# A note that would change what a note may not change.
	printf '{"bk":"note/1","key":"../outside/x","name":"other","bytes":1,"command":"touch ran","tags":{"a":"b"}}\n' \
	    > "store/.bk/manifest/app/$id.01KDVGK7000000000000000001.json"
	run --separate-stderr bk-list "$S"
	[[ ${lines[0]} == *"$(sed 's/.*"key":"\([^"]*\)".*/"key":"\1"/' good)"* ]]
	[[ ${lines[0]} == *'"name":"app"'* ]] && [[ $output != *outside* ]]
	[ ! -e ran ]
}

@test "links in the store lead nowhere outside it" {
	m=$(find store/.bk/manifest/app -type f)
	key=$(find store/app -type f)
	mv "$key" elsewhere && ln -s "$PWD/elsewhere" "$key"
	run --separate-stderr bash -c 'bk-list --plain "$S" | bk-get --raw > out'
	# Followed or refused, the bytes are those that were committed.
	[ "$status" -ne 0 ] || cmp out elsewhere
	echo secret > "$PWD/elsewhere"
	run --separate-stderr bash -c 'bk-list --plain "$S" | bk-get --raw > out'
	[[ $status =~ ^6[56]$ ]] && [ ! -s out ]
	rm "$key" && mkdir "$key"
	run --separate-stderr bash -c 'bk-list --plain "$S" | bk-get --raw > out'
	[ "$status" -ne 0 ] && [ ! -s out ]
	rm -r "$key" && mkfifo "$key"
	run --separate-stderr bash -c 'bk-list --plain "$S" | timeout 20 bk-get --raw > out'
	[ "$status" -ne 0 ] && [ "$status" -ne 124 ] && [ ! -s out ]
	rm "$m" && mkfifo "$m"
	run --separate-stderr timeout 20 bk-list "$S"
	[ "$status" -eq 1 ]
}
