# A restored MariaDB server becomes a replica of the one that was dumped.
load helper

lab() { "$root/tests/lab/mariadb" "$@"; }

setup_file() {
	load helper
	lab start "$BATS_FILE_TMPDIR/one" > "$BATS_FILE_TMPDIR/one.env" || {
		export LAB_MISSING=yes
		return 0
	}
	# shellcheck disable=SC1091
	. "$BATS_FILE_TMPDIR/one.env"
	mariadb --defaults-file="$MARIADB_CNF" <<-'END'
	CREATE USER repl@127.0.0.1 IDENTIFIED BY 'it''s \\ canary';
	GRANT REPLICATION SLAVE ON *.* TO repl@127.0.0.1;
	CREATE DATABASE app_1; CREATE DATABASE other;
	CREATE TABLE app_1.t (i INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(99));
	CREATE TABLE other.t (i INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(99));
	INSERT INTO app_1.t (s) SELECT CONCAT('before ', seq) FROM mysql.seq_1_to_500;
	INSERT INTO other.t (s) SELECT CONCAT('before ', seq) FROM mysql.seq_1_to_50;
	END
}

teardown_file() {
	"$BATS_TEST_DIRNAME/lab/mariadb" stop "$BATS_FILE_TMPDIR/one"
}

# A server of its own for each test: "two".
setup() {
	[ -z "${LAB_MISSING:-}" ] || skip "no MariaDB server"
	cd "$BATS_TEST_TMPDIR" || return 1
	HOME=$BATS_TEST_TMPDIR
	export HOME
	printf '%s\n' "it's \\ canary" > pw
	LAB_MARIADB_ARGS="--server-id=2 --gtid-strict-mode=1" \
	    lab start "$BATS_TEST_TMPDIR/two" > two.env
	use "$BATS_TEST_TMPDIR/two.env"
	two=$MARIADB_CNF two_url=$url TWO_PW=$LAB_PW
	use "$BATS_FILE_TMPDIR/one.env"
	one=$MARIADB_CNF one_url=$url
	primary="mariadb://repl@127.0.0.1:$MARIADB_PORT/?password-file=$PWD/pw"
	export TWO_PW
}

teardown() { lab stop "$BATS_TEST_TMPDIR/two"; }

use() {
	# shellcheck disable=SC1090
	. "$1"
	LAB_PW=$(sed -n 's/^password=//p' "$MARIADB_CNF")
	export LAB_PW
	url=mariadb://lab@127.0.0.1:$MARIADB_PORT
}

sql() { mariadb --defaults-file="$1" -BN -e "$2"; }
restore() { bk-restore --source-env TWO_PW "$@"; }

# Write to the primary, wait until option file $1's server has it.
catches_up() {
	sql "$one" "INSERT INTO app_1.t (s) SELECT CONCAT('after ', seq) FROM mysql.seq_1_to_300;
	    UPDATE app_1.t SET s = CONCAT(s, '!') WHERE i % 3 = 0; DELETE FROM app_1.t WHERE i % 50 = 1"
	gtid=$(sql "$one" "SELECT @@gtid_binlog_pos")
	set -- "$1" "$(sql "$one" "SHOW MASTER STATUS" | head -1)"
	# shellcheck disable=SC2086
	set -- "$1" $2
	if [ "$(sql "$1" "SHOW SLAVE STATUS" | grep -c Slave_Pos)" = 1 ]; then
		[ "$(sql "$1" "SELECT MASTER_GTID_WAIT('$gtid', 30)")" = 0 ]
	else
		[ "$(sql "$1" "SELECT MASTER_POS_WAIT('$2', $3, 30)")" -ge 0 ]
	fi
}

rows() { sql "$1" "SELECT * FROM $2 ORDER BY i"; }

@test "a whole server: the replica catches up and has the same rows" {
	bk-dump --source-env LAB_PW "$one_url" > s
	sql "$one" "INSERT INTO app_1.t (s) VALUES ('between')"
	run -0 --separate-stderr restore -vv --into "$two_url" --replica-of "$primary" < s
	said "replicating from 'mariadb://repl@127.0.0.1"
	[[ $stderr != *canary* ]]
	# The login has the primary's password now.
	sed "s/^port=.*/port=$(sed -n 's/^port=//p' "$two")/" "$one" > two.cnf
	catches_up two.cnf
	sql "$one" "INSERT INTO other.t (s) VALUES ('other'); CREATE DATABASE later; CREATE TABLE later.t (i INT); INSERT INTO later.t VALUES (7)"
	catches_up two.cnf
	for t in app_1.t other.t later.t; do
		rows "$one" $t > a
		rows two.cnf $t > b
		[ -s a ]
		diff a b
	done
	sql "$one" "DROP DATABASE later"
	# Nothing of the restore is in its own log.
	[ "$(sql two.cnf "SHOW BINLOG EVENTS" | grep -c 'before')" = 0 ]
	run -78 --separate-stderr bk-restore --source-env LAB_PW --replace --yes --into "$two_url" --replica-of "$primary" < s
	said "RESET SLAVE ALL"
}

