/*
 * Listing by ListObjectsV2, removing by DeleteObjects, and unfinished uploads.
 * Keys are asked for URL-encoded, since XML 1.0 cannot hold every byte of a
 * foreign key.  A page is walked twice: first for what stands about the page,
 * as its order is not promised.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3.h"
#include "s3xml.h"
#include "when.h"

#define BATCH 1000			/* keys of one DeleteObjects */
#define BODY_MAX (8U * 1024 * 1024)
#define DROP_MS 15000			/* for dropping an upload */

struct page {
	struct bk_s3 *s;
	bk_list_fn *fn;
	void *arg;
	const char *key_path;		/* of uploads or of objects */
	bool encoded, more, stop, uploads;
	char token[2048], next_upload[2048];
	char key[3 * (BK_KEY_MAX + 1024) + 1];
	char upload[1024];
	struct bk_object o;
	/* Uploads to drop: only those of this key. */
	const char *only;
};

static void
cut(char *out, size_t size, const char *text)
{
	(void)snprintf(out, size, "%s", text);
}

/* Undo the URL encoding of a key in place. */
static void
decode(char *s)
{
	char *to = s;
	unsigned char c;

	for (; *s != '\0'; s++) {
		if (*s == '%' && bk_unhex((char[3]){ s[1], s[1] != '\0' ?
		    s[2] : '\0', '\0' }, &c, 1) == 0) {
			*to++ = (char)c;
			s += 2;
		} else {
			*to++ = *s == '+' ? ' ' : *s;
		}
	}
	*to = '\0';
}

static int
about(void *arg, const char *path, const char *text, struct bk_fault *f)
{
	struct page *p = arg;
	const char *name = strchr(path, '/');

	(void)f;
	if (name == NULL)
		return 0;
	if (strcmp(++name, "EncodingType") == 0)
		p->encoded = strcmp(text, "url") == 0;
	else if (strcmp(name, "IsTruncated") == 0)
		p->more = strcmp(text, "true") == 0;
	else if (strcmp(name, "NextContinuationToken") == 0 ||
	    strcmp(name, "NextKeyMarker") == 0)
		cut(p->token, sizeof(p->token), text);
	else if (strcmp(name, "NextUploadIdMarker") == 0)
		cut(p->next_upload, sizeof(p->next_upload), text);
	return 0;
}

/* One object, or one upload, is complete. */
static int
emit(struct page *p, struct bk_fault *f)
{
	size_t n = strlen(p->s->prefix);
	int rc;

	if (p->encoded)
		decode(p->key);
	if (strncmp(p->key, p->s->prefix, n) != 0 || !bk_key_ok(p->key + n))
		return 0;		/* "dir/" of other tools, say */
	p->o.key = p->key + n;
	if (p->only != NULL)
		return strcmp(p->o.key, p->only) == 0 ?
		    s3_upload_drop(p->s, p->o.key, p->upload, f) : 0;
	if ((rc = p->fn(p->arg, &p->o, f)) == BK_LIST_STOP)
		p->stop = true;
	return rc == -1 ? -1 : 0;
}

static int
entry(void *arg, const char *path, const char *text, struct bk_fault *f)
{
	struct page *p = arg;
	const char *name = strchr(path, '/');
	struct bk_fault quiet = BK_FAULT_INIT;

	if (p->stop || name == NULL)
		return 0;
	name++;
	if (strcmp(name, p->uploads ? "Upload" : "Contents") == 0) {
		int rc = emit(p, f);

		p->o.bytes = 0;
		p->o.modified = -1;
		p->key[0] = p->upload[0] = '\0';
		return rc;
	}
	if ((name = strchr(name, '/')) == NULL)
		return 0;
	name++;
	if (strcmp(name, "Key") == 0)
		cut(p->key, sizeof(p->key), text);
	else if (strcmp(name, "UploadId") == 0)
		cut(p->upload, sizeof(p->upload), text);
	else if (strcmp(name, "Size") == 0)
		p->o.bytes = strtoull(text, NULL, 10);
	else if ((strcmp(name, "LastModified") == 0 ||
	    strcmp(name, "Initiated") == 0) &&
	    bk_time_parse(text, &p->o.modified, &quiet) == -1)
		p->o.modified = -1;
	return 0;
}

