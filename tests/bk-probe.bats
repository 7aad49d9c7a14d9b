load helper
load s3

setup() {
	own_store
	rules
	U=s3://bk-probe/$BATS_TEST_NUMBER
	bk-dump --name app fake: | bk-put --create "$U" > first
}

@test "a directory: read, written, create-only, its clock" {
	run -0 --separate-stderr bk-probe "$S"
	[ "$(jq -c 'del(.["clock-offset"])' <<< "$output")" = \
	    '{"store":"'"$S"'","readable":true,"writable":true,"create-only":true}' ]
	[ "$(jq '.["clock-offset"] | . > -1000 and . < 1000' <<< "$output")" = true ]
	[ "$(find store -type f)" = store/.bk/probe.json ]
	run -0 bk-list "$U"
}

@test "--read-only writes nothing" {
	run -0 --separate-stderr bk-probe --read-only "$S"
	[ "$output" = '{"store":"'"$S"'","readable":true}' ]
	[ -z "$(find store -type f)" ]
	BK_STORE=$S run -0 bk-probe --read-only
}

@test "S3: the same, and the backups stay as they were" {
	run -0 --separate-stderr bk-probe "$U"
	[ "$(jq -r '.readable, .writable' <<< "$output")" = $'true\ntrue' ]
	jq -e '.["create-only"] | type == "boolean"' <<< "$output"
	run -0 bk-list --plain "$U"
	[ "${#lines[@]}" -eq 1 ]
}

@test "what cannot be reached, is not there, or refuses us" {
	run -66 --separate-stderr bk-probe "file://$PWD/none"
	run -66 --separate-stderr bk-probe s3://bk-probe-none/x
	AWS_ENDPOINT_URL=http://127.0.0.1:1 run -69 --separate-stderr bk-probe --timeout 2s "$U"
	AWS_SECRET_ACCESS_KEY=wrong run -77 --separate-stderr bk-probe "$U"
	[[ "$output" != *'"readable":true'* ]]
	run -64 --separate-stderr bk-probe "$S" "$U"
	run -64 --separate-stderr bk-probe --timeout 0 "$S"
}