@test "one database: others are left out, and its name stays" {
	bk-dump --source-env LAB_PW "$one_url/app_1" > s
	run -64 --separate-stderr restore --into "$two_url/copy" --replica-of "$primary" < s
	said "'copy'"
	run -0 --separate-stderr restore -v --into "$two_url/app_1" --replica-of "$primary" < s
	said 'replicate-wild-do-table=app\_1.%'
	sql "$one" "INSERT INTO other.t (s) VALUES ('not there'); CREATE DATABASE appx1; CREATE TABLE appx1.t (i INT)"
	catches_up "$two"
	rows "$one" app_1.t > a
	rows "$two" app_1.t > b
	diff a b
	[ -z "$(sql "$two" "SHOW DATABASES LIKE 'appx1'")" ]
	sql "$one" "DROP DATABASE appx1"
}

@test "a backup without position is refused before anything is touched" {
	bk-dump --source-env LAB_PW "$one_url/app_1?without=position" > s
	sql "$two" "CREATE DATABASE app_1; CREATE TABLE app_1.mine (i INT)"
	run -65 --separate-stderr restore --replace --yes --into "$two_url/app_1" --replica-of "$primary" < s
	said "without ?without=position"
	one_line
	[ "$(sql "$two" "SHOW TABLES IN app_1")" = mine ]
	# One of a server without a binary log: known when its record is.
	bk-restore --into exec: -- sh -c 'cat > text' < s
	bk-dump exec: --as mariadb --ext sql -- cat text > raw
	run -65 --separate-stderr restore --replace --yes --into "$two_url/app_1" --replica-of "$primary" < raw
	said "log_bin on"
	[ "$(sql "$two" "SHOW TABLES IN app_1")" = mine ]
	refused() {
		run -64 --separate-stderr restore --into "$two_url/app_1" "${@:2}" < s
		said "$1"
	}
	refused 'want mariadb://' --replica-of postgres://db1
	refused 'want mariadb://' --replica-of mariadb://db1
	refused 'want mariadb://' --replica-of mariadb://repl@db1/app
	refused "'lock'" --replica-of 'mariadb://repl@db1?lock=all'
	refused 'other than --replica-of' --replica-of mariadb://repl@db1 --start
	refused 'other than --replica-of' --timeline 2
	[ -z "$(sql "$two" "SHOW SLAVE STATUS")" ]
}

@test "a primary that refuses: the data are there, and the status says no" {
	bk-dump --source-env LAB_PW "$one_url/app_1" > s
	echo wrong > pw
	run -77 --separate-stderr restore --into "$two_url/app_1" --replica-of "$primary" < s
	said "restored, but no replica of"
	said "Access denied"
	[ "$(sql "$two" "SELECT COUNT(*) FROM app_1.t WHERE s LIKE 'before%'")" -gt 100 ]
	# With the right password it goes on.
	sql "$two" "STOP SLAVE; CHANGE MASTER TO MASTER_PASSWORD = 'it''s \\\\ canary'; START SLAVE"
	catches_up "$two"
	rows "$one" app_1.t > a
	rows "$two" app_1.t > b
	diff a b
}

@test "two servers of one id: 78, and what was restored stays" {
	bk-dump --source-env LAB_PW "$one_url/app_1" > s
	sql "$two" "SET GLOBAL server_id = 1"
	run -78 --separate-stderr restore --into "$two_url/app_1" --replica-of "$primary" < s
	said "restored, but no replica of"
	said "server ids"
	rows "$two" app_1.t > b
	[ -s b ]
}

@test "a position that the primary has no more" {
	bk-dump --source-env LAB_PW "$one_url/app_1" > s
	sql "$one" "FLUSH BINARY LOGS; INSERT INTO app_1.t (s) VALUES ('purged'); FLUSH BINARY LOGS"
	file=$(sql "$one" "SHOW MASTER STATUS" | cut -f1)
	# The server lets a log go when its engines have let go of it.
	until [ "$(sql "$one" "PURGE BINARY LOGS TO '$file'; SHOW BINARY LOGS" | head -1 | cut -f1)" = "$file" ]; do
		[ "$SECONDS" -lt 60 ]
	done
	run -65 --separate-stderr restore --into "$two_url/app_1" --replica-of "$primary" < s
	said "restored, but no replica of"
	said "1236"
}

@test "by file and position, where the primary has no GTID yet" {
	sql "$one" "RESET MASTER"
	bk-dump --source-env LAB_PW "$one_url/app_1" > s
	run ! grep -aq '"gtid"' s
	run -0 --separate-stderr restore -v --into "$two_url/app_1" --replica-of "$primary" < s
	said "since binlog.000001"
	catches_up "$two"
	rows "$one" app_1.t > a
	rows "$two" app_1.t > b
	diff a b
}
