/* What the two halves of the ledger share. */
#ifndef BK_LEDGERFILE_H
#define BK_LEDGERFILE_H

#include <limits.h>

#include "buf.h"
#include "ledger.h"

/* "STATE/NAME"; 0 or -1. */
int bk_ledger_path(const char *state, const char *name, char out[PATH_MAX],
    struct bk_fault *f);

/*
 * The lines of the ledger at ${path} that the states of its jobs are made
 * of, in their order, to ${out}.  0 or -1.
 */
int bk_ledger_keep(const char *path, struct bk_buf *out, struct bk_fault *f);

#endif
