load helper

setup() { cd "$BATS_TEST_TMPDIR"; }

@test "the command takes the place of bk-child, with its status" {
	run -7 bk-child -- sh -c 'exit 7'
	run -0 sh -c 'bk-child -- sh -c "echo \$\$" & pid=$!; wait; echo $pid'
	[ "${lines[0]}" = "${lines[1]}" ]
}

@test "it dies with its parent" {
	mkfifo alive
	bash -c 'bk-child --parent $$ -- sh -c "echo up; exec sleep 600" > alive & wait' 3>&- &
	parent=$!
	exec 4< alive
	read -r word <&4
	[ "$word" = up ]
	kill -9 "$parent"
	# End of file: nobody holds the other end any more.
	run -0 timeout 10 cat <&4
}

# All below hold the fifo open; its end of file tells that none is left.
@test "with a guard all that the command has started dies with the parent" {
	mkfifo alive
	cat > tree <<-'END'
	sleep 600 &
	setsid sh -c "sleep 600; echo late" &
	(setsid sh -c "(sleep 600 &) ; sleep 600" &)
	sh -c "trap '' TERM HUP; echo up; sleep 600; echo late"
	END
	bash -c 'bk-child --parent $$ --guard -- sh tree > alive & wait' 3>&- &
	parent=$!
	exec 4< alive
	read -r word <&4
	[ "$word" = up ]
	kill -9 "$parent"
	run -0 timeout 10 cat <&4
	[ -z "$output" ]
}

@test "a guard hides nothing of the command" {
	run -7 bk-child --guard -- sh -c 'exit 7'
	run -143 bk-child --guard -- sh -c 'kill $$'
	run -137 bk-child --guard -- sh -c 'kill -9 $$'
	run -127 bk-child --guard -- no-such-command
	run -0 bash -c 'echo in | bk-child --guard -- cat'
	[ "$output" = in ]
	# The end of its input is seen by who writes, though the guard lives on.
	run bash -c 'set -o pipefail; yes | bk-child --guard -- sh -c "exec < /dev/null; sleep 0.2"'
	[ "$status" -eq 141 ]
	# What it leaves behind when it ends by itself is left alone.
	mkfifo alive
	bk-child --guard -- sh -c 'sh -c "read -r x; echo \$x" <&3 > out &' 3<> alive
	echo word > alive
	timeout 10 sh -c 'until grep -qs word out; do :; done'
}

@test "a parent that is gone already: it does not start" {
	run -137 bash -c 'bk-child --parent 1 -- touch started; exit $?'
	[ ! -e started ]
}

@test "descriptors from the given one on are closed" {
	run -0 bash -c 'exec 7</dev/null; bk-child --close-from 3 -- sh -c "ls /proc/\$\$/fd"'
	[[ ! $output =~ 7 ]]
}

@test "the nice value is added" {
	here=$(nice)
	run -0 bk-child --nice 5 -- nice
	[ "$output" -eq "$((here + 5 > 19 ? 19 : here + 5))" ]
}

@test "a command that is not there is 127, one that cannot run is 126" {
	run -127 bk-child -- no-such-command
	: > plain
	run -126 bk-child -- ./plain
}

@test "SIGPIPE is not handed on as ignored" {
	run -0 bash -c 'bk-child -- sh -c "yes; echo \$? >&2" 2>&1 >/dev/full | head -n 1; true'
	run -0 bash -c 'bk-child -- yes | head -n 1'
	run bash -c 'set -o pipefail; bk-child -- yes | head -n 1 >/dev/null'
	[ "$status" -eq 141 ]
}

@test "wrong usage is 64" {
	run -64 bk-child
	run -64 bk-child true
	run -64 bk-child --parent 0 -- true
	run -64 bk-child --nice 20 -- true
	run -64 bk-child --close-from 2 -- true
	run -64 bk-child --parent 1 --parent 1 -- true
}
