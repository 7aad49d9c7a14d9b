# What freshness answers; loaded by the files that ask it.  $S is the store.

# put_at TIME: a backup of that time, accepted as good
put_at() {
	echo "data of $1" | bk-put --raw --name app --engine fake --ext bin \
	    --time "$1" "$S" | bk-tag --good > /dev/null
}

ago() {
	date -u -d "-$1" +%Y-%m-%dT%H:%M:%SZ
}

# fresh STATUS STATE [OPTION...]: what it must answer
fresh() {
	run -"$1" --separate-stderr bk-fresh -n app --max-age "${limit:-26h}" "${@:3}" "$S"
	[ "$(field state)" = "$2" ]
	if [ "$1" -eq 0 ]; then
		[ -z "$stderr" ]
	else
		said "$(field text)"
	fi
}

field() {
	python3 -c 'import json, sys
for k in sys.argv[2:]:
    o = json.loads(sys.argv[1])[k]
print(o)' "$output" "$1"
}
