load helper

setup() { cd "$BATS_TEST_TMPDIR" || exit; }

sq() { sqlite3 -batch "$@"; }

@test "a database being written comes back as of one moment" {
	for mode in wal delete; do
		sq $mode.db "PRAGMA journal_mode=$mode; CREATE TABLE a(x); CREATE TABLE b(x);
		    INSERT INTO a SELECT randomblob(2000) FROM
		    (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 1500) SELECT i FROM n);
		    INSERT INTO b SELECT x FROM a;" > /dev/null
		( while [ ! -e stop ]; do
			sq -cmd '.timeout 20000' $mode.db 'BEGIN IMMEDIATE; INSERT INTO a VALUES (1);
			    INSERT INTO b VALUES (1); COMMIT'
		done ) 3>&- &
		bk-dump "sqlite://$PWD/$mode.db" | bk-compress > s
		touch stop
		wait
		rm stop
		bk-restore --into "sqlite://$PWD/copy-$mode.db" < s
		[ "$(sq copy-$mode.db 'PRAGMA integrity_check')" = ok ]
		[ "$(sq copy-$mode.db 'SELECT (SELECT count(*) FROM a) = (SELECT count(*) FROM b)')" = 1 ]
		[ "$(sq copy-$mode.db 'SELECT count(*) >= 1500 FROM a')" = 1 ]
	done
}

@test "the copy is what sqlite3 reads as the same, and is proven by marks" {
	sq a.db "CREATE TABLE t(a PRIMARY KEY, b); CREATE VIEW v AS SELECT a FROM t;
	    CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END;
	    INSERT INTO t VALUES (1, 'x'), (2, NULL), (3, x'00ff')"
	bk-dump "sqlite://$PWD/a.db" > s
	grep -aq '"proof":"marks"' s
	head -n 1 s | grep -q '"name":"a.db","engine":"sqlite","ext":"sqlite"'
	head -n 1 s | grep -q "\"path\":\"$PWD/a.db\""
	python3 "$root/tests/mkstream.py" --payload < s > plain.db
	[ "$(sq a.db .dump)" = "$(sq plain.db .dump)" ]
	bk-restore --into "sqlite://$PWD/b.db" < s
	[ "$(sq a.db .dump)" = "$(sq b.db .dump)" ]
}

@test "uncommitted changes of a hot WAL are not in it, committed ones are" {
	sq a.db "PRAGMA journal_mode=wal; CREATE TABLE t(a); INSERT INTO t VALUES (1)" > /dev/null
	mkfifo to
	sq a.db < to > said 3>&- &
	exec 7> to
	echo "INSERT INTO t VALUES (2); BEGIN; INSERT INTO t VALUES (3); SELECT 'in';" >&7
	until grep -qs in said; do :; done
	bk-dump "sqlite://$PWD/a.db" | bk-restore --into "sqlite://$PWD/b.db"
	exec 7>&-
	wait
	[ "$(sq b.db 'SELECT group_concat(a) FROM t')" = 1,2 ]
}

@test "missing 66, no database 65, a cut one 65, unreadable 77" {
	run -66 --separate-stderr bash -c "bk-dump sqlite://$PWD/none.db > out"
	[ ! -e none.db ]
	seq 1000 > text
	run -65 --separate-stderr bash -c "bk-dump sqlite://$PWD/text > out"
	sq a.db "CREATE TABLE t(a); INSERT INTO t VALUES (zeroblob(100000))"
	truncate -s 50000 a.db
	run -65 --separate-stderr bash -c "bk-dump sqlite://$PWD/a.db > out"
	run ! grep -aq '"end":"ok"' out
	as_other
	sq "$pub/c.db" "CREATE TABLE t(a)"
	chmod 000 "$pub/c.db"
	run -77 --separate-stderr bash -c "$as bk-dump sqlite://$pub/c.db > out"
	one_line
	rm -rf "$pub"
}

@test "a target that is there is refused; replaced, the old set is beside" {
	sq a.db "CREATE TABLE t(a); INSERT INTO t VALUES (1)"
	sq b.db "CREATE TABLE t(a); INSERT INTO t VALUES (2)"
	bk-dump "sqlite://$PWD/a.db" > s
	echo stale > b.db-journal
	run -73 --separate-stderr bash -c "bk-restore --into sqlite://$PWD/b.db < s"
	said --replace
	rm b.db-journal
	[ "$(sq b.db 'SELECT a FROM t')" = 2 ]
	echo stale > b.db-wal
	run -0 --separate-stderr bash -c "bk-restore --replace --yes --into sqlite://$PWD/b.db < s"
	said "what was '$PWD/b.db' is now"
	[ "$(sq b.db 'SELECT a FROM t')" = 1 ]
	[ "$(cat b.db.old-*-wal)" = stale ]
	rm b.db.old-*-wal
	[ "$(sq b.db.old-* 'SELECT a FROM t')" = 2 ]
}

@test "a cut stream and a corrupt file leave nothing" {
	sq a.db "CREATE TABLE t(a); INSERT INTO t VALUES (zeroblob(100000))"
	bk-dump "sqlite://$PWD/a.db" > s
	mkdir to
	head -c 60000 s > cut
	run -65 bk-restore --into "sqlite://$PWD/to/b.db" < cut
	[ -z "$(ls -A to)" ]
	# The right length, the wrong pages.
	printf '\177' | dd of=a.db bs=1 seek=4096 conv=notrunc 2> /dev/null
	bk-dump exec: --as sqlite -- cat a.db > s
	run -65 --separate-stderr bash -c "bk-restore --into sqlite://$PWD/to/b.db < s"
	said "integrity check"
	[ -z "$(ls -A to)" ]
}

@test "no temporary file stays, of a dump that is killed either" {
	mkdir tmp
	sq a.db "CREATE TABLE t(a); INSERT INTO t VALUES (zeroblob(9000000))"
	TMPDIR=$PWD/tmp bk-dump "sqlite://$PWD/a.db" > s
	[ -z "$(ls -A tmp)" ]
	mkfifo full
	TMPDIR=$PWD/tmp bk-dump "sqlite://$PWD/a.db" > full 3>&- &
	dump=$!
	head -c 100 full > /dev/null 7< full
	kill -9 $dump 2> /dev/null || true
	wait $dump || true
	[ -z "$(ls -A tmp)" ]
}

@test "a URL that names a host is refused; more slashes than three are one" {
	sq a.db "CREATE TABLE t(a); INSERT INTO t VALUES (7)"
	run -64 --separate-stderr bk-dump "sqlite://srv$PWD/a.db"
	said "names the host 'srv'"
	bk-dump "sqlite:///$PWD/a.db" > s
	run -64 --separate-stderr bash -c "bk-restore --into 'sqlite://srv$PWD/b.db' < s"
	[ ! -e b.db ]
	bk-restore --into "sqlite:///$PWD/b.db" < s
	[ "$(sq b.db "SELECT a FROM t")" = 7 ]
}
