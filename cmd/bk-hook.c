/*
 * bk-hook: tell a URL what happened to a backup.  A webhook gets a POST with
 * one JSON object; a dead-man's switch (--ping) gets a GET of URL/start, URL
 * or URL/fail, as Healthchecks has them (healthchecks.io/docs/http_api).
 *
 * The URL often is the secret itself, so it is best given in BK_HOOK_URL, and
 * messages show its scheme and host only.  Redirects are not followed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "json.h"
#include "names.h"
#include "prog.h"
#include "uri.h"
#include "when.h"

#define URL_MAX 16384

enum { EVENT = 256, PING, TIMEOUT, JOB, TRIGGER, RUN, ID, KEY, BYTES, DURATION,
	CODE, MESSAGE };

static const struct bk_opt opts[] = {
	{ EVENT, "event", "EVENT", "prepare, commit or fail", 0 },
	{ PING, "ping", NULL, "a dead-man's switch: GET URL/start, URL, URL/fail", 0 },
	{ TIMEOUT, "timeout", "DURATION", "give up after so long (30s)", 0 },
	{ JOB, "job", "JOB", "the job", 0 },
	{ TRIGGER, "trigger", "WORD", "what started the run", 0 },
	{ RUN, "run", "ID", "the run", 0 },
	{ ID, "id", "ID", "the backup", 0 },
	{ KEY, "key", "KEY", "its key in the store", 0 },
	{ BYTES, "bytes", "N", "its size", 0 },
	{ DURATION, "duration", "MS", "how long it took, in milliseconds", 0 },
	{ CODE, "code", "STATUS", "the exit status", 0 },
	{ MESSAGE, "message", "TEXT", "why it failed", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-hook",
	"--event EVENT [OPTION]... [URL]",
	"tell a webhook or a dead-man's switch what happened", opts };

struct hook {
	json_t *facts;			/* the object that is sent */
	bool ping;
	int64_t timeout;
	struct bk_buf url, body;
	char where[512];		/* scheme and host, for messages */
};

static void
take(struct hook *h, int key, const char *arg, struct bk_fault *f)
{
	static const struct { int key; const char *name; bool number; } rows[] = {
		{ EVENT, "event", false }, { JOB, "job", false },
		{ TRIGGER, "trigger", false }, { RUN, "run", false },
		{ ID, "id", false }, { KEY, "key", false },
		{ BYTES, "bytes", true }, { DURATION, "duration", true },
		{ CODE, "code", true }, { MESSAGE, "message", false },
	};
	long long n;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].key != key)
			continue;
		if (!rows[i].number)
			(void)bk_json_set_text(h->facts, rows[i].name, arg, f);
		else if (bk_number_parse(rows[i].name, arg, 0, INT64_MAX, &n, f) == 0)
			(void)bk_json_set(h->facts, rows[i].name, json_integer(n), f);
	}
}

static void
options(struct hook *h)
{
	struct bk_fault f = BK_FAULT_INIT;
	const char *arg, *event;
	int key;

	while ((key = bk_opt_next(&arg)) != -1 && !bk_faulty(&f)) {
		if (key == PING)
			h->ping = true;
		else if (key == TIMEOUT)
			(void)bk_duration_parse(arg, &h->timeout, &f);
		else
			take(h, key, arg, &f);
	}
	if (bk_faulty(&f))
		bk_usage_fault(&f);
	if (h->timeout <= 0)
		bk_usage("--timeout: want more than 0");
	event = bk_json_get_text(h->facts, "event");
	if (event == NULL || (strcmp(event, "prepare") != 0 &&
	    strcmp(event, "commit") != 0 && strcmp(event, "fail") != 0))
		bk_usage("want --event prepare, commit or fail");
}

/* "{key}" and the like, percent-encoded; an absent one is empty. */
static int
fill(struct hook *h, const char *word, size_t n, struct bk_fault *f)
{
	static const char *const known[] = { "event", "job", "trigger", "run", "id",
		"key", "bytes", "duration", "code", "message", "host", "time" };
	const json_t *v;
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strlen(known[i]) != n || memcmp(known[i], word, n) != 0)
			continue;
		v = json_object_get(h->facts, known[i]);
		if (json_is_integer(v))
			return bk_buf_addf(&h->url, f, "%lld",
			    (long long)json_integer_value(v));
		return json_is_string(v) ? bk_uri_encode(&h->url,
		    json_string_value(v), false, f) : 0;
	}
	return bk_fault_set(f, BK_USAGE, "the URL has '{%.*s}'; there are event, "
	    "job, trigger, run, id, key, bytes, duration, code, message, host and "
	    "time", (int)(n < 64 ? n : 64), word);
}

