/*
 * Buffers come from mmap, so that one goes back to the system as soon as
 * parts grow, and an untouched page costs nothing: a small object takes small
 * memory.
 */
#include "s3part.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "crc32c.h"

#define FILES_MAX 2

uint64_t
s3_part_size(unsigned int i, unsigned int limit)
{
	return S3_PART << ((uint64_t)(i - 1) * 10 / limit);
}

static void
slot_free(struct bk_s3 *s, struct s3_slot *t)
{
	if (t->size == 0)
		return;
	if (t->mem != NULL) {
		(void)munmap(t->mem, t->size);
		s->in_use -= t->size;
	}
	if (t->fd != -1)
		(void)close(t->fd);
	bk_sha256_free(t->sha);
	memset(t, 0, sizeof(*t));
	t->fd = -1;
}

/* A part has been sent, or has failed. */
static int
harvest(struct s3_parts *p, struct s3_slot *t, struct bk_fault *f)
{
	struct s3_part *d = &p->done[t->part - 1];
	char etag[256];
	bool again = false;
	int rc = -1;

	t->flying = false;
	if (s3_again(&t->q, &again, f) == -1)
		goto out;
	if (again) {
		if (s3_start(&t->q, f) == -1)
			goto out;
		t->flying = true;
		return 0;
	}
	if (t->q.http.status / 100 != 2)
		(void)s3_refused(&t->q, f);
	else if (!bk_http_answer(&t->q.http, "etag", etag, sizeof(etag)))
		(void)bk_fault_set(f, BK_UNAVAILABLE, "the server gave no ETag");
	else if ((d->etag = strdup(etag)) == NULL)
		(void)bk_fault_set(f, BK_IO, "out of memory");
	else
		rc = 0;
	if (rc == 0)
		memcpy(d->crc32c, t->q.crc32c, sizeof(d->crc32c));
	if (t->q.http.tried > 1)
		p->s->ctx->log(BK_LOG_INFO, "part %u of '%s' took %u tries",
		    t->part, p->key, t->q.http.tried);
out:
	if (rc == -1)
		bk_fault_context(f, "part %u", t->part);
	s3_req_release(&t->q);
	return rc;
}

/* Take in what has ended; with ${wait} at least one, if any is under way. */
static int
collect(struct s3_parts *p, bool wait, bool *flying, struct bk_fault *f)
{
	struct bk_http_req *r[S3_SLOTS];
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; i < S3_SLOTS; i++)
		if (p->slot[i].flying)
			r[n++] = &p->slot[i].q.http;
	if (wait && n > 0)
		bk_http_wait_any(p->s->http, r, n);
	*flying = false;
	for (size_t i = 0; i < S3_SLOTS; i++) {
		struct s3_slot *t = &p->slot[i];

		if (t->flying && bk_http_ended(p->s->http, &t->q.http) &&
		    harvest(p, t, f) == -1)
			rc = -1;
		*flying |= t->flying;
	}
	return rc;
}

static int
make_file(struct s3_parts *p, struct s3_slot *t, uint64_t size,
    struct bk_fault *f)
{
	int rc;

	if ((t->fd = bk_tmpfile(p->s->temp_dir, f)) == -1)
		return -1;
	t->size = size;
	if ((rc = posix_fallocate(t->fd, 0, (off_t)size)) != 0)
		return bk_fault_errno(f, 0, rc, "cannot reserve %llu bytes in "
		    "'%s'", (unsigned long long)size, p->s->temp_dir);
	return 0;
}

static int
make_memory(struct s3_parts *p, struct s3_slot *t, uint64_t size,
    struct bk_fault *f)
{
	void *m = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (m == MAP_FAILED)
		return bk_fault_errno(f, BK_IO, errno, "cannot get %llu bytes "
		    "of memory", (unsigned long long)size);
	t->fd = -1;
	t->mem = m;
	t->size = size;
	p->s->in_use += size;
	return 0;
}

/* An idle or a new slot for ${size}, or NULL. */
static struct s3_slot *
find(struct s3_parts *p, uint64_t size, bool file, bool flying,
    struct bk_fault *f)
{
	struct s3_slot *none = NULL;
	int files = 0, rc;

	for (size_t i = 0; i < S3_SLOTS; i++) {
		struct s3_slot *t = &p->slot[i];

		if (t->size != 0 && !t->flying) {
			if (t->size == size && (t->mem == NULL) == file)
				return t;
			slot_free(p->s, t);
		}
		files += t->size != 0 && t->mem == NULL;
		if (t->size == 0 && none == NULL)
			none = t;
	}
	if (none == NULL || (file && files == FILES_MAX))
		return NULL;
	/* Another put may hold it all: one buffer each there must be. */
	if (!file && flying && p->s->in_use + size > p->s->memory)
		return NULL;
	rc = file ? make_file(p, none, size, f) : make_memory(p, none, size, f);
	return rc == 0 ? none : NULL;
}

