# Group runs, and increments under another name: what belongs together stays
# together, also where one name is pruned by itself.

load helper

setup() { own_store; }

# run N MEMBER...: a backup of each, and the end of run N.
run_of() {
	local n=$1 name
	shift
	for name in "$@"; do
		bk-dump --name "$name" fake:?bytes=1000 | bk-put "$S" | head -n 1
	done > members
	(cat members; echo '{"end":"ok","records":2}') |
	    bk-put --group-end site --run "$(run_id "$n")" "$S" > /dev/null
	cp members "run$n"
}

run_id() { echo "01JD7Z5V0G000000000000000$1"; }

# id NAME N: of that member of run N.
id() { sed -n "s/.*\"id\":\"\([^\"]*\)\",\"name\":\"$1\".*/\1/p" "run$2"; }

# prune STATUS ARG...: the plan's deletions, as "name id", in deleted.
prune() {
	local status=$1
	shift
	run "-$status" --separate-stderr bk-prune "$@" "$S"
	printf '%s\n' "$output" > plan
	sed -n 's/^{"plan":"delete","id":"\([^"]*\)","name":"\([^"]*\)".*/\2 \1/p' plan | sort > deleted
}

whole() { ls "store/.bk/group/site" | wc -l; }

names() { bk-list --plain "$S" | sed 's/.*"name":"\([^"]*\)".*/\1/' | sort | uniq -c | tr -s ' \n' ' '; }

@test "runs go as a whole, and say so" {
	for n in 1 2 3 4; do run_of $n db www; done
	prune 0 --keep-last 2
	[ "$(wc -l < deleted)" -eq 4 ]
	[ "$(sort <(echo "db $(id db 1)"; echo "db $(id db 2)"; echo "www $(id www 1)"; echo "www $(id www 2)"))" = "$(cat deleted)" ]
	grep "$(id www 2)" plan | grep -q "goes with run $(run_id 2) of group 'site'"
	grep "$(id www 3)" plan | grep -q "run $(run_id 3) of group 'site': last 2"
	grep "$(id db 4)" plan | grep -q "of group 'site': last 1, newest good"
	[ "$(names)" = " 2 db 2 www " ]
	bk-prune --keep-last 2 "$S" | tail -n 1 | grep -q '"delete":{"n":0,'
}

@test "one name alone: the rule of the others counts" {
	for n in 1 2 3 4; do run_of $n db www; done
	# Nobody ever pruned www: all of its runs stay.
	prune 0 --name db --keep-last 1
	[ ! -s deleted ]
	grep "$(id db 1)" plan | grep -q "run $(run_id 1) of group 'site'"
	! grep -q '"name":"www"' plan
	tail -n 1 plan | grep -q '"keep":{"n":4,'
	# db's rule is known by now.
	prune 0 --name www --keep-last 3
	[ "$(cat deleted)" = "www $(id www 1)" ]
	# A plan tells with which run it goes, and does what it tells.
	bk-prune --name db --keep-last 1 --dry-run "$S" > dry
	prune 0 --plan dry
	[ "$(cat deleted)" = "db $(id db 1)" ]
	[ "$(names)" = " 3 db 3 www " ]
	prune 0 --name db --keep-last 1
	[ ! -s deleted ]
}

@test "the newest whole run stays behind newer backups of its names" {
	run_of 1 db www
	run_of 2 db www
	for i in 1 2 3; do
		for name in db www; do
			bk-dump --name $name fake:?bytes=1000 | bk-put "$S" > /dev/null
		done
	done
	prune 0 --keep-last 1
	[ "$(wc -l < deleted)" -eq 6 ]
	grep "$(id db 2)" plan | grep -q '"plan":"keep".*newest good'
	grep "$(id www 2)" plan | grep -q '"plan":"keep"'
	# A bad member makes it count for nothing: the good one before it stays.
	run_of 3 db www
	rm store/www/*"$(id www 3)"*
	prune 0 --keep-last 1 --dry-run
	grep "$(id db 2)" plan | grep -q '"plan":"keep"'
	grep "$(id db 3)" plan | grep -q 'not all of it is good'
}

@test "a member on hold holds its run" {
	for n in 1 2 3; do run_of $n db www; done
	bk-list --id "$(id www 1)" "$S" | bk-tag --hold legal > /dev/null
	prune 0 --keep-last 1
	[ "$(sort <(echo "db $(id db 2)"; echo "www $(id www 2)"))" = "$(cat deleted)" ]
}

@test "by id: a run breaks apart only by --yes" {
	for n in 1 2; do run_of $n db www; done
	prune 1 --id "$(id db 1)"
	[ ! -s deleted ]
	[[ $stderr == *"the rest of its group run stays"* ]]
	prune 1 --id "$(id db 2)" --id "$(id www 2)"
	[ ! -s deleted ]
	prune 0 --id "$(id db 1)" --id "$(id www 1)"
	[ "$(wc -l < deleted)" -eq 2 ]
	bk-prune --undo "$(id db 1)" --undo "$(id www 1)" "$S" > /dev/null
	prune 0 --yes --id "$(id db 1)"
	[ "$(cat deleted)" = "db $(id db 1)" ]
	# What is left of it binds nothing.
	prune 0 --id "$(id www 1)"
	[ "$(wc -l < deleted)" -eq 1 ]
}

@test "a reviewed plan: a run that was ended since stays together" {
	for n in 1 2 3; do run_of $n db www; done
	bk-prune --keep-last 1 --dry-run "$S" > dry
	prune 0 --plan dry
	[ "$(wc -l < deleted)" -eq 4 ]
	for name in db www; do
		bk-dump --name $name fake:?bytes=1000 | bk-put "$S" | head -n 1
	done > late
	run_of 4 db www
	bk-prune --name db --keep-last 1 --dry-run "$S" > dry
	gone=$(sed -n 's/^{"plan":"delete","id":"\([^"]*\)".*/\1/p' dry | head -n 1)
	[ -n "$gone" ]
	(cat late; echo '{"end":"ok","records":2}') |
	    bk-put --group-end site --run "$(run_id 9)" "$S" > /dev/null
	prune 73 --plan dry
	[[ $stderr == *"its group run"* ]]
}

