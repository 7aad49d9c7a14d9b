#!/usr/bin/env bats
# Bundles: what they name, tarballs that plain tar opens and a server starts
# from, links, and when they go.

load helper
load wal
load pgback

setup_file() {
	export BATS_TEST_TIMEOUT=120
	root=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
	wal_start || return 1
	home=${PGDATA%/data}
	mkdir "$home/archive" "$home/one" "$home/to"
	[ "$(id -u)" -ne 0 ] || chown -R "$(stat -c %u "$PGDATA")" "$home/archive" "$home/one" "$home/to"
	restart_with "archive_mode = on" "archive_command = 'cp %p $home/archive/%f'" \
	    "full_page_writes = on"
	"$PGBIN/psql" -Xq -v ON_ERROR_STOP=1 -d postgres <<-SQL
	CREATE TABLESPACE one LOCATION '$home/one';
	CREATE TABLE n (i int, at timestamptz DEFAULT clock_timestamp());
	CREATE TABLE u TABLESPACE one AS SELECT g AS a FROM generate_series(1, 1000) g;
	INSERT INTO n VALUES (1);
	SQL
	S=file://$BATS_FILE_TMPDIR/store
	mkdir "$BATS_FILE_TMPDIR/store"
	bk-dump -n app 'postgres-base:///?checkpoint=fast' > "$BATS_FILE_TMPDIR/base" || return 1
	{
		echo "S=$S"
		for i in 2 3 4 5; do
			echo "t$i=$(commit $i)"
			archived
		done
		echo "t6=$(commit 6)"
	} >> "$BATS_FILE_TMPDIR/env"
	archived
	push
	bk-compress < "$BATS_FILE_TMPDIR/base" | bk-put "$S" > "$BATS_FILE_TMPDIR/record"
}

teardown_file() { wal_stop; }

setup() {
	. "$BATS_FILE_TMPDIR/env"
	PATH=$PGBIN:$PATH
	home=${PGDATA%/data}
	rm -rf "$home/to" && mkdir "$home/to"
	[ "$(id -u)" -ne 0 ] || chown "$(stat -c %u "$PGDATA")" "$home/to"
	cd "$BATS_TEST_TMPDIR" || return
}

teardown() { halt; }

commit() {
	q "INSERT INTO n VALUES ($1)" > /dev/null
	q "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
}

# Wait until all of the log so far is in the archive.
archived() {
	local f
	f=$(q 'SELECT pg_walfile_name(pg_current_wal_insert_lsn())')
	q 'SELECT pg_switch_wal()' > /dev/null
	timeout 30 sh -c "until [ -e '${PGDATA%/data}/archive/$f' ] &&
	    [ -e '$PGDATA/pg_wal/archive_status/$f.done' ]; do :; done"
}

