load ../helper

# On MinIO, the strictest S3 that can be had: conditions hold for PUT and for
# Complete, checksums are verified, an upload ends but once.

setup_file() {
	local out
	LAB=$BATS_FILE_TMPDIR/lab
	export LAB
	# It flushes each object to disk.
	if [ -w /dev/shm ]; then export LAB_MINIO_DATA=/dev/shm; fi
	cd "$BATS_TEST_DIRNAME/../.." || return
	if ! tests/lab/minio build 2> "$BATS_FILE_TMPDIR/why" ||
	    ! out=$(LAB_OWNER=$$ tests/lab/minio start "$LAB" 2>> "$BATS_FILE_TMPDIR/why"); then
		[ "${CI:-}" != true ] || return 1
		skip "$(tail -n 1 "$BATS_FILE_TMPDIR/why")"
	fi
	eval "$out"
	mkfifo "$BATS_FILE_TMPDIR/port"
	tests/fault/faultproxy.py "${AWS_ENDPOINT_URL#http://}" > "$BATS_FILE_TMPDIR/port" 2> /dev/null 3>&- &
	PROXY=$!
	read -r port < "$BATS_FILE_TMPDIR/port"
	export PROXY port SERVER=$AWS_ENDPOINT_URL AWS_ENDPOINT_URL=http://127.0.0.1:$port
	eval "$(LAB_TLS_UPSTREAM=127.0.0.1:$port tests/lab/tls start "$BATS_FILE_TMPDIR/tls")"
}

teardown_file() {
	"$root/tests/lab/tls" stop "$BATS_FILE_TMPDIR/tls"
	[ -z "${PROXY:-}" ] || kill "$PROXY"
	"$root/tests/lab/minio" stop "$LAB"
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	U=s3://bk-extended/$BATS_TEST_NUMBER
	export U
	rules
	bk-dump --name app 'fake:?bytes=1000&seed=9' | bk-put --create "$U" > first
}

# What the proxy does from now on; nothing: no harm.
rules() {
	printf '%s\n' "$@" | curl -sf -X PUT --data-binary @- "http://127.0.0.1:$port/__rules" > /dev/null
}

# The server's own answer to METHOD and PATH; more arguments are curl's.
ask() {
	curl -sf -X "$1" --aws-sigv4 aws:amz:us-east-1:s3 --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \
	    -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "${@:3}" "$SERVER/bk-extended$2"
}

# How many backups are listed, each fetched and compared with its SHA-256.
whole() {
	rules
	bk-list --plain "$U" > list
	while read -r r; do
		bk-get --raw <<< "$r" > /dev/null || return
	done < list
	wc -l < list
}

@test "the suite of all stores" {
	make -s -C "$root" B="$B" CC="${CC:-cc}" "$B/extended/store"
	cd "$root"
	run "$B/extended/store" minio
	grep -A 5 "^not ok" <<< "$output" || :
	[ "$status" -eq 0 ]
	[[ $output != *"# SKIP"* ]]
}

@test "there and back, by one PUT and by many parts, over TLS too" {
	for n in 0 70000 30000000; do
		bk-dump --name "n$n" --allow-empty "fake:?bytes=$n" | bk-put "$U" | bk-get |
		    bk-restore --into "fake:?bytes=$n"
		bk-dump --name "t$n" --allow-empty "fake:?bytes=$n" |
		    AWS_ENDPOINT_URL=$LAB_TLS_URL AWS_CA_BUNDLE=$LAB_TLS_CA bk-put "$U" > rec
		bk-get < rec | bk-restore --into "fake:?bytes=$n"
	done
	[ "$(whole)" -eq 7 ]
}

@test "over TLS payloads are unsigned, and the object keeps its CRC-32C" {
	bk-dump --name app "fake:?bytes=30000000" |
	    AWS_ENDPOINT_URL=$LAB_TLS_URL AWS_CA_BUNDLE=$LAB_TLS_CA bk-put "$U" > rec
	key=$(sed -n '1s/.*"key":"\([^"]*\)".*/\1/p' rec)
	ask HEAD "/$BATS_TEST_NUMBER/$key" --head -H 'x-amz-checksum-mode: ENABLED' > head
	grep -qi '^x-amz-checksum-crc32c: .*-4' head
}

