load helper

# complete_words WORD...: what completion offers for the last of them
complete_words() {
	# shellcheck disable=SC1091
	. "$root/examples/completion.bash"
	COMP_WORDS=("$@")
	COMP_CWORD=$(($# - 1))
	COMPREPLY=()
	_bk
	printf '%s\n' "${COMPREPLY[@]}"
}

offers() {
	grep -qxF -e "$1" <<< "$output" && return 0
	printf "not offered: %s\n" "$1"
	return 1
}

@test "every program is completed, with each option of its --help" {
	. "$root/examples/completion.bash"
	for p in "$B"/bin/bk*; do
		p=${p##*/}
		run -0 complete -p "$p"
		run -0 complete_words "$p" -
		for o in $("$p" --help | sed -n 's/^  .*\(--[a-z0-9-]*\).*/\1/p'); do
			offers "$o" || offers "$o="
		done
	done
}

@test "the words of bk are its programs" {
	run -0 complete_words bk ''
	for p in "$B"/bin/bk-*; do
		offers "${p##*/bk-}"
	done
	offers backup
	run -0 complete_words bk rest
	[ "${lines[*]}" = "restore restore-job" ]
	run -0 complete_words bk backup --zs
	[ "$output" = --zstd ]
	run -0 complete_words bk restore --la
	[ "$output" = --latest ]
}

@test "the jobs of the schedule file" {
	cd "$BATS_TEST_TMPDIR"
	printf 'job "app" {\n}\n  job "other.one" { }\n# job "no"\n' > bk.conf
	export BK_CONF=$PWD/bk.conf
	for words in 'bk backup' 'bk restore' 'bk status' 'bk-doctor' 'bk-run'; do
		# shellcheck disable=SC2086
		run -0 complete_words $words ''
		offers app && offers other.one
		run ! offers no
	done
	run -0 complete_words bk-dump ''
	run ! offers app
}

@test "an option's argument is no option" {
	run -0 complete_words bk-put --tag ''
	[ -z "$output" ]
	run -0 complete_words bk-put -t ''
	[ -z "$output" ]
	run -0 complete_words bk-put --create ''
	offers file://
	run -0 complete_words bk-restore --into post
	[ "$output" = postgres:// ]
	mkdir "$BATS_TEST_TMPDIR/dir"
	run -0 complete_words bk-restore --spool "$BATS_TEST_TMPDIR/d"
	[ "$output" = "$BATS_TEST_TMPDIR/dir" ]
}

@test "behind -- stand commands" {
	run -0 complete_words bk-pipe --ext xz -- gunz
	offers gunzip
}
