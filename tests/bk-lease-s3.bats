load helper
load s3

# Swift's S3 interface refuses conditions: what it can do is to refuse.  (Leases
# on Ceph and MinIO: tests/extended.)

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	rules
	U=s3://bk-lease-test/$BATS_TEST_NUMBER
	export U
	bk-dump fake: | bk-put --create "$U" > /dev/null
}

@test "a store that does not create only: 78, and the command does not run" {
	run -78 --separate-stderr bk-lease --name app "$U" -- touch ran
	said "no lease can be held on '$U"
	one_line
	[ ! -e ran ]
	cat > bk.conf <<-END
	state = "$PWD/state"
	store "s3" { url = "$U" }
	job "app" { source = "fake:" store = { "s3" } lease = "s3" }
	END
	run -78 --separate-stderr env "BK_CONF=$PWD/bk.conf" bk-run app
	[[ $output == *'"outcome":"failed"'*'no lease can be held'* ]]
	[ "$(bk-list --plain "$U" | wc -l)" -eq 1 ]
}

@test "no such bucket, a server that is away, a wrong secret" {
	run -66 --separate-stderr bk-lease --name app s3://no-such-bucket-here/x -- touch ran
	AWS_ENDPOINT_URL=http://127.0.0.1:1 run -69 --separate-stderr bk-lease --name app --term 2s "$U" -- touch ran
	AWS_SECRET_ACCESS_KEY=canary-secret run --separate-stderr bk-lease --name app "$U" -- touch ran
	[ "$status" -eq 77 ]
	[[ $stderr != *canary-secret* ]]
	[ ! -e ran ]
}
