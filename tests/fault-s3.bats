load helper
load s3

# One fault in each request of a put over S3, in turn: committed exactly once
# and 0, or not at all and not 0; never longer than the time limit.

setup_file() {
	s3_start
	: | AWS_ENDPOINT_URL=$SERVER bk-put --create --raw --name x --engine x --ext x s3://fault > /dev/null 2>&1 || :
	bk-dump --name app 'fake:?bytes=1000' > "$BATS_FILE_TMPDIR/small"
	bk-dump --name app 'fake:?bytes=18000000' > "$BATS_FILE_TMPDIR/big"
	export SMALL=$BATS_FILE_TMPDIR/small BIG=$BATS_FILE_TMPDIR/big
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	rules
	U=s3://fault/$BATS_TEST_NUMBER
	export U
	bk-put --create "$U" < "$SMALL" | head -n 1 > first
	had=1
}

# How many requests one put of file $1 makes.
requests() {
	rules
	bk-put "$U" < "$1" > /dev/null
	had=$((had + 1))
	curl -sf "$AWS_ENDPOINT_URL/__log" | wc -l
}

# Put file $1 under rule $2 with time limit $3; it may end with 0, listed
# once more, or with one of the statuses $4, and nothing new.
put() {
	local begun=$SECONDS now
	rules "$2"
	run --separate-stderr bash -c "exec bk-put --timeout $3s \$U < '$1'"
	rules
	now=$(bk-list --plain "$U" | tee list | wc -l)
	case " 0 ${4:-} " in *" $status "*) ;; *) echo "$2: status $status: $stderr"; return 1 ;; esac
	if [ "$status" -eq 0 ]; then
		had=$((had + 1))
		bk-get --raw <<< "${lines[0]}" | cmp - <(python3 "$root/tests/mkstream.py" --payload < "$1") || return 1
	else
		one_line || return 1
	fi
	[ "$now" -eq "$had" ] || { echo "$2: status $status, but $now listed, not $had"; return 1; }
	[ $((SECONDS - begun)) -le $(($3 + 15)) ] || { echo "$2: took $((SECONDS - begun)) s"; return 1; }
	bk-get --raw < first > /dev/null || return 1
}

# Each of the faults in "$@" in each request of a put of file $1.
each() {
	local file=$1 n i fault
	shift

	rules
	bk-put "$U" < "$file" > /dev/null
	had=$((had + 1))
	n=$(curl -sf "$AWS_ENDPOINT_URL/__log" | wc -l)
	echo "$n requests"
	[ "$n" -ge 2 ]
	for fault; do
		for i in $(seq "$n"); do
			put "$file" "$fault#$i" 20 || return 1
			[ "$status" -eq 0 ] || { echo "$fault#$i: status $status: $stderr"; return 1; }
		done
	done
}

@test "small: a reset, a lost reply, a cut in each request" {
	each "$SMALL" reset lost cutreq cutresp=0 close
}

@test "small: 500, 503, SlowDown, a 200 without a body in each request" {
	each "$SMALL" status=500:InternalError status=503:SlowDown status=503 status=429:TooManyRequests delay=1
}

@test "several parts: a reset, a lost reply in each request" {
	each "$BIG" reset lost
}

@test "several parts: cut requests and answers, 503, errors in a 200 in each request" {
	each "$BIG" cutreq status=503:SlowDown delay=1
	put "$BIG" 'body=InternalError@POST .*uploadId#1' 20 69
	put "$BIG" 'cutresp@POST#1' 20 69
	put "$BIG" 'cutresp@POST#2' 20 69
	[ "$status" -eq 0 ]
}

@test "a server that refuses, or fails, at each kind of request: never listed" {
	for rule in 'status=403:AccessDenied@^PUT=77' 'status=403:AccessDenied@manifest=77' \
	    'status=507:InsufficientStorage@^PUT=74' 'status=403:QuotaExceeded@^PUT=74' \
	    'status=413:EntityTooLarge@partNumber=2=74' 'status=404:NoSuchBucket@^PUT=66' \
	    'status=403:AccessDenied@POST .*uploadId=77' 'status=403:RequestTimeTooSkewed@^PUT=69 77 78' \
	    'status=301:PermanentRedirect@^PUT=69 78' \
	    'status=404:NoSuchUpload@POST .*uploadId=69 65 74' 'status=418@^PUT=69 74 70 65'; do
		put "$BIG" "${rule%=*}" 4 "${rule##*=}"
		[ "$status" -ne 0 ]
	done
}

