#!/usr/bin/env bats
# examples/flows/redis-*: a dump that is uploaded when it changes, on a real
# Redis.

load helper
load supervise

setup_file() {
	export BATS_TEST_TIMEOUT=120
	root=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
	"$root/tests/lab/redis" start "$BATS_FILE_TMPDIR/lab" > "$BATS_FILE_TMPDIR/env"
}

teardown_file() {
	"$BATS_TEST_DIRNAME/lab/redis" stop "$BATS_FILE_TMPDIR/lab"
}

setup() {
	own_store
	. "$BATS_FILE_TMPDIR/env"
	flows=$root/examples/flows
	export BK_STATE=$PWD/state BK_STORE=$S REDIS_DUMP=$REDISDATA/dump.rdb
	export REDIS_SERVER=$REDISSOCK REDISCLI_AUTH=$REDISPW
	export BK_ON_STALE="echo stale >> '$PWD/alarm'"
	pid= others=
	save key "$BATS_TEST_NAME"
}

teardown() {
	supervise_teardown
	[ -z "$others" ] || kill -KILL "$others" $(pgrep -P "$others") 2> /dev/null || true
}

ask_redis() { timeout 20 redis-cli -s "$REDISSOCK" "$@"; }

# Change something, and have the server save it.
save() {
	ask_redis set "$1" "$2" > /dev/null
	[ "$(ask_redis save)" = OK ]
}

# The newest backup is the file as it is now.
newest_is_dump() {
	[ "$(bk-list "$S" --latest --name redis | head -n 1 | jq -r '.stages[0].sha256')" = \
	    "$(sha256sum < "$REDIS_DUMP" | cut -c1-64)" ]
}

# The alarm comes three hours after the last sign of life, and not before.
alarmed_when_silent() {
	run -0 --separate-stderr bk-fresh "$S" --name redis --max-age 2h --max-unchanged 7d
	run -1 --separate-stderr faketime '+3 hours' bk-fresh "$S" --name redis \
	    --max-age 2h --max-unchanged 7d
	[[ $output == *stale* ]]
}

@test "on change: uploaded when it changes, at most once in a time, nothing twice" {
	export BK_CONF=$flows/redis-on-change/bk.conf REDIS_AT_MOST=2s
	run -0 --separate-stderr bk-supervise --check
	daemon -vv
	await has redis committed 1
	await logged 'redis.: ready'
	newest_is_dump
	save key two
	await has redis committed 2
	newest_is_dump
	# Five changes: one upload or two, and the last change is in.
	for i in 1 2 3 4 5; do save key "more $i"; done
	await newest_is_dump
	[ "$(manifests)" -le 4 ]
	# Looked at again: the same is not sent again, and the store knows it.
	# The last change may still be under way: 75.
	looked() { run --separate-stderr bk backup redis --wait; [ "$status" -ne 75 ]; }
	await looked
	[ "$status" -eq 0 ]
	[[ $output == *'"outcome":"unchanged"'* ]]
	n=$(manifests)
	touch "$REDIS_DUMP"
	await has redis unchanged 2
	[ "$(manifests)" -eq "$n" ]
	ends 0
	alarmed_when_silent
	[ ! -e alarm ]
	run -1 faketime "+3 hours" bk-run --look redis
	[ "$(cat alarm)" = stale ]
	# What is stored is what Redis reads.
	bk-restore "$S" --name redis --latest --into "redis://$PWD/back.rdb"
	redis-check-rdb back.rdb | grep -q 'RDB looks OK'
}

@test "on change, by cron: due when the file differs from its last upload" {
	export BK_CONF=$flows/redis-on-change/bk.conf REDIS_AT_MOST=1s
	bk-supervise --once
	[ "$(manifests)" -eq 1 ]
	runs=$(events redis started)
	bk-supervise --once
	[ "$(events redis started)" -eq "$runs" ]
	save key again
	changed() { bk-supervise --once && [ "$(manifests)" -eq 2 ]; }
	await changed
	newest_is_dump
}

