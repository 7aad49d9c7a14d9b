/*
 * Pushing one file.  The listing that looks for the file itself begins one
 * segment earlier: in the usual case it shows that one, and with it that the
 * system is known, so that a push is one listing and one put.
 *
 * Two servers that push different contents at the same moment are both let
 * through where neither sees the other; whoever comes next, and every reader,
 * finds both.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tomb.h"
#include "wal.h"

#define PIECE (1024 * 1024)

struct search {
	const struct bk_wal_key *want;
	char other[BK_WAL_HASH_LEN + 1];
	bool same, known;
};

static int
compare(void *arg, const struct bk_wal_key *k, const struct bk_object *o,
    struct bk_fault *f)
{
	struct search *s = arg;
	int order = strcmp(k->name.file, s->want->name.file);

	(void)o;
	(void)f;
	s->known = true;
	if (order > 0 && strncmp(k->name.file, s->want->name.file,
	    strlen(s->want->name.file)) != 0)
		return BK_LIST_STOP;
	if (order != 0)
		return 0;
	if (strcmp(k->hash, s->want->hash) == 0)
		s->same = true;
	else
		memcpy(s->other, k->hash, sizeof(s->other));
	return 0;
}

/* A system that is new under this name: may it be? */
static int
admit(struct bk_store *s, const struct bk_wal_how *how, uint64_t system,
    struct bk_fault *f)
{
	uint64_t v[BK_WAL_SYSTEMS_MAX];
	int i, n;

	if (how->new_system)
		return 0;
	if ((n = bk_wal_systems(s, how->name, v, BK_WAL_SYSTEMS_MAX, f)) == -1)
		return -1;
	for (i = 0; i < n; i++)
		if (v[i] == system)
			return 0;
	if (n == 0)
		return 0;
	return bk_fault_set(f, BK_CONFIG, "'%s' has the WAL of system %" PRIu64
	    ", this is system %" PRIu64 ": take another name, or keep both "
	    "apart with --new-system", how->name, v[0], system);
}

/* Is it there already?  0: no, and it may be stored; BK_EXISTS; -1. */
static int
look(struct bk_store *s, const struct bk_wal_how *how,
    const struct bk_wal_source *src, struct bk_fault *f)
{
	const struct bk_wal_name *n = &src->key.name;
	struct search se = { .want = &src->key };
	struct bk_wal_name from = *n;
	uint64_t number;

	if (n->kind == BK_WAL_SEGMENT && bk_wal_bytes_ok(src->bytes) &&
	    (number = bk_wal_number(n, (uint32_t)src->bytes)) > 0)
		bk_wal_segment(n->tli, number - 1, (uint32_t)src->bytes, &from);
	if (bk_wal_list_from(s, how->name, src->key.system, &from, compare, &se,
	    f) == -1)
		return -1;
	if (se.other[0] != '\0')
		return bk_fault_set(f, BK_DATA, "'%s' is stored already with "
		    "another content (%s, here %s): do two servers write as "
		    "'%s'?", n->file, se.other, src->key.hash, how->name);
	if (se.same)
		return BK_EXISTS;
	return se.known ? 0 : admit(s, how, src->key.system, f);
}

/* Is the file still the one that was looked at? */
static int
unchanged(const struct bk_wal_source *src, struct bk_fault *f)
{
	struct stat st;

	if (fstat(src->fd, &st) == 0 && (uint64_t)st.st_size == src->bytes &&
	    (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec ==
	    src->id.changed)
		return 0;
	return bk_fault_set(f, BK_DATA, "'%s' changed while it was read",
	    src->key.name.file);
}

static int
to_put(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	return bk_store_put_write(arg, p, n, f);
}

/* Read the file once more, through the codec, into ${put}. */
static int
send(const struct bk_wal_how *how, const struct bk_wal_source *src,
    struct bk_put *put, struct bk_fault *f)
{
	const struct bk_codec_format *fmt = how->codec;
	uint8_t *piece = malloc(PIECE);
	void *t = NULL;
	uint64_t off;
	size_t n;
	int rc = -1;

	if (piece == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		goto out;
	}
	if (fmt != NULL && (t = fmt->encode(how->level, how->threads, to_put,
	    put, f)) == NULL)
		goto out;
	for (off = 0; off < src->bytes; off += n) {
		n = src->bytes - off < PIECE ? (size_t)(src->bytes - off) : PIECE;
		if (bk_pread_all(src->fd, piece, n, off, src->key.name.file,
		    f) == -1 || (t != NULL ?
		    fmt->encode_ops->write(t, piece, n, f) :
		    bk_store_put_write(put, piece, n, f)) == -1)
			goto out;
	}
	if (t == NULL || fmt->encode_ops->finish(t, f) == 0)
		rc = unchanged(src, f);
out:
	if (t != NULL)
		fmt->encode_ops->free(t);
	free(piece);
	return rc;
}

int
bk_wal_push(struct bk_store *s, const struct bk_wal_how *how,
    struct bk_wal_source *src, struct bk_fault *f)
{
	/*
	 * Not BK_PUT_NEW: whoever puts this key puts this content, and asking
	 * costs another request on servers that do not know the condition.
	 */
	const struct bk_put_opts opts = { .flags = 0 };
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX);
	struct bk_put *put = NULL;
	int rc = -1;

	if (src->key.name.kind != BK_WAL_GROWING &&
	    (rc = look(s, how, src, f)) != 0)
		return rc;
	rc = -1;
	memset(src->key.suffix, 0, sizeof(src->key.suffix));
	if (how->codec != NULL)
		memcpy(src->key.suffix, how->codec->ext,
		    strlen(how->codec->ext) + 1);
	if (bk_wal_key(&key, how->name, &src->key, f) == -1 ||
	    (put = bk_store_put_begin(s, key.p, &opts, f)) == NULL)
		goto out;
	if (send(how, src, put, f) == -1) {
		bk_store_put_abort(put);
		goto out;
	}
	rc = bk_store_put_commit(put, f);
out:
	bk_buf_release(&key);
	return rc;
}

struct growing {
	const char *keep;
	const struct bk_wal_name *segment;
	struct bk_keys keys;
};

static int
take_growing(void *arg, const struct bk_wal_key *k, const struct bk_object *o,
    struct bk_fault *f)
{
	struct growing *g = arg;

	if (k->name.at != g->segment->at)
		return k->name.at < g->segment->at ? 0 : BK_LIST_STOP;
	if (k->name.kind != BK_WAL_GROWING || (g->keep != NULL &&
	    strcmp(k->name.file, g->keep) == 0))
		return 0;
	return bk_keys_add(&g->keys, o->key, f);
}

int
bk_wal_drop_growing(struct bk_store *s, const char *name, uint64_t system,
    const struct bk_wal_name *segment, const char *keep, struct bk_fault *f)
{
	struct growing g = { .keep = keep, .segment = segment };
	struct bk_wal_name from = *segment;
	int rc;

	/* "…FF.partial-" and nothing before it. */
	(void)snprintf(from.file, sizeof(from.file), "%.24s.partial",
	    segment->file);
	rc = bk_wal_list_from(s, name, system, &from, take_growing, &g, f);
	if (rc == 0)
		rc = bk_keys_remove(&g.keys, s, f);
	bk_keys_release(&g.keys);
	return rc;
}
