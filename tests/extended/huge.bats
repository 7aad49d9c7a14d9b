load ../helper

# Nothing breaks where a count no longer fits 32 bits.  Wants a minute, and
# 5 GB below the temporary directory.

setup() {
	own_store
}

@test "more than 4 GiB, by gzip and by zstd, by bk and by the standard tools" {
	n=4500000000
	for codec in gzip zstd; do
		bk-dump --name "$codec" --ext zeros exec: -- head -c $n /dev/zero | bk-compress "--$codec" -1 | bk-put "$S" > rec
		[[ $(cat rec) == *"\"bytes\":$n"* ]]
		head -n 1 rec | bk-get --raw | "$codec" -dc | cmp - <(head -c $n /dev/zero)
		head -n 1 rec | bk-get --raw --decode | cmp - <(head -c $n /dev/zero)
	done
}

@test "a stored file of more than 4 GiB, fetched whole, restored and compared" {
	bk-dump --name raw 'fake:?bytes=4400000000' | bk-put "$S" > rec
	[[ $(cat rec) == *'"bytes":4400000000'* ]]
	[ "$(stat -c %s store/raw/*)" -eq 4400000000 ]
	head -n 1 rec | bk-restore --into 'fake:?bytes=4400000000'
}
