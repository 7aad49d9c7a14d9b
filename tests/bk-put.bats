load helper

setup() { own_store; }

stream() {
	python3 "$root/tests/mkstream.py" "$@"
}

# Nothing at all in the store, hidden or not.
empty() {
	[ -z "$(find "${1:-store}" -type f)" ] && return 0
	find "${1:-store}" -type f
	return 1
}

# Value of a member of the record in $output, by a Python expression on r.
rec() {
	head -n 1 <<< "$output" | python3 -c "
import json, sys
r = json.loads(sys.stdin.readline())
print($1)"
}

@test "a stream is stored, its record printed, its manifest the same record" {
	stream hello > in
	run --separate-stderr bash -c 'bk-put "$S" < in'
	[ "$status" -eq 0 ] && [ -z "$stderr" ]
	[ "${lines[1]}" = '{"end":"ok","records":1}' ]
	[ "$(rec 'r["name"], r["engine"], r["ext"], r["bytes"], r["host"]')" = "app fake bin 5 db1" ]
	[ "$(rec 'r["sha256"]')" = "$(printf hello | sha256sum | cut -d' ' -f1)" ]
	[ "$(rec 'r["store"]')" = "$S" ]
	[ "$(rec 'r["group"], r["parent"], r["trigger"], r["run"]')" = "None None None None" ]
	[ "$(cat "store/$(rec 'r["key"]')")" = hello ]
	[ "$(rec 'r["key"]')" = "app/app-20261121T100000Z-$(rec 'r["id"]').fake.bin" ]
	head -n 1 <<< "$output" > rec
	python3 - <<-END
	import json, glob
	m, = glob.glob("store/.bk/manifest/app/*.json")
	m, r = json.load(open(m)), json.load(open("rec"))
	del r["store"]
	assert m == r, (m, r)
	END
}

@test "what nobody knows passes, what only a commit may say does not" {
	python3 - > in <<-END
	import sys
	sys.path.insert(0, "$root/tests")
	import mkstream
	sys.stdout.buffer.write(mkstream.make(b"hello", extra=[1], command="touch ran",
	    key="../../escaped", id="mine", store="file:///elsewhere", bytes=9, hold="x"))
	END
	run --separate-stderr bash -c 'bk-put "$S" < in'
	[ "$status" -eq 0 ]
	[ "$(rec 'r["extra"], r["command"], r["bytes"], "hold" in r')" = "[1] touch ran 5 False" ]
	[ "$(rec 'r["store"]')" = "$S" ]
	[ "$(find . -name '*escaped*' -o -name ran | wc -l)" -eq 0 ]
	bk-list "$S" | bk-get --raw --decode > out
	[ "$(cat out)" = hello ] && [ ! -e ran ]
}

@test "filters give the key its suffixes" {
	run --separate-stderr bash -c 'bk-dump --name app "fake:?bytes=3000&text=1" | bk-compress | bk-pipe --ext rot -- tr a-z b-za | bk-put "$S"'
	[ "$status" -eq 0 ]
	[[ $(rec 'r["key"]') == *.fake.*.gz.rot ]]
	[ "$(rec '[s["stage"] for s in r["stages"]]')" = "['fake', 'gzip', 'pipe']" ]
}

@test "-t is stronger than the stream's tags, the environment is weaker" {
	bk-dump -t tier=app -t site=a --name app 'fake:?bytes=10' > in
	run --separate-stderr env BK_TAG_TIER=env BK_TAG_ZONE=env bash -c 'bk-put -t site=b "$S" < in'
	[ "$status" -eq 0 ]
	[ "$(rec 'sorted(r["tags"].items())')" = "[('site', 'b'), ('tier', 'app'), ('zone', 'env')]" ]
}

@test "BK_STORE is the default store" {
	stream hello > in
	BK_STORE=$S run --separate-stderr bash -c 'bk-put < in'
	[ "$status" -eq 0 ]
	[ "$(rec 'r["store"]')" = "$S" ]
}

@test "usage: 64" {
	stream hello > in
	run -64 --separate-stderr bash -c 'bk-put < in'
	said "BK_STORE"
	run -64 --separate-stderr bash -c 'bk-put "$S" "$S" < in'
	said "is given twice"
	run -64 --separate-stderr bash -c 'bk-put "$S" "$S/" < in'
	said "is given twice"
	run -64 --separate-stderr bash -c 'bk-put nonsense < in'
	run -64 --separate-stderr bash -c 'bk-put ftp://x/y < in'
	said "file://"
	run -64 --separate-stderr bash -c 'bk-put s3://key:secret@b/p < in'
	[[ $stderr != *secret* ]]
	run -64 --separate-stderr bash -c 'bk-put -t novalue "$S" < in'
	run -64 --separate-stderr bash -c 'bk-put -t a=1 -t a=2 "$S" < in'
	run -64 --separate-stderr bash -c 'bk-put -t name=x "$S" < in'
	run -64 --separate-stderr bash -c 'bk-put --memory 1M "$S" < in'
	said "at least"
	run -64 --separate-stderr bash -c 'bk-put --max-bytes x "$S" < in'
	run -64 --separate-stderr bash -c 'bk-put --timeout 10 "$S" < in'
	run -64 --separate-stderr bash -c 'bk-put --name x "$S" < in'
	said "go with --raw"
	empty
}

