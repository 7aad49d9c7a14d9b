#!/usr/bin/env bats
# Redis against private servers: what is dumped comes back key by key, in all
# types of values, and nothing is put under a running server.

load helper

setup_file() {
	export BATS_TEST_TIMEOUT=90
	root=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
	"$root/tests/lab/redis" start "$BATS_FILE_TMPDIR/lab" > "$BATS_FILE_TMPDIR/env" || return 1
	. "$BATS_FILE_TMPDIR/env"
	python3 "$root/tests/rediskeys.py" --fill "$REDISSOCK"
	python3 "$root/tests/rediskeys.py" "$REDISSOCK" > "$BATS_FILE_TMPDIR/want"
	[ "$(wc -l < "$BATS_FILE_TMPDIR/want")" -gt 300 ]
}

teardown_file() {
	"$BATS_TEST_DIRNAME/lab/redis" stop "$BATS_FILE_TMPDIR/lab"
}

setup() {
	own_store
	. "$BATS_FILE_TMPDIR/env"
	echo "$REDISPW" > pw
	chmod 600 pw
	P="password-file=$PWD/pw"
	U="redis://127.0.0.1:$REDISPORT/?$P"
	C="redis://$REDISDATA/dump.rdb?server=$REDISSOCK&$P"
	want=$BATS_FILE_TMPDIR/want
}

# The second server of a test.
teardown() {
	"$root/tests/lab/redis" stop "$BATS_TEST_TMPDIR/two"
}

# ask SOCKET WORD...
ask() {
	local s=$1
	shift
	REDISCLI_AUTH=$REDISPW timeout 20 redis-cli -s "$s" "$@"
}

# A second server: R2HOME, R2DATA, R2SOCK, R2PORT; its password is R2PW.
second() {
	"$root/tests/lab/redis" start "$PWD/two" "$@" > env2
	eval "$(sed 's/REDIS\([A-Z]*\)/R2\1/g' env2)"
}

# Stop it as its user would.
halt() {
	local pid
	pid=$(cat "$R2HOME/pid")
	REDISCLI_AUTH=$R2PW redis-cli -s "$R2SOCK" shutdown nosave
	until [ ! -e "/proc/$pid" ] || grep -q '^State:.Z' "/proc/$pid/status"; do :; done
}

# Start it again and compare all keys.
same_again() {
	"$root/tests/lab/redis" again "$PWD/two"
	REDISPW=$R2PW python3 "$root/tests/rediskeys.py" "$R2SOCK" > got
	cmp "$want" got
}

@test "the replication stream comes back key by key, with and without a file" {
	second
	halt
	for diskless in yes no; do
		ask "$REDISSOCK" config set repl-diskless-sync $diskless
		bk-dump "$U" > s
		head -n 1 s | grep -q '"name":"all","engine":"redis","ext":"rdb"'
		head -n 1 s | grep -q '"server":"7'
		tail -n 1 s | grep -aq '"proof":"marks"'
		bk-compress < s | bk-put "$S" --create > rec
		bk-restore --into "redis://$R2DATA/dump.rdb" < rec
		same_again
		halt
		rm "$R2DATA/dump.rdb"
		rm -r store
	done
}

@test "a copy: a save in the background or foreground, on a primary only if told" {
	rm -f "$REDISDATA/dump.rdb"
	run -78 --separate-stderr bash -c "bk-dump '$C&save=bg' > s"
	said "?primary=yes"
	[ ! -e "$REDISDATA/dump.rdb" ]
	run -66 --separate-stderr bash -c "bk-dump '$C' > s"
	for how in bg fg; do
		bk-dump "$C&save=$how&primary=yes" > s
		python3 "$root/tests/mkstream.py" --payload < s | cmp - "$REDISDATA/dump.rdb"
	done
	redis-check-rdb "$REDISDATA/dump.rdb" > /dev/null
	grep -aq '"name":"dump.rdb"' s
	# No path: the server is asked; no server: the path alone.
	bk-dump "redis:///?server=$REDISSOCK&$P" > s2
	bk-dump "redis://$REDISDATA/dump.rdb" > s3
	for i in 2 3; do
		python3 "$root/tests/mkstream.py" --payload < s$i | cmp - "$REDISDATA/dump.rdb"
	done
	# The server saves elsewhere.
	cp "$REDISDATA/dump.rdb" other.rdb
	run -78 --separate-stderr bash -c "bk-dump 'redis://$PWD/other.rdb?server=$REDISSOCK&$P&save=bg&primary=yes' > s"
	said "not to"
	rm "$REDISDATA/dump.rdb"
}

