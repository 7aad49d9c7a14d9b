#!/usr/bin/env bats
# PostgreSQL against a private server: what is dumped comes back the same,
# and what goes wrong at any point ends with the status of DESIGN 10 and
# leaves the target as it was.

load helper

setup_file() {
	export BATS_TEST_TIMEOUT=180
	root=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
	lab=$BATS_FILE_TMPDIR/lab
	"$root/tests/lab/postgres" start "$lab" > "$BATS_FILE_TMPDIR/env" || return 1
	. "$BATS_FILE_TMPDIR/env"
	cat > "$BATS_FILE_TMPDIR/source.sql" <<-'SQL'
	CREATE ROLE alice;
	CREATE ROLE "We ird";
	CREATE ROLE low LOGIN PASSWORD 'p:w\ canary7731';
	CREATE DATABASE app;
	\connect app
	CREATE TABLE t (a int PRIMARY KEY, b text, c bytea);
	INSERT INTO t SELECT g, 'row ' || g || E' ü\t\\', decode(md5(g::text), 'hex')
	    FROM generate_series(1, 20000) g;
	ALTER TABLE t OWNER TO alice;
	CREATE TABLE "odd ""name" (x text);
	INSERT INTO "odd ""name" VALUES ('--'), ('-- PostgreSQL database dump complete'),
	    ('--'), (''), (E'\\.'), (NULL);
	GRANT SELECT ON "odd ""name" TO "We ird";
	CREATE SEQUENCE s START 41;
	SELECT nextval('s');
	CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS $$
	SELECT $1 + 1
	-- Data for Name: x
	$$;
	CREATE VIEW v AS SELECT count(*) FROM t;
	CREATE INDEX ON t (b);
	SELECT lo_from_bytea(70001, decode(repeat('00ff41', 5000), 'hex'));
	ALTER LARGE OBJECT 70001 OWNER TO alice;
	SQL
	psql -Xq -v ON_ERROR_STOP=1 -d postgres -f "$BATS_FILE_TMPDIR/source.sql" > /dev/null
}

teardown_file() {
	"$root/tests/lab/postgres" stop "$BATS_FILE_TMPDIR/lab"
	"$root/tests/lab/postgres" stop "$BATS_FILE_TMPDIR/lab2"
}

setup() {
	. "$BATS_FILE_TMPDIR/env"
	cd "$BATS_TEST_TMPDIR"
	[ "$BATS_TEST_NUMBER" -eq 1 ] || direct
	low="postgres://low@127.0.0.1:$PGPORT"
	printf '%s\n' 'p:w\ canary7731' > low.pw
}

# Debian's /usr/bin has a wrapper in Perl, which one test is enough for.
direct() { PATH=$PGBIN:$PATH; }

# q DATABASE SQL
q() { psql -XAtq -v ON_ERROR_STOP=1 -d "$1" -c "$2"; }

# Everything of a database that a dump can say, without its random token.
whole() {
	"$PGBIN/pg_dump" "$1" | grep -v '^\\\(un\)\?restrict '
	q "$1" 'SELECT oid, lomowner::regrole FROM pg_largeobject_metadata'
}
same() { [ "$(whole "$1" | sha256sum)" = "$(whole "$2" | sha256sum)" ]; }

databases() { q postgres "SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1"; }
absent() { ! databases | grep -x "$1"; }
no_leftovers() { ! databases | grep _bk_; }

# What the header and the end line of a stream say.
header() { head -n 1 "$1"; }
last() { tail -n 1 "$1" | grep -ao '{"end".*'; }

# tool NAME: a script in bin/ that stands in for a client tool; $real is it
tool() {
	mkdir -p bin
	{ echo '#!/bin/sh'; echo "real=$PGBIN/$1"
	echo '[ "$1" != --version ] || exec "$real" --version'; cat; } > "bin/$1"
	chmod +x "bin/$1"
}

