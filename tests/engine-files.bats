load helper

setup() { cd "$BATS_TEST_TMPDIR" || exit; }

end() { tail -n 1 "$1" | LC_ALL=C sed 's|.*{"end"|{"end"|'; }

# Everything about a tree that a restore must bring back.
tree() (
	cd "$1" || exit
	find . -printf '%P|%y|%m|%U|%G|%n|%l|%T@\n' | LC_ALL=C sort
	find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
	getfacl -Rcpn . 2> /dev/null | LC_ALL=C sort
	find . ! -type l -print0 | LC_ALL=C sort -z | xargs -0 getfattr -hd -m - -- 2> /dev/null
	true
)

@test "a tree comes back with owners, modes, links, times, ACLs, attributes" {
	mkdir -p src/sub/deep src/.hidden
	( cd src || exit
	echo one > a
	ln a sub/hard
	ln -s /etc/passwd absolute
	ln -s ../../outside up
	ln -s nowhere sub/dangling
	mkfifo pipe
	echo x > 'new
line'
	echo x > '-C'
	echo x > 'é ü'
	touch -d '1999-12-31T23:59:59.123456789Z' sub/old
	chmod 4751 a
	chmod 1777 sub/deep
	chmod 0500 .hidden
	head -c 3000000 /dev/urandom > big
	n=$(printf '%0120d' 7)
	mkdir -p "$n/$n"
	echo deep > "$n/$n/$n"
	setfacl -m u:12345:rw,g:54321:r big || true
	setfattr -n user.origin -v here big || true
	[ "$(id -u)" != 0 ] || chown 12345:54321 sub/old )
	bk-dump "files://$PWD/src" | bk-compress --zstd > s
	bk-restore --into "files://$PWD/new" < s
	diff <(tree src) <(tree new)
	[ "$(tree src | wc -l)" -gt 20 ]
	end s | grep -q '"proof":"marks"'
}

@test "an unchanged tree gives the same bytes, and tar reads them" {
	mkdir d
	echo a > d/a
	bk-dump "files://$PWD/d" > one
	cat d/a
	bk-dump "files://$PWD/d" > two
	[ "$(end one | grep -o '"sha256":"[^"]*"')" = "$(end two | grep -o '"sha256":"[^"]*"')" ]
	[ "$(python3 "$root/tests/mkstream.py" --payload < one | tar -tf - | tr '\n' ' ')" = "./ ./a " ]
	head -n 1 one | grep -q '"name":"d","engine":"files","ext":"tar"'
}

@test "a file that changes while it is read is named in the record" {
	mkdir d
	echo a > d/quiet
	head -c 40000000 /dev/zero > d/busy
	( while [ ! -e stop ]; do echo more >> d/busy; done ) 3>&- &
	bk-dump "files://$PWD/d" > s
	touch stop
	wait
	end s | grep -q '"changed":\["./busy"\]'
	end s | grep -q '"end":"ok"'
	bk-restore --into "files://$PWD/new" < s
	[ "$(cat new/quiet)" = a ]
}

@test "a file that shrinks is named too" {
	mkdir d
	head -c 3000000 /dev/zero > d/shrinks
	# tar stops on its full pipe, so that the file can be cut meanwhile.
	mkfifo p
	bk-dump "files://$PWD/d" > p 3>&- &
	exec 7< p
	head -c 100 <&7 > s
	truncate -s 10 d/shrinks
	cat <&7 >> s
	exec 7<&-
	wait
	end s | grep -q '"changed":\["./shrinks"\]'
}

@test "--exclude leaves out" {
	mkdir -p d/cache d/keep
	touch d/cache/x d/keep/a.log d/keep/b
	bk-dump "files://$PWD/d" --exclude ./cache --exclude '*.log' |
	    bk-restore --into "files://$PWD/new"
	[ "$(cd new && find . | LC_ALL=C sort | tr '\n' ' ')" = ". ./keep ./keep/b " ]
}

@test "what cannot be read: 77, or left out and named" {
	as_other
	mkdir "$pub/d"
	chmod 755 "$pub/d"
	echo a > "$pub/d/a"
	echo b > "$pub/d/secret"
	chmod 644 "$pub/d/a"
	chmod 000 "$pub/d/secret"
	run -77 --separate-stderr bash -c "$as bk-dump files://$pub/d > s"
	said "./secret: Cannot open: Permission denied"
	said --skip-unreadable
	one_line
	run ! grep -aq '"end":"ok"' s
	$as bk-dump "files://$pub/d" --skip-unreadable > s
	end s | grep -q '"skipped":\["./secret"\]'
	bk-restore --into "files://$PWD/new" < s
	[ "$(ls new)" = a ]
	rm -rf "$pub"
}

@test "no such directory, no directory, options that break the stream" {
	run -66 --separate-stderr bash -c "bk-dump files://$PWD/none > s"
	touch file
	run -66 --separate-stderr bash -c "bk-dump files://$PWD/file > s"
	mkdir d
	for o in -f/tmp/x --file=x --fil=x -z --remove-files -C/ -x word; do
		run -64 --separate-stderr bash -c "bk-dump files://$PWD/d -- $o > s"
	done
	bk-dump "files://$PWD/d" -- --one-file-system > s
}

