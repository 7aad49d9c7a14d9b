load helper

setup() { cd "$BATS_TEST_TMPDIR" || return; }

@test "due times, one on a line, in UTC" {
	run -0 --separate-stderr bk-cron --from 2026-11-21T12:00:00Z -n 2 \
	    --tz Europe/Berlin '15 3 * * *'
	[ "$output" = "2026-11-22T02:15:00Z
2026-11-23T02:15:00Z" ] && [ -z "$stderr" ]
	# One by default; the zone of the schedule is the strongest.
	run -0 bk-cron --from 2026-11-21T12:00:00Z --tz UTC 'CRON_TZ=Asia/Kathmandu 0 0 * * *'
	[ "$output" = 2026-11-21T18:15:00Z ]
	run -0 bk-cron --from 2026-11-21T12:00:00Z '@every 90m' --count 2
	[ "${lines[1]}" = 2026-11-21T15:00:00Z ]
}

@test "the zone of the environment counts where no other is named" {
	TZ=Europe/Berlin run -0 bk-cron --from 2026-11-21T12:00:00Z @daily
	[ "$output" = 2026-11-21T23:00:00Z ]
	TZ=:UTC run -0 bk-cron --from 2026-11-21T12:00:00Z @daily
	[ "$output" = 2026-11-22T00:00:00Z ]
	TZ=No/Where run -64 --separate-stderr bk-cron @daily
	said "No/Where"
}

@test "over both changes of the clocks" {
	run -0 bk-cron --tz Europe/Berlin --from 2026-03-28T12:00:00Z -n 2 '30 2 * * *'
	[ "$output" = "2026-03-29T01:00:00Z
2026-03-30T00:30:00Z" ]
	run -0 bk-cron --tz Europe/Berlin --from 2026-10-24T12:00:00Z -n 2 '30 2 * * *'
	[ "$output" = "2026-10-25T00:30:00Z
2026-10-26T01:30:00Z" ]
}

@test "a bad schedule: 64, the position named, nothing printed" {
	run -64 --separate-stderr bk-cron '0 25 * * *'
	[ -z "$output" ]
	said "schedule '0 25 * * *', position 3: hour 25 is out of range: want 0 to 23"
	# Not searched for ever.
	run -64 --separate-stderr timeout 10 bk-cron '0 0 30 2 *'
	said "position 5: no month of these has such a day"
	run -64 --separate-stderr bk-cron
	run -64 --separate-stderr bk-cron 0 3 '*' '*' '*'
	said "want one schedule, in quotes"
	run -64 --separate-stderr bk-cron @daily -- true
	run -64 --separate-stderr bk-cron --wait @daily --
	run -64 --separate-stderr bk-cron -n 0 @daily
}

@test "waits, runs the command each time, ends with the status of the last" {
	run -7 --separate-stderr bk-cron --wait -n 2 '@every 1s' -- \
	    sh -c 'date +%s%3N >> times; test "$(wc -l < times)" -lt 2 || exit 7'
	[ "$(wc -l < times)" -eq 2 ]
	said "'sh' ended with status 7"
	# At the times, not before.
	[ $(($(sed -n 2p times) - $(sed -n 1p times))) -ge 900 ]
	run -143 --separate-stderr bk-cron --wait -n 1 '@every 1s' -- sh -c 'kill $$'
	run -69 --separate-stderr bk-cron --wait -n 1 '@every 1s' -- no-such-command
	said "no-such-command"
}

@test "waits without a command: prints the time when it has come" {
	run -0 --separate-stderr bk-cron --wait '@every 1s'
	t=$(date -d "$output" +%s)
	now=$(date +%s)
	[ "$t" -le "$now" ] && [ "$t" -ge $((now - 5)) ]
}

@test "what is past since --from comes at once, and once" {
	run -0 --separate-stderr timeout 20 bk-cron --wait --from -30h -n 1 \
	    '@every 1h' -- sh -c 'echo ran'
	[ "$output" = ran ]
	said "29 due times were missed, one run makes up for them"
}

@test "told to end: the command ends before it does" {
	mkfifo up
	bk-cron --wait --from -2h '@every 1h' -- \
	    sh -c 'trap "echo ended > end; exit 0" TERM; echo up > up; while :; do sleep 0.05; done' 3>&- 2>/dev/null &
	pid=$!
	read -r _ < up
	kill "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" -eq 143 ]
	[ "$(cat end)" = ended ]
}

@test "nothing wakes it between due times" {
	bk-cron --wait '@every 1h' 3>&- > out &
	pid=$!
	# Asleep in poll(2), and there still after a second, with no switch between.
	for _ in $(seq 200); do
		case $(cat "/proc/$pid/wchan" 2>/dev/null) in *poll*) break ;; esac
		sleep 0.02
	done
	before=$(grep ctxt "/proc/$pid/status")
	sleep 1
	[ "$before" = "$(grep ctxt "/proc/$pid/status")" ]
	kill "$pid"
	[ ! -s out ]
}

# A clock that the test sets: it stands still, far from the kernel's.  What the
# kernel does when its own clock is set, wake who waits, SIGCHLD does here.
cron_on_clock() {	# TIME ARG...: in the background, output to out and err
	lib=$(echo /usr/lib/*/faketime/libfaketime.so.1)
	[ -e "$lib" ] || skip "no faketime"
	set_clock "$1"
	env LD_PRELOAD="$lib" FAKETIME_TIMESTAMP_FILE="$PWD/clock" FAKETIME_NO_CACHE=1 \
	    FAKETIME_DONT_FAKE_MONOTONIC=1 TZ=UTC bk-cron --wait "${@:2}" 3>&- > out 2> err &
	pid=$!
	asleep
}

set_clock() { echo "$1" > new && mv new clock; }

# It has looked at the clock and waits again: one more switch away from it.
asleep() {
	for _ in $(seq 500); do
		case $(cat "/proc/$pid/wchan" 2>/dev/null) in *poll*) return ;; esac
		sleep 0.02
	done
	false
}

# The clock is set to TIME, and it is woken.
clock_is_set() {
	local before
	set_clock "$1"
	before=$(awk '/^voluntary/ { print $2 }' "/proc/$pid/status")
	kill -CHLD "$pid"
	for _ in $(seq 500); do
		[ -e "/proc/$pid" ] || return 0
		[ "$(awk '/^voluntary/ { print $2 }' "/proc/$pid/status")" = "$before" ] || break
		sleep 0.02
	done
	asleep || [ ! -e "/proc/$pid" ]
}

@test "the clock is set forward: what was passed over runs at once, and once" {
	cron_on_clock '2037-03-01 10:10:00' -n 2 '0 * * * *'
	clock_is_set '2037-03-01 10:40:00'
	[ ! -s out ]
	clock_is_set '2037-03-01 14:30:00'
	[ "$(cat out)" = 2037-03-01T14:00:00Z ]
	grep -q '3 due times were missed, one run makes up for them' err
	clock_is_set '2037-03-01 14:59:59'
	[ "$(wc -l < out)" -eq 1 ]
	clock_is_set '2037-03-01 15:00:00'
	wait "$pid"
	[ "$(tail -n +2 out)" = 2037-03-01T15:00:00Z ] && [ "$(wc -l < err)" -eq 1 ]
}

@test "the clock is set back: it waits anew; by a little: nothing runs twice" {
	cron_on_clock '2037-03-01 10:10:00' -n 3 '0 * * * *'
	clock_is_set '2037-03-01 11:00:00'
	[ "$(cat out)" = 2037-03-01T11:00:00Z ]
	# A correction of some seconds, over the same due time again.
	clock_is_set '2037-03-01 10:59:55'
	clock_is_set '2037-03-01 11:00:05'
	[ "$(wc -l < out)" -eq 1 ] && [ ! -s err ]
	# By more than three hours: 12:00 is far away, and there are due times before.
	clock_is_set '2037-03-01 06:30:00'
	grep -q 'the clock was set back: waiting anew' err
	[ "$(wc -l < out)" -eq 1 ]
	clock_is_set '2037-03-01 07:00:00'
	[ "$(tail -n +2 out)" = 2037-03-01T07:00:00Z ]
	clock_is_set '2037-03-01 08:00:01'
	wait "$pid"
	[ "$(tail -n +3 out)" = 2037-03-01T08:00:00Z ] && [ "$(wc -l < err)" -eq 1 ]
}