@test "custom, plain and tar come back the same" {
	for format in custom plain tar; do
		bk-dump "postgres:///app?format=$format" > s
		last s | grep '"proof":"marks"'
		bk-restore --into "postgres:///copy_$format" < s
		same app "copy_$format"
		q postgres "DROP DATABASE copy_$format"
	done
	no_leftovers
}

@test "the header tells what was backed up and what a restore needs" {
	bk-dump "postgres:///app" > s
	header s | python3 -c '
import json, sys
h = json.load(sys.stdin)
assert h["name"] == "app" and h["engine"] == "postgres" and h["ext"] == "dump", h
assert h["source"]["database"] == "app" and int(h["source"]["server"]) > 0, h
i = h["info"]
assert i["tool"].startswith("pg_dump (PostgreSQL) "), i
assert i["encoding"] == "UTF8" and i["owners"] == ["alice", "postgres"], i
assert i["grantees"] == ["We ird", "alice"] or i["grantees"] == ["We ird"], i
'
}

@test "by hand: the payload is what pg_restore reads" {
	bk-dump postgres:///app > s
	python3 - s > app.dump <<-'PY'
	import json, sys
	f = open(sys.argv[1], "rb")
	f.readline()
	while "data" in (l := json.loads(f.readline())):
	    sys.stdout.buffer.write(f.read(l["data"]))
	PY
	q postgres 'CREATE DATABASE byhand'
	"$PGBIN/pg_restore" -d byhand app.dump
	same app byhand
	q postgres 'DROP DATABASE byhand'
}

@test "a database of any name, and a URL that says everything" {
	name="o'd=d \\\"n/\$x"
	q postgres "CREATE DATABASE \"${name//\"/\"\"}\" TEMPLATE app"
	url=postgres://postgres@/$(python3 -c 'import sys, urllib.parse
print(urllib.parse.quote(sys.argv[1], safe=""))' "$name")"?host=$PGHOST&sslmode=disable"
	(unset PGHOST PGUSER && bk-dump "$url") > s
	header s | grep '"name":"o-d-d---n--x"'
	run -73 --separate-stderr bk-restore --into "$url" < s
	bk-restore --replace --yes --into "$url" < s
	bk-restore --into postgres:///copy_odd < s
	same app copy_odd
	[ "$(databases | grep -cF "$name")" = 1 ]
	no_leftovers
	q postgres "DROP DATABASE \"${name//\"/\"\"}\""
	q postgres 'DROP DATABASE copy_odd'
}

@test "parallel restore of a spooled file" {
	bk-dump postgres:///app | bk-restore --into postgres:///par --jobs 2
	same app par
	q postgres 'DROP DATABASE par'
	run -64 --separate-stderr bash -c \
	    'bk-dump "postgres:///app?format=plain" | bk-restore --into postgres:///par --jobs 2'
	said 'custom format'
}

@test "wrong password, no such role, database, server: 77, 77, 66, 69" {
	echo wrong > wrong.pw
	run -77 --separate-stderr bk-dump "$low/app?password-file=wrong.pw"
	said 'password authentication failed'
	run -77 --separate-stderr bk-dump "postgres://nobody@127.0.0.1:$PGPORT/app"
	run -66 --separate-stderr bk-dump postgres:///nope
	said '"nope" does not exist'
	one_line
	run -69 --separate-stderr bk-dump postgres://127.0.0.1:1/app
	said 'Connection refused'
	run -69 --separate-stderr bk-dump "postgres:///app?host=$PWD"
	for t in "$low/new?password-file=wrong.pw 77" 'postgres://127.0.0.1:1/new 69'; do
		run "-${t##* }" --separate-stderr bash -c \
		    "bk-dump postgres:///app | bk-restore --into '${t% *}'"
	done
}

@test "no such database, said in another language: 66" {
	tool psql <<-'EOT'
	case "$*" in
	*"'nope'"*) echo 'psql: Fehler: FATAL:  Datenbank »nope« existiert nicht' >&2
		exit 2 ;;
	esac
	exec "$real" "$@"
	EOT
	PATH=$PWD/bin:$PATH run -66 --separate-stderr bk-dump postgres:///nope
	said '"nope" does not exist'
}

