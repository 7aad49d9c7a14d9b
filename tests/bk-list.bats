load helper

setup() { own_store; }

# Store ${2} bytes as ${1} at time ${3}; more words are options.
old() {
	local name=$1 bytes=$2 time=$3
	shift 3
	head -c "$bytes" /dev/zero | bk-put --raw --name "$name" --engine fake \
	    --ext bin --time "$time" "$@" "$S" > /dev/null
}

some() {
	old app 300 2026-11-01T00:00:00Z -t tier=b
	old app 100 2026-11-02T00:00:00Z -t tier=a
	old app 200 2026-11-03T00:00:00Z
	old app-2 50 2026-11-02T12:00:00Z -t tier=c
}

# The sizes found, in order.
sizes() {
	bk-list --plain "$@" "$S" | python3 -c '
import json, sys
print(*[json.loads(l)["bytes"] for l in sys.stdin])'
}

@test "which, and in what order" {
	some
	[ "$(sizes)" = "300 100 50 200" ]
	[ "$(sizes --name app)" = "300 100 200" ]
	[ "$(sizes -n app --latest)" = "200" ]
	[ "$(sizes --latest)" = "50 200" ]
	[ "$(sizes --at 2026-11-02T06:00:00Z)" = "100" ]
	[ "$(sizes --at 2026-11-02T13:00:00+01:00)" = "100 50" ]
	[ "$(sizes --since 2026-11-02T00:00:00Z)" = "100 50 200" ]
	[ "$(sizes --since 2026-11-02T00:00:00Z --until 2026-11-02T12:00:00Z)" = "100 50" ]
	[ "$(sizes --query '{tier=~"a|b",name="app"}')" = "300 100" ]
	[ "$(sizes -q '{tier!=""}')" = "300 100 50" ]
	[ "$(sizes --order-by bytes)" = "50 100 200 300" ]
	[ "$(sizes --order-by bytes --reverse --limit 2)" = "300 200" ]
	[ "$(sizes --order-by tag:tier)" = "100 300 50 200" ]
	[ "$(sizes --order-by tag:tier --reverse)" = "50 300 100 200" ]
	[ "$(sizes --order-by id)" = "300 100 200 50" ]
	[ "$(sizes --reverse --limit 1)" = "200" ]
}

@test "JSON lines end with an end line, --plain leaves it out" {
	some
	run --separate-stderr bk-list "$S"
	[ "$status" -eq 0 ] && [ -z "$stderr" ]
	[ "${#lines[@]}" -eq 5 ] && [ "${lines[4]}" = '{"end":"ok","records":4}' ]
	run --separate-stderr bk-list --plain "$S"
	[ "${#lines[@]}" -eq 4 ]
	BK_STORE=$S run --separate-stderr bk-list --json
	[ "${#lines[@]}" -eq 5 ]
}

@test "a table on a terminal, which fits" {
	some
	run --separate-stderr bk-list --table "$S"
	[ "${#lines[@]}" -eq 5 ]
	[[ ${lines[0]} == "NAME "*"TIME (UTC)"*"AGE"*"SIZE"*"ENGINE"*"ID"*"TAGS" ]]
	[[ ${lines[1]} == "app    2026-11-01 00:00  "*"  300  fake "*"tier=b" ]]
	run script -qec "stty cols 70; bk-list $S" /dev/null
	[[ $output == *NAME* ]] && [[ $output != *'"bk"'* ]]
	run script -qec "stty cols 70; bk-list --json $S" /dev/null
	[[ $output == *'"bk"'* ]]
}

@test "nothing found is 1, and names what there is" {
	run -1 --separate-stderr bk-list "$S"
	[ "$output" = '{"end":"ok","records":0}' ]
	said "it is empty"
	some
	run -1 --separate-stderr bk-list --name ap "$S"
	[ "$output" = '{"end":"ok","records":0}' ]
	said "it has the names"
	said "'app', 'app-2'" || said "'app-2', 'app'"
	one_line
	run -1 --separate-stderr bk-list --query '{tier="z"}' "$S"
	run -1 --separate-stderr bk-list "file://$PWD/"
	said "below it are the sets 'store'"
	run -66 --separate-stderr bk-list "$S/nowhere"
	[ "$output" = '{"end":"failed","status":66,"records":0}' ]
}

