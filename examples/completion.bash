# Bash completion for bk and all bk-* programs.  Options come from the --help
# of the program itself, so that they are always those of what is installed.

# _bk_options COMMAND...: the options in its --help, with "=" behind those
# whose argument may be left out
_bk_options() {
	"$@" --help 2>/dev/null |
	    sed -n 's/^  .*\(--[a-z0-9-]*\)\(\[=\)\{0,1\}.*/\1\2/p; s/^  \(-[a-zA-Z]\), --.*/\1/p' |
	    tr -d '['
}

# Does option $1 of the rest take an argument?
_bk_wants_arg() {
	local option=$1
	shift
	"$@" --help 2>/dev/null | grep -qE -e \
	    "^  (-., |    )$option [A-Z.]|^  $option, --[a-z0-9-]+ [A-Z.]"
}

# The words of bk: those that it has itself, and the programs beside it.
_bk_words() {
	local p
	printf '%s\n' backup help
	for p in "$(dirname "$(type -P "${1:-bk}")")"/bk-*; do
		[ -x "$p" ] && printf '%s\n' "${p##*/bk-}"
	done
}

_bk_urls() {
	case $1 in
	bk-dump) echo postgres:// mysql:// mariadb:// sqlite:// redis:// files:// exec: ;;
	into) echo postgres:// mysql:// mariadb:// sqlite:// redis:// files:// exec: fake: ;;
	*) echo file:// s3:// ;;
	esac
}

# The jobs of the schedule file, for what takes the name of one.
_bk_jobs() {
	case $1 in
	bk-backup | bk-doctor | bk-restore | bk-restore-job | bk-run | bk-start | bk-status) ;;
	*) return ;;
	esac
	sed -n 's/^[[:space:]]*job[[:space:]]*"\([A-Za-z0-9._-]*\)".*/\1/p' \
	    "${BK_CONF:-/etc/bk/bk.conf}" 2>/dev/null
}

_bk() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	local program=${COMP_WORDS[0]} name i
	local command=("$program")

	# A word of bk is the program of that name.
	name=${program##*/}
	if [ "$name" = bk ]; then
		if [ "$COMP_CWORD" -eq 1 ] && [[ $cur != -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$(_bk_words "$program")" -- "$cur")
			return
		fi
		if [ "$COMP_CWORD" -gt 1 ]; then
			name=bk-${COMP_WORDS[1]}
			command=("$program" "${COMP_WORDS[1]}")
		fi
		if [ "$name" = bk-help ]; then
			mapfile -t COMPREPLY < <(compgen -W "$(_bk_words "$program")" -- "$cur")
			return
		fi
	fi
	# Behind "--" stands the command or the options of another program.
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [ "${COMP_WORDS[i]}" = -- ]; then
			mapfile -t COMPREPLY < <(compgen -c -- "$cur"; compgen -f -- "$cur")
			return
		fi
	done
	case $prev in
	--into)
		mapfile -t COMPREPLY < <(compgen -W "$(_bk_urls into)" -- "$cur")
		return
		;;
	--temp-dir | --spool)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	--order-by)
		mapfile -t COMPREPLY < <(compgen -W 'time id bytes tag:' -- "$cur")
		return
		;;
	--source-env)
		mapfile -t COMPREPLY < <(compgen -e -- "$cur")
		return
		;;
	-?*)
		if _bk_wants_arg "$prev" "${command[@]}"; then
			COMPREPLY=()
			return
		fi
		;;
	esac
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_bk_options "${command[@]}")" -- "$cur")
	elif [ "$name" = bk-watch ] || [ "$name" = bk-spool ] && [[ $cur != *: ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
	else
		mapfile -t COMPREPLY < <(compgen -W "$(_bk_urls "$name"; _bk_jobs "$name")" -- "$cur")
	fi
	# URLs and "--name=" go on.
	case ${COMPREPLY[0]-} in *:// | *: | *=) compopt -o nospace 2>/dev/null ;; esac
}

complete -F _bk bk
for _bk_program in "$(dirname "$(type -P bk)")"/bk-*; do
	complete -F _bk "${_bk_program##*/}"
done
unset _bk_program