static int
one_page(struct page *p, struct s3_req *q, struct bk_fault *f)
{
	char token[sizeof(p->token)], upload[sizeof(p->next_upload)];
	const char *text;

	s3_query(q, "encoding-type", "url");
	if (s3_run(q, f) == -1)
		return -1;
	if (q->http.status / 100 != 2)
		return s3_refused(q, f);
	text = bk_buf_text(&q->http.answer);
	cut(token, sizeof(token), p->token);
	cut(upload, sizeof(upload), p->next_upload);
	p->encoded = p->more = false;
	p->token[0] = p->next_upload[0] = '\0';
	p->o = (struct bk_object){ NULL, 0, -1 };
	if (bk_xml_walk(text, q->http.answer.len, about, p, f) == -1 ||
	    bk_xml_walk(text, q->http.answer.len, entry, p, f) == -1)
		return -1;
	if (p->more && (p->token[0] == '\0' ||
	    (strcmp(p->token, token) == 0 &&
	    strcmp(p->next_upload, upload) == 0)))
		return bk_fault_set(f, BK_UNAVAILABLE,
		    "a cut listing names no next page");
	return 0;
}

int
s3_list(struct bk_store *base, const char *prefix, const char *after,
    bk_list_fn *fn, void *arg, struct bk_fault *f)
{
	struct bk_s3 *s = (struct bk_s3 *)base;
	struct page p = { .s = s, .fn = fn, .arg = arg };
	struct bk_buf full = BK_BUF_INIT(8192), from = BK_BUF_INIT(8192);
	char token[sizeof(p.token)];
	int rc = -1;

	if (bk_buf_addf(&full, f, "%s%s", s->prefix, prefix) == -1 ||
	    bk_buf_addf(&from, f, "%s%s", s->prefix, after) == -1)
		goto out;
	do {
		struct s3_req q = { .code = "" };

		cut(token, sizeof(token), p.token);
		if (s3_req_init(&q, s, "GET", NULL, f) == 0) {
			s3_query(&q, "list-type", "2");
			s3_query(&q, "prefix", full.p);
			if (token[0] != '\0')
				s3_query(&q, "continuation-token", token);
			else if (*after != '\0')
				s3_query(&q, "start-after", from.p);
			rc = one_page(&p, &q, f);
		}
		s3_req_release(&q);
	} while (rc == 0 && p.more && !p.stop);
out:
	bk_buf_release(&full);
	bk_buf_release(&from);
	return rc;
}

/* Walk the unfinished uploads whose key starts with ${prefix}. */
static int
uploads(struct page *p, const char *prefix, struct bk_fault *f)
{
	struct bk_s3 *s = p->s;
	struct bk_buf full = BK_BUF_INIT(8192);
	char key[sizeof(p->token)], id[sizeof(p->next_upload)];
	int rc = -1;

	p->uploads = true;
	if (bk_buf_addf(&full, f, "%s%s", s->prefix, prefix) == -1)
		return -1;
	do {
		struct s3_req q = { .code = "" };

		cut(key, sizeof(key), p->token);
		cut(id, sizeof(id), p->next_upload);
		if (p->encoded)
			decode(key);
		if (s3_req_init(&q, s, "GET", NULL, f) == 0) {
			s3_query(&q, "uploads", "");
			s3_query(&q, "prefix", full.p);
			if (key[0] != '\0') {
				s3_query(&q, "key-marker", key);
				s3_query(&q, "upload-id-marker", id);
			}
			rc = one_page(p, &q, f);
		}
		s3_req_release(&q);
	} while (rc == 0 && p->more && !p->stop);
	bk_buf_release(&full);
	return rc;
}

int
s3_debris(struct bk_store *base, bk_list_fn *fn, void *arg, struct bk_fault *f)
{
	struct page p = { .s = (struct bk_s3 *)base, .fn = fn, .arg = arg };

	return uploads(&p, "", f);
}

int
s3_debris_remove(struct bk_store *base, const char *key, struct bk_fault *f)
{
	struct page p = { .s = (struct bk_s3 *)base, .only = key };

	return uploads(&p, key, f);
}

int
s3_upload_drop(struct bk_s3 *s, const char *key, const char *id,
    struct bk_fault *f)
{
	struct s3_req q = { .code = "" };
	int rc = -1;

	if (s3_req_init(&q, s, "DELETE", key, f) == -1)
		return -1;
	if (s->timeout_ms > DROP_MS)
		q.http.deadline = s->ctx->mono() + DROP_MS;
	/* The server removes many parts: asking again would not speed it up. */
	q.http.stall_ms = s->timeout_ms < DROP_MS ? s->timeout_ms : DROP_MS;
	s3_query(&q, "uploadId", id);
	if (s3_run(&q, f) == 0)
		rc = q.http.status / 100 == 2 || q.http.status == 404 ? 0 :
		    s3_refused(&q, f);
	s3_req_release(&q);
	return rc;
}

