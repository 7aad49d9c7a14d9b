load helper

# Any stage, or all, killed by SIGKILL at random moments: nothing new is
# listed, or one backup that restores.  killer.py tells what is looked at.

kills() {
	cd "$BATS_TEST_TMPDIR" || return
	run --separate-stderr timeout 300 "$root/tests/fault/killer.py" "$@"
	echo "$output"
	[ "$status" -eq 0 ] || { echo "$stderr"; return 1; }
	[[ $output =~ ^seed\ [0-9]+:.*\ ([0-9]+)\ killed ]]
	[ "${BASH_REMATCH[1]}" -ge "$2" ]
}

@test "130 kills of a backup into a file store" {
	mkdir "$BATS_TEST_TMPDIR/store"
	kills "file://$BATS_TEST_TMPDIR/store" 130
	# What is left of the killed ones is no mystery: payloads without a
	# manifest, and temporaries.
	run find store -type f ! -path 'store/round-*/round-*.gz' \
	    ! -path 'store/before/before-*.gz' ! -path 'store/.bk/manifest/*.json' \
	    ! -name '.bk-*'
	[ -z "$output" ]
}
