# ?each=yes against a private PostgreSQL server.

load helper

setup_file() {
	export BATS_TEST_TIMEOUT=180
	"$root/tests/lab/postgres" start "$BATS_FILE_TMPDIR/lab" > "$BATS_FILE_TMPDIR/env" || return 1
	"$root/tests/lab/postgres" start "$BATS_FILE_TMPDIR/lab2" > "$BATS_FILE_TMPDIR/env2" || return 1
	. "$BATS_FILE_TMPDIR/env"
	psql -Xq -v ON_ERROR_STOP=1 -d postgres <<-'SQL'
	CREATE ROLE alice LOGIN PASSWORD 'canary7731';
	CREATE DATABASE app OWNER alice;
	CREATE DATABASE "We ird/1";
	\connect app
	CREATE TABLE t AS SELECT g FROM generate_series(1, 1000) g;
	ALTER TABLE t OWNER TO alice;
	SQL
}

teardown_file() {
	"$root/tests/lab/postgres" stop "$BATS_FILE_TMPDIR/lab"
	"$root/tests/lab/postgres" stop "$BATS_FILE_TMPDIR/lab2"
}

setup() {
	. "$BATS_FILE_TMPDIR/env"
	PATH=$PGBIN:$PATH
	own_store
	cat > bk.conf <<-END
	state = "$PWD/state"
	store "one" { url = "$S" }
	job "all" {
	  source = "postgres://127.0.0.1:$PGPORT/?each=yes"
	  store = "one"
	  group = "cluster"
	}
	END
	export BK_CONF=$PWD/bk.conf
}

@test "bk-dump --list names the databases and the roles" {
	run -0 --separate-stderr bk-dump --list "postgres://127.0.0.1:$PGPORT/?each=yes"
	[ "${lines[0]}" = "{\"name\":\"We ird/1\",\"source\":\"postgres://127.0.0.1:$PGPORT/We%20ird%2F1\"}" ]
	[[ "${lines[1]}" == '{"name":"app",'*/app'"}' ]]
	[[ "${lines[-1]}" == '{"name":".roles",'*'/?roles=yes"}' ]]
	run -64 --separate-stderr bk-dump --list "postgres://127.0.0.1:$PGPORT/app"
	run -64 --separate-stderr bk-dump --list fake:
	[ -z "$output" ]
	plain "bk-dump 'postgres://127.0.0.1:$PGPORT/?each=yes' | cat"
	said "is for a job"
}

@test "each database and the roles are one restorable backup, tied as a group" {
	run -0 --separate-stderr bk-run all
	bk-list --plain "$S" > list
	[ "$(python3 -c "
import json
print(*sorted(json.loads(l)['name'] for l in open('list')))")" = \
	    "all-We-ird-1 all-app all-postgres all.roles" ]
	[ "$(grep -o '"name"' store/.bk/group/cluster/*.json | wc -l)" -eq 4 ]
	! grep -rqa canary7731 store/.bk state
	# Onto another server that holds a database already.
	pw=$(cut -d: -f5 "$PGPASSFILE")
	. "$BATS_FILE_TMPDIR/env2"
	psql -Xq -d postgres -c 'CREATE DATABASE other'
	bk-restore "$S" --name all.roles --latest --into "postgres://127.0.0.1:$PGPORT/"
	# The roles came with their passwords, our own too.
	printf '*:*:*:*:%s\n' "$pw" > pgpass
	chmod 600 pgpass
	export PGPASSFILE=$PWD/pgpass
	bk-restore "$S" --name all-app --latest --into "postgres://127.0.0.1:$PGPORT/app"
	[ "$(psql -XAtq -d app -c 'SELECT sum(g) || (SELECT tableowner FROM pg_tables WHERE tablename = $$t$$) FROM t')" = 500500alice ]
	[ "$(psql -XAtq -d postgres -c "SELECT count(*) FROM pg_database WHERE datname = 'other'")" = 1 ]
}

@test "two databases of one name in the store are refused; the others stand" {
	psql -Xq -d postgres -c 'CREATE DATABASE "We-ird-1"'
	run -78 --separate-stderr bk-run all
	psql -Xq -d postgres -c 'DROP DATABASE "We-ird-1"'
	said "backups of one name, 'all-We-ird-1'"
	[ ! -e store/.bk/group ]
	[ "$(find store/.bk/manifest -name '*.json' | wc -l)" -eq 4 ]
}
