# The log of a name: what no base backup needs goes, a week after that was
# first seen, and nothing else; bases stay while a kept moment needs them.

load helper

setup_file() {
	# 40 segments of 1 MiB on two timelines, made once.
	mkdir "$BATS_FILE_TMPDIR/seg"
	python3 - "$BATS_FILE_TMPDIR/seg" <<-'END'
	import struct, sys
	for tli, first, last in (1, 1, 24), (2, 20, 30):
	    for n in range(first, last):
	        head = struct.pack("=HHIQII QII", 0xd110, 2, tli, n << 20, 0, 0, 4711, 1 << 20, 8192)
	        open(f"{sys.argv[1]}/{tli:08X}{0:08X}{n:08X}", "wb").write(head + bytes((1 << 20) - len(head)))
	END
	mkdir "$BATS_FILE_TMPDIR/store" "$BATS_FILE_TMPDIR/d" "$BATS_FILE_TMPDIR/d/global" "$BATS_FILE_TMPDIR/d/pg_wal"
	python3 -c 'import struct, sys; sys.stdout.buffer.write(struct.pack("=Q", 4711))' > "$BATS_FILE_TMPDIR/d/global/pg_control"
	printf '1\t0/1400000\tfailover\n' > "$BATS_FILE_TMPDIR/d/pg_wal/00000002.history"
	for f in "$BATS_FILE_TMPDIR"/seg/* "$BATS_FILE_TMPDIR/d/pg_wal/00000002.history"; do
		bk-wal-push --name app "file://$BATS_FILE_TMPDIR/store" "$f"
	done
}

setup() {
	cd "$BATS_TEST_TMPDIR"
	cp -r "$BATS_FILE_TMPDIR/store" store
	S=file://$PWD/store
	export S
	W=store/app/wal/4711
}

# base TIME TIMELINE SEGMENT [ID OF SYSTEM]: a base backup that begins there; ${id}.
base() {
	local tli seg
	tli=$(printf '%08X' "$2") seg=$(printf '%08X' "$3")
	python3 "$root/tests/mkstream.py" "base $1" '{"engine":"postgres-base","ext":"tar","time":"'"$1"'",
	    "source":{"engine":"postgres-base","server":"'"${4:-4711}"'"},
	    "info":{"system":"'"${4:-4711}"'","timeline":'"$2"',"start-wal":"'"$tli"00000000"$seg"'"},
	    "end":{"requires":["app/wal/'"${4:-4711}/$tli/$tli"00000000"$seg"'-"]}}' |
	    bk-put "$S" | sed -n '1s/.*"id":"\([^"]*\)".*/\1/p' > id
	id=$(cat id)
	[ -n "$id" ]
}

# Let DAYS pass, for what the store remembers.
days() {
	python3 - "$1" store/.bk/wal/*.json store/.bk/deleted/*/*.json <<-'END'
	import datetime, json, os, sys
	back = datetime.timedelta(days=float(sys.argv[1]))
	def age(t):
	    t = datetime.datetime.fromisoformat(t.replace("Z", "+00:00")) - back
	    return t.strftime("%Y-%m-%dT%H:%M:%SZ")
	for path in filter(os.path.exists, sys.argv[2:]):
	    o = json.load(open(path))
	    for s in o.get("seen", []):
	        s["since"] = age(s["since"])
	    if "deleted" in o:
	        o["deleted"] = age(o["deleted"])
	    json.dump(o, open(path, "w"), separators=(",", ":"))
	END
}

# prune RULE...
prune() { run -0 --separate-stderr bk-prune "$@" "$S"; }

segments() { find "$W/0000000$1" -type f -name '0000000*' ! -name '*.history*' | sed 's|.*/[0-9A-F]\{16\}\([0-9A-F]*\)-.*|\1|' | sort | tr '\n' ' '; }

# The first segment of timeline 1, and how many there are.
from() { segments 1 | awk '{ print $1, NF }'; }

