#!/usr/bin/env bats
# PostgreSQL base backups: of a private server with tablespaces, of its
# standby, and of made-up servers of the ages that cannot be had.

load helper
load wal

setup_file() {
	export BATS_TEST_TIMEOUT=120
	root=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
	lab=$BATS_FILE_TMPDIR/lab
	"$root/tests/lab/postgres" start "$lab" > "$BATS_FILE_TMPDIR/env" || return 1
	. "$BATS_FILE_TMPDIR/env"
	home=${PGDATA%/data}
	for n in one 't wo'; do
		mkdir "$home/$n"
		[ "$(id -u)" -ne 0 ] || chown "$(cat "$lab/postgres.owner")" "$home/$n"
	done
	psql -Xq -v ON_ERROR_STOP=1 -d postgres <<-SQL
	CREATE ROLE low LOGIN PASSWORD 'p:w\\ canary7731';
	CREATE ROLE repl LOGIN REPLICATION PASSWORD 'p:w\\ canary7731';
	CREATE TABLESPACE one LOCATION '$home/one';
	CREATE TABLESPACE two LOCATION '$home/t wo';
	CREATE TABLE t AS SELECT g AS a, md5(g::text) AS b FROM generate_series(1, 20000) g;
	CREATE TABLE u TABLESPACE one AS SELECT * FROM t;
	CREATE TABLE v TABLESPACE two AS SELECT * FROM t;
	SQL
}

teardown_file() {
	"$root/tests/lab/postgres" stop "$BATS_FILE_TMPDIR/lab"
}

setup() {
	. "$BATS_FILE_TMPDIR/env"
	PATH=$PGBIN:$PATH
	own_store
	U='postgres-base:///?checkpoint=fast'
	R="postgres-base://repl@127.0.0.1:$PGPORT/?checkpoint=fast"
	printf '%s\n' 'p:w\ canary7731' > repl.pw
}

# A base backup is under way.
streaming() {
	timeout 20 sh -c "until psql -XAtqc \"SELECT 1 FROM pg_stat_progress_basebackup
	    WHERE phase = 'streaming database files'\" | grep -q 1; do :; done"
}

payload() { python3 "$root/tests/mkstream.py" --payload < "$1"; }
header() { head -n 1 "$1"; }
last() { tail -c 20000 "$1" | grep -ao '{"end".*'; }

@test "one tar, tablespaces in it, which pg_verifybackup finds good" {
	bk-dump "$U" > s
	last s | grep '"proof":"marks"'
	payload s > base.tar
	mkdir tree && tar -xf base.tar -C tree
	[ "$(find tree/pg_tblspc -mindepth 1 -maxdepth 1 -type d | wc -l)" -eq 2 ]
	# Links where the tablespaces were, so that it looks as the server's does.
	for d in tree/pg_tblspc/*; do
		mv "$d" "moved-${d##*/}" && ln -s "$PWD/moved-${d##*/}" "$d"
	done
	pg_verifybackup --no-parse-wal tree
	[ "$(grep -c . tree/tablespace_map)" -eq 2 ]
}

@test "the record says where it begins and ends, and what it requires" {
	bk-dump "$U" > s
	header s > h
	last s > e
	python3 - "$(q "SELECT system_identifier FROM pg_control_system()")" <<-'PY'
	import json, sys
	h, e = json.load(open("h")), json.load(open("e"))
	i, system = h["info"], sys.argv[1]
	assert h["name"] == "base" and h["engine"] == "postgres-base" and h["ext"] == "tar", h
	assert h["source"] == {"engine": "postgres-base", "server": system}, h
	assert i["system"] == system and i["timeline"] == 1, i
	assert i["server-version"] // 10000 == int(i["server"].split(".")[0]), i
	assert i["wal-segment-bytes"] == 16777216 and i["from-standby"] is False, i
	assert [t["path"].rsplit("/")[-1] for t in i["tablespaces"]] in (
	    ["one", "t wo"], ["t wo", "one"]), i
	assert i["start-wal"] == e["requires"][0].split("/")[-1][:-1], (i, e)
	first, last = i["start-wal"], e["info"]["stop-wal"]
	assert [r for r in e["requires"]] == ["base/wal/%s/00000001/%s%08X-" % (
	    system, first[:16], n) for n in range(int(first[16:], 16),
	    int(last[16:], 16) + 1)], e
	assert e["info"]["stop-time"] > h["time"], (h, e)
	PY
	run -0 --separate-stderr sh -c "bk-dump -n other '$U' | bk-compress > z"
	said '?wal=include puts it into the backup'
	last z | grep '"requires":\["other/wal/'
}

