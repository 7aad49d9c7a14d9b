/*
 * Completeness marks of tar: two zero blocks where a header would stand, and
 * only zeros behind them (tar.h).
 */
#include <errno.h>
#include <stdlib.h>

#include "marks.h"
#include "tar.h"
#include "tarcheck.h"

struct tar_marks {
	struct bk_marks m;
	struct bk_tar *tar;
};

static int
tar_write(struct bk_marks *m, const void *p, size_t n, struct bk_fault *f)
{
	return bk_tar_write(((struct tar_marks *)m)->tar, p, n, f);
}

static int
tar_finish(struct bk_marks *m, struct bk_fault *f)
{
	return bk_tar_finish(((struct tar_marks *)m)->tar, f) == -1 ? -1 :
	    BK_MARKS_PROVEN;
}

static void
tar_free(struct bk_marks *m)
{
	bk_tar_free(((struct tar_marks *)m)->tar);
	free(m);
}

struct bk_marks *
bk_marks_tar(struct bk_fault *f)
{
	struct tar_marks *t = calloc(1, sizeof(*t));

	if (t == NULL) {
		bk_fault_errno(f, BK_IO, ENOMEM, "tar");
		return NULL;
	}
	t->m = (struct bk_marks){ tar_write, tar_finish, tar_free };
	if ((t->tar = bk_tar_new(NULL, NULL, f)) == NULL) {
		free(t);
		return NULL;
	}
	/* What could not be restored safely is no backup. */
	bk_tar_dumpdirs(t->tar, bk_tarcheck_dumpdir, NULL);
	return &t->m;
}