# All that is archived into the store.
push() {
	local f
	for f in "${PGDATA%/data}"/archive/*; do
		case $f in *.backup) continue ;; esac
		bk-wal-push "$S" --name app "$f" || return 1
	done
}

# Value of a Python expression on o, the JSON in file $1.
of() { python3 -c "
import json, sys
o = json.load(open(sys.argv[1]))
print($2)" "$1"; }

@test "the plan: backup, manifest, and the log up to the moment" {
	bk-bundle --name app --at "$t3" "$S" > plan
	[ "$(of plan 'o["bk"], o["at"] == o["restores-to"], o["backup"]["record"]["name"]')" = \
	    "bundle/1 True app" ]
	[ "$(of plan 'o["backup"]["manifest"]["key"]')" = ".bk/manifest/app/$(of plan 'o["backup"]["record"]["id"]').json" ]
	bk-bundle --name app "$S" > all
	[ "$(of all 'o["at"]')" = latest ]
	[ "$(of plan 'len(o["wal"])')" -lt "$(of all 'len(o["wal"])')" ]
	# One commit behind the moment is in it, and no segment after that.
	files=$(of plan '" ".join(w["file"] for w in o["wal"])')
	waldump=$(for f in $files; do "$PGBIN/pg_waldump" "$home/archive/$f" 2> /dev/null; done | grep -c "COMMIT")
	[ "$waldump" -ge 3 ]
	[ "$(of plan 'sum(w["bytes"] for w in o["wal"]) + o["backup"]["bytes"] + o["backup"]["manifest"]["bytes"] == o["bytes"]')" = True ]
	for f in $files; do
		[ "$(of plan '[w["sha256-16"] for w in o["wal"] if w["file"] == "'"$f"'"][0]')" = \
		    "$(sha256sum < "$home/archive/$f" | cut -c1-16)" ]
	done
	run ! grep -q '"link"' plan
	run -78 --separate-stderr bk-bundle --name app --links 1h "$S"
}

@test "a tarball: plain tar opens it, a server starts from it, at each moment" {
	for i in 3 5; do
		t=t$i
		bk-bundle --name app --at "${!t}" --download "$S" > b.tar
		mkdir "$home/to/d$i"
		[ "$(id -u)" -ne 0 ] || chown "$(stat -c %u "$PGDATA")" "$home/to/d$i"
		tar -xp -C "$home/to/d$i" < b.tar
		[ "$(stat -c %a "$home/to/d$i")" = 700 ]
		begin "$home/to/d$i"
		rows "$(seq -s ' ' 1 $i)"
		[ "$(there 'SELECT sum(a) FROM u')" = 500500 ]
		[ "$(there 'SHOW archive_mode')" = off ]
		halt
	done
	tar -tvf b.tar > list
	grep -q 'pg_tblspc/[0-9]* -> ../bk_tblspc/[0-9]*$' list
	run ! grep -q 'tablespace_map\|backup_manifest' list
	# Links come behind what they lead to.
	[ "$(grep -n 'pg_tblspc/[0-9]* -> ' list | cut -d: -f1)" -gt \
	    "$(grep -n 'bk_tblspc/[0-9]*/' list | tail -n 1 | cut -d: -f1)" ]
}

@test "the latest moment: no target, all that is archived" {
	bk-bundle --name app --at now --download "$S" > b.tar
	bk-boot --data-dir "$home/to/data" --bundle "$PWD/b.tar"
	[ "$(stat -c %U "$home/to/data/base")" = "$(stat -c %U "$PGDATA/base")" ]
	run ! grep -q 'recovery_target_time =' "$home/to/data/postgresql.auto.conf"
	begin "$home/to/data"
	rows '1 2 3 4 5 6'
}

@test "a moment that is not covered: 1, and the nearest" {
	run -1 --separate-stderr bk-bundle --name app --at 2020-01-01T00:00:00Z "$S"
	said "nearest before: none, after: 20"
	[ "$(of <(echo "$output") 'o["covered"], o["before"]')" = "False None" ]
	run -1 --separate-stderr bk-bundle --name app --at 2100-01-01T00:00:00Z "$S"
	said "after: none"
	before=$(of <(echo "$output") 'o["before"]')
	[[ $before > $t5 ]] && [[ ! $before > $t6 ]]
	bk-bundle --name app --at "$before" "$S" > plan
	run -1 --separate-stderr bash -c "bk-bundle --name app --at 2100-01-01T00:00:00Z --download $S > b.tar"
	[ ! -s b.tar ]
	run -66 bk-bundle --name other "$S"
}

