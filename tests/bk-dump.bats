load helper

setup() { cd "$BATS_TEST_TMPDIR" || exit; }

header() { head -n 1 "$1"; }
end() { tail -n 1 "$1" | LC_ALL=C sed 's|.*{"end"|{"end"|'; }

# Member $2 of the JSON line on standard input.
member() {
	python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())'"$1"')'
}

@test "a dump is a header, blocks and an end line with count and SHA-256" {
	bk-dump 'fake:?bytes=3000000&seed=7' > out
	python3 "$root/tests/mkstream.py" --payload < out > payload
	[ "$(stat -c %s payload)" -eq 3000000 ]
	[ "$(end out | member '["stages"][0]["sha256"]')" = \
	    "$(sha256sum < payload | cut -d' ' -f1)" ]
	[ "$(end out | member '["stages"][0]["bytes"]')" -eq 3000000 ]
	[ "$(end out | member '["info"]["proof"]')" = exit ]
	[ "$(header out | member '["host"]')" = "$(hostname)" ]
	[ "$(header out | member '["filters"]')" = '[]' ]
}

@test "options may stand before and behind the source" {
	bk-dump --name a fake: -t x=1 --group=g > out
	[ "$(header out | member '["name"]')" = a ]
	[ "$(header out | member '["tags"]["x"]')" = 1 ]
	[ "$(header out | member '["group"]')" = g ]
}

@test "trigger, run and group stand in the header, and only if given" {
	bk-dump fake: --trigger schedule --run 01ARZ3NDEKTSV4RRFFQ69G5FAV > out
	[ "$(header out | member '["trigger"]')" = schedule ]
	[ "$(header out | member '["run"]')" = 01ARZ3NDEKTSV4RRFFQ69G5FAV ]
	run ! grep -q '"group"' <(header out)
}

@test "tags of the environment are in lower case and give way to -t" {
	BK_TAG_TIER=db BK_TAG_ZONE=z bk-dump -t tier=app fake: > out
	[ "$(header out | member '["tags"]["tier"]')" = app ]
	[ "$(header out | member '["tags"]["zone"]')" = z ]
}

@test "the time is that of now, in UTC" {
	from=$(date -u +%Y-%m-%dT%H:%M:%S)
	bk-dump fake: > out
	t=$(header out | member '["time"]')
	[[ ! $t < $from && ! $t > "$(date -u +%Y-%m-%dT%H:%M:%S.999Z)" ]]
	[[ $t = *Z ]]
}

@test "a source that fails at the start: a failed line is all there is" {
	run -69 --separate-stderr bash -c "bk-dump 'fake:?exit=69' > out"
	one_line
	[ "$(wc -l < out)" -eq 1 ]
	[ "$(end out | member '["status"]')" -eq 69 ]
	[ "$(end out | member '["stage"]')" = fake ]
	plain "bk-dump 'fake:?exit=77' | bk-compress | bk-compress | cat > out; exit 0"
	[ "$(end out | member '["status"]')" -eq 77 ]
}

@test "the status of a source is that of the pipeline in plain sh" {
	for s in 65 66 69 77; do
		plain "bk-dump 'fake:?exit=$s' | bk-compress > out"
		[ "$status" -eq "$s" ]
	done
	plain "bk-dump 'fake:?bytes=9M&fail-after=5M' | bk-compress > out"
	[ "$status" -eq 65 ]
}

@test "a source that fails later leaves a failed line behind whole blocks" {
	run -65 --separate-stderr bash -c "bk-dump 'fake:?bytes=9M&fail-after=5M' > out"
	said "failed after 5242880 bytes"
	run ! grep -aq '"end":"ok"' out
	[ "$(end out | member '["status"]')" -eq 65 ]
}

@test "an empty payload: 65, unless it is allowed" {
	run -65 --separate-stderr bash -c "bk-dump 'fake:?bytes=0' > out"
	said --allow-empty
	bk-dump --allow-empty 'fake:?bytes=0' > out
	[ "$(end out | member '["end"]')" = ok ]
	[ "$(wc -l < out)" -eq 2 ]
}

@test "--max-bytes: one byte more is 65" {
	bk-dump --max-bytes 1M 'fake:?bytes=1M' > out
	run -65 --separate-stderr bash -c "bk-dump --max-bytes 1048575 'fake:?bytes=1M' > out"
	said "larger than --max-bytes 1048575"
	run ! grep -aq '"end":"ok"' out
}

@test "--timeout ends the tool: 65, reason timeout, and the tool is gone" {
	run -65 --separate-stderr timeout 20 bash -c \
	    "bk-dump --timeout 300ms exec: -- sh -c 'echo \$\$ > pid; echo x; exec sleep 600' > out"
	[ "$(end out | member '["reason"]')" = timeout ]
	[ "$(end out | member '["status"]')" -eq 65 ]
	run ! kill -0 "$(cat pid)"
}

@test "a time limit holds for a source that never stops, too" {
	run -65 --separate-stderr timeout 20 bash -c \
	    "bk-dump --timeout 200ms 'fake:?bytes=1000000G' > /dev/null"
	said timeout
}

