load helper

setup() {
	cd "$BATS_TEST_TMPDIR"
	a=file://$PWD/a b=file://$PWD/b
	one=$(put app 3000000)
	two=$(put web 1000)
}

# put NAME BYTES: store one in a, print its id
put() {
	bk-dump "fake:?bytes=$2" --name "$1" | bk-put --create "$a" |
	    sed -n 's/.*"id":"\([^"]*\)".*/\1/p'
}

ids() { bk-list --plain "$1" | sed -n 's/.*"id":"\([^"]*\)".*/\1/p' | sort | tr '\n' ' '; }

@test "everything is copied: same id, manifest and notes byte for byte, no claim left" {
	bk-list "$a" --name app --latest | bk-tag -t tier=gold --hold 'for the audit' > tagged
	run -0 --separate-stderr bk-copy "$a" "$b" --create
	[ -z "$stderr" ]
	[ "$(ids "$a")" = "$(ids "$b")" ]
	diff -r a/.bk/manifest b/.bk/manifest
	diff -r a/app b/app
	[ -z "$(find b/.bk -path '*claim*' -type f)" ]
	run -0 bash -c 'bk-list "$1" --name app --latest | bk-restore --into "fake:?bytes=3000000"' sh "$b"
	run -0 bash -c 'bk-list "$1" --name app --plain | grep -c "\"tier\":\"gold\".*\"hold\":\"for the audit\""' sh "$b"
	[ "$output" = 1 ]
}

@test "records name the target, and the list ends ok" {
	run -0 --separate-stderr bk-copy "$a" "$b" --create --id "$one"
	[[ ${lines[0]} == *"\"id\":\"$one\""*"\"store\":\"$b\""* ]]
	[ "${lines[1]}" = '{"end":"ok","records":1}' ]
	[ "$(ids "$b")" = "$one " ]
}

@test "again: 0, nothing changes; later notes come along" {
	run -0 bk-copy "$a" "$b" --create
	find b -type f -exec stat -c '%n %i %Y' {} + | sort > before
	run -0 bk-copy "$a" "$b"
	find b -type f -exec stat -c '%n %i %Y' {} + | sort > after
	diff before after
	bk-list "$a" --name web --latest | bk-tag -t late=yes > tagged
	run -0 bk-copy "$a" "$b" --name web
	diff -r a/.bk/manifest b/.bk/manifest
}

@test "a list on standard input says which" {
	run -0 --separate-stderr bash -c 'bk-list "$1" --name web --latest | bk-copy - "$2" --create' sh "$a" "$b"
	[ "$(ids "$b")" = "$two " ]
}

@test "a damaged payload is not listed in the target: 65" {
	f=$(echo a/app/*)
	printf x | dd of="$f" bs=1 seek=1234567 conv=notrunc status=none
	run -65 --separate-stderr bk-copy "$a" "$b" --create --id "$one"
	one_line
	said "backup $one"
	nothing_listed b
	[ -z "$(find b -name '*.bin')" ]
}

@test "a payload that a stopped copy left is finished if whole, refused if not" {
	mkdir -p b/app b/web
	cp a/app/* b/app/
	run -0 bk-copy "$a" "$b" --id "$one"
	[ "$(ids "$b")" = "$one " ]
	head -c 999 a/web/* > "b/web/$(ls a/web)"
	run -65 --separate-stderr bk-copy "$a" "$b" --id "$two"
	said "is in the target already"
	[ "$(ids "$b")" = "$one " ]
}

@test "another backup under the same id is not overwritten: 65" {
	run -0 bk-copy "$a" "$b" --create --id "$one"
	sed -i 's/"host":"[^"]*"/"host":"elsewhere"/' "b/.bk/manifest/app/$one.json"
	cp "b/.bk/manifest/app/$one.json" kept
	run -65 --separate-stderr bk-copy "$a" "$b" --id "$one"
	said "is another"
	cmp kept "b/.bk/manifest/app/$one.json"
}

@test "what the target has deleted does not come back by itself: 73" {
	put app 3000001 > newer
	run -0 bk-copy "$a" "$b" --create
	run -0 bk-prune "$b" --id "$one"
	run -73 --separate-stderr bk-copy "$a" "$b" --id "$one"
	said "was deleted in '$b'"
	said "--undo $one"
	[[ $(ids "$b") != *"$one"* ]]
}

@test "killed at any moment: listed whole or not at all, and the next try completes" {
	for ms in 1 3 6 10 15 25 40; do
		rm -rf b
		timeout -s KILL "0.0$(printf %02d "$ms")" bk-copy "$a" "$b" --create > out 2>&1 || true
		[ ! -d b ] || for id in $(ids "$b"); do
			bk-restore "$b" --id "$id" --into fake:
		done
		run -0 bk-copy "$a" "$b" --create
		[ "$(ids "$a")" = "$(ids "$b")" ]
	done
}

@test "what is not there is 66, and named" {
	run -66 --separate-stderr bk-copy "$a" "$b" --create --name none
	said "'app', 'web'"
	run -66 bk-copy "file://$PWD/none" "$b"
	run -66 bk-copy "$a" "file://$PWD/none"
}

@test "a list that failed is copied as far as it came, with its status" {
	bk-list "$a" --plain > list
	printf '{"end":"failed","status":69,"records":2}\n' >> list
	run -69 --separate-stderr bk-copy - "$b" --create < list
	[ "$(ids "$a")" = "$(ids "$b")" ]
	run -65 bk-copy - "file://$PWD/c" --create < <(bk-list "$a" --plain)
}

@test "wrong usage is 64" {
	run -64 bk-copy "$a"
	run -64 bk-copy "$a" "$a"
	run -64 bk-copy "$a" "$a/"
	run -64 bk-copy "$a" "$b" --id nonsense
	run -64 bk-copy - "$b" --latest
	run -64 bk-copy "$a" "$b" --id "$one" --latest
	run -64 bk-copy "$a" "$b" extra
}