@test "along the newest timeline" {
	cp -r "$BATS_FILE_TMPDIR/store" store
	bk-bundle --name app --at "$t4" --archive keep --download "$S" > b.tar
	mkdir "$home/to/d"
	[ "$(id -u)" -ne 0 ] || chown "$(stat -c %u "$PGDATA")" "$home/to/d"
	tar -xp -C "$home/to/d" < b.tar
	mkdir "$home/to/archive"
	[ "$(id -u)" -ne 0 ] || chown "$(stat -c %u "$PGDATA")" "$home/to/archive"
	echo "archive_command = 'cp %p $home/to/archive/%f'" >> "$home/to/d/postgresql.auto.conf"
	begin "$home/to/d"
	for i in 7 8; do
		there "INSERT INTO n VALUES ($i)"
		f=$(there 'SELECT pg_walfile_name(pg_current_wal_insert_lsn())')
		there 'SELECT pg_switch_wal()' > /dev/null
		timeout 30 sh -c "until [ -e '$home/to/archive/$f' ] && [ -e '$home/to/d/pg_wal/archive_status/$f.done' ]; do :; done"
	done
	halt
	for f in "$home"/to/archive/*; do
		case $f in
		*.partial) continue ;;
		*.history) f=$home/to/d/pg_wal/${f##*/} ;;	# pg_control is above it
		esac
		bk-wal-push "file://$PWD/store" --name app "$f"
	done
	bk-bundle --name app "file://$PWD/store" > plan
	of plan '" ".join(w["file"][:8] for w in o["wal"])' | grep -q '^00000002 00000001.* 00000002$'
	bk-bundle --name app --download "file://$PWD/store" > b.tar
	bk-boot --data-dir "$home/to/data" --bundle b.tar
	begin "$home/to/data"
	rows '1 2 3 4 7 8'
	[ "$(there 'SELECT timeline_id FROM pg_control_checkpoint()')" -ge 2 ]
}

@test "a gap ends what is covered; a segment that is bad fails, and so is no tarball" {
	cp -r "$BATS_FILE_TMPDIR/store" store
	bk-bundle --name app "file://$PWD/store" > plan
	n=$(of plan 'len(o["wal"])')
	key=$(of plan 'o["wal"][-1]["key"]')
	rm "store/$(of plan 'o["wal"][-2]["key"]')"
	bk-bundle --name app "file://$PWD/store" > short
	[ "$(of short 'len(o["wal"])')" -eq $((n - 2)) ]
	run -1 --separate-stderr bk-bundle --name app --at "$t5" "file://$PWD/store"
	said "after: none"
	rm -r store
	cp -r "$BATS_FILE_TMPDIR/store" store
	chmod u+w "store/$key"
	bend "store/$key" 5000 ffffffff
	run -65 --separate-stderr bash -c "bk-bundle --name app --download file://$PWD/store > b.tar"
	run ! tar -tf b.tar
	# Nor one whose base is bad.
	rm -r store
	cp -r "$BATS_FILE_TMPDIR/store" store
	key=$(of plan 'o["backup"]["key"]')
	chmod u+w "store/$key"
	bend "store/$key" 50000 ffffffff
	run -65 --separate-stderr bash -c "bk-bundle --name app --download file://$PWD/store > b.tar"
	[ -z "$(ls "$BATS_TEST_TMPDIR"/bk-bundle-* 2> /dev/null)" ]
}

@test "a name without a log: the newest dump at or before the moment" {
	mkdir store d
	S=file://$PWD/store
	echo 1 > d/f
	url="files://$PWD/d?parent=auto&state=$PWD/state"
	for i in 1 2; do bk-dump --store "$S" "$url" | bk-put "$S" > "r$i"; done
	bk-bundle --name d "$S" > plan
	[ "$(of plan 'o["restores-to"] == o["backup"]["record"]["time"], len(o["parents"]), o["wal"]')" = "True 1 []" ]
	first=$(of <(head -n 1 r1) 'o["time"]')
	bk-bundle --name d --at "$first" "$S" > plan
	[ "$(of plan 'o["restores-to"]')" = "$first" ]
	run -64 --separate-stderr bash -c "bk-bundle --name d --download $S > b.tar"
	said "bk-get"
	run -1 bk-bundle --name d --at 2020-01-01T00:00:00Z "$S"
}

@test "wrong usage" {
	for o in "" "--name app --upload --download" "--name app --links 8d" "--name app --archive no" \
	    "--fetch x --name app" "--fetch http:///x" "--name app --ca x" "--name app --at yesterday" \
	    "--name app --query {" "--name app a b"; do
		# shellcheck disable=SC2086
		BK_STORE=$S run -64 bash -c "bk-bundle $o > out"
	done
	run -78 --separate-stderr bk-bundle --name app --upload "$S"
	said "gives no links"
}
