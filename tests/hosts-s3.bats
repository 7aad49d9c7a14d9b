load helper
load s3

# Many hosts with one schedule file and one bucket, all at the same time: what
# one stores no other prunes.  A host's name is the kernel's (uname -n), so each
# runs in a UTS namespace of its own.

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	uts="unshare --uts"
	$uts true 2> /dev/null || uts="unshare --user --map-root-user --uts"
	$uts hostname there 2> /dev/null || skip "no namespaces of host names here"
	rules
	export AWS_ENDPOINT_URL=$SERVER uts
	U=s3://bk-hosts/$BATS_TEST_NUMBER
	export U BK_CONF=$PWD/bk.conf
	bk-dump --name first fake: | bk-put --create "$U" > /dev/null
	mkdir data && echo x > data/file
}

# The schedule file, with this in the job.
schedule() {
	cat > bk.conf <<-END
	state = "\${STATE}"
	store "s3" { url = "$U" }
	job "data" {
		source = "files://$PWD/data"
		store = { "s3" }
		$1
	}
	END
}

# One run on each of hosts 1 to ${1}, eight at a time: "host status outcome".
everywhere() {
	seq -f 'host%03g' "$1" | xargs -P 8 -I HOST $uts sh -c '
		hostname HOST && out=$(STATE=$PWD/state/HOST bk-run data 2>> HOST.err)
		echo "HOST $? $out" >> ran' 3>&-
}

# How many backups of each host are listed: "count host".
counts() {
	bk-list --plain --name data "$U" | sed 's/.*"host":"\([^"]*\)".*/\1/' | sort | uniq -c | awk '{print $1, $2}'
}

@test "40 hosts at a time: each prunes its own" {
	schedule ""
	everywhere 40
	[ "$(grep -c ' 0 .*"outcome":"committed"' ran)" -eq 40 ]
	bk-list --plain --name data "$U" | sed 's/.*"id":"\([^"]*\)".*/\1/' | sort > before
	# Its list snapshot saves each host the reading of all the others'.
	bk-prune --name data --keep-last 1 --group-by source "$U" > /dev/null
	rm ran
	schedule 'keep = "--keep-last 1 --group-by source"'
	everywhere 40
	[ "$(grep -c ' 0 .*"outcome":"committed"' ran)" -eq 40 ] || { cat ran ./*.err; false; }
	counts > listed
	seq -f '1 host%03g' 40 | diff - listed
	# And it is the second of each that stays.
	bk-list --plain --name data "$U" | sed 's/.*"id":"\([^"]*\)".*/\1/' | sort > after
	[ -z "$(comm -12 before after)" ]
	[ "$(bk-list --plain --name first "$U" | wc -l)" -eq 1 ]
}

@test "hosts of one name whose sources are not told apart: nothing is pruned, and both are named" {
	schedule 'keep = "--keep-last 1"'
	everywhere 3
	[ "$(wc -l < ran)" -eq 3 ]
	everywhere 3
	counts > listed
	seq -f '2 host%03g' 3 | diff - listed
	[ "$(tail -n 3 ran | grep -c ' 1 .*"outcome":"committed"')" -eq 3 ]
	grep -q 'host001' host003.err
}