static int
remove_one(struct bk_s3 *s, const char *key, struct bk_fault *f)
{
	struct s3_req q = { .code = "" };
	int rc = -1;

	if (s3_req_init(&q, s, "DELETE", key, f) == -1)
		return -1;
	if (s3_run(&q, f) == 0)
		rc = q.http.status / 100 == 2 ||
		    (q.http.status == 404 && strcmp(q.code, "NoSuchBucket") != 0)
		    ? 0 : s3_refused(&q, f);
	if (rc == -1)
		bk_fault_context(f, "cannot remove '%s'", key);
	s3_req_release(&q);
	return rc;
}

struct removal {
	char key[BK_KEY_MAX + 1024];
	char code[64];
};

/* An <Error> of DeleteResult is a key that is still there. */
static int
removal(void *arg, const char *path, const char *text, struct bk_fault *f)
{
	struct removal *r = arg;

	if (strcmp(path, "DeleteResult/Error/Key") == 0) {
		cut(r->key, sizeof(r->key), text);
	} else if (strcmp(path, "DeleteResult/Error/Code") == 0) {
		cut(r->code, sizeof(r->code), text);
	} else if (strcmp(path, "DeleteResult/Error") == 0) {
		if (strcmp(r->code, "NoSuchKey") != 0)
			return bk_fault_set(f, strcmp(r->code,
			    "AccessDenied") == 0 ? BK_NOPERM : BK_UNAVAILABLE,
			    "cannot remove '%s': %s", r->key, r->code);
		r->key[0] = r->code[0] = '\0';
	}
	return 0;
}

static int
delete_body(struct bk_s3 *s, const char *const *keys, size_t n,
    struct bk_buf *b, char md5[32], struct bk_fault *f)
{
	uint8_t sum[EVP_MAX_MD_SIZE];
	unsigned int len = 0;

	if (bk_buf_adds(b, "<Delete xmlns=\"http://s3.amazonaws.com/doc/"
	    "2006-03-01/\"><Quiet>true</Quiet>", f) == -1)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (bk_buf_adds(b, "<Object><Key>", f) == -1 ||
		    bk_xml_escape(b, s->prefix, f) == -1 ||
		    bk_xml_escape(b, keys[i], f) == -1 ||
		    bk_buf_adds(b, "</Key></Object>", f) == -1)
			return -1;
	if (bk_buf_adds(b, "</Delete>", f) == -1)
		return -1;
	/* Not for secrecy: servers demand it (DeleteObjects, Content-MD5). */
	if (EVP_Digest(b->p, b->len, sum, &len, EVP_md5(), NULL) != 1)
		return bk_fault_set(f, BK_UNAVAILABLE, "no MD5 in OpenSSL");
	(void)EVP_EncodeBlock((uint8_t *)md5, sum, (int)len);
	return 0;
}

static int
remove_batch(struct bk_s3 *s, const char *const *keys, size_t n,
    struct bk_fault *f)
{
	struct s3_req q = { .code = "" };
	struct removal r = { "", "" };
	struct bk_buf b = BK_BUF_INIT(BODY_MAX);
	char md5[32];
	int rc = -1;

	if (s3_req_init(&q, s, "POST", NULL, f) == -1 ||
	    delete_body(s, keys, n, &b, md5, f) == -1)
		goto out;
	s3_query(&q, "delete", "");
	s3_header(&q, "content-md5", md5);
	s3_header(&q, "content-type", "application/xml");
	s3_body(&q, b.p, b.len);
	if (s3_run(&q, f) == -1)
		goto out;
	if (q.http.status == 501 || q.http.status == 405)
		s->no_multi_delete = true;
	else if (q.http.status / 100 != 2)
		(void)s3_refused(&q, f);
	else
		rc = bk_xml_walk(bk_buf_text(&q.http.answer),
		    q.http.answer.len, removal, &r, f);
out:
	bk_buf_release(&b);
	s3_req_release(&q);
	return rc;
}

int
s3_remove(struct bk_store *base, const char *const *keys, size_t n,
    struct bk_fault *f)
{
	struct bk_s3 *s = (struct bk_s3 *)base;
	size_t k;

	while (n > 0) {
		k = n < BATCH ? n : BATCH;
		if (k == 1 || s->no_multi_delete) {
			k = 1;
			if (remove_one(s, keys[0], f) == -1)
				return -1;
		} else if (remove_batch(s, keys, k, f) == -1) {
			if (bk_faulty(f))
				return -1;
			continue;	/* one by one from here on */
		}
		keys += k;
		n -= k;
	}
	return 0;
}
