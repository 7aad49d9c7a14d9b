/* bk-put --group-end: the last object of a group run. */
#ifndef BK_GROUPEND_H
#define BK_GROUPEND_H

#include "io.h"
#include "store.h"

/*
 * Read the records of the members from ${r} and end run ${run} of ${group} in
 * each of the stores that has them all.  0 if all have; else -1 with ${f}
 * set to the first fault.
 */
int bk_groupend(const char *group, const char *run, struct bk_rbuf *r,
    const char *const *urls, size_t n, const struct bk_store_opts *opts,
    struct bk_fault *f);

#endif