@test "in plain sh the last stage has the first cause" {
	for u in "postgres:///nope 66" "postgres://nobody@127.0.0.1:$PGPORT/app 77" \
	    'postgres://127.0.0.1:1/app 69'; do
		plain "bk-dump '${u% *}' | bk-restore --into postgres:///new"
		[ "$status" -eq "${u##* }" ]
	done
	absent new
}

@test "a missing right names the grant" {
	run -77 --separate-stderr bk-dump "$low/app?password-file=low.pw"
	said 'permission denied for table'
	said 'GRANT pg_read_all_data TO low'
	run -77 --separate-stderr bk-dump "$low/?password-file=low.pw"
	said '--no-role-passwords'
}

@test "--check: tool, server and every right that a dump would want, and no dump" {
	run -0 --separate-stderr bk-dump --check postgres:///app
	[[ "$output" == '{"check":"ok","name":"app","engine":"postgres","ext":"dump",'*'"tool":"pg_dump '* ]]
	[ "${#lines[@]}" -eq 1 ]
	run -77 --separate-stderr bk-dump --check "$low/app?password-file=low.pw"
	said "role 'low' may not read 3 tables or sequences of database 'app', such as public."
	said 'GRANT pg_read_all_data TO low'
	q app 'GRANT pg_read_all_data TO low'
	run -77 --separate-stderr bk-dump --check "$low/app?password-file=low.pw"
	said "role 'low' may not read 1 large objects"
	q app 'GRANT SELECT ON LARGE OBJECT 70001 TO low; ALTER TABLE t ENABLE ROW LEVEL SECURITY'
	run -77 --separate-stderr bk-dump --check "$low/app?password-file=low.pw"
	said 'ALTER ROLE low BYPASSRLS'
	q app 'ALTER TABLE t DISABLE ROW LEVEL SECURITY'
	# What it says is enough, is.
	run -0 --separate-stderr bk-dump --check "$low/app?password-file=low.pw"
	bk-dump "$low/app?password-file=low.pw" > s
	q app 'REVOKE pg_read_all_data FROM low; REVOKE SELECT ON LARGE OBJECT 70001 FROM low'
	run -0 --separate-stderr bk-dump --check "postgres:///?each=yes"
	run -77 --separate-stderr bk-dump --check "$low/?each=yes&password-file=low.pw"
	run -69 --separate-stderr bk-dump --check postgres://127.0.0.1:1/app
	run -66 --separate-stderr bk-dump --check postgres:///none
}

@test "the password is in no argument, no environment, no output" {
	tool pg_dump <<-'EOT'
	ps -eo args > ps.seen
	tr '\0' '\n' < /proc/self/environ > environ.seen
	tr '\0' '\n' < /proc/$$/cmdline > cmdline.seen
	cat /proc/self/fd/3 > passfile.seen
	find "${TMPDIR:-/tmp}" -newer s -type f -exec grep -l canary7731 {} + > files.seen 2>/dev/null
	exec "$real" "$@"
	EOT
	: > s
	q app 'GRANT pg_read_all_data TO low; GRANT SELECT ON LARGE OBJECT 70001 TO low'
	mkdir tmp
	PATH=$PWD/bin:$PATH TMPDIR=$PWD/tmp SECRET='p:w\ canary7731' \
	    bk-dump -v --source-env SECRET "$low/app" > s 2> err
	last s | grep '"end":"ok"'
	grep -q canary7731 passfile.seen	# the tool did get it
	! grep -a canary7731 ps.seen environ.seen cmdline.seen s err
	[ ! -s files.seen ]
	[ -z "$(ls -A tmp)" ]
	PGPASSWORD='p:w\ canary7731' bk-dump "$low/app" > s
	! grep -a canary7731 environ.seen
	bk-dump "$low/app?password-file=low.pw" > s
	q app 'REVOKE pg_read_all_data FROM low; REVOKE SELECT ON LARGE OBJECT 70001 FROM low'
}

