# What the tests of the supervisor share; loaded after helper.

supervise_setup() {
	own_store
	cat > bk.conf <<-END
	state = "$PWD/state"
	tz = "Europe/Berlin"
	store "one" { url = "$S" }
	END
	export BK_CONF=$PWD/bk.conf
	pid=
}

# End what the test left.
supervise_teardown() {
	local p
	[ -z "$pid" ] || kill -KILL "$pid" 2> /dev/null || true
	sed -n 's/.*"pid":\([0-9]*\).*/\1/p' state/ledger 2> /dev/null | while read -r p; do
		case $(cat "/proc/$p/comm" 2> /dev/null) in bk-run) kill -KILL "$p" ;; esac
	done
	return 0
}

# Add a job to the schedule file: its name, then words on standard input.
job() {
	{ echo "job \"$1\" {"; cat; echo "}"; } >> bk.conf
}

# A job that says in the file ran-NAME that it ran; more words follow.
quick() {
	job "$1" <<-END
	run = "sh -c 'echo >> \$PWD/ran-$1'"
	$2
	END
}

# How often it ran.
ran() {
	if [ -e "ran-$1" ]; then wc -l < "ran-$1"; else echo 0; fi
}

# How many lines of the ledger are of job ${1} with event ${2}.
events() {
	cat state/ledger /dev/null 2> /dev/null |
	    awk -v want="\"job\":\"$1\",\"event\":\"$2\"" 'index($0, want) { n++ } END { print n + 0 }'
}

manifests() {
	find store/.bk/manifest -name '*.json' 2> /dev/null | wc -l
}

# The command comes to succeed within ten seconds.
await() {
	local end=$((SECONDS + 10))

	until "$@"; do
		[ $SECONDS -lt $end ] || { echo "in vain: $*"; cat log; return 1; }
		read -rt 0.02 <> <(:) || true
	done
}

# Job ${1} has at least ${3} events ${2}.
has() {
	[ "$(events "$1" "$2")" -ge "${3:-1}" ]
}

logged() {
	grep -q "$1" log
}

# The daemon has seen ${2} runs of job ${1} end.
seen() {
	[ "$(grep -c "bk-supervise: job '$1': committed" log)" -ge "$2" ]
}

# Start the daemon, ${pid}, and wait until it listens; its words are in log.
daemon() {
	bk-supervise "$@" > out 2>> log 3>&- &
	pid=$!
	await test -S state/socket
}

# It ends by TERM with this status.
ends() {
	local st=0

	kill "$pid"
	wait "$pid" || st=$?
	pid=
	[ "$st" -eq "${1:-0}" ]
}

# One line to the socket; what it answers, to the end.
ask() {
	python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(15)
s.connect("state/socket")
s.sendall(sys.argv[1].encode() + b"\n")
for line in s.makefile():
    print(line, end="", flush=True)' "$1"
}

# A supervisor of paper: it says the lines of standard input to the first who
# asks, and keeps what was asked in the file asked; at a line "wait" it waits
# for the other to go away.
puppet() {
	cat > says
	rm -f up state/socket
	mkdir -p -m 700 state
	mkfifo up
	python3 - <<-'END' 3>&- &
	import socket
	s = socket.socket(socket.AF_UNIX)
	s.bind("state/socket")
	s.listen()
	open("up", "w").close()
	c, _ = s.accept()
	open("asked", "w").write(c.makefile().readline())
	for line in open("says"):
	    if line == "wait\n":
	        c.recv(1)
	    else:
	        c.sendall(line.encode())
	END
	cat up
}
