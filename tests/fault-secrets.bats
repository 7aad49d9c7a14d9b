load helper

# Canaries (DESIGN 1, 7): every secret that a job can have is planted, and
# looked for, while the pipeline runs and after it, everywhere a stranger or a
# log could see it.

setup_file() {
	local lab="$BATS_TEST_DIRNAME/lab"
	{ LAB_OWNER=$$ "$lab/s3" start "$BATS_FILE_TMPDIR/s3" &&
	    "$lab/postgres" start "$BATS_FILE_TMPDIR/pg" &&
	    "$lab/mariadb" start "$BATS_FILE_TMPDIR/my"; } > "$BATS_FILE_TMPDIR/env" 2> "$BATS_FILE_TMPDIR/why" && return
	[ "${CI:-}" != true ] || return 1
	skip "$(tail -n 1 "$BATS_FILE_TMPDIR/why")"
}

teardown_file() {
	local lab="$BATS_TEST_DIRNAME/lab"
	"$lab/s3" stop "$BATS_FILE_TMPDIR/s3" || :
	"$lab/postgres" stop "$BATS_FILE_TMPDIR/pg" || :
	"$lab/mariadb" stop "$BATS_FILE_TMPDIR/my" || :
}

setup() {
	# shellcheck disable=SC1091
	. "$BATS_FILE_TMPDIR/env"
	cd "$BATS_TEST_TMPDIR" || return
	mkdir tmp
	export TMPDIR=$PWD/tmp BK_LOGLEVEL=trace root
	(umask 077; echo canary-db-1 > pw)
	bk-dump --name x 'fake:?bytes=1' 2> /dev/null | bk-put --create s3://secrets/x > /dev/null 2>&1
	# Stands in the pipe, reads some, looks at every process of the job while
	# the source waits, reads on.
	cat > look <<-'END'
	import glob, os, sys
	head = os.read(0, 65536)
	sys.stdout.buffer.write(head); sys.stdout.buffer.flush()
	with open("seen", "w") as seen:
	    for d in glob.glob("/proc/[0-9]*"):
	        try:
	            argv = open(d + "/cmdline", "rb").read()
	            env = open(d + "/environ", "rb").read()
	            exe = os.path.basename(os.readlink(d + "/exe"))
	        except OSError:
	            continue
	        if b"canary-" in argv:
	            print("argv", exe, argv, file=seen)
	        # Ours hold what the user gave them; a tool of the vendor may not.
	        tool = exe in ("pg_dump", "psql", "pg_dumpall", "mariadb-dump", "mariadb", "mysqldump", "tar")
	        if tool and b"canary-" in env:
	            print("environ", exe, env, file=seen)
	        if tool:
	            print("found", exe, file=seen)
	import shutil
	shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)
	END
}

# Run the job with source "$@" into a file store and S3, and look.
job() {
	rm -rf store seen && mkdir store
	set -o pipefail
	bk-dump -vv "$@" 2> err.dump | python3 look | bk-compress -vv 2> err.compress |
	    bk-put -vv "file://$PWD/store" "s3://secrets/x" 2> err.put > records
	bk-list -vv --links "s3://secrets/x" > list 2> err.list
	head -n 1 records | bk-tag -vv --no-end -t a=b > tagged 2> err.tag
	head -n 1 records | bk-get -vv --raw > raw 2> err.get
	set +o pipefail
	cat seen
	grep -q '^found' seen
	run ! grep -E '^(argv|environ)' seen
	run ! grep -rla canary- err.* records list tagged store "$TMPDIR"
	gzip -dc raw > plain
	run ! grep -qa canary- plain
	bk-get s3://secrets/x --name app --latest 2> /dev/null > stream
	run ! grep -qa canary- stream
	[ -z "$(ls -A "$TMPDIR")" ]
}

@test "the database's password, by file and by the vendor's variables" {
	psql -Xqd postgres -c "CREATE ROLE can LOGIN SUPERUSER PASSWORD 'canary-db-1'" \
	    -c "CREATE TABLE t AS SELECT repeat('y', 1000) FROM generate_series(1, 30000)"
	mariadb --defaults-file="$MARIADB_CNF" -e "CREATE USER can@127.0.0.1 IDENTIFIED BY 'canary-db-1';
	    GRANT ALL ON *.* TO can@127.0.0.1; CREATE DATABASE cana; USE cana; CREATE TABLE t (s CHAR(250));
	    INSERT INTO t SELECT REPEAT('y', 250) FROM seq_1_to_80000"
	export BK_TAG_TIER=app OTHER_SECRET=canary-env-2 MY_TOKEN=canary-env-3
	pg="postgres://can@127.0.0.1:$PGPORT/postgres"
	my="mariadb://can@127.0.0.1:$MARIADB_PORT/cana"
	unset PGPASSFILE
	job -n app "$pg?password-file=$PWD/pw"
	PGPASSWORD=canary-db-1 job -n app "$pg"
	job -n app "$my?password-file=$PWD/pw"
	MYSQL_PWD=canary-db-1 job -n app "$my"
	SECRET=canary-db-1 job -n app --source-env SECRET "$my"
}

@test "the store's secret and session token, with a server that refuses them" {
	export AWS_SECRET_ACCESS_KEY=canary-aws-1 AWS_SESSION_TOKEN=canary-aws-2
	for p in "bk-put -vv s3://secrets/x" "bk-list -vv s3://secrets/x" "bk-get -vv s3://secrets/x --name app --latest" \
	    "bk-restore -vv s3://secrets/x --name app --latest --into fake:" "bk-list -vv --links s3://secrets/x"; do
		run --separate-stderr bash -c "bk-dump -n app fake: 2> /dev/null | $p 2>&1"
		[ "$status" -eq 77 ]
		[ -n "$output" ]
		[[ $output != *canary* ]]
	done
}

@test "a filter's and a tool's environment lack what they do not need" {
	export AWS_SECRET_ACCESS_KEY=canary-aws-1 PGPASSWORD=canary-db-1 MYSQL_PWD=canary-db-2 OTHER_SECRET=canary-env-1
	mkdir dir bin && echo x > dir/x
	printf '#!/bin/sh\nenv > %s/env.seen\nexec /bin/tar "$@"\n' "$PWD" > bin/tar
	chmod +x bin/tar
	PATH=$PWD/bin:$PATH bk-dump "files://$PWD/dir" 2> err > stream
	[ -s env.seen ]
	run ! grep -a canary env.seen err stream
}

@test "no core file of a program that is killed" {
	ulimit -c unlimited 2> /dev/null || skip "core files are limited already"
	mkfifo wait
	bk-put --raw --name a --engine b --ext c "file://$PWD" < wait > /dev/null 2>&1 3>&- &
	pid=$!
	exec 9> wait
	until grep -q bk-put "/proc/$pid/comm" && [ "$(awk '/^Max core/ {print $5}' "/proc/$pid/limits")" = 0 ]; do
		kill -0 "$pid"
	done
	kill -SEGV "$pid"
	exec 9>&-
	wait "$pid" || [ $? -eq 139 ]
	[ -z "$(find . -name '*core*')" ]
}