@test "credentials that stay expired: 77 after asking twice, not until the time limit" {
	for rule in '^PUT' 'partNumber=2' 'POST .*uploadId'; do
		rules "status=400:ExpiredToken@$rule"
		run -77 --separate-stderr bash -c 'bk-put --timeout 60s "$U" < "$BIG"'
		said ExpiredToken
		[ "$(curl -sf "$AWS_ENDPOINT_URL/__log" | grep -c ' 400 ')" -le 8 ]
	done
	rules 'status=400:ExpiredToken@^GET .*app-'
	run -77 --separate-stderr bash -c 'bk-get --raw --timeout 60s < first > out'
	[ ! -s out ]
	rules
	[ "$(bk-list --plain "$U" | wc -l)" -eq "$had" ]
}

@test "a server that stops answering at each kind of request: 69 within the limit" {
	put "$SMALL" 'stall@^PUT' 2 69
	put "$SMALL" 'stall@manifest' 2 69
	put "$BIG" 'stall@partNumber=2' 2 69
	put "$BIG" 'stall@^POST' 2 69
	put "$BIG" 'stall=20@^POST' 2 69
	[ "$status" -ne 0 ]
}

@test "unknown outcome: the manifest's reply lost each time, and looking refused" {
	put "$SMALL" 'lost@^PUT .*manifest' 6 69
	rules 'lost@^PUT .*manifest#1' 'status=403:AccessDenied@^(GET|HEAD)'
	run --separate-stderr bash -c 'bk-put --timeout 5s "$U" < "$SMALL"'
	rules
	n=$(bk-list --plain "$U" | wc -l)
	echo "status $status, listed $n, had $had: $stderr"
	[ "$status" -ne 0 ] || [ "$n" -eq $((had + 1)) ]
}

@test "a read-only key: 77; a quota: 74; a bucket that is not there: 66" {
	run --separate-stderr bash -c 'AWS_ACCESS_KEY_ID=$LAB_S3_READER_KEY AWS_SECRET_ACCESS_KEY=$LAB_S3_READER_SECRET bk-put "$U" < "$SMALL"'
	[ "$status" -eq 77 ]
	one_line
	run -66 --separate-stderr bash -c 'bk-put s3://not-there-at-all/x < "$SMALL"'
	one_line
	bk-put --create s3://quota/x < "$SMALL" > rec
	token=$(curl -sfi -H "X-Storage-User: test:tester" -H "X-Storage-Pass: testing" "$LAB_SWIFT_AUTH" | tr -d '\r' | sed -n 's/^X-Auth-Token: //Ip')
	base=$(curl -sfi -H "X-Storage-User: test:tester" -H "X-Storage-Pass: testing" "$LAB_SWIFT_AUTH" | tr -d '\r' | sed -n 's/^X-Storage-Url: //Ip')
	curl -sf -X POST -H "X-Auth-Token: $token" -H "X-Container-Meta-Quota-Bytes: 4000" "$base/quota"
	run -74 --separate-stderr bash -c 'bk-dump "fake:?bytes=100000" | bk-put s3://quota/x'
	one_line
	[ "$output" = '{"end":"failed","status":74,"records":0}' ]
	[ "$(bk-list s3://quota/x)" = "$(cat rec)" ]
	head -n 1 rec | bk-get --raw > /dev/null
}

@test "downloads: damaged, cut, reset, slow, stalled: right or not at all" {
	bk-put "$U" < "$BIG" | head -n 1 > big
	python3 "$root/tests/mkstream.py" --payload < "$BIG" > want
	for rule in 'reset@^GET#1' 'reset@^GET#2' 'cutresp@^GET#1' 'cutresp=100@^GET#2' 'status=503:SlowDown@^GET#1' 'flip@^GET#1' 'flip=10@^GET#2' \
	    'stall=1000@^GET#2' 'delay=1@^GET'; do
		rules "$rule"
		run --separate-stderr bash -c 'bk-get --raw --timeout 8s < big > out'
		echo "$rule: $status $stderr"
		case $status in
		0) cmp out want ;;
		65 | 69) [ "$(stat -c %s out)" -le $((18000000 - 1048576)) ]; cmp -n "$(stat -c %s out)" out want || [ "$status" -eq 65 ]; one_line ;;
		*) false ;;
		esac
	done
}
