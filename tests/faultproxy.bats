load helper

# The proxy that other tests take for a bad network: does it do to a request
# what it is told, and nothing else?

setup() {
	cd "$BATS_TEST_TMPDIR"
	mkfifo up.port proxy.port
	"$root/tests/fault/upstream.py" > up.port 2> up.err 3>&- &
	up=$!
	read -r up_port < up.port
	"$root/tests/fault/faultproxy.py" "127.0.0.1:$up_port" > proxy.port 2> proxy.err 3>&- &
	proxy=$!
	read -r port < proxy.port
	url=http://127.0.0.1:$port
	head -c 300000 /dev/urandom > data
	sum=$(sha256sum < data) sum=${sum%% *}
}

teardown() {
	kill "$proxy" "$up"
	wait "$proxy" "$up" || :
	[ ! -s proxy.err ] || { cat proxy.err; return 1; }
}

rules() {
	printf '%s\n' "$@" | curl -sf -X PUT --data-binary @- "$url/__rules" > rules.out
}

get() {
	curl -s --max-time "${2:-20}" -o got -w '%{http_code}' "$url$1"
}

put() {
	curl -s --max-time 20 -o answer -w '%{http_code}' -T data "$url$1"
}

puts() {
	curl -s "http://127.0.0.1:$up_port/puts"
}

@test "without rules everything passes unharmed" {
	run -0 put /a
	[ "$output" = 200 ]
	[ "$(cat answer)" = "$sum" ]
	run -0 get /a
	[ "$output" = 200 ]
	cmp data got
	run -0 get /none
	[ "$output" = 404 ]
	run -0 sh -c "curl -s -H 'Transfer-Encoding: chunked' -T - $url/c < data"
	[ "$output" = "$sum" ]
	run -0 curl -sI "$url/a"
	[[ $output = *"Content-Length: 300000"* ]]
	# One connection, several requests.
	run -0 curl -s -o 1 -o 2 "$url/a" "$url/c" -w '%{num_connects}'
	[ "$output" = 10 ]
	cmp data 1; cmp data 2
}

@test "status and body answer without asking the server" {
	rules 'status=503:SlowDown@PUT' 'body=InternalError@POST'
	run -0 put /a
	[ "$output" = 503 ]
	grep -q '<Code>SlowDown</Code>' answer
	run -0 curl -s -w '%{http_code}' -d x "$url/a?uploadId=1"
	[[ $output = *'<Code>InternalError</Code>'*200 ]]
	rules 'body=@GET'
	run -0 get /a
	[ "$output" = 200 ]
	[ ! -s got ]
	[ "$(puts)" = 0 ]
}

@test "close and reset give no answer" {
	rules 'close@/a' 'reset@/b'
	run -52 get /a
	run -56 get /b
}

@test "a request cut half-way is not carried out" {
	rules cutreq@PUT
	run ! put /a
	[ "$(puts)" = 0 ]
	rules cutreq=299999@PUT
	run ! put /a
	[ "$(puts)" = 0 ]
}

@test "an answer cut half-way" {
	put /a
	rules cutresp@GET cutresp@HEAD
	run -18 get /a
	[ "$(wc -c < got)" -eq 150000 ]
	cmp -n 150000 data got
	rules cutresp=7@GET
	run -18 get /a
	[ "$(wc -c < got)" -eq 7 ]
}

@test "a lost answer: it was carried out" {
	rules lost@PUT
	run -56 put /a
	[ "$(puts)" = 1 ]
	run -0 get /a
	cmp data got
}

@test "stall: before the answer and within it" {
	put /a
	rules 'stall@GET /none' 'stall=1000@GET /a'
	run -28 get /none 1
	[ "$(wc -c < got 2>/dev/null || echo 0)" -eq 0 ]
	run -28 get /a 1
	[ "$(wc -c < got)" -eq 1000 ]
}

@test "delay and slow take their time, flip changes one bit" {
	put /a
	rules 'delay=0.5@/a#1' 'slow=400000@/a#2' 'flip=5@/a#3' 'flip@/a#4'
	run -0 curl -s -o got -w '%{time_total}' "$url/a"
	[ "${output%.*}" -ge 1 ] || [[ $output = 0.[5-9]* ]]
	cmp data got
	run -0 curl -s -o got -w '%{time_total}' "$url/a"
	[ "${output%.*}" -ge 1 ] || [[ $output = 0.[6-9]* ]]
	cmp data got
	run -0 get /a
	[ "$(cmp -l data got | awk '{ print $1 }')" = 6 ]
	run -0 get /a
	[ "$(cmp -l data got | awk '{ print $1 }')" = 150001 ]
	run -0 get /a
	cmp data got
}

@test "counts, chances and the log" {
	rules 'status=500@GET /x#2-3' 'status=502@GET /y#2-' 'status=504@GET /z%0'
	for want in 404 500 500 404; do
		[ "$(get /x)" = $want ]
	done
	for want in 404 502 502; do
		[ "$(get /y)" = $want ]
	done
	[ "$(get /z)" = 404 ]
	run -0 curl -s "$url/__log"
	[ "${lines[0]}" = 'GET /x 404 -' ]
	[ "${lines[1]}" = 'GET /x 500 status=500@GET /x#2-3' ]
	[ "${#lines[@]}" -eq 8 ]
	run -0 curl -s "$url/__rules"
	[ "${#lines[@]}" -eq 3 ]
	curl -s -X DELETE "$url/__rules"
	[ "$(get /y)" = 404 ]
	run -0 curl -s -o /dev/null -w '%{http_code}' -d 'explode@GET' "$url/__rules"
	[ "$output" = 400 ]
}

@test "bad rules and addresses are refused" {
	run -1 "$root/tests/fault/faultproxy.py" --rule status@x 127.0.0.1:1
	[[ $output = *'status wants a value'* ]]
	run -1 "$root/tests/fault/faultproxy.py" --rule '=@' 127.0.0.1:1
	run -1 "$root/tests/fault/faultproxy.py" nowhere
}
