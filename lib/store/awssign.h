/*
 * AWS signature version 4 for S3, as a pure function of request, credentials
 * and time: nothing here reads a clock, so that the published examples can be
 * checked (Amazon S3 API reference, "Authenticating Requests (AWS Signature
 * Version 4)": header, query and canonical forms).
 *
 * S3 differs from other services: the path is encoded once, never twice, and
 * dots in it are not resolved.
 */
#ifndef BK_AWSSIGN_H
#define BK_AWSSIGN_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "fault.h"

#define BK_AWS_DATE_LEN 17		/* "20130524T000000Z" and a NUL */
#define BK_AWS_UNSIGNED "UNSIGNED-PAYLOAD"
#define BK_AWS_PRESIGN_MAX 604800U	/* seconds: seven days */

struct bk_aws_key {
	const char *id;
	const char *secret;
	const char *token;		/* session token, or NULL */
};

struct bk_aws_pair {
	const char *name;
	const char *value;
};

struct bk_aws_request {
	const char *method;
	const char *host;		/* as in the Host header, port included */
	const char *path;		/* not encoded, from its leading '/' */
	const struct bk_aws_pair *query;	/* not encoded, any order */
	size_t nquery;
	/*
	 * Headers to sign beside host and those that the signature brings;
	 * names in lower case, any order.
	 */
	const struct bk_aws_pair *headers;
	size_t nheaders;
	const char *payload;		/* SHA-256 in hexadecimal, or BK_AWS_UNSIGNED */
	const char *region;
};

/* Time ${t} (ms since the epoch) as signatures have it. */
void bk_aws_date(int64_t t, char out[BK_AWS_DATE_LEN]);

/* Append the query, encoded and sorted, as it is signed.  0 or -1. */
int bk_aws_query(const struct bk_aws_pair *q, size_t n, struct bk_buf *out,
    struct bk_fault *f);

/*
 * Append the value of the Authorization header for ${r} at time ${t}.  The
 * request must then carry x-amz-date (bk_aws_date of ${t}),
 * x-amz-content-sha256 (r->payload), x-amz-security-token where the key has
 * a token, and every header of ${r}.  0, or -1 with ${f} set.
 */
int bk_aws_sign(const struct bk_aws_request *r, const struct bk_aws_key *key,
    int64_t t, struct bk_buf *out, struct bk_fault *f);

/*
 * Append the whole query, signature included, of a link for ${r} that is good
 * for ${seconds} (1 to BK_AWS_PRESIGN_MAX) from ${t}; r->payload is not used.
 */
int bk_aws_presign(const struct bk_aws_request *r, const struct bk_aws_key *key,
    int64_t t, unsigned int seconds, struct bk_buf *out, struct bk_fault *f);

#endif
