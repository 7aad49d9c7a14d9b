load helper
load supervise

setup() {
	supervise_setup
	echo one > data
}

teardown() {
	supervise_teardown
}

# A job that stores what is in the file data when it changes; more words.
watching() {
	job app <<-END
	watch = "$PWD/data"
	settle = "100ms"
	source = "exec:"
	command = { "cat", "$PWD/data" }
	store = "one"
	$1
	END
}

@test "a change is stored, once; the same again is not" {
	watching
	daemon -vv
	await has app committed 1
	await logged 'app.: ready'
	echo two > data
	await has app committed 2
	tail -n 1 state/ledger | grep -q '"trigger":"watch"'
	touch data
	await has app unchanged 1
	echo three > new && mv new data
	await has app committed 3
	[ "$(manifests)" -eq 3 ]
	run -0 --separate-stderr sh -c "bk-list --latest --name app '$S' | bk-get '$S' | bk-compress -d | tail -n +1"
	[[ $output == *three* ]]
	ends 0
	# bk-watch went with it.
	timeout 10 sh -c "while pgrep -f 'bk-watc[h].*$PWD/data'; do :; done"
}

@test "a change while nobody watched is found at the start" {
	watching
	daemon
	await has app committed 1
	ends 0
	echo two > data
	daemon -vv
	await has app committed 2
	await logged 'app.: ready'
	ends 0
	[ "$(events app due)" -eq 1 ]
}

@test "a change during the upload starts another one afterwards" {
	mkfifo go up
	watching
	sed -i "s|\"cat\", .* }|\"sh\", \"-c\", \"cat $PWD/data; echo up > $PWD/up; read x < $PWD/go\" }|" bk.conf
	daemon -vv
	read -r _ < up
	await logged 'app.: ready'
	echo two > data
	await logged 'app.: settled, changed'
	echo three > data
	settled() { [ "$(grep -c 'app.: settled' log)" -ge 2 ]; }
	await settled
	echo > go
	read -r _ < up
	echo > go
	await has app committed 2
	[ "$(events app started)" -eq 2 ]
	ends 0
}

@test "at-most-every: many changes, few runs, and the last one counts" {
	watching 'at-most-every = "2s"'
	daemon -vv
	await has app committed 1
	await logged 'app.: ready'
	began=$EPOCHREALTIME
	for n in 2 3 4 5; do
		echo $n > data
		settled() { [ "$(grep -c 'app.: settled' log)" -ge $((n - 1)) ]; }
		await settled
	done
	await has app committed 2
	[ "$(events app started)" -eq 2 ]
	[ "$(ls store/app | wc -l)" -eq 2 ]
	a=$(grep '"event":"started"' state/ledger | jq -r .time | sed -n '1p;2p' | xargs -n1 date +%s%3N -d | xargs)
	set -- $a
	[ $(($2 - $1)) -ge 1990 ]
	bk-get "$S" --latest --name app | bk-compress -d | grep -q '^5$'
	ends 0
}

@test "bk-watch dies: it is started again, and what changed meanwhile is seen" {
	watching
	daemon -vv
	await has app committed 1
	await logged 'app.: ready'
	watcher=$(pgrep -P "$pid" bk-watch)
	kill -KILL "$watcher"
	await logged "bk-watch ended with signal 9; starting it again in 1 s"
	echo two > data
	await has app committed 2
	[ "$(pgrep -P "$pid" bk-watch)" != "$watcher" ]
	ends 0
}

@test "a bk-watch that cannot live is started after growing waits" {
	mkdir bin
	cp "$B"/bin/bk-supervise "$B"/bin/bk-child bin
	printf '#!/bin/sh\nexit 3\n' > bin/bk-watch
	printf '#!/bin/sh\nexit 0\n' > bin/bk-run
	chmod +x bin/*
	watching
	PATH=$PWD/bin:$PATH daemon
	await logged "bk-watch ended with status 3; starting it again in 1 s"
	await logged "bk-watch ended with status 3; starting it again in 3 s"
	ends 0
	rm bin/bk-watch
	PATH=$PWD/bin:/usr/bin:/bin daemon
	await logged "nothing watches its files: cannot find the program 'bk-watch'"
	ends 0
}
