/*
 * Marks of records in a list (DESIGN, 8): hourly, daily, weekly, monthly,
 * yearly.  Computed when listing, never stored; a record shows them in
 * "marks", an array of those words.
 */
#ifndef BK_MARKS_H
#define BK_MARKS_H

#include "ctx.h"
#include "list.h"
#include "policy.h"
#include "retain.h"
#include "store.h"

/* "hourly" ... "yearly": the period, or BK_LAST for any other word. */
enum bk_period bk_mark_period(const char *word);

/* Is ${rec} marked so? */
bool bk_marked(const struct bk_record *rec, enum bk_period p);

/*
 * What retention wants to know of ${rec}; borrows its texts.  The payload is
 * taken to be there, and "source" is left out.
 */
struct bk_retain_in bk_retain_of(const struct bk_record *rec);

/*
 * Set "marks" in each record of ${l}, which must hold all of each name in it
 * and is sorted by name.  By the cycle of ${policy}, else by the rule that
 * ${s} has for the name if that knows periods, else the first good record of
 * each; in the zone of ${policy}, else of the rule, else in UTC.  ${policy}
 * may be NULL.  0 or -1.
 */
int bk_marks_set(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_policy *policy, struct bk_list *l, struct bk_fault *f);

#endif