@test "usage: 64, bounds and positions named" {
	run -64 --separate-stderr bk-list
	run -64 --separate-stderr bk-list "$S" "$S"
	run -64 --separate-stderr bk-list --name 'a/b' "$S"
	said "1 to 64"
	run -64 --separate-stderr bk-list --id 7 "$S"
	run -64 --separate-stderr bk-list --query '{tier=x}' "$S"
	said "character 7"
	run -64 --separate-stderr bk-list --query '{tier=~"("}' "$S"
	run -64 --separate-stderr bk-list --since 2026-11-02 "$S"
	run -64 --separate-stderr bk-list --since 2026-11-02T00:00:00 "$S"
	said "offset"
	run -64 --separate-stderr bk-list --limit 0 "$S"
	run -64 --separate-stderr bk-list --limit 1 --limit 2 "$S"
	run -64 --separate-stderr bk-list --order-by size "$S"
	run -64 --separate-stderr bk-list --order-by tag:a-b "$S"
	run -64 --separate-stderr bk-list --latest --at now "$S"
	run -64 --separate-stderr bk-list --json --table "$S"
	run -64 --separate-stderr bk-list --links=8d "$S"
	said "7d"
}

@test "an expression that would run for ever is stopped" {
	old app 1 2026-11-01T00:00:00Z -t "x=$(printf 'a%.0s' $(seq 60))"
	run -64 --separate-stderr timeout 20 bk-list --query '{x=~"(a|aa|aaa)+[bc]"}' "$S"
	said "takes too long"
	[ "$output" = '{"end":"failed","status":64,"records":0}' ]
}

@test "links: 78 where the store cannot sign" {
	some
	run -78 --separate-stderr bk-list --links "$S"
	[ "$output" = '{"end":"failed","status":78,"records":0}' ]
}

@test "unreadable manifests are skipped, named and counted: 1" {
	some
	m=$(find store/.bk/manifest/app -type f | sort | head -n 1)
	echo '{"bk":"backup/1"' > "$m"
	run -1 --separate-stderr bk-list "$S"
	[ "${lines[3]}" = '{"end":"ok","records":3,"unreadable":1}' ]
	said "${m#store/}"
	run -1 --separate-stderr bash -c 'bk-list --name app --latest "$S" | bk-get --raw | wc -c; exit ${PIPESTATUS[1]}'
	[ "$output" = 200 ]
}

@test "a manifest edited by hand: only what follows from it counts" {
	some
	m=$(find store/.bk/manifest/app -type f | sort | head -n 1)
	sed -i 's|"key":"[^"]*"|"key":"../../etc/passwd"|; s|}$|,"store":"file:///elsewhere"}|' "$m"
	run -1 --separate-stderr bk-list --name app "$S"
	said "'key'"
	[ "${lines[2]}" = '{"end":"ok","records":2,"unreadable":1}' ]
	m=$(find store/.bk/manifest/app -type f | sort | tail -n 1)
	sed -i 's|}$|,"store":"file:///elsewhere","more":{"a":1}}|' "$m"
	run --separate-stderr bash -c 'bk-list --name app --latest "$S"'
	[[ ${lines[0]} == *'"more":{"a":1}'* ]] && [[ ${lines[0]} == *"\"store\":\"$S\""* ]]
}

@test "a later version is shown, and refused by the others" {
	some
	id=01KDVGK7000000000000000001
	printf '{"bk":"backup/2","id":"%s","name":"app","time":"2027-01-01T00:00:00Z"}\n' $id > store/.bk/manifest/app/$id.json
	run -0 --separate-stderr bk-list --table --name app "$S"
	[[ $output == *"(version 2)"*"$id"* ]]
	run -65 --separate-stderr bash -c 'bk-list --id '$id' "$S" | bk-get --raw > out'
	said "version 2"
	run -65 --separate-stderr bash -c 'bk-list --id '$id' "$S" | bk-tag -t a=b'
	run -65 --separate-stderr bash -c 'bk-get --raw "$S" --name app --latest > out'
	[ -e store/.bk/manifest/app/$id.json ] && [ ! -s out ]
}

@test "--recursive finds the sets below" {
	some
	mkdir -p store/team/x
	S=$S/team/x old db 10 2026-11-05T00:00:00Z
	run -0 --separate-stderr bk-list --recursive --latest "$S"
	[ "${lines[3]}" = '{"end":"ok","records":3}' ]
	[[ $output == *"\"store\":\"$S/team/x\""* ]]
	bk-list --recursive --name db "$S" | bk-get --raw | cmp -n 10 - /dev/zero
	run -0 --separate-stderr bk-list --recursive --table "$S"
	[[ $output == *"team/x:db "* ]]
	run -1 --separate-stderr bk-list --name db "$S"
}

