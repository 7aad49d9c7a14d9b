load ../helper
load ../supervise

setup() {
	supervise_setup
}

teardown() {
	supervise_teardown
}

@test "idle for a minute: not one wake-up, and small" {
	for n in $(seq 40); do quick "j$n" 'schedule = "15 3 * * *"'; done
	daemon
	await has j40 committed
	# What the last run still tells.
	read -rt 5 <> <(:) || true
	before=$(grep ^voluntary "/proc/$pid/status")
	read -rt 60 <> <(:) || true
	[ "$before" = "$(grep ^voluntary "/proc/$pid/status")" ]
	[ "$(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")" -lt 4096 ]
	ends 0
}

@test "a hundred supervisors, killed at random with their runs" {
	job app <<-END
	schedule = "@every 1s"
	source = "exec:"
	command = { "sh", "-c", "head -c 3000000 /dev/urandom" }
	store = "one"
	keep = "--keep-last 5"
	END
	for _ in $(seq 100); do
		daemon
		read -rt "0.$((RANDOM % 9))$((RANDOM % 9))" <> <(:) || true
		lead=$(sed -n 's/.*"event":"started".*"pid":\([0-9]*\).*/\1/p' state/ledger | tail -n 1)
		[ $((RANDOM % 2)) -eq 0 ] || kill -KILL $lead 2> /dev/null || true
		kill -KILL "$pid"
		wait "$pid" 2> /dev/null || true
	done
	n=$(events app committed)
	daemon
	await has app committed $((n + 2))
	ends 0
	none() { ! pgrep -f "$PWD/store" > left; }
	await none
	bk-list --json "$S" | jq -r 'select(.id) | .id' | while read -r id; do
		bk-get "$S" --id "$id" | bk-compress -d > /dev/null
	done
}

@test "half a year on a fake clock" {
	mkfifo up
	for j in 'night 30 2 * * *' 'day @every 11h' 'week @weekly'; do
		job "${j%% *}" <<-END
		schedule = "${j#* }"
		source = "exec:"
		command = { "sh", "-c", "[ -z \"\$CRASH\" ] || { echo > $PWD/up; sleep 600; }; cat state/ledger" }
		store = "one"
		retry = 0
		END
	done
	run python3 "$root/tests/simulate.py" "$RANDOM" 26
	echo "$output"
	[ "$status" -eq 0 ]
}
