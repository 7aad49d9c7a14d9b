/*
 * What must be in a store before a backup can be listed there (DESIGN, 5): the
 * end line's "requires", key prefixes of write-ahead log,
 * "<name>/wal/<system>/<timeline>/<file>-", each of which some key must match.
 */
#ifndef BK_REQUIRES_H
#define BK_REQUIRES_H

#include <jansson.h>

#include "buf.h"
#include "ctx.h"
#include "fault.h"
#include "store.h"

struct bk_requires;

/*
 * Of ${requires}, for a backup of ${name}, both borrowed.  *${n} is NULL where
 * nothing is required.  0, or -1 with ${f} set (65): no list of such prefixes,
 * or of another name's log.
 */
int bk_requires_new(const json_t *requires, const char *name,
    struct bk_requires **n, struct bk_fault *f);
void bk_requires_free(struct bk_requires *n);

/*
 * Is all of it in ${s}?  1; 0 with *${missing} (borrowed) the first that is
 * not; -1.  What was found once is not looked for again, unless ${anew}.
 */
int bk_requires_look(struct bk_requires *n, struct bk_store *s, bool anew,
    const char **missing, struct bk_fault *f);

/*
 * Wait for it, up to ${ms}.  0, or -1 with ${f} set: 65, one that is missing
 * named, or "stopped" (see struct bk_ctx).
 */
int bk_requires_wait(const struct bk_ctx *ctx, struct bk_requires *n,
    struct bk_store *s, int64_t ms, struct bk_fault *f);

#endif
