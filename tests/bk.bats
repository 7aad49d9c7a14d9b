load helper

setup() {
	cd "$BATS_TEST_TMPDIR"
	store=file://$BATS_TEST_TMPDIR/store
	export root store
}

on_tty() {
	script -qec "$1" /dev/null < /dev/null | tr -d '\r'
	return "${PIPESTATUS[0]}"
}

@test "bk backup stores what bk-restore restores; a program gets the record" {
	run -0 --separate-stderr bk backup 'fake:?bytes=3000000' "$store" --create --name app -t tier=app
	[ -z "$stderr" ]
	[[ ${lines[0]} == '{"bk":"backup/1",'*'"name":"app"'*'"tier":"app"'* ]]
	[ "${lines[1]}" = '{"end":"ok","records":1}' ]
	[[ ${lines[0]} == *'"filters":[{"filter":"gzip"}]'* ]]
	run -0 bash -c 'bk list "$store" --name app | bk restore --into "fake:?bytes=3000000"'
}

@test "bk backup --zstd, --plain, both, several tags, -- options" {
	run -0 bk backup fake: "$store" --create --zstd
	[[ $output == *'"filters":[{"filter":"zstd"}]'* ]]
	run -0 bk backup fake: "$store" --plain -t a=1 -t b=2
	[[ $output == *'"filters":[]'* && $output == *'"a":"1"'* && $output == *'"b":"2"'* ]]
	run -64 bk backup fake: "$store" --plain --zstd
	run -0 bk backup exec: "$store" --plain --name e -- printf '%s' 'two words'
	[ "$(cat store/e/*)" = 'two words' ]
}

