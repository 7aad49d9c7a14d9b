# examples/flows/snapshot-under-lock: the files of a real MariaDB, started again
# from the backup.

load helper

setup() {
	own_store
	for s in here there; do
		"$root/tests/lab/mariadb" start "$PWD/$s" > "$s.env" || skip "no MariaDB server"
	done
	export BK_FLOW=$root/examples/flows/snapshot-under-lock
	export BK_STORE=$S BK_STATE=$PWD/state BK_CONF=$BK_FLOW/bk.conf SNAPSHOT=$PWD/snapshot
	. ./here.env
	export MARIADB_CNF DROP="rm -rf '$SNAPSHOT'"
	data=$(sql -e 'SELECT @@datadir')
	sql -e "CREATE DATABASE site; CREATE TABLE site.page (n INT) ENGINE=MyISAM; INSERT INTO site.page VALUES (1), (2)"
}

teardown() {
	for s in here there; do
		"$BATS_TEST_DIRNAME/lab/mariadb" stop "$BATS_TEST_TMPDIR/$s"
	done
}

sql() { mariadb --defaults-file="$MARIADB_CNF" -BN "$@"; }

@test "the snapshot is taken under the lock, backed up without it, and dropped" {
	# While it is taken nobody can write; while it is backed up one can.
	write="timeout 10 mariadb --defaults-file=$MARIADB_CNF -e 'SET lock_wait_timeout = 1; INSERT INTO site.page VALUES (3)'"
	export TAKE="cp -a '$data/site' '$SNAPSHOT'; if $write 2> refused; then exit 9; fi"
	run -0 --separate-stderr bk-run db-files
	grep -q 'Lock wait timeout' refused
	[ ! -e snapshot ]
	sql -e 'INSERT INTO site.page VALUES (4)'
	# What came back is a directory of a database, which another server reads.
	. ./there.env
	there=$(sql -e 'SELECT @@datadir')
	bk-restore --name db-files --latest --into "files://$PWD/back"
	cp -a back "$there/site"
	chown -R --reference="$there" "$there/site"
	[ "$(sql -e 'SELECT SUM(n) FROM site.page')" = 3 ]
}

@test "no snapshot, no backup; the lock is gone" {
	TAKE=false run -65 --separate-stderr bk-run db-files
	nothing_listed store
	sql -e 'INSERT INTO site.page VALUES (4)'
}
