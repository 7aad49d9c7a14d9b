load helper
load fresh

setup() { own_store; }

# put BYTES [OPTION...]
put() {
	bk-dump --name app "fake:?bytes=$1" | bk-put "$S" > /dev/null
}

@test "never, fresh, stale" {
	fresh 1 never
	bk-dump --name app2 fake: | bk-put "$S" > /dev/null
	fresh 1 never
	put_at "$(ago 30hours)"
	fresh 1 stale
	[[ $stderr == *"is 30h old"*"the limit is 26h" ]]
	put_at "$(ago 2hours)"
	fresh 0 fresh
	[ "$(field age)" -ge 7200000 ] && [ "$(field age)" -lt 7300000 ]
	[ "$(field id)" = "$(bk-list --plain --latest "$S" | sed -n 's/.*"id":"\([^"]*\)".*"name":"app",.*/\1/p')" ]
	run -1 bk-fresh -n app --max-age 1h "$S"
}

@test "failed, unchanged: by what was reported, the newest counts" {
	put_at "$(ago 5days)"
	bk-report -n app --outcome failed --status 69 --message 'no route' "$S"
	fresh 1 stale
	limit=8d fresh 1 failed
	said "status 69: no route"
	bk-report -n app --outcome skipped "$S"
	limit=8d fresh 1 failed
	bk-report -n app --outcome unchanged "$S"
	fresh 0 unchanged
	fresh 0 unchanged --max-unchanged 7d
	fresh 1 stale --max-unchanged 4d
	said "the limit is 4d"
	# A new backup needs no report.
	bk-report -n app --outcome failed --status 65 "$S"
	fresh 1 failed
	put 100
	fresh 0 fresh
}

@test "the worst order: stale comes before failed" {
	put_at "$(ago 30hours)"
	bk-report -n app --outcome failed --status 65 "$S"
	fresh 1 stale
}

@test "shrunk: on the first night, until somebody accepts it" {
	put 100000
	put 100000
	put 100000
	fresh 0 fresh
	put 40000
	fresh 1 shrunk
	fresh 0 fresh --max-shrink 70%
	fresh 0 fresh --max-shrink 100
	fresh 1 shrunk --min-bytes 50000 --max-shrink 70
	bk-list --name app --order-by time --reverse --limit 1 "$S" | bk-tag --good > /dev/null
	fresh 0 fresh
	fresh 1 shrunk --min-bytes 50000
}

@test "a payload that is gone or cut counts for nothing" {
	put 1000
	put 1000
	newest=$(find store/app -type f | sort | tail -n 1)
	oldest=$(find store/app -type f | sort | head -n 1)
	truncate -s 999 "$newest"
	fresh 0 fresh
	[[ $(field text) == *"a newer one does not count: payload missing" ]]
	[[ $oldest == *"$(field id)"* ]]
	# It was said of the newest, which is gone.
	bk-report -n app --outcome unchanged "$S"
	fresh 0 fresh
	rm "$newest" "$oldest"
	fresh 1 never
}

@test "never fresh by a record, or a report, from the future" {
	put_at "$(ago 30hours)"
	put_at "$(date -u -d '+2 hours' +%Y-%m-%dT%H:%M:%SZ)"
	run -1 --separate-stderr bk-fresh -n app --max-age 26h "$S"
	[ "$(field state)" = stale ]
	said "is from the future"
	bk-report -n app --outcome unchanged "$S"
	sed -i "s/\"time\":\"[^\"]*\"/\"time\":\"$(date -u -d '+2 hours' +%Y-%m-%dT%H:%M:%SZ)\"/g" \
	    store/.bk/state/app/*.json
	run -1 --separate-stderr bk-fresh -n app --max-age 26h "$S"
	[ "$(field state)" = stale ]
	said "which is to come"
}

@test "not proven, suspect: passed over" {
	echo x | bk-put --raw --name app --engine fake --ext bin "$S" > /dev/null
	fresh 1 never
	said "not proven"
}

@test "cannot tell: 69, whatever the reason" {
	S=$S/none fresh 69 unknown
	run -69 --separate-stderr bk-fresh -n app --max-age 1h \
	    's3://bucket/x?endpoint=http://127.0.0.1:1' --timeout 2s
	said "cannot tell"
	# A damaged manifest is no backup, and is said.
	put 10
	echo '{' > "$(find store/.bk/manifest -name '*.json')"
	run -1 --separate-stderr bk-fresh -n app --max-age 26h "$S"
	[ "$(field state)" = never ] && [ "$(field unreadable)" = 1 ]
}

@test "as a plug-in of Nagios" {
	nagios() {
		run -"$1" --separate-stderr bk-fresh -n app --max-age 26h --nagios "$S"
		[ "${#lines[@]}" -eq 1 ] && [[ $output == "BK $2 - app: $3"* ]]
	}
	nagios 2 CRITICAL never
	put_at "$(ago 30hours)"
	nagios 2 CRITICAL stale
	put 5000
	nagios 0 OK fresh
	[[ $output == *" | age="*"s;;93600 bytes=5000B" ]]
	bk-report -n app --outcome failed --status 65 --message 'a|b' "$S"
	nagios 1 WARNING failed
	[ "$(tr -cd '|' <<< "$output")" = '|' ]
	bk-report -n app --outcome unchanged "$S"
	nagios 0 OK unchanged
	S=$S/none nagios 3 UNKNOWN "cannot tell"
}

@test "metrics: replaced atomically, readable for the collector" {
	put 5000
	mkdir prom
	echo old > prom/bk.prom
	exec 7< prom/bk.prom
	run -0 bk-fresh -n app --max-age 26h --metrics prom/bk.prom "$S"
	[ "$(cat <&7)" = old ]
	[ "$(ls -A prom)" = bk.prom ] && [ "$(stat -c %a prom/bk.prom)" = 644 ]
	grep -q "^bk_backup_bytes{name=\"app\",store=\"$S\"} 5000$" prom/bk.prom
	grep -q 'state="fresh"} 1$' prom/bk.prom
	[ "$(grep -c '} 1$' <(grep ^bk_backup_state prom/bk.prom))" -eq 1 ]
	grep -q 'kind="daily"} 1$' prom/bk.prom
	# Each sample has its type before it, each name its type once.
	awk '/^# TYPE/ { if (t[$3]++) exit 1 } /^[a-z]/ { sub(/[{ ].*/, ""); if (!t[$0]) exit 1 }' prom/bk.prom
	bk-report -n app --outcome failed --status 65 "$S"
	bk-report -n app --outcome failed --status 65 "$S"
	run -1 bk-fresh -n app --max-age 26h --metrics prom/bk.prom "$S"
	grep -q '^bk_backup_errors{.*} 2$' prom/bk.prom
	grep -q 'state="failed"} 1$' prom/bk.prom
	# Also when it cannot tell.
	run -69 bk-fresh -n app --max-age 26h --metrics prom/bk.prom "$S/none"
	grep -q 'state="unknown"} 1$' prom/bk.prom
	[ "$(ls -A prom)" = bk.prom ]
	run -73 --separate-stderr bk-fresh -n app --max-age 26h --metrics prom "$S"
	[ -z "$(find . -maxdepth 1 -name 'prom.*')" ]
}

@test "what is daily, weekly, monthly is counted by the rule of the name" {
	kinds() {
		run bk-fresh -n app --max-age 26h --metrics prom "$S"
		sed -n 's/^bk_backups{.*kind="\([dwm][a-z]*ly\)"} \([0-9]*\)$/\1=\2/p' prom | tr '\n' ' '
	}
	for d in 40 33 32 3 2 1; do put_at "$(date -u -d "-$d days" +%Y-%m-%dT11:30:00Z)"; done
	[[ $(kinds) == *daily=6* ]]
	bk-prune -n app --keep-last 9 --keep-daily 2 --keep-monthly 1 "$S" > /dev/null
	[[ $(kinds) == *daily=2*weekly=0*monthly=1* ]]
	bk-prune -n app --keep-last 9 --cycle 3,0,2 "$S" > /dev/null
	[[ $(kinds) == *daily=3*weekly=0*monthly=2* ]]
	# Of another name's rule nothing is known.
	rm store/.bk/rule/app.json
	[[ $(kinds) == *daily=6* ]]
}

@test "it only reads" {
	put 10
	find store | sort > before
	chmod -R a-w store
	fresh 0 fresh
	chmod -R u+w store
	find store | sort | cmp - before
}

@test "wrong usage" {
	run -64 --separate-stderr bk-fresh --max-age 26h "$S"
	run -64 --separate-stderr bk-fresh -n app "$S"
	run -64 --separate-stderr bk-fresh -n app --max-age 26 "$S"
	run -64 --separate-stderr bk-fresh -n app --max-age 26h --max-shrink 0 "$S"
	run -64 --separate-stderr bk-fresh -n app --max-age 26h --max-shrink 101% "$S"
	run -64 --separate-stderr bk-fresh -n app --max-age 26h --max-unchanged 1h "$S"
	run -64 --separate-stderr bk-fresh -n app --max-age 26h --nagios --json "$S"
	run -64 --separate-stderr bk-fresh -n app --max-age 26h nowhere://x
	[ -z "$output" ]
}

@test "a group: its newest run all of whose members are good" {
	group() {
		run -"$1" --separate-stderr bk-fresh --group site --max-age 1h "${@:3}" "$S"
		[ "$(field state)" = "$2" ] && [ "$(field group)" = site ]
	}
	member() {
		bk-dump --name "$1" "fake:?bytes=$2" | bk-put "$S" | head -n 1
	}
	run_end() {
		(cat both; echo '{"end":"ok","records":2}') |
		    bk-put --group-end site --run "$1" "$S" > /dev/null
	}
	group 1 never
	{ member db 1000; member www 2000; } > both
	group 1 never
	run_end 01JD7Z5V0G0000000000000001
	group 0 fresh
	[ "$(field bytes)" = 3000 ] && [ "$(field id)" = 01JD7Z5V0G0000000000000001 ]
	# A failure of a member, and a run without it.
	bk-report -n www --outcome failed --status 65 --message 'no space' "$S"
	group 1 failed
	said "no space"
	member db 1000 > /dev/null
	group 1 failed
	{ member db 1000; member www 900; } > both
	run_end 01JD7Z5V0G0000000000000002
	group 1 shrunk
	group 0 fresh --max-shrink 100
	# The newest run counts no more when a payload has gone.
	rm store/db/*"$(sed -n 's/.*"id":"\([^"]*\)".*"name":"db".*/\1/p' both)"*
	group 0 fresh --max-shrink 100
	[ "$(field id)" = 01JD7Z5V0G0000000000000001 ]
	[ "$(field why)" = 'payload missing' ]
	rm store/www/*
	group 1 never
}
