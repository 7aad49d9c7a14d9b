load helper
load supervise

setup() {
	supervise_setup
}

teardown() {
	supervise_teardown
	[ ! -e "$BATS_TEST_TMPDIR/small" ] || umount "$BATS_TEST_TMPDIR/small" || true
}

@test "jobs run at their times; TERM ends it, the socket goes" {
	quick often 'schedule = "@every 1s"'
	quick daily 'schedule = "15 3 * * *"'
	quick start 'at-start = yes'
	quick asked ''
	daemon
	await has often committed 3
	has daily committed && has start committed
	[ "$(ran daily)" -eq 1 ] && [ "$(ran start)" -eq 1 ] && [ "$(ran asked)" -eq 0 ]
	grep '"job":"start"' state/ledger | grep -q '"trigger":"start"'
	ends 0
	[ ! -e state/socket ]
	# A new start: at-start again, the daily one not.
	daemon
	await has start committed 2
	[ "$(ran daily)" -eq 1 ]
	ends 0
}

@test "one daemon for a state directory" {
	quick asked ''
	daemon
	run -75 --separate-stderr timeout 10 bk-supervise
	said "another supervisor is running"
	[ -S state/socket ]
	ends 0
}

@test "HUP reads the file again; a broken one leaves the old in force" {
	quick one 'schedule = "@daily"'
	daemon
	await has one committed
	quick two 'schedule = "@daily"'
	kill -HUP "$pid"
	await has two committed
	cp bk.conf good
	quick three 'shedule = "@daily"'
	kill -HUP "$pid"
	await logged "unknown word 'shedule' in job; do you mean 'schedule'?; the schedule before stays in force"
	sed -i "s|^state.*|state = \"$PWD/other\"|" good
	cp good bk.conf
	kill -HUP "$pid"
	await logged "'state' is another directory: that needs a restart"
	[ "$(ran one)" -eq 1 ] && [ "$(ran two)" -eq 1 ]
	run -0 ask '{"do":"status"}'
	[ "$(jq -r '[.jobs[].job] | join(" ")' <<< "$output")" = "one two" ]
	ends 0
}

@test "a job that still runs when it is due is skipped, and said so" {
	mkfifo go up
	job slow <<-END
	schedule = "@every 1s"
	run = "sh -c 'echo up > $PWD/up; read x < $PWD/go; echo >> $PWD/ran-slow'"
	END
	daemon
	read -r _ < up
	await has slow skipped 2
	grep '"event":"skipped"' state/ledger | head -n 1 | grep -q 'its last run is still under way'
	[ "$(events slow started)" -eq 1 ]
	echo > go
	read -r _ < up
	[ "$(ran slow)" -eq 1 ]
	ends 0
	echo > go
}

@test "parallel bounds the runs; one that is asked for starts all the same" {
	sed -i '1iparallel = 1' bk.conf
	mkfifo go up
	for n in a b c; do
		job $n <<-END
		at-start = yes
		run = "sh -c 'echo $n > $PWD/up; read x < $PWD/go'"
		END
	done
	quick asked ''
	daemon
	read -r first < up
	run -0 ask '{"do":"backup","job":"asked"}'
	[ "$(ran asked)" -eq 1 ]
	[ "$(grep -c '"event":"started"' state/ledger)" -eq 2 ]
	echo > go
	read -r second < up
	echo > go
	read -r third < up
	echo > go
	[ "$first$second$third" = abc ]
	await has c committed
	ends 0
}

@test "the socket: status, backup, refusals" {
	mkfifo go up
	job slow <<-END
	run = "sh -c 'echo up > $PWD/up; read x < $PWD/go; exit 69'"
	retry = 0
	END
	quick daily 'schedule = "15 3 * * *"'
	daemon
	[ "$(stat -c %a state/socket)" = 660 ]
	ask '{"do":"backup","job":"slow"}' > answer 3>&- &
	asker=$!
	read -r _ < up
	await test -s answer
	run -0 ask '{"do":"backup","job":"slow"}'
	[ "$(jq -r '.event, .status' <<< "$output" | xargs)" = "refused 75" ]
	[[ $output == *"a run of job 'slow' is under way"* ]]
	run -0 ask '{"do":"backup","job":"slw"}'
	[ "$(jq -r .status <<< "$output")" = 66 ]
	[[ $output == *"do you mean 'slow'?"* ]]
	for bad in '{"do":"backup"}' '{"do":"dance"}' '[]' 'x' "$(head -c 70000 /dev/zero | tr '\0' x)"; do
		run -0 ask "$bad"
		[ "$(jq -r .status <<< "$output")" = 64 ]
	done
	run -0 ask '{"do":"status"}'
	[ "$(jq -r '.event, .pid, .zone, .config, .jobs[0].running, .jobs[1].running' <<< "$output" | xargs)" = \
	    "status $pid Europe/Berlin $PWD/bk.conf true false" ]
	[[ $(jq -r '.jobs[1].due' <<< "$output") == 20*T0[12]:15:00Z ]]
	echo > go
	wait $asker
	[ "$(jq -r .event answer | xargs)" = "started ended" ]
	[ "$(tail -n 1 answer | jq -r '.job, .status, .outcome' | xargs)" = "slow 69 failed" ]
	[ "$(jq -r .run answer | uniq | wc -l)" -eq 1 ]
	# Who hangs up cancels nothing.
	python3 -c '
import socket
s = socket.socket(socket.AF_UNIX)
s.connect("state/socket")
s.sendall(b"{\"do\":\"backup\",\"job\":\"daily\"}\n")'
	await has daily committed 2
	ends 0
}

