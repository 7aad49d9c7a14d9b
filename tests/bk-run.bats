load helper

setup() {
	own_store
	mkdir two
	cat > bk.conf <<-END
	state = "$PWD/state"
	store "one" { url = "file://$PWD/store" }
	store "two" { url = "file://$PWD/two" }
	END
	export BK_CONF=$PWD/bk.conf
}

teardown() {
	[ ! -e "$BATS_TEST_TMPDIR/small" ] || umount "$BATS_TEST_TMPDIR/small" || true
}

# Add a job to the schedule file: its name, then words on standard input.
job() {
	{ echo "job \"$1\" {"; cat; echo "}"; } >> bk.conf
}

# Value of a Python expression on e, the ${1}th line of the ledger.
entry() {
	python3 -c "
import json, sys
e = [json.loads(l) for l in open('state/ledger')][int(sys.argv[1])]
print($2)" "$1"
}

# The same on o, the last line of $output.
outcome() {
	tail -n 1 <<< "$output" | python3 -c "
import json, sys
o = json.loads(sys.stdin.readline())
print($1)"
}

manifests() {
	find "$1/.bk/manifest" -name '*.json' 2>/dev/null | wc -l
}

# Process ${1} ends: within a second, or five where the machine is loaded.
gone() {
	local end=$((SECONDS + 5))

	while grep -qs '^State:[[:space:]]*[^Z]' "/proc/$1/status"; do
		[ $SECONDS -lt $end ] || return 1
	done
}