@test "a running save is waited for, within the time limit" {
	ask "$REDISSOCK" save
	ask "$REDISSOCK" config set rdb-key-save-delay 2000
	ask "$REDISSOCK" bgsave
	run -65 --separate-stderr bash -c "bk-dump --timeout 200ms '$C' > s"
	said timeout
	before=$(stat -c %i "$REDISDATA/dump.rdb")
	bk-dump "$C" > s
	[ "$(stat -c %i "$REDISDATA/dump.rdb")" != "$before" ]
	python3 "$root/tests/mkstream.py" --payload < s | cmp - "$REDISDATA/dump.rdb"
	ask "$REDISSOCK" config set rdb-key-save-delay 0
	rm "$REDISDATA/dump.rdb"
}

@test "a save that fails is told, and nothing is dumped" {
	ask "$REDISSOCK" save
	chmod 555 "$REDISDATA"
	run --separate-stderr bash -c "bk-dump '$C&save=bg&primary=yes' > s"
	chmod 755 "$REDISDATA"
	[ "$status" -eq 65 ]
	said "save failed"
	ask "$REDISSOCK" save
	run ! grep -aq '"end":"ok"' s
}

@test "logins: none and wrong 77, ACL users, the grant is named, no secret anywhere" {
	run -77 --separate-stderr bash -c "bk-dump redis://127.0.0.1:$REDISPORT/ > s"
	echo wrong > bad
	run -77 --separate-stderr bash -c "bk-dump 'redis://127.0.0.1:$REDISPORT/?password-file=$PWD/bad' > s"
	ask "$REDISSOCK" acl setuser backup on ">canary7731" +info +replconf
	echo canary7731 > pw2
	run -77 --separate-stderr bash -c "bk-dump 'redis://backup@127.0.0.1:$REDISPORT/?password-file=$PWD/pw2' > s"
	said "+sync"
	ask "$REDISSOCK" acl setuser backup +sync
	bk-dump "redis://backup@127.0.0.1:$REDISPORT/?password-file=$PWD/pw2" > s
	bk-dump "redis://backup@x/?socket=$REDISSOCK&password-file=$PWD/pw2" > s2
	REDISCLI_AUTH=$REDISPW bk-dump "redis:///?socket=$REDISSOCK" > s3
	run ! grep -a -e canary7731 -e "$REDISPW" s s2 s3
	ask "$REDISSOCK" acl deluser backup
	run -69 --separate-stderr bash -c "bk-dump 'redis://127.0.0.1:1/' > s"
	run -69 --separate-stderr bash -c "bk-dump 'redis:///?socket=$PWD/none' > s"
}

@test "TLS: with a certificate each; others and other names are refused" {
	tls=$REDISHOME/tls
	mkdir -p "$tls"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
	    -keyout "$tls/key" -out "$tls/cert" -subj /CN=localhost \
	    -addext subjectAltName=DNS:localhost 2> /dev/null
	chmod 644 "$tls/key"
	port=$(python3 -c 'import socket; s=socket.create_server(("",0)); print(s.getsockname()[1])')
	ask "$REDISSOCK" config set tls-cert-file "$tls/cert" tls-key-file "$tls/key" \
	    tls-ca-cert-file "$tls/cert" tls-port "$port"
	own="tls=yes&tls-cert=$tls/cert&tls-key=$tls/key&$P"
	bk-dump "redis://localhost:$port/?$own&tls-ca=$tls/cert" > s
	python3 "$root/tests/mkstream.py" --payload < s > x.rdb
	redis-check-rdb x.rdb > /dev/null
	run -77 --separate-stderr bash -c "bk-dump 'redis://127.0.0.1:$port/?$own&tls-ca=$tls/cert' > x"
	said "certificate of"
	run -77 --separate-stderr bash -c "bk-dump 'redis://localhost:$port/?$own' > x"
	run -69 --separate-stderr bash -c "bk-dump 'redis://localhost:$port/?tls=yes&tls-ca=$tls/cert&$P' > x"
	run -78 --separate-stderr bash -c "bk-dump 'redis://localhost:$port/?$own&tls-ca=$PWD/none' > x"
	run -64 bash -c "bk-dump 'redis://localhost:$port/?tls-ca=$tls/cert' > x"
	ask "$REDISSOCK" config set tls-port 0
}

