load helper

setup() {
	own_store
	cat > bk.conf <<-END
	state = "$PWD/state"
	store "one" { url = "$S" }
	job "app" {
	    schedule = "@daily"
	    source = "fake:?bytes=1000"
	    store = "one"
	    on-failure = 'echo "\$BK_EVENT \$BK_JOB \$BK_RUN \$BK_OUTCOME \$BK_STATUS \$BK_MESSAGE" >> failed'
	    on-stale = 'echo "\$BK_EVENT \$BK_JOB \$BK_OUTCOME \$BK_MESSAGE" >> stale'
	}
	END
	export BK_CONF=$PWD/bk.conf
	look=(run --separate-stderr bk-run --look app)
}

run_id=01J00000000000000000000000

# Lines of the ledger with this event.
events() {
	grep -c "\"event\":\"$1\"" state/ledger
}

started() {
	mkdir -p state
	printf '{"time":"%s","job":"app","event":"started","slot":"2026-01-01T00:00:00Z","run":"%s","trigger":"schedule","pid":1}\n' \
	    "$(date -u +%FT%TZ)" $run_id >> state/ledger
}

@test "a killed run is entered and told, once" {
	started
	"${look[@]}"
	[ "$status" -eq 1 ]
	said "job 'app': run $run_id ended without an outcome: it was killed"
	[ "$(events failed)" -eq 1 ]
	tail -n 1 state/ledger | grep -q "\"slot\":\"2026-01-01T00:00:00Z\",\"run\":\"$run_id\",\"trigger\":\"schedule\""
	[ "$(cat failed)" = "fail app $run_id failed 65 run $run_id ended without an outcome: it was killed" ]
	grep -q '"outcome":"failed"' store/.bk/state/app/*.json
	"${look[@]}"
	[ "$status" -eq 0 ] && [ -z "$stderr" ]
	[ "$(events failed)" -eq 1 ] && [ "$(wc -l < failed)" -eq 1 ]
}

@test "a run that holds its lock is alive, and left alone" {
	started
	mkdir state/lock
	flock state/lock/job-app "$B/bin/bk-run" --look app
	[ "$(events started)" -eq 1 ]
	[ ! -e failed ]
	run ! grep -q failed state/ledger
}

@test "without a ledger the newest backup in the stores stands in" {
	bk-run app > out
	rm -r state
	"${look[@]}"
	[ "$status" -eq 0 ]
	[ "$(wc -l < state/ledger)" -eq 1 ]
	id=$(python3 -c 'import json; print(json.load(open("out"))["id"])')
	grep -q "\"event\":\"committed\",\"trigger\":\"recalled\",\"id\":\"$id\"" state/ledger
	"${look[@]}"
	[ "$(wc -l < state/ledger)" -eq 1 ]
}

@test "nothing in ledger and stores: nothing is entered" {
	"${look[@]}"
	[ "$status" -eq 0 ]
	[ ! -e state/ledger ]
}

@test "too old: on-stale is told, once until there is a newer one" {
	bk-run app > out
	"${look[@]}"
	[ "$status" -eq 0 ] && [ ! -e stale ]
	later() { faketime -f "+$1" bk-run --look app; }
	run -0 --separate-stderr later 47h
	[ ! -e stale ]
	run -1 --separate-stderr later 50h
	said "job 'app' is stale: the newest good backup is of"
	[ "$(wc -l < stale)" -eq 1 ]
	grep -q '^fail app stale the newest good backup is of .*, too old$' stale
	run -0 --separate-stderr later 60h
	[ "$(wc -l < stale)" -eq 1 ]
	faketime -f +61h bk-run app > out
	run -0 --separate-stderr later 108h
	run -1 --separate-stderr later 110h
	[ "$(wc -l < stale)" -eq 2 ]
}

@test "too old by the ledger, and another host has stored a newer one" {
	bk-run app > out
	sed -i "s/\"time\":\"[^\"]*\"/\"time\":\"$(date -u -d '-30 hours' +%FT%TZ)\"/" state/ledger
	run -0 --separate-stderr faketime -f +20h bk-run --look app
	[ ! -e stale ]
	run -1 --separate-stderr faketime -f +49h bk-run --look app
	[ "$(wc -l < stale)" -eq 1 ]
}

@test "never stored: told when the first one is overdue; stores that are away too" {
	"${look[@]}"
	run -1 --separate-stderr faketime -f +49h bk-run --look app
	grep -q 'no good backup is known, since ' stale
	rm -r stale state/age
	bk-run app > out
	mv store away
	run -1 --separate-stderr faketime -f +50h bk-run --look app
	grep -q "too old; store 'one' cannot be asked: " stale
}