@test "a job is stored in all its stores; outcome, ledger, record agree" {
	job app <<-'END'
	source = "fake:?bytes=1000"
	store = { "one", "two" }
	tags = { "tier=app" }
	END
	run --separate-stderr bk-run --trigger schedule --slot 2026-11-21T03:15:00Z app
	[ "$status" -eq 0 ]
	[ "$(outcome 'o["outcome"], o["job"], o["status"]')" = "committed app 0" ]
	[ "$(manifests store)" -eq 1 ] && [ "$(manifests two)" -eq 1 ]
	cmp store/.bk/manifest/app/*.json two/.bk/manifest/app/*.json
	id=$(outcome 'o["id"]')
	grep -q "\"id\":\"$id\"" store/.bk/manifest/app/*.json
	grep -q '"trigger":"schedule"' store/.bk/manifest/app/*.json
	grep -q '"tier":"app"' store/.bk/manifest/app/*.json
	grep -q "\"run\":\"$(outcome 'o["run"]')\"" store/.bk/manifest/app/*.json
	[ "$(entry 0 'e["event"], e["slot"]')" = "started 2026-11-21T03:15:00Z" ]
	[ "$(entry 1 'e["event"], e["id"]')" = "committed $id" ]
	[ "$(entry 1 'e["bytes"]')" = "$(outcome 'o["bytes"]')" ]
}

@test "a stage that fails: nothing listed, its reason in ledger and hook" {
	job app <<-END
	source = "fake:?bytes=100000&fail-after=500"
	store = { "one", "two" }
	on-failure = 'echo "\$BK_EVENT \$BK_STATUS \$BK_MESSAGE" > told'
	on-success = "touch good"
	always = "touch always"
	END
	run -65 --separate-stderr bk-run app
	nothing_listed store && nothing_listed two
	[ "$(entry 1 'e["event"], e["status"]')" = "failed 65" ]
	[[ "$(entry 1 'e["message"]')" == *"failed after 500 bytes"* ]]
	[[ "$(cat told)" == "fail 65 "*"failed after 500 bytes"* ]]
	[ -e always ] && [ ! -e good ]
}

@test "a filter that fails counts, although bk-put exits by itself" {
	job app <<-'END'
	source = "fake:?bytes=1000"
	store = "one"
	pipeline = { "sh -c 'cat; exit 3'" }
	END
	run -3 --separate-stderr bk-run app
	[ "$(entry 1 'e["event"], e["status"]')" = "failed 3" ]
}

@test "only-if: 0 runs, 1 skips, anything else fails; 'before' can veto" {
	job yes <<< 'source = "fake:?bytes=9" store = "one" only-if = "true"'
	job no <<< 'source = "fake:?bytes=9" store = "one" only-if = "false" always = "touch x"'
	job odd <<< 'source = "fake:?bytes=9" store = "one" only-if = "exit 2"'
	job veto <<< 'source = "fake:?bytes=9" store = "one" before = "exit 4" always = "touch y"'
	run -0 --separate-stderr bk-run yes
	run -0 --separate-stderr bk-run no
	[ "$(outcome 'o["outcome"]')" = skipped ] && [ ! -e x ]
	[ "$(entry -1 'e["event"], e["message"]')" = "skipped only-if says no" ]
	run -65 --separate-stderr bk-run odd
	run -65 --separate-stderr bk-run veto
	[ -e y ] && [ "$(manifests store)" -eq 1 ]
}

@test "hold keeps its lock over the dump; one that ends early stops the backup" {
	job app <<-END
	source = "exec:"
	command = { "sh", "-c", "test -e held && echo data" }
	store = "one"
	hold = "touch held; echo ready; cat; rm held"
	END
	run -0 --separate-stderr bk-run app
	[ ! -e held ] && [ "$(manifests store)" -eq 1 ]
	job early <<-END
	source = "exec:"
	command = { "sh", "-c", "echo data; : > go; exec sleep 600" }
	store = "one"
	hold = "mkfifo go; echo ready; read x < go"
	END
	run -65 --separate-stderr timeout 20 bk-run early
	[[ "$(entry -1 'e["message"]')" == *"hold command ended"* ]]
	[ "$(manifests store)" -eq 1 ]
	job never <<< 'source = "fake:" store = "one" hold = "echo no"'
	run -65 --separate-stderr bk-run never
	said "'no', not 'ready'"
}

@test "75 while a run of the job is under way; jobs of one lock wait" {
	mkfifo start end
	job app <<-END
	source = "exec:"
	command = { "sh", "-c", "echo data; echo > start; cat end" }
	store = "one"
	lock = "l"
	END
	job other <<< 'source = "fake:?bytes=9" store = "one" lock = "l"'
	bk-run app > out 2> err 3>&- &
	a=$!
	read -r _ < start
	run -75 --separate-stderr bk-run app
	[ "$(entry -1 'e["event"], e["status"]')" = "skipped 75" ]
	bk-run other > out2 3>&- &
	b=$!
	until grep -q '"job":"other"' state/ledger; do :; done
	[ "$(manifests store)" -eq 0 ]
	echo more > end
	wait $a && wait $b
	[ "$(manifests store)" -eq 2 ]
	[ "$(entry -1 'e["job"], e["event"]')" = "other committed" ]
}

@test "killed, it leaves no stage behind after a second, and nothing partial" {
	mkfifo start
	job app <<-END
	source = "exec:"
	command = { "sh", "-c", "head -c 300000 /dev/zero; echo \$\$ > start; exec sleep 600" }
	store = "one"
	END
	bk-run app > out 2>&1 3>&- &
	a=$!
	read -r tool < start
	stages=$(pgrep -P $a)
	[ "$(wc -w <<< "$stages")" -eq 3 ]
	kill -9 $a
	for p in $tool $stages; do gone "$p"; done
	nothing_listed store
	# The lock went with it.
	job app2 <<< 'source = "fake:?bytes=9" store = "one"'
	run -0 bk-run app2
	[ "$(entry 0 'e["event"]')" = started ]
}

@test "TERM ends it: always, ledger and hooks still come" {
	mkfifo start
	job app <<-END
	source = "exec:"
	command = { "sh", "-c", "echo data; echo \$\$ > start; exec sleep 600" }
	store = "one"
	always = "touch always"
	on-failure = "touch told"
	END
	bk-run app > out 2> err 3>&- &
	a=$!
	read -r tool < start
	kill $a
	wait $a && false || [ $? -eq 65 ]
	gone "$tool"
	[ -e always ] && [ -e told ]
	[[ "$(entry -1 'e["event"], e["message"]')" == *"stopped by signal 15"* ]]
	nothing_listed store
}

@test "a time limit stops a dump that hangs" {
	job app <<-'END'
	source = "exec:"
	command = { "sh", "-c", "echo data; exec sleep 600" }
	store = "one"
	timeout = "300ms"
	END
	run -65 --separate-stderr timeout 20 bk-run app
	[[ "$(entry -1 'e["message"]')" == *"took longer than the job's 'timeout', "* ]]
	nothing_listed store
}

@test "69 is tried again inside the slot, 78 is not, --until ends it" {
	cat > flaky <<-'END'
	#!/bin/sh
	echo x >> tries
	[ "$(wc -l < tries)" -lt 3 ] || exec cat
	cat > /dev/null
	exit "${1:-69}"
	END
	chmod +x flaky
	job app <<< 'source = "fake:?bytes=9" store = "one" pipeline = "./flaky" retry-wait = "10ms"'
	run -0 --separate-stderr bk-run app
	[ "$(wc -l < tries)" -eq 3 ] && [ "$(manifests store)" -eq 1 ]
	said "trying again"
	rm tries
	job conf <<< 'source = "fake:?bytes=9" store = "one" pipeline = "./flaky 78" retry-wait = "10ms"'
	run -78 --separate-stderr bk-run conf
	[ "$(wc -l < tries)" -eq 1 ]
	rm tries
	run -69 --separate-stderr bk-run --until 2026-01-01T00:00:00Z app
	[ "$(wc -l < tries)" -eq 1 ]
}

@test "a program that is not there is not waited for" {
	job filter <<< 'source = "fake:?bytes=9" store = "one" pipeline = "no-such-filter"'
	job tool <<< 'source = "exec:" command = { "./no-such-tool" } store = "one"'
	run -69 --separate-stderr timeout 20 bk-run filter
	said "cannot find the program 'no-such-filter'"
	run -69 --separate-stderr timeout 20 bk-run tool
	said "cannot find the program './no-such-tool'"
	[ ! -e store ] || [ "$(manifests store)" -eq 0 ]
}

@test "a store that was full gets the same backup by bk-copy" {
	command -v bk-copy > /dev/null || skip "no bk-copy"
	mkdir small
	mount -t tmpfs -o size=256k none small || skip "no mount"
	head -c 250000 /dev/zero > small/filler 2> /dev/null || true
	cat >> bk.conf <<< "store \"small\" { url = \"file://$PWD/small\" }"
	job app <<-END
	source = "exec:"
	command = { "head", "-c", "100000", "/dev/urandom" }
	store = { "one", "small" }
	retry-wait = "300ms"
	END
	bk-run app > out 2> err 3>&- &
	a=$!
	until grep -q "trying again" err; do kill -0 $a; done
	rm small/filler
	wait $a
	cmp store/.bk/manifest/app/*.json small/.bk/manifest/app/*.json
	[ "$(manifests store)" -eq 1 ]
	cmp store/app/* small/app/*
}

@test "without room for the ledger the job still runs, and an alarm comes" {
	mkdir small
	mount -t tmpfs -o size=64k none small || skip "no mount"
	sed -i "s|^state.*|state = \"$PWD/small/state\"|" bk.conf
	job app <<< 'source = "fake:?bytes=9" store = "one" on-failure = "echo $BK_MESSAGE > told"'
	run -0 bk-run app
	before=$(cat small/state/ledger)
	head -c 100000 /dev/zero >> small/state/ledger 2> /dev/null || true
	truncate -s "${#before}" small/state/ledger; echo >> small/state/ledger
	cat /dev/zero > small/filler 2> /dev/null || true
	# What is left of the ledger's last block.
	while printf '{"job":"x"}\n' >> small/state/ledger 2> /dev/null; do :; done
	run -1 --separate-stderr bk-run app
	[ "$(manifests store)" -eq 2 ]
	said "ledger cannot be written"
	grep -q "ledger cannot be written" told
}

@test "a group: its jobs one after the other, one run, its object last" {
	mkdir d && echo x > d/f
	job site <<< 'source = "fake:?bytes=9" store = { "one", "two" } group = "g" schedule = "@daily"'
	job www <<-END
	source = { "files://$PWD/d", "fake:?bytes=5" }
	store = { "one", "two" }
	group = "g"
	END
	run -0 --separate-stderr bk-run site
	[ "${#lines[@]}" -eq 2 ]
	run=$(outcome 'o["run"]')
	cmp store/.bk/group/g/"$run".json two/.bk/group/g/"$run".json
	[ "$(python3 -c "
import json
print(*(m['name'] for m in json.load(open('store/.bk/group/g/$run.json'))['members']))")" = "site www-d www-fake" ]
	[ "$(grep -l '"group":"g"' store/.bk/manifest/*/*.json | wc -l)" -eq 3 ]
	# A run that is not whole has no object.
	sed -i 's|fake:?bytes=5|fake:?bytes=5\&exit=3|' bk.conf
	run --separate-stderr bk-run site
	[ "$status" -ne 0 ]
	said "not whole"
	[ "$(find store/.bk/group -type f | wc -l)" -eq 1 ]
}

