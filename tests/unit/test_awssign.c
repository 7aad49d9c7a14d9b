/*
 * Signatures against the examples that Amazon publishes ("Authenticating
 * Requests: Using the Authorization Header", "… Using Query Parameters").
 */
#include <string.h>

#include "awssign.h"
#include "tap.h"
#include "when.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HOST "examplebucket.s3.amazonaws.com"

static const struct bk_aws_key key = { "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL };

static const struct bk_aws_pair range[] = { { "range", "bytes=0-9" } };
static const struct bk_aws_pair put[] = {
	{ "x-amz-storage-class", "REDUCED_REDUNDANCY" },
	{ "date", "Fri, 24 May 2013 00:00:00 GMT" },
};
static const struct bk_aws_pair lifecycle[] = { { "lifecycle", "" } };
static const struct bk_aws_pair list[] = { { "prefix", "J" },
    { "max-keys", "2" } };

static const struct {
	const char *what;
	struct bk_aws_request r;
	const char *want;
} cases[] = {
	{ "GET object", { "GET", HOST, "/test.txt", NULL, 0, range, 1, EMPTY,
	    "us-east-1" },
	    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/"
	    "us-east-1/s3/aws4_request,SignedHeaders=host;range;"
	    "x-amz-content-sha256;x-amz-date,Signature="
	    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41" },
	{ "PUT object", { "PUT", HOST, "/test$file.text", NULL, 0, put, 2,
	    "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
	    "us-east-1" },
	    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/"
	    "us-east-1/s3/aws4_request,SignedHeaders=date;host;"
	    "x-amz-content-sha256;x-amz-date;x-amz-storage-class,Signature="
	    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd" },
	{ "GET bucket lifecycle", { "GET", HOST, "/", lifecycle, 1, NULL, 0,
	    EMPTY, "us-east-1" },
	    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/"
	    "us-east-1/s3/aws4_request,SignedHeaders=host;"
	    "x-amz-content-sha256;x-amz-date,Signature="
	    "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543" },
	{ "list objects", { "GET", HOST, "/", list, 2, NULL, 0, EMPTY,
	    "us-east-1" },
	    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/"
	    "us-east-1/s3/aws4_request,SignedHeaders=host;"
	    "x-amz-content-sha256;x-amz-date,Signature="
	    "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7" },
};

int
main(void)
{
	static const struct bk_aws_request get = { "GET", HOST, "/test.txt",
	    NULL, 0, NULL, 0, NULL, "us-east-1" };
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_buf b = BK_BUF_INIT(4096);
	struct bk_aws_key session = key;
	struct bk_aws_pair many[64];
	char date[BK_AWS_DATE_LEN];
	int64_t t = 0;

	ok_int(bk_time_parse("2013-05-24T00:00:00Z", &t, &f), 0, "time");
	bk_aws_date(t, date);
	ok_text(date, "20130524T000000Z", "date");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bk_buf_reset(&b);
		ok_int(bk_aws_sign(&cases[i].r, &key, t, &b, &f), 0, "signs");
		ok_text(bk_buf_text(&b), cases[i].want, cases[i].what);
	}

	bk_buf_reset(&b);
	ok_int(bk_aws_presign(&get, &key, t, 86400, &b, &f), 0, "presigns");
	ok_text(bk_buf_text(&b), "X-Amz-Algorithm=AWS4-HMAC-SHA256"
	    "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2F"
	    "s3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400"
	    "&X-Amz-SignedHeaders=host&X-Amz-Signature="
	    "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
	    "link");

	session.token = "tok/en+=";
	bk_buf_reset(&b);
	ok_int(bk_aws_presign(&get, &session, t, 60, &b, &f), 0,
	    "presigns with a session");
	ok(strstr(bk_buf_text(&b), "&X-Amz-Security-Token=tok%2Fen%2B%3D&") !=
	    NULL, "session token is part of the query");
	bk_buf_reset(&b);
	ok_int(bk_aws_sign(&cases[0].r, &session, t, &b, &f), 0, "signs");
	ok(strstr(bk_buf_text(&b), "x-amz-date;x-amz-security-token,") != NULL,
	    "session token is signed");

	bk_buf_reset(&b);
	ok_int(bk_aws_query(list, 2, &b, &f), 0, "query");
	ok_text(bk_buf_text(&b), "max-keys=2&prefix=J", "query is sorted");
	for (size_t i = 0; i < 64; i++)
		many[i] = list[0];
	ok_int(bk_aws_query(many, 64, &b, &f), -1, "too many fields");
	ok_int(f.status, BK_BUG, "is a bug");
	bk_buf_release(&b);
	return done();
}
