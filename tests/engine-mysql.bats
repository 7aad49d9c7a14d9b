# The engine for MySQL and MariaDB against a real MariaDB server.
load helper

lab() { "$root/tests/lab/mariadb" "$@"; }

setup_file() {
	load helper
	for s in one two; do
		lab start "$BATS_FILE_TMPDIR/$s" > "$BATS_FILE_TMPDIR/$s.env" || {
			export LAB_MISSING=yes
			return 0
		}
	done
	# shellcheck disable=SC1091
	. "$BATS_FILE_TMPDIR/one.env"
	fill app
}

teardown_file() {
	for s in one two three; do
		"$BATS_TEST_DIRNAME/lab/mariadb" stop "$BATS_FILE_TMPDIR/$s"
	done
}

setup() {
	[ -z "${LAB_MISSING:-}" ] || skip "no MariaDB server"
	use one
	cd "$BATS_TEST_TMPDIR" || return 1
	HOME=$BATS_TEST_TMPDIR
	export HOME
}

# Make server $1 the one that sql and $url speak of.
use() {
	# shellcheck disable=SC1090
	. "$BATS_FILE_TMPDIR/$1.env"
	LAB_PW=$(sed -n 's/^password=//p' "$MARIADB_CNF")
	export LAB_PW
	url=mariadb://lab@127.0.0.1:$MARIADB_PORT
}

sql() { mariadb --defaults-file="$MARIADB_CNF" --default-character-set=utf8mb4 -BN "$@"; }
dump() { bk-dump --source-env LAB_PW "$@"; }
restore() { bk-restore --source-env LAB_PW "$@"; }

# The payload of the stream in file $1.
payload() { bk-restore --into exec: -- sh -c 'cat >"$0"' "$2" < "$1"; }

# All of a database as text, comparable.
text_of() {
	mariadb-dump --defaults-file="$MARIADB_CNF" --skip-comments --routines \
	    --events --triggers --hex-blob --order-by-primary "$1"
}

