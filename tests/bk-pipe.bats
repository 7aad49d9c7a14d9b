load helper

stream() {
	python3 "$root/tests/mkstream.py" "$@"
}

payload() {
	python3 "$root/tests/mkstream.py" --payload
}

@test "a command's output is the payload, with its entry in filters and stages" {
	stream hello > in
	run --separate-stderr bash -c 'bk-pipe --ext .rev -- tr a-z A-Z < in > out'
	[ "$status" -eq 0 ] && [ -z "$stderr" ]
	[ "$(payload < out)" = HELLO ]
	head -n 1 out | grep -q '"filters":\[{"filter":"pipe","ext":"rev"}\]'
	tail -n 1 out | grep -q '{"stage":"pipe","bytes":5}'
}

@test "a payload beyond all pipes comes through whole" {
	head -c 9000000 /dev/zero | tr '\0' x | stream - > in
	run --separate-stderr bash -c 'bk-pipe --ext b64 -- base64 -w0 < in | python3 "$root/tests/mkstream.py" --payload | base64 -d | sha256sum'
	[ "$output" = "$(head -c 9000000 /dev/zero | tr '\0' x | sha256sum)" ]
}

@test "a command that fails: 65, its reason, a failed line" {
	stream hello > in
	run -65 --separate-stderr bash -c 'bk-pipe --ext x -- sh -c "cat >/dev/null; echo no room >&2; exit 7" < in > out'
	said "bk-pipe: 'sh' exited 7: no room"
	one_line
	tail -n 1 out | grep -q '"end":"failed","status":65,"stage":"pipe"'
}

@test "a command that stops reading early is a failure, though it exits 0" {
	stream 'more than one byte' > in
	run -65 --separate-stderr bash -c 'bk-pipe --ext x -- head -c 1 < in > out'
	said "'head' stopped reading while input remained"
	run ! grep -q '"end":"ok"' out
}

@test "a command that is not there: 69, and the stream says so" {
	stream hello > in
	run -69 --separate-stderr bash -c 'bk-pipe --ext x -- no-such-command < in > out'
	said "cannot find the program 'no-such-command'"
	tail -n 1 out | grep -q '"end":"failed","status":69'
}

@test "a failed stream is passed on with its status, silently in a pipe" {
	stream --failed 77 > in
	run --separate-stderr bash -c 'set -o pipefail; bk-pipe --ext x -- cat < in | cat > out'
	[ "$status" -eq 77 ] && [ -z "$stderr" ]
	tail -n 1 out | grep -q '"end":"failed","status":77,"stage":"test"'
}

@test "a cut stream is 65 and the command's output is not called whole" {
	stream hello | head -c -20 > in
	run -65 --separate-stderr bash -c 'bk-pipe --ext x -- cat < in > out'
	run ! grep -q '"end":"ok"' out
}

@test "the time limit ends the command" {
	stream hello > in
	run -65 --separate-stderr bash -c 'bk-pipe --ext x --timeout 200ms -- sh -c "cat; exec sleep 600" < in > out'
	said "bk-pipe: timeout"
}

@test "wrong usage is 64" {
	run -64 bk-pipe -- cat
	run -64 bk-pipe --ext X -- cat
	run -64 bk-pipe --ext x
	run -64 bk-pipe --ext x cat
	run -64 bk-pipe --ext x --ext y -- cat
	run -64 bk-pipe --no-such -- cat
}

@test "raw bytes on standard input name the ways in" {
	run -65 --separate-stderr bash -c 'echo raw | bk-pipe --ext x -- cat > out'
	said "bk-dump exec:"
	said "bk-put --raw"
}
setup() { cd "$BATS_TEST_TMPDIR"; export root; }