@test "a transfer that is cut is no dump, whichever way it goes" {
	for diskless in yes no; do
		ask "$REDISSOCK" config set repl-diskless-sync $diskless
		timeout 20 python3 "$root/tests/cutproxy.py" "$REDISPORT" 30000 > port 3>&- &
		proxy=$!
		until [ -s port ]; do :; done
		run -65 --separate-stderr bash -c "bk-dump 'redis://127.0.0.1:$(cat port)/?$P' > s"
		wait $proxy
		rm port
		run ! grep -aq '"end":"ok"' s
		grep -aq '"end":"failed","status":65' s
	done
}

@test "a replica: its saves need no telling; without its primary it is refused" {
	second
	REDISPW=$R2PW ask "$R2SOCK" config set masterauth "$REDISPW"
	REDISPW=$R2PW ask "$R2SOCK" replicaof 127.0.0.1 "$REDISPORT"
	until REDISPW=$R2PW ask "$R2SOCK" info replication | grep -q link_status:up; do :; done
	echo "$R2PW" > pw
	bk-dump "redis://$R2DATA/dump.rdb?server=$R2SOCK&$P&save=bg" > s
	bk-dump "redis:///?socket=$R2SOCK&$P" > s2
	REDISPW=$R2PW ask "$R2SOCK" replicaof 127.0.0.1 1
	run -69 --separate-stderr bash -c "bk-dump 'redis:///?socket=$R2SOCK&$P' > x"
	said "without link"
	run -69 --separate-stderr bash -c "bk-dump 'redis://$R2DATA/dump.rdb?server=$R2SOCK&$P' > x"
	bk-dump "redis://$R2DATA/dump.rdb?server=$R2SOCK&$P&stale=yes" > s3
	halt
	for s in s s2 s3; do
		rm -f "$R2DATA/dump.rdb"
		bk-restore --into "redis://$R2DATA/dump.rdb" < $s
		same_again
		halt
	done
}

@test "a new replica: with the restored file only the rest is sent to it" {
	second
	halt
	bk-dump "$U" > s
	run -64 --separate-stderr bash -c "bk-restore --into redis://$R2DATA/dump.rdb --replica-of redis://127.0.0.1:$REDISPORT < s"
	said "'replicaof 127.0.0.1 $REDISPORT'"
	run -64 --separate-stderr bash -c "bk-restore --into redis://$R2DATA/dump.rdb --replica-of postgres://db1 < s"
	said "want redis://"
	[ ! -e "$R2DATA/dump.rdb" ]
	bk-restore --into "redis://$R2DATA/dump.rdb" < s
	ask "$REDISSOCK" set late row
	full=$(ask "$REDISSOCK" info stats | grep sync_full)
	printf '%s\n' --replicaof 127.0.0.1 "$REDISPORT" >> two/redis.args
	"$root/tests/lab/redis" again "$PWD/two"
	REDISPW=$R2PW ask "$R2SOCK" config set masterauth "$REDISPW"
	until [ "$(REDISPW=$R2PW ask "$R2SOCK" get late)" = row ]; do :; done
	[ "$(ask "$REDISSOCK" info stats | grep sync_full)" = "$full" ]
	python3 "$root/tests/rediskeys.py" "$REDISSOCK" > have
	REDISPW=$R2PW python3 "$root/tests/rediskeys.py" "$R2SOCK" > got
	ask "$REDISSOCK" del late
	cmp have got
}

