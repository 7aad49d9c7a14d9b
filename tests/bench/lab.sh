# What the benchmarks of stores share: a server, the peers, and how each is
# called.  To be sourced at the top of the tree, with ${rounds} set.
#
# MinIO where tests/lab/minio has built it, else Swift.  Everything is kept in
# ${top}, below ${BENCH_DIR:-${TMPDIR:-/tmp}}, and removed at the end.
B=${B:-build}
PATH=$PWD/$B/bin:${LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bk-lab}:$PATH
export PATH

top=$(mktemp -d "${BENCH_DIR:-${TMPDIR:-/tmp}}/bk-bench-XXXXXX")
server='' tunnel='' trust=''
finish() {
	[ -z "$tunnel" ] || kill "$tunnel"
	[ -z "${PGDATA:-}" ] || tests/lab/postgres stop "$top"
	[ -z "$server" ] || "tests/lab/$server" stop "$top/lab"
	rm -rf "$top"
}
trap finish EXIT
trap 'exit 1' HUP INT PIPE TERM

have() {
	case $1 in
	# Debian's mc is a file manager.
	mc) mc --version 2> /dev/null | grep -q RELEASE ;;
	*) command -v "$1" > /dev/null ;;
	esac || { echo "$1: not there, skipped"; return 1; }
}
pair() { python3 tests/bench/pair.py --rounds "$rounds" "$@"; }
# clean: a command that empties the bucket.  MinIO on one disk keeps an object
# in a directory of its own; to ask it would leave it busy while we measure.
clean=:
server_start() {
	LAB_OWNER=$$
	export LAB_OWNER
	for s in minio s3; do
		if out=$("tests/lab/$s" start "$top/lab" 2> "$top/why"); then
			server=$s
			eval "$out"
			break
		fi
		cat "$top/why"
	done
	[ -n "$server" ] || { echo "no S3 server: skipped"; exit 0; }
	bk-dump 'fake:?bytes=1' | bk-put --create s3://bench/first > /dev/null
	# As pair.py does for what it runs.
	[ -z "${LAB_PID:-}" ] || nice > "/proc/$LAB_PID/autogroup" 2> /dev/null || :
	[ "$server" != minio ] || clean="rm -rf $top/lab/minio.data/bench/up"
	point
}

# point: the peers at ${AWS_ENDPOINT_URL}.
point() {
	unset AWS_CA_BUNDLE		# rclone does not start with it
	S3_ENDPOINT_URL=$AWS_ENDPOINT_URL
	MC_HOST_lab=$(echo "$AWS_ENDPOINT_URL" | sed "s,://,&$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY@,")
	MC_CONFIG_DIR=$top/mc
	RCLONE_CONFIG=$top/rclone.conf RCLONE_CONFIG_LAB_TYPE=s3 RCLONE_CONFIG_LAB_PROVIDER=Other
	RCLONE_CONFIG_LAB_ENV_AUTH=true RCLONE_CONFIG_LAB_ENDPOINT=$AWS_ENDPOINT_URL
	AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
	: > "$RCLONE_CONFIG"
	export S3_ENDPOINT_URL MC_HOST_lab MC_CONFIG_DIR RCLONE_CONFIG RCLONE_CONFIG_LAB_TYPE \
	    RCLONE_CONFIG_LAB_PROVIDER RCLONE_CONFIG_LAB_ENV_AUTH RCLONE_CONFIG_LAB_ENDPOINT \
	    AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE
}

# tls: the same server behind stunnel, with an authority of its own.
tls_start() {
	have stunnel4 || return 1
	out=$(LAB_TLS_UPSTREAM=127.0.0.1:1 tests/lab/tls start "$top/tls") || return 1
	tests/lab/tls stop "$top/tls"
	try=0
	while [ "$try" -lt 5 ]; do
		port=$((20000 + $(od -An -N2 -tu2 /dev/urandom) % 10000))
		cat > "$top/stunnel.conf" <<END
foreground = yes
pid =
[s3]
accept = 127.0.0.1:$port
connect = ${AWS_ENDPOINT_URL#http://}
cert = $top/tls/good.pem
key = $top/tls/good.key
TIMEOUTclose = 0
END
		stunnel4 "$top/stunnel.conf" > "$top/stunnel.log" 2>&1 &
		tunnel=$!
		if curl -s --retry 20 --retry-connrefused --retry-delay 1 --retry-max-time 10 --cacert "$top/tls/ca.pem" \
		    -o /dev/null "https://localhost:$port/"; then
			AWS_ENDPOINT_URL=https://localhost:$port
			SSL_CERT_FILE=$top/tls/ca.pem
			trust="env AWS_CA_BUNDLE=$SSL_CERT_FILE"
			export AWS_ENDPOINT_URL SSL_CERT_FILE
			point
			return 0
		fi
		kill "$tunnel" 2> /dev/null || :
		tunnel='' try=$((try + 1))
	done
	echo "stunnel4 does not start: skipped"
	return 1
}

# The command line of pyenv's aws is a shell script around the real one.
aws_bin=$(command -v aws || :)
! command -v pyenv > /dev/null || aws_bin=$(pyenv which aws 2> /dev/null) || aws_bin=$(command -v aws || :)

# up PEER KEY, down PEER KEY: its command line to store standard input, to
# write an object to standard output.
up() {
	case $1 in
	aws) echo "$trust $aws_bin s3 cp --quiet - s3://bench/$2" ;;
	rclone) echo "rclone --quiet rcat LAB:bench/$2" ;;
	s5cmd) echo "s5cmd pipe s3://bench/$2 > /dev/null" ;;
	mc) echo "mc --quiet pipe lab/bench/$2 > /dev/null" ;;
	esac
}
down() {
	case $1 in
	aws) echo "$trust $aws_bin s3 cp --quiet s3://bench/$2 -" ;;
	rclone) echo "rclone --quiet cat LAB:bench/$2" ;;
	s5cmd) echo "s5cmd cat s3://bench/$2" ;;
	mc) echo "mc cat lab/bench/$2" ;;
	esac
}