@test "with the log in it, it requires nothing" {
	bk-dump "$U&wal=include&checksums=sha256&label=it's" > s
	last s > e
	! grep requires e
	grep '"proof":"marks"' e
	payload s | tar -xO backup_label | grep "^LABEL: it's"
	payload s | tar -t | grep -x 'pg_wal/0000000100000000000000..'
	payload s | tar -xO backup_manifest | grep '"Checksum-Algorithm": "SHA256"'
}

@test "a password by file, by variable, and none where others see it" {
	bk-dump "$R&password-file=$PWD/repl.pw" > s
	last s | grep '"end":"ok"'
	! grep -a canary7731 s
	PGDATESTYLE=junk PGPASSWORD=wrong PW='p:w\ canary7731' \
	    bk-dump --source-env PW "$R" > s
	last s | grep '"end":"ok"'
	PGPASSWORD=wrong run -77 --separate-stderr bk-dump "$R"
	said 'password authentication failed'
}

@test "what is missing is named, with its remedy" {
	run -77 --separate-stderr bk-dump "${R/repl@/low@}&password-file=$PWD/repl.pw"
	said 'ALTER ROLE low REPLICATION'
	one_line
	run -69 --separate-stderr bk-dump "postgres-base://127.0.0.1:1/"
	one_line
	run -64 --separate-stderr bk-dump "postgres-base:///app"
	said "leave out '/app'"
	run -64 --separate-stderr bk-dump "$U&max-rate=3"
	run -64 --separate-stderr bk-dump "$U&checksums=md5"
	run -64 --separate-stderr bk-dump "postgres-base:///?checkpoint=now"
	run -64 --separate-stderr bk-dump "$U" -- --verbose
}

@test "no entry in pg_hba.conf for it" {
	cp "$PGDATA/pg_hba.conf" hba
	sed '/replication/d' hba > "$PGDATA/pg_hba.conf"
	q 'SELECT pg_reload_conf()' > /dev/null
	run -77 --separate-stderr bk-dump "$U"
	cat hba > "$PGDATA/pg_hba.conf"
	q 'SELECT pg_reload_conf()' > /dev/null
	said 'pg_hba.conf, and reload'
}

@test "a server without room for it" {
	restart_with "max_wal_senders = 0" "wal_level = minimal" "archive_mode = off"
	run -78 --separate-stderr bk-dump "$U"
	restart_with "max_wal_senders = 1" "wal_level = replica"
	said 'wal_level = replica, and restart'
	bk-dump "$U&max-rate=1M" > /dev/null 2>&1 3>&- &
	streaming
	run -69 --separate-stderr bk-dump "$U"
	kill "$!"
	said 'a greater max_wal_senders'
	restart_with "max_wal_senders = 10"
}

@test "a rate, a time limit, and nothing is stored of what it cut" {
	plain "bk-dump --timeout 1s '$U&max-rate=1M' | bk-put '$S'"
	[ "$status" -eq 65 ]
	said timeout
	nothing_listed store
}

@test "a server that ends the connection is 65, and nothing is listed" {
	(bk-dump "$U&max-rate=1M" | bk-put "$S") > out 2> err &
	put=$!
	streaming
	q "SELECT pg_terminate_backend(pid) FROM pg_stat_replication" > /dev/null
	st=0
	wait "$put" || st=$?
	cat err
	[ "$st" -eq 65 ]
	nothing_listed store
}

