# What the program tests share; loaded by every .bats file.
bats_require_minimum_version 1.5.0

root=$(cd "$BATS_TEST_DIRNAME" && while [ ! -f Makefile ]; do cd ..; done; pwd)
: "${B:=$root/build}"
case $B in /*) ;; *) B=$root/$B ;; esac
PATH=$B/bin:$PATH
export PATH B
export PYTHONDONTWRITEBYTECODE=1	# a test leaves the tree as it was
unset BK_STORE BK_LOG BK_LOGLEVEL "${!BK_TAG_@}" PGPASSWORD MYSQL_PWD
export TZ=Pacific/Kiritimati		# far from UTC: no result may depend on it

# Standard error holds this text.
said() {
	case $stderr in *"$1"*) return 0 ;; esac
	printf 'standard error lacks: %s\nit was: %s\n' "$1" "$stderr"
	return 1
}

# Standard error is one line.
one_line() {
	[ "$(printf '%s\n' "$stderr" | grep -c .)" -eq 1 ] && return 0
	printf 'not one line: %s\n' "$stderr"
	return 1
}

# Go to the test's directory, with a file store of its own: store/, ${S}.
own_store() {
	cd "$BATS_TEST_TMPDIR" && mkdir store || return
	S=file://$PWD/store
	export S root
}

# No manifest in the file store.
nothing_listed() {
	[ -z "$(find "$1/.bk/manifest" -name '*.json' 2>/dev/null)" ]
}

# Run a pipeline as a shell without pipefail does.
plain() {
	run --separate-stderr sh -c "$1"
}

# Set ${pub} to a new directory that others can reach, and ${as} to a prefix
# that drops root's rights (empty for others); the test removes ${pub}.
as_other() {
	pub=$(mktemp -d /tmp/bk-test-XXXXXX) as=
	chmod 755 "$pub"
	[ "$(id -u)" = 0 ] || return 0
	as="setpriv --reuid=65534 --regid=65534 --clear-groups"
	$as test -x "$B/bin/bk-dump" || skip "others cannot reach the programs"
}

# Let ${1} hours pass for all tombstones.
hours_pass() {
	python3 - "$1" <<'PY'
import datetime, glob, json, sys
for name in glob.glob("store/.bk/deleted/*/*.json"):
    o = json.load(open(name))
    t = datetime.datetime.fromisoformat(o["deleted"].replace("Z", "+00:00"))
    t -= datetime.timedelta(hours=float(sys.argv[1]))
    o["deleted"] = t.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    json.dump(o, open(name, "w"))
PY
}

# killed N COMMAND...: run it, killed before its Nth change of a file store.
# Status 0: it came to its end, having made fewer.
killed() {
	local n=$1 calls=unlinkat,linkat,renameat2,mkdirat
	shift
	command -v strace > /dev/null || skip "strace is not installed"
	strace -f -o /dev/null -e trace="$calls" -e inject="$calls:signal=KILL:when=$n" "$@" > out 2>&1
}
