/*
 * Storing an object.  What ends within the first part goes by one PUT, the
 * rest as a multipart upload whose parts are sent in parallel (s3part.c).
 *
 * Each object carries a random mark as user metadata, so that a commit whose
 * reply was lost can be resolved by looking whose object is there.  A request
 * may be refused for what we only wished for -- tags, the condition -- and is
 * then repeated without: tags never fail a put, and the condition is replaced
 * by a look before.
 *
 * Outside facts (Amazon S3 API reference): CompleteMultipartUpload may answer
 * 200 with an <Error>; sent again after success it succeeds again, or is 404
 * NoSuchUpload on some servers; If-None-Match answers 412.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "s3.h"
#include "s3part.h"
#include "s3xml.h"

#define TAGS_MAX 10			/* Amazon's limit for an object */
#define LOOK_MS 15000
#define COMPLETE_STALL_MS 300000	/* Amazon: "several minutes to complete" */
#define MARK "x-amz-meta-bk-put"

struct s3_put {
	struct bk_put base;
	struct bk_s3 *s;
	char *key;
	char *type;
	char *tags;			/* as x-amz-tagging, or NULL */
	bool create_only;
	char mark[33];
	char upload[1024];		/* "" until there is one */
	bool maybe_more;		/* a lost reply may have left another */
	uint64_t total;
	struct s3_parts parts;
	struct s3_slot *cur;
	bool failed;
	int64_t deadline;		/* of the commit under way */
};

/* A refusal of something that we can do without. */
enum wish { NOTHING, TAGS, CONDITION };

static char *
tag_text(const char *const *tags, struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(16 * 1024);
	char *text = NULL;

	for (int i = 0; tags[0] != NULL && i < TAGS_MAX; i++, tags += 2)
		if ((i > 0 && bk_buf_adds(&b, "&", f) == -1) ||
		    bk_uri_encode(&b, tags[0], false, f) == -1 ||
		    bk_buf_adds(&b, "=", f) == -1 ||
		    bk_uri_encode(&b, tags[1], false, f) == -1)
			goto out;
	text = bk_buf_detach(&b, f);
out:
	bk_buf_release(&b);
	return text;
}

static void
put_free(struct s3_put *p)
{
	s3_parts_release(&p->parts);
	free(p->key);
	free(p->type);
	free(p->tags);
	free(p);
}

struct bk_put *
s3_put_begin(struct bk_store *base, const char *key,
    const struct bk_put_opts *opts, struct bk_fault *f)
{
	struct bk_s3 *s = (struct bk_s3 *)base;
	struct s3_put *p = calloc(1, sizeof(*p));
	uint8_t mark[16];

	if (p == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		return NULL;
	}
	p->base.store = base;
	p->s = s;
	p->parts.s = s;
	for (size_t i = 0; i < S3_SLOTS; i++)
		p->parts.slot[i].fd = -1;
	p->create_only = (opts->flags & BK_PUT_NEW) != 0;
	p->key = strdup(key);
	p->type = strdup(opts->content_type != NULL ? opts->content_type :
	    "application/octet-stream");
	p->parts.key = p->key;
	p->parts.upload = p->upload;
	if (getrandom(mark, sizeof(mark), 0) != sizeof(mark))
		(void)bk_fault_errno(f, BK_BUG, errno, "no randomness");
	bk_hex(mark, sizeof(mark), p->mark);
	if (p->key == NULL || p->type == NULL)
		(void)bk_fault_set(f, BK_IO, "out of memory");
	if (opts->tags != NULL && opts->tags[0] != NULL && !s->no_tags)
		p->tags = tag_text(opts->tags, f);
	if (!bk_faulty(f))
		return &p->base;
	put_free(p);
	return NULL;
}

/* Headers that say what the object shall be. */
static void
describe(struct s3_put *p, struct s3_req *q, bool tags)
{
	s3_header(q, "content-type", p->type);
	s3_header(q, MARK, p->mark);
	if (p->s->storage_class != NULL)
		s3_header(q, "x-amz-storage-class", p->s->storage_class);
	if (p->s->sse != NULL)
		s3_header(q, "x-amz-server-side-encryption", p->s->sse);
	if (tags)
		s3_header(q, "x-amz-tagging", p->tags);
}

