/*
 * What the files of the S3 driver share: the store, and one signed request.
 * Outside this room only bk_store_s3 (store.h) is used.
 */
#ifndef BK_S3_H
#define BK_S3_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "awscred.h"
#include "awssign.h"
#include "hash.h"
#include "http.h"
#include "store.h"

#define S3_PART (8ULL * 1024 * 1024)	/* first part size; one PUT up to here */
#define S3_PARTS 10000			/* Amazon's limit of parts */
#define S3_REGION_MAX 64
#define S3_SHA256 "x-amz-meta-bk-sha256"	/* of objects that went by one PUT */

/* What is known of a server's behaviour. */
enum s3_known { S3_UNKNOWN, S3_NO, S3_YES };

struct bk_s3 {
	struct bk_store base;
	const struct bk_ctx *ctx;
	struct bk_http *http;
	struct bk_awscred *cred;
	char *bucket;
	char *prefix;			/* "" or with its final '/' */
	char *host;			/* of the endpoint, with port; NULL: Amazon's */
	bool tls;
	bool virtual_host;
	char *storage_class, *sse;
	uint64_t memory;
	char *temp_dir;
	int64_t timeout_ms;
	bool read_only;

	/* Learnt; region under the lock of cred, as both threads use it. */
	char region[S3_REGION_MAX];
	bool region_moved;
	enum s3_known create_only;	/* If-None-Match on PUT */
	enum s3_known checksum;		/* x-amz-checksum-crc32c is verified */
	bool no_tags;			/* x-amz-tagging is refused */
	bool no_multi_delete;
	unsigned int parts;		/* limit, S3_PARTS until known better */
	uint64_t in_use;		/* bytes of part buffers */
};

#define S3_FIELDS 16

/* One request; zero it, s3_req_init it, add to it, run it, release it. */
struct s3_req {
	struct bk_http_req http;
	struct bk_s3 *s;
	char *path;
	struct bk_aws_pair query[S3_FIELDS];
	size_t nquery;
	struct bk_aws_pair headers[S3_FIELDS];
	size_t nheaders;
	char payload[BK_SHA256_HEX];	/* "" until known */
	/* "": take it of the body when it is first sent; base64. */
	bool crc;
	char crc32c[12];
	bool completing;		/* an <Error> may hide in a 200 */

	/* Of the last answer. */
	char code[64], message[256];
	bool expired;			/* the credentials are; s3_again renews them */
	bool renewed;			/* once: a second refusal is final */
	bool skewed;			/* our clock was refused once */
};

/* ${key} is relative to the store; NULL: the bucket itself. */
int s3_req_init(struct s3_req *q, struct bk_s3 *s, const char *method,
    const char *key, struct bk_fault *f);
/* Names and values are borrowed until the release. */
void s3_query(struct s3_req *q, const char *name, const char *value);
void s3_header(struct s3_req *q, const char *name, const char *value);
void s3_body(struct s3_req *q, const void *p, size_t n);

/*
 * Start without waiting (credentials are made ready first); after the end
 * s3_again says whether it must be started once more with new credentials.
 */
int s3_start(struct s3_req *q, struct bk_fault *f);
int s3_again(struct s3_req *q, bool *again, struct bk_fault *f);

/* Run to the end.  0: http.status is set; -1: no answer came. */
int s3_run(struct s3_req *q, struct bk_fault *f);
void s3_req_release(struct s3_req *q);

/*
 * Set ${f} from an answer that is not good; always -1.  The class follows
 * status and code of the answer.
 */
int s3_refused(const struct s3_req *q, struct bk_fault *f);

/* The Host header as of now: Amazon's names the region. */
void s3_host(const struct bk_s3 *s, char *out, size_t size);

/* Header of the answer as a number; UINT64_MAX: none. */
uint64_t s3_answer_number(const struct s3_req *q, const char *name);

/* s3put.c */
struct bk_put *s3_put_begin(struct bk_store *, const char *,
    const struct bk_put_opts *, struct bk_fault *);
int s3_put_write(struct bk_put *, const void *, size_t, struct bk_fault *);
int s3_put_commit(struct bk_put *, struct bk_fault *);
void s3_put_abort(struct bk_put *);

/* s3get.c */
int s3_get(struct bk_store *, const char *, uint64_t, uint64_t, bk_sink_fn *,
    void *, struct bk_fault *);

/* s3list.c */
int s3_list(struct bk_store *, const char *, const char *, bk_list_fn *,
    void *, struct bk_fault *);
int s3_remove(struct bk_store *, const char *const *, size_t,
    struct bk_fault *);
int s3_debris(struct bk_store *, bk_list_fn *, void *, struct bk_fault *);
int s3_debris_remove(struct bk_store *, const char *, struct bk_fault *);
/* Drop one unfinished upload, in bounded time; 0 also where it is gone. */
int s3_upload_drop(struct bk_s3 *s, const char *key, const char *id,
    struct bk_fault *f);

/* s3probe.c */
int s3_facts(struct bk_store *, struct bk_store_facts *, struct bk_fault *);
enum bk_versions s3_versions(struct bk_store *);
/* Learn the limit of parts; leaves S3_PARTS where it cannot tell. */
void s3_probe_parts(struct bk_s3 *s, const char *key);
/* Is x-amz-checksum-crc32c verified here?  Asks at most once. */
bool s3_probe_checksum(struct bk_s3 *s);

#endif