@test "killed, it leaves no end line and no child" {
	bk-dump exec: -- sh -c 'echo $$ > pid; echo x; exec sleep 600' > out 3>&- &
	dump=$!
	until [ -s pid ] && kill -0 "$(cat pid)"; do :; done
	kill -9 $dump
	wait $dump || [ $? -eq 137 ]
	for _ in $(seq 200); do
		grep -qs '^State:	[^Z]' "/proc/$(cat pid)/status" || break
		read -rt 0.01 <> <(:) || true
	done
	run ! grep -qs '^State:	[^Z]' "/proc/$(cat pid)/status"
	run ! grep -aq '"end"' out
}

@test "a reader that goes away is not its fault: SIGPIPE, no word" {
	run --separate-stderr bash -c \
	    "bk-dump 'fake:?bytes=100M' | head -c 10 > /dev/null; echo \${PIPESTATUS[0]}"
	[ "$output" = 141 ]
	[ -z "$stderr" ]
}

@test "a full disk under the stream: 74" {
	run -74 --separate-stderr bash -c "bk-dump 'fake:?bytes=4M' > /dev/full"
	one_line
}

@test "a terminal is refused" {
	run -64 script -qec "bk-dump fake:" /dev/null
	[[ $output = *terminal* ]]
}

@test "wrong usage: 64, and a stream that says so" {
	long=$(printf '%065d' 0)
	while read -r words; do
		run -64 --separate-stderr bash -c "bk-dump $words > out"
		end out | grep -q '"end":"failed","status":64'
	done <<-END
		--name $long fake:
		--name .hidden fake:
		-t novalue fake:
		-t name=x fake:
		-t a=1 -t a=2 fake:
		--timeout 10 fake:
		--timeout 0s fake:
		--max-bytes -1 fake:
		--run x fake:
		--group a/b fake:
		fake: fake:
		fake:?bytes=x
		fake:?speed=1
		fake:?exit=200
		fake: -- --option
		--as mysql fake:
		--exclude x fake:
		--skip-unreadable fake:
		nosuch:
		no-url
		exec:
		exec:/bin/sh -- ls
		exec: --ext X -- ls
		exec: --as nosuch -- ls
		postgres://me:secret@localhost/db
	END
	for words in "" "--name a --name b fake:" "--no-such-option fake:"; do
		run -64 --separate-stderr bash -c "bk-dump $words > out"
	done
}

@test "bounds and remedies are named" {
	run -64 --separate-stderr bash -c "bk-dump --name '' fake: > out"
	said "1 to 64"
	run -64 --separate-stderr bash -c "bk-dump postgres://me:s3cr3t@h/db > out"
	said password-file
	run ! grep -q s3cr3t out <(echo "$stderr")
}

@test "--source-env that is not set: 78" {
	mkdir bin
	printf '#!/bin/sh\nexit 1\n' > bin/bk-engine-x
	chmod +x bin/bk-engine-x
	run -78 --separate-stderr bash -c "PATH=\$PWD/bin:\$PATH bk-dump x:y --source-env NOT_SET > out"
	said NOT_SET
}

@test "wrong usage of any stage is the status of the whole pipeline in plain sh" {
	cd "$BATS_TEST_TMPDIR"
	for p in 'bk-dump --nope' 'bk-dump' 'bk-dump -t 9=x fake:' \
	    'bk-dump fake: | bk-compress -99' 'bk-dump fake: | bk-pipe --ext'; do
		plain "$p | bk-put --create 'file://$PWD/s'"
		[ "$status" -eq 64 ]
		nothing_listed s
	done
	plain 'bk-list --nope | bk-tag --hold x'
	[ "$status" -eq 64 ]
	plain "bk-dump fake: | bk-put --nope 'file://$PWD/s' | bk-tag --hold x"
	[ "$status" -eq 64 ]
}

@test "--unless-sha256: the same payload is a failed line with 1, another goes on" {
	mkdir tmp
	export TMPDIR=$PWD/tmp
	sum=$(head -c 100000 /dev/zero | sha256sum | cut -d' ' -f1)
	for hex in "$sum" "${sum^^}"; do
		run -1 --separate-stderr bash -c "bk-dump exec: --unless-sha256 $hex -- head -c 100000 /dev/zero > out"
		one_line
		[ "$(wc -l < out)" -eq 1 ]
		[ "$(member '["status"]' < out)" -eq 1 ]
		[ "$(member '["reason"]' < out)" = unchanged ]
	done
	plain "bk-dump exec: --unless-sha256 $sum -- head -c 100000 /dev/zero | bk-compress |
	    bk-put --create 'file://$PWD/s'"
	[ "$status" -eq 1 ]
	nothing_listed s
	bk-dump exec: -- head -c 3000000 /dev/zero > want
	bk-dump exec: --unless-sha256 "$sum" -- head -c 3000000 /dev/zero > out
	[ "$(end out | member '["stages"][0]')" = "$(end want | member '["stages"][0]')" ]
	cmp <(python3 "$root/tests/mkstream.py" --payload < want) \
	    <(python3 "$root/tests/mkstream.py" --payload < out)
	# What fails is no answer.
	run -65 --separate-stderr bash -c "bk-dump --unless-sha256 $sum exec: -- sh -c 'head -c 100000 /dev/zero; exit 3' > out"
	[ "$(wc -l < out)" -eq 1 ]
	run -64 bash -c "bk-dump --unless-sha256 ${sum}0 fake: > out"
	[ -z "$(ls -A tmp)" ]
}