@test "bk-put --group-end refuses a member that the store does not have" {
	job app <<< 'source = "fake:?bytes=9" store = "one" '
	run -0 --separate-stderr bk-run app
	r=01ARZ3NDEKTSV4RRFFQ69G5FAV
	bk-list --json "$S" > list
	run -66 --separate-stderr bash -c "bk-put --group-end g --run $r file://$PWD/two < list"
	said "is not in"
	[ ! -e two/.bk/group ]
	run -0 bash -c "bk-put --group-end g --run $r '$S' < list"
	run -0 bash -c "bk-put --group-end g --run $r '$S' < list"
	run -66 --separate-stderr bash -c "echo '{\"end\":\"ok\",\"records\":0}' | bk-put --group-end g --run $r '$S'"
	run -64 --separate-stderr bk-put --group-end g "$S" < list
}

@test "a hook that hangs is cut off, one that fails is said; the backup stands" {
	job app <<-'END'
	source = "fake:?bytes=9"
	store = "one"
	hook-timeout = "200ms"
	on-success = { "sleep 600", "exit 5", "touch third" }
	END
	run -0 --separate-stderr timeout 20 bk-run app
	said "timeout" && said "exited 5"
	[ -e third ] && [ "$(entry -1 'e["event"]')" = committed ]
}

