# examples/flows/web-site: database and files of a site, on a real MariaDB,
# restored together on another one.

load helper

setup() {
	own_store
	for s in here there; do
		"$root/tests/lab/mariadb" start "$PWD/$s" > "$s.env" || skip "no MariaDB server"
	done
	export BK_STORE=$S BK_STATE=$PWD/state BK_CONF=$root/examples/flows/web-site/bk.conf
}

teardown() {
	for s in here there; do
		"$BATS_TEST_DIRNAME/lab/mariadb" stop "$BATS_TEST_TMPDIR/$s"
	done
}

# The host ${1}: its server, its files.
on() {
	. "./$1.env"
	DB=mariadb://lab@127.0.0.1:$MARIADB_PORT/site FILES=files://$PWD/www-$1
	DB_PASSWORD=$(sed -n 's/^password=//p' "$MARIADB_CNF")
	export DB FILES DB_PASSWORD
}

sql() { mariadb --defaults-file="$MARIADB_CNF" -BN "$@"; }

@test "a site comes back on a fresh host, database and files of one run" {
	on here
	sql -e "CREATE DATABASE site; CREATE TABLE site.page (n INT PRIMARY KEY); INSERT INTO site.page VALUES (1), (2)"
	mkdir www-here
	echo page > www-here/index.html
	run -0 bk-run site-db
	[ "$(grep -c '"outcome":"committed"' <<< "$output")" -eq 2 ]
	[ "$(bk-list --plain --group site --latest "$S" | wc -l)" -eq 2 ]
	on there
	run -0 --separate-stderr bk restore --group site --yes
	[ "$(sql -e 'SELECT COUNT(*), SUM(n) FROM site.page')" = "2	3" ]
	diff -r www-here www-there
}
