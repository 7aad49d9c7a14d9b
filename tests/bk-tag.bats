load helper

setup() { own_store; }

put() {
	bk-dump --name "$1" -t tier=app 'fake:?bytes=10' | bk-put "$S" > /dev/null
}

# The tags of the one record listed.
tags() {
	bk-list --plain "$@" "$S" | python3 -c '
import json, sys
print(*["%s=%s" % t for t in sorted(json.loads(sys.stdin.readline())["tags"].items())])'
}

@test "tags change by notes, the manifest never" {
	put app
	m=$(find store/.bk/manifest -type f)
	cp "$m" before
	run --separate-stderr bash -c 'bk-list "$S" | bk-tag -t site=a -t tier=db'
	[ "$status" -eq 0 ] && [ -z "$stderr" ]
	[ "${lines[1]}" = '{"end":"ok","records":1}' ]
	[ "$(tags)" = "site=a tier=db" ]
	[ "${lines[0]}" = "$(bk-list --plain "$S")" ]
	bk-list "$S" | bk-tag -T tier > /dev/null
	[ "$(tags)" = "site=a" ]
	cmp before "$m"
	[ "$(find store/.bk/manifest -type f | wc -l)" -eq 3 ]
}

@test "hold, release, good" {
	put app
	bk-list "$S" | bk-tag --hold 'for the audit' > /dev/null
	[[ $(bk-list --plain "$S") == *'"hold":"for the audit"'* ]]
	[[ $(bk-list --table "$S") == *'[hold]'* ]]
	bk-list "$S" | bk-tag --release > /dev/null
	[[ $(bk-list --plain "$S") != *'"hold"'* ]]
	bk-list "$S" | bk-tag --good > /dev/null
	[[ $(bk-list --plain "$S") == *'"good":true'* ]]
}

@test "several records, in order, unknown members kept" {
	put a
	put b
	run --separate-stderr bash -c 'bk-list "$S" | sed "s/^{\"bk\":/{\"zzz\":[1],&/; s/&{//; s/\"zzz\":\[1\],{/\"zzz\":[1],/" | bk-tag -t x=1'
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == *'"name":"a"'* ]] && [[ ${lines[1]} == *'"name":"b"'* ]]
	[[ ${lines[0]} == *'"zzz":[1]'* ]]
	[ "${lines[2]}" = '{"end":"ok","records":2}' ]
}

@test "what failed before it is not hidden, in plain sh" {
	plain "bk-dump --name app 'fake:?bytes=100&fail-after=50' | bk-put $S | bk-tag -t a=b"
	[ "$status" -eq 65 ]
	[ "$output" = '{"end":"failed","status":65,"records":0}' ]
	nothing_listed store
	plain "bk-list $S/none | bk-tag -t a=b"
	[ "$status" -eq 66 ]
	plain "bk-list $S | bk-tag -t a=b"
	[ "$status" -eq 66 ]
}

@test "a list cut half-way: what came is done, the status is 65" {
	put a
	put b
	run -65 --separate-stderr bash -c 'bk-list "$S" | head -n 1 | bk-tag -t x=1'
	[ "${lines[1]}" = '{"end":"failed","status":65,"records":1}' ]
	[ "$(tags --name a)" = "tier=app x=1" ]
	[ "$(tags --name b)" = "tier=app" ]
	run -65 --separate-stderr bash -c 'bk-list "$S" | head -c -5 | bk-tag -t x=2'
	run -65 --separate-stderr bash -c 'bk-tag -t x=3 < /dev/null'
	run -0 --separate-stderr bash -c 'bk-list --plain "$S" | bk-tag --no-end -t x=4'
	run -66 --separate-stderr bash -c 'bk-tag --no-end -t x=5 < /dev/null'
}

@test "no store, no backup: nothing is written" {
	put app
	bk-list --plain "$S" > rec
	sed 's/,"store":"[^"]*"//' rec > bare
	run -64 --separate-stderr bash -c 'bk-tag --no-end -t a=b < bare'
	said "--store"
	run -0 --separate-stderr bash -c 'bk-tag --no-end --store "$S" -t a=b < bare'
	rm -r store/.bk
	run -66 --separate-stderr bash -c 'bk-tag --no-end -t a=b < rec'
	said "there is no backup"
	[ ! -e store/.bk/manifest ] || nothing_listed store
}

@test "usage: 64" {
	for words in "" "-t a" "-t a-b=c" "-t name=c" "-T name" "-t a=1 -t a=2" \
	    "-t a=1 -T a" "--hold x --release" "--release --hold x" "-t a=b operand"; do
		run -64 --separate-stderr bash -c "bk-tag $words < /dev/null"
	done
	run -64 --separate-stderr bk-tag --hold ''
	said "1 to 255"
	run -64 --separate-stderr bk-tag -t "a=$(printf 'x%.0s' $(seq 256))"
	said "255"
}