@test "a week after the base went whose log it was" {
	base 2026-11-01T00:00:00Z 1 3
	first=$id
	base 2026-11-02T00:00:00Z 1 9
	prune --keep-last 1
	# A tombstone counts as long as it can be undone.
	[ "$(from)" = '00000001 23' ]
	grep -q '"before":"0000000000000003"' store/.bk/wal/app.json
	days 2
	prune --keep-last 1
	[ ! -e "store/.bk/deleted/app/$first.json" ]
	days 4.9
	prune --keep-last 1
	[ "$(from)" = '00000001 23' ]
	# What lay before the first base is seen for more than 7 days now.
	days 0.2
	prune --keep-last 1 --dry-run
	[[ $output = *'"log":"delete","name":"app","system":"4711","timeline":1,"first":"000000010000000000000001","last":"000000010000000000000002","n":2,'* ]]
	[ "$(from)" = '00000001 23' ]
	prune --keep-last 1
	[ "$(from)" = '00000003 21' ]
	# What lies before the second was seen when the tombstone had gone.
	days 3
	prune --keep-last 1 --table
	[[ $output = *'log     app  6 files ('*'), 000000010000000000000003 to 000000010000000000000008, before the oldest base backup'* ]]
	[ "$(from)" = '00000009 15' ]
	days 60
	prune --keep-last 1
	[ "$(from)" = '00000009 15' ]
	[ "$(segments 2 | wc -w)" -eq 10 ]
	ls $W/00000002/00000002.history-*
	bk-wal-fetch --name app --prefetch 0 "$S" 000000010000000000000009 got
}

@test "timelines: a base counts on its line, before and after the branch" {
	base 2026-11-01T00:00:00Z 2 25
	prune --keep-last 1
	days 8
	prune --keep-last 1
	[ "$(segments 2)" = '00000019 0000001A 0000001B 0000001C 0000001D ' ]
	[ ! -d $W/00000001 ]
	ls $W/00000002/00000002.history-*
}

@test "no base, a base of another system, one that cannot be read: nothing goes" {
	bk-dump --name app 'fake:?bytes=10' | bk-put "$S" > /dev/null
	prune --keep-last 1
	[ ! -e store/.bk/wal ]
	mkdir -p store/app/wal/99/00000001
	: > store/app/wal/99/00000001/000000010000000000000009-0123456789abcdef
	base 2026-11-01T00:00:00Z 1 9 99
	prune --keep-last 5 --shared
	days 8
	prune --keep-last 5 --shared
	[ "$(from)" = '00000001 23' ]
	base 2026-11-20T10:00:00Z 1 9
	prune --keep-last 5 --shared
	days 8
	for m in store/.bk/manifest/app/*.json; do echo broken > "$m"; break; done
	run -1 --separate-stderr bk-prune --keep-last 5 --shared "$S"
	said "the log of 'app' stays: what backup"
	[ "$(from)" = '00000001 23' ]
}

@test "a base brought back, or copied here, takes its log back at once" {
	base 2026-11-02T00:00:00Z 1 9
	prune --keep-last 5
	days 8
	base 2026-11-01T00:00:00Z 1 4
	prune --keep-last 5
	[ "$(from)" = '00000004 20' ]
	days 30
	prune --keep-last 5
	[ "$(from)" = '00000004 20' ]
}

@test "what was seen is lost or nonsense: a week more" {
	base 2026-11-02T00:00:00Z 1 9
	prune --keep-last 5
	echo nonsense > store/.bk/wal/app.json
	prune --keep-last 5
	[ "$(from)" = '00000001 23' ]
	days 8
	prune --keep-last 5
	[ "$(from)" = '00000009 15' ]
}

@test "a prune each day keeps a short memory" {
	for at in 2 3 4 5 6 7 8 9 10 11 12 13; do
		base "2026-11-$(printf %02d $at)T00:00:00Z" 1 $at
		prune --keep-last 1
		days 1.01
	done
	[ "$(python3 -c 'import json; print(len(json.load(open("store/.bk/wal/app.json"))["seen"]))')" -le 18 ]
	# The oldest tombstone of the last day, seen a week ago.
	[ "$(from)" = '00000003 21' ] || [ "$(from)" = '00000004 20' ]
}

@test "a plan that was looked at" {
	base 2026-11-02T00:00:00Z 1 9
	prune --keep-last 5
	days 8
	bk-prune --keep-last 5 --dry-run "$S" > plan
	grep -q '"log":"delete"' plan
	bk-prune --plan plan "$S" > done
	[ "$(from)" = '00000009 15' ]
}

@test "weekly and monthly bases keep their log; days keep the base before them" {
	at=1
	for t in 09-01 10-05 11-02 11-09 11-16 11-19; do
		at=$((at + 3))
		base "2026-${t}T03:00:00Z" 1 $at
		ids+=("$id")
	done
	prune --cycle 7,2,3
	[[ $output = *'"plan":"keep","id":"'"${ids[3]}"*'the moments kept after it need it'* ]]
	days 8
	prune --cycle 7,2,3
	[ "$(bk-list --plain --name app "$S" | wc -l)" -eq 6 ]
	[ "$(from)" = '00000004 20' ]
	bk-list --plain --name app "$S" | python3 -c 'import json, sys
for line in sys.stdin: print(json.loads(line)["requires"][0])' > want
	while read -r k; do ls "store/$k"* > /dev/null; done < want
}
