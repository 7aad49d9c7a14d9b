/*
 * What an incremental dump is an increment of: the newest good backup of the
 * name, in all the stores, whose state this host holds.
 */
#ifndef BK_FILESPARENT_H
#define BK_FILESPARENT_H

#include <jansson.h>

#include "engine.h"
#include "hash.h"
#include "ulid.h"

/* full-every: so long, or so many increments; 0: never. */
struct bk_full_every {
	int64_t ms;
	long long n;
};

struct bk_parents;			/* the backups of one name */

/* "7d" or "20".  0 or -1 (64). */
int bk_full_every_parse(const char *s, struct bk_full_every *e,
    struct bk_fault *f);

/*
 * Read the backups ${name} of the stores of ${req} by bk-list.  ${source} and
 * ${selection} (may be NULL) are what a parent must have as well.  NULL with
 * ${f} set: bk-list's status.
 */
struct bk_parents *bk_parents_read(const struct bk_dump_req *req,
    const char *name, const json_t *source, const char *selection,
    struct bk_fault *f);

/* Does, or may, a record name the state ${hash}?  ${p} is a struct bk_parents. */
bool bk_parents_name(const void *p, const char *hash);

/*
 * The next candidate, newest first: 0 with its ${id}, the ${hash} of its
 * state and the ${level} that its increment has; 1 where there is none (a
 * full backup is due), and then ${why}; -1.
 */
int bk_parents_next(struct bk_parents *p, const char *dir,
    const struct bk_full_every *every, char id[BK_ULID_LEN + 1],
    char hash[BK_SHA256_HEX], int *level, struct bk_buf *why,
    struct bk_fault *f);

/* How many backups of the name there are. */
size_t bk_parents_count(const struct bk_parents *p);

void bk_parents_free(struct bk_parents *p);

#endif
