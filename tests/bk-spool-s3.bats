load helper
load s3

# bk-spool and a store that has bad days.

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	rules
	U=s3://bk-spool-test/$BATS_TEST_NUMBER
	bk-dump --name first fake: | bk-put --create "$U" > first
	mkdir in
}

teardown() {
	[ -z "${pid:-}" ] || { kill -KILL "$pid"; wait "$pid"; } 2>/dev/null || true
}

put() { cat > "in/.$1" && mv "in/.$1" "in/$1"; }

records() { bk-list "$U" --query '{name!="first"}' --order-by id | grep -v '"end"'; }

tells() {
	for _ in $(seq 400); do
		! grep -q "$1" err || return 0
		sleep 0.05
	done
	echo "never said '$1': $(cat err)"
	return 1
}

@test "the store is down from the start: all is there when it comes back, in order" {
	rules 'reset'
	for i in 1 2 3; do echo "$i" | put "f$i"; done
	bk-spool --timeout 1s in "$U" > out 2> err 3>&- &
	pid=$!
	tells "trying again in 1s"
	tells "trying again in 2s"
	[ "$(ls in | wc -l)" -eq 3 ]
	rules
	for _ in $(seq 400); do [ -n "$(ls in)" ] || break; sleep 0.05; done
	[ -z "$(ls in)" ]
	kill "$pid"
	wait "$pid" || pid=
	[ "$(records | jq -r .name | tr '\n' ' ')" = "f1 f2 f3 " ]
	[ "$(grep -c '"id"' out)" -eq 3 ]
}

@test "credentials that are refused from the start are no bad day" {
	echo 1 | put f
	run -77 --separate-stderr env AWS_SECRET_ACCESS_KEY=wrong timeout 20 bk-spool in "$U"
	[ -e in/f ]
}

@test "faults and kills at random: nothing lost, nothing twice, nothing partial" {
	for i in $(seq 25); do
		{ echo "file $i"; head -c $((RANDOM * 4)) /dev/urandom; } > t
		sha256sum < t >> sums
		put "f$i" < t
	done
	rules 'status=503%10' 'lost%5' 'reset%5' 'cutresp%3'
	for _ in $(seq 8); do
		bk-spool --timeout 2s --name app in "$U" > /dev/null 2>&1 3>&- &
		pid=$!
		sleep "0.$((RANDOM % 60 + 20))"
		kill -KILL "$pid"
		wait "$pid" 2>/dev/null || true
	done
	pid=
	rules
	run -0 --separate-stderr bk-spool --once --name app in "$U"
	[ -z "$(ls in)" ]
	[ "$(records | jq -r .sha256 | sort)" = "$(cut -c1-64 sums | sort)" ]
	records | while read -r r; do
		[ "$(bk-get --raw <<< "$r" | sha256sum)" = "$(jq -r .sha256 <<< "$r")  -" ]
	done
}

@test "memory is that of the uploads, whatever the size" {
	head -c 150M /dev/zero | put big
	python3 -c 'import resource as r, subprocess as s, sys; s.run(sys.argv[1:], check=True, stdout=s.DEVNULL); print(r.getrusage(r.RUSAGE_CHILDREN).ru_maxrss)' \
	    bk-spool --once --memory 16M in "$U" > rss
	[ "$(cat rss)" -lt 40000 ]
}
