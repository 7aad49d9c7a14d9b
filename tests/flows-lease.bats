load helper

# examples/flows/one-of-three: each host in a UTS namespace of its own.

setup() {
	own_store
	uts="unshare --uts"
	$uts true 2> /dev/null || uts="unshare --user --map-root-user --uts"
	$uts hostname there 2> /dev/null || skip "no namespaces of host names here"
	export BK_STORE=$S SOURCE='fake:?bytes=1000'
	conf=$root/examples/flows/one-of-three/bk.conf
}

# One run for due time ${1} on each of three hosts, at the same time.
three() {
	printf '%s\n' one two three | xargs -P 3 -I HOST $uts sh -c "
		hostname HOST && BK_STATE=\$PWD/state/HOST bk-run --config '$conf' --trigger schedule --slot $1 app >> ran" 3>&-
}

@test "of three hosts one makes each backup" {
	run -0 bk-supervise --config "$conf" --check
	three 2026-01-01T03:15:00Z
	cat ran
	[ "$(grep -c '"outcome":"committed"' ran)" -eq 1 ]
	[ "$(grep -c '"outcome":"skipped"' ran)" -eq 2 ]
	[ "$(bk-list --plain "$S" | wc -l)" -eq 1 ]
	# One that comes later knows from the store that it is made.
	three 2026-01-01T03:15:00Z
	[ "$(grep -c '"outcome":"skipped"' ran)" -eq 5 ]
	grep -q 'has made the backup that was due' ran
	[ "$(bk-list --plain "$S" | wc -l)" -eq 1 ]
}
