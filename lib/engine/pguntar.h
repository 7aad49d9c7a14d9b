/*
 * The tar of a base backup written out as files: directories and plain files,
 * nothing else is in one.  Names that would get out are refused (tarcheck.h).
 */
#ifndef BK_PGUNTAR_H
#define BK_PGUNTAR_H

#include <sys/types.h>

#include <stddef.h>

#include "fault.h"

/* Where what lies below pg_tblspc/OID goes. */
struct bk_pgspace {
	const char *oid;
	const char *tree;
};

struct bk_pguntar;

/*
 * Into ${tree}, and of these ${n} tablespaces into theirs; all borrowed.
 * ${uid} and ${gid} are the owner of all of it, or -1.
 */
struct bk_pguntar *bk_pguntar_new(const char *tree,
    const struct bk_pgspace *spaces, size_t n, uid_t uid, gid_t gid,
    struct bk_fault *f);

/* 0, or -1 with ${f} set: 65, 73, 74. */
int bk_pguntar_write(struct bk_pguntar *u, const void *p, size_t n,
    struct bk_fault *f);
int bk_pguntar_finish(struct bk_pguntar *u, struct bk_fault *f);

void bk_pguntar_free(struct bk_pguntar *u);

#endif
