/*
 * The places are tried in order; each answers "found", "not mine" or a
 * fault, and a place that is configured but fails ends the search: falling
 * through to another identity would hide the cause.
 *
 * Outside facts: STS AssumeRoleWithWebIdentity is an unsigned request (AWS
 * STS API reference); container credentials (Amazon ECS developer guide,
 * "Task IAM role"; EKS Pod Identity for FULL_URI with a token file); IMDS
 * version 2 wants a token got by PUT (EC2 user guide).
 */
#include "awscred.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "awsfile.h"
#include "json.h"
#include "s3xml.h"
#include "uri.h"
#include "when.h"

#define FRESH_MS (5 * 60 * 1000)	/* renewed so long before they end */
#define ASK_MS 10000			/* a metadata service's time */
#define IMDS "http://169.254.169.254"
#define ECS "http://169.254.170.2"
#define EKS "http://169.254.170.23"

#define NOT_MINE 1

struct bk_awscred {
	const struct bk_ctx *ctx;
	struct bk_http *http;
	char *profile;			/* of the URL, or NULL */
	char *region;
	pthread_mutex_t lock;
	char *id, *secret, *token;
	int64_t ends;			/* ms; 0: never */
	bool have;
};

static void
wipe(char **s)
{
	if (*s != NULL)
		explicit_bzero(*s, strlen(*s));
	free(*s);
	*s = NULL;
}

/* Take over three texts (token may be NULL); they are the struct's then. */
static void
take(struct bk_awscred *c, char *id, char *secret, char *token, int64_t ends)
{
	bk_awscred_lock(c);
	wipe(&c->id);
	wipe(&c->secret);
	wipe(&c->token);
	c->id = id;
	c->secret = secret;
	c->token = token;
	c->ends = ends;
	c->have = true;
	bk_awscred_unlock(c);
}

static char *
copy(const char *s, struct bk_fault *f)
{
	char *p;

	if (s == NULL || *s == '\0')
		return NULL;
	if ((p = strdup(s)) == NULL)
		(void)bk_fault_set(f, BK_IO, "out of memory");
	return p;
}

static int
take_copy(struct bk_awscred *c, const char *id, const char *secret,
    const char *token, const char *ends, struct bk_fault *f)
{
	struct bk_fault bad = BK_FAULT_INIT;
	char *a, *b = NULL, *t = NULL;
	int64_t end = 0;

	if (ends != NULL && *ends != '\0' &&
	    bk_time_parse(ends, &end, &bad) == -1)
		return bk_fault_set(f, BK_UNAVAILABLE,
		    "the end of the credentials is no time: '%s'", ends);
	if ((a = copy(id, f)) == NULL || (b = copy(secret, f)) == NULL) {
		wipe(&a);
		return bk_fault_set(f, BK_NOPERM, "credentials are incomplete");
	}
	t = copy(token, f);
	take(c, a, b, t, end);
	return bk_faulty(f) ? -1 : 0;
}

static int
from_env(struct bk_awscred *c, struct bk_fault *f)
{
	const char *id = c->ctx->env("AWS_ACCESS_KEY_ID");
	const char *secret = c->ctx->env("AWS_SECRET_ACCESS_KEY");

	if (id == NULL || *id == '\0')
		return NOT_MINE;
	if (secret == NULL || *secret == '\0')
		return bk_fault_set(f, BK_NOPERM, "AWS_ACCESS_KEY_ID is set "
		    "but AWS_SECRET_ACCESS_KEY is not");
	return take_copy(c, id, secret, c->ctx->env("AWS_SESSION_TOKEN"), NULL,
	    f);
}

static int
from_files(struct bk_awscred *c, struct bk_fault *f)
{
	const char *profile = bk_awsfile_profile(c->ctx, c->profile);
	char *id = NULL, *secret = NULL, *token = NULL;
	bool named = c->profile != NULL || strcmp(profile, "default") != 0;
	int rc = NOT_MINE;

	for (int config = 0; config < 2 && rc == NOT_MINE; config++) {
		id = bk_awsfile_get(c->ctx, config == 1, profile,
		    "aws_access_key_id", f);
		if (id == NULL)
			continue;
		secret = bk_awsfile_get(c->ctx, config == 1, profile,
		    "aws_secret_access_key", f);
		token = bk_awsfile_get(c->ctx, config == 1, profile,
		    "aws_session_token", f);
		rc = take_copy(c, id, secret, token, NULL, f);
		wipe(&id);
		wipe(&secret);
		wipe(&token);
	}
	if (bk_faulty(f))
		return -1;
	if (rc == NOT_MINE && named && !bk_awsfile_has(c->ctx, profile, f))
		return bk_fault_set(f, BK_CONFIG, "no AWS profile '%s' in the "
		    "shared files", profile);
	if (rc == NOT_MINE && c->profile != NULL)
		return bk_fault_set(f, BK_CONFIG, "AWS profile '%s' has no "
		    "aws_access_key_id", profile);
	return rc;
}

