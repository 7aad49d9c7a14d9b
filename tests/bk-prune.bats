load helper

setup() { own_store; }

put() {		# name [bytes]
	bk-dump --name "$1" "fake:?bytes=${2:-1000}" | bk-put "$S" > rec
	id=$(sed -n '1s/.*"id":"\([^"]*\)".*/\1/p' rec)
	ids+=("$id")
}

# The ids that a plan on standard input keeps or deletes.
planned() { sed -n "s/^{\"plan\":\"$1\",\"id\":\"\([^\"]*\)\".*/\1/p"; }

listed() { bk-list --plain "$S" | sed 's/.*"id":"\([^"]*\)".*/\1/' | sort; }

payloads() { find store -path store/.bk -prune -o -type f ! -name '.bk-tmp-*' -print | wc -l; }

tombs() { find store/.bk/deleted -name '*.json' ! -name '.bk-tmp-*' 2> /dev/null | wc -l; }

# Every listed backup has its payload, and there is one.
all_whole() {
	bk-list --plain --name app "$S" > now
	[ -s now ]
	while read -r r; do bk-get --raw <<< "$r" > /dev/null || return; done < now
}

@test "the plan is shown, then carried out; --dry-run shows the very same" {
	for i in 1 2 3 4 5; do put app; done
	put other
	run -0 --separate-stderr bk-prune --keep-last 2 --dry-run "$S"
	[ -z "$stderr" ]
	printf '%s\n' "$output" > dry
	[ "$(planned delete < dry | wc -l)" -eq 3 ]
	[ "$(planned keep < dry | wc -l)" -eq 3 ]
	[ "$(tail -n 1 dry)" = '{"end":"ok","keep":{"n":3,"bytes":3000},"delete":{"n":3,"bytes":3000}}' ]
	[ "$(listed | wc -l)" -eq 6 ] && [ ! -e store/.bk/deleted ] && [ ! -e store/.bk/rule ]
	run -0 --separate-stderr bk-prune --keep-last 2 "$S"
	[ "$output" = "$(cat dry)" ]
	[ "$(listed)" = "$(planned keep < dry | sort)" ]
	[ "$(payloads)" -eq 6 ]
	grep -q '"keep":\["--keep-last","2"\],"tz":"UTC"' store/.bk/rule/app.json
	bk-prune --keep-last 2 "$S" | tail -n 1 | grep -q '"delete":{"n":0,"bytes":0}'
}

@test "a name is a name, a table for a person" {
	for i in 1 2; do put app; put app-2; done
	run -0 --separate-stderr bk-prune --name app --keep-last 1 --table "$S"
	[ "${#lines[@]}" -eq 4 ]
	[[ ${lines[1]} == "delete  app "*"no rule keeps it" ]]
	[[ ${lines[2]} == "keep    app "*"last 1, newest good" ]]
	[ "${lines[3]}" = "keep 1 (1000), delete 1 (1000)" ]
	[ "$(bk-list --plain --name app-2 "$S" | wc -l)" -eq 2 ]
}

@test "undone within the grace, byte for byte; not after it" {
	put app; put app
	bk-list --id "${ids[0]}" "$S" | bk-tag -t a=b > /dev/null
	find store/.bk/manifest -type f | sort | xargs cat > before
	bk-prune --keep-last 1 "$S" > /dev/null
	[ "$(listed)" = "${ids[1]}" ]
	run -0 --separate-stderr bk-prune --undo "${ids[0]}" "$S"
	[[ ${lines[0]} == *'"tags":{"a":"b"}'* ]]
	find store/.bk/manifest -type f | sort | xargs cat | cmp - before
	[ ! -e store/.bk/deleted ]
	bk-prune --keep-last 1 "$S" > /dev/null
	hours_pass 24.5
	run -66 --separate-stderr bk-prune --undo "${ids[0]}" "$S"
	said grace
	[ "$(payloads)" -eq 2 ]
	bk-prune --keep-last 1 "$S" > /dev/null
	[ "$(payloads)" -eq 2 ]
	hours_pass 1
	bk-prune --keep-last 1 "$S" > /dev/null
	[ "$(payloads)" -eq 1 ] && [ ! -e store/.bk/deleted ]
	run -66 --separate-stderr bk-prune --undo "${ids[0]}" "$S"
	said "no tombstone"
}

