/*
 * Is this tar archive safe to extract (DESIGN, 6)?  Refused with 65 and the
 * entry's name: an absolute name, one with "..", an entry below a symbolic
 * link that the archive made, a hard link that leaves the tree or goes
 * through such a link, a type that a backup has no use for.  What a symbolic
 * link points to is free: nobody follows it.
 *
 *
 * GNU tar's incremental archives are extracted on top of one another: a link
 * of an earlier one counts until the archive at hand has a directory in its
 * place.  Of the list of a directory's names (GNU.dumpdir) only the codes that
 * name what is in it are accepted: renames are not, bk-dump makes none.
 *
 * Memory: one entry's names, 8 to 16 bytes for each symbolic link, and the
 * names of those that an increment replaced by a directory.
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
/*
 * This archive was finished and extracted; the next one will be on top of it.
 * 0 or -1.
 */
int bk_tarcheck_next(struct bk_tarcheck *c, struct bk_fault *f);
void bk_tarcheck_free(struct bk_tarcheck *c);

/* A string of a GNU.dumpdir: 0, or -1 (65).  A bk_tar_dumpdir_fn. */
int bk_tarcheck_dumpdir(void *arg, char code, const char *name,
    struct bk_fault *f);

#endif