@test "cut and damaged files are 65; one without CRC is taken and noted" {
	ask "$REDISSOCK" save
	cp "$REDISDATA/dump.rdb" ok.rdb
	head -c -1 ok.rdb > cut.rdb
	run -65 --separate-stderr bash -c "bk-dump redis://$PWD/cut.rdb > s"
	run ! grep -aq '"end":"ok"' s
	cp ok.rdb bad.rdb
	printf '\377' | dd of=bad.rdb bs=1 seek=5000 conv=notrunc 2> /dev/null
	run -65 --separate-stderr bash -c "bk-dump redis://$PWD/bad.rdb > s"
	said CRC-64
	seq 1000 > text.rdb
	run -65 --separate-stderr bash -c "bk-dump redis://$PWD/text.rdb > s"
	said "no RDB file"
	second --rdbchecksum no
	REDISPW=$R2PW ask "$R2SOCK" set a b
	REDISPW=$R2PW ask "$R2SOCK" save
	bk-dump "redis://$R2DATA/dump.rdb" > s
	tail -n 1 s | grep -aq '"crc64":"none"'
	bk-dump exec: --as redis --ext rdb -- cat ok.rdb > s
	run -65 --separate-stderr bash -c "bk-dump exec: --as redis --ext rdb -- cat cut.rdb > s"
	rm "$REDISDATA/dump.rdb"
}

@test "a file replaced while it is read is noticed, the old one is whole" {
	head -c 3000000 /dev/urandom | base64 -w 0 |
	    REDISCLI_AUTH=$REDISPW redis-cli -s "$REDISSOCK" -x set big > /dev/null
	ask "$REDISSOCK" save
	cp "$REDISDATA/dump.rdb" a.rdb
	cp a.rdb b.rdb
	mkfifo out
	bk-dump "redis://$PWD/a.rdb" > out 2> err 3>&- &
	exec 7< out
	head -c 1000 <&7 > s
	mv b.rdb a.rdb
	cat <&7 >> s
	exec 7<&-
	wait $!
	grep -q "was replaced" err
	tail -n 1 s | grep -aq '"replaced":true'
	# Written to in its place.
	bk-dump "redis://$PWD/a.rdb" > out 2> err 3>&- &
	exec 7< out
	head -c 1000 <&7 > s
	echo more >> a.rdb
	cat <&7 >> s
	exec 7<&-
	rc=0
	wait $! || rc=$?
	[ $rc -eq 65 ]
	grep -q "written to" err
	ask "$REDISSOCK" del big
	rm "$REDISDATA/dump.rdb"
}

@test "restore: only where no server runs; the old file stays aside" {
	bk-dump "$U" > s
	second
	run -75 --separate-stderr bash -c "bk-restore --into redis://$R2DATA/dump.rdb < s"
	said "stop it first"
	[ -z "$(ls -A "$R2DATA")" ]
	mkdir other
	run -75 --separate-stderr bash -c "bk-restore --into 'redis://$PWD/other/dump.rdb?server=127.0.0.1:$R2PORT' < s"
	[ -z "$(ls -A other)" ]
	REDISPW=$R2PW ask "$R2SOCK" set old 1
	REDISPW=$R2PW ask "$R2SOCK" save
	halt
	run -73 --separate-stderr bash -c "bk-restore --into redis://$R2DATA/dump.rdb < s"
	said --replace
	head -c 20000 s > cut
	run -65 --separate-stderr bash -c "bk-restore --replace --yes --into redis://$R2DATA/dump.rdb < cut"
	[ "$(ls -A "$R2DATA")" = dump.rdb ]
	bk-restore --replace --yes --into "redis://$R2DATA/dump.rdb?server=127.0.0.1:$R2PORT" < s
	redis-check-rdb "$R2DATA"/dump.rdb.old-* | grep -q "1 keys read"
	[ "$(stat -c %u "$R2DATA/dump.rdb")" = "$(stat -c %u "$R2DATA")" ]
	same_again
}

@test "append-only on: dump.rdb would be ignored, so a set is made of it" {
	bk-dump "$U" > s
	second --appendonly yes
	halt
	run -73 --separate-stderr bash -c "bk-restore --into redis://$R2DATA/dump.rdb < s"
	said "?appendonly=yes"
	bk-restore --replace --yes --into "redis://$R2DATA/appendonlydir?appendonly=yes" < s
	[ -d "$R2DATA"/appendonlydir.old-* ]
	same_again
	# It goes on from there.
	REDISPW=$R2PW ask "$R2SOCK" set new 1
	halt
	"$root/tests/lab/redis" again "$PWD/two"
	[ "$(REDISPW=$R2PW ask "$R2SOCK" get new)" = 1 ]
	halt
	bk-restore --into "redis://$R2DATA/dump.rdb?appendonly=no" < s
}

