# A private S3 server behind a proxy that makes its bad days; loaded by the files
# whose tests want both.

# Start both; a file that makes more in its own setup_file calls it first.
s3_start() {
	local lab="$BATS_FILE_TMPDIR/s3" out
	if ! out=$(LAB_OWNER=$$ "$BATS_TEST_DIRNAME/lab/s3" start "$lab" 2> "$BATS_FILE_TMPDIR/why"); then
		[ "${CI:-}" != true ] || return 1
		skip "$(cat "$BATS_FILE_TMPDIR/why")"
	fi
	eval "$out"
	mkfifo "$BATS_FILE_TMPDIR/port"
	"$BATS_TEST_DIRNAME/fault/faultproxy.py" "${AWS_ENDPOINT_URL#http://}" \
	    > "$BATS_FILE_TMPDIR/port" 2> /dev/null 3>&- &
	PROXY=$!
	read -r port < "$BATS_FILE_TMPDIR/port"
	export PROXY SERVER=$AWS_ENDPOINT_URL AWS_ENDPOINT_URL=http://127.0.0.1:$port
}

setup_file() { s3_start; }

teardown_file() {
	[ -z "${PROXY:-}" ] || kill "$PROXY"
	"$BATS_TEST_DIRNAME/lab/s3" stop "$BATS_FILE_TMPDIR/s3" || :
}

# What the proxy does from now on; nothing: no harm.
rules() {
	printf '%s\n' "$@" | curl -sf -X PUT --data-binary @- "$AWS_ENDPOINT_URL/__rules" > /dev/null
}
