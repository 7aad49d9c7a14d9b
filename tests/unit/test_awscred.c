/* Where credentials come from: made-up environment, files, and services. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "awscred.h"
#include "scripted.h"
#include "tap.h"

static const char *const *vars;
static char port_url[64];
static int64_t clock_now = 1800000000000;	/* January 2027 */

/* "NAME=value" in vars; a '%' in the value stands for the server's URL. */
static const char *
fake_env(const char *name)
{
	static char value[8][512];
	static int turn;
	size_t n = strlen(name);
	const char *v, *at;

	for (int i = 0; vars[i] != NULL; i++) {
		if (strncmp(vars[i], name, n) != 0 || vars[i][n] != '=')
			continue;
		v = vars[i] + n + 1;
		if ((at = strchr(v, '%')) == NULL)
			return v;
		turn = (turn + 1) % 8;
		snprintf(value[turn], sizeof(value[0]), "%.*s%s%s",
		    (int)(at - v), v, *v == '%' ? port_url : tap_dir(), at + 1);
		return value[turn];
	}
	return NULL;
}

static int64_t
fake_now(void)
{
	return clock_now;
}

static struct bk_ctx ctx;

static void
file(const char *name, const char *text)
{
	char path[512];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", tap_dir(), name);
	if ((out = fopen(path, "we")) == NULL || fputs(text, out) < 0 ||
	    fclose(out) != 0)
		ok(false, "write %s", path);
}

#define STS "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws" \
	".com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult><Credentials>" \
	"<AccessKeyId>WEBID</AccessKeyId><SecretAccessKey>websecret" \
	"</SecretAccessKey><SessionToken>webtoken</SessionToken><Expiration>" \
	"2027-01-15T09:00:00Z</Expiration></Credentials>" \
	"</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"

static const struct reply replies[] = {
	{ "POST /", "Action=AssumeRoleWithWebIdentity&Version=2011-06-15"
	    "&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=bk"
	    "&WebIdentityToken=my%2Ftoken", 200, NULL, STS },
	{ "POST /", NULL, 403, NULL, "<ErrorResponse><Error><Code>AccessDenied"
	    "</Code></Error></ErrorResponse>" },
	{ "GET /container", "Authorization: box-token\r\n", 200, NULL,
	    "{\"AccessKeyId\":\"BOXID\",\"SecretAccessKey\":\"boxsecret\","
	    "\"Token\":\"boxsession\",\"Expiration\":\"2027-01-15T08:30:00Z\"}" },
	{ "GET /container", NULL, 401, NULL, "" },
	{ "PUT /latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: ",
	    200, NULL, "imds-token" },
	{ "GET /latest/meta-data/iam/security-credentials/ ",
	    "X-aws-ec2-metadata-token: imds-token\r\n", 200, NULL, "my-role\n" },
	{ "GET /latest/meta-data/iam/security-credentials/my-role ",
	    "X-aws-ec2-metadata-token: imds-token\r\n", 200, NULL,
	    "{\"Code\":\"Success\",\"AccessKeyId\":\"EC2ID\","
	    "\"SecretAccessKey\":\"ec2secret\",\"Token\":\"ec2session\","
	    "\"Expiration\":\"2027-01-15T14:00:00Z\"}" },
};

#define FILES "AWS_SHARED_CREDENTIALS_FILE=/%/cred", "AWS_CONFIG_FILE=/%/conf"
#define V(...) (const char *const[]){ __VA_ARGS__, NULL }

static const struct {
	const char *what;
	const char *profile;		/* of the URL */
	const char *const *env;
	int status;
	const char *id, *secret, *token;
} cases[] = {
	{ "environment", NULL, V("AWS_ACCESS_KEY_ID=A", "AWS_SECRET_ACCESS_KEY=B",
	    "AWS_SESSION_TOKEN=C", FILES), 0, "A", "B", "C" },
	{ "environment without secret", NULL, V("AWS_ACCESS_KEY_ID=A", FILES),
	    BK_NOPERM, NULL, NULL, NULL },
	{ "default profile", NULL, V(FILES), 0, "DEFID", "def/secret+", NULL },
	{ "named profile", NULL, V(FILES, "AWS_PROFILE=work"), 0, "WORKID",
	    "worksecret", "worktoken" },
	{ "profile of the config file", NULL, V(FILES, "AWS_PROFILE=conf-only"),
	    0, "CONFID", "confsecret", NULL },
	{ "profile of the URL beats the environment", "work",
	    V("AWS_ACCESS_KEY_ID=A", "AWS_SECRET_ACCESS_KEY=B", FILES), 0,
	    "WORKID", "worksecret", "worktoken" },
	{ "no such profile", "nosuch", V(FILES), BK_CONFIG, NULL, NULL, NULL },
	{ "web identity", NULL, V("AWS_WEB_IDENTITY_TOKEN_FILE=/%/token",
	    "AWS_ROLE_ARN=arn:aws:iam::1:role/r", "AWS_ENDPOINT_URL_STS=%"), 0,
	    "WEBID", "websecret", "webtoken" },
	{ "web identity refused", NULL, V("AWS_WEB_IDENTITY_TOKEN_FILE=/%/token",
	    "AWS_ROLE_ARN=other", "AWS_ENDPOINT_URL_STS=%"), BK_NOPERM, NULL,
	    NULL, NULL },
	{ "container", NULL, V("AWS_CONTAINER_CREDENTIALS_FULL_URI=%/container",
	    "AWS_CONTAINER_AUTHORIZATION_TOKEN=box-token"), 0, "BOXID",
	    "boxsecret", "boxsession" },
	{ "container, token in a file", NULL, V(
	    "AWS_CONTAINER_CREDENTIALS_FULL_URI=%/container",
	    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/%/box"), 0, "BOXID",
	    "boxsecret", "boxsession" },
	{ "container refuses", NULL, V(
	    "AWS_CONTAINER_CREDENTIALS_FULL_URI=%/container"), BK_NOPERM, NULL,
	    NULL, NULL },
	{ "container elsewhere", NULL, V("AWS_CONTAINER_CREDENTIALS_FULL_URI="
	    "http://192.0.2.1/"), BK_CONFIG, NULL, NULL, NULL },
	{ "instance", NULL, V("AWS_EC2_METADATA_SERVICE_ENDPOINT=%/"), 0,
	    "EC2ID", "ec2secret", "ec2session" },
	{ "instance switched off", NULL, V("AWS_EC2_METADATA_SERVICE_ENDPOINT=%",
	    "AWS_EC2_METADATA_DISABLED=TRUE"), BK_NOPERM, NULL, NULL, NULL },
};

static void
each_place(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_awscred *c;
	struct bk_http *h;
	struct bk_aws_key k;
	int rc;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		vars = cases[i].env;
		bk_fault_clear(&f);
		h = bk_http_new(&ctx, NULL, &f);
		c = bk_awscred_new(&ctx, h, cases[i].profile, NULL, &f);
		rc = bk_awscred_ready(c, false, &f);
		ok_int(f.status, cases[i].status, cases[i].what);
		if (rc == 0) {
			k = bk_awscred_key(c);
			ok_text(k.id, cases[i].id, "id");
			ok_text(k.secret, cases[i].secret, "secret");
			ok_text(k.token, cases[i].token, "token");
		} else {
			ok(strstr(f.text, "secret") == NULL &&
			    strstr(f.text, "token\"") == NULL, "%s", f.text);
		}
		bk_awscred_free(c);
		bk_http_free(h);
	}
}

