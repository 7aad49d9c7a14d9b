/*
 * Reader of pg_dump's custom format, as the bytes pass, in constant memory
 * but for one bit per object that has data.
 */
#ifndef BK_PGARCHIVE_H
#define BK_PGARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault.h"

#define BK_PG_TEXT 256		/* longer texts of an entry are cut */

/* What is used of an entry of the contents; texts are "" where absent. */
struct bk_pgentry {
	int64_t id;
	bool data;			/* a block of data follows for it */
	char tag[BK_PG_TEXT];		/* the object's name */
	char desc[BK_PG_TEXT];		/* "TABLE DATA", "EXTENSION", ... */
	char owner[BK_PG_TEXT];
};

/* Called for each entry.  0 to go on, or -1 with ${f} set. */
typedef int bk_pgentry_fn(void *arg, const struct bk_pgentry *e,
    struct bk_fault *f);

struct bk_pgarchive;

/* A reader; ${fn} may be NULL.  NULL with ${f} set where memory runs out. */
struct bk_pgarchive *bk_pgarchive_new(bk_pgentry_fn *fn, void *arg,
    struct bk_fault *f);
void bk_pgarchive_free(struct bk_pgarchive *a);

/* Take bytes.  0, or -1 with ${f} set (65): this is no such archive. */
int bk_pgarchive_write(struct bk_pgarchive *a, const void *p, size_t n,
    struct bk_fault *f);

/* The contents have been read to their end. */
bool bk_pgarchive_listed(const struct bk_pgarchive *a);

/* A version that this reader does not know: nothing more is looked at. */
bool bk_pgarchive_unknown(const struct bk_pgarchive *a);

/*
 * The bytes ended here.  0 where every entry that has data had its block and
 * its end was seen, or the version is unknown; -1 with ${f} set (65).
 */
int bk_pgarchive_finish(const struct bk_pgarchive *a, struct bk_fault *f);

#endif