@test "--latest passes over a suspect and says so" {
	some
	m=$(find store/.bk/manifest/app -type f | sort | tail -n 1)
	id=${m##*/} id=${id%.json}
	printf '{"bk":"note/1","id":"%s","suspect":"half the size"}\n' "$id" > "${m%.json}.01KDVGK7000000000000000001.json"
	run -0 --separate-stderr bk-list --name app --latest "$S"
	said "half the size"
	[[ ${lines[0]} == *'"bytes":100'* ]]
	bk-list --id "$id" "$S" | bk-tag --good > out
	[ "$(sizes --name app --latest)" = 200 ]
}

@test "a full standard output is 74" {
	some
	run -74 --separate-stderr bash -c 'bk-list "$S" > /dev/full'
	run -74 --separate-stderr bash -c 'bk-list --table "$S" > /dev/full'
}

# The marks of each record found, in order: "daily,weekly -".
marks() {
	bk-list --plain "$@" "$S" | python3 -c '
import json, sys
print(*[",".join(json.loads(l)["marks"]) or "-" for l in sys.stdin])'
}

@test "marks: of each period the first good one, or by a cycle" {
	for t in 2026-10-31T22:30:00Z 2026-10-31T23:30:00Z 2026-11-02T03:00:00Z 2026-11-03T03:00:00Z; do
		old app 100 $t
	done
	run -0 --separate-stderr marks --marks
	[ "$output" = "- - - -" ]	# --raw proves nothing
	bk-list "$S" | bk-tag --good > out
	run -0 --separate-stderr marks --marks
	[ "$output" = "hourly,daily,weekly,monthly,yearly hourly hourly,daily,weekly,monthly hourly,daily" ]
	run -0 --separate-stderr marks --tz Europe/Berlin
	[ "$output" = "hourly,daily,weekly,monthly,yearly hourly,daily,monthly hourly,daily,weekly hourly,daily" ]
	run -0 --separate-stderr marks --cycle 1,2,2
	[ "$output" = "weekly,monthly - weekly,monthly daily" ]
	run -0 --separate-stderr marks --cycle 1,2,2 -q '{weekly="true",daily!="true"}' --since 2026-11-01T00:00:00Z
	[ "$output" = "weekly,monthly" ]
	id=$(bk-list --plain --latest "$S" | grep -o '"id":"[^"]*' | cut -d'"' -f4)
	run -0 --separate-stderr marks -q '{daily="true"}' --id "$id"
	[ "$output" = "hourly,daily" ]
	run -0 --separate-stderr bk-list --table --cycle 1,2,2 "$S"
	[[ ${lines[1]} == *"[weekly] [monthly]"* ]]
	run -1 --separate-stderr bk-list -q '{yearly="true"}' --since 2026-11-02T00:00:00Z "$S"
	run -64 --separate-stderr bk-list --cycle 0,0,0 "$S"
	run -64 --separate-stderr bk-list --tz No/Where "$S"
	said "No/Where"
	[ -z "$(grep -rl '"marks"' store)" ]
}

@test "marks by the rule that bk-prune last applied" {
	for t in 2026-10-31T03:00:00Z 2026-11-02T03:00:00Z 2026-11-02T23:30:00Z 2026-11-03T03:00:00Z; do
		old app 100 $t
	done
	bk-list "$S" | bk-tag --good > out
	bk-prune "$S" --name app --keep-last 9 --keep-daily 2 --keep-monthly 9 --tz Europe/Berlin > out
	run -0 --separate-stderr marks --marks
	[ "$output" = "monthly daily - daily,monthly" ]
	run -0 --separate-stderr marks --tz UTC
	[ "$output" = "monthly - daily daily,monthly" ]
	run -0 --separate-stderr marks --cycle 1,0,0
	[ "$output" = "- - daily daily" ]
	sed -i 's/--keep-daily/--keep-dayly/' store/.bk/rule/app.json
	run -0 --separate-stderr marks --marks
	said "dayly"
	[ "$output" = "hourly,daily,weekly,monthly,yearly hourly,daily,weekly,monthly hourly hourly,daily" ]
}
