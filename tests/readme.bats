load helper

# The commands of README.md and bk(7), run as they are printed, against real
# servers.  Only the names of servers are replaced.

setup_file() {
	export BATS_TEST_TIMEOUT=180
	root=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
	"$root/tests/lab/postgres" start "$BATS_FILE_TMPDIR/pg" > "$BATS_FILE_TMPDIR/env" || return 1
	"$root/tests/lab/s3" start "$BATS_FILE_TMPDIR/s3" >> "$BATS_FILE_TMPDIR/env" ||
	    echo no_s3=1 >> "$BATS_FILE_TMPDIR/env"
}

teardown_file() {
	root=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
	"$root/tests/lab/postgres" stop "$BATS_FILE_TMPDIR/pg"
	"$root/tests/lab/s3" stop "$BATS_FILE_TMPDIR/s3" || true
}

setup() {
	cd "$BATS_TEST_TMPDIR"
	set -a
	. "$BATS_FILE_TMPDIR/env"
	set +a
	mkdir path srv
	# ssh: the same host.
	printf '#!/bin/sh\nshift\nexec "$@"\n' > path/ssh
	chmod +x path/ssh
	PATH=$PWD/path:$PATH
	export PGHOST PGPORT PGUSER PGPASSFILE
}

q() {
	"$PGBIN/psql" -XAtq -v ON_ERROR_STOP=1 -d "$1" -c "$2"
}

# The shell blocks below a heading of the README, with our servers.
section() {
	awk -v want="## $1" '/^## /{ on = $0 == want } on' "$root/README.md" |
	    sed -n '/^```sh$/,/^```$/{/^```/d;p;}' |
	    sed "s,postgres://[a-z@]*/,postgres:///,g; s,/srv/backups,$PWD/srv,g"
}

@test "five minutes with PostgreSQL and S3" {
	[ -z "${no_s3:-}" ] || skip "no S3 server here"
	q postgres 'create database app'
	q app 'create table t as select g, md5(g::text) from generate_series(1, 5000) g'
	bk-dump fake: --name before | bk-put --create s3://backups/prod > /dev/null
	section 'Five minutes with PostgreSQL and S3' > tour.sh
	[ "$(grep -c bk- tour.sh)" -ge 8 ]
	# "Yesterday evening" must have a backup: twelve hours become none.
	sed 's/--at -12h/--at now/; s/^ssh db1.*/&2/' tour.sh > run.sh
	run --separate-stderr sh -e run.sh
	printf '%s\n' "$output" "$stderr"
	[ "$status" -eq 0 ]
	for db in app_copy app_then app_copy2; do
		[ "$(q $db 'select count(*), sum(g) from t')" = '5000|12502500' ]
	done
	run -0 bk-list --name app --latest s3://backups/prod
	[[ $output == *'before the migration'* ]]
	[ "$(find srv -name 'app-*.postgres.dump.zst' | wc -l)" -eq 1 ]
}

@test "by itself: the schedule file and what it is used with" {
	[ -z "${no_s3:-}" ] || skip "no S3 server here"
	q postgres 'drop database if exists app with (force)'
	q postgres 'create database app'
	q app 'create table t as select g from generate_series(1, 700) g'
	bk-dump fake: --name before | bk-put --create s3://backups/second > /dev/null
	export BK_CONF=$PWD/bk.conf
	echo "state = \"$PWD/state\"" > bk.conf
	awk '/^## /{ on = $0 == "## By itself" } on' "$root/README.md" |
	    sed -n '/^```$/,/^```$/{/^```/d;p;}' | sed '/^$/,$d' |
	    sed 's,postgres://[a-z@]*/,postgres:///,g; s,backups/prod,backups/second,; /on-failure/d' >> bk.conf
	grep -q '^job "app"' bk.conf
	section 'By itself' > run.sh
	[ "$(grep -c '^bk' run.sh)" -eq 7 ]
	run --separate-stderr sh -e run.sh
	printf '%s\n' "$output" "$stderr"
	[ "$status" -eq 0 ]
	[ "$(q app_two 'select count(*) from t')" = 700 ]
	[ "$(q app 'select count(*) from t')" = 700 ]
	[[ $output == *'"job":"app","state":"fresh"'* && $output == *'"failed":0}'* ]]
}

@test "restore by hand, without bk" {
	q postgres 'create database hand'
	q hand 'create table h as select 7 as x'
	q postgres 'create database app_hand'
	sqlite3 shop.db 'create table t(n); insert into t values (1)'
	mkdir site
	echo a > site/a
	bk backup postgres:///hand "file://$PWD/srv" --name app > /dev/null
	bk backup "sqlite://$PWD/shop.db" "file://$PWD/srv" --name shop > /dev/null
	bk backup "files://$PWD/site" "file://$PWD/srv" > /dev/null
	bk backup "postgres://" "file://$PWD/srv" --zstd > /dev/null
	# Names are as the README has them, for what it does with each.
	zcat srv/app/app-*.postgres.dump.gz | "$PGBIN/pg_restore" --no-owner -d app_hand
	[ "$(q app_hand 'select x from h')" = 7 ]
	zcat srv/shop/shop-*.sqlite.sqlite.gz > by-hand.db
	[ "$(sqlite3 by-hand.db 'select n from t')" = 1 ]
	mkdir out
	zcat srv/site/site-*.files.tar.gz | tar -xp -C out
	cmp site/a out/a
	zstd -dc srv/all/all-*.postgres.sql.zst | grep -q 'CREATE DATABASE hand'
	# Size and checksum are in the record.
	f=$(echo srv/app/app-*)
	m=$(echo srv/.bk/manifest/app/*.json)
	grep -q "\"bytes\":$(stat -c %s "$f")," "$m"
	grep -q "\"sha256\":\"$(sha256sum < "$f" | cut -d' ' -f1)\"" "$m"
	for w in postgres.dump.gz sqlite.sqlite.gz files.tar.gz postgres.sql.zst; do
		grep -q "[.]$w" "$root/README.md"
		grep -q "[.]$w" "$root/man/bk.7"
	done
}

@test "programs, tests and pages that the README names are there" {
	for p in $(grep -o '^| `bk[a-z-]*`' "$root/README.md" | tr -d '|` '); do
		[ -x "$B/bin/$p" ]
	done
	for p in "$B"/bin/bk*; do
		grep -q "^| \`${p##*/}\`" "$root/README.md"
		grep -q "[.]It [.]*Xr ${p##*/} [18]" "$root/man/bk.7"
	done
	for f in $(grep -o '`\(tests\|examples\)/[^`<>]*`' "$root/README.md" | tr -d '`'); do
		# shellcheck disable=SC2086
		ls -d $root/$f > /dev/null
	done
}
