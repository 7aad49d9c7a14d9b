/*
 * Marks of records in a list (DESIGN, 8): hourly, daily, weekly, monthly,
 * yearly.  Computed when listing, never stored; a record shows them in
 * "marks", an array of those words.
 */
#ifndef BK_LISTMARKS_H
#define BK_LISTMARKS_H

#include "ctx.h"
#include "list.h"
#include "policy.h"
#include "store.h"

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
