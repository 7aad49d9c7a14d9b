load helper

# As fault-kill.bats, over S3.

setup_file() {
	local out
	if ! out=$(LAB_OWNER=$$ "$BATS_TEST_DIRNAME/lab/s3" start "$BATS_FILE_TMPDIR/s3" 2> "$BATS_FILE_TMPDIR/why"); then
		[ "${CI:-}" != true ] || return 1
		skip "$(cat "$BATS_FILE_TMPDIR/why")"
	fi
	eval "$out"
}

teardown_file() {
	"$BATS_TEST_DIRNAME/lab/s3" stop "$BATS_FILE_TMPDIR/s3"
}

@test "80 kills of a backup into S3" {
	cd "$BATS_TEST_TMPDIR"
	bk-dump --name other 'fake:?bytes=10' | bk-put --create s3://bk-kill-test/other > first
	run --separate-stderr timeout 400 "$root/tests/fault/killer.py" s3://bk-kill-test/kill 80
	echo "$output"
	[ "$status" -eq 0 ] || { echo "$stderr"; false; }
	run -0 --separate-stderr bk-list s3://bk-kill-test/other
	[ "$output" = "$(cat first)" ]
}
