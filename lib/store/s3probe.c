/*
 * What a server really does.  Nothing here is taken from a product's name;
 * only Amazon's own end point is known without asking.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3.h"
#include "s3xml.h"

#define PROBE ".bk/probe.json"
#define PARTS_LOW 1000
#define VERSIONS_MS 30000		/* it is only said, never acted by */

/* PUT ${text} to the probe's key; the status, or -1. */
static long
try_put(struct bk_s3 *s, const char *text, const char *name,
    const char *value, unsigned int tries, struct bk_fault *f)
{
	struct s3_req q = { .code = "" };
	long status = -1;

	if (s3_req_init(&q, s, "PUT", PROBE, f) == -1)
		return -1;
	q.http.tries = tries;
	s3_header(&q, "content-type", "application/json");
	if (name != NULL)
		s3_header(&q, name, value);
	s3_body(&q, text, strlen(text));
	if (s3_run(&q, f) == 0)
		status = q.http.status;
	s3_req_release(&q);
	return status;
}

/*
 * The second of two conditional PUTs tells: 412 means honoured, 200 ignored,
 * 501 refused.  Without the right to write nothing can be told, nor need be.
 */
static void
probe_create(struct bk_s3 *s, struct bk_fault *f)
{
	static const char text[] = "{\"bk\":\"probe/1\"}\n";
	long st;

	s->create_only = S3_NO;
	st = try_put(s, text, "if-none-match", "*", 0, f);
	if (st / 100 == 2)
		st = try_put(s, text, "if-none-match", "*", 0, f);
	if (st == 412 || st == 409)
		s->create_only = S3_YES;
}

int
s3_facts(struct bk_store *base, struct bk_store_facts *facts,
    struct bk_fault *f)
{
	struct bk_s3 *s = (struct bk_s3 *)base;

	if (s->create_only == S3_UNKNOWN && s->host == NULL)
		s->create_only = S3_YES;	/* Amazon, since August 2024 */
	if (s->create_only == S3_UNKNOWN && !s->read_only) {
		probe_create(s, f);
		if (bk_faulty(f))
			return -1;
	}
	facts->create_only = s->create_only == S3_YES;
	facts->clock_known = bk_http_clock(s->http, &facts->clock_offset);
	return 0;
}

void
s3_probe_parts(struct bk_s3 *s, const char *key)
{
	struct bk_fault quiet = BK_FAULT_INIT;
	struct s3_req q = { .code = "" };

	if (s->host == NULL || s3_req_init(&q, s, "PUT", key, &quiet) == -1)
		return;
	/* Part numbers are checked before the upload's id is looked up. */
	s3_query(&q, "partNumber", "10000");
	s3_query(&q, "uploadId", "bk-probe");
	if (s3_run(&q, &quiet) == 0 && q.http.status == 400 &&
	    strcmp(q.code, "InvalidArgument") == 0)
		s->parts = PARTS_LOW;
	s3_req_release(&q);
}

bool
s3_probe_checksum(struct bk_s3 *s)
{
	struct bk_fault quiet = BK_FAULT_INIT;
	long st;

	if (!s->tls)
		return false;
	if (s->checksum == S3_UNKNOWN && s->host == NULL)
		s->checksum = S3_YES;
	if (s->checksum == S3_UNKNOWN) {
		/*
		 * A wrong sum must be refused.  "AAAAAA==" is that of "".
		 * Once: the refusal reads like a part damaged on its way,
		 * which is sent again until the time limit.
		 */
		st = try_put(s, "{\"bk\":\"probe/1\"}\n",
		    "x-amz-checksum-crc32c", "AAAAAA==", 1, &quiet);
		s->checksum = st == 400 ? S3_YES : S3_NO;
	}
	return s->checksum == S3_YES;
}

/*
 * GetBucketVersioning (Amazon S3 API reference): no Status at all where it was
 * never enabled.
 */
enum bk_versions
s3_versions(struct bk_store *base)
{
	struct bk_s3 *s = (struct bk_s3 *)base;
	struct bk_fault quiet = BK_FAULT_INIT;
	enum bk_versions found = BK_VERSIONS_NONE;
	struct s3_req q = { .code = "" };
	char status[16] = "";
	int64_t latest = s->ctx->mono() + VERSIONS_MS;

	if (s3_req_init(&q, s, "GET", NULL, &quiet) == 0) {
		s3_query(&q, "versioning", "");
		if (q.http.deadline > latest)
			q.http.deadline = latest;
		if (s3_run(&q, &quiet) == 0 && q.http.status == 200)
			bk_xml_text(bk_buf_text(&q.http.answer), q.http.answer.len,
			    "VersioningConfiguration/Status", status,
			    sizeof(status));
	}
	if (strcmp(status, "Enabled") == 0)
		found = BK_VERSIONS_KEPT;
	else if (strcmp(status, "Suspended") == 0)
		found = BK_VERSIONS_SUSPENDED;
	s3_req_release(&q);
	return found;
}
