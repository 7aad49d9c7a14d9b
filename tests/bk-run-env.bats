load helper

# What of the environment each stage of a job gets: a dump not the store's
# credentials, bk-put not the database's, a filter neither.

setup() {
	own_store
	[ "$(id -u)" = 0 ] || skip "only root sees the environment of bk's programs"
	export AWS_SECRET_ACCESS_KEY=canary-store PGPASSWORD=canary-source REDISCLI_AUTH=canary-source
	export MINE=canary-mine OTHER=canary-other https_proxy=http://canary-proxy
	export BK_CONF=$PWD/bk.conf
	mkfifo ready go there
	# "name: what it has" for each process of run ${1}.
	cat > look <<-'END'
	import glob, os, re, sys
	found = set()
	for d in glob.glob("/proc/[0-9]*"):
	    try:
	        env = open(d + "/environ", "rb").read()
	        name = open(d + "/cmdline", "rb").read().split(b"\0")[0].decode()
	    except OSError:
	        continue
	    if b"BK_RUN=" + sys.argv[1].encode() in env.split(b"\0"):
	        has = sorted(set(re.findall(rb"canary-([a-z]*)", env)))
	        found.add(os.path.basename(name) + ": " + b" ".join(has).decode())
	print("\n".join(sorted(found)))
	END
}

teardown() {
	[ -z "${pid:-}" ] || kill -KILL "$pid" 2> /dev/null || :
}

@test "each stage has what it needs" {
	run_id=01JD7ZZZZZZZZZZZZZZZZZZZZZ
	printf 'echo > there\nexec sed w/dev/null\n' > pipe.sh
	cat > bk.conf <<-END
	state = "$PWD/state"
	store "one" { url = "$S" }
	job "app" {
		source = "exec:"
		command = { "sh", "-c", "yes | head -c 3000000; echo > ready; read -r x < go; echo data" }
		pipeline = { "bk-compress", "bk-pipe --ext .p -- sh pipe.sh", "cat" }
		store = { "one" }
		hold = "echo ready; head -n 1"
	}
	END
	bk-run --run "$run_id" app > out 2> err 3>&- &
	pid=$!
	read -r _ < ready
	read -r _ < there
	python3 look "$run_id" > seen
	echo > go
	wait "$pid" || { cat out err; return 1; }
	cat seen
	grep -v '^bk-child' seen | diff - /dev/fd/3 3<<-'END'
	bk-compress: 
	bk-dump: mine other proxy source
	bk-pipe: mine other proxy
	bk-put: proxy store
	cat: mine other proxy
	head: mine other proxy source store
	sed: mine other proxy
	sh: mine other proxy source
	sh: mine other proxy source store
	END
	[ "$(bk-list --plain "$S" | wc -l)" -eq 1 ]
}

@test "the variable that source-env names goes to the dump alone" {
	run_id=01JD7ZZZZZZZZZZZZZZZZZZZZY
	cat > bin-pg <<-'END'
	#!/bin/sh
	echo > ready
	read -r x < go
	exit 1
	END
	mkdir bin && mv bin-pg bin/psql && chmod +x bin/psql && cp bin/psql bin/pg_dump
	cat > bk.conf <<-END
	state = "$PWD/state"
	store "one" { url = "$S" }
	job "app" {
		source = "postgres://nobody@127.0.0.1:1/app"
		source-env = "MINE"
		pipeline = { "bk-pipe --ext .p -- sed w/dev/null" }
		store = { "one" }
		retry-wait = "1ms"
	}
	END
	sed -i "s|> ready|> $PWD/ready|; s|< go|< $PWD/go|" bin/*
	PATH=$PWD/bin:$PATH bk-run --run "$run_id" --until 2020-01-01T00:00:00Z app > out 2> err 3>&- &
	pid=$!
	read -r _ < ready
	python3 look "$run_id" > seen
	kill "$pid"
	wait "$pid" || :
	cat seen
	grep -qx 'bk-dump: mine other proxy source' seen
	grep -qx 'bk-pipe: other proxy' seen
	grep -qx 'bk-put: proxy store' seen
}

@test "bk backup does the same" {
	run_id=01JD7ZZZZZZZZZZZZZZZZZZZZX
	BK_RUN=$run_id bk backup --name app exec: "$S" -- sh -c 'echo > ready; read -r x < go; echo data' > out 2> err 3>&- &
	pid=$!
	read -r _ < ready
	BK_RUN='' python3 look "$run_id" > seen
	echo > go
	wait "$pid" || { cat out err; return 1; }
	cat seen
	grep -qx 'bk-dump: mine other proxy source' seen
	grep -qx 'bk-compress: ' seen
	grep -qx 'bk-put: proxy store' seen
}
