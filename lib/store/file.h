/*
 * What the two halves of the file store share: file.c opens, reads, lists
 * and removes; file_put.c writes.
 */
#ifndef BK_FILE_H
#define BK_FILE_H

#include <stdbool.h>

#include "store.h"

struct bk_file {			/* a store */
	struct bk_store base;
	const struct bk_ctx *ctx;
	int root;			/* its directory, open */
	char *path;
	bool read_only;
};

/*
 * The status for an errno of a file system, or 0 where bk_fault_errno
 * decides.
 */
int bk_file_status(int err);

/* The root is still the directory that its path names: 0, or -1 (66). */
int bk_file_check(const struct bk_file *s, struct bk_fault *f);

/* Operations of store.h. */
struct bk_put *bk_file_put_begin(struct bk_store *s, const char *key,
    const struct bk_put_opts *opts, struct bk_fault *f);
int bk_file_put_write(struct bk_put *p, const void *data, size_t n,
    struct bk_fault *f);
int bk_file_put_commit(struct bk_put *p, struct bk_fault *f);
void bk_file_put_abort(struct bk_put *p);
int bk_file_facts(struct bk_store *s, struct bk_store_facts *facts,
    struct bk_fault *f);

#endif