@test "taken between the look and the completing request: refused, and kept" {
	rules 'delay=5@POST .*uploadId'
	bk-dump --name app "fake:?bytes=30000000" | bk-put "$U" > rec 2> err &
	put=$!
	until key=$(curl -sf "http://127.0.0.1:$port/__log" | sed -n 's/^HEAD \([^ ]*\) 404 .*/\1/p' | tail -n 1) &&
	    [ -n "$key" ]; do
		kill -0 "$put"
	done
	ask PUT "${key#/bk-extended}" --data-binary other > /dev/null
	status=0
	wait "$put" || status=$?
	[ "$status" -eq 73 ]
	[ "$(cat rec)" = '{"end":"failed","status":73,"records":0}' ]
	[ "$(ask GET "${key#/bk-extended}")" = other ]
	[ "$(whole)" -eq 1 ]
}

@test "the reply to the completing request is lost, and the next is refused: committed once" {
	rules 'lost@POST .*uploadId#1'
	bk-dump --name app "fake:?bytes=30000000" | bk-put "$U" > rec
	curl -sf "http://127.0.0.1:$port/__log" > log
	grep -qE '^POST .*uploadId.* (404|412) ' log
	[ "$(whole)" -eq 2 ]
}

@test "a source that fails leaves no part behind" {
	run -65 --separate-stderr bash -c "bk-dump --name app 'fake:?bytes=60000000&fail-after=30000000' | bk-put \$U"
	[ "$output" = '{"end":"failed","status":65,"records":0}' ]
	[ -z "$(find "$LAB/minio.data/.minio.sys/multipart" -name 'part.*')" ]
	[ "$(whole)" -eq 1 ]
}

@test "a bucket that keeps versions: deleting frees nothing, and bk-prune says so" {
	V=s3://bk-versions/x
	sign() { "$root/tests/s3sign.py" "$1" "/bk-versions?$2"; }
	for i in 1 2; do bk-dump --name app 'fake:?bytes=1000' | bk-put --create "$V" > rec; done
	echo '<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>' |
	    sign PUT versioning=
	run -0 --separate-stderr bk-prune --keep-last 1 "$V"
	[[ ${lines[-1]} == *'"delete":{"n":1,"bytes":1000},"not-freed":{"n":1,"bytes":1000}}' ]]
	said "keeps versions: deleting frees nothing of the 1000 bytes"
	# That is so: the manifest that went is there as an old version.
	id=$(sed -n '1s/^{"plan":"delete","id":"\([^"]*\)".*/\1/p' <<< "$output")
	[ -n "$id" ]
	sign GET versions= < /dev/null > versions
	grep -q "<Version><Key>x/.bk/manifest/app/$id.json</Key>" versions
}

@test "leases: 8 contenders, killed and suspended at random, on a server that loses answers" {
	rules 'lost@PUT .*/lease/%20' 'status=503:SlowDown@/lease/%5'
	run timeout 100 "$root/tests/fault/contenders.py" --term 2000 --seconds 12 "$U-lease"
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "leases: the answer to a renewal, and to giving it back, is lost" {
	rules 'lost@PUT .*/lease/app/#2' 'lost@PUT .*/lease/app/#4' 'lost@PUT .*/lease/app/#6'
	run -0 --separate-stderr bk-lease --name app --term 3s "$U" -- timeout 2 sleep 1.9
	[ -z "$stderr" ]
	run -0 --separate-stderr bk-lease --name app --wait 0s "$U" -- true
	rules
	[ "$(ask GET '?list-type=2' | grep -o "<Key>$BATS_TEST_NUMBER/.bk/lease/app/[0-9]*.json</Key>" | wc -l)" -ge 3 ]
}

# costs TITLE COMMAND...: it asks as often as bk(7) tells; standard input is its.
costs() {
	local told asked
	told=$(sed -n "s/^\.It $1 Ta \([0-9]*\).*/\1/p" "$root/man/bk.7")
	rules
	"${@:2}" > out
	asked=$(curl -sf "http://127.0.0.1:$port/__log" | wc -l)
	echo "$1: told $told, asked $asked"
	[ "$told" = "$asked" ]
}

@test "requests: as many as the manual tells" {
	bk-dump fake:?bytes=1000 > small
	bk-dump fake:?bytes=100000000 > large
	costs 'bk-put, up to 8 MiB' bk-put "$U" < small
	costs 'bk-put, 100 MB' bk-put "$U" < large
	rm large
	for i in 1 2 3 4 5 6 7 8 9; do bk-dump --name eq fake:?bytes=1000 | bk-put "$U" > /dev/null; done
	costs bk-report bk-report -n eq --outcome committed "$U"
	bk-prune --name eq --keep-last 9 "$U" > out
	costs 'bk-prune, nothing goes' bk-prune --name eq --keep-last 9 "$U"
	costs bk-fresh bk-fresh -n eq --max-age 1h "$U"
	bk-dump --name eq fake:?bytes=1000 | bk-put "$U" > /dev/null
	costs 'bk-prune, one is new, one goes' bk-prune --name eq --keep-last 9 "$U"
	tail -n 1 out | grep -q '"delete":{"n":1,'
	"$root/tests/bench/many.py" s3 bk-extended/many 1000
	bk-prune --keep-last unlimited s3://bk-extended/many > out
	costs 'bk-list, 1000 backups' bk-list s3://bk-extended/many
	[ "$(wc -l < out)" -eq 1001 ]
}

@test "leases: a server that stalls does not keep the command from being ended in time" {
	mkfifo ready
	bk-lease --name app --term 4s "$U" -- sh -c "trap 'date +%s%N > term' TERM; echo > ready; while :; do sleep 0.05; done" 2> err 3>&- &
	pid=$!
	read -r _ < ready
	begin=$(date +%s%N)
	rules 'stall@/lease/'
	rc=0; wait "$pid" || rc=$?
	rules
	[ "$rc" -eq 137 ]
	grep -q 'could not be renewed in time' err
	[ "$(cat term)" -gt "$begin" ]
	[ "$(($(cat term) - begin))" -lt 3000000000 ]
}
