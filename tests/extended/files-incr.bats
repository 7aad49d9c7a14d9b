load ../helper

@test "increments of many random trees" {
	for s in $(seq 100 130); do
		BK_SEED=$s bats -f "random trees come back" \
		    "$root/tests/engine-files-incr.bats" || { echo "seed $s"; return 1; }
	done
}
