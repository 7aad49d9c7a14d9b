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
	python3 <(cat <<-'PY'
	import datetime, hashlib, hmac, http.client, json, os, sys, urllib.parse
	r = json.loads(sys.stdin.readline())
	store = urllib.parse.urlsplit(r.pop("store"))
	server = urllib.parse.urlsplit(os.environ["SERVER"])
	c = http.client.HTTPConnection(server.netloc)

	def mac(key, text):
	    return hmac.new(key, text.encode(), hashlib.sha256).digest()

	for i in range(int(sys.argv[1])):
	    id = r["id"][:22] + "%04d" % i
	    body = json.dumps(dict(r, id=id, key=r["key"].replace(r["id"], id)))
	    path = "/%s%s/.bk/manifest/app/%s.json" % (store.netloc, store.path, id)
	    t = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
	    scope = t[:8] + "/us-east-1/s3/aws4_request"
	    h = {"host": server.netloc, "x-amz-content-sha256": hashlib.sha256(body.encode()).hexdigest(), "x-amz-date": t}
	    names = ";".join(h)
	    req = "\n".join(["PUT", path, ""] + ["%s:%s" % x for x in h.items()] + ["", names, h["x-amz-content-sha256"]])
	    text = "\n".join(["AWS4-HMAC-SHA256", t, scope, hashlib.sha256(req.encode()).hexdigest()])
	    key = b"AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"].encode()
	    for part in scope.split("/"):
	        key = mac(key, part)
	    h["authorization"] = "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
	        os.environ["AWS_ACCESS_KEY_ID"], scope, names, mac(key, text).hex())
	    c.request("PUT", path, body, h)
	    a = c.getresponse()
	    a.read()
	    assert a.status == 200, a.status
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
