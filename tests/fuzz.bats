load helper

@test "the parsers come through the corpus and some mutations of it" {
	run -0 sh "$root/tests/fuzz/run" --replay
	[ "$(grep -c ' files, 2000 mutations' <<< "$output")" -eq "$(ls "$root"/tests/fuzz/fuzz_*.c | wc -l)" ]
}