@test "holds stand, the last good one stays unless --yes" {
	put app; put app
	bk-list --id "${ids[0]}" "$S" | bk-tag --hold audit > /dev/null
	run -0 --separate-stderr bk-prune --keep-last 1 "$S"
	[[ $output == *'["held"]'* ]]
	run -1 --separate-stderr bk-prune --id "${ids[0]}" "$S"
	said held
	run -1 --separate-stderr bk-prune --id "${ids[1]}" --id "${ids[0]}" "$S"
	bk-list --id "${ids[0]}" "$S" | bk-tag --release > /dev/null
	run -0 --separate-stderr bk-prune --id "${ids[0]}" "$S"
	run -1 --separate-stderr bk-prune --id "${ids[1]}" "$S"
	said "newest good"
	[ "$(listed)" = "${ids[1]}" ]
	run -0 --separate-stderr bk-prune --id "${ids[1]}" --yes "$S"
	[ -z "$(listed)" ]
	run -66 --separate-stderr bk-prune --id "${ids[1]}" "$S"
}

@test "--all wants --yes and leaves other names and holds" {
	put app; put app; put db
	bk-list --id "${ids[0]}" "$S" | bk-tag --hold audit > /dev/null
	run -64 --separate-stderr bk-prune --all "$S"
	run -1 --separate-stderr bk-prune --all --yes --name app "$S"
	[ "$(listed)" = "$(printf '%s\n' "${ids[0]}" "${ids[2]}")" ]
}

