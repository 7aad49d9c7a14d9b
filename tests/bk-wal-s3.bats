# The log over S3: one fault in each request of a push and of a fetch, in
# turn; 0 and right, or not 0 and nothing.  Segments are made here: 1 MiB.

load helper
load s3

setup_file() {
	s3_start

	mkdir "$BATS_FILE_TMPDIR/seg"
	python3 - "$BATS_FILE_TMPDIR/seg" <<-'END'
	import random, struct, sys
	random.seed(1)
	for n in range(1, 40):
	    head = struct.pack("=HHIQII QII", 0xd110, 2, 1, n << 20, 0, 0, 4711, 1 << 20, 8192)
	    body = random.randbytes((1 << 19) - len(head)) + bytes(1 << 19)
	    open(f"{sys.argv[1]}/00000001{0:08X}{n:08X}", "wb").write(head + body)
	END
	export SEG=$BATS_FILE_TMPDIR/seg
}

setup() {
	cd "$BATS_TEST_TMPDIR"
	rules
	U=s3://wal/$BATS_TEST_NUMBER
	mapfile -t W < <(ls "$SEG")
	bk-wal-push --create --name app "$U" "$SEG/${W[0]}"
	next=1
}

# Number of requests since the rules.
asked() { curl -sf "$AWS_ENDPOINT_URL/__log" | wc -l; }

# What is stored of segment $1 is that.
stored() {
	rules
	rm -f got
	bk-wal-fetch --prefetch 0 --name app "$U" "$1" got && cmp got "$SEG/$1"
}

@test "a push is three requests, and a fault in any of them is met" {
	rules
	bk-wal-push --name app "$U" "$SEG/${W[1]}"
	reqs=$(asked)
	curl -sf "$AWS_ENDPOINT_URL/__log"
	[ "$reqs" -eq 3 ]
	for fault in reset lost close status=503:SlowDown; do
		for at in $(seq "$reqs"); do
			next=$((next + 1))
			rules "$fault#$at"
			bk-wal-push --timeout 20s --name app "$U" "$SEG/${W[next]}"
			stored "${W[next]}"
		done
	done
}

@test "a server that refuses or is gone: a status that PostgreSQL tries again after" {
	for rule in 'status=403:AccessDenied@^PUT=77' 'status=507:InsufficientStorage@^PUT=74' \
	    'status=404:NoSuchBucket=66' 'stall@^PUT=69'; do
		rules "${rule%=*}"
		run "-${rule##*=}" --separate-stderr bk-wal-push --timeout 2s --name app "$U" "$SEG/${W[1]}"
		one_line
		rules
		run -1 bk-wal-fetch --name app "$U" "${W[1]}" got
	done
	bk-wal-push --name app "$U" "$SEG/${W[1]}"
	stored "${W[1]}"
}

@test "a fetch under faults is right, or above 125" {
	mkdir -p d/pg_wal/archive_status
	for w in "${W[@]:0:9}"; do
		cp "$SEG/$w" d/pg_wal/
		: > "d/pg_wal/archive_status/$w.ready"
	done
	bk-wal-push --name app "$U" "d/pg_wal/${W[0]}"
	for fault in reset cutresp close status=503:SlowDown flip@^GET.*0001-; do
		for at in 1 2 3 4; do
			rm -rf d/pg_wal/got d/pg_wal/.bk-wal-fetch
			rules "$fault#$at"
			run --separate-stderr bk-wal-fetch --timeout 20s --prefetch 4 --name app "$U" "${W[0]}" d/pg_wal/got
			case $status in
			0) cmp d/pg_wal/got "$SEG/${W[0]}" ;;
			193) [ ! -e d/pg_wal/got ] && [[ $fault = flip* ]] ;;
			*) echo "$fault#$at: $status: $stderr"; false ;;
			esac
		done
	done
	rules 'status=503:SlowDown'
	run -197 --separate-stderr bk-wal-fetch --timeout 2s --name app "$U" "${W[0]}" x
	rules 'status=403:AccessDenied@^GET .*gz'
	run -205 --separate-stderr bk-wal-fetch --timeout 2s --name app "$U" "${W[0]}" x
}

@test "ahead: four at a time, each once" {
	mkdir -p d/pg_wal/archive_status
	for w in "${W[@]:1:12}"; do
		cp "$SEG/$w" d/pg_wal/
		: > "d/pg_wal/archive_status/$w.ready"
	done
	rules
	for w in "${W[@]:1:12}"; do bk-wal-push --name app "$U" "d/pg_wal/$w"; done
	[ "$(curl -sf "$AWS_ENDPOINT_URL/__log" | grep -c '^PUT')" -eq 12 ]
	for w in "${W[@]:1:12}"; do bk-wal-fetch --name app "$U" "$w" d/pg_wal/got; cmp d/pg_wal/got "$SEG/$w"; done
}
