/*
 * Completeness marks of a SQLite file (sqlite.org/fileformat2.html, 1.3): the
 * header's page size times its number of pages is the length of the file.
 * The number counts only where the change counter (24) equals the "version
 * valid for" number (92); a SQLite older than 3.7.0 leaves it wrong.  The
 * length is then at least whole pages, which proves little.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "marks.h"

struct lite_marks {
	struct bk_marks m;
	uint8_t head[100];
	uint64_t bytes;
};

static uint32_t
be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static int
lite_write(struct bk_marks *m, const void *p, size_t n, struct bk_fault *f)
{
	static const char magic[] = "SQLite format 3";
	struct lite_marks *k = (struct lite_marks *)m;
	size_t want = k->bytes < sizeof(k->head) ?
	    sizeof(k->head) - (size_t)k->bytes : 0;

	if (want > 0) {
		want = want < n ? want : n;
		memcpy(k->head + k->bytes, p, want);
	}
	k->bytes += n;
	if (want > 0 && k->bytes >= sizeof(magic) &&
	    memcmp(k->head, magic, sizeof(magic)) != 0)
		return bk_fault_set(f, BK_DATA, "no SQLite database");
	return 0;
}

static int
lite_finish(struct bk_marks *m, struct bk_fault *f)
{
	struct lite_marks *k = (struct lite_marks *)m;
	uint64_t page, pages;

	if (k->bytes < sizeof(k->head))
		return bk_fault_set(f, BK_DATA, "no SQLite database");
	page = (uint64_t)k->head[16] << 8 | k->head[17];
	page = page == 1 ? 65536 : page;
	if (page < 512 || (page & (page - 1)) != 0)
		return bk_fault_set(f, BK_DATA,
		    "SQLite database with a bad page size");
	pages = be32(k->head + 28);
	if (pages == 0 || be32(k->head + 24) != be32(k->head + 92)) {
		if (k->bytes % page == 0)
			return BK_MARKS_UNKNOWN;
	} else if (pages * page == k->bytes)
		return BK_MARKS_PROVEN;
	return bk_fault_set(f, BK_DATA,
	    "SQLite database of %llu pages of %llu bytes ends after %llu bytes",
	    (unsigned long long)pages, (unsigned long long)page,
	    (unsigned long long)k->bytes);
}

static void
lite_free(struct bk_marks *m)
{
	free(m);
}

struct bk_marks *
bk_marks_sqlite(struct bk_fault *f)
{
	struct lite_marks *k = calloc(1, sizeof(*k));

	if (k == NULL) {
		bk_fault_errno(f, BK_IO, ENOMEM, "sqlite");
		return NULL;
	}
	k->m = (struct bk_marks){ lite_write, lite_finish, lite_free };
	return &k->m;
}