@test "append-only files come back as a set, written and rewritten meanwhile" {
	second --appendonly yes
	REDISPW=$R2PW python3 "$root/tests/rediskeys.py" --fill "$R2SOCK"
	REDISPW=$R2PW ask "$R2SOCK" bgrewriteaof
	until REDISPW=$R2PW ask "$R2SOCK" info persistence | grep -q aof_rewrite_in_progress:0; do :; done
	REDISPW=$R2PW ask "$R2SOCK" set after rewrite
	REDISPW=$R2PW ask "$R2SOCK" del after
	REDISPW=$R2PW python3 "$root/tests/rediskeys.py" "$R2SOCK" > mine
	want=mine
	echo "$R2PW" > pw
	bk-dump "redis://$R2DATA/appendonlydir?server=$R2SOCK&$P" > s
	head -n 1 s | grep -q '"name":"appendonlydir","engine":"redis","ext":"tar"'
	run -75 bash -c "bk-restore --replace --yes --into redis://$R2DATA/appendonlydir < s"
	# Rewrites and writes from now on, during a slow dump.
	mkfifo out
	bk-dump "redis://$R2DATA/appendonlydir" > out 3>&- &
	exec 7< out
	head -c 10 <&7 > s2
	REDISPW=$R2PW ask "$R2SOCK" set late 1
	REDISPW=$R2PW ask "$R2SOCK" bgrewriteaof
	until REDISPW=$R2PW ask "$R2SOCK" info persistence | grep -q aof_rewrite_in_progress:0; do :; done
	cat <&7 >> s2
	exec 7<&-
	wait $!
	halt
	for s in s s2; do
		rm -rf "$R2DATA"/*
		bk-restore --into "redis://$R2DATA/appendonlydir" < $s
		same_again
		halt
	done
	printf '\377' | dd of="$(echo "$R2DATA"/appendonlydir/*.base.rdb)" bs=1 seek=5000 conv=notrunc 2> /dev/null
	run -65 --separate-stderr bash -c "bk-dump redis://$R2DATA/appendonlydir > x"
	said CRC-64
	rm "$R2DATA"/appendonlydir/*.base.rdb
	run -69 bash -c "bk-dump redis://$R2DATA/appendonlydir > x"
	rm "$R2DATA"/appendonlydir/*
	run -65 bash -c "bk-dump redis://$R2DATA/appendonlydir > x"
}

@test "an unchanged dump is not sent again, a changed one is" {
	ask "$REDISSOCK" save
	bk-dump "redis://$REDISDATA/dump.rdb" | bk-compress | bk-put "$S" --create > rec
	sum=$(python3 -c 'import json; print(json.loads(open("rec").readline())["stages"][0]["sha256"])')
	run -1 --separate-stderr bash -c "bk-dump --unless-sha256 $sum redis://$REDISDATA/dump.rdb |
	    bk-compress | bk-put $S > rec2"
	[ "$(bk-list --plain "$S" | wc -l)" -eq 1 ]
	ask "$REDISSOCK" set new 1
	ask "$REDISSOCK" save
	bk-dump --unless-sha256 "$sum" "redis://$REDISDATA/dump.rdb" | bk-compress | bk-put "$S" > rec2
	[ "$(bk-list --plain "$S" | wc -l)" -eq 2 ]
	ask "$REDISSOCK" del new
	rm "$REDISDATA/dump.rdb"
}

@test "what makes no sense is refused with 64" {
	for u in redis://h/0 "redis://h/?save=bg" "redis:///a.rdb?save=bg" redis:/// \
	    "redis://h/?server=x" "redis:///a.rdb?server=h&save=now" "redis:///a.rdb?server=u:pw@h" \
	    "redis:///?socket=x" "redis:///a.rdb?server=h&stale=1"; do
		run -64 bash -c "bk-dump '$u' > s"
	done
}
