/*
 * A state machine over 512-byte blocks (tar.h).  Only one block, and the
 * names of one entry, are held.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "pax.h"
#include "tar.h"
#include "tarblock.h"

#define BLOCK BK_TAR_BLOCK
#define META_MAX BK_PAX_VALUE_MAX	/* a name, a global header */
#define PAX_MAX (128 * 1024 * 1024)	/* a directory's names may be in it */

/* Offsets of GNU tar's own. */
enum { AT_GNU_EXTENDED = 482, AT_MORE_EXTENDED = 504 };

enum state { HEADER, META, SPARSE, SKIP, ZEROS };

/* One way in which an entry's name or link name was given. */
struct text {
	struct bk_buf buf;
	bool given;
};

struct bk_tar {
	bk_tar_entry_fn *fn;
	bk_sink_fn *data_fn;
	void *arg;
	enum state state;
	uint64_t at;			/* bytes taken */
	uint8_t block[BLOCK];
	size_t have;			/* of block */
	uint64_t left;			/* of META and SKIP */
	uint64_t unseen;		/* of the data in SKIP, without padding */
	uint64_t size_of_meta;
	uint64_t zeros;
	char meta_type;
	struct bk_buf meta;		/* of types L and K */
	struct bk_pax records;		/* of types x and g */
	bk_tar_dumpdir_fn *dumpdir;
	void *dumpdir_arg;
	uint64_t data;			/* of the entry that SPARSE belongs to */
	/* What preceded the next header. */
	struct text path, link, sparse;	/* by L or x, K or x, x */
	bool pax, sized, dumped;
	uint64_t size;
};

static const struct bk_pax_ops pax_ops;

static const uint8_t zero[4096];

struct bk_tar *
bk_tar_new(bk_tar_entry_fn *fn, void *arg, struct bk_fault *f)
{
	struct bk_tar *t = calloc(1, sizeof(*t));

	if (t == NULL) {
		bk_fault_errno(f, BK_IO, ENOMEM, "tar");
		return NULL;
	}
	t->fn = fn;
	t->arg = arg;
	t->meta.max = META_MAX;
	t->path.buf.max = t->link.buf.max = t->sparse.buf.max = META_MAX;
	bk_pax_init(&t->records, &pax_ops, t);
	return t;
}

void
bk_tar_data(struct bk_tar *t, bk_sink_fn *fn)
{
	t->data_fn = fn;
}

void
bk_tar_dumpdirs(struct bk_tar *t, bk_tar_dumpdir_fn *fn, void *arg)
{
	t->dumpdir = fn;
	t->dumpdir_arg = arg;
}

void
bk_tar_free(struct bk_tar *t)
{
	if (t == NULL)
		return;
	bk_pax_release(&t->records);
	bk_buf_release(&t->meta);
	bk_buf_release(&t->path.buf);
	bk_buf_release(&t->link.buf);
	bk_buf_release(&t->sparse.buf);
	free(t);
}

static int
bad(const struct bk_tar *t, const char *what, struct bk_fault *f)
{
	return bk_fault_set(f, BK_DATA, "tar: %s before byte %llu", what,
	    (unsigned long long)t->at);
}

static int
give(struct bk_tar *t, struct text *x, const char *p, size_t n,
    struct bk_fault *f)
{
	if (x->given)
		return bad(t, "a name given twice", f);
	if (memchr(p, '\0', n) != NULL)
		return bad(t, "a NUL in a name", f);
	x->given = true;
	bk_buf_reset(&x->buf);
	return bk_buf_add(&x->buf, p, n, f);
}

static int
bad_size(const struct bk_tar *t, struct bk_fault *f)
{
	return bad(t, "a bad size in an extended header", f);
}

/* What in an extended header says where a file goes and how long it is. */
static struct text *
text_of(struct bk_tar *t, const char *key)
{
	return strcmp(key, "path") == 0 ? &t->path :
	    strcmp(key, "linkpath") == 0 ? &t->link :
	    strcmp(key, "GNU.sparse.name") == 0 ? &t->sparse : NULL;
}

static int
pax_want(void *arg, const char *key, struct bk_fault *f)
{
	struct bk_tar *t = arg;
	bool dumpdir = strcmp(key, "GNU.dumpdir") == 0;

	if (!dumpdir && text_of(t, key) == NULL && strcmp(key, "size") != 0)
		return BK_PAX_SKIP;
	if (t->meta_type == 'g')
		return bad(t, "a global header that names a file", f);
	if (!dumpdir)
		return BK_PAX_HOLD;
	if (t->dumped)
		return bad(t, "a directory's names given twice", f);
	t->dumped = true;
	return BK_PAX_SPLIT;
}

