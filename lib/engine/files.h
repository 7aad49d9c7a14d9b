/*
 * The parts of the files engine: dumps (files.c), their increments
 * (filesincr.c), restores (filesback.c), and the tar that all run.
 */
#ifndef BK_FILES_H
#define BK_FILES_H

#include <stddef.h>

#include "engine.h"

/*
 * The path of GNU tar into ${path}, and what it says it is as text of
 * ${version} (both of size ${size}).  0, or -1 with ${f} set (69).
 */
int bk_files_tool(const struct bk_ctx *ctx, char *path, char *version,
    size_t size, struct bk_fault *f);

/* Check vendor options of either direction.  0 or -1 (64). */
int bk_files_args(const char *const *args, struct bk_fault *f);

/* What a dump with ?parent=auto has beside the tree. */
struct bk_filesincr {
	int fd;				/* working copy of the state; -1: none */
	const char *dir;		/* of states */
	struct bk_parents *parents;
};

#define BK_FILESINCR_INIT { -1, NULL, NULL }

/*
 * Read the options of ${d} about increments; where they ask for one, choose
 * its parent, note it in ${d}, and take the parent's state.  ${tree} is what
 * is dumped; name and source of ${d} are there.  0, or -1 with ${f} set.
 */
int bk_filesincr_open(struct bk_filesincr *k, struct bk_dump *d,
    const char *tree, struct bk_fault *f);

/* tar has ended well: keep its new state and note it in ${d}.  0 or -1. */
int bk_filesincr_keep(struct bk_filesincr *k, struct bk_dump *d,
    struct bk_fault *f);
void bk_filesincr_close(struct bk_filesincr *k);

int bk_files_restore_open(struct bk_restore *r, struct bk_fault *f);
int bk_files_restore_write(struct bk_restore *r, const void *p, size_t n,
    struct bk_fault *f);
int bk_files_restore_next(struct bk_restore *r, const json_t *header,
    struct bk_fault *f);
int bk_files_restore_commit(struct bk_restore *r, int fd, struct bk_fault *f);
void bk_files_restore_close(struct bk_restore *r);

#endif