@test "no such directory is 66, --create makes it" {
	stream hello > in
	run -66 --separate-stderr bash -c 'bk-put "$S/new" < in'
	[ "$output" = '{"end":"failed","status":66,"records":0}' ]
	said "bk-put: nothing stored: "
	one_line
	run -0 --separate-stderr bash -c 'bk-put --create "$S/new" < in'
	[ -d store/new/.bk/manifest/app ]
}

@test "a failed stream: its status, its stage named, nothing stored" {
	stream --failed 77 > in
	run -77 --separate-stderr bash -c 'bk-put "$S" < in'
	[ "$output" = '{"end":"failed","status":77,"records":0}' ]
	said "bk-put: nothing stored: test: "
	one_line
	empty
}

@test "a source that dies half-way: the pipeline's status in plain sh is 65" {
	plain "bk-dump --name app 'fake:?bytes=30000000&fail-after=20000000' | bk-put $S"
	[ "$status" -eq 65 ]
	empty
	plain "bk-dump --name app 'fake:?exit=69' | bk-put $S"
	[ "$status" -eq 69 ]
	empty
}

@test "an existing backup stays when another fails" {
	bk-dump --name app 'fake:?bytes=100' | bk-put "$S" > first
	find store -type f | sort > before
	plain "bk-dump --name app 'fake:?bytes=100&fail-after=50' | bk-put $S"
	[ "$status" -eq 65 ]
	find store -type f | sort | diff before -
}

@test "a stream cut at every byte, and flipped at every byte: 65, nothing stored" {
	stream "hello, this is the payload" > in
	run --separate-stderr timeout 300 python3 - "$S" <<-'END'
	import subprocess, sys, os
	whole = open("in", "rb").read()
	def put(what, data):
	    p = subprocess.run(["bk-put", sys.argv[1]], input=data, capture_output=True)
	    left = [f for _, _, fs in os.walk("store") for f in fs]
	    if p.returncode != 65 or left or p.stderr.count(b"\n") != 1:
	        sys.exit("%s: %d %s %s" % (what, p.returncode, left, p.stderr))
	n = 0
	for i in range(len(whole)):
	    put("cut at %d" % i, whole[:i])
	    put("flip at %d" % i, whole[:i] + bytes([whole[i] ^ 1 << i % 8]) + whole[i + 1:])
	    n += 2
	put("trailing byte", whole + b"\n")
	put("twice", whole + whole)
	print(n)
	END
	[ "$status" -eq 0 ] || { echo "$stderr"; false; }
	[ "$output" -gt 600 ]
}

@test "raw bytes are refused and the remedy named" {
	run -65 --separate-stderr bash -c 'echo x | gzip -c | bk-put "$S"'
	said "bk-dump exec:"
	said "bk-put --raw"
	empty
	run -65 --separate-stderr bash -c 'bk-put "$S" < /dev/null'
	empty
}

@test "a size above --max-bytes is refused and nothing stays" {
	stream hello > in
	run -65 --separate-stderr bash -c 'bk-put --max-bytes 4 "$S" < in'
	empty
	run -0 --separate-stderr bash -c 'bk-put --max-bytes 5 "$S" < in'
}

@test "two stores: each commits, the same id and manifest" {
	mkdir two
	stream hello > in
	run --separate-stderr bash -c 'bk-put "$S" "file://$PWD/two" < in'
	[ "$status" -eq 0 ]
	[ "${lines[2]}" = '{"end":"ok","records":2}' ]
	diff -r store two
}

@test "two stores, one missing: the other has it, the status is the fault's" {
	stream hello > in
	run -66 --separate-stderr bash -c 'bk-put "file://$PWD/none" "$S" < in'
	[ "${lines[1]}" = '{"end":"failed","status":66,"records":1}' ]
	[ "$(rec 'r["store"]')" = "$S" ]
	said "stored in 1 of 2 stores"
	run -0 bk-list "$S"
}

