/*
 * Finding and fetching one file.  What is fetched goes into a file that
 * nobody reads before all of it was checked, so nothing is held back here:
 * the hash is that of the key, and a segment's first page says the rest.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hash.h"
#include "walhead.h"

#define PEEK_MAX (6 * 1024 * 1024)	/* holds the first frame of each codec */
#define PIECE (256 * 1024)
#define THREADS 2

struct search {
	const struct bk_wal_name *want;
	struct bk_wal_key *k;
	size_t n, max;			/* found: the one wanted comes first */
	bool growing;			/* k[0] stands in for it */
	struct bk_wal_later *later;
	char other[BK_WAL_HASH_LEN + 1];
};

/* The file itself, or what is named after it. */
static void
wanted(struct search *s, const struct bk_wal_key *k)
{
	bool exact = strcmp(k->name.file, s->want->file) == 0;

	if (exact && s->n > 0 && strcmp(k->hash, s->k->hash) != 0)
		memcpy(s->other, k->hash, sizeof(s->other));
	if (exact && s->n == 0) {
		*s->k = *k;
		s->n = 1;
	}
	/* They come in order: the last is the newest. */
	if (s->n == 0 && k->name.kind == BK_WAL_GROWING &&
	    s->want->kind == BK_WAL_SEGMENT) {
		*s->k = *k;
		s->growing = true;
	}
}

static int
compare(void *arg, const struct bk_wal_key *k, const struct bk_object *o,
    struct bk_fault *f)
{
	struct search *s = arg;
	struct bk_wal_key *last = &s->k[s->n > 0 ? s->n - 1 : 0];

	(void)f;
	if (strncmp(k->name.file, s->want->file, strlen(s->want->file)) == 0) {
		wanted(s, k);
		return 0;
	}
	if (k->name.kind != BK_WAL_SEGMENT)
		return 0;
	if (s->n == 0) {
		memcpy(s->later->file, k->name.file, sizeof(s->later->file));
		s->later->modified = o->modified;
	}
	if (s->n == 0 || s->max == 1)
		return BK_LIST_STOP;
	if (strcmp(k->name.file, last->name.file) != 0) {
		if (s->n == s->max)
			return BK_LIST_STOP;
		s->k[s->n++] = *k;
	} else if (strcmp(k->hash, last->hash) != 0) {
		/* Two contents: whoever asks for it is told. */
		s->n--;
		return BK_LIST_STOP;
	}
	return 0;
}

int
bk_wal_find_on(struct bk_store *s, const char *name, uint64_t system,
    const struct bk_wal_name *file, struct bk_wal_key *k, size_t max,
    struct bk_wal_later *later, struct bk_fault *f)
{
	struct search se = { .want = file, .k = k, .max = max,
		.later = later };

	later->file[0] = '\0';
	if (bk_wal_list_from(s, name, system, file, compare, &se, f) == -1)
		return -1;
	if (se.other[0] != '\0')
		return bk_fault_set(f, BK_DATA, "'%s' is stored with two "
		    "contents (%s and %s): did two servers write as '%s'?",
		    file->file, k->hash, se.other, name);
	return se.growing && se.n == 0 ? 1 : (int)se.n;
}

int
bk_wal_find(struct bk_store *s, const char *name, uint64_t system,
    const struct bk_wal_name *file, struct bk_wal_key *k, struct bk_fault *f)
{
	struct bk_wal_later later;
	int n = bk_wal_find_on(s, name, system, file, k, 1, &later, f);

	return n == -1 ? -1 : n == 0 ? BK_ABSENT : 0;
}

/* Takes plain bytes. */
struct taker {
	bk_sink_fn *sink;		/* NULL: not to be given on */
	void *arg;
	struct bk_sha256 *sha;		/* NULL: not wanted */
	uint64_t bytes;
	uint8_t page[BK_WAL_HEAD_LEN];
	size_t have;
};

static int
take(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	struct taker *t = arg;
	size_t k = sizeof(t->page) - t->have < n ?
	    sizeof(t->page) - t->have : n;

	memcpy(t->page + t->have, p, k);
	t->have += k;
	t->bytes += n;
	if (t->bytes > BK_WAL_BYTES_MAX)
		return bk_fault_set(f, BK_DATA, "more than %" PRIu32 " bytes",
		    BK_WAL_BYTES_MAX);
	if (t->sha != NULL)
		bk_sha256_add(t->sha, p, n);
	return t->sink == NULL ? 0 : t->sink(t->arg, p, n, f);
}

struct decoder {
	const struct bk_codec_format *fmt;
	void *t;
};

static int
decode(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	struct decoder *d = arg;

	return d->fmt->decode_ops->write(d->t, p, n, f);
}

/* The codec of a suffix.  0 with NULL for none, or -1. */
static int
codec_of(const struct bk_wal_key *k, const struct bk_codec_format **fmt,
    struct bk_fault *f)
{
	size_t i;

	*fmt = NULL;
	if (k->suffix[0] == '\0')
		return 0;
	for (i = 0; bk_codecs[i] != NULL; i++)
		if (strcmp(bk_codecs[i]->ext, k->suffix) == 0) {
			*fmt = bk_codecs[i];
			return 0;
		}
	return bk_fault_set(f, BK_DATA, "'%s' is stored as '.%s', which this "
	    "version does not read", k->name.file, k->suffix);
}

