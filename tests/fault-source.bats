load helper

# Sources that fail, through the whole pipeline in plain sh: its status is the
# first cause's, nothing is listed or left, and the backup of before is there.

setup() {
	own_store
	bk-dump --name app 'fake:?bytes=1000' | bk-compress | bk-put "$S" > first
	find store -type f | sort > before
}

# Status $1 of the pipeline whose source is "$2", and what it left.
fails() {
	plain "bk-dump --name app $2 | bk-compress | bk-put $S"
	echo "$2: $status: $stderr"
	[ "$status" -eq "$1" ]
	[ "$output" = "{\"end\":\"failed\",\"status\":$1,\"records\":0}" ]
	said "bk-put: nothing stored: "
	[[ $stderr == *"bk-dump: "* ]]
	[ "$(grep -c . <<< "$stderr")" -eq 2 ]
	find store -type f | sort | diff before -
	[ "$(bk-list "$S")" = "$(cat first)" ]
}

@test "a tool fails, is killed, says nothing, after 100 MB too: 65" {
	fails 65 "exec: -- sh -c 'head -c 100000000 /dev/zero; exit 3'"
	said "exited 3"
	fails 65 "exec: -- sh -c 'head -c 100000000 /dev/zero; kill -9 \$\$'"
	said "signal 9"
	fails 65 "exec: -- sh -c 'head -c 1000 /dev/zero; kill -SEGV \$\$'"
	fails 65 "exec: -- true"
	said "empty"
	fails 65 "exec: -- false"
	fails 65 "'fake:?bytes=100000000&fail-after=99999999'"
	fails 65 "--timeout 1s exec: -- sh -c 'echo; sleep 100'"
	said "timeout"
}

@test "a tool exits 0 with a cut dump: 65" {
	fails 65 "exec: --as postgres --ext sql -- printf -- '--\n-- PostgreSQL database dump\n--\nCREATE TABLE a (i int);\n'"
	fails 65 "exec: --as mysql -- printf -- '-- MariaDB dump 10.19\nCREATE TABLE a (i int);\n'"
	fails 65 "exec: --as files -- sh -c 'tar -cf - -C $root/lib base | head -c 20480'"
	bk-dump exec: -- sh -c 'head -c 100000 /dev/zero' > /dev/null
	printf 'SQLite format 3\0cut' > cut.db
	fails 65 "--as sqlite exec: -- cat cut.db"
}

@test "a status at the start goes through all stages" {
	for s in 66 69 77 78 74 73; do
		fails $s "'fake:?exit=$s'"
	done
	fails 66 "sqlite:///nowhere/at/all.db"
	fails 66 "files:///nowhere/at/all"
	fails 69 "exec: -- /nowhere/tool"
	fails 69 "postgres://nobody@127.0.0.1:1/x"
	fails 69 "mariadb://nobody@127.0.0.1:1/x"
	fails 64 "'fake:?bytes=x'"
}

@test "a stage that is not there, or is killed at once" {
	for p in "bk-dump --name app fake: | nowhere-tool | bk-put $S" \
	    "nowhere-tool | bk-compress | bk-put $S" \
	    "bk-dump --name app fake: | sh -c 'kill -9 \$\$' | bk-put $S" \
	    "bk-dump --name app fake: | head -c 1000 | bk-compress | bk-put $S" \
	    "bk-dump --name app fake: | tail -c +2 | bk-put $S" \
	    "bk-dump --name app fake: | dd bs=1 count=0 2>/dev/null | bk-put $S"; do
		plain "$p"
		[ "$status" -eq 65 ]
		find store -type f | sort | diff before -
	done
	# What follows bk-put learns of it, too.
	plain "bk-dump --name app 'fake:?exit=69' | bk-put $S | bk-tag -t a=b"
	[ "$status" -eq 69 ]
	plain "bk-dump --name app 'fake:?bytes=9&fail-after=5' | bk-put $S | bk-tag -t a=b | bk-tag -t c=d"
	[ "$status" -eq 65 ]
	plain "bk-list $S/none | bk-get --raw"
	[ "$status" -eq 66 ]
	[ "$(bk-list "$S")" = "$(cat first)" ]
}

@test "a password in the URL of a source, target or store: 64, the remedy, never shown" {
	for url in postgres mysql mariadb; do
		run -64 --separate-stderr bash -c "bk-dump $url://u:canary7@127.0.0.1/db > out"

		[[ $stderr != *canary7* ]]
		said "password-file"
		run ! grep -q canary7 out
		run -64 --separate-stderr bash -c "bk-restore --into $url://u:canary7@127.0.0.1/db < first"
		[[ $stderr != *canary7* ]]
		said "password-file"
		run -64 --separate-stderr bash -c "bk-dump '$url://u@127.0.0.1/db?password=canary7' > out"
		[[ $stderr != *canary7* ]]
		run ! grep -q canary7 out
	done
	for url in fake://u:canary7@h/ files://u:canary7@h/tmp sqlite://u:canary7@h/x; do
		run -64 --separate-stderr bash -c "bk-dump $url > out"
		[[ $stderr != *canary7* ]]
	done
	for p in bk-put bk-list "bk-get --name x" "bk-restore --into fake: --name x --latest"; do
		run -64 --separate-stderr bash -c "$p s3://key:canary7@bucket/x < first"
		[[ $stderr != *canary7* ]]

	done
	run --separate-stderr bk backup fake: s3://key:canary7@bucket/x
	[ "$status" -eq 64 ] && [[ $stderr != *canary7* ]]
}
