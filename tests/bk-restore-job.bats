load helper

setup() {
	own_store
	mkdir two
	cat > bk.conf <<-END
	state = "$PWD/state"
	store "one" { url = "file://$PWD/store" }
	store "two" { url = "file://$PWD/two" }
	job "app" {
	    source = "sqlite://$PWD/app.db"
	    store = { "one", "two" }
	    restore-before = 'echo "before \$BK_JOB \$BK_INTO" >> log'
	    restore-always = 'echo "always \$BK_STATUS" >> log'
	}
	END
	sed -i "s|>> log|>> $PWD/log|" bk.conf
	export BK_CONF=$PWD/bk.conf
	put app.db one
}

# Give the database ${1} one row, ${2}; show it.
put() {
	sqlite3 "$1" "create table if not exists t(x); delete from t; insert into t values('$2')"
}
row() {
	sqlite3 "$1" 'select x from t'
}

# Answer the questions on a terminal with standard input.
on_tty() {
	script -qec "$1" /dev/null | tr -d '\r'
	return "${PIPESTATUS[0]}"
}

# Value of a Python expression on o, the last line of file ran.
ran() {
	python3 -c "import json; o = json.loads(open('ran').readlines()[-1]); print($1)"
}

@test "into the live source, with --yes: before, restore, always" {
	bk-run app > ran
	put app.db two
	run -0 --separate-stderr bk restore app --yes
	[ "$(row app.db)" = one ]
	[ "$output" = '{"event":"restored","job":"app","name":"app","id":"'"$(ran 'o["id"]')"'","time":"'"$(sed -n 's/.*"time":"\([^"]*\)".*/\1/p' store/.bk/manifest/app/*.json | head -1)"'","store":"one","into":"sqlite://'$PWD'/app.db"}' ]
	[ "$(cat log)" = "before app sqlite://$PWD/app.db
always 0" ]
}

@test "a live source is not touched without a yes" {
	bk-run app > ran
	put app.db two
	run -73 --separate-stderr bk restore app
	said "for want of --yes"
	[ "$(row app.db)" = two ] && [ ! -e log ]
	run -73 on_tty "bk restore app" <<< no
	[ "$(row app.db)" = two ] && [ ! -e log ]
	run -0 on_tty "bk restore app" <<< yes
	[[ "$output" == *"Replace the live source 'sqlite://$PWD/app.db' with backup 'app' of "*"? Type yes: "* ]]
	[[ "$output" == *"restored 'app' of "* ]]
	[ "$(row app.db)" = one ]
}

@test "--into elsewhere: as is, and refused where something is" {
	bk-run app > ran
	put app.db two
	run -0 --separate-stderr bk restore app --into "sqlite://$PWD/copy.db"
	[ "$(row copy.db)" = one ] && [ "$(row app.db)" = two ]
	put copy.db three
	run -73 --separate-stderr bk restore --into "sqlite://$PWD/copy.db" app
	[ "$(row copy.db)" = three ]
	run -0 on_tty "bk restore app --into sqlite://$PWD/copy.db" <<< yes
	[[ "$output" == *"Replace what is in 'sqlite://$PWD/copy.db'"* ]]
	[ "$(row copy.db)" = one ]
	put copy.db three
	run -0 --separate-stderr bk restore app --into "sqlite://$PWD/copy.db" --yes
	[ "$(row copy.db)" = one ]
}

@test "--at and --id tell which" {
	bk-run app > ran
	id=$(ran 'o["id"]')
	when=$(sed -n 's/.*"finished":"\([^"]*\)".*/\1/p' "store/.bk/manifest/app/$id.json")
	put app.db two
	bk-run app > ran
	run -0 bk restore app --id "$id" --into "sqlite://$PWD/a.db"
	[ "$(row a.db)" = one ]
	run -0 bk restore app --at "$when" --into "sqlite://$PWD/b.db"
	[ "$(row b.db)" = one ]
	run -0 bk restore app --at now --into "sqlite://$PWD/c.db"
	[ "$(row c.db)" = two ]
	run -66 --separate-stderr bk restore app --at 2001-01-01T00:00:00Z --yes
	said "job 'app' has no such backup in its stores"
	run -64 bk restore app --at now --id "$id"
	run -64 bk restore app --at yesterday
}

@test "restore-before fails: nothing is restored, restore-always runs" {
	bk-run app > ran
	put app.db two
	sed -i "s|restore-before.*|restore-before = 'exit 7'|" bk.conf
	run -65 --separate-stderr bk restore app --yes
	said "job 'app': restore-before: it exited 7"
	[ "$(row app.db)" = two ] && [ "$(cat log)" = "always 65" ]
}

@test "a backup that is damaged: the source stays, restore-always runs" {
	bk-run app > ran
	put app.db two
	for f in store/app/* two/app/*; do printf x | dd of="$f" bs=1 seek=30 conv=notrunc status=none; done
	run -65 --separate-stderr bk restore app --yes
	[ "$(row app.db)" = two ]
	[ "$(tail -n 1 log)" = "always 65" ]
}

@test "stores: the next where one is gone, or the one asked for" {
	bk-run app > ran
	mv store gone
	run -0 --separate-stderr bk restore app --into "sqlite://$PWD/a.db"
	[[ "$output" == *'"store":"two"'* ]]
	run -66 --separate-stderr bk restore app --into "sqlite://$PWD/b.db" --store one
	[ ! -e b.db ]
	run -66 --separate-stderr bk restore app --store three
	said "there is no store 'three'"
}

@test "a backup under way, and a restore under way, exclude each other" {
	bk-run app > ran
	mkfifo gate
	sed -i "s|restore-before.*|restore-before = 'read x < $PWD/gate'|" bk.conf
	bk restore app --yes > restored 3>&- &
	exec 4> gate
	run -75 --separate-stderr bk-run app
	run -75 --separate-stderr bk restore app --yes
	said "a run of job 'app' is under way"
	# Into another place it does not matter.
	sed -i "s|restore-before.*||" bk.conf
	run -0 --separate-stderr bk restore app --into "sqlite://$PWD/a.db"
	exec 4>&-
	wait $! || true
}

@test "TERM during restore-before: nothing restored, restore-always runs" {
	bk-run app > ran
	put app.db two
	mkfifo gate
	sed -i "s|restore-before.*|restore-before = 'echo up > $PWD/gate; exec sleep 600'|" bk.conf
	bk restore app --yes 2> err 3>&- &
	read -r up < gate
	kill -TERM $!
	wait $! && status=0 || status=$?
	[ "$status" -eq 65 ] && grep -q 'stopped by signal 15' err
	[ "$(row app.db)" = two ] && [ "$(cat log)" = "always 65" ]
}

@test "killed in the middle: the source is what it was, nothing goes on" {
	mkfifo up
	sed -i 's|restore-before.*|pipeline = { "bk-pipe --ext .x -- cat" }|' bk.conf
	bk-run app > ran
	put app.db two
	bk restore app --yes --undo ".x=sh -c 'echo up > $PWD/up; exec sleep 600 > $PWD/up'" 2> err 3>&- &
	pid=$!
	exec 4< up
	read -r _ <&4
	kill -KILL $pid
	# End of file: the command, the last that held it, is gone.
	run -0 timeout 20 cat <&4
	exec 4<&-
	[ "$(row app.db)" = two ]
	run -0 --separate-stderr bk restore app --yes --undo .x=cat
	[ "$(row app.db)" = one ]
}

@test "a group: the newest whole run, together" {
	mkdir site
	echo old > site/file
	cat >> bk.conf <<-END
	job "db" { source = "sqlite://$PWD/db.db" store = "one" group = "web" schedule = "@daily"
	    restore-before = 'echo stop >> $PWD/log' restore-always = 'echo start >> $PWD/log' }
	job "www" { source = "files://$PWD/site" store = "one" group = "web"
	    restore-before = 'echo stop2 >> $PWD/log' restore-always = 'echo start2 >> $PWD/log' }
	END
	put db.db old
	bk-run db > ran
	# A newer one of the first alone is no run of the group.
	put db.db half
	bk-run www > ran
	bk-put --name db --raw --engine sqlite --ext sqlite "$S" < db.db > ran
	put db.db new
	echo new > site/file
	run -73 --separate-stderr bk restore --group web
	run -0 --separate-stderr bk restore --group web --yes
	[ "$(row db.db)" = old ] && [ "$(cat site/file)" = old ]
	[ "$(cat log)" = "stop
stop2
start2
start" ]
	run -0 --separate-stderr bk restore --group web --into "db=sqlite://$PWD/x.db" --into "www=files://$PWD/x"
	[ "$(row x.db)" = old ] && [ "$(cat x/file)" = old ]
	run -64 --separate-stderr bk restore --group web --into "files://$PWD/y"
	said "want --into NAME=URL"
	run -64 --separate-stderr bk restore --group web --into "other=files://$PWD/y"
	run -66 --separate-stderr bk restore --group none
}

@test "several sources of a job; jobs without a source; wrong names" {
	put second.db s
	cat >> bk.conf <<-END
	job "both" { source = { "sqlite://$PWD/app.db", "sqlite://$PWD/second.db" } store = "one" }
	job "cmd" { run = "true" }
	job "each" { source = "postgres://localhost/?each=yes" store = "one" }
	END
	bk-run both > ran
	put app.db x; put second.db y
	run -0 --separate-stderr bk restore both --yes
	[ "$(row app.db)" = one ] && [ "$(row second.db)" = s ]
	run -64 --separate-stderr bk restore cmd
	said "has no source"
	run -64 --separate-stderr bk restore each
	said "--name each-DATABASE"
	run -66 --separate-stderr bk restore ap
	said "do you mean 'app'"
	run -64 --separate-stderr bk-restore-job
	run -64 --separate-stderr bk-restore-job app --group web
}