@test "seventeen clients at a time: the last is turned away, the others served" {
	quick daily ''
	daemon
	run -0 python3 -c '
import socket
def one():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    s.connect("state/socket")
    return s
many = [one() for _ in range(17)]
print(many[16].recv(10) == b"")
for s in many[:16]:
    s.sendall(b"{\"do\":\"status\"}\n")
print(all(s.makefile().readline().startswith("{") for s in many[:16]))
for s in many:
    s.close()'
	[ "$(xargs <<< "$output")" = "True True" ]
	served() { ask '{"do":"status"}' > answer 2>&1 && grep -q '"event":"status"' answer; }
	await served
	ends 0
}

@test "a store is looked at for requests" {
	quick backup ''
	echo 'requests "one" { every = "1s" }' >> bk.conf
	daemon
	run -0 --separate-stderr timeout 20 bk-request "$S" backup --wait=15s
	[ "$(ran backup)" -eq 1 ]
	ends 0
}

@test "too old while it runs: on-stale comes at that moment, once" {
	job app <<-'END'
	schedule = "@daily"
	source = "fake:?bytes=10"
	store = "one"
	max-age = "2s"
	on-stale = "echo $BK_JOB $BK_OUTCOME >> stale; echo $BK_MESSAGE >> why"
	END
	lines() { [ "$(grep -sc . stale)" = "$1" ]; }
	daemon
	await has app committed
	[ ! -e stale ]
	await lines 1
	grep -q 'app stale' stale && grep -q 'too old' why
	# A newer one, which ages in turn.
	run -0 ask '{"do":"backup","job":"app"}'
	lines 1
	await lines 2
	ends 0
}

@test "the clock is set: forward catches up once, back by years does not stop a job" {
	quick app 'schedule = "15 3 * * *"'
	so=$(faketime -f +0 printenv LD_PRELOAD)
	echo '@2026-03-10 12:00:00' > clock
	LD_PRELOAD=$so FAKETIME_TIMESTAMP_FILE=$PWD/clock FAKETIME_NO_CACHE=1 \
	    DONT_FAKE_MONOTONIC=1 TZ=UTC bk-supervise > out 2> log 3>&- &
	pid=$!
	await seen app 1
	echo '@2026-03-14 12:00:00' > clock
	kill -HUP "$pid"
	await seen app 2
	[ "$(events app missed)" -eq 3 ]
	echo '@2026-03-14 01:00:00' > clock
	kill -HUP "$pid"
	again() { [ "$(grep -c 'read .* again' log)" -eq 2 ]; }
	await again
	[ "$(ran app)" -eq 2 ]
	echo '@2019-01-01 12:00:00' > clock
	kill -HUP "$pid"
	await seen app 3
	ends 0
}

@test "sd_notify, and priorities for the journal" {
	quick app ''
	python3 -c '
import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("notify")
print("bound", flush=True)
while True:
    print(s.recv(4096).decode(), flush=True)' > notes 3>&- &
	listener=$!
	await test -s notes
	export NOTIFY_SOCKET=$PWD/notify WATCHDOG_USEC=400000
	: > log
	export JOURNAL_STREAM
	JOURNAL_STREAM=$(stat -c %d:%i log)
	daemon
	await grep -q '^READY=1' notes
	await grep -q '^STATUS=1 job, 0 running' notes
	await grep -q '^WATCHDOG=1' notes
	grep -q "^<6>bk-supervise: 1 job of " log
	kill -HUP "$pid"
	await grep -q '^RELOADING=1' notes
	await grep -q '^MONOTONIC_USEC=[0-9]' notes
	twice() { [ "$(grep -c '^READY=1' notes)" -eq 2 ]; }
	await twice
	ends 0
	await grep -q '^STOPPING=1' notes
	kill $listener
	# Standard error is something else: no priorities.
	run -64 --separate-stderr bk-supervise --check --once
	[[ $stderr == bk-supervise:* ]]
}

@test "idle: nothing wakes it between due times, and it is small" {
	for n in 1 2 3 4 5 6 7 8; do quick "j$n" 'schedule = "15 3 * * *"'; done
	quick watched "watch = \"$PWD/bk.conf\""
	daemon
	await has j8 committed
	await has watched committed
	for _ in $(seq 300); do
		before=$(grep ^voluntary "/proc/$pid/status")
		sleep 2
		[ "$before" != "$(grep ^voluntary "/proc/$pid/status")" ] || break
	done
	[ "$before" = "$(grep ^voluntary "/proc/$pid/status")" ]
	rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")
	echo "resident: $rss kB"
	case $B in *-address*) ;; *) [ "$rss" -lt 4096 ] ;; esac
	ends 0
}

@test "without room for the ledger jobs run all the same, and an alarm comes" {
	mkdir small
	mount -t tmpfs -o size=64k none small || skip "no mount"
	sed -i "s|^state.*|state = \"$PWD/small/state\"|" bk.conf
	ln -s small/state state
	quick app 'schedule = "@every 1s" on-failure = "echo $BK_MESSAGE >> told"'
	daemon
	await has app committed
	cat /dev/zero > small/filler 2> /dev/null || true
	while printf '{"job":"x"}\n' >> small/state/ledger 2> /dev/null; do :; done
	n=$(ran app)
	more() { [ "$(ran app)" -gt $((n + 2)) ]; }
	await more
	await grep -q "ledger cannot be written" told
	logged "job 'app': the ledger cannot be written"
	rm small/filler
	k=$(events app committed)
	await has app committed $((k + 2))
	ends 0
}
