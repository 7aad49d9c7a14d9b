load helper

setup() {
	own_store
	cat > bk.conf <<-END
	state = "$PWD/state"
	store "one" { url = "file://$PWD/store" }
	job "app" { source = "fake:?bytes=100" store = "one" }
	job "bad" { source = "fake:?bytes=100&exit=77" store = "one" }
	job "away" { source = "fake:" store = "one" hosts = "nowhere" }
	END
	export BK_CONF=$PWD/bk.conf
}

# Value of a Python expression on o, the last line of $output.
last() {
	tail -n 1 <<< "$output" | python3 -c "
import json, sys
o = json.loads(sys.stdin.readline())
print($1)"
}

manifests() {
	find store/.bk/manifest -name '*.json' 2>/dev/null | wc -l
}

@test "a request is written, claimed once, answered, and its asker learns how it ended" {
	run -0 --separate-stderr bk-request "$S" app
	[ "$(last 'o["state"], o["job"]')" = "requested app" ]
	id=$(last 'o["request"]')
	[ "$(cat "store/.bk/request/$id.json")" = \
	    "$(python3 -c 'import json,sys
o = json.load(open(sys.argv[1]))
assert set(o) == {"bk", "id", "job", "time", "host"} and o["bk"] == "request/1"
print(json.dumps(o, separators=(",", ":")))' "store/.bk/request/$id.json")" ]
	run -0 --separate-stderr bk-run --requests one
	[ "$(last 'o["request"], o["job"], o["outcome"], o["status"], len(o["ids"])')" = "$id app committed 0 1" ]
	made=$(last 'o["ids"][0]')
	[ -e "store/.bk/manifest/app/$made.json" ]
	grep -q '"trigger":"request"' "store/.bk/manifest/app/$made.json"
	grep -q "\"ids\":\\[\"$made\"\\]" "store/.bk/request/$id.answer.json"
	# Nothing is open any more.
	run -0 --separate-stderr bk-run --requests @one
	[ -z "$output" ] && [ "$(manifests)" -eq 1 ]
}

@test "the asker waits, and gets the status of the run" {
	bk-request "$S" bad --wait > asked 3>&- &
	pid=$!
	# Until it was there to be claimed.
	end=$((SECONDS + 30))
	until [ -n "$(bk-run --requests one)" ]; do [ $SECONDS -lt $end ]; done
	wait $pid && status=0 || status=$?
	[ "$status" -eq 77 ]
	grep -q '"state":"ended"' asked && grep -q '"outcome":"failed"' asked
	grep -q 'fails at the start' asked
	nothing_listed store
}

@test "when the wait ends first: 1, and what is known" {
	run -1 --separate-stderr bk-request "$S" app --wait=1
	[ "$(last 'o["state"]')" = requested ]
	run -0 --separate-stderr bk-request --claim --job other --job app "$S"
	[ "$(last 'o["state"], o["job"]')" = "running app" ]
	[ "$(manifests)" -eq 0 ]
	run -1 --separate-stderr bk-request --claim --job other --job app "$S"
	[ -z "$output" ]
}

@test "only jobs of the file that run here are claimed" {
	bk-request "$S" away > asked
	bk-request "$S" none > asked
	run -0 --separate-stderr bk-run --requests one
	[ -z "$output" ] && [ ! -e store/.bk/request/*.claim.json ]
	run -64 --separate-stderr bk-request "$S" '; rm -rf /'
	run -64 --separate-stderr bk-request "$S" ../app
	id=01M7ZH5GN7B9F6J0HZWGCP1BYG
	echo '{"bk":"request/1","id":"'$id'","job":"app; touch gone","time":"x","host":"y"}' > store/.bk/request/$id.json
	echo 'no json' > store/.bk/request/${id%G}H.json
	echo '{"bk":"request/1","id":"'${id%G}J'","job":"app","command":"touch gone"}' > store/.bk/request/${id%G}J.json
	run -0 --separate-stderr bk-run --requests one
	[ "$(last 'o["job"], o["outcome"]')" = "app committed" ]
	said "passing it over"
	[ ! -e gone ] && [ "$(manifests)" -eq 1 ]
}

@test "eight claim at once: each request goes to one" {
	for i in 1 2 3; do bk-request "$S" app > asked; done
	for i in 1 2 3 4 5 6 7 8; do
		bk-request --claim --job app "$S" > "got$i" 3>&- &
	done
	wait
	[ "$(cat got* | grep -c '"state":"running"')" -le 3 ]
	while bk-request --claim --job app "$S" >> got1; do :; done
	[ "$(cat got* | sed 's/.*"request":"\([^"]*\)".*/\1/' | sort | uniq -d | wc -l)" -eq 0 ]
	[ "$(cat got* | wc -l)" -eq 3 ]
}

@test "one that is under way is answered with 75" {
	mkfifo gate
	echo "job \"slow\" { run = \"sh -c 'read x < $PWD/gate'\" }" >> bk.conf
	bk-run slow > ran 3>&- &
	exec 4> gate
	bk-request "$S" slow > asked
	run -0 --separate-stderr bk-run --requests one
	[ "$(last 'o["outcome"], o["status"]')" = "skipped 75" ]
	exec 4>&-
	wait
}

@test "TERM while it carries one out: the run ends in order, and is answered" {
	mkfifo up
	cat >> bk.conf <<-END
	job "slow" { source = "exec:" command = { "sh", "-c", "echo up > $PWD/up; exec sleep 600" }
	    store = "one" always = "touch $PWD/always" }
	END
	bk-request "$S" slow > asked
	bk-run --requests one > ran 2> err 3>&- &
	pid=$!
	read -r _ < up
	kill -TERM $pid
	wait $pid || true
	[ -e always ]
	grep -q '"job":"slow","event":"failed"' state/ledger
	grep -q '"outcome":"failed"' store/.bk/request/*.answer.json
	nothing_listed store
}

@test "killed while it carries one out: nothing partial, its stages die" {
	mkfifo up
	echo "job \"slow\" { source = \"exec:\" command = { \"sh\", \"-c\", \"echo up > $PWD/up; echo data; exec sleep 600 > $PWD/up\" } store = \"one\" }" >> bk.conf
	bk-request "$S" slow > asked
	bk-run --requests one > ran 2> err 3>&- &
	pid=$!
	exec 4< up
	read -r _ <&4
	kill -KILL $pid
	# End of file: the command, the last that held it, is gone.
	run -0 timeout 20 cat <&4
	exec 4<&-
	nothing_listed store
	# It was claimed, once: whoever waits learns that nothing came of it.
	run -1 bk-request --claim --job slow "$S"
	[ -z "$(find store/.bk/request -name '*.answer.json')" ]
}

@test "an answer is given once; unknown ones, old ones, wrong words" {
	bk-request "$S" app > asked
	id=$(sed 's/.*"request":"\([^"]*\)".*/\1/' asked)
	run -0 bk-request --answer "$id" --outcome unchanged --status 0 "$S"
	run -73 --separate-stderr bk-request --answer "$id" --outcome failed --status 1 "$S"
	run -66 --separate-stderr bk-request --answer 01M7ZH5GN7B9F6J0HZWGCP1BYG --outcome failed --status 1 "$S"
	run -64 --separate-stderr bk-request --answer "$id" --outcome failed "$S"
	run -64 --separate-stderr bk-request --answer "$id" --outcome good --status 0 "$S"
	run -64 --separate-stderr bk-request --claim "$S"
	run -66 --separate-stderr bk-run --requests two
	said "there is no store 'two'"
	echo '{"bk":"request/1","job":"app"}' > store/.bk/request/01ARZ3NDEKTSV4RRFFQ69G5FAV.json
	run -1 bk-request --claim --job app "$S"
	[ ! -e store/.bk/request/01ARZ3NDEKTSV4RRFFQ69G5FAV.json ] && [ -e "store/.bk/request/$id.json" ]
}

@test "a store in which we cannot see create-only honoured is refused" {
	as_other
	[ -n "$as" ] || skip "needs root"
	mkdir "$pub/store"
	run -78 --separate-stderr $as bk-request "file://$pub/store" app
	said "does not honour create-only"
	rm -r "$pub"
}