/* They are renewed minutes before they end, and serve while that fails. */
static void
renewal(void)
{
	static const char *const good[] = {
	    "AWS_CONTAINER_CREDENTIALS_FULL_URI=%/container",
	    "AWS_CONTAINER_AUTHORIZATION_TOKEN=box-token", NULL };
	static const char *const env[] = { "AWS_ACCESS_KEY_ID=NEW",
	    "AWS_SECRET_ACCESS_KEY=S", NULL };
	static const char *const away[] = {
	    "AWS_CONTAINER_CREDENTIALS_FULL_URI=%/container", NULL };
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_http *h;
	struct bk_awscred *c;

	vars = good;
	h = bk_http_new(&ctx, NULL, &f);
	c = bk_awscred_new(&ctx, h, NULL, NULL, &f);
	ok_int(bk_awscred_ready(c, false, &f), 0, "container");
	vars = env;
	clock_now += 24 * 60 * 1000;		/* six minutes are left */
	ok_int(bk_awscred_ready(c, false, &f), 0, "still good");
	ok_text(bk_awscred_key(c).id, "BOXID", "kept");
	vars = away;
	clock_now += 2 * 60 * 1000;		/* four */
	ok_int(bk_awscred_ready(c, false, &f), 0, "the source is away");
	ok_text(bk_awscred_key(c).id, "BOXID", "the old ones serve");
	vars = env;
	ok_int(bk_awscred_ready(c, false, &f), 0, "near the end");
	ok_text(bk_awscred_key(c).id, "NEW", "renewed");
	vars = away;
	ok_int(bk_awscred_ready(c, true, &f), -1, "refused: asked anew");
	ok_int(f.status, BK_NOPERM, f.text);
	bk_awscred_free(c);
	bk_http_free(h);
}

static void
setting(const char *profile, const char *want, const char *what)
{
	struct bk_fault f = BK_FAULT_INIT;
	char *v = bk_aws_setting(&ctx, profile, "AWS_REGION",
	    "AWS_DEFAULT_REGION", "region", &f);

	ok_text(v, want, what);
	free(v);
}

int
main(void)
{
	int port = scripted_start(replies, sizeof(replies) / sizeof(replies[0]));

	ok(port > 0, "server");
	snprintf(port_url, sizeof(port_url), "http://127.0.0.1:%d", port);
	ctx = tap_ctx;
	ctx.env = fake_env;
	ctx.now = fake_now;
	clock_now = 1800000000000;
	file("token", "my/token\n");
	file("box", "box-token\n");
	file("cred", "# ours\n[default]\naws_access_key_id = DEFID\n"
	    "aws_secret_access_key=def/secret+  # not part of it\n\n[work]\n"
	    "aws_access_key_id=WORKID\r\naws_secret_access_key = worksecret\r\n"
	    "aws_session_token = worktoken\n");
	file("conf", "[default]\nregion = eu-central-1\ns3 =\n"
	    "  region = nested\n[profile work]\nregion = eu-west-3\n"
	    "[profile conf-only]\naws_access_key_id = CONFID\n"
	    "aws_secret_access_key = confsecret\n[work]\nregion = wrong\n");
	each_place();
	/* The scripted server sends no Date: clocks stay as they are. */
	renewal();
	vars = V(FILES, "AWS_DEFAULT_REGION=us-west-2");
	setting(NULL, "us-west-2", "region of the environment");
	vars = V(FILES);
	setting(NULL, "eu-central-1", "region of the default profile");
	setting("work", "eu-west-3", "region of a profile");
	setting("nosuch", NULL, "no such profile: none");
	return done();
}
