load helper

setup() { own_store; }

# Objects of the lease.
chain() {
	find store/.bk/lease -name '*.json' | sort
}

# Run in the background, without bats' own descriptors.
bg() {
	"$@" 3>&- 4>&- &
	pids+=($!)
}

teardown() {
	local p
	for p in "${pids[@]}"; do
		kill -KILL "$p" 2> /dev/null || :
	done
}

@test "the command runs, with BK_LEASE, and its status is ours" {
	run -3 --separate-stderr bk-lease --name app "$S" -- sh -c 'echo "$BK_LEASE"; exit 3'
	python3 - "$output" <<-'END'
		import json, os, sys
		o = json.loads(sys.argv[1])
		assert o["store"] == os.environ["S"] and o["number"] == 1, o
		assert o["key"] == ".bk/lease/app/000000000001.json" and len(o["holder"]) == 26
	END
	[ -z "$stderr" ]
	[ "$(grep -c '"state":"free"' "$(chain | tail -n 1)")" -eq 1 ]
	run -143 --separate-stderr bk-lease --name app "$S" -- sh -c 'kill $$'
	[ "$(chain | wc -l)" -eq 4 ]
	run -0 --separate-stderr bk-lease --name app "$S" -- cat <<< 'input is passed'
	[ "$output" = 'input is passed' ]
	[ "$(chain | wc -l)" -le 5 ]
}

@test "wrong usage, and stores that are not there" {
	run -64 --separate-stderr bk-lease --name app "$S"
	said 'want -- COMMAND'
	run -64 --separate-stderr bk-lease "$S" -- true
	run -64 --separate-stderr bk-lease --name a/b "$S" -- true
	run -64 --separate-stderr bk-lease --name app --term 10ms "$S" -- true
	said "want 1s to 1d"
	run -64 --separate-stderr bk-lease --name app "$S" "$S" -- true
	run -66 --separate-stderr bk-lease --name app "$S/none" -- touch ran
	run -69 --separate-stderr bk-lease --name app "$S" -- bk-no-such-program
	[ ! -e ran ]
	[ "$(grep -c '"state":"free"' "$(chain | tail -n 1)")" -eq 1 ]
	mkdir -p store/.bk/lease/odd && echo x > store/.bk/lease/odd/readme
	run -65 --separate-stderr bk-lease --name odd "$S" -- touch ran
	said "'.bk/lease/odd/readme' is no object of a lease"
	[ ! -e ran ]
}

@test "held by another: 75 at once, or when the wait is over, or once it lives" {
	mkfifo go ready
	bg bk-lease --name app --term 2s "$S" -- sh -c 'echo > ready; read -r x < go'
	read -r _ < ready
	run -75 --separate-stderr bk-lease --name app --wait 0s "$S" -- touch ran
	said "the lease 'app' is held by $(hostname)"
	one_line
	run -75 --separate-stderr bk-lease --name app --wait 300ms "$S" -- touch ran
	run -75 --separate-stderr bk-lease --name app --yield "$S" -- touch ran
	run -0 --separate-stderr bk-lease --name other --wait 0s "$S" -- true
	[ ! -e ran ]
	# Given back: who waits goes on long before the term is over.
	bg bk-lease --name app --term 1h "$S" -- sh -c 'echo second > ready'
	echo > go
	run -0 timeout 5 cat ready
	[ "$output" = second ]
	wait "${pids[@]}"
}

@test "a holder that is killed: its command dies, and is taken over from within two terms" {
	mkfifo ready
	bg bk-lease --name app --term 1s "$S" -- sh -c 'echo $$ > ready; exec sleep 60'
	read -r child < ready
	kill -KILL "${pids[0]}"
	SECONDS=0
	run -0 --separate-stderr timeout 10 bk-lease --name app --yield --term 1s "$S" -- true
	[ ! -e "/proc/$child" ] || grep -q '^State:.*Z' "/proc/$child/status"
	[ "$SECONDS" -le 2 ]
}

