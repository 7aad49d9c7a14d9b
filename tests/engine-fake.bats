load helper

setup() { cd "$BATS_TEST_TMPDIR" || exit; }

@test "the same seed gives the same bytes, another one others" {
	for s in 1 1 2; do
		bk-dump "fake:?bytes=100000&seed=$s" |
		    python3 "$root/tests/mkstream.py" --payload | sha256sum
	done > sums
	[ "$(sed -n 1p sums)" = "$(sed -n 2p sums)" ]
	[ "$(sed -n 1p sums)" != "$(sed -n 3p sums)" ]
}

@test "a target compares, or discards" {
	bk-dump 'fake:?bytes=3M&seed=5' > s
	bk-restore --into 'fake:?bytes=3M&seed=5' < s
	bk-restore --into fake: < s
	run -65 --separate-stderr bk-restore --into 'fake:?bytes=3M&seed=6' < s
	said "differs at byte 0"
	run -65 --separate-stderr bk-restore --into 'fake:?bytes=4M&seed=5' < s
	said "got 3145728 bytes"
}

@test "text is text" {
	bk-dump 'fake:?bytes=1M&text=1' > s
	head -n 1 s | grep -q '"ext":"txt"'
	python3 "$root/tests/mkstream.py" --payload < s > text
	[ "$(stat -c %s text)" -eq 1048576 ]
	[ "$(LC_ALL=C tr -d '\n -~' < text | wc -c)" -eq 0 ]
	[ "$(gzip -c text | wc -c)" -lt 600000 ]
	bk-restore --into 'fake:?bytes=1M&text=1' < s
}

@test "a stage that names itself is not named twice by those behind" {
	run -3 --separate-stderr bash -c "bk-dump 'fake:?fail-after=1000&exit=3&bytes=100000' |
	    bk-put --create 'file://$BATS_TEST_TMPDIR/st'"
	[[ "$stderr" == *"bk-put: nothing stored: fake: failed after 1000 bytes"* ]]
}
