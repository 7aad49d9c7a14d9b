/*
 * Headers are changed in place and all else passes through.
 *
 * Facts about the server's archives (src/port/tar.c and basebackup.c of
 * PostgreSQL 9.6 to 17, documentation of BASE_BACKUP): ustar with names of
 * up to 99 bytes in the name field alone, entries '0', '2' and '5' only, sizes
 * above 8 GiB in base 256.  Up to 14 the zero blocks at the end are left out,
 * from 15 on they are there.  backup_label comes first in the archive of the
 * data directory, tablespace_map after it.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "pgbasetar.h"
#include "tarblock.h"

#define BLOCK BK_TAR_BLOCK
#define LABEL_MAX 8192
#define PIECE (128 * 1024)

struct bk_pgbasetar {
	bk_sink_fn *sink;
	void *arg;
	char prefix[BK_TAR_PREFIX_LEN];	/* "" in the data directory */
	bool open, first, zeros;	/* zeros: the archive's end came */
	uint8_t block[BLOCK];
	size_t have;			/* of block */
	uint64_t left;			/* data and padding of the entry */
	uint64_t label_left;		/* of backup_label */
	struct bk_buf label;
	uint64_t label_time;
	uint8_t model[BLOCK];		/* header of backup_label */
};

static const uint8_t zero[2 * BLOCK];

struct bk_pgbasetar *
bk_pgbasetar_new(bk_sink_fn *sink, void *arg, struct bk_fault *f)
{
	struct bk_pgbasetar *t = calloc(1, sizeof(*t));

	if (t == NULL) {
		bk_fault_errno(f, BK_IO, ENOMEM, "base backup");
		return NULL;
	}
	t->sink = sink;
	t->arg = arg;
	t->label.max = LABEL_MAX;
	return t;
}

void
bk_pgbasetar_free(struct bk_pgbasetar *t)
{
	if (t == NULL)
		return;
	bk_buf_release(&t->label);
	free(t);
}

const char *
bk_pgbasetar_label(const struct bk_pgbasetar *t)
{
	return bk_buf_text(&t->label);
}

uint64_t
bk_pgbasetar_label_time(const struct bk_pgbasetar *t)
{
	return t->label_time;
}

static int
bad(const char *what, struct bk_fault *f)
{
	return bk_fault_set(f, BK_DATA, "the server's archive: %s", what);
}

int
bk_pgbasetar_begin(struct bk_pgbasetar *t, const char *oid, struct bk_fault *f)
{
	if (t->open)
		return bad("one begins in another", f);
	if (oid != NULL && (strspn(oid, "0123456789") != strlen(oid) ||
	    oid[0] == '\0' || strlen(oid) > 10))
		return bad("of no tablespace's number", f);
	t->prefix[0] = '\0';
	if (oid != NULL)
		snprintf(t->prefix, sizeof(t->prefix), "pg_tblspc/%s", oid);
	t->open = t->first = true;
	t->zeros = false;
	return 0;
}

int
bk_pgbasetar_end(struct bk_pgbasetar *t, struct bk_fault *f)
{
	if (!t->open || t->have > 0 || t->left > 0)
		return bad("it is cut", f);
	t->open = false;
	return 0;
}

/* A header of ours: owner, mode and times as in ${from}. */
static int
emit_header(struct bk_pgbasetar *t, const uint8_t *from, char type,
    const char *name, uint64_t size, struct bk_fault *f)
{
	uint8_t h[BLOCK];

	memcpy(h, from, BLOCK);
	memset(h + BK_TAR_NAME, 0, BK_TAR_NAME_LEN);
	memcpy(h + BK_TAR_NAME, name, strnlen(name, BK_TAR_NAME_LEN - 1));
	memset(h + BK_TAR_LINK, 0, BK_TAR_NAME_LEN);
	memset(h + BK_TAR_PREFIX, 0, BK_TAR_PREFIX_LEN);
	h[BK_TAR_TYPE] = (uint8_t)type;
	bk_tarblock_put(h + BK_TAR_SIZE, 12, size);
	bk_tarblock_seal(h);
	return t->sink(t->arg, h, BLOCK, f);
}

