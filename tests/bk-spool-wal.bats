# bk-spool --wal: what cp or pg_receivewal puts into a directory is stored as
# bk-wal-push stores it, and what is still being written as it grows.

load helper
load wal

setup_file() {
	export BATS_TEST_TIMEOUT=120
	wal_start || return 1
	real_segments 3 "$BATS_FILE_TMPDIR/seg"
	SYSTEM=$(system_of "$PGDATA")
	export SYSTEM SEG=$BATS_FILE_TMPDIR/seg
}

teardown_file() { wal_stop; }

setup() {
	. "$BATS_FILE_TMPDIR/env"
	own_store
	mkdir in
	mapfile -t W < <(ls "$SEG")
	K=app/wal/$SYSTEM/00000001
	pids=()
}

teardown() {
	for p in "${pids[@]}"; do kill -KILL "$p" 2> /dev/null && wait "$p" 2> /dev/null; done
	true
}

put() { cp "$1" "in/.x" && mv in/.x "in/${2:-${1##*/}}"; }

# Wait until the shell words $1 succeed.
until_true() {
	for ((t = 0; t < 400; t++)); do
		! eval "$1" 2> /dev/null || return 0
		sleep 0.05
	done
	echo "never: $1"
	cat err
	return 1
}

@test "segments, history and backup are stored and go; the newest segment stays" {
	for w in "${W[@]}"; do put "$SEG/$w"; done
	printf '1\t0/3000000\tx\n' > h && put h 00000002.history
	printf 'START WAL LOCATION: 0/2000028\n' > b && put b "${W[0]}.00000028.backup"
	run -0 --separate-stderr bk-spool --once --wal --name app in "$S"
	[ "$output" = '{"end":"ok","records":0}' ]
	[ "$(ls in)" = "${W[2]}" ]
	[ "$(objects app | wc -l)" -eq 5 ]
	for w in "${W[@]}"; do gzip -dc store/$K/"$w"-*.gz | cmp - "$SEG/$w"; done
	# Again: nothing new; one more: the other goes.
	bk-spool --once --wal --name app in "$S" > /dev/null
	[ "$(objects app | wc -l)" -eq 5 ] && [ "$(ls in)" = "${W[2]}" ]
}

@test "what is no log, cut, in other hands or stored otherwise stays and is told" {
	echo x > x && put x notes.txt
	head -c 1000000 "$SEG/${W[0]}" > c && put c "${W[0]}"
	bk-wal-push --name app "$S" "$SEG/${W[1]}"
	cp "$SEG/${W[1]}" d && bend d 100000 ffff && put d "${W[1]}"
	run -65 --separate-stderr bk-spool --once --wal --name app in "$S"
	said "'notes.txt' is no name of a file of WAL: left where it is"
	said "has 1000000 bytes"
	said "'${W[1]}' is stored already with another content"
	[ "$(ls in | wc -l)" -eq 3 ]
	rm in/*
	put "$SEG/${W[0]}"
	exec 5>> "in/${W[0]}"
	run -75 --separate-stderr bk-spool --once --wal --name app in "$S"
	exec 5>&-
	[ ! -d store/$K ] || [ -z "$(objects "$K" | grep "${W[0]}")" ]
	cp "$SEG/${W[0]}" e && bend e 24 0700000000000000 && rm in/* && put e "${W[0]}"
	run -78 --separate-stderr bk-spool --once --wal --name app in "$S"
	bk-spool --once --wal --new-system --name app in "$S" > /dev/null
	[ "$(objects app | cut -d/ -f3 | sort -u | wc -l)" -eq 2 ]
}

@test "a history alone: of the only system, or nobody knows" {
	printf '1\t0/3000000\tx\n' > h && put h 00000002.history
	run -78 --separate-stderr bk-spool --once --wal --name app in "$S"
	said "does not say of which system it is"
	bk-wal-push --name app "$S" "$SEG/${W[0]}"
	bk-spool --once --wal --name app in "$S" > /dev/null
	ls store/app/wal/$SYSTEM/00000002/00000002.history-*
	[ -z "$(ls in)" ]
}

@test "wrong usage is 64" {
	for args in "--wal" "--wal --name app --ext x" "--wal --name app -t a=b" "--wal --name app --on-close" \
	    "--partial 5s --name app" "--new-system" "--wal --name app --partial 1ms"; do
		run -64 --separate-stderr bk-spool --once $args in "$S"
	done
}

# What is stored of the growing segment, by pg_waldump.
growing() {
	rm -rf got && mkdir got
	bk-wal-fetch --prefetch 0 --name app "$S" "$1" "got/$1" || return
	"$PGBIN/pg_waldump" -p got "$1" 2> /dev/null | grep -c 'desc: COMMIT'
}

@test "pg_receivewal: the loss window is seconds, the newest counts, the others go" {
	[ -x "$PGBIN/pg_receivewal" ] || skip "no pg_receivewal"
	"$PGBIN/pg_receivewal" -D in --create-slot -S spool -s 1
	"$PGBIN/pg_receivewal" -D in -S spool -s 1 2> recv 3>&- &
	pids+=($!)
	bk-spool -v --wal --partial 1s --name app in "$S" > lines 2> err 3>&- &
	pids+=($!)
	q "SET synchronous_commit = on; INSERT INTO rows (t) VALUES ('one')"
	until_true 'ls store/$K/*.partial-*'
	file=$(ls store/$K/*.partial-*)
	file=${file##*/} file=${file%%.*}
	had=$(growing "$file")
	for m in two three four; do
		q "SET synchronous_commit = on; INSERT INTO rows (t) VALUES ('$m')"
		until_true "[ \$(growing $file) -gt $had ]"
		had=$(growing "$file")
	done
	[ "$(ls store/$K/*.partial-* | wc -l)" -eq 1 ]
	# The whole one takes its place.
	q 'SELECT pg_switch_wal()' > /dev/null
	q "SET synchronous_commit = on; INSERT INTO rows (t) VALUES ('next')"
	until_true "ls store/$K/$file-*.gz"
	until_true "! ls store/$K/$file.partial-*"
	until_true "ls store/$K/*.partial-*"
	# The store is away for a while.
	mv store away
	q "SET synchronous_commit = on; INSERT INTO rows (t) VALUES ('away')"
	until_true 'grep -q "trying again" err'
	mv away store
	file=$(q 'SELECT pg_walfile_name(pg_current_wal_insert_lsn())')
	want=$("$PGBIN/pg_waldump" -p "$PGDATA/pg_wal" "$file" 2> /dev/null | grep -c 'desc: COMMIT')
	until_true "[ \$(growing $file) -ge $want ]"
	# pg_receivewal goes on where it was.
	kill -9 "${pids[0]}"
	wait "${pids[0]}" || :
	"$PGBIN/pg_receivewal" -D in -S spool -s 1 2> recv 3>&- &
	pids+=($!)
	for m in 1 2; do
		q 'SELECT pg_switch_wal()' > /dev/null
		q "SET synchronous_commit = on; INSERT INTO rows (t) VALUES ('more $m')"
	done
	until_true "ls store/$K/$file-*.gz"
	until_true "[ \$(ls in | grep -vc partial) -le 1 ]"
	kill -TERM "${pids[1]}"
	st=0; wait "${pids[1]}" || st=$?
	[ "$st" -eq 143 ] || { echo "status $st"; tail -5 err; false; }
	bk-wal-fetch --prefetch 0 --name app "$S" "$file" got/x
	cmp got/x "$PGDATA/pg_wal/$file"
	q "SELECT pg_drop_replication_slot('spool')" || kill "${pids[2]}"
}
