load helper

setup() { cd "$BATS_TEST_TMPDIR"; }

# Files below a directory, without it.
files() {
	(cd "$1" && find . ! -type d | sort)
}

@test "install brings programs, pages and completion below DESTDIR; uninstall takes them away" {
	dest=$PWD/dest
	run -0 make -s -C "$root" B="$B" DESTDIR="$dest" PREFIX=/usr install
	for p in "$B"/bin/bk*; do
		p=${p##*/}
		[ -x "$dest/usr/bin/$p" ]
		[ -e "$dest/usr/share/bash-completion/completions/$p" ]
	done
	for m in "$root"/man/*.[1-8]; do
		cmp "$m" "$dest/usr/share/man/man${m##*.}/${m##*/}"
	done
	[ -z "$(find "$dest" -name '.*.new')" ]
	[ "$(stat -c %a "$dest/usr/bin/bk" "$dest/usr/share/man/man1/bk.1" | tr '\n' ' ')" = '755 644 ' ]
	# Once more, over what is there: the same.
	files dest > before
	run -0 make -s -C "$root" B="$B" DESTDIR="$dest" PREFIX=/usr install
	files dest | cmp - before
	# What is installed finds its own helpers.
	run -0 env PATH=/usr/bin:/bin "$dest/usr/bin/bk" backup fake: "file://$PWD/store" --create
	run -0 make -s -C "$root" B="$B" DESTDIR="$dest" PREFIX=/usr uninstall
	[ -z "$(files dest)" ]
}

@test "PREFIX is /usr/local by default, and its directories can be named" {
	run -0 make -s -C "$root" B="$B" DESTDIR="$PWD/a" install
	[ -x a/usr/local/bin/bk ]
	run -0 make -s -C "$root" B="$B" DESTDIR="$PWD/b" BINDIR=/opt/bin MANDIR=/opt/man COMPDIR=/opt/comp install
	[ -x b/opt/bin/bk ] && [ -e b/opt/man/man1/bk.1 ] && [ -e b/opt/comp/bk-put ]
	[ ! -e b/usr ]
}

@test "a running program is replaced, not overwritten" {
	run -0 make -s -C "$root" B="$B" DESTDIR="$PWD/a" install
	mkfifo hold
	a/usr/local/bin/bk-child -- a/usr/local/bin/bk-restore --into fake: < hold 3>&- 2>/dev/null &
	pid=$!
	exec 4> hold
	run -0 make -s -C "$root" B="$B" DESTDIR="$PWD/a" install
	exec 4>&-
	status=0
	wait "$pid" || status=$?
	[ "$status" -eq 65 ]
}

@test "the dist tarball builds and works" {
	git -C "$root" rev-parse HEAD > /dev/null 2>&1 || skip "not in a git clone"
	run -0 make -s -C "$root" B="$PWD/b" dist
	tar -xzf b/bk-*.tar.gz
	cd bk-*/
	unset B
	[ ! -e .git ]
	run -0 make -s -j2 CC="${CC:-cc}" CFLAGS=-O0 all
	run -0 build/bin/bk backup fake: "file://$PWD/store" --create
	run -0 env DESTDIR="$PWD/dest" make -s install
	[ -e dest/usr/local/share/man/man1/bk.1 ]
}