/* The URL with its words filled in, and where a ping goes. */
static int
make_url(struct hook *h, const char *url, struct bk_fault *f)
{
	const char *event = bk_json_get_text(h->facts, "event");
	const char *suffix = strcmp(event, "prepare") == 0 ? "/start" :
	    strcmp(event, "fail") == 0 ? "/fail" : "";
	const char *p, *end, *host = strstr(url, "://");
	bool placed = !h->ping || strstr(url, "{event}") != NULL;
	size_t n;

	if ((strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0))
		return bk_fault_set(f, BK_USAGE,
		    "want a URL that begins with https:// or http://");
	n = (size_t)(host - url) + 3 + strcspn(host + 3, "/?#");
	for (p = url + n; p > host + 3 && p[-1] != '@'; p--)
		;
	(void)bk_buf_addf(&h->body, f, "%.*s%.*s", (int)(host + 3 - url), url,
	    (int)(url + n - p), p);
	memcpy(h->where, bk_buf_text(&h->body), h->body.len < sizeof(h->where) ?
	    h->body.len : sizeof(h->where) - 1);
	bk_buf_reset(&h->body);
	for (p = url; *p != '\0'; p = end) {
		if (*p == '{' && (end = strchr(p, '}')) != NULL) {
			if (fill(h, p + 1, (size_t)(end - p - 1), f) == -1)
				return -1;
			end++;
			continue;
		}
		if (*p == '?' && !placed) {
			placed = true;
			if (bk_buf_adds(&h->url, suffix, f) == -1)
				return -1;
		}
		end = p + 1;
		if (bk_buf_add(&h->url, p, 1, f) == -1)
			return -1;
	}
	return placed ? 0 : bk_buf_adds(&h->url, suffix, f);
}

/* Each try, in libcurl's thread. */
static int
prepare(struct bk_http_req *r, struct bk_fault *f)
{
	const struct hook *h = r->arg;

	free(r->url);
	if ((r->url = strdup(bk_buf_text(&h->url))) == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "the URL");
	if (bk_http_header(r, f, "User-Agent: bk/%s", BK_VERSION) == -1)
		return -1;
	return h->ping ? 0 : bk_http_header(r, f, "Content-Type: application/json");
}

static int
answer(const struct hook *h, const struct bk_http_req *r, struct bk_fault *f)
{
	char said[128];
	size_t n = r->answer.len < sizeof(said) - 1 ? r->answer.len :
	    sizeof(said) - 1;

	if (r->status >= 200 && r->status < 300)
		return 0;
	if (n > 0)
		memcpy(said, r->answer.p, n);
	said[n] = '\0';
	return bk_fault_set(f, r->status == 401 || r->status == 403 ? BK_NOPERM :
	    r->status == 404 || r->status == 410 ? BK_NOINPUT : BK_UNAVAILABLE,
	    "'%s' answered %ld%s%s", h->where, r->status, n > 0 ? ": " : "", said);
}

static int
tell(struct hook *h, struct bk_fault *f)
{
	struct bk_http_req r = { .method = h->ping ? "GET" : "POST",
		.fd = -1, .deadline = bk_ctx->mono() + h->timeout,
		.stall_ms = h->timeout, .tries = 3, .prepare = prepare, .arg = h };
	struct bk_http *http = bk_http_new(bk_ctx, NULL, f);
	struct bk_fault own = BK_FAULT_INIT;
	int rc = -1;

	if (http == NULL)
		return -1;
	if (!h->ping) {
		r.body = h->body.p;
		r.bytes = h->body.len;
	}
	if (bk_http_run(http, &r, &own) == 0)
		rc = answer(h, &r, f);
	else
		(void)bk_fault_set(f, own.status, "'%s': %s", h->where, own.text);
	bk_http_release(&r);
	bk_http_free(http);
	return rc;
}

int
main(int argc, char *argv[])
{
	struct bk_fault f = BK_FAULT_INIT;
	struct hook h = { .facts = json_object(), .timeout = 30000,
		.url = BK_BUF_INIT(URL_MAX), .body = BK_BUF_INIT(1 << 20) };
	char when[BK_TIME_LEN];
	const char *url;
	char **words;
	int n;

	bk_init(&prog, argc, argv);
	options(&h);
	n = bk_operands(&words);
	url = n == 1 ? words[0] : bk_ctx->env("BK_HOOK_URL");
	if (n > 1 || url == NULL)
		bk_usage("want one URL, or BK_HOOK_URL set");
	if (bk_json_set_text(h.facts, "host", bk_ctx->host, &f) == 0 &&
	    bk_json_set_text(h.facts, "time", bk_time_text(bk_ctx->now(), when),
	    &f) == 0 && make_url(&h, url, &f) == 0 &&
	    bk_json_text(h.facts, &h.body, &f) == 0)
		(void)tell(&h, &f);
	bk_buf_wipe(&h.url);
	bk_buf_release(&h.body);
	json_decref(h.facts);
	if (f.status == BK_USAGE)
		bk_usage_fault(&f);
	return bk_exit(&f);
}
