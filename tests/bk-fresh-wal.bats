#!/usr/bin/env bats
# bk-fresh --wal: a gap in the log of a real server, and a log that is late.

load helper
load wal
load pgback

setup_file() {
	pushing_start || return 1
	q 'CREATE TABLE n (i int)'
	backup > "$BATS_FILE_TMPDIR/first"
	for i in 1 2 3 4; do
		commit $i > /dev/null
		pushed >> "$BATS_FILE_TMPDIR/files"
	done
}

teardown_file() { wal_stop; }

setup() {
	. "$BATS_FILE_TMPDIR/env"
	PATH=$PGBIN:$PATH
	mapfile -t F < "$BATS_FILE_TMPDIR/files"
	cd "$BATS_TEST_TMPDIR" || return
	cp -r "$home/store" store
	find store -exec touch -d '1 hour ago' {} +
	C=file://$PWD/store
}

# A member of the object in ${output}: field EXPRESSION
field() { python3 -c 'import json, sys
o = json.load(sys.stdin); w = o.get("wal")
print(eval(sys.argv[1]))' "$1" <<< "$output"; }

@test "all is there" {
	run -0 --separate-stderr bk-fresh --wal --name app --max-lag 1h "$C"
	[ "$(field 'o["state"]') $(field 'w["gap"]') $(field 'w["max-lag"]')" = "fresh None 3600000" ]
	[ "$(field 'w["to"]')" = "$(bk-list --recoverable --plain --name app "$C" | sed -n 's/.*"to":"\([^"]*\)".*/\1/p')" ]
	run -0 bk-fresh --wal --name app --max-age 1h --nagios "$C"
	[[ $output == "BK OK - "*" missing=0 lag="* ]]
	bk-fresh --wal --name app --metrics m "$C" > /dev/null
	grep -q '^bk_wal_missing{name="app",store=.*} 0$' m
	grep -q '^bk_wal_lag_seconds{' m
	grep -q '^bk_wal_recoverable_timestamp_seconds{' m
	run -0 bk-fresh --name app --max-age 1h --metrics m "$C"
	! grep bk_wal m
}

@test "a segment that is missing is named, and alarms" {
	rm store/app/wal/*/*/"${F[2]}"-*
	run -1 --separate-stderr bk-fresh --wal --name app --max-age 1h "$C"
	[ "$(field 'o["state"]') $(field 'w["gap"]["first"]') $(field 'w["gap"]["files"]')" = "gap ${F[2]} 1" ]
	said "app: gap: in the log ${F[2]} is missing, between ${F[1]} and ${F[3]}"
	run -2 bk-fresh --wal --name app --nagios "$C"
	[[ $output == "BK CRITICAL - app: gap: "*"${F[2]}"* ]]
	run -1 bk-fresh --wal --name app --metrics m "$C"
	grep -q '^bk_wal_missing{.*} 1$' m
	grep -q '^bk_backup_state{.*state="gap"} 1$' m
	# Without --wal nothing is said of it.
	run -0 bk-fresh --name app --max-age 1h "$C"
	# What the base backup needs itself.
	rm store/app/wal/*/*/"$(sed -n '1s/.*"start-wal":"\([^"]*\)".*/\1/p' "$BATS_FILE_TMPDIR/first")"-*
	run -1 --separate-stderr bk-fresh --wal --name app "$C"
	[[ $(field 'o["state"]') == gap ]]
}

@test "two contents are one too; no base backup is never" {
	k=$(echo store/app/wal/*/*/"${F[1]}"-*)
	cp "$k" "${k%-*}-0123456789abcdef.gz"
	run -1 --separate-stderr bk-fresh --wal --name app "$C"
	said "gap: in the log ${F[1]} is stored with two contents"
	rm -r store/.bk
	run -1 --separate-stderr bk-fresh --wal --name app "$C"
	said "app: never: "
}

@test "a log that is late: by its last commit, or by what waits at the server" {
	timeout 20 sh -c "while bk-fresh --wal --name app --max-lag 1s '$C' > out 2> err; do :; done"
	grep 'app: lag: the last commit that is stored is .* old, the limit is 1s' err
	grep '"state":"lag"' out
	run -0 --separate-stderr bk-fresh --wal --name app --max-lag 1s --data-dir "$PGDATA" "$S"
	[ "$(field 'w["waiting"]') $(field 'w["lag"]')" = "0 0" ]

	q "ALTER SYSTEM SET archive_command = 'false'" > /dev/null
	q 'SELECT pg_reload_conf()' > /dev/null
	commit 5 > /dev/null
	f=$(q 'SELECT pg_walfile_name(pg_switch_wal())')
	mark=$PGDATA/pg_wal/archive_status/$f
	timeout 30 sh -c "until [ -e '$mark.ready' ]; do :; done"
	touch -d '20 minutes ago' "$mark.ready"
	run -1 --separate-stderr bk-fresh --wal --name app --max-lag 10m --data-dir "$PGDATA" "$S"
	said "app: lag: $f waits for 20m to be stored, with 1 files of 16M in all, the limit is 10m"
	[ "$(field 'w["oldest"]') $(field 'w["waiting-bytes"]')" = "$f 16777216" ]
	run -2 bk-fresh --wal --name app --max-lag 10m --data-dir "$PGDATA" --nagios "$S"
	run -1 bk-fresh --wal --name app --max-lag 10m --data-dir "$PGDATA" --metrics m "$S"
	grep -q '^bk_wal_waiting_bytes{.*} 16777216$' m

	# What archive_command took and is not stored waits as well.
	q "ALTER SYSTEM SET archive_command = 'true'" > /dev/null
	q 'SELECT pg_reload_conf()' > /dev/null
	q 'SELECT pg_switch_wal()' > /dev/null
	timeout 60 sh -c "until [ -e '$mark.done' ]; do :; done"
	touch -d '20 minutes ago' "$mark.done"
	run -1 --separate-stderr bk-fresh --wal --name app --max-lag 10m --data-dir "$PGDATA" "$S"
	said "lag: $f waits for 20m"
	# Stored, nothing waits.
	bk-wal-push --name app "$S" "$PGDATA/pg_wal/$f"
	run -0 bk-fresh --wal --name app --max-lag 10m --data-dir "$PGDATA" "$S"
}

@test "wrong usage, and what cannot be told" {
	for o in "--name app" "--group g --wal" "--name app --max-age 1h --max-lag 1m" "--name app --max-age 1h --data-dir ."; do
		# shellcheck disable=SC2086
		run -64 bk-fresh $o "$C"
	done
	run -69 --separate-stderr bk-fresh --wal --name app --data-dir "$PWD" "$C"
	said "cannot tell: '$PWD' is no data directory of PostgreSQL"
	run -3 bk-fresh --wal --name app --nagios --data-dir "$PWD" "$C"
}
