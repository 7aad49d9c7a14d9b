load helper
load s3

# The programs over S3, through a proxy that makes its bad days.  Whatever
# happens: 0 only if it is listed, and what is listed is whole.

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	rules
	U=s3://bk-put-test/$BATS_TEST_NUMBER
	export U root
	bk-dump --name app 'fake:?bytes=1000&seed=9' | bk-put --create "$U" > first
}

# How many backups are listed, each fetched and compared with its SHA-256.
whole() {
	local n=0
	rules
	bk-list --plain "$U" > list
	while read -r r; do
		bk-get --raw <<< "$r" > /dev/null
		n=$((n + 1))
	done < list
	echo $n
}

# Unfinished multipart uploads of the bucket.
unfinished() {
	curl -sf --aws-sigv4 aws:amz:us-east-1:s3 --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \
	    "$SERVER/bk-put-test?uploads=" > uploads
	grep -q ListMultipartUploadsResult uploads
	grep -o '<Upload>' uploads | wc -l
}

# Put ${1} bytes with a limit on time.
put() {
	run --separate-stderr bash -c "bk-dump --name app 'fake:?bytes=$1' | bk-put --timeout ${2:-10s} \$U"
}

@test "there and back, with a link and a note" {
	bk-dump --name app -t tier=a 'fake:?bytes=20000000&text=1' > stream
	bk-compress --zstd < stream | bk-put "$U" | bk-tag -t site=x > rec
	python3 "$root/tests/mkstream.py" --payload < stream > plain
	head -n 1 rec | bk-get --raw --decode | cmp - plain
	run -0 bk-list --links=1h --latest --plain "$U"
	curl -s "$(python3 -c 'import json, sys; print(json.loads(sys.argv[1])["link"])' "$output")" | zstd -dc | cmp - plain
	[[ $output == *'"site":"x"'* ]]
	[[ $output != *"$AWS_SECRET_ACCESS_KEY\""* ]]
}

@test "a source that fails leaves no part behind" {
	for n in 5 30000000; do
		run -65 --separate-stderr bash -c "bk-dump --name app 'fake:?bytes=60000000&fail-after=$n' | bk-put \$U"
		[ "$output" = '{"end":"failed","status":65,"records":0}' ]
	done
	[ "$(whole)" -eq 1 ]
	[ "$(unfinished)" -eq 0 ]
}

@test "the reply to the manifest is lost: listed once, status 0" {
	rules 'lost@PUT .*/\.bk/manifest/#1'
	put 1000
	[ "$status" -eq 0 ]
	[ "$(whole)" -eq 2 ]
}

@test "the reply to the completing request is lost: committed once" {
	rules 'lost@POST .*uploadId#1'
	put 40000000 30s
	[ "$status" -eq 0 ]
	[ "$(whole)" -eq 2 ]
	[ "$(unfinished)" -eq 0 ]
}

@test "a 200 that carries an error is an error" {
	rules 'body=InternalError@POST .*uploadId'
	put 40000000 5s
	[ "$status" -eq 69 ]
	[ "$output" = '{"end":"failed","status":69,"records":0}' ]
	[ "$(whole)" -eq 1 ]
}

@test "resets, 503 and SlowDown here and there are retried" {
	rules 'reset@PUT#1' 'status=503:SlowDown@PUT#3' 'status=500:InternalError@PUT#5' 'reset@POST#1'
	put 40000000 30s
	[ "$status" -eq 0 ]
	[ "$(whole)" -eq 2 ]
}

@test "a server that always fails, or stops: 69 within the time limit" {
	rules 'status=503:SlowDown@PUT'
	SECONDS=0
	put 1000 3s
	[ "$status" -eq 69 ]
	rules 'stall@PUT'
	put 1000 3s
	[ "$status" -eq 69 ]
	[ "$SECONDS" -lt 60 ]
	[ "$(whole)" -eq 1 ]
	AWS_ENDPOINT_URL=http://127.0.0.1:1 put 1000 3s
	[ "$status" -eq 69 ]
	[ "$output" = '{"end":"failed","status":69,"records":0}' ]
}

@test "no such bucket 66, a wrong secret 77, which is never shown" {
	run -66 --separate-stderr bash -c "bk-dump 'fake:' | bk-put s3://no-such-bucket-here/x"
	AWS_SECRET_ACCESS_KEY=canary-secret put 1000
	[ "$status" -eq 77 ]
	[[ $output$stderr != *canary-secret* ]]
	[ "$(whole)" -eq 1 ]
}

@test "a download that is damaged on its way, or cut" {
	id=$(python3 -c 'import json; print(json.loads(open("first").readline())["id"])')
	rules "flip@GET .*$id.fake"
	run -65 --separate-stderr bash -c 'head -n 1 first | bk-get --raw --timeout 3s > out'
	[ ! -s out ]
	rules "cutresp@GET .*$id.fake#1"
	run -0 --separate-stderr bash -c 'head -n 1 first | bk-get --raw > out'
	[ "$(stat -c %s out)" -eq 1000 ]
}

@test "two stores of two kinds, one of which fails half-way" {
	mkdir here
	rules 'status=503:SlowDown@PUT'
	run -69 --separate-stderr bash -c "bk-dump --name app 'fake:?bytes=40000000' | bk-put --timeout 3s \$U file://\$PWD/here"
	[ "${lines[1]}" = '{"end":"failed","status":69,"records":1}' ]
	[ "$(bk-list --plain "file://$PWD/here" | bk-get --raw | wc -c)" -eq 40000000 ]
	[ "$(whole)" -eq 1 ]
}

@test "stopped by a signal: no part of it stays" {
	mkfifo pipe
	bk-put "$U" < pipe > rec 2> err 3>&- &
	exec 4> pipe
	bk-dump --name app 'fake:?bytes=40000000' | head -c 30000000 >&4
	kill -s TERM $!
	rc=0; wait $! || rc=$?
	exec 4>&-
	[ "$rc" -eq 143 ]
	grep -q 'stopped by signal' err
	[ "$(whole)" -eq 1 ]
	[ "$(unfinished)" -eq 0 ]
}

@test "killed while it uploads: nothing new, or one that is whole" {
	for i in 1 2 3 4 5 6; do
		bk-dump --name app 'fake:?bytes=30000000' | timeout -s KILL "0.$((RANDOM % 6))" bk-put "$U" > rec 2> err || true
	done
	[ "$(whole)" -ge 1 ]
	bk-list --plain "$U" | grep -q '"bytes":1000,'
}