@test "password in the URL, two hosts, unknown formats and options: 64" {
	run -64 --separate-stderr bk-dump "postgres://low:canary7731@127.0.0.1/app"
	said password-file
	[[ $stderr != *canary7731* ]]
	for u in 'postgres://a/app?host=/x' 'postgres:///app?format=dir' \
	    'postgres:///?format=plain' 'postgres:///app?nope=1'; do
		run -64 --separate-stderr bk-dump "$u"
	done
}

@test "vendor options that break a promise: 64 with the reason" {
	for o in -fx --file=x --fi=x -Fd --format=d -j2 --jobs=2 -dx -hx -p1 -Ux -W \
	    -C --clean -sFc; do
		run -64 --separate-stderr bk-dump postgres:///app -- $o
		said 'is refused'
	done
	run -64 --separate-stderr bk-dump postgres:///app -- other
	for o in -dx --file=x -C -j2 --list; do
		run -64 --separate-stderr bash -c \
		    "bk-dump postgres:///app | bk-restore --into postgres:///new -- $o"
	done
	absent new
}

@test "harmless vendor options reach the tool" {
	bk-dump postgres:///app -- --schema-only |
	    bk-restore --into postgres:///bare
	[ "$(q bare 'SELECT count(*) FROM t')" = 0 ]
	bk-dump postgres:///app | bk-restore --into postgres:///part -- --table=t
	[ "$(q part 'SELECT count(*) FROM t')" = 20000 ]
	q postgres 'DROP DATABASE bare'
	q postgres 'DROP DATABASE part'
}

@test "the tool fails, dies, is cut, says nothing: 65, and nothing is restored" {
	cut="\"\$real\" \"\$@\" | head -c 200000"
	for t in 'custom exit 3' 'plain kill -9 $$' 'custom exit 0' 'plain exit 0' \
	    'tar exit 0'; do
		tool pg_dump <<< "$cut; ${t#* }"
		PATH=$PWD/bin:$PATH run -65 --separate-stderr sh -c \
		    "bk-dump 'postgres:///app?format=${t%% *}' | tee s |
		     bk-restore --into postgres:///new"
		last s | grep '"end":"failed","status":65'
		absent new
		no_leftovers
	done
	tool pg_dump <<< 'exit 0'
	PATH=$PWD/bin:$PATH run -65 --separate-stderr bk-dump postgres:///app
}

@test "the server goes away in the middle: 65" {
	"$root/tests/lab/postgres" start "$BATS_FILE_TMPDIR/lab2" > env2
	. ./env2
	q postgres "CREATE TABLE big AS SELECT g, repeat(md5(g::text), 30) FROM
	    generate_series(1, 30000) g"
	bk-dump postgres:///postgres > all
	{ bk-dump postgres:///postgres 2> err || echo $? > rc; } | {
		head -c 1000000
		"$root/tests/lab/postgres" stop "$BATS_FILE_TMPDIR/lab2"
		cat
	} > s
	[ "$(cat rc)" = 65 ]
	last s | grep '"end":"failed","status":65'
	[ "$(stat -c %s s)" -lt "$(stat -c %s all)" ]
	grep -c . err | grep -x 1
}

@test "a time limit: 65, reason timeout" {
	tool pg_dump <<< 'echo begun; exec sleep 100'
	PATH=$PWD/bin:$PATH run -65 --separate-stderr bk-dump --timeout 1s postgres:///app
	said timeout
}

@test "a client that is older than the server is refused: 78" {
	tool psql <<< '"$real" "$@" | sed "s/\"num\" : [0-9]*/\"num\" : 990001/"'
	PATH=$PWD/bin:$PATH run -78 --separate-stderr bk-dump postgres:///app
	said 'older than the server'
	said 'postgresql-client-99'
}

