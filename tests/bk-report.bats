load helper

setup() { own_store; }

# A value out of this host's state of app: state PATH...
state() {
	python3 - "$@" store/.bk/state/app/*.json <<'PY'
import json, sys
o = json.load(open(sys.argv[-1]))
for k in sys.argv[1:-1]:
    o = o.get(k) if isinstance(o, dict) else None
print(o)
PY
}

@test "everything that is told is written, and nothing else" {
	run -0 --separate-stderr bk-report -n app --outcome committed \
	    --id 01JD7Z5V0G0000000000000000 --run 01JD7Z5V0G0000000000000001 \
	    --job nightly --trigger schedule --status 0 --duration 1500 \
	    --message 'all well' "$S"
	[ -z "$output$stderr" ]
	[ "$(find store -type f | wc -l)" -eq 1 ]
	[ "$(state bk)" = state/1 ] && [ "$(state name)" = app ]
	[ "$(state host)" = "$(uname -n)" ]
	[ "$(state attempt outcome)" = committed ]
	[ "$(state attempt status)" = 0 ] && [ "$(state attempt message)" = 'all well' ]
	[ "$(state attempt job)" = nightly ] && [ "$(state attempt trigger)" = schedule ]
	[ "$(state attempt duration)" = 1500 ]
	[ "$(state attempt run)" = 01JD7Z5V0G0000000000000001 ]
	[ "$(state committed id)" = 01JD7Z5V0G0000000000000000 ]
	[ "$(state committed time)" = "$(state attempt time)" ]
	[ "$(state failed)" = None ] && [ "$(state unchanged)" = None ]
}

@test "the last time of each outcome stays; failures are counted" {
	bk-report -n app --outcome committed "$S"
	committed=$(state committed time)
	bk-report -n app --outcome failed --status 69 --message 'no route' "$S"
	bk-report -n app --outcome failed --status 65 --message 'cut off' "$S"
	[ "$(state failed count)" = 2 ] && [ "$(state failed message)" = 'cut off' ]
	bk-report -n app --outcome skipped --message 'not the primary' "$S"
	[ "$(state attempt outcome)" = skipped ] && [ "$(state failed count)" = 2 ]
	bk-report -n app --outcome unchanged --duration 1m "$S"
	[ "$(state attempt duration)" = 60000 ]
	[ "$(state failed count)" = 0 ] && [ "$(state failed status)" = 65 ]
	[ "$(state committed time)" = "$committed" ]
	[ "$(state unchanged time)" = "$(state attempt time)" ]
	[ "$(find store -type f | wc -l)" -eq 1 ]
}

@test "names and hosts have objects of their own; backups are not touched" {
	bk-dump --name app fake: | bk-put "$S" > /dev/null
	bk-list --plain "$S" > before
	bk-report -n app --outcome unchanged "$S"
	bk-report -n app2 --outcome unchanged "$S"
	[ "$(find store/.bk/state -type f | wc -l)" -eq 2 ]
	cmp <(bk-list --plain "$S") before
}

@test "a damaged state is said and begun anew" {
	bk-report -n app --outcome committed "$S"
	echo '{"bk":"state/1","name":"oth' > store/.bk/state/app/*.json
	run -0 --separate-stderr bk-report -n app --outcome unchanged "$S"
	said "beginning it anew"
	[ "$(state committed)" = None ] && [ "$(state attempt outcome)" = unchanged ]
}

@test "a message of any bytes and length is written as text" {
	bk-report -n app --outcome failed \
	    --message "$(printf 'a\377b\nc'; head -c 20000 /dev/zero | tr '\0' x)" "$S"
	[ "$(state failed message | wc -c)" -lt 8200 ]
	[ "$(state failed message | head -n 1)" = "$(printf 'a\357\277\275b')" ]
}

@test "wrong usage: 64, nothing written" {
	run -64 --separate-stderr bk-report -n app "$S"
	run -64 --separate-stderr bk-report --outcome failed "$S"
	run -64 --separate-stderr bk-report -n app --outcome good "$S"
	said "want committed, unchanged, failed or skipped"
	run -64 --separate-stderr bk-report -n ../x --outcome failed "$S"
	run -64 --separate-stderr bk-report -n app --outcome committed --status 65 "$S"
	run -64 --separate-stderr bk-report -n app --outcome failed --status 0 "$S"
	run -64 --separate-stderr bk-report -n app --outcome failed --id 01JD7Z5V0G0000000000000000 "$S"
	run -64 --separate-stderr bk-report -n app --outcome failed --status 256 "$S"
	[ -z "$(find store -type f)" ]
	run -66 --separate-stderr bk-report -n app --outcome failed "$S/none"
}
