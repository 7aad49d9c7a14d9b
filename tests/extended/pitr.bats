load ../helper

@test "thirty moments of a long history" {
	STEPS=60 MOMENTS=32 LONG=850 run bats --show-output-of-passing-tests "$root/tests/pitr-random.bats"
	echo "$output"
	[ "$status" -eq 0 ]
}
