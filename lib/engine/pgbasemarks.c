/*
 * Completeness marks of a base backup: the tar is whole, backup_label and
 * pg_control are in it, and its files are those of its manifest, which comes
 * last.  Servers before PostgreSQL 13 send no manifest.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "pgbase.h"
#include "tar.h"

struct base_marks {
	struct bk_marks m;
	struct bk_tar *tar;
	struct bk_pgmanifest *manifest;
	enum { OTHER, FILE_DATA, MANIFEST } in;
	bool label, control, listed;
};

static int
base_entry(void *arg, const struct bk_tar_entry *e, struct bk_fault *f)
{
	struct base_marks *b = arg;
	const char *name = e->name;

	b->in = OTHER;
	if (e->type != '0')
		return 0;
	while (strncmp(name, "./", 2) == 0)
		name += 2;
	if (strcmp(name, "backup_manifest") == 0) {
		if (b->listed)
			return bk_fault_set(f, BK_DATA,
			    "the base backup has two manifests");
		b->in = MANIFEST;
		b->listed = true;
		return 0;
	}
	b->label |= strcmp(name, "backup_label") == 0;
	b->control |= strcmp(name, "global/pg_control") == 0;
	b->in = FILE_DATA;
	return bk_pgmanifest_file(b->manifest, name, e->size, f);
}

static int
base_data(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	struct base_marks *b = arg;

	return b->in == FILE_DATA ? bk_pgmanifest_data(b->manifest, p, n, f) :
	    b->in == MANIFEST ? bk_pgmanifest_write(b->manifest, p, n, f) : 0;
}

static int
base_write(struct bk_marks *m, const void *p, size_t n, struct bk_fault *f)
{
	return bk_tar_write(((struct base_marks *)m)->tar, p, n, f);
}

static int
base_finish(struct bk_marks *m, struct bk_fault *f)
{
	struct base_marks *b = (struct base_marks *)m;

	if (bk_tar_finish(b->tar, f) == -1)
		return -1;
	if (!b->label || !b->control)
		return bk_fault_set(f, BK_DATA, "the tar is no base backup: it has "
		    "no %s", b->label ? "global/pg_control" : "backup_label");
	return b->listed ? bk_pgmanifest_finish(b->manifest, f) :
	    BK_MARKS_PROVEN;
}

static void
base_free(struct bk_marks *m)
{
	struct base_marks *b = (struct base_marks *)m;

	bk_tar_free(b->tar);
	bk_pgmanifest_free(b->manifest);
	free(b);
}

struct bk_marks *
bk_marks_pg_base(enum bk_pgsum sum, struct bk_fault *f)
{
	struct base_marks *b = calloc(1, sizeof(*b));

	if (b == NULL) {
		bk_fault_errno(f, BK_IO, ENOMEM, "base backup");
		return NULL;
	}
	b->m = (struct bk_marks){ base_write, base_finish, base_free };
	if ((b->tar = bk_tar_new(base_entry, b, f)) == NULL ||
	    (b->manifest = bk_pgmanifest_new(sum, f)) == NULL) {
		base_free(&b->m);
		return NULL;
	}
	bk_tar_data(b->tar, base_data);
	return &b->m;
}

const struct bk_pgmanifest *
bk_marks_pg_manifest(const struct bk_marks *m)
{
	const struct base_marks *b = (const struct base_marks *)m;

	return b->listed ? b->manifest : NULL;
}
