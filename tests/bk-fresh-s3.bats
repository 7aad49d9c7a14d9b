load helper
load s3
load fresh

# Freshness and reports on S3: the same answers, in few requests.

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	S=s3://bk-fresh-test/$BATS_TEST_NUMBER
	rules
	bk-dump --name other fake: | bk-put --create "$S" > /dev/null
}

# The key of the newest payload of app.
payload() { bk-list --plain --latest --name app "$S" | sed 's/.*"key":"\([^"]*\)".*/\1/'; }

@test "never, stale, fresh; a payload that is gone counts for nothing" {
	fresh 1 never
	put_at "$(ago 30hours)"
	fresh 1 stale
	put_at "$(ago 3hours)"
	fresh 0 fresh
	put_at "$(ago 1hour)"
	fresh 0 fresh
	[ "$(field age)" -lt 3700000 ]
	"$BATS_TEST_DIRNAME/s3sign.py" DELETE "/bk-fresh-test/$BATS_TEST_NUMBER/$(payload)" < /dev/null
	fresh 0 fresh
	[ "$(field age)" -ge 10800000 ]
	[ "$(field why)" = 'payload missing' ]
	limit=2h fresh 1 stale
}

@test "reported, then asked: failed, unchanged, committed again" {
	bk-dump --name app fake:?bytes=500 | bk-put "$S" > rec
	fresh 0 fresh
	bk-report -n app --outcome failed --status 65 --message 'no space' "$S"
	fresh 1 failed
	said 'no space'
	bk-report -n app --outcome failed --status 69 "$S"
	bk-report -n app --outcome unchanged "$S"
	fresh 0 unchanged
	bk-dump --name app fake:?bytes=500 | bk-put "$S" > rec
	fresh 0 fresh
	bk-report -n other --outcome failed --status 65 "$S"
	fresh 0 fresh
}

@test "few requests; a server that is away is no answer" {
	for i in 1 2 3; do bk-dump --name app "fake:?bytes=$i" | bk-put "$S" > /dev/null; done
	bk-report -n app --outcome committed "$S"
	rules
	fresh 0 fresh
	curl -sf "$AWS_ENDPOINT_URL/__log" > log
	cat log
	# The keys; three records; the rule, the state's key and itself; the payload.
	[ "$(wc -l < log)" -le 9 ]
	! grep -qv '^\(GET\|HEAD\) ' log
	rules 'status=503:SlowDown@GET .*manifest'
	run -69 --separate-stderr bk-fresh -n app --max-age 26h --timeout 2s "$S"
	[ "$(field state)" = unknown ]
	run -3 bk-fresh -n app --max-age 26h --timeout 2s --nagios "$S"
	rules 'status=503:SlowDown@PUT .*state'
	run -69 bk-report -n app --outcome failed --status 65 --timeout 2s "$S"
	rules 'lost@PUT .*state#1'
	bk-report -n app --outcome failed --status 65 "$S"
	rules
	fresh 1 failed
}
