load helper

setup_file() { export BATS_TEST_TIMEOUT=120; }

setup() {
	own_store
	mkdir tree
	echo 1 > tree/PG_VERSION
	mkdir -m 700 tree/base
	head -c 3000000 /dev/urandom > tree/base/1
	ln -s /nowhere tree/l
}

teardown() {
	[ ! -e "$BATS_TEST_TMPDIR/lab" ] ||
	    "$root/tests/lab/postgres" stop "$BATS_TEST_TMPDIR/lab"
	[ ! -e "$BATS_TEST_TMPDIR/lab2" ] ||
	    "$root/tests/lab/mariadb" stop "$BATS_TEST_TMPDIR/lab2"
}

state() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["state"])' "$1"; }

same() { diff -r --no-dereference -x '.bk-boot*' tree "$1"; }

# Nothing of ours but the mark and the lock.
clean() { [ "$(cd "$1" && echo .*bk-boot*)" = ".bk-boot .bk-boot.lock" ]; }

@test "an empty directory is filled once; then nothing is done" {
	chmod 750 tree
	bk-dump "files://$PWD/tree" | bk-compress | bk-put "$S" > r
	bk-boot --data-dir "$PWD/new" --store "$S" --name tree
	same new
	clean new
	[ "$(stat -c %a new)" = 750 ]
	[ "$(state new/.bk-boot)" = whole ]
	grep -q "$(sed -n 's/.*"id":"\([^"]*\)".*/\1/p' r)" new/.bk-boot
	echo mine > new/base/1
	rm -r store
	run -0 --separate-stderr bk-boot -v --data-dir "$PWD/new" --store "$S" --name tree
	said "filled already"
	[ "$(cat new/base/1)" = mine ]
}

@test "the command takes its place, with its arguments, environment and umask" {
	mkdir new
	touch new/PG_VERSION
	umask 022
	FOO=bar run -7 --separate-stderr bash -c "bk-boot --data-dir new -- \
	    sh -c 'umask; echo \"\$0\" \"\$1\" \$FOO; exit 7' 'a b' c < /dev/null"
	[ "$output" = "0022
a b c bar" ]
	run -127 --separate-stderr bk-boot --data-dir new -- no-such-command
	run -66 bk-boot --data-dir "$PWD/other" --store "$S" --name none -- touch ran
	[ ! -e ran ]
}

@test "a stream, a record and a tarball" {
	bk-dump "files://$PWD/tree" | bk-boot --data-dir "$PWD/a"
	same a
	bk-dump "files://$PWD/tree" | bk-compress --zstd | bk-put "$S" | bk-boot --data-dir "$PWD/b"
	same b
	tar -cf t.tar -C tree .
	bk-boot --data-dir "$PWD/c" --bundle "$PWD/t.tar"
	same c
	run -65 --separate-stderr bk-boot --data-dir "$PWD/d" < /dev/null
	bk-dump fake:?exit=69 > s || true
	run -69 bk-boot --data-dir "$PWD/d" < s
	head -c 1000 t.tar > cut.tar
	run -65 bk-boot --data-dir "$PWD/e" --bundle cut.tar
	run -66 bk-boot --data-dir "$PWD/f" --bundle none.tar
	bk-dump "files://$PWD/tree" | head -c 2000000 > s
	run -65 bk-boot --data-dir "$PWD/g" < s
	[ "$(state g/.bk-boot)" = begun ]
	[ ! -e g/PG_VERSION ]
}

@test "a try that was killed at any moment is done again" {
	bk-dump "files://$PWD/tree" > s
	for n in 1000 2000000 3000000; do
		mkfifo p
		bk-boot --data-dir "$PWD/new" < p 3>&- & pid=$!
		exec 7> p
		head -c $n s >&7
		until [ -e new/.bk-boot ] && [ "$(state new/.bk-boot)" = begun ]; do kill -0 $pid; done
		kill -KILL $pid
		wait $pid || true
		exec 7>&-
		rm p
		[ "$(state new/.bk-boot)" = begun ]
		# What such a try could have moved up already.
		mkdir -p new/base
		echo half > new/base/2
		bk-boot --data-dir "$PWD/new" < s
		same new
		clean new
		rm -r new
	done
}

@test "what it did not put there is not touched" {
	mkdir new
	echo mine > new/file
	bk-dump "files://$PWD/tree" > s
	run -73 --separate-stderr bash -c "bk-boot --data-dir new < s"
	said "holds 'file'"
	[ "$(ls -A new)" = "file" ]
	rm new/file
	mkdir new/lost+found
	bk-boot --data-dir new < s
	[ -d new/lost+found ]
	rmdir new/lost+found
	same new
	echo garbage > new/.bk-boot
	run -65 --separate-stderr bash -c "bk-boot --data-dir new < s"
	said "no mark of bk-boot"
}

@test "a mount point is filled" {
	unshare -m true 2> /dev/null || skip "may not mount"
	bk-dump "files://$PWD/tree" > s
	mkdir new
	unshare -m bash -c "mount -t tmpfs none new && bk-boot --data-dir $PWD/new < s &&
	    diff -r --no-dereference -x '.bk-boot*' tree new"
}

@test "several at once: one fills it, the others wait and succeed" {
	bk-dump "files://$PWD/tree" | bk-put "$S" > r
	pids=
	for i in 1 2 3 4; do
		bk-boot -v --data-dir "$PWD/new" --store "$S" --name tree 2> "err$i" 3>&- &
		pids="$pids $!"
	done
	for p in $pids; do wait "$p"; done
	same new
	clean new
	[ "$(cat err? | grep -c "is filled$")" = 1 ]
	[ "$(cat err? | grep -c "filled already")" = 3 ]
	# One that holds it too long: 75.
	rm -r new
	mkdir new
	exec 7> new/.bk-boot.lock
	flock 7
	run -75 --separate-stderr bk-boot --timeout 1s --data-dir "$PWD/new" --store "$S" --name tree
	said "another bk-boot still holds"
	exec 7>&-
}

@test "a SQLite file and a Redis file come into the directory" {
	sqlite3 app.db 'create table t(a); insert into t values (42)'
	bk-dump "sqlite://$PWD/app.db" | bk-boot --data-dir "$PWD/new"
	[ "$(sqlite3 new/app.db 'select a from t')" = 42 ]
	python3 -c "
import sys
sys.stdout.buffer.write(b'REDIS0009\xff' + b'\0' * 8)" > d.rdb
	bk-dump --ext rdb exec: --as redis -- cat d.rdb > s
	bk-boot --data-dir "$PWD/red" < s
	cmp d.rdb red/dump.rdb
	bk-dump exec: -- echo > s
	run -64 --separate-stderr bash -c "bk-boot --data-dir $PWD/x < s"
	said "--into URL --if-empty"
}

@test "a server: waited for, filled if it holds nothing, once" {
	"$root/tests/lab/postgres" start lab > env
	. ./env
	PATH=$PGBIN:$PATH
	psql -Xqc 'create database app' -d postgres
	psql -Xqc 'create table t(a int); insert into t values (42)' -d app
	bk-dump "postgres://127.0.0.1:$PGPORT/app" | bk-put "$S" > r
	boot() { bk-boot -v --if-empty --store "$S" --name app "$@"; }
	# It holds the database: nothing is done, and that is remembered.
	psql -Xqc 'update t set a = 43' -d app
	boot --into "postgres://127.0.0.1:$PGPORT/app" --mark m1
	[ "$(psql -XAtc 'select a from t' -d app)" = 43 ]
	[ "$(state m1)" = whole ]
	psql -Xqc 'drop database app' -d postgres
	boot --into "postgres://127.0.0.1:$PGPORT/app" --mark m1
	run ! psql -Xqc '' -d app
	# Not there: filled; marked begun before.
	boot --into "postgres://127.0.0.1:$PGPORT/app" --mark m2 -- touch ran
	[ -e ran ]
	[ "$(psql -XAtc 'select a from t' -d app)" = 42 ]
	# A try that was cut short.
	echo '{"bk":"boot/1","state":"begun"}' > m3
	run -73 --separate-stderr boot --into "postgres://127.0.0.1:$PGPORT/app" --mark m3
	said "--replace replaces"
	psql -Xqc 'update t set a = 43' -d app
	boot --into "postgres://127.0.0.1:$PGPORT/app" --mark m3 --replace
	[ "$(psql -XAtc 'select a from t' -d app)" = 42 ]
	[ "$(state m3)" = whole ]
	# A whole server is not empty while it holds a database.
	bk-dump -n all "postgres://127.0.0.1:$PGPORT/" |
	    bk-boot --into "postgres://127.0.0.1:$PGPORT/" --if-empty --mark m5
	grep -q '"found":true' m5
	# A server that is not up yet.
	owner=()
	[ "$(id -u)" != 0 ] || owner=(setpriv "--reuid=$(cat lab/postgres.owner)" --clear-groups --)
	(cd / && "${owner[@]}" "$PGBIN/pg_ctl" -D "$PGDATA" -m fast -w stop) > out
	run -69 --separate-stderr boot --into "postgres://127.0.0.1:$PGPORT/copy" --mark m4 --wait 1s
	[ ! -e m4 ]
	boot --into "postgres://127.0.0.1:$PGPORT/copy" --mark m4 2> err 3>&- & pid=$!
	until grep -q "waiting: " err; do kill -0 $pid; done
	(cd / && "${owner[@]}" "$PGBIN/pg_ctl" -D "$PGDATA" -l /dev/null -w \
	    -o "-c listen_addresses=127.0.0.1 -c port=$PGPORT -c unix_socket_directories=$PGHOST" start) > out 3>&-
	wait $pid
	[ "$(psql -XAtc 'select a from t' -d copy)" = 42 ]
}

@test "MariaDB: a database from a stream, only where there is none" {
	"$root/tests/lab/mariadb" start lab2 > env2
	. ./env2
	my() { mariadb --defaults-file="$MARIADB_CNF" -BN -e "$1"; }
	MYSQL_PWD=$(sed -n 's/^password="*\([^"]*\)"*$/\1/p' "$MARIADB_CNF")
	export MYSQL_PWD
	user=$(sed -n 's/^user=//p' "$MARIADB_CNF")
	url=mariadb://$user@127.0.0.1:$MARIADB_PORT
	my 'create database app; create table app.t (a int); insert into app.t values (42)'
	bk-dump "$url/app" > s
	my 'update app.t set a = 43'
	bk-boot --into "$url/app" --if-empty --mark m1 < s
	[ "$(my 'select a from app.t')" = 43 ]
	grep -q '"found":true' m1
	my 'drop database app'
	bk-boot --into "$url/app" --if-empty --mark m2 < s
	[ "$(my 'select a from app.t')" = 42 ]
	# A stream that is bad is not taken back by a mark.
	head -c 700 s > cut
	run -65 bk-boot --into "$url/other" --if-empty --mark m3 < cut
	[ "$(state m3)" = begun ]
	bk-boot --into "$url/other" --if-empty --mark m3 < s
	[ "$(my 'select a from other.t')" = 42 ]
}

@test "a cluster of PostgreSQL, cloned from a live one, starts where it was put" {
	"$root/tests/lab/postgres" start lab > env
	. ./env
	PATH=$PGBIN:$PATH
	psql -Xqc 'create table t as select 42 as a' -d postgres
	psql -Xqc 'alter system set full_page_writes = on' -d postgres
	home=${PGDATA%/data}
	pg=()
	[ "$(id -u)" != 0 ] || pg=(setpriv "--reuid=$(cat lab/postgres.owner)" --clear-groups --)
	mkdir "$home/new"
	bk-dump -n app 'postgres-base:///?checkpoint=fast&wal=include' |
	    bk-boot --data-dir "$home/new"
	[ "$(stat -c %U:%a "$home/new")" = "$(stat -c %U:%a "$PGDATA")" ]
	clean "$home/new"
	(cd / && "${pg[@]}" "$PGBIN/pg_ctl" -D "$home/new" -l /dev/null -w \
	    -o "-c listen_addresses= -c port=5497 -c unix_socket_directories=$home" start) > out 3>&-
	[ "$(psql -XAtc 'select a from t' -h "$home" -p 5497 -d postgres)" = 42 ]
	# It can be backed up itself, for nothing in it is another user's.
	PGPORT=5497 bk-dump "postgres-base:///?host=$home&checkpoint=fast&wal=include" -n two > two
	tail -n 1 two | grep -q '"end":"ok"'
	(cd / && "${pg[@]}" "$PGBIN/pg_ctl" -D "$home/new" -m immediate -w stop) > out
	# What it is now is nobody's to fill again.
	run -0 --separate-stderr bash -c "bk-boot -v --data-dir '$home/new' < /dev/null"
	said "filled already"
	# As a replica of its original, and the mark that came along is not one.
	mkdir "$home/two"
	bk-dump -n app 'postgres-base:///?checkpoint=fast&wal=include' |
	    bk-boot --data-dir "$home/two" --replica-of "postgres://postgres@127.0.0.1:$PGPORT"
	[ -e "$home/two/standby.signal" ]
	# Its tablespace is in use here: the clone's goes elsewhere.
	"${pg[@]}" mkdir "$home/space"
	psql -Xqc "create tablespace s location '$home/space'" -d postgres
	psql -Xqc 'create table u tablespace s as select 43 as a' -d postgres
	bk-dump -n app 'postgres-base:///?checkpoint=fast&wal=include' > base
	run -73 --separate-stderr sh -c "bk-boot --data-dir '$home/three' < base"
	said "--tablespace '$home/space=NEW'"
	bk-boot --data-dir "$home/three" --tablespace "$home/space=$home/space3" < base
	[ "$(readlink "$home/three"/pg_tblspc/*)" = "$home/space3" ]
	[ -n "$(ls -A "$home/space3")" ]
}

@test "wrong usage" {
	for o in "" "--data-dir d --into fake:" "--into fake:" "--into fake: --if-empty" \
	    "--data-dir d --mark m" "--data-dir d --bundle x --store $S --name n" \
	    "--data-dir d --store $S" "--data-dir d --name n" "--data-dir d --id no" \
	    "--data-dir d --store $S --name n --at yesterday" "--data-dir d word" \
	    "--data-dir d --" "--into fake: --if-empty --mark m --bundle b"; do
		# shellcheck disable=SC2086
		run -64 bk-boot $o < /dev/null
	done
	[ ! -e d ]
}
