/*
 * Directories below the root of a file store.  Every part of a path is
 * opened by itself and no link is followed, so that nothing below the root
 * can lead out of it.  ${root} is an open directory; paths are relative to
 * it, with '/' between their parts; "" is the root itself.
 */
#ifndef BK_FDIR_H
#define BK_FDIR_H

#include <stdbool.h>
#include <stddef.h>

#include "fault.h"
#include "store.h"

/*
 * Open the directory that the first ${len} bytes of ${path} name.  With
 * ${make} missing ones are made and are durable on return.  A descriptor, or
 * -1 with errno set: ENOENT also where a directory went while it was being
 * opened (try again) and for an empty, "." or ".." part; ENOTDIR for what is
 * no directory, or is a link.
 */
int bk_fdir_open(int root, const char *path, size_t len, bool make);

/* Length of the directory part of ${key}, without its last '/'. */
size_t bk_fdir_parent(const char *key);

/* fsync(2) of a directory, where its file system knows that.  0, -1 (errno). */
int bk_fdir_sync(int fd);

/*
 * Remove the directory that the first ${len} bytes of ${path} name, and those
 * above it, as long as they are empty.  Keeps the root.
 */
void bk_fdir_prune(int root, const char *path, size_t len);

/*
 * The name of a temporary file for an object whose last part is ${base}:
 * ".bk-tmp-<ulid>-<base>" in the same directory.  bk_fdir_temp gives ${base}
 * back, or NULL for every other name.
 */
#define BK_FDIR_TEMP ".bk-tmp-"
#define BK_FDIR_BASE_MAX 220		/* NAME_MAX less prefix, ulid and '-' */
const char *bk_fdir_temp(const char *name);

/*
 * Call ${fn} for each regular file below the root whose path starts with
 * ${prefix} and is greater than ${after}, in byte order of paths; without
 * temporaries, or with ${temps} only those, under the path of the object that
 * each was to be.  Holds the names of one directory for each level.  0, or
 * BK_LIST_STOP when ${fn} said so, or -1 with ${f} set.
 */
int bk_fdir_walk(int root, const char *prefix, const char *after, bool temps,
    bk_list_fn *fn, void *arg, struct bk_fault *f);

#endif