@test "signals are passed on, and before the command runs they end us" {
	mkfifo ready
	bg bk-lease --name app "$S" -- sh -c 'trap "echo got; exit 7" TERM; echo > ready; while :; do sleep 0.1; done' > out
	read -r _ < ready
	kill "${pids[0]}"
	rc=0; wait "${pids[0]}" || rc=$?
	[ "$rc" -eq 7 ]
	[ "$(cat out)" = got ]
	bg bk-lease --name app "$S" -- sh -c 'echo > ready; exec sleep 60'
	read -r _ < ready
	mkfifo said
	bg sh -c 'exec bk-lease -v --name app "$S" -- touch ran 2> said'
	read -r line < said
	[[ $line == *waiting* ]]
	kill "${pids[2]}"
	rc=0; wait "${pids[2]}" || rc=$?
	[ "$rc" -eq 143 ]
	[ ! -e ran ]
}

@test "a lease that cannot be renewed: TERM, then KILL, before the term is over" {
	mkfifo ready
	bg bk-lease --name app --term 2s "$S" -- sh -c 'trap "date +%s%N > term" TERM; echo > ready; while :; do sleep 0.05; done' 2> err
	read -r _ < ready
	# Nothing can be created there any more.
	begin=$(date +%s%N)
	mv store gone
	rc=0; wait "${pids[0]}" || rc=$?
	[ "$rc" -eq 137 ]
	took=$(($(date +%s%N) - begin))
	echo "took $took, TERM after $(($(cat term) - begin))"
	[ "$(cat term)" -gt "$begin" ]
	[ "$took" -lt 3000000000 ]
	grep -q "could not be renewed in time" err
}

# A backup into the store whose stream waits for a word in the fifo go.
put_later='bk-dump --name "$1" fake: > "$1.stream"; echo > ready; { read -r _ < go; cat "$1.stream"; } | bk-put --lease "$S"'

@test "bk-put --lease: stored while it is held, 75 and nothing listed when it is not" {
	bk-dump --name app fake: > stream
	run -64 --separate-stderr bk-put --lease "$S" < stream
	said 'run this under bk-lease'
	BK_LEASE='{"store":1}' run -64 --separate-stderr bk-put --lease "$S" < stream
	nothing_listed store
	run -0 --separate-stderr bk-lease --name app "$S" -- bk-put --lease "$S" < stream
	[ "$(bk-list --plain "$S" | wc -l)" -eq 1 ]
	# Given back, or kept in an environment that has outlived it.
	env=$(bk-lease --name app "$S" -- sh -c 'echo "$BK_LEASE"')
	BK_LEASE=$env run -75 --separate-stderr bk-put --lease "$S" < stream
	said "the lease 'app' is ours no more: nobody holds it"
	[ "$output" = '{"end":"failed","status":75,"records":0}' ]
	[ "$(bk-list --plain "$S" | wc -l)" -eq 1 ]
	[ "$(find store/app -type f | wc -l)" -eq 1 ]
}

@test "a holder that was suspended past its lease commits nothing" {
	mkfifo go ready taken ended
	bg bk-lease --name app --term 1s "$S" -- sh -c "$put_later; rc=\$?; echo \$rc > ended; exit \$rc" - one
	read -r _ < ready
	# Its command is not suspended: only bk-put's look is left.
	kill -STOP "${pids[0]}"
	bg bk-lease --name app --term 1s "$S" -- sh -c 'echo > taken; exec sleep 60'
	read -r _ < taken
	echo > go
	read -r rc < ended
	[ "$rc" -eq 75 ]
	nothing_listed store
	kill -CONT "${pids[0]}"
	rc=0; wait "${pids[0]}" || rc=$?
	[ "$rc" -eq 75 ]
	nothing_listed store
}

@test "8 contenders, killed and suspended at random: never two, nothing stored without it" {
	run timeout 60 "$root/tests/fault/contenders.py" "$S"
	echo "$output"
	[ "$status" -eq 0 ]
}