@test "a disk that fills up in one of two stores" {
	[ "$(id -u)" = 0 ] || skip "needs root"
	mkdir full
	mount -t tmpfs -o size=1m none full || skip "cannot mount"
	run --separate-stderr bash -c 'bk-dump --name app "fake:?bytes=3000000" | bk-put "file://$PWD/full" "$S"'
	left=$(find full -type f)
	umount full
	[ "$status" -eq 74 ]
	[ -z "$left" ]
	[ "${lines[1]}" = '{"end":"failed","status":74,"records":1}' ]
	run -0 bk-list "$S"
}

@test "a store that may not be written: 77" {
	as_other
	mkdir "$pub/ro" && chmod 755 "$pub/ro"
	stream hello > "$pub/in"
	if [ -n "$as" ]; then
		run --separate-stderr $as bash -c "bk-put file://$pub/ro < $pub/in"
	else
		chmod 555 "$pub/ro"
		run --separate-stderr bash -c "bk-put file://$pub/ro < $pub/in"
	fi
	left=$(find "$pub/ro" -type f)
	rm -rf "$pub"
	[ "$status" -eq 77 ]
	[ -z "$left" ]
}

@test "--raw stores any bytes, unproven, at the time that is given" {
	run --separate-stderr bash -c 'printf dump | bk-put --raw --name old --engine mysql --ext .sql --time 2019-03-04T05:06:07+01:00 "$S"'
	[ "$status" -eq 0 ]
	[ "$(rec 'r["time"], r["info"]["proof"], r["ext"]')" = "2019-03-04T04:06:07Z none sql" ]
	[[ $(rec 'r["key"]') == old/old-20190304T040607Z-*.mysql.sql ]]
	[ "$(bk-list --id "$(rec 'r["id"]')" "$S" | bk-get --raw --decode)" = dump ]
}

@test "--raw: what it wants, what it refuses" {
	run -64 --separate-stderr bash -c 'echo x | bk-put --raw --name a --engine b "$S"'
	said "--ext"
	run -64 --separate-stderr bash -c 'echo x | bk-put --raw --name ../a --engine b --ext c "$S"'
	said "1 to 64"
	run -64 --separate-stderr bash -c 'echo x | bk-put --raw --name a --engine B --ext c "$S"'
	run -64 --separate-stderr bash -c 'echo x | bk-put --raw --name a --engine b --ext tar.gz "$S"'
	run -64 --separate-stderr bash -c 'echo x | bk-put --raw --name a --engine b --ext c --time 2019-03-04T05:06:07 "$S"'
	run -65 --separate-stderr bash -c 'bk-put --raw --name a --engine b --ext c "$S" < /dev/null'
	said "empty"
	stream hello > in
	run -65 --separate-stderr bash -c 'bk-put --raw --name a --engine b --ext c "$S" < in'
	said "leave out --raw"
	empty
}

@test "a closed standard output does not hide a fault, nor a commit" {
	stream hello > in
	run --separate-stderr bash -c 'bk-put "$S" < in >/dev/full'
	[ "$status" -eq 74 ]
	run -0 bk-list "$S"
}

@test "stopped by a signal: what is half stored is taken back" {
	bk-dump --name app 'fake:?bytes=3000000&seed=3' > in
	mkfifo pipe
	for signal in TERM HUP; do
		bk-put "$S" < pipe > rec 2> err 3>&- &
		exec 4> pipe
		head -c 2000000 in >&4
		timeout 10 bash -c 'until [ -n "$(find store -type f)" ]; do :; done'
		kill -s "$signal" $!
		rc=0; wait $! || rc=$?
		exec 4>&-
		[ "$rc" -eq $((128 + $(kill -l "$signal"))) ]
		grep -q 'stopped by signal' err
		[ "$(cat rec)" = '{"end":"failed","status":65,"records":0}' ]
		[ -z "$(find store -type f)" ]
	done
}

@test "killed at any moment: listed means whole" {
	bk-dump --name app 'fake:?bytes=20000000&seed=3' > in
	want=$(python3 "$root/tests/mkstream.py" --payload < in | sha256sum)
	listed=0 said0=0
	for i in $(seq 25); do
		timeout -s KILL "0.0$((RANDOM % 5))$((RANDOM % 10))" bk-put "$S" < in > rec 2> err 3>&- && said0=$((said0 + 1))
	done
	bk-list --plain "$S" > list 2> err || [ "$(grep -c 'no backup' err)" -eq 1 ]
	while read -r r; do
		listed=$((listed + 1))
		[ "$(bk-get --raw <<< "$r" | sha256sum)" = "$want" ]
	done < list
	echo "listed $listed, status 0 $said0"
	[ "$listed" -ge "$said0" ]
}
