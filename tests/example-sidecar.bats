load helper
load s3

# examples/sidecar/bk.conf, from environment variables alone, with a real
# database server and a real store.

setup_file() {
	s3_start
	"$BATS_TEST_DIRNAME/lab/postgres" start "$BATS_FILE_TMPDIR/pg" > "$BATS_FILE_TMPDIR/pg.env" || return 1
	. "$BATS_FILE_TMPDIR/pg.env"
	psql -Xq -v ON_ERROR_STOP=1 -d postgres > /dev/null <<-'SQL'
	CREATE ROLE backup LOGIN PASSWORD 'canary4477';
	CREATE DATABASE app;
	\connect app
	CREATE TABLE t AS SELECT g, md5(g::text) FROM generate_series(1, 1000) g;
	ALTER TABLE t OWNER TO backup;
	GRANT pg_read_all_data TO backup;
	SQL
	port=$PGPORT
	export port
}

teardown_file() {
	[ -z "${PROXY:-}" ] || kill "$PROXY"
	"$BATS_TEST_DIRNAME/lab/s3" stop "$BATS_FILE_TMPDIR/s3" || :
	"$BATS_TEST_DIRNAME/lab/postgres" stop "$BATS_FILE_TMPDIR/pg"
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	rules
	U=s3://bk-sidecar/$BATS_TEST_NUMBER
	bk-dump --name other fake: | bk-put --create "$U" > other
	# The whole environment of the container.
	side="env -i PATH=$PATH HOME=$PWD AWS_ENDPOINT_URL=$AWS_ENDPOINT_URL
	    AWS_ACCESS_KEY_ID=$AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY=$AWS_SECRET_ACCESS_KEY
	    AWS_REGION=${AWS_REGION:-us-east-1} BK_CONF=$root/examples/sidecar/bk.conf
	    BK_STATE=$PWD/state BK_STORE=$U PGPASSWORD=canary4477
	    BK_SOURCE=postgres://backup@127.0.0.1:$port/app BK_TAG_TIER=test"
}

@test "what is not set is named" {
	run -78 --separate-stderr env -u BK_SOURCE BK_CONF="$root/examples/sidecar/bk.conf" BK_STORE="$U" bk-run app
	said BK_SOURCE
}

@test "a backup, its health, a restore" {
	# It never ran, so it is due.
	run -0 --separate-stderr $side bk-supervise --once
	run -0 --separate-stderr $side bk backup app
	[[ "$output" == *'"outcome":"committed"'* ]]
	run -0 --separate-stderr bk-list --plain --name app "$U"
	[ "${#lines[@]}" -eq 2 ]
	[[ "$output" == *'"engine":"postgres"'*'"tier":"test"'* ]]
	[[ "$output" != *canary4477* ]]
	run --separate-stderr $side bk doctor --once --table
	echo "$output"
	[ "$status" -eq 0 ]
	# A right that is taken away is found before the next backup.
	. "$BATS_FILE_TMPDIR/pg.env"
	psql -Xq -d app -c 'CREATE TABLE secret (a int)' -c 'REVOKE pg_read_all_data FROM backup'
	run -1 --separate-stderr $side bk doctor --once app
	[[ "$output" == *"role 'backup' may not read 1 tables or sequences of database 'app', such as public.secret; remedy: GRANT pg_read_all_data TO backup"* ]]
	psql -Xq -d app -c 'DROP TABLE secret'
	run -0 --separate-stderr $side bk status --table
	[[ "${lines[1]}" == "app  fresh "* ]]
	psql -Xq -d postgres -c 'ALTER ROLE backup CREATEDB'
	run --separate-stderr $side bk restore app --into "postgres://backup@127.0.0.1:$port/copy"
	echo "$stderr"
	[ "$status" -eq 0 ]
	[ "$(psql -XAtq -d copy -c 'SELECT count(*), min(md5), max(md5) FROM t')" = \
	    "$(psql -XAtq -d app -c 'SELECT count(*), min(md5), max(md5) FROM t')" ]
}

@test "a request in a store that does not honour create-only: 78, nothing written" {
	bk-probe "$U" | grep -q '"create-only":false' || skip "this server honours it"
	run -78 --separate-stderr bk-request "$U" app
	said "does not honour create-only writes"
	run -1 --separate-stderr bk-request --claim --job app "$U"
	rules
	[ -z "$(curl -sf --aws-sigv4 aws:amz:us-east-1:s3 --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \
	    "$SERVER/bk-sidecar?list-type=2&prefix=$BATS_TEST_NUMBER/.bk/request" | grep -o '<Key>')" ]
}
