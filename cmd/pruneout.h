/* What bk-prune prints: lines gathered, so that a long plan is few writes. */
#ifndef BK_PRUNEOUT_H
#define BK_PRUNEOUT_H

#include <jansson.h>
#include <stdbool.h>

#include "walprune.h"

/* One line of JSON; takes the reference of ${o}, which may be NULL.  0 or -1. */
int bk_pruneout_line(json_t *o, struct bk_fault *f);

/* What goes of a log, as a line of JSON or for a person.  0 or -1. */
int bk_pruneout_log(bool json, const struct bk_wal_gone *g,
    struct bk_fault *f);

/* Write what was gathered.  0 or -1 (74). */
int bk_pruneout_flush(struct bk_fault *f);
void bk_pruneout_release(void);

#endif