@test "the object of a run goes when nothing of it can come back" {
	for n in 1 2; do run_of $n db www; done
	bk-prune --keep-last 1 "$S" > /dev/null
	[ "$(whole)" -eq 2 ]
	bk-prune --keep-last 1 "$S" > /dev/null
	[ "$(whole)" -eq 2 ]
	bk-prune --undo "$(id db 1)" --undo "$(id www 1)" "$S" > /dev/null
	prune 0 --keep-last 2
	[ ! -s deleted ]
	grep "$(id www 1)" plan | grep -q "run $(run_id 1) of group"
	bk-prune --keep-last 1 "$S" > /dev/null
	hours_pass 26
	bk-prune --keep-last 1 "$S" > /dev/null
	[ "$(whole)" -eq 1 ]
	[ -e "store/.bk/group/site/$(run_id 2).json" ]
}

@test "killed before each change: a rerun leaves no half of a run" {
	for n in 1 2 3; do run_of $n db www; done
	cp -a store fresh
	for n in $(seq 60); do
		rm -r store && cp -a fresh store
		killed "$n" bk-prune --keep-last 1 "$S" && break
		bk-prune --keep-last 1 "$S" > /dev/null
		[ "$(names)" = " 1 db 1 www " ]
		for gone in "$(id db 1)" "$(id www 1)" "$(id db 2)" "$(id www 2)"; do
			bk-prune --undo "$gone" "$S" > /dev/null
		done
		[ "$(bk-list --group site --plain "$S" | wc -l)" -eq 6 ]
	done
	[ "$n" -gt 8 ] && [ "$n" -lt 60 ]
}

@test "a damaged run is said: 1" {
	run_of 1 db www
	echo '{}' > "store/.bk/group/site/$(run_id 1).json"
	prune 1 --keep-last 1
	[[ $stderr == *"passing over '.bk/group/site/$(run_id 1).json'"* ]]
	[[ $stderr == *"1 group runs cannot be read"* ]]
}

@test "bk-list --group: whole runs, the newest good one, one until a time" {
	for n in 1 2 3; do run_of $n db www; done
	bk-dump --name db fake:?bytes=1000 | bk-put "$S" > /dev/null
	listed() { bk-list --group site --plain "$@" "$S" | sed 's/.*"id":"\([^"]*\)".*/\1/' | sort; }
	[ "$(listed | wc -l)" -eq 6 ]
	[ "$(listed --latest)" = "$(sort <(id db 3; id www 3))" ]
	[ "$(listed --latest --name www)" = "$(id www 3)" ]
	end=$(sed 's/.*"time":"\([^"]*\)".*/\1/' "store/.bk/group/site/$(run_id 2).json")
	[ "$(listed --at "$end")" = "$(sort <(id db 2; id www 2))" ]
	printf '{"bk":"note/1","id":"%s","suspect":"too small"}\n' "$(id www 3)" \
	    > "store/.bk/manifest/www/$(id www 3).01KDVGK7000000000000000001.json"
	run -0 --separate-stderr listed --latest
	[ "$output" = "$(sort <(id db 2; id www 2))" ]
	[[ $stderr == *"passing over run $(run_id 3) of group 'site'"*"too small"* ]]
	rm store/.bk/manifest/db/"$(id db 2)"*
	[ "$(listed --latest)" = "$(sort <(id db 1; id www 1))" ]
	[ "$(listed | wc -l)" -eq 4 ]
	run -1 bk-list --group none "$S"
}

# Make the newest backup of NAME name ID as its parent.
child_of() {
	python3 - "$1" "$2" store/.bk/manifest/"$1"/*.json <<'PY'
import json, sys
name = max(sys.argv[3:])
o = json.load(open(name))
o["parent"] = sys.argv[2]
json.dump(o, open(name, "w"), separators=(",", ":"))
PY
}

@test "an increment under another name keeps its parent, and a chain its whole length" {
	for i in 1 2 3; do
		bk-dump --name app fake:?bytes=1000 | bk-put "$S" | head -n 1 >> app
	done
	old=$(sed -n '1s/.*"id":"\([^"]*\)".*/\1/p' app)
	bk-dump --name more fake:?bytes=1000 | bk-put "$S" > /dev/null
	child_of more "$old"
	prune 0 --name app --keep-last 1
	[ "$(wc -l < deleted)" -eq 1 ]
	grep "$old" plan | grep -q '"plan":"keep".*parent of'
	# Over a third name, which is itself not pruned.
	mid=$(bk-list --plain --name more "$S" | sed 's/.*"id":"\([^"]*\)".*/\1/')
	bk-dump --name third fake:?bytes=1000 | bk-put "$S" > /dev/null
	child_of third "$mid"
	bk-dump --name more fake:?bytes=1000 | bk-put "$S" > /dev/null
	prune 0 --name more --keep-last 1
	[ ! -s deleted ]
	prune 0 --name app --name more --keep-last 1
	[ ! -s deleted ]
	# An increment whose parent stands elsewhere is as good as any.
	prune 0 --name third --keep-last 1
	grep -q '"name":"third".*"newest good"' plan
	! grep -q 'parent missing' plan
	prune 1 --id "$old"
	[[ $stderr == *"another record needs it"* ]]
}
