/*
 * The rule that bk-prune last applied to a name: .bk/rule/<name>.json,
 * {"bk":"rule/1","name","keep":[words],"tz":"…","time":"…"}.  By it others
 * compute the marks of section 8 (DESIGN).
 */
#ifndef BK_RULE_H
#define BK_RULE_H

#include "ctx.h"
#include "policy.h"
#include "store.h"

/* Write it, where it is not the one that is there.  0 or -1. */
int bk_rule_write(const struct bk_ctx *ctx, struct bk_store *s,
    const char *name, const struct bk_policy *policy, struct bk_fault *f);

/*
 * Read it into ${policy} (release it in each case): 0, BK_ABSENT, or -1 with
 * ${f} set (65: it is damaged).
 */
int bk_rule_read(struct bk_store *s, const char *name,
    struct bk_policy *policy, struct bk_fault *f);

#endif
