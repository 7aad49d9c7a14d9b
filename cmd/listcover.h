/* bk-list --recoverable: which moments can be restored. */
#ifndef BK_LISTCOVER_H
#define BK_LISTCOVER_H

#include <stdbool.h>

#include "fault.h"
#include "store.h"

/*
 * Print the intervals of ${name}, or of all names where it is NULL: as a
 * table, as JSON lines, with ${end} and an end line.  What was found is the
 * answer: ${f} is set to 1 where no moment can be restored.
 */
void bk_list_cover(struct bk_store *s, const char *name, bool table, bool end,
    struct bk_fault *f);

#endif
