load helper

# kill -9 of bk-run: what the user's commands have started goes with it, in
# whatever session, and nothing is listed.

setup() { own_store; mkfifo alive; }

# Run a job with the given line, whose command runs ./tree; kill bk-run.
killed() {
	cat > bk.conf <<-END
	state = "$PWD/state"
	store "one" { url = "$S" }
	job "app" {
		$1
	}
	END
	bk-run --config bk.conf app > out 2> err 3>&- &
	pid=$!
	exec 4< alive
	read -r word <&4
	[ "$word" = up ]
	kill -9 "$pid"
	# End of file: nobody is left who holds it open.
	timeout 10 cat <&4 > late || { echo "$1: something lives on"; return 1; }
	exec 4<&-
	[ ! -s late ]
	nothing_listed store
}

@test "before, hold, hooks, sources, filters and commands leave nothing behind" {
	cat > tree <<-END
	exec > $PWD/alive
	sleep 600 &
	setsid sh -c "sleep 600; echo late" &
	sh -c "trap '' TERM HUP; echo up; sleep 600; echo late"
	END
	t="sh $PWD/tree; true"
	killed "store = { \"one\" } source = \"fake:\" before = \"$t\""
	killed "store = { \"one\" } source = \"fake:\" hold = \"$t\""
	killed "store = { \"one\" } source = \"fake:\" on-start = \"$t\""
	killed "store = { \"one\" } source = \"fake:\" only-if = \"$t\""
	killed "store = { \"one\" } source = \"exec:\" command = { \"sh\", \"-c\", \"$t\" }"
	killed "store = { \"one\" } source = \"fake:\" pipeline = { \"bk-pipe --ext .p -- sh $PWD/tree\" }"
	killed "run = { \"sh $PWD/tree\" }"
}