fill() {
	mariadb --defaults-file="$MARIADB_CNF" --default-character-set=utf8mb4 <<-END
	CREATE DATABASE $1 CHARACTER SET utf8mb4 COLLATE utf8mb4_danish_ci;
	USE $1;
	CREATE TABLE t (id BIGINT UNSIGNED PRIMARY KEY, s TEXT, b LONGBLOB,
	  d DECIMAL(30,10), at DATETIME(6), e ENUM('a','ü'), j JSON, bits BIT(5),
	  f DOUBLE, v INT AS (LENGTH(s)) VIRTUAL, g INT AS (LENGTH(b)) STORED);
	INSERT INTO t (id,s,b,d,at,e,j,bits,f) VALUES
	  (18446744073709551615, CONCAT('🐬 \'quoted\' \\\\ ', CHAR(13,10), '-- Dump completed', CHAR(10), 'tab', CHAR(9)),
	   UNHEX(CONCAT('00FF', REPEAT('0A0D1A27225C', 50))), 12345678901234567890.0123456789,
	   '2026-02-28 23:59:59.999999', 'ü', '{"k":[1,null]}', b'10101', 1e-300),
	  (0, '', '', 0, NULL, 'a', NULL, NULL, NULL), (1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
	CREATE TABLE child (id INT AUTO_INCREMENT PRIMARY KEY, t_id BIGINT UNSIGNED,
	  FOREIGN KEY (t_id) REFERENCES t (id));
	INSERT INTO child (t_id) VALUES (0), (1), (18446744073709551615);
	CREATE VIEW v AS SELECT t.id, s FROM t JOIN child ON t.id = t_id;
	CREATE FUNCTION twice(x INT) RETURNS INT DETERMINISTIC RETURN 2 * x;
	CREATE EVENT e ON SCHEDULE EVERY 1 YEAR DO DELETE FROM child WHERE id > 1000000;
	DELIMITER ;;
	CREATE PROCEDURE p()
	BEGIN

	-- Dump completed
	  SELECT COUNT(*) FROM t;
	END;;
	CREATE TRIGGER tr BEFORE INSERT ON child FOR EACH ROW SET NEW.id = COALESCE(NEW.id, 7);;
	DELIMITER ;
	END
}

@test "one database comes back under another name, all of it" {
	dump "$url/app" > s
	restore --into "$url/copy" < s
	text_of app > a
	text_of copy > b
	diff a b
	[ "$(sql -e "SELECT id FROM copy.t ORDER BY id DESC LIMIT 1")" = 18446744073709551615 ]
	[ "$(sql -e "SELECT HEX(b), s LIKE '🐬%' FROM copy.t WHERE g > 2")" = \
	    "$(sql -e "SELECT HEX(b), 1 FROM app.t WHERE g > 2")" ]
	[ "$(sql -e "SELECT copy.twice(21)")" = 42 ]
	[ "$(sql -e "SELECT default_collation_name FROM information_schema.schemata WHERE schema_name = 'copy'")" = utf8mb4_danish_ci ]
	sql -e "DROP DATABASE copy"
}

@test "the record tells engine, source, server, tool and lock" {
	dump "$url/app" > s
	head -1 s | grep -q '"name":"app","engine":"mariadb","ext":"sql"'
	head -1 s | grep -q "\"port\":$MARIADB_PORT,\"database\":\"app\""
	head -1 s | grep -q '"server":"10\.'
	head -1 s | grep -q '"tool":"mariadb-dump '
	head -1 s | grep -q '"lock":"none"'
	tail -1 s | grep -q '"proof":"marks"'
	dump "mysql://lab@127.0.0.1:$MARIADB_PORT/app" | head -1 | grep -q '"engine":"mysql"'
}

@test "several databases come back together, and not into one" {
	sql -e "CREATE DATABASE crm; CREATE TABLE crm.x (i INT PRIMARY KEY); INSERT INTO crm.x VALUES (1)"
	dump "$url/app,crm" > s
	use two
	run -64 --separate-stderr restore --into "$url/app" < s
	said "leave the name out"
	one_line
	[ -z "$(sql -e "SHOW DATABASES LIKE 'app'")" ]
	restore --into "$url" < s
	text_of app > b
	[ "$(sql -e "SELECT * FROM crm.x")" = 1 ]
	sql -e "INSERT INTO crm.x VALUES (2)"
	run -73 --separate-stderr restore --into "$url" < s
	said "holds something"
	[ "$(sql -e "SELECT COUNT(*) FROM crm.x")" = 2 ]
	restore --replace --yes --into "$url" < s
	[ "$(sql -e "SELECT COUNT(*) FROM crm.x")" = 1 ]
	sql -e "DROP DATABASE app; DROP DATABASE crm"
	use one
	text_of app > a
	diff a b
	sql -e "DROP DATABASE crm"
}

@test "all databases with accounts and grants" {
	sql -e "CREATE USER 'joe'@'127.0.0.1' IDENTIFIED BY 'joe''s'; CREATE ROLE readers;
	    GRANT SELECT ON app.* TO readers; GRANT readers TO 'joe'@'127.0.0.1';
	    GRANT INSERT (id) ON app.t TO 'joe'@'127.0.0.1';
	    GRANT EXECUTE ON PROCEDURE app.p TO 'joe'@'127.0.0.1'"
	sql -e "SHOW GRANTS FOR 'joe'@'127.0.0.1'; SHOW GRANTS FOR readers" | sort > a
	dump "$url/" > s
	head -1 s | grep -q '"name":"all"'
	lab start "$BATS_FILE_TMPDIR/three" > "$BATS_FILE_TMPDIR/three.env"
	use three
	sql -e "CREATE DATABASE old; CREATE TABLE old.x (i INT)"
	run -64 --separate-stderr restore --into "$url/app" < s
	run -73 --separate-stderr restore --into "$url/" < s
	said "'old'"
	[ "$(sql -e "SHOW TABLES IN old")" = x ]
	sql -e "DROP DATABASE old"
	payload s all.sql
	sed 's/^CREATE TABLE `t`/CREATE TABLE t t/' all.sql > bad.sql
	bk-dump exec: --as mariadb --ext sql -- cat bad.sql > bad
	run -65 --separate-stderr restore --into "$url" < bad
	said "ERROR 1064"
	[ -z "$(sql -e "SHOW DATABASES LIKE 'app'")" ]
	sql -e "CREATE DATABASE old; CREATE TABLE old.x (i INT)"
	restore --replace --yes --into "$url/" < s
	# The administrator has the password of the source now.
	cp "$MARIADB_CNF" admin.cnf
	port=$MARIADB_PORT
	use one
	cp "$MARIADB_CNF" admin.cnf
	sed -i "s/^port=.*/port=$port/" admin.cnf
	text_of app > x
	MARIADB_CNF=admin.cnf
	[ -z "$(sql -e "SHOW DATABASES LIKE 'old'")" ]
	sql -e "SHOW GRANTS FOR 'joe'@'127.0.0.1'; SHOW GRANTS FOR readers" | sort > b
	diff a b
	text_of app > y
	diff x y
	printf '[client]\nprotocol=tcp\nhost=127.0.0.1\nport=%s\nuser=joe\npassword="joe'"'"'s"\n' "$port" > joe.cnf
	[ "$(mariadb --defaults-file=joe.cnf -BN -e "SET ROLE readers; SELECT COUNT(*) FROM app.t")" = 3 ]
	lab stop "$BATS_FILE_TMPDIR/three"
	use one
	sql -e "DROP USER 'joe'@'127.0.0.1'; DROP ROLE readers"
}

@test "tables that are not transactional are locked while others write" {
	sql -e "CREATE DATABASE mix; USE mix;
	    CREATE TABLE a (i INT) ENGINE=MyISAM; CREATE TABLE z (i INT) ENGINE=Aria;
	    CREATE TABLE m (i INT, s CHAR(200)); INSERT INTO m SELECT seq, REPEAT('x', 200) FROM seq_1_to_100000;
	    CREATE TABLE stop (i INT)"
	sql -D mix <<-'END'
	DELIMITER ;;
	CREATE PROCEDURE work()
	BEGIN
	  DECLARE n INT DEFAULT 0;
	  REPEAT
	    SET n = n + 1;
	    INSERT INTO a VALUES (n);
	    INSERT INTO z VALUES (n);
	  UNTIL (SELECT COUNT(*) FROM stop) > 0 END REPEAT;
	END;;
	END
	sql -D mix -e "CALL work()" 3>&- &
	writer=$!
	until [ "$(sql -e "SELECT COUNT(*) FROM mix.z")" -gt 100 ]; do :; done
	run -0 --separate-stderr sh -c "bk-dump --source-env LAB_PW '$url/mix' > s"
	said "writers wait"
	n=$(sql -e "SELECT COUNT(*) FROM mix.z")
	until [ "$(sql -e "SELECT COUNT(*) FROM mix.z")" -gt "$n" ]; do :; done
	sql -e "INSERT INTO mix.stop VALUES (1)"
	wait "$writer"
	head -1 s | grep -q '"lock":"all"'
	restore --into "$url/mix2" < s
	d=$(sql -e "SELECT (SELECT COUNT(*) FROM mix2.a) - (SELECT COUNT(*) FROM mix2.z)")
	[ "$d" -eq 0 ] || [ "$d" -eq 1 ]
	[ "$(sql -e "SELECT COUNT(*) FROM mix2.m")" = 100000 ]
	sql -e "DELETE FROM mix.stop"
	run -0 --separate-stderr sh -c "bk-dump --source-env LAB_PW '$url/mix?lock=none' > s"
	said "may not be consistent"
	head -1 s | grep -q '"not-transactional":2'
	head -1 s | grep -q '"lock":"none"'
	sql -e "CREATE DATABASE ver; CREATE TABLE ver.v (i INT) ENGINE=Aria WITH SYSTEM VERSIONING"
	run -0 sh -c "bk-dump --source-env LAB_PW '$url/ver' | head -1"
	[[ $output == *'"not-transactional":1'*'"lock":"all"'* ]]
	sql -e "DROP DATABASE ver"
	run -0 sh -c "bk-dump --source-env LAB_PW '$url/app?lock=all' | head -1"
	[[ $output == *'"lock":"all"'* ]]
	sql -e "DROP DATABASE mix; DROP DATABASE mix2"
}

@test "the log replayed from the recorded position gives the source again" {
	sql -e "CREATE DATABASE led; USE led; CREATE TABLE led.l (i INT AUTO_INCREMENT PRIMARY KEY, j INT);
	    INSERT INTO led.l (j) SELECT seq FROM seq_1_to_1000; CREATE TABLE led.stop (i INT);
	    FLUSH BINARY LOGS"
	sql -D led <<-'END'
	DELIMITER ;;
	CREATE PROCEDURE work()
	REPEAT
	  INSERT INTO l (j) VALUES (RAND() * 1000);
	  UPDATE l SET j = j + 1 WHERE i % 7 = 0;
	UNTIL (SELECT COUNT(*) FROM stop) > 0 END REPEAT;;
	END
	sql -D led -e "CALL work()" 3>&- &
	writer=$!
	until [ "$(sql -e "SELECT COUNT(*) FROM led.l")" -gt 1010 ]; do :; done
	dump "$url/led" > s
	n=$(sql -e "SELECT COUNT(*) FROM led.l")
	until [ "$(sql -e "SELECT COUNT(*) FROM led.l")" -gt "$n" ]; do :; done
	sql -e "INSERT INTO led.stop VALUES (1)"
	wait "$writer"
	file=$(head -1 s | sed -n 's/.*"position":{"file":"\([^"]*\)".*/\1/p')
	pos=$(head -1 s | sed -n 's/.*"pos":\([0-9]*\).*/\1/p')
	tail -1 s | grep -q '"gtid":"0-1-'
	[ -n "$file" ] && [ "$pos" -gt 4 ]
	mariadb-binlog --defaults-file="$MARIADB_CNF" --read-from-remote-server \
	    --to-last-log --start-position="$pos" --database=led "$file" > log.sql
	want=$(sql -e "CHECKSUM TABLE led.l")
	use two
	restore --into "$url/led" < s
	[ "$(sql -e "CHECKSUM TABLE led.l")" != "$want" ]
	sql < log.sql
	[ "$(sql -e "CHECKSUM TABLE led.l")" = "$want" ]
	sql -e "DROP DATABASE led"
	use one
	sql -e "DROP DATABASE led"
	dump "$url/app?without=position" > s
	run ! grep -aq '"file"' s
	head -1 s | grep -q '"without":\["position"\]'
}

@test "no login, no database, no server: the status of the whole pipeline" {
	LAB_PW=wrong plain "bk-dump --source-env LAB_PW '$url/app' | bk-compress > out"
	[ "$status" -eq 77 ]
	said "Access denied"
	plain "bk-dump --source-env LAB_PW '$url/nosuch' | bk-compress > out"
	[ "$status" -eq 66 ]
	said "Unknown database 'nosuch'"
	plain "bk-dump --source-env LAB_PW mariadb://lab@127.0.0.1:1/app | bk-compress > out"
	[ "$status" -eq 69 ]
	said "Can't connect"
	plain "bk-dump 'mariadb://lab:canary@127.0.0.1:1/app' | bk-compress > out"
	[ "$status" -eq 64 ]
	[[ $stderr != *canary* ]]
	run -66 --separate-stderr dump "$url/app,nosuch"
	[[ $output == '{"end":"failed","status":66,'* ]]
}

@test "the server goes away: 65, and the stream says so" {
	lab start "$BATS_FILE_TMPDIR/three" > "$BATS_FILE_TMPDIR/three.env"
	use three
	sql -e "CREATE DATABASE big; USE big; CREATE TABLE big.t (i INT, s CHAR(250));
	    INSERT INTO big.t SELECT seq, REPEAT('y', 250) FROM seq_1_to_200000"
	export root BATS_FILE_TMPDIR
	plain "bk-dump --source-env LAB_PW '$url/big' | { head -c 2000000;
	    '$root/tests/lab/mariadb' kill '$BATS_FILE_TMPDIR/three'; cat; } | bk-compress > out"
	[ "$status" -eq 65 ]
	said "Lost connection"
	[[ $(tail -1 out) == *'"end":"failed","status":65'* ]]
}

