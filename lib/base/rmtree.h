/*
 * Removing a directory with all that is in it.
 */
#ifndef BK_RMTREE_H
#define BK_RMTREE_H

/*
 * Remove ${path} and everything below it: links as themselves, and nothing on
 * another file system.  0, or -1 with errno set: ENOENT where it is not there.
 */
int bk_rmtree(const char *path);

#endif