@test "bk backup to two stores; to one that fails" {
	run -0 bk backup fake: "$store" "file://$PWD/second" --create
	[ "$(bk list "$store" --plain | wc -l)" -eq 1 ]
	[ "$(bk list "file://$PWD/second" --plain | wc -l)" -eq 1 ]
	: > plain
	run --separate-stderr bk backup fake: "file://$PWD/plain" "$store"
	[ "$status" -ne 0 ]
	[ "$(bk list "$store" --plain | wc -l)" -eq 2 ]
	[[ $output == *"\"store\":\"$store\""* ]]
	said plain
}

@test "bk backup of a source that fails: its status, nothing listed" {
	mkdir store
	for s in 65 66 69 77 3; do
		run "-$s" --separate-stderr bk backup "fake:?bytes=3000000&fail-after=2000000&exit=$s" "$store"
		nothing_listed store
	done
	run -65 --separate-stderr bk backup exec: "$store" -- sh -c 'echo data; exit 9'
	run -69 --separate-stderr bk backup exec: "$store" -- no-such-program
	run -65 --separate-stderr bk backup --timeout 300ms exec: "$store" -- sleep 600
	nothing_listed store
	run -66 bk backup fake: "file://$PWD/nowhere"
	[ ! -e nowhere ]
}

@test "an interrupt ends every stage and nothing is listed" {
	mkdir store
	mkfifo alive
	# As a terminal does: the signal goes to a whole process group.
	run -0 timeout 20 python3 - <<-'PY'
	import os, signal, subprocess
	p = subprocess.Popen(["bk", "backup", "exec:", os.environ["store"], "--",
	    "sh", "-c", "echo up > alive; echo some; exec sleep 600 > alive"],
	    start_new_session=True, restore_signals=True,
	    preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
	with open("alive") as alive:
	    assert alive.readline() == "up\n"
	    os.killpg(p.pid, signal.SIGINT)
	    assert p.wait() == -signal.SIGINT, p.returncode
	    # End of file: the command, the last that held it, is gone.
	    assert alive.read() == ""
	PY
	[[ $output != *'"backup/1"'* ]]
	nothing_listed store
}

@test "an interrupt of bk alone takes all stages with it" {
	mkdir store
	mkfifo alive
	bash -c 'bk backup exec: "$store" -- sh -c "echo up > alive; exec sleep 600 > alive" & echo $! > pid; wait $!; echo $? > rc' > out 2> err 3>&- &
	waiter=$!
	exec 4< alive
	read -r word <&4
	kill -TERM "$(cat pid)"
	# End of file: the command, the last that held it, is gone.
	run -0 timeout 20 cat <&4
	wait "$waiter"
	[ "$(cat rc)" -eq 143 ]
	nothing_listed store
}

@test "on a terminal a sentence tells what was stored" {
	run -0 on_tty "bk backup 'fake:?bytes=1000' $store --create --name app"
	[[ $output == *"stored 'app' as $store/app/app-"*'.fake.bin.gz ('*' bytes, id '* ]]
	[[ $output != *'"backup/1"'* ]]
	run -0 on_tty "bk list $store"
	[[ $output != *'"backup/1"'* && $output == *app* ]]
}

@test "bk restore takes the newest, unless told" {
	bk backup 'fake:?bytes=1000' "$store" --create --name app > one
	bk backup 'fake:?bytes=2000' "$store" --name app > two
	id=$(sed -n '1s/.*"id":"\([^"]*\)".*/\1/p' one)
	run -0 bk restore "$store" --into 'fake:?bytes=2000'
	run -0 bk restore --into 'fake:?bytes=2000' "$store"
	run -0 bk restore --name app --into 'fake:?bytes=2000' "$store"
	run -0 bk restore "$store" --id "$id" --into 'fake:?bytes=1000'
	run -0 bk restore --into 'fake:?bytes=2000' "$store" --latest
	run -0 bk restore "$store" --at=now --into 'fake:?bytes=2000'
	run -0 env BK_STORE="$store" bk restore --name app --into 'fake:?bytes=2000'
	run -0 bash -c 'bk restore --into "fake:?bytes=1000" < one'
	bk backup 'fake:?bytes=10' "$store" --name other > three
	run -64 --separate-stderr bk restore "$store" --into fake:
	said '2 backups match'
}

@test "BK_STORE stands in for the store" {
	mkdir store
	run -0 env BK_STORE="$store" bk backup fake: --name app
	run -0 env BK_STORE="$store" bk list --plain
	[ "${#lines[@]}" -eq 1 ]
}

@test "any other word runs bk-WORD from its own directory, else from PATH" {
	run -0 bk dump --version
	[[ $output == 'bk-dump '* ]]
	mkdir own path
	cp "$B/bin/bk" own/
	printf '#!/bin/sh\necho own "$@"\n' > own/bk-thing
	printf '#!/bin/sh\necho path "$@"\n' > path/bk-thing
	printf '#!/bin/sh\necho path "$@"\n' > path/bk-other
	chmod +x own/bk-thing path/*
	PATH=$PWD/path:$PATH
	run -0 own/bk thing --a 'b c'
	[ "$output" = 'own --a b c' ]
	run -0 own/bk other x
	[ "$output" = 'path x' ]
}

@test "the status of bk-WORD is that of bk" {
	run -64 bk dump
	run -66 bk list "file://$PWD/nowhere"
	run -127 bk child -- no-such-program
	run -0 bk child -- true
}

@test "help: the words, and their manual pages" {
	run -0 bk help
	[[ $output == *'bk backup SOURCE STORE'* ]]
	# Each word but backup and help is a program.
	for w in $(printf '%s\n' "${lines[@]}" | sed -n 's/^  bk \([a-z]*\).*/\1/p'); do
		case $w in backup | help) ;; *) [ -x "$B/bin/bk-$w" ] ;; esac
	done
	mkdir path
	printf '#!/bin/sh\necho page "$@"\n' > path/man
	chmod +x path/man
	PATH=$PWD/path:$PATH
	run -0 bk help put
	[ "$output" = 'page bk-put' ]
	run -0 bk help bk
	[ "$output" = 'page bk' ]
	run -0 bk help backup
	[ "$output" = 'page bk' ]
}

@test "-v tells the steps of all stages, and nothing else does" {
	run -0 --separate-stderr bk backup -v fake: "$store" --create
	said 'bk-compress: gzip: '
	[[ $stderr != *'debug'* ]]
	run -0 --separate-stderr bk backup fake: "$store"
	[ -z "$stderr" ]
}

@test "--help, --version" {
	run -0 bk --version
	[[ $output == 'bk (bk) '* ]]
	run -0 bk --help
	run -0 bk backup --help
	[[ $output == 'usage: bk backup '* ]]
	run -0 bk restore --help
	[[ $output == 'usage: bk-restore '* ]]
	run -74 bash -c 'bk help > /dev/full'
}

@test "wrong usage is 64" {
	run -64 --separate-stderr bk
	run -64 --separate-stderr bk no-such-word
	said "'no-such-word' is no word of bk"
	run -64 bk ../bin/bk-dump
	run -64 bk --no-such
	run -64 bk backup
	run -64 bk backup fake:
	run -64 bk backup fake: "$store" --name a --name b
	run -64 bk backup fake: "$store" --no-such
	run -64 bk backup 'postgres://u:secret@h/db' "$store"
	run -64 bk help a b
	[ ! -e store ]
}

@test "help of what is no word: 64, whatever man says" {
	mkdir bin
	printf '#!/bin/sh\necho "No manual entry for $1" >&2\nexit 16\n' > bin/man
	chmod +x bin/man
	PATH=$PWD/bin:$PATH run -64 --separate-stderr bk help nope
	said "'nope' has no manual page"
}
