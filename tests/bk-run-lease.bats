load helper

setup() {
	own_store
	cat > bk.conf <<-END
	state = "$PWD/state"
	store "one" { url = "$S" }
	job "app" {
		source = "fake:?bytes=1000"
		store = { "one" }
		lease = "one"
		before = 'test ! -e before || { echo ready > before; read -r x < go; }'
		always = "echo always >> steps"
		on-failure = 'echo "\$BK_MESSAGE" > told'
	}
	END
	export BK_CONF=$PWD/bk.conf
}

teardown() {
	local p
	for p in "${pids[@]}"; do
		kill -KILL "$p" 2> /dev/null || :
	done
}

bg() {
	"$@" 3>&- 4>&- &
	pids+=($!)
}

listed() {
	find store/.bk/manifest -name '*.json' 2>/dev/null | wc -l
}

@test "a run holds the lease, and gives it back" {
	run -0 --separate-stderr bk-run app
	[[ $output == *'"outcome":"committed"'* ]]
	[ -z "$stderr" ]
	[ "$(listed)" -eq 1 ]
	[ "$(find store/.bk/lease/app -name '*.json' | wc -l)" -ge 2 ]
	run -0 --separate-stderr bk-lease --name app --wait 0s "$S" -- true
	[ "$(grep -c '"event":"committed"' state/ledger)" -eq 1 ]
}

@test "while another host holds it the run is skipped; one that is gone is taken over from" {
	mkfifo ready
	bg bk-lease --name app --term 1s "$S" -- sh -c 'echo > ready; exec sleep 60'
	read -r _ < ready
	run -0 --separate-stderr bk-run app
	[[ $output == *'"outcome":"skipped"'*"the lease 'app' is held by $(hostname)"* ]]
	[ "$(tail -n 1 state/ledger | grep -c '"event":"skipped"')" -eq 1 ]
	[ "$(listed)" -eq 0 ]
	[ ! -e steps ] && [ ! -e told ]
	kill -KILL "${pids[0]}"
	run -0 --separate-stderr timeout 10 bk-run app
	[[ $output == *'"outcome":"committed"'* ]]
	[ "$(listed)" -eq 1 ]
}

@test "what another host has made for the same due time is not made again" {
	slot=$(date -u +%FT%TZ)
	run -0 --separate-stderr bk-run --slot "$slot" app
	[[ $output == *'"outcome":"committed"'* ]]
	# Another host knows nothing of our ledger.
	mv state elsewhere
	run -0 --separate-stderr bk-run --slot "$slot" app
	[[ $output == *'"outcome":"skipped"'*"has made the backup that was due"* ]]
	[ "$(listed)" -eq 1 ]
	run -0 --separate-stderr bk-run app
	[ "$(listed)" -eq 2 ]
}

@test "TERM is passed on, and always and the hooks still come" {
	mkfifo before go
	bg bk-run app > out
	read -r _ < before
	kill "${pids[0]}"
	rc=0; wait "${pids[0]}" || rc=$?
	[ "$rc" -eq 65 ]
	[ "$(cat steps)" = always ]
	grep -q 'stopped by signal 15' told
	grep -q '"outcome":"failed"' out
	[ "$(listed)" -eq 0 ]
	run -0 --separate-stderr bk-lease --name app --wait 0s "$S" -- true
}

@test "a run that is killed tells nothing but the ledger; the lease lapses" {
	mkfifo before go
	bg bk-run app > out
	read -r _ < before
	pkill -KILL -P "$(pgrep -P "${pids[0]}" -x bk-lease)"
	rc=0; wait "${pids[0]}" || rc=$?
	[ "$rc" -eq 65 ]
	grep -q 'the run was killed by signal 9' told
	[ "$(tail -n 1 state/ledger | grep -c '"event":"failed"')" -eq 1 ]
	run -0 --separate-stderr bk-lease --name app --wait 0s "$S" -- true
}

@test "a store that cannot be had: the job fails, and says why" {
	sed -i 's|lease = "one"|lease = "none"|; 1i store "none" { url = "file:///bk-no-such-directory" }' bk.conf
	run -66 --separate-stderr bk-run app
	[[ $output == *'"outcome":"failed"'*"bk-no-such-directory"* ]]
	[ "$(listed)" -eq 0 ]
}
