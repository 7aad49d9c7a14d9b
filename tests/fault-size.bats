load helper

# Memory is the same whatever the size (beyond 4 GiB: extended/huge.bats).

setup() {
	own_store
	# Run a pipeline of commands, each a line of standard input; print the
	# peak of each in KiB, and fail if one fails.
	cat > peaks <<-'END'
	import os, shlex, subprocess, sys
	last, stages = None, []
	for line in sys.stdin:
	    p = subprocess.Popen(shlex.split(line), stdin=last or subprocess.DEVNULL, stdout=subprocess.PIPE)
	    if last:
	        last.close()
	    last = p.stdout
	    stages.append(p)
	open("out", "wb").write(last.read())
	for p in stages:
	    _, status, use = os.wait4(p.pid, 0)
	    if status:
	        sys.exit("%s: %d" % (p.args[0], status))
	    print(p.args[0], use.ru_maxrss)
	END
}

# All stages of both ways with a payload of $1 bytes; their peaks.
both_ways() {
	python3 peaks <<-END
	bk-dump --name app fake:?bytes=$1&text=1
	bk-compress $2 --threads 2
	bk-pipe --ext x -- cat
	bk-put $S
	END
	head -n 1 out > record
	python3 peaks <<-END
	cat record
	bk-get --raw
	END
	python3 peaks <<-END
	bk-get $S --name app --latest
	bk-restore --into fake:?bytes=$1&text=1 --undo .x=cat
	END
	python3 peaks <<-END
	bk-dump fake:?bytes=$1&text=1
	bk-compress $2 --threads 2
	bk-compress -d --threads 2
	bk-restore --into fake:?bytes=$1&text=1
	END
	rm -rf store/app store/.bk out
}

@test "48 MiB or 480 MiB: each stage takes the same memory" {
	case $B in *-address*) skip "a sanitizer's memory is its own" ;; esac
	for codec in "--gzip" "--zstd"; do
		both_ways $((48 << 20)) "$codec" > small
		both_ways $((480 << 20)) "$codec" > large
		paste small large
		[ "$(wc -l < small)" -ge 10 ]
		paste small large | while read -r a x b y; do
			[ "$a" = "$b" ]
			[ "$y" -lt $((x + 6144)) ] || { echo "$codec: $a grows from $x to $y KiB"; exit 1; }
		done
	done
}
