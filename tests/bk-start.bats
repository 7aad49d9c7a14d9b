load helper
load supervise

teardown() {
	supervise_teardown
}

setup() {
	supervise_setup
	mkdir -m 700 state
	job app <<< 'source = "fake:?bytes=100" store = "one"'
	job bad <<< 'source = "fake:?bytes=100&exit=77" store = "one"'
}

R=01M7ZH5GN7B9F6J0HZWGCP1BYG

@test "a job is started: what was asked, what is told" {
	puppet <<< '{"event":"started","job":"app","run":"'$R'","pid":7}'
	run -0 --separate-stderr bk backup app
	[ "$output" = '{"job":"app","run":"'$R'","pid":7,"state":"started"}' ]
	[ "$(cat asked)" = '{"do":"backup","job":"app"}' ]
	nothing_listed store
}

@test "waiting: the status of the run, and how it ended" {
	puppet <<-END
	{"event":"started","job":"app","run":"$R","pid":7}
	{"event":"ended","job":"app","run":"$R","status":69,"outcome":"failed","message":"no route"}
	END
	run -69 --separate-stderr bk backup app --wait
	[ "$output" = '{"job":"app","run":"'$R'","status":69,"outcome":"failed","message":"no route","state":"ended"}' ]
}

@test "when the wait ends first: 1 and running" {
	puppet <<-END
	{"event":"started","job":"app","run":"$R","pid":7}
	wait
	END
	run -1 --separate-stderr bk backup app --wait=1
	[ "$output" = '{"job":"app","run":"'$R'","pid":7,"state":"running"}' ]
}

@test "a supervisor that says no, talks nonsense, or goes away" {
	puppet <<< '{"event":"refused","status":75,"message":"a run of job \u0027app\u0027 is under way"}'
	run -75 --separate-stderr bk backup app
	[ -z "$output" ]
	said "a run of job 'app' is under way"
	puppet <<< 'nonsense'
	run -65 --separate-stderr bk backup app
	puppet <<< '{"event":"started","job":"app","run":"'$R'","pid":7}'
	run -69 --separate-stderr bk backup app --wait
	said "run $R goes on: the supervisor went away"
	nothing_listed store
}

@test "without a supervisor the job runs here, and that is said" {
	run -0 --separate-stderr bk backup app
	[[ "$output" == '{"outcome":"committed","job":"app",'* ]]
	said "no supervisor listens at '$PWD/state/socket': running job 'app' here"
	run -77 --separate-stderr bk backup bad --wait=60
	# A socket that nobody listens on is none.
	python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("state/socket")'
	run -0 --separate-stderr bk start app
	said "running job 'app' here"
}

@test "without a supervisor a wait that is too short leaves the run alone" {
	mkfifo go
	job slow <<< "run = \"sh -c 'read x < $PWD/go'\""
	run -1 --separate-stderr bk backup slow --wait=1
	said "running job 'slow' here"
	[ "$(jq -r '.state + " " + .job' <<< "$output")" = "running slow" ]
	grep -q "\"started\".*$(jq -r .run <<< "$output")" state/ledger
	run -75 --separate-stderr bk backup slow --wait=60
	echo > go
	await has slow committed
	# One that ends in time is told as it ended.
	run -77 --separate-stderr bk backup bad --wait=60
	[ "$(jq -r .outcome <<< "$output")" = failed ]
}

@test "a socket that refuses us: 77, and nothing runs" {
	as_other
	[ -n "$as" ] || skip "needs root"
	mkdir -p "$pub/state" "$pub/store"
	sed "s|$PWD|$pub|" bk.conf > "$pub/bk.conf"
	chmod 644 "$pub/bk.conf" && chmod 755 "$pub/state"
	python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()' "$pub/state/socket"
	chmod 600 "$pub/state/socket"
	run -77 --separate-stderr $as bk backup --config "$pub/bk.conf" app
	said "cannot speak to the supervisor"
	nothing_listed "$pub/store"
	rm -r "$pub"
}

@test "by way of a store, by its name or its URL" {
	run -0 --separate-stderr bk backup app --via one
	[[ "$output" == '{"state":"requested",'*'"job":"app"'* ]]
	run -0 --separate-stderr bk-run --requests one
	[[ "$output" == *'"outcome":"committed"'* ]]
	BK_CONF=/nonexistent run -1 --separate-stderr bk backup other --via "$S" --wait=1
	[[ "$output" == '{"state":"requested",'*'"job":"other"'* ]]
	run -66 --separate-stderr bk backup app --via two
}

@test "wrong names and options" {
	run -66 --separate-stderr bk backup apps
	said "do you mean 'app'"
	run -64 --separate-stderr bk backup app --zstd
	run -64 --separate-stderr bk backup fake: "$S" --wait
	said "goes with the name of one job"
	run -64 --separate-stderr bk start app --wait=0
	run -64 --separate-stderr bk start
	run -0 --separate-stderr bk backup fake: "$S" --name x
}