static int
pax_value(void *arg, const char *key, const char *v, size_t n,
    struct bk_fault *f)
{
	struct bk_tar *t = arg;
	struct text *x = text_of(t, key);
	size_t i;

	if (x != NULL)
		return give(t, x, v, n, f);
	if (strcmp(key, "size") != 0)
		return t->dumpdir == NULL ? 0 :
		    t->dumpdir(t->dumpdir_arg, v[0], v + 1, f);
	if (t->sized || n == 0 || n > 18)
		return bad_size(t, f);
	t->sized = true;
	t->size = 0;
	for (i = 0; i < n; i++) {
		if (v[i] < '0' || v[i] > '9')
			return bad_size(t, f);
		t->size = t->size * 10 + (uint64_t)(v[i] - '0');
	}
	return 0;
}

static const struct bk_pax_ops pax_ops = { pax_want, pax_value };

/* Bytes of an extended header or of a long name. */
static int
meta_bytes(struct bk_tar *t, const uint8_t *p, size_t n, struct bk_fault *f)
{
	int rc;

	if (t->meta_type == 'L' || t->meta_type == 'K')
		return bk_buf_add(&t->meta, p, n, f);
	if ((rc = bk_pax_write(&t->records, p, n, f)) == BK_PAX_BAD)
		return bad(t, "a bad extended header", f);
	return rc;
}

/* The name that types L and K hold; the others were dealt with as they came. */
static int
meta_done(struct bk_tar *t, struct bk_fault *f)
{
	const char *p = bk_buf_text(&t->meta);

	if (t->meta_type != 'L' && t->meta_type != 'K')
		return 0;
	return give(t, t->meta_type == 'L' ? &t->path : &t->link, p,
	    strnlen(p, t->meta.len), f);
}

static int
field(struct bk_buf *b, const uint8_t *p, size_t n, struct bk_fault *f)
{
	return bk_buf_add(b, p, strnlen((const char *)p, n), f);
}

/* The name in the header itself, into ${b}. */
static int
own_name(const struct bk_tar *t, struct bk_buf *b, struct bk_fault *f)
{
	const uint8_t *h = t->block;

	/* GNU's magic is "ustar  ": other things are where the prefix is. */
	if (memcmp(h + BK_TAR_MAGIC, "ustar", 6) == 0 && h[BK_TAR_PREFIX] != '\0' &&
	    (field(b, h + BK_TAR_PREFIX, BK_TAR_PREFIX_LEN, f) == -1 ||
	    bk_buf_adds(b, "/", f) == -1))
		return -1;
	return field(b, h + BK_TAR_NAME, BK_TAR_NAME_LEN, f);
}

static int
show(struct bk_tar *t, char type, uint64_t size, struct bk_fault *f)
{
	struct bk_tar_entry e = { .type = type, .size = size };
	struct bk_buf name = BK_BUF_INIT(BLOCK), link = BK_BUF_INIT(BLOCK);
	uint64_t mode = 0;
	int rc = -1;

	if (t->fn == NULL)
		return 0;
	if (own_name(t, &name, f) == -1 ||
	    field(&link, t->block + BK_TAR_LINK, BK_TAR_NAME_LEN,
	    f) == -1)
		goto out;
	(void)bk_tarblock_number(t->block + BK_TAR_MODE, 8, &mode);
	e.mode = (unsigned int)(mode & 07777);
	e.name = t->path.given ? bk_buf_text(&t->path.buf) :
	    bk_buf_text(&name);
	if (t->sparse.given) {
		e.alias = e.name;
		e.name = bk_buf_text(&t->sparse.buf);
	}
	e.link = type != '1' && type != '2' ? "" :
	    t->link.given ? bk_buf_text(&t->link.buf) : bk_buf_text(&link);
	rc = t->fn(t->arg, &e, f);
out:
	bk_buf_release(&name);
	bk_buf_release(&link);
	return rc;
}

static void
skip(struct bk_tar *t, uint64_t size)
{
	t->left = (size + BLOCK - 1) / BLOCK * BLOCK;
	t->unseen = size;
	t->state = t->left > 0 ? SKIP : HEADER;
}

static int
meta_header(struct bk_tar *t, char type, uint64_t size, struct bk_fault *f)
{
	if (size > (type == 'x' ? PAX_MAX : META_MAX))
		return bad(t, "an extended header that is too large", f);
	if (size == 0)
		return bad(t, "an empty extended header", f);
	if (type == 'x' && t->pax)
		return bad(t, "two extended headers", f);
	t->pax = t->pax || type == 'x';
	t->meta_type = type;
	bk_buf_reset(&t->meta);
	bk_pax_begin(&t->records, size);
	t->left = t->size_of_meta = size;
	t->state = META;
	return 0;
}