@test "bk-dump killed at any time lists nothing" {
	for kill in 0.01 0.05 0.1 0.2 0.3; do
		plain "timeout -s KILL $kill bk-dump '$U&max-rate=4M' | bk-put '$S'"
		[ "$status" -ne 0 ]
		nothing_listed store
	done
	# And the server is not left with it.
	timeout 20 sh -c "until [ -z \"\$(psql -XAtqc 'SELECT 1 FROM pg_stat_replication')\" ]; do :; done"
}

@test "servers from 9.6 to 14: their command, their copies, one tar" {
	for version in 9.6 10 11 12 13 14; do
		port=$("$root/tests/lab/basebackup" $version asked)
		run -0 --separate-stderr sh -c "bk-dump 'postgres-base://x@127.0.0.1:$port/?sslmode=disable&checkpoint=fast&max-rate=64K&checksums=sha256' > s"
		case $version in
		13|14) grep -x "BASE_BACKUP LABEL 'bk' FAST NOWAIT MAX_RATE 64 TABLESPACE_MAP MANIFEST 'yes' MANIFEST_CHECKSUMS 'SHA256'" asked ;;
		*) grep -x "BASE_BACKUP LABEL 'bk' FAST NOWAIT MAX_RATE 64 TABLESPACE_MAP" asked ;;
		esac
		payload s > base.tar
		tar -xOf base.tar pg_tblspc/16388/PG_10_201707211/5/16390 | cmp - <(head -c 70000 /dev/zero | tr '\0' x)
		tar -tf base.tar | grep -x pg_tblspc/16388/
		[ "$(tar -tf base.tar | grep -c backup_manifest)" -eq "$(case $version in 13|14) echo 1 ;; *) echo 0 ;; esac)" ]
		last s > e
		grep '"proof":"marks"' e
		grep '"from-standby":true' <(header s) e
		grep '"requires":\["base/wal/7291000000000000001/00000002/00000002.history-","base/wal/7291000000000000001/00000002/000000020000000000000002-","base/wal/7291000000000000001/00000002/000000020000000000000003-"\]' e
	done
}

@test "such a server that fails after any archive is 65" {
	for fault in cut error sums; do
		port=$("$root/tests/lab/basebackup" 12 asked $fault)
		plain "bk-dump 'postgres-base://x@127.0.0.1:$port/?sslmode=disable' | bk-put '$S'"
		[ "$status" -eq 65 ]
		nothing_listed store
	done
}

@test "over TLS, with the server's certificate looked at" {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=lab \
	    -addext subjectAltName=IP:127.0.0.1 -keyout "$PGDATA/server.key" -out "$PGDATA/server.crt" 2> /dev/null
	cp "$PGDATA/server.crt" ca.pem
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=other \
	    -keyout other.key -out other.pem 2> /dev/null
	chmod 600 "$PGDATA/server.key"
	[ "$(id -u)" -ne 0 ] || chown "$(stat -c %u "$PGDATA")" "$PGDATA/server.key" "$PGDATA/server.crt"
	q "ALTER SYSTEM SET ssl = on"
	q "SELECT pg_reload_conf()" > /dev/null
	R="$R&password-file=$PWD/repl.pw&sslmode=verify-full"
	timeout 20 sh -c "until PGPASSWORD='p:w\\ canary7731' psql -XAtq 'host=127.0.0.1 user=repl sslmode=require dbname=postgres' -c 'SELECT 1'; do :; done" > /dev/null
	bk-dump "$R&sslrootcert=$PWD/ca.pem" > s
	last s | grep '"end":"ok"'
	run -77 --separate-stderr bk-dump "$R&sslrootcert=$PWD/other.pem"
	said certificate
	q "ALTER SYSTEM RESET ssl"
	q "SELECT pg_reload_conf()" > /dev/null
}

@test "libpq is linked by what dumps and restores alone" {
	for p in "$B"/bin/bk*; do
		! ldd "$p" | grep -q libpq || echo "${p##*/}"
	done > linked
	grep -x bk-dump linked
	! grep -x -e bk -e bk-supervise -e bk-run -e bk-put -e bk-list -e bk-wal-push -e bk-wal-fetch linked
}
