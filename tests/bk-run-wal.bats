#!/usr/bin/env bats
# The log behind base backups under the supervisor: on-stale comes once for a
# gap, and again for the next.

load helper
load wal
load pgback
load supervise

setup_file() {
	pushing_start || return 1
	q 'CREATE TABLE n (i int)'
	backup > "$BATS_FILE_TMPDIR/first"
	for i in 1 2 3; do
		commit $i > /dev/null
		pushed >> "$BATS_FILE_TMPDIR/files"
	done
}

teardown_file() { wal_stop; }

setup() {
	. "$BATS_FILE_TMPDIR/env"
	mapfile -t F < "$BATS_FILE_TMPDIR/files"
	PATH=$PGBIN:$PATH
	cd "$BATS_TEST_TMPDIR" || return
	live=$S
	supervise_setup
	cp -r "$home/store" .
	find store -exec touch -d '1 hour ago' {} +
	job app <<-END
	source = "postgres-base:///?checkpoint=fast"
	store = { "one" }
	max-age = "1d"
	wal-check = "1s"
	on-stale = { "echo \"\$BK_MESSAGE\" >> '$PWD/stale'" }
	END
}

teardown() { supervise_teardown; }

lines() { if [ -e "$1" ]; then wc -l < "$1"; else echo 0; fi; }

# A segment goes, and comes back.
lose() { mkdir -p away && mv "store/app/wal"/*/*/"${F[1]}"-* away/; }
back() { mv away/* "$(dirname store/app/wal/*/*/"${F[0]}"-*)/"; }

@test "told once, until all is well again" {
	run -0 bk-run --look app
	[ "$(lines stale)" -eq 0 ]
	lose
	run -1 bk-run --look app
	run -1 bk-run --look app
	[ "$(lines stale)" -eq 1 ]
	grep "store 'one': app: gap: in the log ${F[1]} is missing, between ${F[0]} and ${F[2]}" stale
	back
	run -0 bk-run --look app
	[ "$(lines stale)" -eq 1 ]
	lose
	# A store that cannot be asked ends no bad period.
	run -1 bk-run --look app
	[ "$(lines stale)" -eq 2 ]
	mv store gone
	run -0 --separate-stderr bk-run --look app
	said "cannot tell whether the log of 'app' is whole in store 'one'"
	mv gone store
	run -1 bk-run --look app
	[ "$(lines stale)" -eq 2 ]
}

@test "bk status shows the moments that can be restored, from each store" {
	lose
	run bk status --json
	to=$(bk-list --recoverable --plain "$S" | sed -n 's/.*"to":"\([^"]*\)".*/\1/p')
	[ "$(head -n 1 <<< "$output" | python3 -c 'import json, sys
v, = json.load(sys.stdin)["recoverable"]; print(v["to"], v["store"], v["gap"]["first"])')" = "$to one ${F[1]}" ]
	run bk status --table
	[[ $output == *"app: 20"*" to $to can be restored from store 'one', timeline 1; ${F[1]} is missing"* ]]
	# A store that is away is said, and no more than that.
	mv store gone
	run bk status --json
	[[ $output == *'"recoverable":[]'* ]]
	[[ $output == *"\"warning\":\"store 'one' cannot be asked"* ]]
}

@test "the supervisor looks at the interval that the file gives" {
	lose
	daemon
	await test -s stale
	ends 0
	grep "${F[1]} is missing" stale
}

@test "after each run; a new base backup behind the gap mends it" {
	sed -i "s|^store \"one\".*|store \"one\" { url = \"$live\" }|; /wal-check/d" bk.conf
	k=$(ls "$home"/store/app/wal/*/*/"${F[1]}"-*)
	mv "$k" .
	find "$home/store/app/wal" -name "${F[2]}*" -exec touch -d '1 hour ago' {} +
	# A run that fails: its source is gone.
	sed 's|postgres-base:///?|postgres-base://127.0.0.1:1/?|; s|max-age|retry = "0"\n\tmax-age|' bk.conf > bad.conf
	run ! env BK_CONF="$PWD/bad.conf" bk-run app
	echo "$output"
	[ "$(lines stale)" -eq 1 ]
	run -0 bk-run app
	[ "$(lines stale)" -eq 1 ]
	run -0 bk-fresh --wal --name app "$live"
	mv "${k##*/}" "$k"
}

@test "words of the log want a base backup" {
	sed -i 's|postgres-base:|postgres:|' bk.conf
	run -78 --separate-stderr bk-supervise --check
	said "wal-check goes with a source postgres-base://"
}
