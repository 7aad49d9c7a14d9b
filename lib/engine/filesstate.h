/*
 * States of incremental dumps (files:///dir?parent=auto&state=DIR): GNU tar's
 * snapshot files, kept in DIR under their SHA-256.  The state that a dump
 * leaves is what the next one is an increment of.
 */
#ifndef BK_FILESSTATE_H
#define BK_FILESSTATE_H

#include <stdbool.h>

#include "ctx.h"
#include "fault.h"
#include "hash.h"

#define BK_STATE_UNUSABLE 1

/* Make directory ${dir} where it is not there.  0 or -1. */
int bk_filesstate_dir(const char *dir, struct bk_fault *f);

/* Could it be used, or made?  Changes nothing.  0 or -1. */
int bk_filesstate_check(const char *dir, struct bk_fault *f);

/* Is state ${hash} in ${dir}? */
bool bk_filesstate_held(const char *dir, const char *hash);

/*
 * A working copy for tar, a file without a name in ${dir}: of state ${hash},
 * or empty where that is NULL.  ${tree} is the directory that is dumped.
 * The descriptor in *${fd} and 0; BK_STATE_UNUSABLE with the reason in
 * ${why}; -1 with ${f} set.
 */
int bk_filesstate_open(const struct bk_ctx *ctx, const char *dir,
    const char *hash, const char *tree, int *fd, const char **why,
    struct bk_fault *f);

/*
 * Keep what tar made of the working copy, for the backup ${name}: on disk
 * under its hash, which goes to ${hash}.  0 or -1.
 */
int bk_filesstate_keep(int fd, const char *dir, const char *name,
    char hash[BK_SHA256_HEX], struct bk_fault *f);

/*
 * Remove states of ${name} that are more than 7 days old and that ${named}
 * says no record names, and what was left half written.  Faults are logged.
 */
void bk_filesstate_sweep(const struct bk_ctx *ctx, const char *dir,
    const char *name, bool (*named)(const void *arg, const char *hash),
    const void *arg);

#endif