struct s3_slot *
s3_slot_get(struct s3_parts *p, uint64_t size, struct bk_fault *f)
{
	bool file = size > p->s->memory / 2, flying = false;
	struct s3_slot *t = NULL;

	if (collect(p, false, &flying, f) == -1)
		return NULL;
	while ((t = find(p, size, file, flying, f)) == NULL) {
		if (bk_faulty(f))
			return NULL;
		if (!flying) {
			(void)bk_fault_set(f, BK_BUG, "no buffer to be had");
			return NULL;
		}
		if (collect(p, true, &flying, f) == -1)
			return NULL;
	}
	t->used = 0;
	t->crc = 0;
	bk_sha256_free(t->sha);
	t->sha = NULL;
	if (t->mem == NULL && !p->crc && (t->sha = bk_sha256_new(f)) == NULL)
		return NULL;
	return t;
}

int
s3_slot_add(struct s3_parts *p, struct s3_slot *t, const void *data, size_t n,
    struct bk_fault *f)
{
	if (t->mem != NULL) {
		memcpy((char *)t->mem + t->used, data, n);
	} else {
		if (bk_pwrite_all(t->fd, data, n, t->used, p->s->temp_dir,
		    f) == -1)
			return -1;
		t->crc = bk_crc32c(t->crc, data, n);
		if (t->sha != NULL)
			bk_sha256_add(t->sha, data, n);
	}
	t->used += n;
	return 0;
}

/* Let ${q} send the bytes of ${t}. */
static void
give(struct s3_parts *p, struct s3_slot *t, struct s3_req *q)
{
	uint8_t be[4];

	q->crc = p->crc;
	q->http.body = t->mem;
	q->http.fd = t->fd;
	q->http.bytes = t->used;
	if (t->mem != NULL)
		return;
	if (q->crc) {
		for (int i = 0; i < 4; i++)
			be[i] = (uint8_t)(t->crc >> (24 - 8 * i));
		(void)EVP_EncodeBlock((uint8_t *)q->crc32c, be, 4);
	} else {
		bk_sha256_hex(t->sha, q->payload);
	}
}

int
s3_slot_send(struct s3_parts *p, struct s3_slot *t, struct bk_fault *f)
{
	struct s3_req *q = &t->q;
	size_t room;
	void *grown;

	if (p->sent == p->s->parts)
		return bk_fault_set(f, BK_IO, "more than %u parts: too large "
		    "for this store", p->s->parts);
	if (p->sent == p->room) {
		room = p->room != 0 ? p->room * 2 : 64;
		if ((grown = realloc(p->done, room * sizeof(*p->done))) == NULL)
			return bk_fault_set(f, BK_IO, "out of memory");
		p->done = grown;
		memset(p->done + p->room, 0,
		    (room - p->room) * sizeof(*p->done));
		p->room = room;
	}
	memset(q, 0, sizeof(*q));
	t->part = ++p->sent;
	(void)snprintf(t->number, sizeof(t->number), "%u", t->part);
	if (s3_req_init(q, p->s, "PUT", p->key, f) == -1)
		return -1;
	s3_query(q, "partNumber", t->number);
	s3_query(q, "uploadId", p->upload);
	give(p, t, q);
	if (s3_start(q, f) == -1) {
		s3_req_release(q);
		return -1;
	}
	t->flying = true;
	return 0;
}

int
s3_parts_wait(struct s3_parts *p, struct bk_fault *f)
{
	bool flying = true;

	while (flying)
		if (collect(p, true, &flying, f) == -1)
			return -1;
	return 0;
}

void
s3_parts_cancel(struct s3_parts *p)
{
	for (size_t i = 0; i < S3_SLOTS; i++)
		if (p->slot[i].flying) {
			bk_http_cancel(p->s->http, &p->slot[i].q.http);
			s3_req_release(&p->slot[i].q);
			p->slot[i].flying = false;
		}
}

void
s3_parts_release(struct s3_parts *p)
{
	s3_parts_cancel(p);
	for (size_t i = 0; i < S3_SLOTS; i++)
		slot_free(p->s, &p->slot[i]);
	for (size_t i = 0; i < p->room; i++)
		free(p->done[i].etag);
	free(p->done);
	p->done = NULL;
	p->room = 0;
}
