load helper

setup_file() {
	# A server that notes what it is sent and answers as the path says.
	cat > "$BATS_FILE_TMPDIR/server.py" <<-'END'
	import http.server, json, socketserver, sys, threading
	seen = open(sys.argv[1], "a", 1)
	class H(http.server.BaseHTTPRequestHandler):
	    def any(self):
	        n = int(self.headers.get("Content-Length") or 0)
	        body = self.rfile.read(n).decode()
	        seen.write(json.dumps([self.command, self.path, body,
	            self.headers.get("Content-Type")]) + "\n")
	        if "/hang" in self.path:
	            threading.Event().wait(60)
	        code = 200
	        for c in (302, 403, 404, 503):
	            if "/%d" % c in self.path:
	                code = c
	        self.send_response(code)
	        if code == 302:
	            self.send_header("Location", "/elsewhere")
	        self.send_header("Content-Length", "3")
	        self.end_headers()
	        self.wfile.write(b"why")
	    do_GET = do_POST = any
	    def log_message(self, *a):
	        pass
	class S(socketserver.ThreadingMixIn, http.server.HTTPServer):
	    daemon_threads = True
	s = S(("127.0.0.1", 0), H)
	print(s.server_port, flush=True)
	s.serve_forever()
	END
	mkfifo "$BATS_FILE_TMPDIR/port"
	python3 "$BATS_FILE_TMPDIR/server.py" "$BATS_FILE_TMPDIR/seen" \
	    > "$BATS_FILE_TMPDIR/port" 2> /dev/null 3>&- &
	echo $! > "$BATS_FILE_TMPDIR/pid"
	read -r port < "$BATS_FILE_TMPDIR/port"
	export U=http://127.0.0.1:$port
}

teardown_file() {
	kill "$(cat "$BATS_FILE_TMPDIR/pid")"
}

setup() {
	cd "$BATS_TEST_TMPDIR"
	seen=$BATS_FILE_TMPDIR/seen
	: > "$seen"
}

# A Python expression on r, the last request, and its body b.
req() {
	tail -n 1 "$seen" | python3 -c "
import json, sys
r = json.loads(sys.stdin.readline())
b = json.loads(r[2]) if r[2] else None
print($1)"
}

@test "a webhook gets one JSON object with what is known" {
	run -0 --separate-stderr bk-hook --event commit --job app --trigger schedule \
	    --run R --id I --key 'app/x y.gz' --bytes 7 --duration 12 --code 0 \
	    --message 'a "b"' "$U/hook"
	[ -z "$output$stderr" ]
	[ "$(req 'r[0], r[1], r[3]')" = "POST /hook application/json" ]
	[ "$(req 'b["event"], b["job"], b["trigger"], b["run"], b["id"], b["key"]')" = \
	    "commit app schedule R I app/x y.gz" ]
	[ "$(req 'b["bytes"], b["duration"], b["code"], b["message"]')" = '7 12 0 a "b"' ]
	[ "$(req '"host" in b and "time" in b')" = True ]
	[ "$(wc -l < "$seen")" -eq 1 ]
}

@test "words in the URL are filled in and encoded; unknown ones refused" {
	run -0 bk-hook --event fail --key 'a/b c&d' --code 69 "$U/h/{key}?c={code}&r={run}&e={event}"
	[ "$(req 'r[1]')" = "/h/a%2Fb%20c%26d?c=69&r=&e=fail" ]
	run -64 --separate-stderr bk-hook --event fail "$U/{secret}"
	said "'{secret}'"
	[ "$(wc -l < "$seen")" -eq 1 ]
}

@test "a dead-man's switch: start, success, fail" {
	for e in prepare commit fail; do
		run -0 bk-hook --ping --event $e "$U/ping/uuid?x=1"
	done
	[ "$(python3 -c "
import json
print(*(' '.join(json.loads(l)[:2]) for l in open('$seen')))")" = \
	    "GET /ping/uuid/start?x=1 GET /ping/uuid?x=1 GET /ping/uuid/fail?x=1" ]
	run -0 bk-hook --ping --event fail "$U/p?e={event}"
	[ "$(req 'r[1]')" = "/p?e=fail" ]
}

@test "the URL from the environment; no message shows more than its host" {
	export BK_HOOK_URL=$U/404/s3cret
	run -66 --separate-stderr bk-hook --event commit
	said "'$U' answered 404: why"
	one_line
	BK_HOOK_URL=http://user:s3cret@127.0.0.1:1/s3cret run -69 --separate-stderr \
	    bk-hook --event commit --timeout 2s
	[[ $stderr != *s3cret* ]]
}

@test "refusals, redirects, a busy server" {
	run -77 bk-hook --event commit "$U/403"
	run -69 bk-hook --event commit "$U/302"
	[ "$(wc -l < "$seen")" -eq 2 ]
	run -69 bk-hook --event commit --timeout 20s "$U/503"
	[ "$(wc -l < "$seen")" -eq 5 ]
}

@test "a server that hangs is given up in time" {
	t=$SECONDS
	run -69 --separate-stderr bk-hook --event commit --timeout 500ms "$U/hang"
	[ $((SECONDS - t)) -le 4 ]
}

@test "a job's hooks and ping reach their URLs, which no command line shows" {
	own_store
	cat > bk.conf <<-END
	state = "$PWD/state"
	store "one" { url = "$S" }
	job "app" {
	  source = "fake:?bytes=9" store = "one"
	  on-success = "$U/ok/{key}"
	  before = "true"
	  ping = "$U/ping"
	}
	job "hang" {
	  source = "fake:?bytes=9" store = "one"
	  on-success = "$U/hang"
	  hook-timeout = "1500ms"
	}
	END
	run -0 --separate-stderr bk-run --config bk.conf app
	[ "$(python3 -c "
import json
print(*(json.loads(l)[1].split('-2')[0] for l in open('$seen')))")" = \
	    "/ping/start /ping /ok/app%2Fapp" ]
	[ "$(req 'b["event"], b["job"], b["code"]')" = "commit app 0" ]
	bk-run --config bk.conf hang 2> err 3>&- &
	a=$!
	until grep -q "POST.*/hang" "$seen"; do kill -0 $a; done
	pgrep -f "bk-hook --event commit" > /dev/null
	pgrep -f "$U/hang" && false
	wait $a
	grep -q "hook failed" err
	[ "$(find store/.bk/manifest/hang -name '*.json' | wc -l)" -eq 1 ]
}

@test "wrong usage" {
	run -64 bk-hook "$U"
	run -64 bk-hook --event other "$U"
	run -64 bk-hook --event commit
	run -64 bk-hook --event commit a b
	run -64 bk-hook --event commit ftp://x/
	run -64 bk-hook --event commit --bytes x "$U"
	run -64 bk-hook --event commit --timeout 0s "$U"
}
