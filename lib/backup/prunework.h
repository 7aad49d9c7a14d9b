/* What the parts of a plan share: for prune.c and prune*.c. */
#ifndef BK_PRUNEWORK_H
#define BK_PRUNEWORK_H

#include "prune.h"

/* Nothing goes by this: it only tells what is good. */
extern const struct bk_policy bk_prune_everything;

/* Items, by name and id, with payloads looked for.  0 or -1. */
int bk_prune_gather(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_prune_req *req, struct bk_prune *p, struct bk_fault *f);

/* The rule that ${it} goes by. */
const struct bk_policy *bk_prune_rule(const struct bk_prune *p,
    const struct bk_prune_item *it);

/*
 * Before the gathering: group runs, the names that stand in them with those of
 * ${only} (NULL: all names are concerned), and the rules of these.  0 or -1.
 */
int bk_prune_others(const struct bk_ctx *ctx, struct bk_store *s,
    struct bk_prune *p, struct bk_fault *f);

/* After it, with bk_prune_find in order: the runs that are whole.  0 or -1. */
int bk_prune_runs(struct bk_prune *p, struct bk_fault *f);

/*
 * Where ids were chosen by hand: no run breaks apart, and the newest good one
 * of each group stays.  Did that change any?
 */
bool bk_prune_guard_runs(struct bk_prune *p);

void bk_prune_group_release(struct bk_prune *p);

#endif
