load helper

setup() { cd "$BATS_TEST_TMPDIR"; }

# The least environment there can be, a temporary directory of its own.
quickstart() {
	mkdir -p home tmp
	env -i PATH=/usr/local/bin:/usr/bin:/bin HOME="$PWD/home" TMPDIR="$PWD/tmp" \
	    ${CC:+CC="$CC"} sh "$root/examples/quickstart" "$@"
}

@test "the quickstart does the whole job and leaves nothing behind" {
	run --separate-stderr quickstart
	printf '%s\n' "$output" "$stderr"
	[ "$status" -eq 0 ]
	[[ $output != *installing:* ]]
	[[ $output == *'That was the whole job.'* ]]
	# Each pipeline was shown before it ran.
	[[ $output == *'$ bk-dump sqlite://'*'| bk-compress | bk-put file://'* ]]
	[[ $output == *'| bk-restore --into sqlite://'* ]]
	[ "$(grep -c '^equal$' <<< "$output")" -eq 2 ]
	# The broken source: 65 as the status of the pipeline, and not listed: 1.
	[ "$(grep '^status ' <<< "$output" | tr '\n' ' ')" = 'status 65 status 1 ' ]
	[ -z "$(find home tmp -mindepth 1)" ]
	[ -z "$(pgrep -f "$PWD/tmp")" ]
}

@test "ended in the middle, it leaves nothing behind either" {
	mkfifo out
	quickstart > out 2> err 3>&- &
	pid=$!
	while read -r line; do
		case $line in *'What is there?'*) break ;; esac
	done < out
	# Its next line dies of the pipe that nobody reads.
	status=0
	wait "$pid" || status=$?
	[ "$status" -ne 0 ]
	[ -z "$(find home tmp -mindepth 1)" ]
	[ -z "$(pgrep -f "$PWD/tmp")" ]
}

@test "--help tells what it does" {
	run -0 quickstart --help
	[[ $output == quickstart:* ]]
}

@test "where there is no apt-get, it names what is wanted and stops" {
	mkdir -p path tmp
	for t in sh dirname sed tr cat; do
		ln -s "$(command -v $t)" path/
	done
	run --separate-stderr env -i PATH="$PWD/path" TMPDIR="$PWD/tmp" sh "$root/examples/quickstart"
	[ "$status" -eq 1 ] && [ -z "$output" ]
	said 'no apt-get'
	said ' gcc '
	said ' libdeflate-dev '
	[ -z "$(find tmp -mindepth 1)" ]
}