@test "run = commands, stopping at the first that fails; @store is its URL" {
	job app <<-'END'
	run = { "sh -c 'echo $1 > url' x @one", "bk-list --json @one", "false", "touch never" }
	END
	run -1 --separate-stderr bk-run app
	[ "$(cat url)" = "$S" ] && [ ! -e never ]
	[ "$(entry -1 'e["event"], e["status"]')" = "failed 66" ] || [ "$(entry -1 'e["event"], e["status"]')" = "failed 1" ]
}

@test "hosts, a job that is not there, a file that is wrong" {
	job app <<< 'source = "fake:" store = "one" hosts = { "elsewhere" }'
	run -0 --separate-stderr bk-run app
	[ "$(outcome 'o["outcome"]')" = skipped ]
	run -66 --separate-stderr bk-run ap
	said "do you mean 'app'"
	echo 'jobs "x" { }' >> bk.conf
	run -78 --separate-stderr bk-run app
	said "bk.conf:$(wc -l < bk.conf): unknown word 'jobs'"
	one_line
	run -64 --separate-stderr bk-run
	run -64 --separate-stderr bk-run a b
	run -66 --separate-stderr bk-run --config nowhere app
}

@test "no program of the supervisor links a network library" {
	for p in bk-run bk-supervise; do
		[ -e "$B/bin/$p" ] || continue
		run -0 ldd "$B/bin/$p"
		case $output in *libcurl* | *libssl* | *libexpat* | *libsqlite*) false ;; esac
	done
}

@test "after a success: the stores are told, old backups of that job go" {
	job app <<< 'source = "fake:?bytes=9" store = { "one", "two" } keep = "--keep-last 2"'
	job bad <<< 'source = "fake:?bytes=9" store = "one" keep = "--keep-last x"'
	for i in 1 2 3; do run -0 --separate-stderr bk-run app; done
	[ "$(manifests store)" -eq 2 ] && [ "$(manifests two)" -eq 2 ]
	[ "$(find store/.bk/deleted/app -name '*.json' | wc -l)" -eq 1 ]
	grep -q '"outcome":"committed"' store/.bk/state/app/*.json
	grep -q "\"id\":\"$(outcome 'o["id"]')\"" two/.bk/state/app/*.json
	# What fails after the commit is said, and the backup stands.
	run -1 --separate-stderr bk-run bad
	[ "$(outcome 'o["outcome"], o["status"]')" = "committed 0" ]
	said "pruning 'bad' in store 'one': bk-prune: --keep-last must be a number"
	[ "$(entry -1 'e["event"]')" = committed ]
}

@test "what has not changed since the last backup is reported, not stored" {
	echo one > file
	job app <<-END
	source = "exec:"
	command = { "cat", "file" }
	store = { "one", "two" }
	unless-unchanged = yes
	END
	run -0 --separate-stderr bk-run app
	run -0 --separate-stderr bk-run app
	[ "$(outcome 'o["outcome"]')" = unchanged ]
	[ "$(entry -1 'e["event"]')" = unchanged ]
	[ "$(manifests store)" -eq 1 ]
	grep -q '"outcome":"unchanged"' two/.bk/state/app/*.json
	# A store that lacks it is not left without.
	rm -r two/.bk two/app
	run -0 --separate-stderr bk-run app
	[ "$(outcome 'o["outcome"]')" = committed ] && [ "$(manifests two)" -eq 1 ]
	echo two > file
	run -0 --separate-stderr bk-run app
	[ "$(outcome 'o["outcome"]')" = committed ] && [ "$(manifests store)" -eq 3 ]
}

@test "seven nights of an emptied database: told in the first, every good copy survives" {
	job app <<-'END'
	source = "fake:?bytes=${BYTES}"
	store = "one"
	keep = "--keep-last 4"
	on-failure = "echo \"$BK_EVENT $BK_MESSAGE\" >> told"
	END
	for i in 1 2 3 4; do
		BYTES=100000 run -0 --separate-stderr bk-run app
	done
	bk-list --plain --name app "$S" | sort > good
	[ ! -e told ]
	for night in 1 2 3 4 5 6 7; do
		BYTES=10 run -1 --separate-stderr bk-run app
		[[ $(outcome 'o["outcome"], o["message"]') == "committed store 'one': app: shrunk: "* ]]
		[ "$(wc -l < told)" -eq "$night" ]
	done
	grep -q "^fail .*much smaller" told
	[ "$(bk-list --plain --name app "$S" | sort | comm -23 good - | wc -l)" -eq 0 ]
	# As much as the job itself finds right is not told.
	sed -i 's/--keep-last 4/--keep-last 4 --max-shrink 100%/' bk.conf
	BYTES=10 run -0 --separate-stderr bk-run app
}