# A mariadb-dump of ours before the real one: $1 is what it does instead.
fake_tool() {
	real=$(command -v mariadb-dump)
	mkdir -p bin
	cat > bin/mariadb-dump <<-END
	#!/bin/sh
	case "\$*" in *--version | *--help) exec $real "\$@" ;; esac
	$1
	END
	chmod +x bin/mariadb-dump
	cp bin/mariadb-dump bin/mysqldump
}

@test "a tool that fails in whatever way makes no backup" {
	fake_tool "$(command -v mariadb-dump) \"\$@\" | head -c 3000"
	PATH=$PWD/bin:$PATH plain "bk-dump --source-env LAB_PW '$url/app' | bk-compress > out"
	[ "$status" -eq 65 ]
	said "not complete"
	fake_tool "$(command -v mariadb-dump) \"\$@\"; echo 'mariadb-dump: Error: half of it' >&2"
	PATH=$PWD/bin:$PATH plain "bk-dump --source-env LAB_PW '$url/app' | bk-compress > out"
	[ "$status" -eq 65 ]
	said "half of it"
	fake_tool "$(command -v mariadb-dump) \"\$@\"; exit 3"
	PATH=$PWD/bin:$PATH plain "bk-dump --source-env LAB_PW '$url/app' | bk-compress > out"
	[ "$status" -eq 65 ]
	said "exited 3"
	fake_tool "$(command -v mariadb-dump) \"\$@\"; kill -9 \$\$"
	PATH=$PWD/bin:$PATH plain "bk-dump --source-env LAB_PW '$url/app' | bk-compress > out"
	[ "$status" -eq 65 ]
	[[ $(tail -1 out) == *'"end":"failed","status":65'* ]]
	fake_tool "exit 0"
	PATH=$PWD/bin:$PATH plain "bk-dump --source-env LAB_PW '$url/app' | bk-compress > out"
	[ "$status" -eq 65 ]
	fake_tool "exec sleep 60"
	PATH=$PWD/bin:$PATH plain "bk-dump --timeout 2s --source-env LAB_PW '$url/app' | bk-compress > out"
	[ "$status" -eq 65 ]
	said "timeout"
}

