load helper
load supervise

setup() {
	supervise_setup
	check=(run --separate-stderr bk-supervise --check)
	once=(run --separate-stderr bk-supervise --once)
}

at() {
	faketime "$1" "${@:2}"
}

@test "--check: zone, due times, what may not be meant; nothing is written" {
	job app <<-'END'
	schedule = "15 3 * * *"
	source = "fake:"
	store = "one"
	END
	job kept <<-'END'
	watch = "/nowhere"
	source = "fake:"
	store = "one"
	keep = "--keep-last 3 --tz UTC"
	END
	"${check[@]}"
	[ "$status" -eq 0 ] && [ -z "$stderr" ]
	[[ $output == *"bk.conf: 2 jobs, 1 store, zone Europe/Berlin"* ]]
	[[ $output == *"app "*"now "*"never ran, then 20"*" 03:15:00 +0"*"stale after 2d"* ]]
	[[ $output == *"warning: job 'app' never prunes"* ]]
	[[ $output != *"'kept' never prunes"* ]]
	[[ $output == *"warning: job 'kept' is never called stale"* ]]
	run -0 bk-supervise --check --json
	[ "$(python3 -c '
import json, sys
o = [json.loads(l) for l in sys.stdin]
print(o[0]["job"], o[0]["prunes"], o[0]["zone"], o[0]["max-age"], o[1]["prunes"])' <<< "$output")" = \
	    "app False Europe/Berlin 172800000 True" ]
	[ ! -e state ]
	run -0 bk-supervise --check --config /dev/null
	[[ $output == *"warning: there is no job"* ]]
}

@test "--check: errors have their file and line" {
	job app <<-'END'
	source = "fake:"
	store = "one"
	schedule = "15 25 * * *"
	END
	"${check[@]}"
	[ "$status" -eq 78 ]
	said "bk.conf:7: schedule '15 25 * * *', position 4: hour 25 is out of range"
	one_line
	sed -i 's/15 25/15 5/; s/^tags.*//' bk.conf
	sed -i 's/^tz.*/&\nkeep = "--keep-lost 3"/' bk.conf
	"${check[@]}"
	[ "$status" -eq 78 ]
	said "bk.conf:3: keep: unknown option --keep-lost"
	sed -i 's/lost/last/; s/Berlin/Berlim/' bk.conf
	"${check[@]}"
	[ "$status" -eq 78 ]
	said "bk.conf:2: "
	said "Berlim"
	sed -i 's/Berlim/Berlin/; s/schedule/shedule/' bk.conf
	"${check[@]}"
	[ "$status" -eq 78 ]
	said "bk.conf:8: unknown word 'shedule' in job; do you mean 'schedule'?"
	run -66 --separate-stderr bk-supervise --check --config nowhere.conf
	run -64 --separate-stderr bk-supervise --once --check
	run -64 --separate-stderr bk-supervise --json
	run -64 --separate-stderr bk-supervise word
}

@test "--once: what never ran is due at once, then at its time" {
	job app <<-'END'
	schedule = "15 3 * * *"
	source = "fake:?bytes=100"
	store = "one"
	END
	run -0 --separate-stderr at '2026-03-10 12:00:00Z' bk-supervise --once
	[ "$(events app due)" -eq 1 ] && [ "$(events app committed)" -eq 1 ]
	run -0 --separate-stderr at '2026-03-10 12:00:01Z' bk-supervise --once
	run -0 --separate-stderr at '2026-03-11 02:14:00Z' bk-supervise --once
	[ "$(wc -l < state/ledger)" -eq 3 ]
	run -0 --separate-stderr at '2026-03-11 02:15:00Z' bk-supervise --once
	[ "$(events app committed)" -eq 2 ]
	tail -n 1 state/ledger | grep -q '"slot":"2026-03-11T02:15:00Z",.*"trigger":"schedule"'
	[ "$(manifests)" -eq 2 ]
}

@test "--once after a stop: one run, the other slots are entered as missed" {
	quick app 'schedule = "@every 1h"'
	run -0 --separate-stderr at '2026-03-10 12:00:00Z' bk-supervise --once
	run -0 --separate-stderr at '2026-03-10 16:30:00Z' bk-supervise --once
	said "job 'app': 3 due times were missed, one run makes up for them"
	[ "$(ran app)" -eq 2 ]
	[ "$(events app missed)" -eq 3 ]
	grep missed state/ledger | head -n 1 | grep -q '"slot":"2026-03-10T13:00:0'
	grep '"event":"due"' state/ledger | tail -n 1 | grep -q '"slot":"2026-03-10T16:00:0'
	# From the due time of the last entry.
	run -0 --separate-stderr at '2026-03-10 16:59:00Z' bk-supervise --once
	[ "$(ran app)" -eq 2 ]
	run -0 --separate-stderr at '2026-03-10 17:00:05Z' bk-supervise --once
	[ "$(ran app)" -eq 3 ]
}

@test "--once over both changes of the clocks" {
	quick night 'schedule = "30 2 * * *"'
	quick hour 'schedule = "@hourly"'
	run -0 --separate-stderr at '2026-03-28 12:00:00Z' bk-supervise --once
	for h in 00:59:00 01:00:10 01:30:00 02:00:10; do
		run -0 --separate-stderr at "2026-03-29 ${h}Z" bk-supervise --once
	done
	# 02:30 did not exist: it ran at the change, and not again.
	[ "$(ran night)" -eq 2 ]
	[ "$(ran hour)" -eq 4 ]
	rm -r state ran-*
	run -0 --separate-stderr at '2026-10-24 12:00:00Z' bk-supervise --once
	for h in 00:30:10 01:00:10 01:30:10 02:00:10; do
		run -0 --separate-stderr at "2026-10-25 ${h}Z" bk-supervise --once
	done
	[ "$(ran night)" -eq 2 ]
	[ "$(ran hour)" -eq 4 ]
}

@test "--once: a clock set back runs nothing twice; one that was wrong does not stop a job" {
	quick app 'schedule = "15 3 * * *"'
	run -0 --separate-stderr at '2026-03-10 12:00:00Z' bk-supervise --once
	run -0 --separate-stderr at '2026-03-11 02:16:00Z' bk-supervise --once
	[ "$(ran app)" -eq 2 ]
	run -0 --separate-stderr at '2026-03-11 01:00:00Z' bk-supervise --once
	run -0 --separate-stderr at '2026-03-11 02:15:00Z' bk-supervise --once
	[ "$(ran app)" -eq 2 ]
	run -0 --separate-stderr at '2031-01-01 00:00:00Z' bk-supervise --once
	[ "$(ran app)" -eq 3 ]
	run -0 --separate-stderr at '2026-03-11 12:00:00Z' bk-supervise --once
	[ "$(ran app)" -eq 4 ]
	run -0 --separate-stderr at '2026-03-12 02:10:00Z' bk-supervise --once
	[ "$(ran app)" -eq 4 ]
	run -0 --separate-stderr at '2026-03-12 02:15:00Z' bk-supervise --once
	[ "$(ran app)" -eq 5 ]
}

@test "--once answers the worst; 75 alone is none" {
	n=0
	while read -r want statuses; do
		rm -rf state
		sed -i '4,$d' bk.conf
		for s in $statuses; do
			n=$((n + 1))
			job "j$n" <<-END
			schedule = "@daily"
			run = "sh -c 'exit $s'"
			END
		done
		"${once[@]}"
		[ "$status" -eq "$want" ] || { echo "$statuses: $status"; false; }
	done <<-'END'
	0 0 0
	78 77 78 70
	77 70 77 65
	70 65 70 73
	65 73 65 74
	73 74 73 69
	74 69 74 66
	69 66 69 64
	66 64 66 1
	64 1 64 0
	1 0 1
	END
	rm -rf state
	sed -i '4,$d' bk.conf
	quick busy 'schedule = "@daily"'
	mkdir -p state/lock
	run -0 --separate-stderr flock state/lock/job-busy bk-supervise --once
	[ "$(ran busy)" -eq 0 ]
	[ "$(events busy skipped)" -eq 1 ]
	grep -q 'its last run is still under way' state/ledger
}

@test "many --once at the same time run a job once" {
	quick a 'schedule = "@daily"'
	quick b 'schedule = "@daily"'
	for _ in 1 2 3 4 5 6; do bk-supervise --once 3>&- & done
	wait
	[ "$(ran a)" -eq 1 ] && [ "$(ran b)" -eq 1 ]
	[ "$(events a committed)" -eq 1 ]
}

@test "one --once does not wait for what another runs" {
	mkfifo go up
	job slow <<-END
	schedule = "@daily"
	run = "sh -c 'echo up > $PWD/up; read x < $PWD/go; echo >> $PWD/ran-slow'"
	END
	bk-supervise --once 3>&- &
	first=$!
	read -r _ < up
	"${once[@]}"
	[ "$status" -eq 0 ]
	[ "$(ran slow)" -eq 0 ]
	echo > go
	wait "$first"
	[ "$(ran slow)" -eq 1 ]
	run ! grep -q skipped state/ledger
}

@test "--once: a job that watches is due when its file differs from its last commit" {
	echo one > data
	job app <<-END
	watch = "$PWD/data"
	source = "exec:"
	command = { "cat", "$PWD/data" }
	store = "one"
	END
	"${once[@]}"
	[ "$status" -eq 0 ] && [ "$(manifests)" -eq 1 ]
	"${once[@]}"
	[ "$(wc -l < state/ledger)" -eq 3 ]
	echo two > data
	"${once[@]}"
	[ "$(manifests)" -eq 2 ]
	# Touched and the same: looked at once, and nothing is stored.
	touch data
	"${once[@]}"
	[ "$status" -eq 0 ] && [ "$(events app unchanged)" -eq 1 ]
	long=$(wc -l < state/ledger)
	"${once[@]}"
	[ "$(wc -l < state/ledger)" -eq "$long" ] && [ "$(manifests)" -eq 2 ]
	mv data away
	"${once[@]}"
	[ "$(wc -l < state/ledger)" -eq "$long" ]
}

@test "--once: at-most-every holds a change back" {
	echo one > data
	job app <<-END
	watch = "$PWD/data"
	at-most-every = "1h"
	source = "exec:"
	command = { "cat", "$PWD/data" }
	store = "one"
	END
	"${once[@]}"
	echo two > data
	"${once[@]}"
	[ "$(events app committed)" -eq 1 ]
	faketime -f +61m bk-supervise --once
	[ "$(events app committed)" -eq 2 ]
}

@test "hosts, groups: who is not due does not run" {
	host=$(hostname)
	quick mine "schedule = \"@daily\" hosts = { \"elsewhere\", \"${host%%.*}\" }"
	quick theirs 'schedule = "@daily" hosts = "elsewhere"'
	quick lead 'schedule = "@daily" group = "site"'
	quick member 'group = "site"'
	quick asked ''
	"${once[@]}"
	[ "$status" -eq 0 ]
	[ "$(ran mine)" -eq 1 ] && [ "$(ran theirs)" -eq 0 ] && [ "$(ran asked)" -eq 0 ]
	[ "$(ran lead)" -eq 1 ] && [ "$(ran member)" -eq 1 ]
	run ! grep -q theirs state/ledger
}

@test "a run killed before: its failure is entered, on-failure told, the next is good" {
	quick app 'schedule = "15 3 * * *" on-failure = "echo $BK_MESSAGE >> failed"'
	run -0 --separate-stderr at '2026-03-10 12:00:00Z' bk-supervise --once
	echo '{"time":"2026-03-11T02:15:00Z","job":"app","event":"started","slot":"2026-03-11T02:15:00Z","run":"01J00000000000000000000000","trigger":"schedule","pid":1}' >> state/ledger
	run -1 --separate-stderr at '2026-03-11 02:20:00Z' bk-supervise --once
	[ "$(events app failed)" -eq 1 ]
	grep -q 'it was killed' failed
	[ "$(ran app)" -eq 1 ]
	run -0 --separate-stderr at '2026-03-12 02:20:00Z' bk-supervise --once
	[ "$(ran app)" -eq 2 ]
}

@test "a slot that was entered and not begun is begun" {
	quick app 'schedule = "15 3 * * *"'
	mkdir state
	echo '{"time":"2026-03-11T02:15:00Z","job":"app","event":"due","slot":"2026-03-11T02:15:00Z","trigger":"schedule"}' >> state/ledger
	run -0 --separate-stderr at '2026-03-11 02:20:00Z' bk-supervise --once
	[ "$(ran app)" -eq 1 ]
	tail -n 1 state/ledger | grep -q '"slot":"2026-03-11T02:15:00Z"'
}

@test "too old: on-stale is told once, also with --once" {
	job app <<-'END'
	schedule = "@every 24h"
	source = "fake:?bytes=100&fail-after=10"
	store = "one"
	on-stale = "echo $BK_MESSAGE >> stale"
	END
	sed -i 's/&fail-after=10//' bk.conf
	"${once[@]}"
	[ "$status" -eq 0 ]
	sed -i 's/bytes=100/&\&fail-after=10/' bk.conf
	run -65 --separate-stderr faketime -f +30h bk-supervise --once
	[ ! -e stale ]
	run -65 --separate-stderr faketime -f +50h bk-supervise --once
	grep -q 'too old' stale
	run -65 --separate-stderr faketime -f +80h bk-supervise --once
	[ "$(wc -l < stale)" -eq 1 ]
}

@test "without a ledger the stores tell when the last run was" {
	job app <<-'END'
	schedule = "@daily"
	source = "fake:?bytes=100"
	store = "one"
	END
	"${once[@]}"
	rm -r state
	"${once[@]}"
	[ "$status" -eq 0 ]
	[ "$(manifests)" -eq 1 ]
	grep -q '"trigger":"recalled"' state/ledger
}

@test "the supervisor links no network library" {
	run -0 ldd "$B/bin/bk-supervise"
	[[ $output != *libcurl* && $output != *libssl* ]]
}
