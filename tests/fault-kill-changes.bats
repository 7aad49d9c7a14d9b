load helper

# Killed before each change that it makes of a store, bk-tag and bk-copy leave
# what was there as it was, and a second try completes.  (bk-prune.bats does
# the same to bk-prune.)

setup() { own_store; }

put() { bk-dump --name "$1" 'fake:?bytes=10' | bk-put "$S" > /dev/null; }

@test "bk-tag: each tag is there or not, no record suffers" {
	for i in 1 2 3; do put app; done
	bk-list "$S" > list
	cp -a store fresh
	for n in $(seq 40); do
		rm -r store && cp -a fresh store
		killed "$n" bk-tag -t site=a --hold move < list && break
		run -0 --separate-stderr bk-list --plain "$S"
		[ -z "$stderr" ]
		[ "${#lines[@]}" -eq 3 ]
		# The note of a record is one object: tag and hold come together.
		[ "$(grep -c '"site":"a"' <<< "$output")" = "$(grep -c '"hold":"move"' <<< "$output")" ]
		bk-tag -t site=a --hold move < list > /dev/null
		[ "$(bk-list --plain -q '{site="a"}' "$S" | grep -c '"hold":"move"')" -eq 3 ]
	done
	[ "$n" -gt 3 ] && [ "$n" -lt 40 ]
}

@test "bk-copy: listed whole or not at all, the claim of a dead one hurts nobody" {
	put app
	put web
	bk-list "$S" | bk-tag -t site=a > /dev/null
	T=file://$PWD/copy
	for n in $(seq 60); do
		rm -rf copy
		killed "$n" bk-copy "$S" "$T" --create && break
		if [ -d copy ]; then
			bk-list --plain "$T" > now || [ ! -s now ]
			while read -r r; do bk-get <<< "$r" | bk-restore --into fake:?bytes=10; done < now
			# Nothing of it is debris yet.
			bk-prune --sweep "$T" > swept
			grep -q '"delete":{"n":0,' swept
		fi
		bk-copy "$S" "$T" --create > /dev/null
		diff <(bk-list --plain "$S" | sed 's/"store":"[^"]*"//' | sort) \
		    <(bk-list --plain "$T" | sed 's/"store":"[^"]*"//' | sort)
	done
	[ "$n" -gt 8 ] && [ "$n" -lt 60 ]
}