@test "a reviewed plan is carried out, unless the store has changed" {
	for i in 1 2 3 4; do put app; done
	bk-prune --keep-last 2 --dry-run "$S" > plan
	put app
	run -0 --separate-stderr bk-prune --plan plan "$S"
	[ "$(listed)" = "$(printf '%s\n' "${ids[@]:2}")" ]
	run -0 --separate-stderr bk-prune --plan plan "$S"
	[ "$(listed | wc -l)" -eq 3 ]

	bk-prune --keep-last 2 --dry-run "$S" > plan
	bk-list --id "${ids[2]}" "$S" | bk-tag --hold audit > /dev/null
	run -73 --separate-stderr bk-prune --plan plan "$S"
	said held
	bk-list --id "${ids[2]}" "$S" | bk-tag --release > /dev/null
	truncate -s 10 store/app/*"${ids[3]}"*
	run -73 --separate-stderr bk-prune --plan plan "$S"
	said "no longer good"
	rm store/.bk/manifest/app/"${ids[3]}".json
	run -73 --separate-stderr bk-prune --plan plan "$S"
	said "is gone"
	head -n 2 plan > cut
	run -65 --separate-stderr bk-prune --plan cut "$S"
	[ "$(listed | wc -l)" -eq 2 ]
}

@test "a list limits what may go; a cut one deletes nothing" {
	for i in 1 2 3 4; do put app; done
	bk-list "$S" | head -n 2 > cut
	run -65 --separate-stderr bk-prune --keep-last 1 - < cut
	[ "$(listed | wc -l)" -eq 4 ]
	{ bk-list --plain "$S" | head -n 2; echo '{"end":"ok","records":2}'; } > two
	run -0 --separate-stderr bk-prune --keep-last 1 - < two
	[ "$(listed)" = "$(printf '%s\n' "${ids[@]:1}")" ]
}

@test "an eaten payload: its record counts for nothing" {
	for i in 1 2 3; do put app; done
	rm store/app/*"${ids[2]}"*
	run -0 --separate-stderr bk-prune --keep-last 1 "$S"
	[[ $output == *'payload missing, counts for nothing'* ]]
	[[ $(listed) == *"${ids[1]}"* ]]
	[[ $(listed) != *"${ids[0]}"* ]]
}

@test "seven nights of an emptied database: every good copy survives" {
	for i in 1 2 3 4; do put app 100000; done
	for i in 1 2 3 4 5 6 7; do put app 10; bk-prune --keep-last 4 "$S" > plan; done
	for i in 0 1 2 3; do [[ $(listed) == *"${ids[i]}"* ]]; done
	grep -q 'suspect, counts for nothing' plan
}

@test "two sources: 78, both named; nothing of the name goes" {
	put app; put app
	bk-dump --name app 'fake:?bytes=1000&seed=7' | bk-put "$S" > /dev/null
	run -78 --separate-stderr bk-prune --keep-last 1 "$S"
	said '"seed":0'
	said '"seed":7'
	[ "$(listed | wc -l)" -eq 3 ] && [ ! -e store/.bk/rule ]
	run -0 --separate-stderr bk-prune --keep-last 1 --group-by source "$S"
	[ "$(listed | wc -l)" -eq 2 ]
	run -0 --separate-stderr bk-prune --keep-last 1 --shared "$S"
	[ "$(listed | wc -l)" -eq 1 ]
}

@test "unreadable, of a later version: kept and reported" {
	put app; put app
	d=store/.bk/manifest/app
	echo '{' > $d/01KDVGK7000000000000000001.json
	echo '{"bk":"backup/2","id":"01KDVGK7000000000000000002","name":"app"}' > $d/01KDVGK7000000000000000002.json
	run -1 --separate-stderr bk-prune --keep-last 1 "$S"
	said "2 backups cannot be read"
	[[ ${lines[-1]} == *'"delete":{"n":1,'* ]]
	[ "$(find $d -type f | wc -l)" -eq 3 ]
	run -1 --separate-stderr bk-prune --id 01KDVGK7000000000000000002 "$S"
	[ "$(find $d -type f | wc -l)" -eq 3 ]
}

@test "--max-delete, a reader that goes away, a full disk: nothing deleted" {
	for i in 1 2 3 4; do put app; done
	run -1 --separate-stderr bk-prune --keep-last 1 --max-delete 2 "$S"
	said "--max-delete is 2"
	[[ ${lines[-1]} == '{"end":"failed","status":1,'* ]]
	run -74 --separate-stderr bash -c 'bk-prune --keep-last 1 "$S" > /dev/full'
	[ "$(listed | wc -l)" -eq 4 ] && [ ! -e store/.bk/deleted ]
	run -0 --separate-stderr bk-prune --keep-last 1 --max-delete 3 "$S"
}

@test "sweep: debris older than 7 days, and nothing else" {
	put app; put app
	bk-prune --keep-last 1 "$S" > /dev/null
	m=$(cat store/.bk/manifest/app/*)
	o=01KDVGK70000000000000000		# of January 2026
	d=app-20260101T000000Z
	for i in 01 02 03; do echo x > store/app/$d-$o$i.fake.bin; done
	mkdir -p store/.bk/claim store/app/wal/1 store/.bk/manifest/app
	new=${ids[1]}
	echo "{\"bk\":\"claim/1\",\"keys\":[\"app/$d-${o}02.fake.bin\"]}" > store/.bk/claim/"$new".json
	echo '{' > store/.bk/manifest/app/${o}03.json
	echo '{}' > store/.bk/claim/${o}09.json
	echo x > store/app/wal/1/x-$d-${o}04.bin
	echo x > store/app/readme
	echo x > store/app/other-20260101T000000Z-${o}05.fake.bin
	echo x > store/app/$d-"${new:0:24}77".fake.bin
	echo x > store/app/.bk-tmp-${o}08-$d-${o}08.fake.bin
	echo x > store/app/.bk-tmp-"$new-$d-$new".fake.bin
	find store -type f | sort > before
	run -0 --separate-stderr bk-prune --sweep --dry-run "$S"
	find store -type f | sort | cmp - before
	printf '%s\n' "$output" > dry
	run -0 --separate-stderr bk-prune --sweep "$S"
	[ "$output" = "$(cat dry)" ]
	[ "${lines[-1]}" = '{"end":"ok","delete":{"n":2,"bytes":4}}' ]
	find store -type f | sort | comm -23 before - > gone
	sort <<-GONE | diff gone -
	store/.bk/claim/${o}09.json
	store/app/$d-${o}01.fake.bin
	store/app/.bk-tmp-${o}08-$d-${o}08.fake.bin
	GONE
	echo '{' > store/.bk/claim/"$new".json
	run -65 --separate-stderr bk-prune --sweep "$S"
}

@test "killed at any moment: what is listed is whole, a rerun completes" {
	for n in $(seq 1 12); do
		for i in 1 2 3; do put app; done
		bk-prune --keep-last 2 "$S" > /dev/null &
		pid=$!
		python3 -c 'import random, time; time.sleep(random.random() * 0.02)'
		kill -9 $pid 2> /dev/null || :
		wait $pid || :
		all_whole
		[[ $(listed) == *"${ids[-1]}"* ]]
		gone=$(find store/.bk/deleted -name '[0-9]*.json' | sed 's/.*\///; s/\.json//' | head -n 1)
		if [ -n "$gone" ] && [ $((n % 3)) -eq 0 ]; then
			bk-prune --undo "$gone" "$S" > /dev/null &
			pid=$!
			python3 -c 'import random, time; time.sleep(random.random() * 0.01)'
			kill -9 $pid 2> /dev/null || :
			wait $pid || :
			all_whole
		fi
		[ $((n % 4)) -ne 0 ] || hours_pass 26
	done
	bk-prune --keep-last 2 "$S" > /dev/null
	all_whole
	[ "$(listed | wc -l)" -eq 2 ]
	hours_pass 26
	bk-prune --keep-last 2 "$S" > /dev/null
	[ "$(payloads)" -eq 2 ] && [ "$(tombs)" -eq 0 ]
	find store -name '.bk-tmp-*' -delete
	[ "$(find store/.bk/manifest -type f | wc -l)" -eq 2 ]
}

@test "two at once beside a writer: what is listed is whole" {
	for n in 1 2 3; do
		put app; put app; put app
		put app 3>&- &
		bk-prune --keep-last 2 "$S" > /dev/null 2>&1 3>&- &
		bk-prune --keep-last 2 "$S" > /dev/null 2>&1 || :
		wait
		all_whole
		[ "$(listed | wc -l)" -ge 2 ]
	done
	run -0 --separate-stderr bk-prune --keep-last 2 "$S"
	[ "$(listed | wc -l)" -eq 2 ]
	hours_pass 26
	bk-prune --keep-last 2 "$S" > /dev/null 3>&- &
	bk-prune --keep-last 2 "$S" > /dev/null
	wait
	[ "$(payloads)" -eq 2 ] && [ "$(tombs)" -eq 0 ]
	all_whole
}

@test "killed before each change of the store: delete, undo, the end of the grace" {
	for i in 1 2 3; do put app; done
	bk-list --id "${ids[0]}" "$S" | bk-tag -t a=b > /dev/null
	cp -a store fresh
	for what in "--keep-last 1" "--undo ${ids[0]}" "--keep-last 2"; do
		n=0
		while :; do
			rm -r store && cp -a fresh store
			case $what in
			--undo*) bk-prune --keep-last 1 "$S" > /dev/null ;;
			*2) bk-prune --keep-last 1 "$S" > /dev/null; hours_pass 26 ;;
			esac
			n=$((n + 1))
			# shellcheck disable=SC2086
			killed $n bk-prune $what "$S" && break
			all_whole
			[[ $(listed) == *"${ids[2]}"* ]]
			# What is not listed can be brought back, or has no payload.
			if [[ $what != *2 ]]; then
				bk-prune --undo "${ids[0]}" "$S" > /dev/null
				bk-prune --undo "${ids[1]}" "$S" > /dev/null
				[ "$(listed | wc -l)" -eq 3 ]
				diff <(find fresh/.bk/manifest -type f -exec cat {} + | sort) \
				    <(find store/.bk/manifest -type f ! -name '.bk-tmp*' -exec cat {} + | sort)
			else
				bk-prune --keep-last 1 "$S" > /dev/null
				[ "$(payloads)" -eq 1 ] && [ "$(tombs)" -eq 0 ]
			fi
			[ $n -lt 60 ]
		done
		[ $n -gt 4 ]
	done
}

@test "a name that the store does not know is 66, one that was pruned is not" {
	put app
	for how in "--keep-last 1" "--keep-last 1 --dry-run" "--all --yes"; do
		run -66 --separate-stderr bk-prune --name ap --name app $how "$S"
		said "there is no backup of the name 'ap' in $S"
		[ -z "$output" ] && [ "$(listed)" = "${ids[0]}" ]
	done
	run -0 --separate-stderr bk-prune --all --yes --name app "$S"
	run -0 --separate-stderr bk-prune --keep-last 1 --name app "$S"
}

@test "usage: 64" {
	for words in "" "--keep-last 0" "--cycle 0,0,0" "--keep-last x" \
	    "--keep-last 1 --keep-last 2" "--id x" "--undo x" "--plan p --sweep" \
	    "--sweep --keep-last 1" "--keep-last 1 --yes" "--grace 1 --keep-last 1" \
	    "--name / --keep-last 1" "--json --table --keep-last 1" "--sweep -"; do
		run -64 --separate-stderr bk-prune $words "$S"
	done
	run -64 --separate-stderr bk-prune --keep-last 1 "$S" "$S"
	run -64 --separate-stderr bk-prune --keep-last 1
	run -66 --separate-stderr bk-prune --keep-last 1 "$S/none"
	run -0 --separate-stderr bk-prune --keep-last 1 "$S"
	[ "$output" = '{"end":"ok","keep":{"n":0,"bytes":0},"delete":{"n":0,"bytes":0}}' ]
}
