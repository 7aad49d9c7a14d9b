/*
 * List snapshots: .bk/list/<ulid>.json holds the records known when it was
 * made, so that a list of thousands needs few requests (DESIGN, 5).  Lines:
 *
 *   {"bk":"list/1","time":"…"}
 *   {"notes":["<ulid>",…],"record":{…}}      one for each backup
 *   {"end":"ok","records":N}
 *
 * A line stands for the manifest of its record's name and id and for exactly
 * these notes.  It is a cache: what is listed is told by the keys alone.
 */
#ifndef BK_SNAPSHOT_H
#define BK_SNAPSHOT_H

#include "ctx.h"
#include "entry.h"
#include "store.h"

#define BK_SNAPSHOTS ".bk/list/"
#define BK_SNAPSHOT_MIN 8		/* so few are fetched one by one */

/*
 * A record of the snapshot and what it stands for: ${notes} is an array of
 * texts.  ${rec} is the callee's to move.  0, or -1 with ${f} set.
 */
typedef int bk_snapshot_fn(void *arg, struct bk_record *rec,
    const json_t *notes, struct bk_fault *f);

/*
 * The text of one line, before it is parsed.  0: that was all; 1: it is to be
 * parsed and given to the other; -1 with ${f} set.
 */
typedef int bk_snapshot_line_fn(void *arg, const char *line, size_t n,
    struct bk_fault *f);

/*
 * Give each record of the newest snapshot to ${fn}, after its line to ${skim}
 * where that is not NULL.  0, also where there is no snapshot, or it is
 * damaged and ends early (logged at debug level); -1 with ${f} set by ${fn},
 * or by a store that does not answer.
 */
int bk_snapshot_read(const struct bk_ctx *ctx, struct bk_store *s,
    bk_snapshot_fn *fn, bk_snapshot_line_fn *skim, void *arg,
    struct bk_fault *f);

/*
 * Write a snapshot of the whole set and remove the older ones but for the
 * last, which a reader may have in hand.  0 or -1.
 */
int bk_snapshot_write(const struct bk_ctx *ctx, struct bk_store *s,
    struct bk_fault *f);

#endif
