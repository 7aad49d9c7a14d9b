load helper
load supervise

setup() {
	supervise_setup
	mkdir -m 700 state
}

# The findings of check ${1} as "RESULT SUBJECT: TEXT" lines.
found() {
	printf '%s\n' "$output" | python3 -c "
import json, sys
for o in map(json.loads, sys.stdin):
    if o.get('check') == sys.argv[1]:
        print(o['result'], o['subject'] + ':', o['text'])" "$1"
}

@test "all is well: 0, and each check says so" {
	job app <<< "source = \"files://$PWD/site\" store = \"one\" schedule = \"@daily\""
	mkdir site && echo x > site/x
	bk-run app > ran
	puppet <<< '{"event":"status","pid":7,"since":"2026-11-21T10:00:00Z","config":"'$PWD'/bk.conf","zone":"UTC","jobs":[]}'
	run -0 --separate-stderr bk doctor
	[ "$(found schedule)" = "ok $PWD/bk.conf: 1 job, zone Europe/Berlin" ]
	[[ "$(found state)" == "ok $PWD/state: can be written, mode 0700"* ]]
	[ "$(found supervisor)" = "ok $PWD/state/socket: runs as process 7 since 2026-11-21T10:00:00Z" ]
	[[ "$(found source)" == "ok app: files://$PWD/site, tar "* ]]
	[[ "$(found store)" == "ok one: file://$PWD/store can be read and written" ]]
	[[ "$(found clock)" == "ok one: "*" from that of the store" ]]
	[[ "$(found age)" == "ok app: fresh: the newest good backup is "* ]]
	[[ "${lines[-1]}" == '{"end":"ok","checks":'*',"failed":0}' ]]
	run -0 --separate-stderr bk-doctor --table --once app
	[[ "${lines[0]}" == "ok    schedule "* ]]
}

@test "a broken schedule file is named with its line, and nothing else is tried" {
	job app <<< 'source = "fake:" store = "two"'
	run -1 --separate-stderr bk-doctor
	[[ "$(found schedule)" == "fail "*"bk.conf:"*"there is no store 'two'"* ]]
	[ "${lines[-1]}" = '{"end":"ok","checks":1,"failed":1}' ]
	sed -i 's/"two"/"one" schedule = "0 25 * * *"/' bk.conf
	run -1 --separate-stderr bk-doctor
	[[ "$(found schedule)" == "fail "*"bk.conf:"* ]]
	BK_CONF=/dev/null run -1 --separate-stderr bk-doctor --once
	[[ "$(found schedule)" == "fail /dev/null: 0 jobs, "*": nothing is backed up" ]]
	BK_CONF=$PWD/none run -1 --separate-stderr bk-doctor
	[[ "$(found schedule)" == "fail $PWD/none: "*"No such file"* ]]
}

@test "what is wrong with this host" {
	job app <<< 'source = "fake:" store = "one" schedule = "@daily"'
	chmod 777 state
	run -1 --separate-stderr bk-doctor
	[[ "$(found state)" == "fail $PWD/state: anybody may write there (mode 0777)"* ]]
	[[ "$(found supervisor)" == "fail "*"no supervisor listens; start bk-supervise"* ]]
	run -1 --separate-stderr bk-doctor --once
	[[ "$(found supervisor)" == "ok "* ]]
	rm -r state && : > state
	run -1 --separate-stderr bk-doctor
	[[ "$(found state)" == "fail $PWD/state: it is no directory" ]]
}

@test "a file system that is full" {
	[ "$(id -u)" = 0 ] || skip "needs root"
	mount -t tmpfs -o size=1M none state
	job app <<< 'source = "fake:" store = "one"'
	run -1 --separate-stderr bk-doctor --once
	umount state
	[[ "$(found state)" == *"fail $PWD/state: "*" bytes are free"* ]]
}

@test "jobs that watch: the limits of inotify" {
	job app <<< 'source = "fake:" store = "one"'
	run -1 --separate-stderr bk-doctor --once
	[ -z "$(found inotify)" ]
	job red <<< "source = \"files://$PWD/state\" store = \"one\" watch = \"$PWD/state\""
	run -1 --separate-stderr bk-doctor --once
	[[ "$(found inotify)" == "ok fs.inotify.max_user_watches: $(cat /proc/sys/fs/inotify/max_user_watches), and the jobs want about "* ]]
}

@test "a supervisor that runs by another file is a warning" {
	job app <<< 'source = "fake:" store = "one" schedule = "@daily"'
	bk-run app > ran
	puppet <<< '{"event":"status","pid":7,"since":"x","config":"/etc/other","zone":"UTC","jobs":[]}'
	run -0 --separate-stderr bk-doctor
	[[ "$(found supervisor)" == "warn "*"another schedule file, '/etc/other'" ]]
}

@test "what is wrong with a job: programs, source, age" {
	job gone <<< "source = \"files://$PWD/none\" store = \"one\""
	job cmd <<< 'source = "exec:" command = { "no-such-tool" } store = "one" pipeline = { "no-such-filter -x" }'
	job runs <<< 'run = "no-such-command"'
	run -1 --separate-stderr bk-doctor --once
	[[ "$(found source)" == *"fail gone: cannot "*"$PWD/none"* ]]
	[[ "$(found source)" == *"fail cmd: 'no-such-tool' is not found"* ]]
	[[ "$(found tools)" == *"fail cmd: 'no-such-filter' is not found"* ]]
	[[ "$(found tools)" == *"fail runs: 'no-such-command' is not found"* ]]
	[[ "$(found age)" == *"fail gone: never: there is no good backup"* ]]
	# One job alone.
	run -1 --separate-stderr bk-doctor --once runs
	[ -z "$(found source)" ] && [ -z "$(found store)" ]
	nothing_listed store
}

@test "what is wrong with a store" {
	as_other
	job app <<< 'source = "fake:" store = { "one", "gone" }'
	echo "store \"gone\" { url = \"file://$PWD/gone\" }" >> bk.conf
	echo "store \"unused\" { url = \"file://$PWD/unused\" }" >> bk.conf
	run -1 --separate-stderr bk-doctor --once
	[[ "$(found store)" == "ok one: "*$'\n'"fail gone: "*"gone"* ]]
	[ -n "$as" ] || skip "needs root"
	mkdir "$pub/store"
	run -77 --separate-stderr $as bk-probe "file://$pub/store"
	[[ "$output" == *'"readable":true,"writable":false'* ]]
	run -0 --separate-stderr $as bk-probe --read-only "file://$pub/store"
	[[ "$output" == *'"readable":true}' ]]
	rm -r "$pub"
}

@test "wrong names and options" {
	job app <<< 'source = "fake:" store = "one"'
	run -66 --separate-stderr bk-doctor appp
	said "do you mean 'app'"
	run -64 --separate-stderr bk-doctor app app
	run -64 --separate-stderr bk-doctor --json --table
}