/* Put an entry of a tablespace where it belongs; its directory comes first. */
static int
rename_entry(struct bk_pgbasetar *t, struct bk_fault *f)
{
	char dir[sizeof(t->prefix) + 1];
	uint8_t *h = t->block;

	if (h[BK_TAR_PREFIX] != '\0')
		return bad("a name in two parts", f);
	if (t->first) {
		snprintf(dir, sizeof(dir), "%s/", t->prefix);
		if (h[BK_TAR_TYPE] != '5')
			return bad("a tablespace that begins with no directory",
			    f);
		if (emit_header(t, h, '5', dir, 0, f) == -1)
			return -1;
	}
	memcpy(h + BK_TAR_PREFIX, t->prefix, strlen(t->prefix));
	bk_tarblock_seal(h);
	return 0;
}

static int
header(struct bk_pgbasetar *t, struct bk_fault *f)
{
	static const char label[] = "backup_label";
	const uint8_t *h = t->block;
	uint64_t size, mtime;

	if (memcmp(h, zero, BLOCK) == 0) {
		t->zeros = true;
		return 0;
	}
	if (!bk_tarblock_ok(h) || memcmp(h + BK_TAR_MAGIC, "ustar", 6) != 0 ||
	    !bk_tarblock_number(h + BK_TAR_SIZE, 12, &size) ||
	    size > INT64_MAX - BLOCK ||
	    !bk_tarblock_number(h + BK_TAR_MTIME, 12, &mtime))
		return bad("no valid header", f);
	if (memchr("025", h[BK_TAR_TYPE], 3) == NULL)
		return bad("an entry that is no file, directory or link", f);
	if (h[BK_TAR_TYPE] != '0' && size > 0)
		return bad("an entry with data that can have none", f);
	if (t->prefix[0] != '\0') {
		if (rename_entry(t, f) == -1)
			return -1;
	} else if (memcmp(h, label, sizeof(label)) == 0) {
		if (t->label_time != 0 || size > LABEL_MAX)
			return bad("a bad backup_label", f);
		memcpy(t->model, h, BLOCK);
		t->label_left = size;
		t->label_time = mtime;
	}
	t->first = false;
	t->left = (size + BLOCK - 1) / BLOCK * BLOCK;
	return t->sink(t->arg, t->block, BLOCK, f);
}

/* Take a part of the ${n} bytes: *${m} of them. */
static int
take(struct bk_pgbasetar *t, const uint8_t *p, size_t n, size_t *m,
    struct bk_fault *f)
{
	size_t text;

	if (t->left == 0) {
		*m = BLOCK - t->have < n ? BLOCK - t->have : n;
		memcpy(t->block + t->have, p, *m);
		if ((t->have += *m) < BLOCK)
			return 0;
		t->have = 0;
		if (!t->zeros)
			return header(t, f);
		return memcmp(t->block, zero, BLOCK) == 0 ? 0 :
		    bad("bytes behind its end", f);
	}
	*m = t->left < n ? (size_t)t->left : n;
	t->left -= *m;
	if (t->label_left > 0) {
		text = t->label_left < *m ? (size_t)t->label_left : *m;
		t->label_left -= text;
		if (bk_buf_add(&t->label, p, text, f) == -1)
			return -1;
	}
	return t->sink(t->arg, p, *m, f);
}

int
bk_pgbasetar_data(struct bk_pgbasetar *t, const void *data, size_t n,
    struct bk_fault *f)
{
	const uint8_t *p = data;
	size_t m;

	if (!t->open)
		return bad("data outside of it", f);
	for (; n > 0; p += m, n -= m)
		if (take(t, p, n, &m, f) == -1)
			return -1;
	return 0;
}

int
bk_pgbasetar_file(struct bk_pgbasetar *t, const char *name, int fd,
    uint64_t size, struct bk_fault *f)
{
	size_t n, pad = (size_t)((BLOCK - size % BLOCK) % BLOCK);
	uint64_t at = 0;
	uint8_t *p;
	int rc = -1;

	if (t->open || t->label_time == 0)
		return bad("it has no backup_label", f);
	if ((p = malloc(PIECE)) == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "'%s'", name);
	if (emit_header(t, t->model, '0', name, size, f) == -1)
		goto out;
	for (; at < size; at += n) {
		n = size - at < PIECE ? (size_t)(size - at) : PIECE;
		if (bk_pread_all(fd, p, n, at, name, f) == -1 ||
		    t->sink(t->arg, p, n, f) == -1)
			goto out;
	}
	rc = pad > 0 ? t->sink(t->arg, zero, pad, f) : 0;
out:
	free(p);
	return rc;
}

int
bk_pgbasetar_finish(struct bk_pgbasetar *t, struct bk_fault *f)
{
	if (t->open || t->label_time == 0)
		return bad("it has no backup_label", f);
	return t->sink(t->arg, zero, sizeof(zero), f);
}
