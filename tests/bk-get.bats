load helper

setup() { own_store; }

# Put a backup of ${1} bytes and keep its record in rec, its payload's name
# in obj.
put() {
	bk-dump --name app "fake:?bytes=$1" > stream
	bk-put "$S" < stream | head -n 1 > rec
	python3 "$root/tests/mkstream.py" --payload < stream > payload
	obj=$(find store/app -type f)
}

# Change a member of the record in rec: Python statements on r.
bend() {
	python3 -c "
import json
r = json.load(open('rec'))
$1
print(json.dumps(r))" > bent
}

@test "the stream comes back as it was put" {
	put 3000000
	run --separate-stderr bash -c 'bk-get < rec > back'
	[ "$status" -eq 0 ] && [ -z "$stderr" ]
	cmp payload <(python3 "$root/tests/mkstream.py" --payload < back)
	# What was learnt at the end is in the header now; the rest is as it was.
	python3 - <<-END
	import json
	a, b = (json.loads(open(f, "rb").readline()) for f in ("stream", "back"))
	assert a.pop("info") == {} and b.pop("info") == {"proof": "exit"}
	assert a == b, (a, b)
	END
	run --separate-stderr bash -c 'bk-put "$S" < back'
	[ "$status" -eq 0 ]
}

@test "--raw gives what is stored, --raw --decode the plain payload" {
	bk-dump --name app 'fake:?bytes=3000000&text=1' > stream
	python3 "$root/tests/mkstream.py" --payload < stream > payload
	bk-compress < stream | bk-pipe --ext xz -- xz -0 | bk-put "$S" > rec
	bk-get --raw < rec | xz -dc | gunzip | cmp - payload
	bk-get --raw --decode --undo '.xz=xz -dc' < rec | cmp - payload
	run -64 --separate-stderr bash -c 'bk-get --raw --decode < rec > out'
	said "--undo '.xz=COMMAND'"
	run -65 --separate-stderr bash -c 'bk-get --raw --decode --undo ".xz=cat" < rec > out'
	run -65 --separate-stderr bash -c 'bk-get --raw --decode --undo ".xz=false" < rec > out'
	[ ! -s out ]
}

@test "from a store: by id, by name and --latest, by --at" {
	put 1000
	id=$(python3 -c 'import json; print(json.load(open("rec"))["id"])')
	cmp payload <(bk-get --raw "$S" --id "$id")
	cmp payload <(bk-get --raw "$S" --name app --latest)
	cmp payload <(bk-get --raw "$S" --name app --at now)
	BK_STORE=$S run -66 --separate-stderr bash -c 'bk-get --raw --name app --at 2001-01-01T00:00:00Z | cat; exit ${PIPESTATUS[0]}'
	said "it has the names 'app'"
	run -66 --separate-stderr bash -c 'bk-get --raw "$S" --id 01KDVGK7000000000000000001 > out'
	run -66 --separate-stderr bash -c 'bk-get --raw "$S" --name nobody --latest > out'
	run -64 --separate-stderr bash -c 'bk-get --raw "$S" --name app > out'
	said "--latest or --at"
	run -64 --separate-stderr bash -c 'bk-get --raw "$S" --id 7 > out'
	run -64 --separate-stderr bash -c 'bk-get --raw --latest > out'
	run -64 --separate-stderr bash -c 'bk-get --decode < rec > out'
	run -64 --separate-stderr bash -c 'bk-get --undo .xz=xz --raw < rec > out'
	[ ! -s out ]
}

@test "a damaged object: 65, the end held back, a failed line" {
	put 3000000
	printf X | dd of="$obj" bs=1 seek=1234567 conv=notrunc status=none
	run -65 --separate-stderr bash -c 'bk-get < rec > out'
	said "SHA-256"
	one_line
	tail -n 1 out | grep -q '"end":"failed","status":65,"stage":"bk-get"'
	run -65 --separate-stderr bash -c 'bk-get --raw < rec > out'
	[ "$(stat -c %s out)" -eq $((3000000 - 1048576)) ]
}

@test "a cut object, a longer one, one that is gone" {
	put 3000
	truncate -s 2999 "$obj"
	run -65 --separate-stderr bash -c 'bk-get --raw < rec > out'
	[ ! -s out ]
	truncate -s 3001 "$obj"
	run -65 --separate-stderr bash -c 'bk-get --raw < rec > out'
	[ ! -s out ]
	rm "$obj"
	run -66 --separate-stderr bash -c 'bk-get --raw < rec > out'
	said "gone"
	run -66 --separate-stderr bash -c 'set -o pipefail; bk-get < rec | bk-put "$S"'
	[ "$(find store/.bk/manifest -name '*.json' | wc -l)" -eq 1 ]
}

