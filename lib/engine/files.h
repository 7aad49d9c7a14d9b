/*
 * The two halves of the files engine: dumps (files.c) and restores
 * (filesback.c), and the tar that both run.
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

int bk_files_restore_open(struct bk_restore *r, struct bk_fault *f);
int bk_files_restore_write(struct bk_restore *r, const void *p, size_t n,
    struct bk_fault *f);
int bk_files_restore_commit(struct bk_restore *r, int fd, struct bk_fault *f);
void bk_files_restore_close(struct bk_restore *r);

#endif
