load helper

setup() {
	own_store
	mkdir src
	U="files://$PWD/src?parent=auto&state=$PWD/state"
}

# Dump ${U} and store it; its id.
save() {
	bash -c 'set -o pipefail; bk-dump --name t --store "$1" "${@:3}" "$2" |
	    bk-compress | bk-put "$1"' - "$S" "$U" "$@" > record
	sed -n 's/.*"id":"\([^"]*\)".*/\1/p' record
}

# Note that backup $1 is suspect, because of $2.
suspect() {
	printf '{"bk":"note/1","id":"%s","time":"2026-11-21T10:00:00Z","suspect":"%s"}\n' \
	    "$1" "$2" > "store/.bk/manifest/t/$1.01J00000000000000000000000.json"
}

# Member $2 of record $1.
of() { bk-list "$S" --json --id "$1" | python3 -c '
import json, sys
o = json.loads(sys.stdin.readline())
for k in sys.argv[1].split("."):
    o = (o or {}).get(k)
print(o)' "$2"; }

back() { rm -rf out; bk-restore "$S" --id "$1" --into "files://$PWD/out"; }

same() { python3 "$root/tests/treemut.py" compare "$1" "$2"; }

# What is in src becomes older than what an increment takes for new: of that
# there is no event, and times of change cannot be set.
aged() { sleep 2.2; }

@test "an increment holds what changed; deletions and renames come back" {
	mkdir src/a src/keep
	head -c 300000 /dev/urandom > src/keep/big
	echo one > src/f
	echo two > src/a/g
	ln -s f src/l
	aged
	one=$(save)
	[ "$(of "$one" parent)" = None ]
	[ "$(of "$one" info.level)" = 0 ]
	[ "$(of "$one" info.full)" = "the first of its name" ]
	cp -a src one
	echo more >> src/f
	rm src/a/g
	mv src/a src/b
	rm src/l
	mkdir src/l
	echo x > src/l/x
	two=$(save)
	[ "$(of "$two" parent)" = "$one" ]
	[ "$(of "$two" info.level)" = 1 ]
	[ "$(of "$two" bytes)" -lt 20000 ]
	[ -f "state/$(of "$two" info.state)" ]
	[ "$(sha256sum < "state/$(of "$two" info.state)")" = "$(of "$two" info.state)  -" ]
	[ "$(stat -c %a state)" = 700 ]
	back "$two"
	same src out
	[ -z "$(rsync -an --delete -c -i src/ out/)" ]
	back "$one"
	same one out
	bk-list "$S" --table | grep -q 'files+'
}

@test "by hand: tar brings back a chain" {
	mkdir src/a
	echo 1 > src/a/x
	one=$(save)
	rm -r src/a
	echo 2 > src/a
	two=$(save)
	mkdir hand
	for id in $one $two; do
		zcat "store/$(of "$id" key)" |
		    tar -xp --listed-incremental=/dev/null -C hand
	done
	same src hand
}

# $1: a seed.
property() {
	python3 "$root/tests/treemut.py" make src "$1"
	aged
	ids=
	for g in 0 1 2 3; do
		[ $g = 0 ] || python3 "$root/tests/treemut.py" mutate src "$1$g"
		ids="$ids $(save)"
		rm -rf "snap$g"
		cp -a src "snap$g"
	done
	g=0
	for id in $ids; do
		[ "$(of "$id" info.level)" = $g ]
		back "$id"
		same "snap$g" out
		g=$((g + 1))
	done
}

@test "random trees come back at each generation" {
	property "${BK_SEED:-1}"
}

@test "random trees of who is not root, too" {
	as_other
	[ -n "$as" ] || skip "not root anyway"
	mkdir -m 777 "$pub/t" "$pub/t/store" "$pub/t/src"
	mkdir "$pub/t/src/d"
	echo 1 > "$pub/t/src/d/x"
	chown -R 65534:65534 "$pub/t"
	chmod 500 "$pub/t/src/d"
	for n in 1 2; do
		$as bash -c "cd $pub/t && bk-dump --store file://$pub/t/store 'files://$pub/t/src?parent=auto&state=$pub/t/state' | bk-put file://$pub/t/store" > "r$n"
		echo 2 > "$pub/t/src/d/y"
		chown 65534 "$pub/t/src/d/y"
	done
	$as bk-restore "file://$pub/t/store" --name src --latest --into "files://$pub/t/out"
	[ "$(stat -c %a "$pub/t/out/d")" = 500 ]
	[ "$(ls "$pub/t/out/d" | tr '\n' ' ')" = "x y " ]
	rm -rf "$pub"
}

@test "no state, no good parent, other options, full-every: a full one, and why" {
	echo 1 > src/f
	one=$(save)
	mv state elsewhere
	two=$(save 2> err)
	grep -q "a full backup: $one left its state elsewhere" err
	[ "$(of "$two" parent)" = None ]
	three=$(save)
	[ "$(of "$three" parent)" = "$two" ]
	four=$(save --exclude '*.log' 2> err)
	grep -q "$three was made with other patterns or options" err
	[ "$(of "$four" info.level)" = 0 ]
	five=$(save --exclude '*.log')
	[ "$(of "$five" parent)" = "$four" ]
	# A state that is not what it was: the next best is taken.
	echo x >> "state/$(of "$five" info.state)"
	six=$(save --exclude '*.log' 2> err)
	grep -q "$five is no parent: its state is damaged" err
	[ "$(of "$six" parent)" = "$four" ]
	suspect "$four" test
	seven=$(save --exclude '*.log' 2> err)
	grep -q "$six stands on a backup that is not good" err
	[ "$(of "$seven" parent)" = None ]
	U="$U&full-every=1"
	eight=$(save --exclude '*.log')
	[ "$(of "$eight" parent)" = "$seven" ]
	nine=$(save --exclude '*.log')
	[ "$(of "$nine" info.full)" = "full-every=1" ]
	U="${U%=1}=1ms"
	ten=$(save --exclude '*.log')
	[ "$(of "$ten" info.full)" = "full-every: $nine is old enough" ]
}

@test "wrong usage of increments" {
	echo 1 > src/f
	for u in "?parent=auto" "?state=$PWD/s" "?parent=yes&state=$PWD/s" \
	    "?parent=auto&state=s" "?full-every=1d" "?parent=auto&state=$PWD/s&full-every=x" \
	    "?parent=auto&state=$PWD/s&full-every=0"; do
		run -64 bash -c "bk-dump --store $S 'files://$PWD/src$u' > s.out"
	done
	run -64 bash -c "bk-dump 'files://$PWD/src?parent=auto&state=$PWD/s' > s.out"
	run -64 bash -c "bk-dump --store $S fake: > s.out"
	run -64 bk-restore --into "files://$PWD/x?parent=auto" < s.out
	[ ! -e s ]
}

@test "a dump that is killed leaves no state" {
	head -c 3000000 /dev/urandom > src/big
	mkfifo p
	bk-dump --name t --store "$S" "$U" > p 3>&- & pid=$!
	exec 7< p
	head -c 1000 <&7 > begun
	kill -KILL $pid
	wait $pid || true
	exec 7<&-
	[ -d state ]
	[ -z "$(ls -A state)" ]
	one=$(save)
	[ "$(ls state)" = "$(of "$one" info.state)" ]
}

@test "--check looks at the state directory, and changes nothing" {
	bk-dump --check "$U" > o
	[ ! -e state ]
	bk-dump --check --store "$S" "$U" > o
	[ ! -e state ]
	run -66 --separate-stderr bk-dump --check "files://$PWD/src?parent=auto&state=$PWD/no/where"
	said "cannot keep a state in"
	run -64 bk-dump --check "files://$PWD/src?parent=auto"
}

@test "two stores: the parent is in both" {
	mkdir store2
	echo 1 > src/f
	two() {
		bk-dump --name t --store "$S" --store "file://$PWD/store2" "$U" |
		    bk-put "$S" "file://$PWD/store2" > record
		sed -n '1s/.*"id":"\([^"]*\)".*/\1/p' record
	}
	one=$(two)
	only=$(save)
	[ "$(of "$only" parent)" = "$one" ]
	both=$(two 2> err)
	[ "$(of "$both" parent)" = "$one" ]
	# One store lacks it: the other has the increment, and 65.
	bk-dump --name t --store "$S" "$U" > s
	grep -aq "\"parent\":\"$both\"" s
	id=$(bk-list "file://$PWD/store2" --latest --json | sed -n '1s/.*"id":"\([^"]*\)".*/\1/p')
	bk-prune "file://$PWD/store2" --id "$id" --yes > plan
	run -65 --separate-stderr bash -c "bk-put $S file://$PWD/store2 < s"
	said "the parent $both of this increment is not in file://$PWD/store2"
}

@test "a chain that is broken or suspect is named, nothing is left" {
	echo 1 > src/f
	one=$(save); two=$(save); three=$(save)
	suspect "$two" "the disk was odd"
	run -65 --separate-stderr bk-restore "$S" --id "$three" --into "files://$PWD/out"
	said "stands on $two, which is suspect: the disk was odd"
	bk-list "$S" --id "$two" | bk-tag --good > /dev/null
	back "$three"
	run -64 --separate-stderr bash -c "bk-list $S --id $two --json | bk-restore --into exec: -- cat"
	said "takes no increments"
	rm "store/.bk/manifest/t/$one.json"
	rm -r out
	run -66 --separate-stderr bk-restore "$S" --id "$three" --into "files://$PWD/out"
	said "stands on $one, which is not in"
	bk-dump --name t --store "$S" "$U" > s 2> err
	grep -q "a full backup: $three stands on a backup that is gone" err
	bk-get "$S" --id "$two" > s
	run -65 --separate-stderr bash -c "bk-restore --into files://$PWD/out < s"
	said "the stream is an increment of $one"
	[ ! -e out ]
	[ -z "$(find . -maxdepth 1 -name '.*.bk-*')" ]
}

@test "a whole chain is read by --into fake:, one damaged byte of the first is found" {
	echo 1 > src/f
	one=$(save); two=$(save)
	bk-restore "$S" --id "$two" --into fake:
	printf X | dd of="store/$(of "$one" key)" bs=1 seek=50 conv=notrunc 2> /dev/null
	run -65 bk-restore "$S" --id "$two" --into fake:
	run -65 bk-restore "$S" --id "$two" --into "files://$PWD/out"
	[ ! -e out ]
}

@test "the parent goes while the child is stored: 65 before, suspect after" {
	echo 1 > src/f
	one=$(save)
	bk-dump --name t --store "$S" "$U" > s
	mkdir other
	echo 2 > other/f
	bk-dump --name t "files://$PWD/other" | bk-put "$S" > r2
	# Gone before the manifest: nothing new is listed.
	mkfifo p
	bk-put "$S" < p > r 2> err 3>&- & pid=$!
	exec 7> p
	head -c 1000 s >&7
	until find store/t -name '.*' | grep -q .; do kill -0 $pid; done
	bk-prune "$S" --id "$one" --yes > plan
	tail -c +1001 s >&7
	exec 7>&-
	status=0; wait $pid || status=$?
	[ $status -eq 65 ]
	grep -q "the parent $one of this increment is not in" err
	[ "$(bk-list "$S" --json | grep -c '"id"')" = 1 ]
}

@test "a prune of the parent at any moment: a good child, or 65" {
	echo 1 > src/f
	mkdir other
	echo 2 > other/f
	bk-dump --name t "files://$PWD/other" | bk-put "$S" > r0
	for i in 1 2 3 4 5 6; do
		parent=$(save --exclude "$i")
		bk-dump --name t --exclude "$i" --store "$S" "$U" > s
		bk-prune "$S" --id "$parent" --yes > plan 2> perr 3>&- & prune=$!
		status=0
		bk-put "$S" < s > r 2> err || status=$?
		pruned=0
		wait $prune || pruned=$?
		child=$(sed -n '1s/.*"id":"\([^"]*\)".*/\1/p' r)
		if [ $status -ne 0 ]; then
			[ $status -eq 65 ]
			grep -q "parent $parent" err
			[ -z "$(bk-list "$S" --json | grep "\"parent\":\"$parent\"" | grep -v '"suspect"')" ]
		elif ! bk-list "$S" --id "$parent" > /dev/null; then
			# It went behind the child's back, and can come again.
			run -66 --separate-stderr bk-restore "$S" --id "$child" --into "files://$PWD/out"
			said "'bk-prune --undo' may bring it back"
			bk-prune "$S" --undo "$parent" > plan
			back "$child"
			same src out
		else
			back "$child"
			same src out
		fi
	done
}

@test "of two stores one that cannot be read is left out of account" {
	echo 1 > src/f
	one=$(save)
	# A bucket that nothing answers for.
	far='s3://x?endpoint=http://127.0.0.1:1&region=x'
	export AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=y
	mkdir bin
	cp "$B"/bin/bk-* bin
	# shellcheck disable=SC2016
	printf '#!/bin/sh\nexec "%s/bin/bk-list" "$1" "$2" "$3" --timeout 1s "$6"\n' "$B" > bin/bk-list
	bin/bk-dump --name t --store "$far" --store "$S" "$U" > s 2> err
	grep -q "cannot look for a parent in '$far'" err
	grep -aq "\"parent\":\"$one\"" s
	run -69 --separate-stderr bash -c "bin/bk-dump --name t --store '$far' '$U' > s"
	run ! grep -aq '"end":"ok"' s
}

@test "a job and bk backup make increments" {
	echo 1 > src/f
	mkdir two
	cat > bk.conf <<-END
	state = "$PWD/jobs"
	store "one" { url = "$S" }
	store "two" { url = "file://$PWD/two" }
	job "t" { source = "$U" store = { "one", "two" } }
	END
	export BK_CONF=$PWD/bk.conf
	bk-run t > o
	bk-run t > o
	bk backup --name t "$U" "$S" "file://$PWD/two" > o
	BK_STORE=$S bk backup --name t "$U" > o
	[ "$(bk-list "$S" --json | grep -o '"level":[0-9]' | tr -d '\n')" = \
	    '"level":0"level":1"level":2"level":3' ]
	[ "$(bk-list "file://$PWD/two" --json | grep -c '"id"')" = 3 ]
	bk restore --help > help
	bk-restore "$S" --name t --latest --into "files://$PWD/out"
	same src out
}

@test "prune keeps what a kept increment stands on; a copy wants the parent first" {
	echo 1 > src/f
	one=$(save); two=$(save); three=$(save)
	bk-prune "$S" --name t --keep-last 1 > plan
	[ "$(bk-list "$S" --json | grep -c '"id"')" = 3 ]
	grep -q "parent of" plan
	mkdir store2
	run -65 --separate-stderr bk-copy "$S" "file://$PWD/store2" --id "$two"
	said "needs its parent $one"
	bk-copy "$S" "file://$PWD/store2" --name t > r
	bk-restore "file://$PWD/store2" --id "$three" --into "files://$PWD/out"
	same src out
}

@test "states go after 7 days, when no record names them" {
	echo 1 > src/f
	one=$(save); two=$(save)
	a=$(printf %064d 1) b=$(printf %064d 2) c=$(printf %064d 3)
	printf 'GNU tar-1.34-2 t\n' > "state/$a"
	printf 'GNU tar-1.34-2 other\n' > "state/$b"
	printf 'GNU tar-1.34-2 t\n' > "state/$c"
	echo half > state/.bk-state-XXXXXX
	echo mine > state/notes
	touch -d '8 days ago' state/* state/.bk-state-XXXXXX
	touch "state/$c"
	three=$(save)
	[ "$(of "$three" parent)" = "$two" ]
	[ ! -e "state/$a" ]
	[ ! -e state/.bk-state-XXXXXX ]
	[ "$(ls state | wc -l)" = 6 ]
	[ -e "state/$b" ] && [ -e "state/$c" ] && [ -e state/notes ]
}

@test "what could not be read before is dumped once it can be" {
	as_other
	[ -n "$as" ] || skip "not root anyway"
	mkdir -m 777 "$pub/t" "$pub/t/store"
	mkdir "$pub/t/src" "$pub/t/src/d"
	echo 1 > "$pub/t/src/d/x"
	chmod 700 "$pub/t/src/d"
	chmod 755 "$pub/t/src"
	url="files://$pub/t/src?parent=auto&state=$pub/t/state"
	$as bash -c "bk-dump --skip-unreadable --store file://$pub/t/store '$url' | bk-put file://$pub/t/store" > r1
	chmod 755 "$pub/t/src/d"
	$as bash -c "bk-dump --skip-unreadable --store file://$pub/t/store '$url' | bk-put file://$pub/t/store" > r2 2> err
	grep -q "left files out that could not be read" err
	$as bk-restore "file://$pub/t/store" --name src --latest --into "files://$pub/t/out"
	[ "$(cat "$pub/t/out/d/x")" = 1 ]
	rm -rf "$pub"
}

@test "a directory that is there twice fails the dump" {
	unshare -m true 2> /dev/null || skip "may not mount"
	mkdir src/a src/b
	echo 1 > src/a/x
	run -65 --separate-stderr unshare -m bash -c "
	    mount --bind src/a src/b || exit 1
	    bk-dump --store $S '$U' > s"
	said "has a second name"
	nothing_listed store
}

@test "an increment cannot write outside its target" {
	echo good > victim
	mkdir src/d
	ln -s "$PWD" src/l
	one=$(save)
	# A forged increment: an entry below a link that its parent made.
	mkdir -p forge/l
	echo bad > forge/l/evil
	for x in 'tar -cf x.tar -C forge l/evil' \
	    'tar -cf x.tar --format=posix --listed-incremental=new -C forge --exclude=./l . && tar -rf x.tar --format=posix -C forge l/evil'; do
		rm -f new
		eval "$x"
		python3 - "$one" > s <<'PY'
import sys, subprocess, json, zlib, hashlib, datetime
p = open("x.tar", "rb").read()
h = {"bk": "stream/1", "name": "t", "engine": "files", "ext": "tar", "time": "2026-11-21T10:00:00Z",
     "host": "x", "parent": sys.argv[1], "source": {}, "tags": {}, "filters": [], "info": {}}
out = (json.dumps(h, separators=(",", ":")) + "\n").encode() + b'{"data":%d}\n' % len(p) + p
end = json.dumps({"end": "ok", "stages": [{"stage": "files", "bytes": len(p),
    "sha256": hashlib.sha256(p).hexdigest()}], "info": {"proof": "marks"}}, separators=(",", ":"))
out += (end[:-1] + ',"crc32":"').encode()
sys.stdout.buffer.write(out + b'%08x"}\n' % zlib.crc32(out))
PY
		bk-put "$S" < s > r
		id=$(sed -n '1s/.*"id":"\([^"]*\)".*/\1/p' r)
		run -65 --separate-stderr bk-restore "$S" --id "$id" --into "files://$PWD/out"
		said "below the link"
		[ ! -e evil ] && [ ! -e out ]
	done
}