@test "an empty payload" {
	bk-dump --name app --allow-empty 'fake:?bytes=0' | bk-put "$S" > rec
	run -0 --separate-stderr bash -c 'bk-get < rec | bk-put "$S"'
	run -0 --separate-stderr bash -c 'bk-get --raw < rec'
	[ -z "$output" ]
}

@test "a record edited by hand leads nowhere" {
	put 1000
	echo secret > secret
	for edit in 'r["key"] = "../secret"' 'r["key"] = "/etc/passwd"' \
	    'r["name"] = ".."' 'r["key"] = "app/../secret"' \
	    'r["time"] = "2001-01-01T00:00:00Z"' 'r["bytes"] = -1' \
	    'r["sha256"] = "x"' 'del r["key"]' 'r["bk"] = "backup/2"' \
	    'r["filters"] = [{"filter": "../x"}]' 'r["ext"] = "a/b"'; do
		bend "$edit"
		run -65 --separate-stderr bash -c 'bk-get --raw < bent > out'
		one_line
		[ ! -s out ]
	done
	bend 'r["bytes"] += 1'
	run -65 --separate-stderr bash -c 'bk-get --raw < bent > out'
	bend 'r["sha256"] = "0" * 64'
	run -65 --separate-stderr bash -c 'bk-get --raw < bent > out'
	[ ! -s out ]
}

@test "a command in a record is never run" {
	put 1000
	bend 'r["command"] = r["undo"] = "touch ran"; r["info"]["command"] = "touch ran"; r["filters"] = []'
	cmp payload <(bk-get --raw --decode < bent)
	[ ! -e ran ]
	bk-pipe --ext xz -- cat < stream | bk-put "$S" > rec
	head -n 1 rec > one && mv one rec
	bend 'r["filters"][0]["command"] = "touch ran"; r["filters"][0]["undo"] = "touch ran"'
	run -64 --separate-stderr bash -c 'bk-get --raw --decode < bent > out'
	[ ! -e ran ] && [ ! -s out ]
}

@test "one record: none is 66, two are 64, rubbish is 65, a failed list counts" {
	put 100
	run -66 --separate-stderr bash -c 'bk-get --raw < /dev/null > out'
	run -66 --separate-stderr bash -c 'bk-list --name none "$S" 2>/dev/null | bk-get --raw > out'
	bk-put "$S" < stream > /dev/null
	run -64 --separate-stderr bash -c 'bk-list "$S" | bk-get --raw > out'
	said "bk-list --id or --latest"
	[ ! -s out ]
	run -65 --separate-stderr bash -c 'echo hello | bk-get --raw > out'
	run -65 --separate-stderr bash -c 'bk-get --raw < stream > out'
	[ ! -s out ]
	(cat rec; echo '{"end":"failed","status":77,"records":1}') > list
	run -77 --separate-stderr bash -c 'bk-get --raw < list > out'
	cmp payload out
}

@test "a record without store wants one as operand" {
	put 100
	bend 'del r["store"]'
	run -64 --separate-stderr bash -c 'bk-get --raw < bent > out'
	cmp payload <(bk-get --raw "$S" < bent)
}

@test "a terminal is refused, a reader that leaves is silent" {
	put 3000000
	run -64 script -qec "bk-get --raw < rec" /dev/null
	[[ $output == *terminal* ]]
	run --separate-stderr bash -c 'bk-get --raw < rec | head -c 1 > out; exit ${PIPESTATUS[0]}'
	[ "$status" -eq 141 ] && [ -z "$stderr" ]
	run -74 --separate-stderr bash -c 'bk-get --raw < rec > /dev/full'
}

@test "a standard output that is closed: 74, nothing is told to be written" {
	mkdir closed
	bk-dump 'fake:?bytes=1000' --name x > s
	bk-put "file://$PWD/closed" < s > rec
	for cmd in 'bk-get --raw < rec' 'bk-get < rec' 'bk-dump fake:' 'bk-compress < s' \
	    "bk-list file://$PWD/closed" 'bk-tag -t a=b < rec'; do
		run -74 --separate-stderr bash -c "$cmd >&-"
		said "cannot write 'standard output': Bad file descriptor"
	done
	bk-restore --into fake: < rec >&-
}

@test "wrong usage is what the next stage exits with; no line of ours in raw output" {
	run -64 --separate-stderr bash -c "bk-get --nonsense | bk-put --create file://$PWD/none"
	run -64 --separate-stderr bash -c "bk-get --nonsense --raw"
	[ -z "$output" ]
}
