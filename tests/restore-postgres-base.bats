#!/usr/bin/env bats
# Base backups restored: to a moment, a position, a restore point, the end of
# the backup and of the log; beside a running cluster; as a replica.

load helper
load wal
load pgback

setup_file() {
	export BATS_TEST_TIMEOUT=120
	root=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
	wal_start || return 1
	home=${PGDATA%/data}
	mkdir "$home/archive" "$home/one" "$home/two" "$home/to"
	[ "$(id -u)" -ne 0 ] || chown -R "$(stat -c %u "$PGDATA")" "$home/archive" "$home/one" "$home/two" "$home/to"
	restart_with "archive_mode = on" "archive_command = 'cp %p $home/archive/%f'" \
	    "full_page_writes = on"
	"$PGBIN/psql" -Xq -v ON_ERROR_STOP=1 -d postgres <<-SQL
	CREATE TABLESPACE one LOCATION '$home/one';
	CREATE TABLESPACE two LOCATION '$home/two';
	CREATE TABLE n (i int, at timestamptz DEFAULT clock_timestamp());
	CREATE TABLE u TABLESPACE one AS SELECT g AS a FROM generate_series(1, 1000) g;
	CREATE TABLE v TABLESPACE two AS SELECT g AS a FROM generate_series(1, 1000) g;
	INSERT INTO n VALUES (1);
	SQL
	bk-dump -n app 'postgres-base:///?checkpoint=fast' > "$BATS_FILE_TMPDIR/base" || return 1
	{
		echo "two=$(commit 2)"
		echo "point=$(q "SELECT pg_create_restore_point('point')")"
		echo "three=$(commit 3)"
		echo "lsn=$(q 'SELECT pg_current_wal_insert_lsn()')"
		echo "four=$(commit 4)"
	} >> "$BATS_FILE_TMPDIR/env"
	archived
}

teardown_file() {
	wal_stop
}

setup() {
	. "$BATS_FILE_TMPDIR/env"
	PATH=$PGBIN:$PATH
	home=${PGDATA%/data}
	rm -rf "$home/to" && as_pg true && mkdir "$home/to"
	[ "$(id -u)" -ne 0 ] || chown "$(stat -c %u "$PGDATA")" "$home/to"
	cd "$BATS_TEST_TMPDIR"
	base=$BATS_FILE_TMPDIR/base
	fetch="cp $home/archive/%f %p"
	maps=(--tablespace "$home/one=$home/to/one" --tablespace "$home/two=$home/to/two")
}

teardown() {
	halt
}

# Wait until all of the log so far is in the archive.
archived() {
	local f
	f=$(q 'SELECT pg_walfile_name(pg_switch_wal())')
	timeout 30 sh -c "until [ -e '${PGDATA%/data}/archive/$f' ] &&
	    [ -e '$PGDATA/pg_wal/archive_status/$f.done' ]; do :; done"
}

@test "to a moment, tablespaces elsewhere, whole by pg_verifybackup" {
	bk-restore --into "$home/to/data" --at "$two" --restore-command "$fetch" "${maps[@]}" < "$base"
	as_pg "$PGBIN/pg_verifybackup" --no-parse-wal --ignore tablespace_map "$home/to/data"
	[ "$(stat -c %a "$home/to/data")" = 700 ]
	[ "$(stat -c %U "$home/to/data/base")" = "$(stat -c %U "$PGDATA/base")" ]
	begin "$home/to/data"
	rows '1 2'
	[ "$(there 'SELECT sum(a) FROM u JOIN v USING (a)')" = 500500 ]
	[ "$(there 'SHOW archive_mode')" = off ]
	[ "$(readlink -f "$home/to/data"/pg_tblspc/* | sort | tr '\n' ' ')" = "$home/to/one $home/to/two " ]
}

