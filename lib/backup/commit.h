/*
 * Storing a backup (DESIGN, 5): payload first, manifest last and created
 * only.  The same id and manifest go to every store of one bk-put.
 */
#ifndef BK_COMMIT_H
#define BK_COMMIT_H

#include <jansson.h>
#include <stdbool.h>

#include "ctx.h"
#include "record.h"
#include "store.h"

#define BK_COMMIT_ORPHAN 1

struct bk_commit;			/* one backup on its way into one store */

/* Fixed once the header was read; the same for all stores. */
struct bk_commit_plan {
	char id[BK_ULID_LEN + 1];
	int64_t time;			/* ms; corrected by the clock of the first store */
	int64_t clock_offset;		/* ms, 0 where it is within 5 minutes */
	int64_t finished;		/* ms; set by the caller once the input ended */
	json_t *header;			/* the stream's, borrowed */
	/*
	 * Asked before the payload is committed and again just before the
	 * manifest: -1 with ${f} set ends it.  NULL: nobody is asked.
	 */
	int (*guard)(void *arg, struct bk_fault *f);
	void *guard_arg;
	int64_t require_ms;		/* how long to wait for "requires" */
};

/*
 * Decide id and time from ${header} and the clock of ${first}; warns where
 * clocks are more than 5 minutes apart.  With ${exact} the header's time is
 * what the user says it is, and only the id is corrected.  0 or -1.
 */
int bk_commit_plan(const struct bk_ctx *ctx, struct bk_store *first,
    json_t *header, bool exact, struct bk_commit_plan *plan,
    struct bk_fault *f);

/*
 * Begin in one store.  ${max_bytes} 0: unknown.  NULL with ${f} set: 65 where
 * the header names a parent that the store has not.
 */
struct bk_commit *bk_commit_begin(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_commit_plan *plan, uint64_t max_bytes, struct bk_fault *f);

/* Payload as it is to be stored.  0 or -1. */
int bk_commit_write(struct bk_commit *c, const void *p, size_t n,
    struct bk_fault *f);

/*
 * After the stream's end ${end} was read as "ok": commit payload, then write
 * the manifest only if absent.  On 0 the backup is listed and ${rec} is its
 * record with "store".  On -1 nothing is listed: refused later than 6 days
 * after the id (65), where the parent has gone, or where what the end line
 * requires (requires.h) did not come in time (65); a manifest write whose reply
 * was lost is looked up.  BK_COMMIT_ORPHAN with ${f} set (65), and no ${rec}:
 * it is listed, but either of those went meanwhile, and it is suspect.
 * ${sha256} is the hexadecimal digest of all bytes written, taken by the
 * caller once for all stores.
 */
int bk_commit_finish(struct bk_commit *c, const json_t *end,
    const char *sha256, struct bk_record *rec, struct bk_fault *f);

/* Drop what is stored so far, if it was not finished.  Accepts NULL. */
void bk_commit_free(struct bk_commit *c);

#endif