static int
entry_header(struct bk_tar *t, char type, uint64_t size, struct bk_fault *f)
{
	if (t->sized)
		size = t->size;
	if (type == '\0' || type == '7')
		type = '0';
	if (show(t, type, size, f) == -1)
		return -1;
	t->path.given = t->link.given = t->sparse.given = false;
	t->pax = t->sized = t->dumped = false;
	/* Links and special files have no data, whatever the size says. */
	if (type >= '1' && type <= '6')
		size = 0;
	t->data = size;
	if (type == 'S' && t->block[AT_GNU_EXTENDED] != 0)
		t->state = SPARSE;
	else
		skip(t, size);
	return 0;
}

static int
header(struct bk_tar *t, struct bk_fault *f)
{
	uint64_t size;
	char type = (char)t->block[BK_TAR_TYPE];

	if (memcmp(t->block, zero, BLOCK) == 0) {
		if (t->path.given || t->link.given || t->pax)
			return bad(t, "an extended header without its file", f);
		t->zeros = BLOCK;
		t->state = ZEROS;
		return 0;
	}
	if (!bk_tarblock_ok(t->block))
		return bad(t, "no valid header", f);
	if (!bk_tarblock_number(t->block + BK_TAR_SIZE, 12, &size) || size > INT64_MAX - BLOCK)
		return bad(t, "a bad size", f);
	if (type == 'L' || type == 'K' || type == 'x' || type == 'g')
		return meta_header(t, type, size, f);
	return entry_header(t, type, size, f);
}

/* Collect a block; 0 with more to come or done, t->have tells. */
static size_t
collect(struct bk_tar *t, const uint8_t *p, size_t n)
{
	size_t m = BLOCK - t->have < n ? BLOCK - t->have : n;

	memcpy(t->block + t->have, p, m);
	t->have += m;
	return m;
}

static int
block_done(struct bk_tar *t, struct bk_fault *f)
{
	t->have = 0;
	if (t->state == HEADER)
		return header(t, f);
	if (t->block[AT_MORE_EXTENDED] == 0)
		skip(t, t->data);
	return 0;
}

static int
show_data(struct bk_tar *t, const uint8_t *p, size_t n, struct bk_fault *f)
{
	if (n > t->unseen)
		n = (size_t)t->unseen;
	t->unseen -= n;
	return n == 0 || t->data_fn == NULL ? 0 : t->data_fn(t->arg, p, n, f);
}

/* Take a part of ${n} bytes and say how many in *${m}. */
static int
take(struct bk_tar *t, const uint8_t *p, size_t n, size_t *m,
    struct bk_fault *f)
{
	switch (t->state) {
	case HEADER:
	case SPARSE:
		*m = collect(t, p, n);
		t->at += *m;
		return t->have == BLOCK ? block_done(t, f) : 0;
	case META:
		*m = t->left < n ? (size_t)t->left : n;
		t->at += *m;
		if (meta_bytes(t, p, *m, f) == -1)
			return -1;
		if ((t->left -= *m) > 0)
			return 0;
		/* The rest of its last block. */
		t->left = (BLOCK - t->size_of_meta % BLOCK) % BLOCK;
		t->unseen = 0;
		t->state = t->left > 0 ? SKIP : HEADER;
		return meta_done(t, f);
	case SKIP:
		*m = t->left < n ? (size_t)t->left : n;
		t->at += *m;
		if ((t->left -= *m) == 0)
			t->state = HEADER;
		return show_data(t, p, *m, f);
	default:
		*m = n < sizeof(zero) ? n : sizeof(zero);
		t->at += *m;
		t->zeros += *m;
		return memcmp(p, zero, *m) == 0 ? 0 :
		    bad(t, "bytes behind the end", f);
	}
}

int
bk_tar_write(struct bk_tar *t, const void *data, size_t n, struct bk_fault *f)
{
	const uint8_t *p = data;
	size_t m;

	for (; n > 0; p += m, n -= m)
		if (take(t, p, n, &m, f) == -1)
			return -1;
	return 0;
}

int
bk_tar_finish(struct bk_tar *t, struct bk_fault *f)
{
	if (t->state == ZEROS && t->zeros >= 2 * BLOCK && t->at % BLOCK == 0)
		return 0;
	return bk_fault_set(f, BK_DATA,
	    "tar: cut after %llu bytes: the end blocks are missing",
	    (unsigned long long)t->at);
}
