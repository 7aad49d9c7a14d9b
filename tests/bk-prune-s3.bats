load helper
load s3

export LAB_S3_PAGE=100

# Many backups over S3: few requests, deleted in bulk.

U=s3://bk-prune-test/$BATS_TEST_NUMBER
export U

# What was asked of the server since the last rules.
asked() { curl -sf "$AWS_ENDPOINT_URL/__log" > log; wc -l < log; }

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	rules
	bk-dump --name app 'fake:?bytes=10' | bk-put --create "$U" > rec
}

# Put ${1} copies of the manifest on standard input, each with an id of its own.
copies() {
	PYTHONPATH=$BATS_TEST_DIRNAME python3 <(cat <<-'PY'
	import json, sys, urllib.parse
	import s3sign
	r = json.loads(sys.stdin.readline())
	store = urllib.parse.urlsplit(r.pop("store"))
	server = s3sign.Server()
	for i in range(int(sys.argv[1])):
	    id = r["id"][:22] + "%04d" % i
	    body = json.dumps(dict(r, id=id, key=r["key"].replace(r["id"], id)))
	    path = "/%s%s/.bk/manifest/app/%s.json" % (store.netloc, store.path, id)
	    status, _ = server.ask("PUT", path, body=body.encode())
	    assert status == 200, status
	PY
	) "$1"
}

@test "a fresh snapshot: hundreds of backups in few requests, a new one too" {
	head -n 1 rec | copies 250
	bk-list --plain "$U" | sort > slow
	[ "$(wc -l < slow)" -eq 251 ]
	bk-prune --keep-last 2000 "$U" > plan
	[ "$(tail -n 1 plan | grep -c '"keep":{"n":251,')" -eq 1 ]
	rules
	bk-list --plain "$U" | sort > fast
	n=$(asked)
	echo "$n requests"; cat log
	[ "$n" -le 8 ]
	cmp slow fast
	bk-dump --name app 'fake:?bytes=10' | bk-put "$U" | bk-tag --hold x > /dev/null
	rules
	bk-list --plain "$U" > now
	[ "$(wc -l < now)" -eq 252 ] && [ "$(grep -c '"hold":"x"' now)" -eq 1 ]
	[ "$(asked)" -le 10 ]
}

@test "deleted in bulk; a lost reply, a dead server: a rerun completes" {
	for i in 1 2 3 4 5; do bk-dump --name app 'fake:?bytes=10' | bk-put "$U" > rec; done
	rules
	bk-prune --keep-last 4 "$U" > plan
	[ "$(asked)" -gt 0 ]
	[ "$(grep -c '^POST [^ ]*?delete' log)" -eq 1 ]
	rules 'lost@POST .*delete#1'
	run -0 --separate-stderr bk-prune --keep-last 3 "$U"
	rules 'status=503:SlowDown@POST .*delete'
	run -69 --separate-stderr bk-prune --timeout 2s --keep-last 1 "$U"
	[[ ${lines[-1]} == '{"end":"failed","status":69,'* ]]
	rules
	[ "$(bk-list --plain "$U" | wc -l)" -eq 3 ]
	run -0 --separate-stderr bk-prune --keep-last 1 "$U"
	bk-list --plain "$U" > one
	[ "$(wc -l < one)" -eq 1 ]
	bk-get --raw < one > /dev/null
	id=$(sed -n '1s/^{"plan":"delete","id":"\([^"]*\)".*/\1/p' plan)
	bk-prune --undo "$id" "$U" | head -n 1 | bk-get --raw | wc -c | grep -qx 10
}

@test "a bucket that keeps versions: what deleting does not free is said" {
	V=s3://bk-prune-versions/x
	sign() { "$BATS_TEST_DIRNAME/s3sign.py" "$1" '/bk-prune-versions?'"$2"; }
	status() { echo "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>$1</Status></VersioningConfiguration>" | sign PUT versioning=; }
	for i in 1 2 3 4; do bk-dump --name app 'fake:?bytes=10' | bk-put --create "$V" > rec; done
	run -0 --separate-stderr bk-prune --keep-last 3 "$V"
	[ -z "$stderr" ]
	[[ $output != *not-freed* ]]
	status Enabled
	run -0 --separate-stderr bk-prune --keep-last 2 --dry-run "$V"
	[ "${lines[-1]}" = '{"end":"ok","keep":{"n":2,"bytes":20},"delete":{"n":1,"bytes":10},"not-freed":{"n":1,"bytes":10}}' ]
	said "'$V' keeps versions: deleting frees nothing of the 10 bytes"
	# Where nothing goes there is nothing to say, and nothing is asked.
	rules
	run -0 --separate-stderr bk-prune --keep-last 3 "$V"
	[ -z "$stderr" ]
	[[ $output != *not-freed* ]]
	asked
	! grep -q versioning log
	status Suspended
	run -0 --separate-stderr bk-prune --keep-last 2 "$V"
	said "has kept versions"
	# A server that does not tell: the plan is the same, and nothing is said.
	rules 'status=403:AccessDenied@GET .*versioning'
	run -0 --separate-stderr bk-prune --keep-last 1 "$V"
	[ -z "$stderr" ]
	[[ ${lines[-1]} == *'"delete":{"n":1,"bytes":10}}' ]]
}
