/*
 * A state machine over 512-byte blocks (tar.h).  Only one block, and the
 * names and extended header of one entry, are held.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "tar.h"
#include "tarblock.h"

#define BLOCK BK_TAR_BLOCK
#define META_MAX (4 * 1024 * 1024)	/* extended header: attributes are in it */

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
	uint64_t zeros;
	char meta_type;
	struct bk_buf meta;
	uint64_t data;			/* of the entry that SPARSE belongs to */
	/* What preceded the next header. */
	struct text path, link, sparse;	/* by L or x, K or x, x */
	bool pax, sized;
	uint64_t size;
};

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
	return t;
}

void
bk_tar_data(struct bk_tar *t, bk_sink_fn *fn)
{
	t->data_fn = fn;
}

void
bk_tar_free(struct bk_tar *t)
{
	if (t == NULL)
		return;
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

static bool
is_key(const char *key, size_t n, const char *want)
{
	return strlen(want) == n && memcmp(key, want, n) == 0;
}

/* One record of an extended header. */
static int
pax_record(struct bk_tar *t, const char *key, size_t nkey, const char *v,
    size_t n, struct bk_fault *f)
{
	struct text *x = is_key(key, nkey, "path") ? &t->path :
	    is_key(key, nkey, "linkpath") ? &t->link :
	    is_key(key, nkey, "GNU.sparse.name") ? &t->sparse : NULL;
	bool size = is_key(key, nkey, "size");
	size_t i;

	if (x == NULL && !size)
		return 0;
	if (t->meta_type == 'g')
		return bad(t, "a global header that names a file", f);
	if (x != NULL)
		return give(t, x, v, n, f);
	if (t->sized || n == 0 || n > 18)
		return bad(t, "a bad size in an extended header", f);
	t->sized = true;
	t->size = 0;
	for (i = 0; i < n; i++) {
		if (v[i] < '0' || v[i] > '9')
			return bad(t, "a bad size in an extended header", f);
		t->size = t->size * 10 + (uint64_t)(v[i] - '0');
	}
	return 0;
}

/* "LENGTH KEY=VALUE\n", where LENGTH counts all of it. */
static int
pax_records(struct bk_tar *t, struct bk_fault *f)
{
	const char *p = bk_buf_text(&t->meta), *eq;
	size_t left = t->meta.len, n, d;

	for (; left > 0; p += n, left -= n) {
		for (n = 0, d = 0; d < left && d < 8 && p[d] >= '0' &&
		    p[d] <= '9'; d++)
			n = n * 10 + (size_t)(p[d] - '0');
		if (d == 0 || n > left || n < d + 3 || p[d] != ' ' ||
		    p[n - 1] != '\n' ||
		    (eq = memchr(p + d + 1, '=', n - d - 2)) == NULL)
			return bad(t, "a bad extended header", f);
		if (pax_record(t, p + d + 1, (size_t)(eq - p) - d - 1, eq + 1,
		    n - (size_t)(eq - p) - 2, f) == -1)
			return -1;
	}
	return 0;
}

static int
meta_done(struct bk_tar *t, struct bk_fault *f)
{
	const char *p = bk_buf_text(&t->meta);

	switch (t->meta_type) {
	case 'L':
		return give(t, &t->path, p, strnlen(p, t->meta.len), f);
	case 'K':
		return give(t, &t->link, p, strnlen(p, t->meta.len), f);
	case 'x':
		if (t->pax)
			return bad(t, "two extended headers", f);
		t->pax = true;
		return pax_records(t, f);
	default:
		return pax_records(t, f);
	}
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
	int rc = -1;

	if (t->fn == NULL)
		return 0;
	if (own_name(t, &name, f) == -1 ||
	    field(&link, t->block + BK_TAR_LINK, BK_TAR_NAME_LEN,
	    f) == -1)
		goto out;
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
	if (size > META_MAX)
		return bad(t, "an extended header of more than 4 MiB", f);
	t->meta_type = type;
	bk_buf_reset(&t->meta);
	t->left = size;
	t->state = META;
	return size == 0 ? bad(t, "an empty extended header", f) : 0;
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
	t->pax = t->sized = false;
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
		if (bk_buf_add(&t->meta, p, *m, f) == -1)
			return -1;
		if ((t->left -= *m) > 0)
			return 0;
		/* The rest of its last block. */
		t->left = (BLOCK - t->meta.len % BLOCK) % BLOCK;
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