@test "a tool older than the server is refused" {
	mkdir bin
	printf '#!/bin/sh\necho "mariadb-dump  Ver 10.19 Distrib 10.5.23-MariaDB, for Linux"\n' > bin/mariadb-dump
	chmod +x bin/mariadb-dump
	cp bin/mariadb-dump bin/mysqldump
	PATH=$PWD/bin:$PATH run -78 --separate-stderr dump "$url/app"
	said "older than the server (10."
	# MySQL's own carries no accounts of MariaDB.
	sed -i 's/echo.*/echo "mysqldump  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)"/' bin/*
	PATH=$PWD/bin:$PATH run -78 --separate-stderr dump "$url/"
	said "install mariadb-dump"
}

@test "a missing right is named before the dump" {
	sql -e "CREATE USER low@127.0.0.1 IDENTIFIED BY 'low'; GRANT SELECT ON app.t TO low@127.0.0.1"
	u=mariadb://low@127.0.0.1:$MARIADB_PORT
	MYSQL_PWD=low run -77 --separate-stderr bk-dump --check "$u/app"
	said "GRANT SELECT, TRIGGER, EVENT ON \`app\`.* TO 'low'@'127.0.0.1'"
	sql -e "GRANT SELECT ON app.* TO low@127.0.0.1"
	MYSQL_PWD=low run -77 --separate-stderr bk-dump "$u/app"
	said "GRANT SHOW VIEW, TRIGGER, EVENT ON \`app\`.* TO 'low'@'127.0.0.1'"
	said "?without=triggers,events"
	sql -e "GRANT SHOW VIEW, TRIGGER, EVENT ON app.* TO low@127.0.0.1"
	MYSQL_PWD=low run -77 --separate-stderr bk-dump "$u/app"
	said "GRANT SELECT ON mysql.proc TO 'low'@'127.0.0.1'"
	MYSQL_PWD=low bk-dump "$u/app?without=routines" > s
	head -1 s | grep -q '"without":\["routines"\]'
	run ! grep -aq 'PROCEDURE' s
	grep -aq 'TRIGGER' s
	MYSQL_PWD=low run -77 --separate-stderr bk-dump "$u/app?lock=all&without=routines"
	said "GRANT RELOAD ON *.*"
	# These rights are enough, and with them the dump is the administrator's.
	sql -e "GRANT SELECT ON mysql.proc TO low@127.0.0.1"
	MYSQL_PWD=low bk-dump "$u/app" > s
	head -1 s | grep -q '"position":{"file"'
	restore --into "$url/lowcopy" < s
	text_of app > a
	text_of lowcopy > b
	diff a b
	MYSQL_PWD=low run -77 --separate-stderr bk-dump "$u/"
	said "ON *.*"
	sql -e "DROP DATABASE lowcopy; DROP USER low@127.0.0.1"
}

@test "no password in arguments, environments, messages or the stream" {
	sql -e "CREATE USER can@127.0.0.1 IDENTIFIED BY 'ca\"na\\\\ry #x';
	    GRANT ALL ON *.* TO can@127.0.0.1;
	    CREATE DATABASE cana; USE cana; CREATE TABLE cana.t (i INT, s CHAR(250));
	    INSERT INTO cana.t SELECT seq, REPEAT('y', 250) FROM seq_1_to_20000"
	printf 'ca"na\\ry #x\n' > pw
	# Reads a little, looks at every process while the dump waits, reads on.
	cat > look <<-'END'
	head -c 100000 > first
	pgrep -x mariadb-dump > pids
	for p in /proc/[0-9]*; do
		tr '\0' '\n' < "$p/cmdline" | grep -F 'na\ry' > /dev/null && echo "$p cmdline"
		tr '\0' '\n' < "$p/environ" | grep -F 'na\ry' > /dev/null && echo "$p environ"
	done > found 2>/dev/null
	cat > rest
	END
	mkdir tmp
	export TMPDIR=$PWD/tmp
	bk-dump -vv "mariadb://can@127.0.0.1:$MARIADB_PORT/cana?password-file=$PWD/pw" 2> log | sh look
	tail -1 rest | grep -q '"end":"ok"'
	[ -s pids ]
	[ ! -s found ]
	run ! grep -aF 'na\ry' log first rest
	# From our environment it goes no further.
	MYSQL_PWD='ca"na\ry #x' bk-dump "mariadb://can@127.0.0.1:$MARIADB_PORT/cana" | env -u MYSQL_PWD sh look
	while read -r p _; do
		case $(readlink "$p/exe") in *mariadb*) false ;; esac
	done < found
	# Nothing was left in a temporary directory.
	[ -z "$(ls -A tmp)" ]
	sql -e "DROP DATABASE cana; DROP USER can@127.0.0.1"
}

@test "a password given goes before that of the vendor's file" {
	printf '[client]\nuser=lab\npassword=wrong\n' > .my.cnf
	chmod 600 .my.cnf
	run -77 --separate-stderr bk-dump "$url/app"
	dump "$url/app" > s
	printf '[client]\nuser=lab\npassword=%s\n' "$LAB_PW" > .my.cnf
	bk-dump "mariadb://127.0.0.1:$MARIADB_PORT/app" > s
	tail -1 s | grep -q '"end":"ok"'
	# By its socket, the rest from the vendor's file.
	bk-dump "mariadb:///app?socket=$MARIADB_SOCKET" > s
	tail -1 s | grep -q '"end":"ok"'
}

@test "vendor options that break a promise are refused" {
	for o in --result-file=x -rx --tab=/tmp --skip-comments --compact --comp -X \
	    --host=x -hx -uroot --password=x --password -P1 --databases --all-databases \
	    --single-transaction --skip-lock-tables --skip_triggers --force -f \
	    --defaults-file=/x --loose-skip-comments --master-data=1 table; do
		run -64 --separate-stderr bk-dump --source-env LAB_PW "$url/app" -- "$o"
		[[ $stderr == bk-dump:* ]]
	done
	[ ! -e x ]
	dump "$url/app" -- --ignore-table=app.child --skip-tz-utc > s
	run ! grep -aq 'CREATE TABLE `child`' s
	run -64 --separate-stderr dump "$url/app?lock=maybe"
	said "auto, all or none"
	run -64 --separate-stderr dump "$url/app?without=rows"
	said "routines, events, triggers, position"
	run -64 --separate-stderr dump "$url/app,"
}

@test "a target that holds something is left as it is" {
	sql -e "CREATE DATABASE held; CREATE TABLE held.mine (i INT); CREATE DATABASE empty"
	dump "$url/app" > s
	run -73 --separate-stderr restore --into "$url/held" < s
	said "holds something"
	one_line
	[ "$(sql -e "SHOW TABLES IN held")" = mine ]
	restore --into "$url/empty" < s
	[ "$(sql -e "SELECT COUNT(*) FROM empty.t")" = 3 ]
	restore --replace --yes --into "$url/held" < s
	[ -z "$(sql -e "SHOW TABLES IN held LIKE 'mine'")" ]
	sql -e "DROP DATABASE held; DROP DATABASE empty"
}

@test "a stream that is cut or a dump without its mark restores nothing" {
	sql -e "CREATE DATABASE kept; CREATE TABLE kept.mine (i INT)"
	dump "$url/app" > s
	payload s whole.sql
	head -c $(($(wc -c < s) - 40)) s > cut
	run -65 --separate-stderr restore --replace --yes --into "$url/kept" < cut
	[ "$(sql -e "SHOW TABLES IN kept")" = mine ]
	run -65 --separate-stderr restore --into "$url/new" < cut
	[ -z "$(sql -e "SHOW DATABASES LIKE 'new'")" ]
	head -c $(($(wc -c < whole.sql) - 60)) whole.sql > cut.sql
	run -65 --separate-stderr bk-dump exec: --as mariadb --ext sql -- cat cut.sql
	said "not complete"
	bk-dump exec: --as mariadb --ext sql -- cat whole.sql > s2
	tail -1 s2 | grep -q '"proof":"marks"'
	restore --into "$url/new" < s2
	[ "$(sql -e "SELECT COUNT(*) FROM new.t")" = 3 ]
	sql -e "DROP DATABASE kept; DROP DATABASE new"
}

@test "a restore that fails takes away what it made" {
	dump "$url/app" > s
	payload s whole.sql
	sed 's/^CREATE TABLE `t`/CREATE TABLE t t/' whole.sql > bad.sql
	bk-dump exec: --as mariadb --ext sql -- cat bad.sql > s2
	run -65 --separate-stderr restore --into "$url/broken" < s2
	said "ERROR 1064"
	[ -z "$(sql -e "SHOW DATABASES LIKE 'broken'")" ]
	sql -e "CREATE DATABASE broken COLLATE latin1_danish_ci"
	run -65 --separate-stderr restore --into "$url/broken" < s2
	[ -z "$(sql -e "SHOW TABLES IN broken")" ]
	[ "$(sql -e "SELECT default_collation_name FROM information_schema.schemata WHERE schema_name = 'broken'")" = latin1_danish_ci ]
	sql -e "DROP DATABASE broken"
	# An engine that the server has not is found before.
	sed 's/^) ENGINE=InnoDB/) ENGINE=NoSuch/' whole.sql > bad.sql
	bk-dump exec: --as mariadb --ext sql -- cat bad.sql > s2
	run -78 --separate-stderr restore --into "$url/broken" < s2
	said "'NoSuch'"
	[ -z "$(sql -e "SHOW DATABASES LIKE 'broken'")" ]
}

@test "nothing in a dump is executed but SQL" {
	dump "$url/app" > s
	payload s whole.sql
	for c in '\! touch ran' 'system touch ran' 'source /dev/null' 'tee ran'; do
		{ head -20 whole.sql; echo "$c"; tail -n +21 whole.sql; } > bad.sql
		bk-dump exec: --as mariadb --ext sql -- cat bad.sql > s2
		run -65 --separate-stderr restore --into "$url/bad" < s2
		[ ! -e ran ]
		[ -z "$(sql -e "SHOW DATABASES LIKE 'bad'")" ]
	done
}

@test "odd names" {
	sql -e "CREATE DATABASE \`-wë\"i\\'rd\`; CREATE TABLE \`-wë\"i\\'rd\`.\`t\` (i INT); INSERT INTO \`-wë\"i\\'rd\`.\`t\` VALUES (5)"
	dump "$url/-w%C3%AB%22i%5C'rd" > s
	head -1 s | grep -q '"name":"w'
	restore --into "$url/od%60d" < s
	[ "$(sql -e "SELECT i FROM \`od\`\`d\`.t")" = 5 ]
	sql -e "DROP DATABASE \`od\`\`d\`; DROP DATABASE \`-wë\"i\\'rd\`"
}

@test "a plain shell and the vendor's client restore the payload" {
	dump "$url/app" > s
	payload s whole.sql
	sql -e "CREATE DATABASE byhand COLLATE utf8mb4_danish_ci"
	sql byhand < whole.sql
	text_of app > a
	text_of byhand > b
	diff a b
	sql -e "DROP DATABASE byhand"
}