/* Give the first ${len} bytes of ${key}, decompressed, to ${t}. */
static int
get(struct bk_store *s, const char *key, const struct bk_wal_key *k,
    uint64_t len, struct taker *t, struct bk_fault *f)
{
	struct decoder d = { .t = NULL };
	int rc;

	if (codec_of(k, &d.fmt, f) == -1)
		return -1;
	if (d.fmt == NULL)
		return bk_store_get(s, key, 0, len, take, t, f);
	if ((d.t = d.fmt->decode(THREADS, take, t, f)) == NULL)
		return -1;
	rc = bk_store_get(s, key, 0, len, decode, &d, f);
	if (rc == 0 && (rc = d.fmt->decode_ops->finish(d.t, f)) == -1)
		bk_fault_context(f, "'%s'", key);
	d.fmt->decode_ops->free(d.t);
	return rc;
}

static int
verify(const struct taker *t, const struct bk_wal_key *k, struct bk_fault *f)
{
	struct bk_wal_head h;
	char hex[BK_SHA256_HEX];

	bk_sha256_hex(t->sha, hex);
	if (strncmp(hex, k->hash, BK_WAL_HASH_LEN) != 0)
		return bk_fault_set(f, BK_DATA, "its SHA-256 begins with %.16s, "
		    "not as its key says: it is damaged", hex);
	if (k->name.kind == BK_WAL_HISTORY || k->name.kind == BK_WAL_BACKUP)
		return 0;
	if (bk_wal_head(t->page, t->have, &h, f) == -1)
		return -1;
	return bk_wal_head_check(&h, &k->name, t->bytes, k->system, f);
}

int
bk_wal_get(struct bk_store *s, const char *name, const struct bk_wal_key *k,
    bk_sink_fn *sink, void *arg, struct bk_fault *f)
{
	struct taker t = { .sink = sink, .arg = arg };
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX);
	int rc = -1;

	if ((t.sha = bk_sha256_new(f)) == NULL ||
	    bk_wal_key(&key, name, k, f) == -1)
		goto out;
	rc = get(s, key.p, k, UINT64_MAX, &t, f);
	if (rc == 0 && (rc = verify(&t, k, f)) == -1)
		bk_fault_context(f, "'%s'", key.p);
out:
	bk_sha256_free(t.sha);
	bk_buf_release(&key);
	return rc;
}

struct into {
	int fd;
	const char *file;
};

static int
to_fd(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	const struct into *in = arg;

	return bk_write_all(in->fd, p, n, in->file, f);
}

int
bk_wal_fetch(struct bk_store *s, const char *name, const struct bk_wal_key *k,
    int fd, struct bk_fault *f)
{
	struct into in = { fd, k->name.file };

	return bk_wal_get(s, name, k, to_fd, &in, f);
}

int
bk_wal_verify(int fd, const struct bk_wal_key *k, struct bk_fault *f)
{
	struct taker t = { .sink = NULL };
	uint8_t *piece = malloc(PIECE);
	uint64_t off;
	ssize_t n = 0;
	int rc = -1;

	if (piece == NULL)
		(void)bk_fault_set(f, BK_IO, "out of memory");
	if (piece == NULL || (t.sha = bk_sha256_new(f)) == NULL)
		goto out;
	for (off = 0; (n = pread(fd, piece, PIECE, (off_t)off)) > 0;
	    off += (uint64_t)n)
		if (take(&t, piece, (size_t)n, f) == -1)
			goto out;
	if (n == -1)
		(void)bk_fault_errno(f, BK_IO, errno, "cannot read '%s'",
		    k->name.file);
	else
		rc = verify(&t, k, f);
out:
	bk_sha256_free(t.sha);
	free(piece);
	return rc;
}

struct first {
	struct bk_wal_key k;
	uint64_t bytes;
	bool found;
};

static int
first_segment(void *arg, const struct bk_wal_key *k,
    const struct bk_object *o, struct bk_fault *f)
{
	struct first *fi = arg;

	(void)f;
	if (k->name.kind != BK_WAL_SEGMENT)
		return 0;
	fi->k = *k;
	fi->bytes = o->bytes;
	fi->found = true;
	return BK_LIST_STOP;
}

int
bk_wal_bytes(struct bk_store *s, const char *name, uint64_t system,
    uint32_t *bytes, struct bk_fault *f)
{
	struct taker t = { .sink = NULL };
	struct first fi = { .found = false };
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX);
	struct bk_fault why = BK_FAULT_INIT;
	struct bk_wal_head h;
	int rc = -1;

	if (bk_wal_list(s, name, system, 0, first_segment, &fi, f) == -1)
		return -1;
	if (!fi.found)
		return BK_ABSENT;
	if (bk_wal_key(&key, name, &fi.k, f) == -1)
		goto out;
	rc = get(s, key.p, &fi.k, fi.bytes < PEEK_MAX ? fi.bytes : PEEK_MAX, &t,
	    &why);
	/* Cut by us in the middle of a frame: the first page is what counts. */
	if (t.have == sizeof(t.page))
		rc = bk_wal_head(t.page, t.have, &h, f);
	else if (rc == -1)
		*f = why;
	else
		rc = bk_fault_set(f, BK_DATA, "'%s' has no first page", key.p);
	if (rc == 0)
		*bytes = h.segment;
out:
	bk_buf_release(&key);
	return rc;
}