/* What could be left out of a request that was refused so? */
static enum wish
spare(const struct s3_req *q, bool tags, bool condition)
{
	long st = q->http.status;

	if (strcmp(q->code, "NoSuchBucket") == 0 || q->http.status == 404)
		return NOTHING;
	if (tags && (st == 501 || st == 400 || st == 403))
		return TAGS;
	if (condition && (st == 501 || strcmp(q->code, "NotImplemented") == 0))
		return CONDITION;
	return NOTHING;
}

/*
 * Whose object is there?  0: ours, BK_EXISTS: another's, BK_ABSENT2: none,
 * LOOK_REFUSED: we may not look, -1: no answer.
 */
#define LOOK_NONE 2
#define LOOK_REFUSED 3

static int
look(struct s3_put *p, struct bk_fault *f)
{
	struct s3_req q = { .code = "" };
	char mark[64] = "";
	int rc = -1;

	if (s3_req_init(&q, p->s, "HEAD", p->key, f) == -1)
		return -1;
	if (q.http.deadline > p->deadline)
		q.http.deadline = p->deadline;
	if (s3_run(&q, f) == -1)
		goto out;
	(void)bk_http_answer(&q.http, MARK, mark, sizeof(mark));
	if (q.http.status / 100 == 2)
		rc = strcmp(mark, p->mark) == 0 &&
		    s3_answer_number(&q, "content-length") == p->total ?
		    0 : BK_EXISTS;
	else if (q.http.status == 404)
		rc = LOOK_NONE;
	else if (q.http.status == 403 || q.http.status == 401)
		rc = LOOK_REFUSED;
	else
		(void)s3_refused(&q, f);
out:
	s3_req_release(&q);
	return rc;
}

/*
 * When the request that commits must have ended: the looking after it has to
 * fit into the time limit too.
 */
static int64_t
commit_until(const struct s3_put *p)
{
	int64_t share = p->s->timeout_ms / 8;

	return p->deadline - (share < LOOK_MS ? share : LOOK_MS);
}

/* Is the key taken?  0: no, or we may not look, or the server will (${sure}). */
static int
taken(struct s3_put *p, bool sure, struct bk_fault *f)
{
	int rc;

	if (!p->create_only || sure)
		return 0;
	rc = look(p, f);
	return rc == LOOK_NONE || rc == LOOK_REFUSED ? 0 : rc;
}

/*
 * The commit was answered by something else than success; ${q} may have been
 * carried out nevertheless: find out.
 */
static int
resolve(struct s3_put *p, const struct s3_req *q, struct bk_fault *why,
    struct bk_fault *f)
{
	struct bk_fault g = BK_FAULT_INIT;
	bool taken_now = q->http.status == 412 || q->http.status == 409;
	int rc;

	if (!q->http.unsure && taken_now && p->create_only)
		return BK_EXISTS;
	if (q->http.unsure || bk_faulty(why)) {
		rc = look(p, &g);
		if (rc == 0)
			return 0;
		if (rc == BK_EXISTS && p->create_only)
			return BK_EXISTS;
		if (rc == LOOK_REFUSED && (taken_now ||
		    strcmp(q->code, "NoSuchUpload") == 0))
			return bk_fault_set(f, BK_UNAVAILABLE, "cannot tell "
			    "whether '%s' was stored: the reply was lost, and "
			    "the server refuses to show it", p->key);
	}
	if (bk_faulty(why))
		return bk_fault_set(f, why->status, "%s", why->text);
	return s3_refused(q, f);
}

/*
 * The one part is the body.  Its SHA-256 signs it, and stays with the object,
 * so that small objects are checked when they are read.
 */
static void
give_all(const struct s3_put *p, struct s3_req *q)
{
	uint8_t sum[BK_SHA256_LEN];

	if (p->cur != NULL && p->cur->mem == NULL) {
		q->http.body = NULL;
		q->http.fd = p->cur->fd;
		q->http.bytes = p->cur->used;
		bk_sha256_hex(p->cur->sha, q->payload);
	} else {
		if (p->cur != NULL)
			s3_body(q, p->cur->mem, p->cur->used);
		bk_sha256_of(q->http.body, q->http.bytes, sum);
		bk_hex(sum, sizeof(sum), q->payload);
	}
	s3_header(q, S3_SHA256, q->payload);
}

