load helper

setup() { cd "$BATS_TEST_TMPDIR" || exit; }

end() { tail -n 1 "$1" | LC_ALL=C sed 's|.*{"end"|{"end"|'; }

@test "what a command prints goes through and back" {
	head -c 3000000 /dev/urandom > in
	bk-dump exec: --name x -- cat "$PWD/in" | bk-compress |
	    bk-restore --into exec: -- sh -c "cat > '$PWD/out'"
	cmp in out
}

@test "only the command's name is recorded, what it said is" {
	bk-dump exec: --ext txt -- /bin/sh -c 'echo hello; echo careful >&2' > out
	head -n 1 out | grep -q '"command":"sh"'
	head -n 1 out | grep -q '"ext":"txt"'
	run ! grep -q hello <(head -n 1 out)
	end out | grep -q '"log":"careful'
}

@test "a command that fails, is killed, is not there" {
	run -65 --separate-stderr bash -c "bk-dump exec: -- sh -c 'head -c 2000000 /dev/zero; echo why >&2; exit 3' > out"
	said "'sh' exited 3: why"
	run ! grep -aq '"end":"ok"' out
	run -65 --separate-stderr bash -c "bk-dump exec: -- sh -c 'echo x; kill -9 \$\$' > out"
	said "signal 9"
	run -69 --separate-stderr bash -c "bk-dump exec: -- no-such-command > out"
	said no-such-command
}

@test "it has the whole environment, the user's own command" {
	MY_OWN=yes bk-dump exec: -- sh -c 'echo $MY_OWN' |
	    python3 "$root/tests/mkstream.py" --payload > out
	[ "$(cat out)" = yes ]
}

@test "--as: the marks of that engine decide" {
	mkdir d
	echo a > d/a
	bk-dump exec: --as files -- tar -cf - d > out
	head -n 1 out | grep -q '"engine":"files","ext":"tar"'
	end out | grep -q '"proof":"marks"'
	run -65 --separate-stderr bash -c "bk-dump exec: --as files -- sh -c 'tar -cf - d | head -c 1500' > out"
	said "end blocks"
	run ! grep -aq '"end":"ok"' out
	bk-dump exec: --as files --ext cpio -- echo hello > out
	end out | grep -q '"proof":"exit"'
}

@test "as a target it gets the whole of a verified file, or nothing" {
	run -65 --separate-stderr bash -c "bk-dump 'fake:?bytes=9M&fail-after=5M' |
	    bk-restore --into exec: -- sh -c 'cat > \"$PWD/out\"'"
	[ ! -e out ]
	run -65 --separate-stderr bash -c "bk-dump fake: | bk-restore --into exec: -- sh -c 'cat >/dev/null; echo no >&2; exit 9'"
	said "'sh' exited 9: no"
}

@test "the reason is not the hint that follows it" {
	run -65 --separate-stderr bk-dump exec: --name x -- sh -c \
		'echo "tool: unrecognized option --x" >&2
		echo "tool: hint: Try tool --help for more information." >&2
		echo "Try tool --help" >&2; exit 1'
	said "exited 1: tool: unrecognized option --x"
}
