/*
 * A plan as a table for a person.
 */
#ifndef BK_PRUNETABLE_H
#define BK_PRUNETABLE_H

#include "buf.h"
#include "prune.h"

/*
 * Append one line for each record (with ${asked}: only of those asked for),
 * and one with the sums.  0 or -1.
 */
int bk_prune_table(const struct bk_prune *p, bool asked, struct bk_buf *out,
    struct bk_fault *f);

#endif
