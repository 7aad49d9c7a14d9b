/*
 * See rmtree.h.
 */
#include <sys/stat.h>

#include <ftw.h>
#include <unistd.h>

#include "rmtree.h"

#define FDS 64				/* that nftw(3) may hold open */

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *w)
{
	(void)st;
	(void)w;
	return type == FTW_DP || type == FTW_DNR ? rmdir(path) : unlink(path);
}

int
bk_rmtree(const char *path)
{
	return nftw(path, remove_one, FDS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}