@test "without a schedule: bk-watch runs the job" {
	export BK_CONF=$flows/redis-cron/bk.conf
	bk-watch --settle 100ms --at-most-every 1s "$REDIS_DUMP" \
	    --exec -- bk-run redis > out 2> log 3>&- &
	pid=$!
	await has redis committed 1
	save key x
	await has redis committed 2
	newest_is_dump
	ends 0
}

# The command of the line of the crontab that has ${1} in it, our places in it.
line() {
	grep -v '^#' "$flows/redis-cron/crontab" | grep -F -- "$1" |
	    sed -E 's/^([^ ]+ +){5}//' |
	    sed "s|/var/lib/bk/|$PWD/run/|g; s|/var/lib/redis/dump.rdb|$REDIS_DUMP|g
		s|s3://backups/redis|$S|g; s|bk-watch |bk-watch --settle 100ms |"
}

@test "by cron and a flag: the lines of the crontab, as they are" {
	mkdir run
	export BK_CONF=$flows/redis-cron/bk.conf
	PATH=$flows/redis-cron:$PATH
	: > log
	sh -c "exec $(line flock)" > watch 2>&1 3>&- &
	others=$!
	await test -e run/redis.changed
	# A second one sees the lock.
	run -1 sh -c "$(line flock)"
	sh -c "$(line if-changed)"
	[ "$(manifests)" -eq 1 ] && newest_is_dump
	[ ! -e run/redis.changed ] && [ ! -e run/redis.changed.taken ]
	# Nothing changed: the job does not even run.
	sh -c "$(line if-changed)"
	[ "$(events redis started)" -eq 1 ]
	save key changed
	await test -e run/redis.changed
	sh -c "$(line if-changed)"
	[ "$(manifests)" -eq 2 ] && newest_is_dump
	# Once an hour, the same all the same.
	run -0 --separate-stderr sh -c "$(line 'trigger schedule')"
	[[ $output == *'"outcome":"unchanged"'* ]]
	[ "$(manifests)" -eq 2 ]
	run -0 sh -c "$(line bk-fresh)"
	alarmed_when_silent
	# What changes while nobody watches is found at the next start.
	kill -KILL "$others" $(pgrep -P "$others")
	others=
	save key unseen
	await flock -n run/redis.watch true
	sh -c "exec $(line flock)" > watch 2>&1 3>&- &
	others=$!
	await test -e run/redis.changed
	sh -c "$(line if-changed)"
	[ "$(manifests)" -eq 3 ] && newest_is_dump
	kill "$others" $(pgrep -P "$others")
	others=
}

@test "the flag: a change while it is acted on, a failure, two at once, a kill" {
	take=$flows/redis-cron/if-changed
	: > log
	"$take" f false
	# Raised again meanwhile: it stays raised.
	echo 1 > f
	"$take" f sh -c 'echo 2 > f; echo ran >> runs'
	[ -e f ] && [ ! -e f.taken ]
	# A failure keeps it for the next time, also where no new one came.
	run -69 "$take" f sh -c 'exit 69'
	[ -e f.taken ] && [ ! -e f ]
	"$take" f sh -c 'echo ran >> runs'
	[ "$(wc -l < runs)" -eq 2 ] && [ ! -e f.taken ]
	# Two at once: the second leaves it to the first.
	mkfifo up go
	echo 3 > f
	"$take" f sh -c 'echo > up; read -r x < go; echo ran >> runs' 3>&- &
	others=$!
	read -r _ < up
	"$take" f sh -c 'echo second >> runs'
	echo > go
	wait "$others"
	[ "$(tail -n 1 runs)" = ran ] && [ "$(wc -l < runs)" -eq 3 ]
	# Killed while it acts: next time again.
	echo 4 > f
	"$take" f sh -c 'echo $$ > child; echo > up; exec sleep 60' 3>&- &
	others=$!
	read -r _ < up
	kill -KILL "$others" "$(cat child)"
	wait "$others" 2> /dev/null || true
	others=
	"$take" f sh -c 'echo ran >> runs'
	[ "$(wc -l < runs)" -eq 4 ] && [ ! -e f.taken ]
}