static int
single(struct s3_put *p, struct bk_fault *f)
{
	bool tags = p->tags != NULL;
	bool condition = p->create_only && p->s->create_only != S3_NO;
	enum wish dropped = NOTHING;
	int rc;

	if ((rc = taken(p, p->s->create_only == S3_YES, f)) != 0)
		return rc;
	for (;;) {
		struct s3_req q = { .code = "" };
		struct bk_fault why = BK_FAULT_INIT;
		enum wish w = NOTHING;

		if (s3_req_init(&q, p->s, "PUT", p->key, f) == -1)
			return -1;
		q.http.deadline = commit_until(p);
		describe(p, &q, tags);
		if (condition)
			s3_header(&q, "if-none-match", "*");
		give_all(p, &q);
		if (s3_run(&q, &why) == 0 && q.http.status / 100 == 2)
			rc = 0;
		else if (bk_faulty(&why) ||
		    (w = spare(&q, tags, condition)) == NOTHING)
			rc = resolve(p, &q, &why, f);
		s3_req_release(&q);
		if (w == NOTHING)
			break;
		tags = tags && w != TAGS;
		condition = condition && w != CONDITION;
		dropped = w;
	}
	if (rc == 0 && dropped == TAGS)
		p->s->no_tags = true;
	if (rc == 0 && dropped == CONDITION)
		p->s->create_only = S3_NO;
	return rc;
}

static int
create_upload(struct s3_put *p, struct bk_fault *f)
{
	bool tags = p->tags != NULL, dropped = false, again;
	int rc = -1;

	p->parts.crc = s3_probe_checksum(p->s);
	do {
		struct s3_req q = { .code = "" };

		again = false;
		if (s3_req_init(&q, p->s, "POST", p->key, f) == -1)
			return -1;
		s3_query(&q, "uploads", "");
		describe(p, &q, tags);
		if (p->parts.crc)
			s3_header(&q, "x-amz-checksum-algorithm", "CRC32C");
		if (s3_run(&q, f) == -1) {
			p->maybe_more = true;
		} else if (q.http.status / 100 == 2) {
			bk_xml_text(bk_buf_text(&q.http.answer),
			    q.http.answer.len,
			    "InitiateMultipartUploadResult/UploadId",
			    p->upload, sizeof(p->upload));
			rc = p->upload[0] != '\0' ? 0 : bk_fault_set(f,
			    BK_UNAVAILABLE, "the server began no upload");
		} else if (spare(&q, tags, false) == TAGS) {
			tags = false;
			again = dropped = true;
		} else {
			(void)s3_refused(&q, f);
		}
		p->maybe_more |= q.http.unsure;
		s3_req_release(&q);
	} while (again);
	if (rc == 0 && dropped)
		p->s->no_tags = true;
	return rc;
}

static int
send_part(struct s3_put *p, struct bk_fault *f)
{
	struct s3_slot *t = p->cur;

	if (p->upload[0] == '\0' && create_upload(p, f) == -1)
		return -1;
	/* Up to here every limit down to 1000 parts gives the same sizes. */
	if (p->parts.sent == 99 && p->s->parts == S3_PARTS)
		s3_probe_parts(p->s, p->key);
	p->cur = NULL;
	return s3_slot_send(&p->parts, t, f);
}

int
s3_put_write(struct bk_put *base, const void *data, size_t n,
    struct bk_fault *f)
{
	struct s3_put *p = (struct s3_put *)base;
	const char *at = data;
	uint64_t k;

	while (n > 0) {
		/* A full first part waits: nothing more, and it goes alone. */
		if (p->cur != NULL && p->cur->used == p->cur->size &&
		    send_part(p, f) == -1)
			break;
		if (p->cur == NULL && (p->cur = s3_slot_get(&p->parts,
		    s3_part_size(p->parts.sent + 1, p->s->parts), f)) == NULL)
			break;
		k = p->cur->size - p->cur->used;
		if (k > n)
			k = n;
		if (s3_slot_add(&p->parts, p->cur, at, (size_t)k, f) == -1)
			break;
		at += k;
		n -= (size_t)k;
		p->total += k;
	}
	p->failed |= n > 0;
	return n > 0 ? -1 : 0;
}