@test "to a position, a restore point, the backup's end, the log's end" {
	case_of() {
		bk-restore --start --into "$home/to/$1" --restore-command "$fetch" \
		    --tablespace "$home/one=$home/to/$1-1" --tablespace "$home/two=$home/to/$1-2" \
		    "${@:3}" < "$base" > line
		grep '"event":"recovered"' line
		begin "$home/to/$1"
		rows "$2"
		halt
	}
	case_of lsn '1 2 3' --lsn "$lsn"
	grep '"end":"target"' line
	case_of point '1 2' --restore-point point
	case_of now '1 2 3 4' --at now
	grep '"end":"end of the log"' line
	case_of backup 1
	case_of immediate 1 --immediate
	run -65 --separate-stderr bk-restore --start --into "$home/to/none" --restore-command "$fetch" \
	    "${maps[@]}" --restore-point none < "$base"
	said "the log has no restore point 'none'"
	[ ! -e "$home/to/none" ]
	case_of time '1 2 3' --at "$three"
	grep '"end":"target"' line
	# Nothing was committed after it, and it is over.
	case_of late '1 2 3 4' --at "$four"
	grep '"end":"end of the log"' line
}

@test "from a store, whose record says again what the tablespaces are" {
	local s=file://$BATS_TEST_TMPDIR/store link oid
	bk-dump -n app 'postgres-base:///?checkpoint=fast&wal=include' | bk-put --create "$s"
	bk-restore "$s" --name app --latest --start --into "$home/to/a" "${maps[@]}"
	oid=$(q "SELECT oid FROM pg_tablespace WHERE spcname = 'one'")
	[ "$(readlink "$home/to/a/pg_tblspc/$oid")" = "$home/to/one" ]
	[ "$(find "$home/to/a/pg_tblspc" -mindepth 1 | wc -l)" = 2 ]
	begin "$home/to/a"
	[ "$(there 'SELECT sum(a) FROM u JOIN v USING (a)')" = 500500 ]
	halt
	bk-restore "$s" --name app --latest --into "$home/to/b" \
	    --tablespace "$home/one=$home/to/3" --tablespace "$home/two=$home/to/4"
	[ "$(readlink "$home/to/b/pg_tblspc/$oid")" = "$home/to/3" ]
	grep -qxF "$oid $home/to/3" "$home/to/b/tablespace_map"
}

@test "a place that holds something, and one that does" {
	run -73 --separate-stderr bk-restore --into "$home/to/data" --restore-command "$fetch" < "$base"
	said "--tablespace '$home/"
	[ ! -e "$home/to/data" ]
	mkdir "$home/to/data" && touch "$home/to/data/mine"
	run -73 --separate-stderr bk-restore --into "$home/to/data" --restore-command "$fetch" "${maps[@]}" < "$base"
	[ "$(ls -A "$home/to/data")" = mine ]
	bk-restore --replace --yes --into "$home/to/data" --restore-command "$fetch" "${maps[@]}" < "$base"
	[ -e "$home/to/data/PG_VERSION" ]
	[ -e "$home/to"/data.old-*/mine ]
	run -64 --separate-stderr bk-restore --into "$home/to/x" --restore-command "$fetch" \
	    --tablespace "/no/such=$home/to/one" < "$base"
	run -64 --separate-stderr bk-restore --into "$home/to/x" --tablespace "$home/one=$home/to/x/one" "${maps[@]:2}" \
	    --restore-command "$fetch" < "$base"
	said 'lies in the data directory'
	[ ! -e "$home/to/x" ]
}

@test "an empty directory is filled from inside" {
	mkdir "$home/to/data" "$home/to/one"
	bk-restore --into "$home/to/data" --restore-command "$fetch" "${maps[@]}" < "$base"
	[ -z "$(find "$home/to" -name '.*bk-*')" ]
	begin "$home/to/data"
	rows 1
}

