load helper

setup() {
	cd "$BATS_TEST_TMPDIR" || exit
	mkdir bin
	PATH=$PWD/bin:$PATH
	export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b \
	    GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
}

end() { tail -n 1 "$1" | LC_ALL=C sed 's|.*{"end"|{"end"|'; }

# A plug-in bk-engine-toy of these cases.
toy() {
	printf '#!/bin/sh\ncase $1 in\n%s\n*) exit 64 ;;\nesac\n' "$1" > bin/bk-engine-toy
	chmod +x bin/bk-engine-toy
}
described="describe) echo '{\"ext\":\"toy\",\"source\":{\"path\":\"/x\"}}' ;;"

@test "the worked example: a git repository there and back" {
	cp "$root/examples/bk-engine-git" bin/
	git init -q repo
	( cd repo && echo a > f && git add f && git commit -qm one && git tag v1 &&
	    git checkout -qb side && echo b > f && git commit -qam two )
	bk-dump "git://$PWD/repo" | bk-compress > s
	head -n 1 s | grep -q '"name":"repo","engine":"git","ext":"bundle"'
	bk-restore --into "git://$PWD/copy.git" < s
	[ "$(git -C repo for-each-ref)" = "$(git --git-dir=copy.git for-each-ref)" ]
	run -73 --separate-stderr bash -c "bk-restore --into git://$PWD/copy.git < s"
	said --replace
	echo mine > copy.git/mine
	bk-restore --replace --yes --into "git://$PWD/copy.git" < s
	[ "$(cat copy.git.old-*/mine)" = mine ]
	[ ! -e copy.git/mine ]
	[ -z "$(find . -maxdepth 1 -name '.*.bk-*')" ]
}

@test "the worked example: what fails, and how" {
	cp "$root/examples/bk-engine-git" bin/
	run -66 --separate-stderr bash -c "bk-dump git://$PWD/none > s"
	said "does not exist"
	mkdir empty
	run -65 --separate-stderr bash -c "bk-dump git://$PWD/empty > s"
	run -64 --separate-stderr bash -c "bk-dump git:relative > s"
	bk-dump exec: --as git --ext bundle -- echo 'no bundle' > s
	run -65 --separate-stderr bash -c "bk-restore --into git://$PWD/new.git < s"
	said "does not look like a v2 or v3 bundle"
	[ ! -e new.git ] && [ -z "$(find . -maxdepth 1 -name ".*.bk-*")" ]
}

@test "statuses of a plug-in become those of the pipeline" {
	for s in 64 66 69 73 74 75 77 78; do
		toy "describe) echo why not >&2; exit $s ;;"
		plain "bk-dump toy:x | bk-compress > out"
		[ "$status" -eq $s ]
		said "why not"
		toy "$described
		    dump) exit $s ;;"
		plain "bk-dump toy:x | bk-compress > out"
		[ "$status" -eq $s ]
	done
	toy "$described
	    dump) echo x; exit 69 ;;"
	plain "bk-dump toy:x | bk-compress > out"
	[ "$status" -eq 65 ]
	toy "describe) exit 3 ;;"
	run -65 --separate-stderr bash -c "bk-dump toy:x > out"
}

@test "a description that is none: 65" {
	for d in '' 'no json' '{"ext":"toy"}' '{"ext":"NO","source":{"a":"b"}}' \
	    '{"name":"/","source":{"a":"b"}}' '{"source":"x"}'; do
		toy "describe) echo '$d' ;;
		    dump) echo x ;;"
		run -65 --separate-stderr bash -c "bk-dump toy:x > out"
		said "bk-engine-toy describe"
		[ "$(wc -l < out)" -eq 1 ]
	done
}

@test "only the named variable reaches it, and it is in no argument" {
	toy "$described
	    dump) cat /proc/\$\$/environ /proc/\$\$/cmdline | tr '\\0' '\\n' ;;"
	MY_PW=s3cr3t OTHER=canary bk-dump toy:x --source-env MY_PW -- word |
	    python3 "$root/tests/mkstream.py" --payload > seen
	grep -q '^MY_PW=s3cr3t$' seen
	[ "$(grep -c s3cr3t seen)" -eq 1 ]
	run ! grep -q canary seen
	grep -qx word seen
}

@test "it restores from a verified file only" {
	toy "$described
	    dump) head -c 2000000 /dev/zero ;;
	    restore) [ \$2 = --check ] || cat > '$PWD/got' ;;"
	bk-dump toy:x > s
	head -c 1500000 s > cut
	run -65 bk-restore --into toy:y < cut
	[ ! -e got ]
	bk-restore --into toy:y < s
	[ "$(stat -c %s got)" -eq 2000000 ]
	run -64 --separate-stderr bash -c "bk-dump fake: | bk-restore --into toy:y"
	said "cannot take what engine 'fake' made"
}

@test "a scheme without its plug-in names what there is" {
	run -64 --separate-stderr bash -c "bk-dump nosuch:x > out"
	for e in postgres mysql sqlite files exec fake; do said "$e, "; done
	said bk-engine-NAME
}