static int
complete_body(struct s3_put *p, struct bk_buf *b, struct bk_fault *f)
{
	const struct s3_part *d = p->parts.done;

	if (bk_buf_adds(b, "<CompleteMultipartUpload xmlns=\""
	    "http://s3.amazonaws.com/doc/2006-03-01/\">", f) == -1)
		return -1;
	for (unsigned int i = 0; i < p->parts.sent; i++)
		if (bk_buf_addf(b, f, "<Part><PartNumber>%u</PartNumber>"
		    "<ETag>", i + 1) == -1 ||
		    bk_xml_escape(b, d[i].etag, f) == -1 ||
		    bk_buf_adds(b, "</ETag>", f) == -1 ||
		    (p->parts.crc && bk_buf_addf(b, f,
		    "<ChecksumCRC32C>%s</ChecksumCRC32C>", d[i].crc32c) == -1) ||
		    bk_buf_adds(b, "</Part>", f) == -1)
			return -1;
	return bk_buf_adds(b, "</CompleteMultipartUpload>", f);
}

static int
complete(struct s3_put *p, struct bk_fault *f)
{
	struct bk_buf body = BK_BUF_INIT(8 * 1024 * 1024);
	bool condition = p->create_only, again = true;
	int rc;

	/* Ceph honours the condition of a PUT and passes over this one's. */
	if ((rc = taken(p, p->s->host == NULL, f)) != 0)
		return rc;
	if (complete_body(p, &body, f) == -1)
		again = (rc = -1) == 0;
	while (again) {
		struct s3_req q = { .completing = true };
		struct bk_fault why = BK_FAULT_INIT;

		again = false;
		if ((rc = s3_req_init(&q, p->s, "POST", p->key, f)) == -1)
			break;
		q.http.deadline = commit_until(p);
		s3_query(&q, "uploadId", p->upload);
		s3_header(&q, "content-type", "application/xml");
		if (condition)
			s3_header(&q, "if-none-match", "*");
		s3_body(&q, body.p, body.len);
		q.http.stall_ms = p->s->timeout_ms / 2 < COMPLETE_STALL_MS ?
		    p->s->timeout_ms / 2 : COMPLETE_STALL_MS;
		if (s3_run(&q, &why) == 0 && q.http.status / 100 == 2 &&
		    q.code[0] == '\0')
			rc = 0;
		else if (!bk_faulty(&why) && condition &&
		    spare(&q, false, condition) == CONDITION)
			again = !(condition = false);
		else
			rc = resolve(p, &q, &why, f);
		s3_req_release(&q);
	}
	bk_buf_release(&body);
	return rc;
}

/* Whatever uploads this put may have left. */
static void
drop(struct s3_put *p, bool ours)
{
	struct bk_fault quiet = BK_FAULT_INIT;

	s3_parts_cancel(&p->parts);
	if (p->maybe_more)
		(void)s3_debris_remove(&p->s->base, p->key, &quiet);
	else if (ours && p->upload[0] != '\0')
		(void)s3_upload_drop(p->s, p->key, p->upload, &quiet);
	if (bk_faulty(&quiet))
		p->s->ctx->log(BK_LOG_WARN, "an unfinished upload of '%s' may "
		    "be left: %s", p->key, quiet.text);
}

int
s3_put_commit(struct bk_put *base, struct bk_fault *f)
{
	struct s3_put *p = (struct s3_put *)base;
	int rc = -1;

	p->deadline = p->s->ctx->mono() + p->s->timeout_ms;
	if (p->failed) {
		(void)bk_fault_set(f, BK_BUG, "commit of a put that has failed");
	} else if (p->upload[0] == '\0') {
		rc = single(p, f);
	} else if ((p->cur == NULL || send_part(p, f) == 0) &&
	    s3_parts_wait(&p->parts, f) == 0) {
		rc = complete(p, f);
	}
	drop(p, rc != 0);
	put_free(p);
	return rc;
}

void
s3_put_abort(struct bk_put *base)
{
	struct s3_put *p = (struct s3_put *)base;

	if (p == NULL)
		return;
	drop(p, true);
	put_free(p);
}
