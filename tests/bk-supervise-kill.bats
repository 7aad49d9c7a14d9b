load helper
load supervise

setup() {
	supervise_setup
	mkfifo up
}

teardown() {
	supervise_teardown
}

# A job of which the dump says its process on up and waits for a line in go.
slow() {
	rm -f go && mkfifo go
	job app <<-END
	schedule = "@every 1s"
	source = "exec:"
	command = { "sh", "-c", "head -c 200000 /dev/urandom; echo \$\$ > up; read x < go" }
	store = "one"
	on-failure = "echo \$BK_RUN \$BK_MESSAGE >> failed"
	END
}

gone() {
	run ! grep -qs '^State:[[:space:]]*[^Z]' "/proc/$1/status"
}

# The run that leads process ${1}'s pipeline.
leader() {
	sed -n 's/.*"event":"started".*"pid":\([0-9]*\).*/\1/p' state/ledger | tail -n 1
}

@test "killed, the supervisor leaves its run alone; the next one follows it" {
	slow
	daemon
	read -r dump < up
	kill -KILL "$pid"
	wait "$pid" || true
	daemon
	run -0 ask '{"do":"status"}'
	[ "$(jq -r '.jobs[0].running' <<< "$output")" = true ]
	await has app skipped 1
	run ! gone "$dump"
	echo > go
	await has app committed 1
	[ "$(events app failed)" -eq 0 ]
	# The follower goes on with the next slot.
	read -r dump < up
	echo > go
	await has app committed 2
	ends 0
}

@test "ended by TERM, it leaves its run alone too" {
	slow
	daemon
	read -r dump < up
	ends 0
	run ! gone "$dump"
	echo > go
	await has app committed 1
	[ "$(manifests)" -eq 1 ]
}

@test "a bk-run is killed: no stage is left, the failure is entered and told, the next run is good" {
	slow
	daemon
	read -r dump < up
	lead=$(leader)
	stages=$(pgrep -P "$lead")
	kill -KILL "$lead"
	for p in $dump $stages; do await gone "$p"; done
	await has app failed 1
	await test -s failed
	run=$(sed -n 's/.*"event":"started".*"run":"\([^"]*\)".*/\1/p' state/ledger | head -n 1)
	grep -q "^$run run $run ended without an outcome: it was killed" failed
	[ "$(manifests)" -eq 0 ]
	read -r dump < up
	echo > go
	await has app committed 1
	[ "$(manifests)" -eq 1 ]
	[ "$(wc -l < failed)" -eq 1 ]
	ends 0
}

@test "both are killed: the next supervisor enters what was left" {
	slow
	daemon
	read -r dump < up
	kill -KILL "$pid"
	kill -KILL "$(leader)"
	wait "$pid" || true
	await gone "$dump"
	daemon
	await has app failed 1
	await test -s failed
	read -r dump < up
	echo > go
	await has app committed 1
	ends 0
}

@test "supervisor and runs killed at random: every run has an outcome, nothing partial" {
	job app <<-END
	schedule = "@every 1s"
	source = "exec:"
	command = { "sh", "-c", "head -c 3000000 /dev/urandom" }
	store = "one"
	END
	RANDOM=11
	for _ in 1 2 3 4 5 6 7 8; do
		daemon
		read -rt "0.$((RANDOM % 9))$((RANDOM % 9))" <> <(:) || true
		lead=$(leader)
		case $((RANDOM % 3)) in
		0) kill -KILL "$pid" ;;
		1) [ -z "$lead" ] || kill -KILL "$lead" 2> /dev/null || true; kill "$pid" ;;
		*) kill -KILL "$pid" $lead 2> /dev/null || true ;;
		esac
		wait "$pid" 2> /dev/null || true
	done
	n=$(events app committed)
	daemon
	await has app committed $((n + 1))
	ends 0
	outcomes() {
		python3 - <<-'END'
		import json
		e = [json.loads(l) for l in open("state/ledger") if l.startswith("{")]
		began = {x["run"] for x in e if x["event"] == "started"}
		ended = {x["run"] for x in e if x["event"] in ("committed", "failed", "skipped") and "run" in x}
		raise SystemExit(1 if began - ended else 0)
		END
	}
	await outcomes
	none() { ! pgrep -f "$PWD/store" > left; }
	await none
	# What the ledger calls committed is there, whole.
	bk-list --json "$S" > list
	jq -r 'select(.id) | .id' list > ids
	sed -n 's/.*"event":"committed".*"id":"\([^"]*\)".*/\1/p' state/ledger | while read -r id; do
		grep -q "$id" ids
		bk-get "$S" --id "$id" | bk-compress -d > /dev/null
	done
}