/* A request to a metadata or token service. */
struct ask {
	const char *url;
	const char *header;		/* "Name: value", or NULL */
	const char *header2;
	struct bk_http_req r;
};

static int
ask_prepare(struct bk_http_req *r, struct bk_fault *f)
{
	const struct ask *a = r->arg;

	if ((r->url = strdup(a->url)) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	if (a->header != NULL && bk_http_header(r, f, "%s", a->header) == -1)
		return -1;
	return a->header2 != NULL ? bk_http_header(r, f, "%s", a->header2) : 0;
}

static int
ask(struct bk_awscred *c, struct ask *a, const char *method, const char *body,
    struct bk_fault *f)
{
	a->r.method = method;
	a->r.body = body != NULL ? body : "";
	a->r.bytes = body != NULL ? strlen(body) : 0;
	a->r.direct = strncmp(a->url, "http:", 5) == 0;
	a->r.prepare = ask_prepare;
	a->r.arg = a;
	a->r.tries = 3;
	a->r.connect_ms = a->r.direct ? 1000 : 0;
	a->r.deadline = c->ctx->mono() + ASK_MS;
	return bk_http_run(c->http, &a->r, f);
}

/* Credentials as both metadata services answer them. */
static int
take_json(struct bk_awscred *c, const struct bk_buf *b, struct bk_fault *f)
{
	json_t *o = bk_json_parse(bk_buf_text(b), b->len,
	    "the metadata service's answer", f);
	const char *id, *secret;
	int rc = -1;

	if (o == NULL)
		return -1;
	id = bk_json_get_text(o, "AccessKeyId");
	secret = bk_json_get_text(o, "SecretAccessKey");
	if (id == NULL || secret == NULL)
		(void)bk_fault_set(f, BK_NOPERM, "the metadata service gave no "
		    "credentials");
	else
		rc = take_copy(c, id, secret, bk_json_get_text(o, "Token"),
		    bk_json_get_text(o, "Expiration"), f);
	json_decref(o);
	return rc;
}

static int
web_identity_body(struct bk_awscred *c, const char *role, const char *token,
    struct bk_buf *b, struct bk_fault *f)
{
	const char *session = c->ctx->env("AWS_ROLE_SESSION_NAME");

	if (bk_buf_adds(b, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15"
	    "&RoleArn=", f) == -1 || bk_uri_encode(b, role, false, f) == -1 ||
	    bk_buf_adds(b, "&RoleSessionName=", f) == -1 ||
	    bk_uri_encode(b, session != NULL && *session != '\0' ? session :
	    "bk", false, f) == -1 ||
	    bk_buf_adds(b, "&WebIdentityToken=", f) == -1)
		return -1;
	return bk_uri_encode(b, token, false, f);
}

static int
web_identity_take(struct bk_awscred *c, const struct bk_http_req *r,
    struct bk_fault *f)
{
#define TOP "AssumeRoleWithWebIdentityResponse/AssumeRoleWithWebIdentityResult" \
	"/Credentials/"
	char id[256], secret[256], ends[64], code[128], *token;
	const char *p = bk_buf_text(&r->answer);
	size_t n = r->answer.len;
	int rc = -1;

	if (r->status != 200) {
		bk_xml_text(p, n, "ErrorResponse/Error/Code", code, sizeof(code));
		return bk_fault_set(f, r->status / 100 == 5 ? BK_UNAVAILABLE :
		    BK_NOPERM, "the token service refuses the web identity: "
		    "%ld %s", r->status, code);
	}
	if ((token = calloc(1, 16384)) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	bk_xml_text(p, n, TOP "AccessKeyId", id, sizeof(id));
	bk_xml_text(p, n, TOP "SecretAccessKey", secret, sizeof(secret));
	bk_xml_text(p, n, TOP "SessionToken", token, 16384);
	bk_xml_text(p, n, TOP "Expiration", ends, sizeof(ends));
	rc = take_copy(c, id, secret, token, ends, f);
	explicit_bzero(secret, sizeof(secret));
	explicit_bzero(token, 16384);
	free(token);
	return rc;
#undef TOP
}

static int
from_web_identity(struct bk_awscred *c, struct bk_fault *f)
{
	const char *file = c->ctx->env("AWS_WEB_IDENTITY_TOKEN_FILE");
	const char *role = c->ctx->env("AWS_ROLE_ARN");
	const char *end = c->ctx->env("AWS_ENDPOINT_URL_STS");
	struct ask a = { .header = "Content-Type: application/x-www-form-urlencoded" };
	struct bk_buf body = BK_BUF_INIT(256 * 1024);
	char url[512], *token;
	int rc = -1;

	if (file == NULL || *file == '\0' || role == NULL || *role == '\0')
		return NOT_MINE;
	if (end != NULL && *end != '\0')
		(void)snprintf(url, sizeof(url), "%s/", end);
	else
		(void)snprintf(url, sizeof(url), "https://sts.%s.amazonaws.com%s/",
		    c->region, strncmp(c->region, "cn-", 3) == 0 ? ".cn" : "");
	a.url = url;
	if ((token = bk_awsfile_read(file, f)) == NULL)
		return -1;
	token[strcspn(token, "\r\n")] = '\0';
	if (web_identity_body(c, role, token, &body, f) == 0 &&
	    ask(c, &a, "POST", body.p, f) == 0)
		rc = web_identity_take(c, &a.r, f);
	bk_fault_context(f, "web identity");
	bk_http_release(&a.r);
	bk_buf_wipe(&body);
	wipe(&token);
	return rc;
}

/* Plain http only to the services themselves, as the AWS tools hold it. */
static bool
full_uri_ok(const char *u)
{
	static const char *const ok[] = { "http://127.0.0.1", "http://localhost",
	    "http://[::1]", ECS, EKS };
	size_t n;

	if (strncmp(u, "https://", 8) == 0)
		return true;
	for (size_t i = 0; i < sizeof(ok) / sizeof(ok[0]); i++) {
		n = strlen(ok[i]);
		if (strncmp(u, ok[i], n) == 0 &&
		    strchr(":/?", u[n]) != NULL)
			return true;
	}
	return false;
}

static int
container_token(struct bk_awscred *c, char **header, struct bk_fault *f)
{
	const char *file = c->ctx->env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *token = c->ctx->env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	struct bk_buf b = BK_BUF_INIT(64 * 1024);
	char *read = NULL;

	*header = NULL;
	if (file != NULL && *file != '\0') {
		if ((read = bk_awsfile_read(file, f)) == NULL)
			return -1;
		read[strcspn(read, "\r\n")] = '\0';
		token = read;
	}
	if (token != NULL && *token != '\0' &&
	    bk_buf_addf(&b, f, "Authorization: %s", token) == 0)
		*header = bk_buf_detach(&b, f);
	bk_buf_wipe(&b);
	wipe(&read);
	return bk_faulty(f) ? -1 : 0;
}

static int
from_container(struct bk_awscred *c, struct bk_fault *f)
{
	const char *rel = c->ctx->env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = c->ctx->env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	struct ask a = { .url = NULL };
	char url[2048], *header = NULL;
	int rc = -1;

	if (rel != NULL && *rel != '\0')
		(void)snprintf(url, sizeof(url), ECS "%s", rel);
	else if (full != NULL && *full != '\0')
		(void)snprintf(url, sizeof(url), "%s", full);
	else
		return NOT_MINE;
	if (!full_uri_ok(url))
		return bk_fault_set(f, BK_CONFIG, "'%s' in AWS_CONTAINER_"
		    "CREDENTIALS_FULL_URI is neither https nor local", url);
	if (container_token(c, &header, f) == -1)
		return -1;
	a.url = url;
	a.header = header;
	if (ask(c, &a, "GET", NULL, f) == 0) {
		if (a.r.status == 200)
			rc = take_json(c, &a.r.answer, f);
		else
			(void)bk_fault_set(f, a.r.status / 100 == 5 ?
			    BK_UNAVAILABLE : BK_NOPERM, "status %ld",
			    a.r.status);
	}
	bk_fault_context(f, "container credentials");
	bk_http_release(&a.r);
	wipe(&header);
	return rc;
}

/* One question to IMDS: 0 with the answer, NOT_MINE: nothing there. */
static int
imds(struct bk_awscred *c, const char *method, const char *path,
    const char *header, struct bk_buf *out, struct bk_fault *f)
{
	const char *base = c->ctx->env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	struct bk_fault quiet = BK_FAULT_INIT;
	struct ask a = { .header = header };
	char url[1024];
	size_t n;
	int rc = NOT_MINE;

	if (base == NULL || *base == '\0')
		base = IMDS;
	for (n = strlen(base); n > 0 && base[n - 1] == '/'; n--)
		;
	(void)snprintf(url, sizeof(url), "%.*s/latest/%s", (int)n, base, path);
	a.url = url;
	if (ask(c, &a, method, NULL, &quiet) == 0 && a.r.status == 200)
		rc = bk_buf_add(out, bk_buf_text(&a.r.answer), a.r.answer.len, f);
	bk_http_release(&a.r);
	return rc;
}

static int
from_instance(struct bk_awscred *c, struct bk_fault *f)
{
	static const char creds[] = "meta-data/iam/security-credentials/";
	const char *off = c->ctx->env("AWS_EC2_METADATA_DISABLED");
	struct bk_buf token = BK_BUF_INIT(4096), role = BK_BUF_INIT(512);
	struct bk_buf answer = BK_BUF_INIT(64 * 1024);
	char header[4200] = "", path[640];
	int rc;

	if (off != NULL && strcasecmp(off, "true") == 0)
		return NOT_MINE;
	rc = imds(c, "PUT", "api/token",
	    "X-aws-ec2-metadata-token-ttl-seconds: 21600", &token, f);
	if (rc == 0) {
		(void)snprintf(header, sizeof(header),
		    "X-aws-ec2-metadata-token: %s", bk_buf_text(&token));
		rc = imds(c, "GET", creds, header, &role, f);
	}
	if (rc == 0) {
		(void)snprintf(path, sizeof(path), "%s%.*s", creds,
		    (int)strcspn(bk_buf_text(&role), "\r\n"),
		    bk_buf_text(&role));
		rc = imds(c, "GET", path, header, &answer, f);
	}
	if (rc == 0)
		rc = take_json(c, &answer, f);
	explicit_bzero(header, sizeof(header));
	bk_buf_wipe(&token);
	bk_buf_release(&role);
	bk_buf_wipe(&answer);
	return rc;
}

static int
search(struct bk_awscred *c, struct bk_fault *f)
{
	static int (*const places[])(struct bk_awscred *, struct bk_fault *) = {
	    from_env, from_web_identity, from_files, from_container,
	    from_instance };
	int rc;

	if (c->profile != NULL)
		return from_files(c, f);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if ((rc = places[i](c, f)) != NOT_MINE)
			return rc;
	return bk_fault_set(f, BK_NOPERM, "no AWS credentials found: set "
	    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile in "
	    "~/.aws/credentials");
}

int
bk_awscred_ready(struct bk_awscred *c, bool anew, struct bk_fault *f)
{
	struct bk_fault g = BK_FAULT_INIT;
	int64_t offset, now;

	(void)bk_http_clock(c->http, &offset);
	now = c->ctx->now() + offset;
	if (c->have && !anew && (c->ends == 0 || now < c->ends - FRESH_MS))
		return 0;
	if (search(c, &g) == 0)
		return 0;
	/* What is still good serves while its source is away. */
	if (c->have && !anew && now < c->ends)
		return 0;
	return bk_fault_set(f, g.status, "%s", g.text);
}

struct bk_aws_key
bk_awscred_key(const struct bk_awscred *c)
{
	return (struct bk_aws_key){ c->id, c->secret, c->token };
}

void
bk_awscred_lock(struct bk_awscred *c)
{
	(void)pthread_mutex_lock(&c->lock);
}

void
bk_awscred_unlock(struct bk_awscred *c)
{
	(void)pthread_mutex_unlock(&c->lock);
}

struct bk_awscred *
bk_awscred_new(const struct bk_ctx *ctx, struct bk_http *http,
    const char *profile, const char *region, struct bk_fault *f)
{
	struct bk_awscred *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		return NULL;
	}
	c->ctx = ctx;
	c->http = http;
	(void)pthread_mutex_init(&c->lock, NULL);
	c->profile = copy(profile, f);
	c->region = copy(region != NULL ? region : "us-east-1", f);
	if (!bk_faulty(f))
		return c;
	bk_awscred_free(c);
	return NULL;
}

void
bk_awscred_free(struct bk_awscred *c)
{
	if (c == NULL)
		return;
	wipe(&c->id);
	wipe(&c->secret);
	wipe(&c->token);
	free(c->profile);
	free(c->region);
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
}

char *
bk_aws_setting(const struct bk_ctx *ctx, const char *profile, const char *env,
    const char *env2, const char *name, struct bk_fault *f)
{
	const char *v = NULL;

	if (env != NULL)
		v = ctx->env(env);
	if ((v == NULL || *v == '\0') && env2 != NULL)
		v = ctx->env(env2);
	if (v != NULL && *v != '\0')
		return copy(v, f);
	return bk_awsfile_get(ctx, true, bk_awsfile_profile(ctx, profile), name,
	    f);
}
