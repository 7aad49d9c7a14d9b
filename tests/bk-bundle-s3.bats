#!/usr/bin/env bats
# Bundles on an S3 server: links that a host without credentials fetches by,
# an uploaded tarball, and its end.

load helper
load wal
load s3

setup_file() {
	export BATS_TEST_TIMEOUT=120
	s3_start
	root=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
	wal_start || return 1
	home=${PGDATA%/data}
	mkdir "$home/archive" "$home/to"
	[ "$(id -u)" -ne 0 ] || chown "$(stat -c %u "$PGDATA")" "$home/archive" "$home/to"
	restart_with "wal_level = replica" "full_page_writes = on" "archive_mode = on" \
	    "archive_command = 'cp %p $home/archive/%f'"
	q 'CREATE TABLE n AS SELECT 42 AS i'
	S="s3://bk-bundle?region=us-east-1"
	bk-dump -n app 'postgres-base:///?checkpoint=fast&wal=include' | bk-compress |
	    bk-put --create "$S" > "$BATS_FILE_TMPDIR/record" || return 1
	# Another name, with a log.
	bk-dump -n full 'postgres-base:///?checkpoint=fast' > "$BATS_FILE_TMPDIR/base" || return 1
	q 'UPDATE n SET i = 43'
	f=$(q 'SELECT pg_walfile_name(pg_current_wal_insert_lsn())')
	q 'SELECT pg_switch_wal()' > /dev/null
	timeout 30 sh -c "until [ -e '$home/archive/$f' ] && [ -e '$PGDATA/pg_wal/archive_status/$f.done' ]; do :; done"
	for f in "$home"/archive/*; do
		case $f in *.backup) ;; *) bk-wal-push "$S" --name full "$f" || return 1 ;; esac
	done
	bk-put "$S" < "$BATS_FILE_TMPDIR/base" > "$BATS_FILE_TMPDIR/record" || return 1
	echo "S='$S'" >> "$BATS_FILE_TMPDIR/env"
}

teardown_file() {
	wal_stop
	[ -z "${PROXY:-}" ] || kill "$PROXY"
	"$BATS_TEST_DIRNAME/lab/s3" stop "$BATS_FILE_TMPDIR/s3" || :
}

setup() {
	. "$BATS_FILE_TMPDIR/env"
	home=${PGDATA%/data}
	cd "$BATS_TEST_TMPDIR" || return
}

# A server started on $1 has $2 in its row.
holds() {
	as_pg "$PGBIN/pg_ctl" -s -w -t 60 -D "$1" -l "$home/to/log" \
	    -o "-c fsync=off -c port=5498 -c listen_addresses= -c unix_socket_directories=$home/to" \
	    start > /dev/null 2>&1 3>&- < /dev/null || { cat "$home/to/log"; return 1; }
	"$PGBIN/psql" -XAtq -h "$home/to" -p 5498 -d postgres -c 'SELECT i FROM n' > got || :
	as_pg "$PGBIN/pg_ctl" -s -w -m immediate -D "$1" stop
	[ "$(cat got)" = "$2" ]
}

of() { python3 -c "
import json, sys
o = json.load(open(sys.argv[1]))
print($2)" "$1"; }

# Without credentials.
bare() { env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY -u AWS_ENDPOINT_URL "$@"; }

@test "the plan's links give payload and manifest, to whoever has them" {
	bk-bundle --name app --links 1h "$S" > plan
	[ "$(of plan 'len(o["wal"])')" = 0 ]
	[ "$(of plan 'o["restores-to"] == o["backup"]["record"]["info"]["stop-time"]')" = True ]
	bare curl -sf "$(of plan 'o["backup"]["link"]')" > payload
	[ "$(sha256sum < payload)" = "$(of plan 'o["backup"]["sha256"]')  -" ]
	bare bk-bundle --fetch "$(of plan 'o["backup"]["link"]')" > again
	cmp payload again
	bare curl -sf "$(of plan 'o["backup"]["manifest"]["link"]')" > manifest
	[ "$(of manifest 'o["id"]')" = "$(of plan 'o["backup"]["record"]["id"]')" ]
	rules 'cut after=1000000 match=app- times=2' || true
	bare bk-bundle --fetch "$(of plan 'o["backup"]["link"]')" > again
	cmp payload again
	rules
}

@test "a replica starts from the plan's links alone" {
	bk-bundle --name full --links 1h "$S" > plan
	[ "$(of plan 'len(o["wal"]) > 0 and all("link" in w for w in o["wal"])')" = True ]
	bare bk-boot --data-dir "$home/to/plan" --bundle plan
	holds "$home/to/plan" 43
	bk-bundle --name full --download "$S" | cmp - <(bare bk-bundle --fetch plan)
	# A plan that was changed gives nothing whole.
	python3 - <<-'PY'
	import json
	o = json.load(open("plan"))
	o["wal"][0]["link"] = o["backup"]["link"]
	json.dump(o, open("swapped", "w"))
	o["wal"][0]["key"] = "../../x"
	json.dump(o, open("key", "w"))
	del o["wal"][0]["link"]
	json.dump(o, open("none", "w"))
	PY
	for p in swapped key none; do
		run -65 --separate-stderr bash -c "bk-bundle --fetch $p > tar"
		run ! tar -tf tar
	done
}

@test "an uploaded bundle: a replica starts from its link, and it goes when that expires" {
	bk-bundle --name app --upload --links 1h "$S" > up
	link=$(of up 'o["link"]')
	bare bk-boot --data-dir "$home/to/data" --bundle up -- touch ran
	[ -e ran ]
	bare bk-boot --data-dir "$home/to/again" --bundle "$link"
	# The mark tells where from, not what lets others in.
	grep -qF "${link%%\?*}" "$home/to/again/.bk-boot"
	run ! grep -qi signature "$home/to/again/.bk-boot"
	diff -rq "$home/to/data" "$home/to/again" | grep -v 'bk-boot differ' > differ || true
	[ ! -s differ ]
	bare bk-bundle --fetch - < up | cmp - <(bare curl -sf "$link")
	holds "$home/to/data" 42
	bk-prune --sweep "$S" > swept
	run ! grep -q "$(of up 'o["key"]')" swept
	bare curl -sf "$link" > tar
	# One that is good for a second.
	bk-bundle --name app --upload --links 1s "$S" > short
	until [ "$(bare curl -s -o /dev/null -w '%{http_code}' "$(of short 'o["link"]')")" != 200 ]; do :; done
	run -77 --separate-stderr bare bk-bundle --fetch "$(of short 'o["link"]')"
	said "has it expired?"
	case $stderr in *X-Amz-Signature*) false ;; esac
	# Its link is signed to the second, its key to the millisecond.
	until bk-prune --sweep "$S" > swept && grep -q "$(of short 'o["key"]')" swept; do :; done
	# Bundles are no backups.
	[ "$(bk-list "$S" --json | grep -c '"id"')" = 2 ]
}
