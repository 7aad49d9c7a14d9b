load helper
load supervise

setup() {
	supervise_setup
	sed -i 's/^tz.*/tz = "UTC"/' bk.conf
}

# Value of a Python expression on o, the object of job ${1} in $output.
of() {
	printf '%s\n' "$output" | python3 -c "
import json, sys
o = [j for j in map(json.loads, sys.stdin) if j.get('job') == sys.argv[1]][0]
print($2)" "$1"
}

# A line of the ledger: job, event, seconds ago, more members.
ledger() {
	mkdir -p state
	python3 - "$@" >> state/ledger <<-'END'
	import json, sys, datetime
	job, event, ago, more = sys.argv[1:]
	t = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=int(ago))
	e = {"time": t.strftime("%Y-%m-%dT%H:%M:%SZ"), "job": job, "event": event}
	e.update(json.loads("{" + more + "}"))
	print(json.dumps(e))
	END
}

@test "a job that ran: fresh, its size and id, next due" {
	job app <<< 'source = "fake:?bytes=1000" store = "one" schedule = "@daily"'
	bk-run app > ran
	run -0 --separate-stderr bk status
	[ "$(of app 'o["state"], o["from"], o["running"]')" = "fresh ledger False" ]
	[ "$(of app 'o["id"]')" = "$(python3 -c 'import json;print(json.load(open("ran"))["id"])')" ]
	[ "$(of app 'o["bytes"] > 0 and o["due"][10:]')" = "T00:00:00Z" ]
	[ "$(of app 'o["max-age"]')" = 172800000 ]
	[ "${lines[-1]}" = '{"end":"ok","jobs":1}' ]
	run -0 --separate-stderr bk-status --table app
	[[ "${lines[0]}" == "JOB  STATE  LAST GOOD  NEXT DUE "* ]]
	[[ "${lines[1]}" == "app  fresh  "*" ago "*" in "* ]]
	[ -z "$stderr" ]
}

@test "a failure tells its reason and gives 1, until a run goes well" {
	job app <<-'END'
	source = "fake:?bytes=1000"
	store = "one"
	before = "test ! -e bad || { echo wrong >&2; exit 3; }"
	END
	sed -i "s|! -e bad|! -e $PWD/bad|" bk.conf
	bk-run app > ran
	touch bad
	bk-run app > ran 2> talk || true
	run -1 --separate-stderr bk-status
	[ "$(of app 'o["state"], o["failed"]["status"]')" = "failed 65" ]
	[ "$(of app 'o["failed"]["message"]')" = "before exited 3" ]
	run -1 --separate-stderr bk-status --table
	[[ "${lines[2]}" == "app: failed "*" ago, status 65: before exited 3" ]]
	rm bad
	bk-run app > ran
	run -0 --separate-stderr bk-status
	[ "$(of app 'o["state"], "failed" in o')" = "fresh False" ]
}

@test "never, stale, unchanged, shrinking, and a run that is too long" {
	job never <<< 'source = "fake:" store = "one"'
	job stale <<< 'run = "true" schedule = "@hourly"'
	job same <<< 'run = "true" schedule = "@hourly"'
	job long <<< 'run = "true" schedule = "@hourly"'
	ledger stale committed 7300 '"bytes":10'
	ledger same committed 90000 '"bytes":10'
	ledger same unchanged 60 '"status":0'
	for i in 5 4 3; do ledger long committed "${i}000" '"bytes":1000,"duration":10'; done
	ledger long committed 60 '"bytes":250,"duration":2000000'
	run -1 --separate-stderr bk-status
	[ "$(of never 'o["state"], o["from"]')" = "never store" ]
	[ "$(of stale 'o["state"]')" = stale ]
	[ "$(of same 'o["state"]')" = unchanged ]
	[ "$(of long 'o["state"], o["trend"]')" = "fresh -75" ]
	[[ "$(of long 'o["warning"]')" == *"took 33m, more than half of its interval of 60m" ]]
	run -0 --separate-stderr bk-status --table long same
	said "job 'long': its last run took 33m"
	[[ "$output" == *" -75%"* ]]
}

@test "without a ledger, and for a run on another host, the store tells" {
	job app <<< 'source = "fake:?bytes=1000" store = "one" schedule = "@daily"'
	job bad <<< 'source = "fake:?bytes=9&exit=77" store = "one" schedule = "@daily"'
	bk-run app > ran
	bk-run bad > ran 2>&1 || true
	rm -r state
	run -1 --separate-stderr bk-status
	[ "$(of app 'o["state"], o["from"]')" = "fresh store" ]
	[ "$(of bad 'o["state"], o["failed"]["status"]')" = "never 77" ]
	[ ! -e state ]
	ledger app committed 999999 '"bytes":10'
	run -0 --separate-stderr bk-status app
	[ "$(of app 'o["state"], o["from"]')" = "fresh store" ]
	chmod 0 store; mv store gone
	run -1 --separate-stderr bk-status app
	[ "$(of app 'o["state"], o["from"]')" = "stale ledger" ]
	[[ "$(of app 'o["warning"]')" == "store 'one' cannot be asked"* ]]
}

@test "a store that is down is waited for once, not for each job" {
	for j in a b c d; do job $j <<< 'source = "fake:" store = "one"'; done
	mkdir own
	cp "$B/bin/bk-status" "$B/bin/bk-child" own/
	cat > own/bk-fresh <<-END
	#!/bin/sh
	echo >> $PWD/asked
	echo '{"state":"unknown","text":"no route"}'
	exit 69
	END
	chmod +x own/bk-fresh
	run -1 --separate-stderr own/bk-status
	[ "$(wc -l < asked)" -eq 1 ]
	[ "$(grep -c "store 'one' cannot be asked: no route" <<< "$output")" -eq 4 ]
}

@test "a run under way is shown, a killed one has failed" {
	mkfifo gate
	job app <<< "run = \"sh -c 'echo \\\$PPID > pid; read x < $PWD/gate'\""
	bk-run app > ran 2>&1 3>&- &
	exec 4> gate
	run -1 --separate-stderr bk-status
	[ "$(of app 'o["state"], o["running"]')" = "never True" ]
	kill -9 $!
	wait $! || true
	exec 4>&-
	run -1 --separate-stderr bk-status
	[ "$(of app 'o["running"]')" = False ]
	[[ "$(of app 'o["failed"]["message"]')" == "run "*" was killed" ]]
}

@test "what a store says cannot drive the terminal" {
	job app <<< 'source = "fake:" store = "one"'
	bk-report "$S" --name app --outcome failed --status 1 --message "$(printf 'a\033[2Jb')"
	run -1 --separate-stderr bk-status --table
	[[ "$output" == *"status 1: a"* ]]
	[[ "$output" != *$'\033'* ]]
}

@test "wrong names, files and options" {
	job app <<< 'source = "fake:" store = "one"'
	run -66 --separate-stderr bk-status appp
	said "do you mean 'app'"
	run -64 --separate-stderr bk-status --json --table
	job soon <<< 'source = "fake:" store = "one" schedule = "99 * * * *"'
	run -78 --separate-stderr bk-status
	said "bk.conf:"
	BK_CONF=$PWD/none run -66 --separate-stderr bk-status
	BK_CONF=/dev/null run -1 --separate-stderr bk-status
	said "there is no job in '/dev/null'"
}
