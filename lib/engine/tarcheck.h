/*
 * Is this tar archive safe to extract (DESIGN, 6)?  Refused with 65 and the
 * entry's name: an absolute name, one with "..", an entry below a symbolic
 * link that the archive made, a hard link that leaves the tree or goes
 * through such a link, a type that a backup has no use for.  What a symbolic
 * link points to is free: nobody follows it.
 *
 * Memory: one entry's names, and 8 to 16 bytes for each symbolic link.
 */
#ifndef BK_TARCHECK_H
#define BK_TARCHECK_H

#include <stddef.h>

#include "fault.h"

struct bk_tarcheck;

struct bk_tarcheck *bk_tarcheck_new(struct bk_fault *f);
/* Bytes that it has accepted may be given to tar.  0 or -1 (65). */
int bk_tarcheck_write(struct bk_tarcheck *c, const void *p, size_t n,
    struct bk_fault *f);
int bk_tarcheck_finish(struct bk_tarcheck *c, struct bk_fault *f);
void bk_tarcheck_free(struct bk_tarcheck *c);

#endif
