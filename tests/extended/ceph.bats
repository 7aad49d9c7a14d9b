load ../helper

# The programs on Ceph's gateway, which keeps tags and has keys that may write
# but not delete.  (The driver itself: tests/unit/test_store_ceph.c, in CI.)

setup_file() {
	local out
	if ! out=$(LAB_OWNER=$$ "$BATS_TEST_DIRNAME/../lab/ceph" start "$(mktemp -d "${TMPDIR:-/tmp}/bk-ceph-XXXXXX")" 2> "$BATS_FILE_TMPDIR/why"); then
		[ "${CI:-}" != true ] || return 1
		skip "$(tail -n 1 "$BATS_FILE_TMPDIR/why")"
	fi
	eval "$out"
}

teardown_file() {
	[ -n "${LAB_CEPH_CONF:-}" ] || return 0
	"$root/tests/lab/ceph" stop "${LAB_CEPH_CONF%/*}"
	rm -rf "${LAB_CEPH_CONF%/*}"
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	U=s3://bk-extended/$BATS_TEST_NUMBER
	export U
	bk-dump --name app 'fake:?bytes=1000&seed=9' | bk-put --create "$U" > first
}

@test "the suite of all stores" {
	make -s -C "$root" B="$B" CC="${CC:-cc}" "$B/extended/store"
	cd "$root"
	run "$B/extended/store" ceph
	grep -A 5 "^not ok" <<< "$output" || :
	[ "$status" -eq 0 ]
	[[ $output != *"# SKIP"* ]]
}

@test "there and back, by one PUT and by many parts" {
	for n in 0 70000 30000000; do
		bk-dump --name "n$n" --allow-empty "fake:?bytes=$n" | bk-put "$U" | bk-get |
		    bk-restore --into "fake:?bytes=$n"
	done
	[ "$(bk-list --plain "$U" | wc -l)" -eq 4 ]
}

@test "a key that may not delete stores and tags" {
	export AWS_ACCESS_KEY_ID=$LAB_S3_ADDER_KEY AWS_SECRET_ACCESS_KEY=$LAB_S3_ADDER_SECRET
	bk-dump --name app 'fake:?bytes=30000000' | bk-put --create "s3://bk-adder/x" | bk-tag -t site=x > rec
	bk-get < rec | bk-restore --into 'fake:?bytes=30000000'
	run -0 bk-list --plain --name app s3://bk-adder/x
	[[ $output == *'"site":"x"'* ]]
}

@test "leases: 8 contenders, killed and suspended at random" {
	U=$U-lease
	bk-dump fake: | bk-put --create "s3://bk-extended/create" > /dev/null
	run timeout 100 "$root/tests/fault/contenders.py" "$U"
	echo "$output"
	[ "$status" -eq 0 ]
	# A key that may not delete: told once, and it works.
	export AWS_ACCESS_KEY_ID=$LAB_S3_ADDER_KEY AWS_SECRET_ACCESS_KEY=$LAB_S3_ADDER_SECRET
	bk-dump fake: | bk-put --create s3://bk-adder/lease > /dev/null
	for nth in 1 2 3 4; do
		run -0 --separate-stderr bk-lease --name app s3://bk-adder/lease -- echo "$nth"
		[ "$output" = "$nth" ]
	done
	said "old objects of the lease 'app' stay"
	one_line
}
