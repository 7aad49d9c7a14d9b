#!/usr/bin/env bats
# bk-list --recoverable: which moments a store covers, on a real server's log.

load helper
load wal
load pgback

setup_file() {
	pushing_start || return 1
	q 'CREATE TABLE n (i int)'
	backup > "$BATS_FILE_TMPDIR/first"
}

teardown_file() { wal_stop; }

setup() {
	. "$BATS_FILE_TMPDIR/env"
	PATH=$PGBIN:$PATH
	cd "$BATS_TEST_TMPDIR" || return
}

teardown() { halt; }

# of EXPRESSION: of the lines ${output} as v, the end line as e
of() {
	python3 -c 'import json, sys
*v, e = [json.loads(l) for l in sys.stdin]
v = [o["recoverable"] for o in v]
print(eval(sys.argv[1]))' "$1" <<< "$output"
}

@test "from the end of the base backup to the last commit that is archived" {
	before=$(commit 1)
	f=$(pushed)
	after=$(commit 2)
	run -0 --separate-stderr bk-list --recoverable --name app "$S"
	[ -z "$stderr" ]
	[ "$(of '(len(v), e["end"], e["recoverable"], v[0]["timeline"], v[0]["bases"], v[0]["gap"])')" = "(1, 'ok', 1, 1, 1, None)" ]
	[ "$(of 'v[0]["base"]')" = "$(sed -n '1s/.*"id":"\([^"]*\)".*/\1/p' "$BATS_FILE_TMPDIR/first")" ]
	[ "$(of 'v[0]["from"]')" = "$(sed -n '1s/.*"stop-time":"\([^"]*\)".*/\1/p' "$BATS_FILE_TMPDIR/first")" ]
	[ "$(of 'v[0]["system"]')" = "$(system_of "$PGDATA")" ]
	to=$(of 'v[0]["to"]')
	[[ $to < $before && $to > $(of 'v[0]["from"]') ]]
	# The same for all names, and for a person.
	bk-list --recoverable "$S" > all
	echo "$output" | cmp - all
	bk-list --recoverable --table "$S" > table
	grep "$to" table
	[ "$(bk-list --recoverable --plain "$S" | wc -l)" -eq 1 ]
	# What bk-bundle says of the same store.
	[ "$(bk-bundle --name app "$S" | sed -n 's/.*"restores-to":"\([^"]*\)".*/\1/p')" = "$to" ]
	run -0 bk-bundle --name app --at "$to" "$S"
	run -1 bk-bundle --name app --at "$after" "$S"
	# The second commit comes with its segment.
	pushed
	run -0 --separate-stderr bk-list --recoverable --name app "$S"
	[[ $(of 'v[0]["to"]') > $before && $(of 'v[0]["to"]') < $after ]]
}

@test "a segment that went is named, and ends the interval" {
	for i in 3 4 5; do
		commit $i > "t$i"
		pushed >> files
	done
	cp -r "$home/store" store
	mapfile -t F < files
	rm store/app/wal/*/*/"${F[1]}"-*
	run -0 --separate-stderr bk-list --recoverable --name app "file://$PWD/store"
	[ "$(of 'v[0]["gap"]["before"] + " " + v[0]["gap"]["first"] + " " + v[0]["gap"]["last"] + " " + v[0]["gap"]["after"]')" = "${F[0]} ${F[1]} ${F[1]} ${F[2]}" ]
	[[ $(of 'v[0]["to"]') < $(cat t3) ]]
	bk-list --recoverable --table "file://$PWD/store" | grep "${F[1]} is missing, between ${F[0]} and ${F[2]}"
	# All that the base backup needs itself: no moment at all.
	rm store/app/wal/*/*/"$(sed -n '1s/.*"start-wal":"\([^"]*\)".*/\1/p' "$BATS_FILE_TMPDIR/first")"-*
	run -1 --separate-stderr bk-list --recoverable --name app "file://$PWD/store"
	said "no moment can be restored"
	[ "$(of 'v[0]["from"]')" = None ]
}

@test "a timeline switch: both, and the history that is missing" {
	as_pg cp -r "$home/store" "$home/to/store"
	C=file://$home/to/store
	bk-restore "$C" --name app --at now --into "$home/to/d" --archive keep
	as_pg mkdir "$home/to/archive"
	echo "archive_command = 'cp %p $home/to/archive/%f'" | as_pg tee -a "$home/to/d/postgresql.auto.conf" > /dev/null
	begin "$home/to/d"
	there 'INSERT INTO n VALUES (9)'
	f=$(there 'SELECT pg_walfile_name(pg_switch_wal())')
	timeout 30 sh -c "until [ -e '$home/to/d/pg_wal/archive_status/$f.done' ]; do :; done"
	halt
	case $f in 00000002*) ;; *) false ;; esac
	for w in "$home"/to/archive/0*; do
		case $w in
		*.partial) continue ;;
		*.history) w=$home/to/d/pg_wal/${w##*/} ;;
		esac
		bk-wal-push "$C" --name app "$w"
	done
	run -0 --separate-stderr bk-list --recoverable --name app "$C"
	[ "$(of '" ".join(str(o["timeline"]) for o in v)')" = "1 2" ]
	[ "$(of 'v[0]["from"] == v[1]["from"] and v[0]["to"] < v[1]["to"] and v[1]["gap"] is None')" = True ]
	[ "$(bk-bundle --name app "$C" | sed -n 's/.*"restores-to":"\([^"]*\)".*/\1/p')" = "$(of 'v[1]["to"]')" ]
	rm "$home/to/store"/app/wal/*/*/00000002.history-*
	run -0 --separate-stderr bk-list --recoverable --name app "$C"
	[ "$(of '(v[1]["from"], v[1]["gap"]["first"])')" = "(None, '00000002.history')" ]
}

@test "names without a log; wrong usage" {
	mkdir store
	bk-dump -n x 'fake:?bytes=10' | bk-put "file://$PWD/store"
	run -1 --separate-stderr bk-list --recoverable --name x "file://$PWD/store"
	said "no moment can be restored"
	[ "$output" = '{"end":"ok","recoverable":0}' ]
	run -1 bk-list --recoverable --table "file://$PWD/store"
	for o in --latest "--id $(printf '0%.0s' {1..26})" --recursive --marks --links "--limit 1"; do
		# shellcheck disable=SC2086
		run -64 bk-list --recoverable $o "file://$PWD/store"
	done
	run -66 bk-list --recoverable "file://$PWD/none"
	case $output in *'"end":"failed"'*) ;; *) false ;; esac
}