@test "a backup that ends after the moment" {
	run -65 --separate-stderr bk-restore --into "$home/to/data" --at -1h --restore-command "$fetch" "${maps[@]}" < "$base"
	said 'the backup ends at'
	run -65 --separate-stderr bk-restore --into "$home/to/data" --lsn 0/1000000 --restore-command "$fetch" "${maps[@]}" < "$base"
	run -64 --separate-stderr bk-restore --into "$home/to/data" --at now "${maps[@]}" < "$base"
	said --restore-command
	refused() {
		run -64 --separate-stderr bk-restore --into "$home/to/data" --restore-command "$fetch" "${@:2}" < "$base"
		said "$1"
	}
	refused 'choose one of' --immediate --restore-point point
	refused 'choose one of' --lsn "$lsn" --immediate
	refused "--timeline '0'" --timeline 0
	refused 'want postgres://' --replica-of http://db1
	refused 'no moment goes with --replica-of' --replica-of postgres://db1 --at "$two" "${maps[@]}"
	refused 'no moment goes with --replica-of' --replica-of postgres://db1 --lsn "$lsn" "${maps[@]}"
	[ -z "$(ls -A "$home/to")" ]
}

@test "a backup that is cut or changed leaves nothing" {
	head -c 3000000 "$base" > cut
	run -65 --separate-stderr bk-restore --into "$home/to/data" --restore-command "$fetch" "${maps[@]}" < cut
	[ -z "$(ls -A "$home/to")" ]
	python3 "$root/tests/mkstream.py" --payload < "$base" > tar
	python3 - <<-'PY'
	import io, json, tarfile
	data = bytearray(open("tar", "rb").read())
	t = tarfile.open(fileobj=io.BytesIO(data))
	m = t.getmember("global/pg_control")
	data[m.offset_data + 100] ^= 1
	open("bad", "wb").write(data)
	PY
	header=$(head -n 1 "$base")
	python3 "$root/tests/mkstream.py" - "$header" < bad > changed
	run -65 --separate-stderr bk-restore --into "$home/to/data" --restore-command "$fetch" "${maps[@]}" < changed
	said "'global/pg_control' has not the checksum"
	[ -z "$(ls -A "$home/to")" ]
}

@test "killed at any time, the place stays as it was" {
	for wait in 0.02 0.05 0.1 0.2; do
		timeout -s KILL $wait bk-restore --into "$home/to/data" --restore-command "$fetch" "${maps[@]}" < "$base" || :
		[ ! -e "$home/to/data" ] || [ -e "$home/to/data/PG_VERSION" ]
		rm -rf "$home/to"/.[!.]* "$home/to"/*
	done
}

@test "a directory that a server runs in is not replaced" {
	run -75 --separate-stderr bk-restore --replace --yes --into "$PGDATA" --restore-command "$fetch" "${maps[@]}" < "$base"
	said 'stop it first'
	[ "$(q 'SELECT 1')" = 1 ]
	[ -z "$(ls -A "$home/to")" ]
}

@test "killed while the server recovers, the server goes with it" {
	bk-restore --start --into "$home/to/data" --restore-command "touch $home/to/asked; exec sleep 60" "${maps[@]}" \
	    < "$base" > out 2> err 3>&- &
	restore=$!
	timeout 30 sh -c "until [ -e '$home/to/asked' ]; do :; done"
	pgrep -f "$home/to/.data.bk-" > /dev/null
	kill -KILL "$restore"
	timeout 20 sh -c "while pgrep -f '^[^ ]*postgres -D $home/to/.data.bk-'; do :; done" > /dev/null
	[ ! -e "$home/to/data" ]
}

@test "a server that cannot recover leaves nothing, and no process" {
	run -65 --separate-stderr bk-restore --start --into "$home/to/data" --restore-command false "${maps[@]}" < "$base"
	said 'the server ended before it had recovered'
	# What stopped the recovery is in the words of the command, not in its status.
	run -65 --separate-stderr bk-restore --start --into "$home/to/data" \
	    --restore-command 'echo no key to the store >&2; exit 205' "${maps[@]}" < "$base"
	said 'exit code 205: no key to the store'
	[ -z "$(ls -A "$home/to")" ]
	run -65 --separate-stderr bk-restore --start --into "$home/to/data" --timeout 2s \
	    --restore-command 'sleep 30; false' "${maps[@]}" < "$base"
	said timeout
	[ -z "$(ls -A "$home/to")" ]
	! pgrep -f "$home/to/.data"
}
