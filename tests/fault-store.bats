load helper

# File stores that cannot take a backup: the status names the kind, one line
# says why, nothing new is listed or left, and what was there still is.

setup() {
	own_store
	bk-dump --name app 'fake:?bytes=3000000' > big
	bk-dump --name app 'fake:?bytes=100' > small
}

teardown() {
	! mountpoint -q "$BATS_TEST_TMPDIR/m" || umount "$BATS_TEST_TMPDIR/m"
}

tmpfs() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	mkdir -p m
	mount -t tmpfs -o "$1" none m || skip "cannot mount"
}

# What a failed put leaves behind: nothing but directories.
same() {
	find "$1" -type f | sort > after
	diff before after
}

@test "a full disk, at the payload and at the manifest: 74" {
	tmpfs size=1m
	bk-put "file://$PWD/m" < small > first
	find m -type f | sort > before
	run -74 --separate-stderr bash -c 'bk-put "file://$PWD/m" < big'
	one_line
	said "No space left"
	same m
	# Room for one more page than each put before had, until it fits.
	n=0 room=0
	dd if=/dev/zero of=m/fill bs=4096 2> /dev/null || :
	find m -type f | sort > before
	while :; do
		run --separate-stderr bash -c 'bk-put "file://$PWD/m" < small'
		[ "$status" -ne 0 ] || break
		[ "$status" -eq 74 ]
		one_line
		same m
		n=$((n + 1))
		[ "$n" -lt 20 ]
		truncate -s -4096 m/fill
	done
	[ "$n" -ge 2 ]
	[ "$(bk-list --plain "file://$PWD/m" | wc -l)" -eq 2 ]
	bk-list --plain "file://$PWD/m" | head -n 1 | bk-get --raw > /dev/null
}

@test "no inode left: 74" {
	tmpfs size=8m,nr_inodes=20
	bk-put "file://$PWD/m" < small > first
	for i in $(seq 30); do : > "m/fill-$i" || break; done 2> /dev/null
	find m -type f | sort > before
	run -74 --separate-stderr bash -c 'bk-put "file://$PWD/m" < small'
	one_line
	same m
	run -0 bk-list "file://$PWD/m"
	[ "$output" = "$(cat first)" ]
}

@test "a limit on the size of files: 74, not a signal" {
	bk-put "$S" < small > first
	find store -type f | sort > before
	run -74 --separate-stderr bash -c 'ulimit -f 1000; bk-put "$S" < big'
	one_line
	same store
	run -74 --separate-stderr bash -c 'ulimit -f 1000; bk-dump "fake:?bytes=3000000" > out'
	one_line
}

@test "a store that is mounted read-only: 77, and it can be read" {
	tmpfs size=8m
	bk-put "file://$PWD/m" < small > first
	mount -o remount,ro m
	run -77 --separate-stderr bash -c 'bk-put "file://$PWD/m" < small'
	one_line
	said "Read-only"
	run -77 --separate-stderr bash -c 'head -n 1 first | bk-tag --no-end -t a=b'
	run -0 bk-list "file://$PWD/m"
	[ "$output" = "$(cat first)" ]
	head -n 1 first | bk-get --raw > /dev/null
}

@test "a store that is a file, below a file, not there" {
	echo precious > file
	run --separate-stderr bash -c 'bk-put "file://$PWD/file" < small'
	[[ $status =~ ^(66|73|74)$ ]]
	one_line
	run --separate-stderr bash -c 'bk-put --create "file://$PWD/file/x" < small'
	[[ $status =~ ^(66|73|74)$ ]]
	one_line
	[ "$(cat file)" = precious ]
	run -66 --separate-stderr bash -c 'bk-put "file://$PWD/none" < small'
	one_line
	[ ! -e none ]
	run -66 --separate-stderr bk-list "file://$PWD/none"
	run -66 --separate-stderr bk-get "file://$PWD/none" --name app --latest
}

@test "no descriptors, no processes, little memory: a status of its own, nothing left" {
	bk-put "$S" < small > first
	find store -type f | sort > before
	for n in 4 5 6 7 8; do
		run --separate-stderr bash -c "ulimit -n $n; exec bk-put \"\$S\" < big"
		[ "$status" -ne 0 ] || continue
		[ "$status" -lt 128 ]
		same store
	done
	for kb in 60000 100000 150000; do
		run --separate-stderr bash -c "ulimit -v $kb; exec bk-put \"\$S\" < big"
		if [ "$status" -eq 0 ]; then
			find store -type f | sort > before
		else
			[ "$status" -lt 128 ]
			same store
		fi
	done
}