@test "another tool's old version on PATH: a newer one is found" {
	mkdir bin
	printf '#!/bin/sh\necho "pg_dump (PostgreSQL) 9.6.1"\n' > bin/pg_dump
	chmod +x bin/pg_dump
	case $PGBIN in /usr/lib/postgresql/*) ;; *) skip 'one version only' ;; esac
	PATH=$PWD/bin:$PATH bk-dump postgres:///app > s
	last s | grep '"end":"ok"'
}

@test "a dump that says it is newer counts by its exit status" {
	tool pg_dump <<-'EOT'
	"$real" "$@" > d && { head -c 6 d; printf '\021'; tail -c +8 d; }
	EOT
	PATH=$PWD/bin:$PATH run -0 --separate-stderr bash -c 'bk-dump postgres:///app > s'
	said 'newer than what is known'
	last s | grep '"proof":"exit"'
}

@test "exec: with the marks of postgres" {
	bk-dump exec: --as postgres --ext dump -- "$PGBIN/pg_dump" -Fc \
	    "host=$PGHOST port=$PGPORT dbname=app user=postgres passfile=$PGPASSFILE" > s
	last s | grep '"proof":"marks"'
	bk-restore --into postgres:///fromexec < s
	same app fromexec
	q postgres 'DROP DATABASE fromexec'
	run -65 --separate-stderr bash -c "bk-dump exec: --as postgres --ext sql -- \
	    sh -c '$PGBIN/pg_dump app | head -n 100'"
}

@test "a target that holds something: 73, and it is as it was" {
	q postgres 'CREATE DATABASE busy'
	q busy "CREATE TABLE mine AS SELECT 1 AS x"
	run -73 --separate-stderr bash -c 'bk-dump postgres:///app | bk-restore --into postgres:///busy'
	said '--replace'
	[ "$(q busy 'SELECT x FROM mine')" = 1 ]
	no_leftovers
	q postgres 'DROP DATABASE busy'
}

@test "--replace: others are sent away, owner, settings and grants stay" {
	q postgres 'CREATE DATABASE old OWNER "We ird"'
	q old 'CREATE TABLE mine AS SELECT 1 AS x'
	q postgres "ALTER DATABASE old SET search_path = 'a b', public"
	q postgres 'ALTER DATABASE old CONNECTION LIMIT 9'
	q postgres "COMMENT ON DATABASE old IS 'it''s'"
	q postgres 'GRANT CREATE ON DATABASE old TO low WITH GRANT OPTION'
	q postgres "ALTER ROLE low IN DATABASE old SET work_mem = '7MB'"
	props() { "$PGBIN/pg_dump" -s -C old | grep -E ' DATABASE '; }
	props > before
	mkfifo hold
	psql -XAtq -d old < hold > held 2>&1 3>&- &
	psql=$!
	exec 7> hold
	echo "SELECT 'here';" >&7
	until grep -q here held; do :; done
	bk-dump postgres:///app > s
	bk-restore --into postgres:///old --replace --yes < s
	exec 7>&-
	# Not all: the clock of BATS_TEST_TIMEOUT is a child as well.
	wait "$psql" || true
	same app old
	props | diff before -
	no_leftovers
	q postgres 'DROP DATABASE old'
}

@test "into an empty database: it keeps its owner and locale" {
	q postgres "CREATE DATABASE empty TEMPLATE template0 LOCALE 'C' OWNER alice"
	bk-dump postgres:///app | bk-restore --into postgres:///empty
	same app empty
	[ "$(q postgres "SELECT datcollate, pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'empty'")" = 'C|alice' ]
	q postgres 'DROP DATABASE empty'
}

@test "what the server lacks is named before anything is made: 78" {
	bk-dump postgres:///app > s
	bk-dump 'postgres:///app?format=plain' > p
	q postgres "CREATE DATABASE l1 TEMPLATE template0 ENCODING latin1 LOCALE 'C'"
	run -78 --separate-stderr bk-restore --into postgres:///l1 < s
	said 'encoding LATIN1'
	q postgres 'DROP DATABASE l1'

	"$root/tests/lab/postgres" start "$BATS_FILE_TMPDIR/lab2" > env2
	. ./env2
	for f in s p; do
		run -78 --separate-stderr bk-restore --into postgres:///new < $f
		said 'roles that own'
		said alice
	done
	run -78 --separate-stderr bash -c 'bk-restore --into postgres:///new -- --no-owner < s'
	said 'We ird'
	sed '1s/"encoding"/"extensions":["nosuchext"],"encoding"/' s > x
	python3 - x <<-'PY'
	import sys, zlib
	b = open(sys.argv[1], "rb").read()
	open(sys.argv[1], "wb").write(b[:-11] + b"%08x\"}\n" % zlib.crc32(b[:-11]))
	PY
	run -78 --separate-stderr bk-restore --into postgres:///new < x
	said nosuchext
	absent new
	no_leftovers
	bk-restore --into postgres:///new -- --no-owner --no-privileges < s
	[ "$(q new 'SELECT count(*) FROM t')" = 20000 ]
	"$root/tests/lab/postgres" stop "$BATS_FILE_TMPDIR/lab2"
}

@test "a cut stream at any stage restores nothing" {
	for format in custom plain tar; do
		bk-dump "postgres:///app?format=$format" > s
		size=$(stat -c %s s)
		for n in 600 $((size / 2)) $((size - 300)) $((size - 1)); do
			head -c "$n" s > cut
			run -65 --separate-stderr bk-restore --into postgres:///new < cut
			absent new
		done
	done
	no_leftovers
}

@test "bk-restore killed: nothing has the target's name" {
	bk-dump 'postgres:///app?format=plain' > s
	mkfifo in
	bk-restore --into postgres:///new < in 3>&- &
	pid=$!
	exec 7> in
	head -c 900000 s >&7
	until databases | grep new_bk_; do :; done
	kill -KILL $pid
	wait $pid || true
	exec 7>&-
	absent new
	q postgres "SELECT 'DROP DATABASE ' || quote_ident(datname) || ' WITH (FORCE)' FROM
	    pg_database WHERE datname LIKE 'new_bk_%'" | while read -r d; do q postgres "$d"; done
}

@test "bk-restore interrupted: it dies of the signal and leaves no database" {
	bk-dump postgres:///app > s
	tool pg_restore <<< 'cat > /dev/null; exec sleep 600'
	for signal in HUP INT TERM; do
		# What bash starts behind its back ignores SIGINT, and bk keeps that.
		PATH=$PWD/bin:$PATH env --default-signal=INT \
			bk-restore --into postgres:///new < s 2> err 3>&- &
		pid=$!
		until databases | grep new_bk_; do kill -0 $pid; done
		kill -$signal $pid
		status=0; wait $pid || status=$?
		[ $status -eq $((128 + $(kill -l $signal))) ]
		[ "$(wc -l < err)" -eq 1 ]
		grep "^bk-restore: stopped by signal" err
		absent new
		no_leftovers
	done
}

@test "the client dies in a restore: no database is left" {
	bk-dump postgres:///app > s
	tool pg_restore <<< 'head -c 1000 > /dev/null; kill -9 $$'
	PATH=$PWD/bin:$PATH run -65 --separate-stderr bk-restore --into postgres:///new < s
	said 'signal 9'
	absent new
	no_leftovers
}

@test "a role that may not make databases: 77 names the right" {
	bk-dump postgres:///app > s
	run -77 --separate-stderr bk-restore --into "$low/new?password-file=$PWD/low.pw" < s
	said 'ALTER ROLE low CREATEDB'
	q postgres 'ALTER ROLE low CREATEDB'
	url="$low/new?password-file=$PWD/low.pw"
	run -77 --separate-stderr bk-restore --into "$url" < s
	said '--no-owner'
	absent new
	no_leftovers
	bk-restore --into "$url" -- --no-owner --no-privileges < s
	[ "$(q new 'SELECT count(*) FROM t')" = 20000 ]
	bk-restore --into "$url" --replace --yes -- --no-owner --no-privileges < s
	[ "$(q postgres "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'new'")" = low ]
	no_leftovers
	q postgres 'DROP DATABASE new'
	q postgres 'ALTER ROLE low NOCREATEDB'
}

@test "all databases: into a new server, roles and passwords too" {
	bk-dump postgres:// > s
	header s | grep '"name":"all"'
	last s | grep '"proof":"marks"'
	whole app > app.want
	roles="SELECT rolname, rolcanlogin, rolpassword FROM pg_authid WHERE rolname !~ '^pg_' ORDER BY 1"
	q postgres "$roles" > roles.want
	run -64 --separate-stderr bk-restore --into postgres:///one < s
	said 'names them itself'
	run -64 --separate-stderr bash -c 'bk-dump postgres:///app | bk-restore --into postgres://'
	run -73 --separate-stderr bk-restore --into postgres:// < s

	cp "$PGPASSFILE" pass1
	"$root/tests/lab/postgres" start "$BATS_FILE_TMPDIR/lab2" > env2
	. ./env2
	cat pass1 >> "$PGPASSFILE"
	head -c $(($(stat -c %s s) / 2)) s > cut
	run -65 --separate-stderr bk-restore --into postgres:// < cut
	[ "$(databases)" = postgres ]
	bk-restore --into postgres:// < s
	cp pass1 "$PGPASSFILE"			# the superuser's came with it
	whole app | diff app.want -
	q postgres "$roles" | diff roles.want -
	run -73 --separate-stderr bk-restore --into postgres:// < s
	q app 'CREATE TABLE later ()'
	bk-restore --into postgres:// --replace --yes < s
	whole app | diff app.want -
	no_leftovers
}

@test "all databases: a failure puts the server back" {
	bk-dump postgres:// > s
	"$root/tests/lab/postgres" stop "$BATS_FILE_TMPDIR/lab2"
	"$root/tests/lab/postgres" start "$BATS_FILE_TMPDIR/lab2" > env2
	. ./env2
	q postgres 'CREATE DATABASE app'
	q app 'CREATE TABLE mine AS SELECT 1 AS x'
	tool psql <<-'EOT'
	case "$*" in
	*--output=*) head -c 100000 | "$real" "$@"; exit 2 ;;
	esac
	exec "$real" "$@"
	EOT
	PATH=$PWD/bin:$PATH run -65 --separate-stderr \
	    bk-restore --into postgres:// --replace --yes < s
	[ "$(q app 'SELECT x FROM mine')" = 1 ]
	no_leftovers
	[ "$(q postgres "SELECT count(*) FROM pg_roles WHERE rolname IN ('alice', 'low')")" = 0 ]
	"$root/tests/lab/postgres" stop "$BATS_FILE_TMPDIR/lab2"
}

@test "commands of psql in a plain dump are not carried out" {
	pg_restrict=$("$PGBIN/pg_dump" app | grep -c '^.restrict ') || skip 'this psql has no restrict'
	[ "$pg_restrict" -eq 1 ]
	for line in "\\! touch $PWD/done" '\connect postgres'; do
		bk-dump exec: --as postgres --ext sql -- sh -c '"$0" app |
		    sed "s/^.restrict .*/$1/; /^.unrestrict /d"' \
		    "$PGBIN/pg_dump" "$(printf %s "$line" | sed 's/[\/]/\\&/g')" > s
		run -65 --separate-stderr bk-restore --into postgres:///new < s
		said 'restricted'
		absent new
	done
	[ ! -e done ]
	bk-dump exec: --as postgres --ext sql -- sh -c \
	    '"$0" app | grep -v "^.\(un\)*restrict "' "$PGBIN/pg_dump" > s
	bk-restore --into postgres:///oldplain < s
	same app oldplain
	q postgres 'DROP DATABASE oldplain'
}

@test "through compress and a store, and back" {
	mkdir store
	bk-dump postgres:///app -t tier=app | bk-compress | bk-put "file://$PWD/store" > rec
	bk-list "file://$PWD/store" --name app --latest |
	    bk-restore --into postgres:///viastore
	same app viastore
	q postgres 'DROP DATABASE viastore'
}
