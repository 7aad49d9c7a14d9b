/*
 * PostgreSQL's log, as a server or a store gives it: names and keys (first
 * byte 'k'), else segments.  What is told must not depend on where the bytes
 * are cut into pieces; a key that is taken apart is made again.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "walread.h"

static int
count(void *arg, const struct bk_wal_event *e, struct bk_fault *f)
{
	(void)f;
	FUZZ_CHECK(e->end > e->lsn);
	FUZZ_CHECK(memchr(e->point, '\0', sizeof(e->point)) != NULL);
	*(uint64_t *)arg += e->lsn + (uint64_t)e->time;
	return 0;
}

/* What was told, as one number. */
static uint64_t
segment(const uint8_t *p, size_t n, size_t piece, uint64_t *end)
{
	uint64_t told = 0;
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_wal_reader *r = bk_wal_reader_new(count, &told, &f);
	int rc = 0;

	for (; rc == 0 && n > 0; p += piece, n -= piece)
		rc = bk_wal_reader_write(r, p, piece = piece < n ? piece : n, &f);
	FUZZ_CHECK(rc == 0 || f.status == BK_DATA);
	*end = bk_wal_reader_end(r);
	bk_wal_reader_free(r);
	return told;
}

static void
key(const char *text)
{
	struct bk_buf b = BK_BUF_INIT(BK_KEY_MAX);
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_wal_name n;
	struct bk_wal_key k;
	uint64_t system;

	(void)bk_wal_system_parse(text, &system);
	(void)bk_wal_leaf_parse(text, &k);
	if (bk_wal_name_parse(text, &n))
		FUZZ_CHECK(strcmp(n.file, text) == 0);
	if (strlen(text) <= BK_KEY_MAX && bk_wal_key_parse(text, "app", &k)) {
		FUZZ_CHECK(bk_wal_key(&b, "app", &k, &f) == 0);
		FUZZ_CHECK(strcmp(b.p, text) == 0);
	}
	bk_buf_release(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	uint64_t whole, end, cut;
	char *text;

	if (n > 0 && p[0] == 'k') {
		if ((text = malloc(n)) == NULL)
			return 0;
		memcpy(text, p + 1, n - 1);
		text[n - 1] = '\0';
		key(text);
		free(text);
		return 0;
	}
	whole = segment(p, n, n > 0 ? n : 1, &end);
	FUZZ_CHECK(segment(p, n, 7, &cut) == whole);
	FUZZ_CHECK(cut == end);
	return 0;
}
