# What the end line requires is in the store before the backup is listed, or
# the backup is not listed.

load helper

setup() {
	own_store
	D=app/wal/7291000000000000001/00000001
	A=$D/000000010000000000000002- B=$D/000000010000000000000003-
	python3 "$root/tests/mkstream.py" hello '{"end":{"requires":["'$A'","'$B'"]}}' > in
	mkdir -p store/$D
}

# An object under prefix $1 of store $2.
wal() { mkdir -p "${2:-store}/$D" && : > "${2:-store}/${1}0123456789abcdef.gz"; }

# Member $1 of the object on the first line of standard input.
member() {
	python3 -c 'import json, sys
print(json.dumps(json.loads(sys.stdin.readline()).get(sys.argv[1]), separators=(",", ":")))' "$1"
}

# Nothing was stored but WAL.
only_wal() { [ -z "$(find "${1:-store}" -type f ! -path '*/wal/*')" ]; }

@test "all there: listed, and the record says what it requires" {
	wal "$A"
	wal "$B"
	run -0 --separate-stderr bash -c 'bk-put "$S" < in'
	[ "$(member requires <<< "${lines[0]}")" = "[\"$A\",\"$B\"]" ]
	[ "$(member requires < store/.bk/manifest/app/*.json)" = "[\"$A\",\"$B\"]" ]
	bk-get <<< "${lines[0]}" | tail -n 1 | grep -o '{"end".*' > end
	[ "$(member requires < end)" = "[\"$A\",\"$B\"]" ]
	bk-get <<< "${lines[0]}" | head -n 1 > header
	[ "$(member requires < header)" = null ]
}

@test "it waits for what comes late" {
	wal "$A"
	mkfifo said
	bash -c 'exec bk-put -v "$S" < in' 2> said > out 3>&- &
	exec 7< said
	while read -r -t 30 -u 7 line; do
		case $line in *"waiting for '$B*'"*) break ;; esac
	done
	[ -n "$line" ]
	nothing_listed store
	wal "$B"
	wait $!
	exec 7<&-
	[ "$(member name < out)" = '"app"' ]
}

@test "it does not wait for ever, and then stores nothing" {
	wal "$B"
	run -65 --separate-stderr bash -c 'bk-put --require-timeout 1s "$S" < in'
	one_line
	said "nothing stored: the backup requires '$A*', which did not come into $S in time: does the server's archive_command"
	only_wal
	[ "$(member end <<< "$output")" = '"failed"' ]
}

@test "each store has it, or does not list the backup" {
	mkdir two
	wal "$A" && wal "$B" && wal "$A" two
	run -65 --separate-stderr bash -c 'bk-put --require-timeout 1s "$S" "file://$PWD/two" < in'
	said "stored in 1 of 2 stores"
	only_wal two
	[ "$(bk-list --plain "$S" | wc -l)" -eq 1 ]
}

@test "stopped while it waits it leaves nothing" {
	mkfifo said
	bash -c 'exec bk-put -v "$S" < in' 2> said > out 3>&- &
	pid=$!
	exec 7< said
	while read -r -t 30 -u 7 line; do
		case $line in *"waiting for"*) break ;; esac
	done
	kill -TERM $pid
	st=0
	wait $pid || st=$?
	[ "$st" -eq 143 ] || { echo "status $st"; cat out; false; }
	exec 7<&-
	only_wal
}

@test "a list that nobody can wait for is refused" {
	for bad in '"x"' '{}' '[1]' '["x"]' "[\"${A%-}\"]" "[\"other${A#app}\"]" '["app/wal/7/00000001/x-"]'; do
		python3 "$root/tests/mkstream.py" hello "{\"end\":{\"requires\":$bad}}" > in
		run -65 --separate-stderr bash -c 'bk-put "$S" < in'
		said "end line: 'requires'"
	done
	python3 "$root/tests/mkstream.py" hello '{"requires":["nonsense"],"end":{"requires":[]}}' > in
	run -0 --separate-stderr bash -c 'bk-put "$S" < in'
	[ "$(member requires <<< "${lines[0]}")" = "[]" ]
}

@test "bk-copy takes along what is required, verified, or copies nothing" {
	# Real files of 1 MiB: made as a server would.
	mkdir -p d/pg_wal
	python3 - <<-'END'
	import struct
	for n in 2, 3:
	    head = struct.pack("=HHIQII QII", 0xd110, 2, 1, n << 20, 0, 0, 7291000000000000001, 1 << 20, 8192)
	    open(f"d/pg_wal/{1:08X}{0:08X}{n:08X}", "wb").write(head + bytes((1 << 20) - len(head)))
	END
	for f in d/pg_wal/*; do bk-wal-push --compress zstd --name app "$S" "$f"; done
	bk-put "$S" < in > rec
	T=file://$PWD/two
	run -0 --separate-stderr bk-copy "$S" "$T" --create
	[ "$(find two/app/wal -type f | wc -l)" -eq 2 ]
	for f in d/pg_wal/*; do
		bk-wal-fetch --name app --prefetch 0 "$T" "${f##*/}" got
		cmp got "$f"
	done
	run -0 bk-copy "$S" "$T"
	# One that is damaged, one that is missing: nothing is listed.
	bend() { printf XXXX | dd of="$1" bs=1 seek=60 conv=notrunc status=none; }
	bend "$(echo store/${A}*)"
	run -65 --separate-stderr bk-copy "$S" "file://$PWD/three" --create
	one_line
	nothing_listed three
	rm store/${A}*
	run -65 --separate-stderr bk-copy "$S" "file://$PWD/three" --create
	said "requires '$A*', which is in neither store"
	nothing_listed three
	# Another content in the target.
	mkdir -p "three/$D" && : > "three/${B}ffffffffffffffff"
	bk-wal-push --name app "$S" d/pg_wal/000000010000000000000002
	run -65 --separate-stderr bk-copy "$S" "file://$PWD/three"
	said 'with another content (ffffffffffffffff, not'
	nothing_listed three
}
