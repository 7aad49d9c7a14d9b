load helper
load supervise

setup() {
	supervise_setup
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
}

@test "weeks on a fake clock: ledger, store and expectation agree" {
	run timeout 170 python3 "$BATS_TEST_DIRNAME/simulate.py" 2 2
	echo "$output"
	[ "$status" -eq 0 ]
}