@test "a target that holds something is refused; replaced, it is beside" {
	mkdir d old empty
	echo new > d/f
	echo mine > old/mine
	bk-dump "files://$PWD/d" > s
	run -73 --separate-stderr bash -c "bk-restore --into files://$PWD/old < s"
	said --replace
	[ "$(ls -A old)" = mine ]
	run -0 --separate-stderr bash -c "bk-restore --replace --yes --into files://$PWD/old/ < s"
	said "what was '$PWD/old' is now"
	[ "$(ls -A old)" = f ]
	[ "$(cat old.old-*/mine)" = mine ]
	bk-restore --into "files://$PWD/empty" < s
	[ "$(cat empty/f)" = new ]
	[ -z "$(find . -maxdepth 1 -name '.*.bk-*')" ]
}

@test "a cut stream leaves the target as it was" {
	mkdir d to
	head -c 3000000 /dev/urandom > d/f
	bk-dump "files://$PWD/d" > s
	head -c 2000000 s > cut
	run -65 bk-restore --into "files://$PWD/to/new" < cut
	[ -z "$(ls -A to)" ]
}

@test "a full disk: 74, and nothing is left" {
	unshare -m true 2> /dev/null || skip "may not mount"
	mkdir d small
	head -c 3000000 /dev/urandom > d/f
	bk-dump "files://$PWD/d" > s
	run -74 --separate-stderr unshare -m sh -c "
	    mount -t tmpfs -o size=1m none small || exit 1
	    bk-restore --into files://$PWD/small/new < s; rc=\$?
	    ls -A small; exit \$rc"
	said "bk-restore: tar failed: "
	said "./f: "
	[ -z "$output" ]
}

# $1: shell that makes x.tar; it is refused and writes nothing.
hostile() {
	( eval "$1" ) > /dev/null 2>&1
	bk-dump exec: --as files -- cat x.tar > s
	run -65 --separate-stderr bash -c "bk-restore --into files://$PWD/new < s"
	[ ! -e new ]
	[ "$(cat victim)" = good ]
	[ -z "$(find . -name evil)" ]
	rm -rf t x.tar
}

@test "hostile archives are refused and nothing is written outside" {
	echo good > victim
	hostile 'tar -cPf x.tar "$PWD/victim"'
	said absolute
	hostile 'mkdir t; cd t; tar -cPf ../x.tar ../victim'
	said "'..'"
	hostile 'mkdir t; ln -s "$PWD" t/l; tar -cf x.tar -C t l; rm t/l; mkdir t/l; echo bad > t/l/evil; tar -rf x.tar -C t l/evil; rm -r t'
	said "below the link"
	hostile 'mkdir t; ln -s .. t/l; tar -cf x.tar -C t l; rm t/l; mkdir t/l; echo bad > t/l/evil; tar -rf x.tar -C t l/evil; rm -r t'
	said "below the link"
	hostile 'mkdir t; echo x > t/a; ln t/a t/b; tar -cPf x.tar -C t --transform="s,^a,$PWD/victim,h" a b'
	said absolute
}

@test "archives that other programs made restore too" {
	mkdir d
	n=$(printf '%0150d' 7)
	mkdir "d/$n"
	echo long > "d/$n/f"
	ln -s "$n/f" d/link
	ln "d/$n/f" d/hard
	truncate -s 5000000 d/sparse
	echo end >> d/sparse
	for make in 'tar -cS --format=gnu -f - d' 'tar -cS --format=posix -f - d' \
	    'tar -c --format=gnu -f - d' \
	    "python3 -c 'import sys,tarfile; t=tarfile.open(fileobj=sys.stdout.buffer, mode=\"w|\"); t.add(\"d\"); t.close()'"; do
		bk-dump exec: --as files -- sh -c "$make" > s
		end s | grep -q '"proof":"marks"'
		bk-restore --into "files://$PWD/new" < s
		diff -r d new/d
		[ "$(readlink new/d/link)" = "$n/f" ]
		[ new/d/hard -ef "new/d/$n/f" ]
		rm -r new
	done
}

@test "/etc with its absolute links restores" {
	bk-dump --skip-unreadable files:///etc | bk-restore --into "files://$PWD/etc"
	[ "$(cd /etc && find . -type l -printf '%P %l\n' | sort)" = \
	    "$(cd etc && find . -type l -printf '%P %l\n' | sort)" ]
	cmp /etc/passwd etc/passwd
}

@test "a restore that is interrupted leaves neither target nor directory beside it" {
	mkdir tree out
	head -c 3000000 /dev/urandom > tree/big
	bk-dump "files://$PWD/tree" > s
	mkfifo in
	env --default-signal=INT bk-restore --into "files://$PWD/out/new" < in 2> err 3>&- &
	pid=$!
	exec 7> in
	head -c 2000000 s >&7
	until [ -n "$(ls -A out)" ]; do kill -0 $pid; done
	kill -INT $pid
	exec 7>&-		# as its writer ends that had the same interrupt
	status=0; wait $pid || status=$?
	[ $status -eq 130 ]
	[ -z "$(ls -A out)" ]
}

@test "a URL that names a host is no path here: nothing else is taken for it" {
	mkdir tree out
	echo x > tree/a
	bk-dump "files://$PWD/tree" > s
	for url in "files://srv$PWD/tree" "files://me@$PWD/tree" "files://localhost:1$PWD/tree"; do
		run -64 --separate-stderr bk-dump "$url"
		said 'want an absolute path: files:///dir'
		run -64 --separate-stderr bash -c "bk-restore --into '${url%tree}out/new' < s"
		said 'want an absolute path: files:///dir'
		[ -z "$(ls -A out)" ]
	done
	bk-restore --into "files://localhost$PWD/out/new" < s
	[ "$(cat out/new/a)" = x ]
}
