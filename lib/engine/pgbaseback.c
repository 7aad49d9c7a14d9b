/*
 * Restoring a base backup: a tree, tablespaces as directories in it.
 */
#include "files.h"
#include "pgbase.h"

int
bk_pgbase_restore_open(struct bk_restore *r, struct bk_fault *f)
{
	return bk_files_restore_open(r, f);
}

int
bk_pgbase_restore_write(struct bk_restore *r, const void *p, size_t n,
    struct bk_fault *f)
{
	return bk_files_restore_write(r, p, n, f);
}

int
bk_pgbase_restore_commit(struct bk_restore *r, int fd, struct bk_fault *f)
{
	return bk_files_restore_commit(r, fd, f);
}

void
bk_pgbase_restore_close(struct bk_restore *r)
{
	bk_files_restore_close(r);
}
