load helper
load supervise

unit=$BATS_TEST_DIRNAME/../examples/systemd/bk-supervise.service

setup() {
	supervise_setup
}

teardown() {
	supervise_teardown
}

# Value of a directive of the unit.
directive() {
	sed -n "s/^$1=//p" "$unit"
}

@test "the unit is right, and says what it promises" {
	sed "s|/usr/local/bin|$B/bin|" "$unit" > bk-supervise.service
	systemd-analyze verify --man=no ./bk-supervise.service
	systemd-analyze security --offline=true --threshold=35 ./bk-supervise.service > out
	[ "$(directive KillMode)" = process ]
	[ "$(directive OOMPolicy)" = continue ]
	run ! grep -q '^PrivateTmp' "$unit"
}

@test "the daemon, a dump, a watch and a prune work under the unit's restrictions" {
	[ "$(id -u)" = 0 ] || skip "wants root"
	mkdir w src
	state=$PWD/w/state
	sed -i "s|^state.*|state = \"$state\"|; s|file://.*/store|file://$PWD/w/store|" bk.conf
	mkdir w/store
	ln -s w/state state
	echo secret > src/file
	chown -R 65534:65534 src
	chmod 700 src && chmod 600 src/file
	echo one > w/data
	job app <<-END
	schedule = "@every 1s"
	source = "files://$PWD/src"
	pipeline = "bk-compress --zstd"
	store = "one"
	keep = "--keep-last 1"
	END
	job watched <<-END
	watch = "$PWD/w/data"
	settle = "100ms"
	source = "exec:"
	command = { "cat", "$PWD/w/data" }
	store = "one"
	END
	job asked <<-END
	source = "fake:?bytes=100000"
	store = "one"
	END
	job outside <<-END
	at-start = yes
	run = "touch $PWD/outside"
	END
	cat > sandbox <<-'END'
	set -e
	mount --make-rprivate /
	mount --bind "$1/w" "$1/w"
	mount --bind /var/tmp /var/tmp
	mount -o remount,bind,ro /
	cd /
	exec setpriv --no-new-privs --inh-caps=-all --bounding-set="-all,+$2" \
	    python3 "$3" $4 -- bk-supervise -vv
	END
	caps=$(directive CapabilityBoundingSet | tr 'A-Z ' 'a-z,' | sed 's/cap_//g')
	[ "$caps" = dac_read_search ]
	unshare -m sh sandbox "$PWD" "$caps" "$BATS_TEST_DIRNAME/seccomp.py" \
	    "$(directive SystemCallFilter)" > out 2>> log 3>&- &
	pid=$!
	await has app committed 2
	await has watched committed 1
	await logged 'watched.: ready'
	echo two > w/data
	await has watched committed 2
	run -0 ask '{"do":"backup","job":"asked"}'
	[[ $output == *'"outcome":"committed"'* ]]
	# Pruned to one, and what it stores is what it read.
	ends 0
	[ "$(events app failed)" -eq 0 ]
	bk-get "file://$PWD/w/store" --latest --name app | bk-compress -d | tail -n +1 | grep -qa secret
	# The sandbox is one.
	has outside failed && [ ! -e outside ]
}

@test "the crontab runs what is due" {
	tab=$BATS_TEST_DIRNAME/../examples/cron/bk
	quick app 'schedule = "@daily"'
	command=$(sed -n 's|^\*/5 \* \* \* \* root ||p' "$tab")
	[ -n "$command" ]
	run -0 bk-cron --count 2 --from 2026-01-01T00:00:00Z '*/5 * * * *'
	env -i PATH="$B/bin:/usr/bin:/bin" BK_CONF="$BK_CONF" \
	    $(sed -n '/^BK_LOGLEVEL/p' "$tab") sh -c "$command"
	env -i PATH="$B/bin:/usr/bin:/bin" BK_CONF="$BK_CONF" sh -c "$command"
	[ "$(ran app)" -eq 1 ]
}
