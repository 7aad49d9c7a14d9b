load helper
load supervise

# bk backup JOB, bk status and bk doctor with a supervisor that runs.

setup() {
	supervise_setup
}

teardown() {
	supervise_teardown
}

@test "the supervisor runs it: started, ended, its status" {
	job good <<< 'source = "fake:?bytes=100" store = "one"'
	job bad <<< 'source = "fake:?bytes=100&exit=77" store = "one"'
	daemon
	run -0 --separate-stderr bk backup good --wait
	[ -z "$stderr" ]
	[ "$(jq -r '.state + " " + .job + " " + .outcome' <<< "$output")" = "ended good committed" ]
	[ "$(jq -r .trigger store/.bk/manifest/good/*.json)" = manual ]
	run -77 --separate-stderr bk backup bad --wait=60
	[ "$(jq -r '.state + " " + .outcome' <<< "$output")" = "ended failed" ]
	run -0 --separate-stderr bk backup good
	[ "$(jq -r .state <<< "$output")" = started ]
	await has good committed 2
	ends 0
}

@test "one that is under way: 75; a wait that is too short: 1, and the run goes on" {
	mkfifo go
	job slow <<< "run = \"sh -c 'read x < $PWD/go'\""
	daemon
	run -1 --separate-stderr bk backup slow --wait=1
	[ "$(jq -r .state <<< "$output")" = running ]
	run -75 --separate-stderr bk backup slow
	said "under way"
	run -1 --separate-stderr bk status slow
	[ "$(head -n 1 <<< "$output" | jq -r .running)" = true ]
	# Who asked and went away has stopped nothing.
	echo > go
	await has slow committed
	ends 0
}

@test "the supervisor dies while we wait: 69, and the run goes on" {
	mkfifo go up
	job slow <<< "run = \"sh -c 'echo up > $PWD/up; read x < $PWD/go'\""
	daemon
	bk backup slow --wait > out 2> err 3>&- &
	waiter=$!
	read -r _ < up
	kill -9 "$pid"
	wait $waiter && rc=0 || rc=$?
	[ "$rc" -eq 69 ]
	grep -q 'goes on: the supervisor went away' err
	echo > go
	await has slow committed
}

@test "doctor and status know the supervisor that runs" {
	job good <<< 'source = "fake:?bytes=100" store = "one" schedule = "@daily"'
	daemon
	await has good committed
	run --separate-stderr bk doctor --table
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"ok    supervisor  $PWD/state/socket"*"runs as process $pid since "* ]]
	run -0 --separate-stderr bk status
	[ "$(head -n 1 <<< "$output" | jq -r .state)" = fresh ]
	ends 0
	run -1 --separate-stderr bk doctor
	[[ "$output" == *'"check":"supervisor"'*'"result":"fail"'* ]]
}
