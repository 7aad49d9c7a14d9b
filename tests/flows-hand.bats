# examples/flows/by-hand and to-another-host: filters put together by hand,
# here and over a real ssh.

load helper

setup() {
	own_store
	flows=$root/examples/flows
	mkdir src
	head -c 100000 /dev/urandom > src/data
	export SOURCE=files://$PWD/src BK_STORE=$S

}

teardown() {
	[ ! -s "$BATS_TEST_TMPDIR/sshd.pid" ] || kill "$(cat "$BATS_TEST_TMPDIR/sshd.pid")" || true
}

# A private sshd that knows one key; BK_SSH and TO reach it.
lab_sshd() {
	[ "$(id -u)" -eq 0 ] && [ -x /usr/sbin/sshd ] || skip "no sshd, or not root"
	local port
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	mkdir -p /run/sshd
	ssh-keygen -q -t ed25519 -N '' -f host
	ssh-keygen -q -t ed25519 -N '' -f key
	cat > sshd_config <<-END
		Port $port
		ListenAddress 127.0.0.1
		HostKey $PWD/host
		AuthorizedKeysFile $PWD/key.pub
		PidFile $PWD/sshd.pid
		StrictModes no
		UsePAM no
		PermitRootLogin yes
		SetEnv PATH=$PATH
	END
	/usr/sbin/sshd -f sshd_config -E sshd.log 3>&-
	echo "[127.0.0.1]:$port $(cat host.pub)" > known
	export BK_SSH="ssh -F none -p $port -i $PWD/key -o UserKnownHostsFile=$PWD/known"
	export TO=root@127.0.0.1
	timeout 10 sh -c "until $BK_SSH $TO true 2> ssh.err; do :; done" || { cat ssh.err sshd.log; return 1; }
}

@test "by hand: stored, told and pruned; what fails is told and stores nothing" {
	run -0 --separate-stderr "$flows/by-hand/backup" app
	[ "$(bk-list --plain "$S" | wc -l)" -eq 1 ]
	run -0 bk-restore "$S" --name app --latest --into "files://$PWD/back"
	cmp src/data back/data
	run -0 bk-fresh "$S" --name app --max-age 1h
	SOURCE=files://$PWD/none run ! "$flows/by-hand/backup" app
	[ "$(bk-list --plain "$S" | wc -l)" -eq 1 ]
	run -1 bk-fresh "$S" --name app --max-age 1h
	[[ $output == *failed* ]]
	for i in 1 2 3 4; do "$flows/by-hand/backup" app > /dev/null; done
	[ "$(bk-list --plain "$S" | wc -l)" -lt 5 ]
}

@test "another host: dumped here, stored there over ssh, and back" {
	lab_sshd
	export DIR=$PWD/store
	run -0 --separate-stderr "$flows/to-another-host/backup" app
	[ "$(bk-list --plain "$S" | wc -l)" -eq 1 ]
	$BK_SSH "$TO" bk-get "file://$DIR" --name app --latest | bk-restore --into "files://$PWD/back"
	cmp src/data back/data
	# A source that fails, and one that is killed on the way: nothing is listed.
	SOURCE=files://$PWD/none run ! "$flows/to-another-host/backup" app
	bk-dump --name app "$SOURCE" | head -c 50000 | $BK_SSH "$TO" bk-put "file://$DIR" && false
	[ "$(bk-list --plain "$S" | wc -l)" -eq 1 ]
}
