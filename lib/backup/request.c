/*
 * Keys of one request sort answer, claim, request: a listing tells of each
 * whether it is open before the request itself comes.
 */
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "request.h"
#include "when.h"

#define REQUESTS ".bk/request/"
#define OBJECT_MAX 65536
#define KEY_MAX 80

enum part { ANSWER, CLAIM, REQUEST, PARTS };

static const struct {
	const char *suffix, *form;
} parts[PARTS] = {
	{ ".answer.json", "request-answer/1" },
	{ ".claim.json", "request-claim/1" },
	{ ".json", "request/1" },
};

void
bk_request_release(struct bk_request *r)
{
	json_decref(r->json);
	r->json = NULL;
}

static int
key_of(const char *id, enum part part, struct bk_buf *key, struct bk_fault *f)
{
	if (!bk_ulid_ok(id))
		return bk_fault_set(f, BK_USAGE, "'%.40s' is no id of a request",
		    id);
	bk_buf_reset(key);
	return bk_buf_addf(key, f, REQUESTS "%s%s", id, parts[part].suffix);
}

int
bk_request_fit(struct bk_store *s, struct bk_fault *f)
{
	struct bk_store_facts facts = { .create_only = false };

	if (bk_store_facts(s, &facts, f) == -1)
		return -1;
	if (facts.create_only)
		return 0;
	return bk_fault_set(f, BK_CONFIG, "'%s' does not honour create-only "
	    "writes, or we may not write: two hosts could claim one request",
	    s->url);
}

/* The object of ${part} at ${id}: 0, BK_ABSENT, -1 (65: it is none). */
static int
get(struct bk_store *s, const char *id, enum part part, json_t **o,
    struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(KEY_MAX), text = BK_BUF_INIT(OBJECT_MAX);
	const char *form;
	int rc = key_of(id, part, &key, f);

	*o = NULL;
	if (rc == 0)
		rc = bk_store_get_small(s, key.p, &text, f);
	if (rc == 0 && (*o = bk_json_parse(bk_buf_text(&text), text.len, key.p,
	    f)) == NULL)
		rc = -1;
	if (*o != NULL && ((form = bk_json_get_text(*o, "bk")) == NULL ||
	    strcmp(form, parts[part].form) != 0)) {
		rc = bk_fault_set(f, BK_DATA, "'%s' is no %s", key.p,
		    parts[part].form);
		json_decref(*o);
		*o = NULL;
	}
	bk_buf_release(&key);
	bk_buf_release(&text);
	return rc;
}

/* Write ${o} once: 0, BK_EXISTS, -1. */
static int
put(struct bk_store *s, const char *id, enum part part, json_t *o,
    struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(KEY_MAX), text = BK_BUF_INIT(OBJECT_MAX);
	int rc = -1;

	if (key_of(id, part, &key, f) == 0 && bk_json_text(o, &text, f) == 0 &&
	    bk_buf_adds(&text, "\n", f) == 0)
		rc = bk_store_put_small(s, key.p, text.p, text.len, BK_PUT_NEW, f);
	bk_buf_release(&key);
	bk_buf_release(&text);
	return rc;
}

/* An object of ${part} with this time, a new reference. */
static json_t *
begin(const struct bk_ctx *ctx, struct bk_store *s, enum part part,
    int64_t *now, struct bk_fault *f)
{
	char when[BK_TIME_LEN];
	json_t *o;

	if (bk_store_now(ctx, s, now, f) == -1)
		return NULL;
	o = json_object();
	if (bk_json_set_text(o, "bk", parts[part].form, f) == 0 &&
	    bk_json_set_text(o, "time", bk_time_text(*now, when), f) == 0)
		return o;
	json_decref(o);
	return NULL;
}

int
bk_request_make(const struct bk_ctx *ctx, struct bk_store *s, const char *job,
    struct bk_request *r, struct bk_fault *f)
{
	int64_t now;
	int rc = -1;

	if (!bk_name_ok(job))
		return bk_fault_set(f, BK_USAGE, "'%.80s' is no name of a job",
		    job);
	if (bk_request_fit(s, f) == -1 ||
	    (r->json = begin(ctx, s, REQUEST, &now, f)) == NULL)
		return -1;
	memcpy(r->job, job, strlen(job) + 1);
	if (bk_ulid_new(now, r->id, f) == 0 &&
	    bk_json_set_text(r->json, "id", r->id, f) == 0 &&
	    bk_json_set_text(r->json, "job", job, f) == 0 &&
	    bk_json_set_text(r->json, "host", ctx->host, f) == 0)
		rc = put(s, r->id, REQUEST, r->json, f);
	return rc == BK_EXISTS ? bk_fault_set(f, BK_CANTCREATE,
	    "request %s is there already", r->id) : rc;
}

/* What a listing found: open requests, and keys of old ones. */
struct found {
	const struct bk_ctx *ctx;
	int64_t now;
	char taken[BK_ULID_LEN + 1];	/* the last that has a claim or answer */
	json_t *open, *old;		/* arrays of ids, of keys */
};

static int
take(void *arg, const struct bk_object *obj, struct bk_fault *f)
{
	const char *name = obj->key + strlen(REQUESTS);
	struct found *w = arg;
	char id[BK_ULID_LEN + 1];
	enum part part;

	if (strlen(name) < BK_ULID_LEN)
		return 0;
	memcpy(id, name, BK_ULID_LEN);
	id[BK_ULID_LEN] = '\0';
	for (part = ANSWER; part < PARTS; part++)
		if (strcmp(name + BK_ULID_LEN, parts[part].suffix) == 0)
			break;
	if (part == PARTS || !bk_ulid_ok(id))
		return 0;
	if (w->now - bk_ulid_time(id) > BK_REQUEST_OLD)
		return bk_json_push(w->old, json_string(obj->key), f);
	if (part != REQUEST)
		memcpy(w->taken, id, sizeof(id));
	else if (strcmp(w->taken, id) != 0)
		return bk_json_push(w->open, json_string(id), f);
	return 0;
}

/* The request ${id}, if it names one of ${jobs}: 0, BK_ABSENT or -1. */
static int
read_one(const struct bk_ctx *ctx, struct bk_store *s, const char *id,
    const char *const *jobs, struct bk_request *r, struct bk_fault *f)
{
	struct bk_fault why = BK_FAULT_INIT;
	const char *job;
	int rc = get(s, id, REQUEST, &r->json, &why);

	if (rc == -1 && why.status != BK_DATA)
		return bk_fault_set(f, why.status, "%s", why.text);
	if (rc != 0) {
		if (rc == -1)
			ctx->log(BK_LOG_WARN, "%s: passing it over", why.text);
		return BK_ABSENT;
	}
	job = bk_json_get_text(r->json, "job");
	for (; job != NULL && *jobs != NULL; jobs++)
		if (strcmp(*jobs, job) == 0) {
			memcpy(r->id, id, sizeof(r->id));
			memcpy(r->job, job, strlen(job) + 1);
			return 0;
		}
	bk_request_release(r);
	return BK_ABSENT;
}

/* Claim it: 0, BK_EXISTS where another was faster, -1. */
static int
claim_one(const struct bk_ctx *ctx, struct bk_store *s, const char *id,
    const char *run, struct bk_fault *f)
{
	int64_t now;
	json_t *o = begin(ctx, s, CLAIM, &now, f);
	int rc = -1;

	if (o != NULL && bk_json_set_text(o, "host", ctx->host, f) == 0 &&
	    bk_json_set_text(o, "run", run, f) == 0)
		rc = put(s, id, CLAIM, o, f);
	json_decref(o);
	return rc;
}

/* What is old is nobody's any more; that it stays hurts nobody. */
static void
remove_old(const struct bk_ctx *ctx, struct bk_store *s, const json_t *old)
{
	struct bk_fault f = BK_FAULT_INIT;
	size_t i, n = json_array_size(old);
	const char **keys;

	if (n == 0 || (keys = calloc(n, sizeof(*keys))) == NULL)
		return;
	for (i = 0; i < n; i++)
		keys[i] = json_string_value(json_array_get(old, i));
	if (bk_store_remove(s, keys, n, &f) == -1)
		ctx->log(BK_LOG_INFO, "old requests stay: %s", f.text);
	free(keys);
}

int
bk_request_claim(const struct bk_ctx *ctx, struct bk_store *s,
    const char *const *jobs, const char *run, struct bk_request *r,
    struct bk_fault *f)
{
	struct found w = { .ctx = ctx, .open = json_array(),
		.old = json_array() };
	bool fit = false;
	const char *id;
	size_t i;
	int rc = -1;

	if (w.open == NULL || w.old == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		goto out;
	}
	if (bk_store_now(ctx, s, &w.now, f) == -1 ||
	    bk_store_list(s, REQUESTS, "", take, &w, f) == -1)
		goto out;
	remove_old(ctx, s, w.old);
	for (rc = BK_ABSENT, i = 0; rc == BK_ABSENT &&
	    i < json_array_size(w.open); i++) {
		id = json_string_value(json_array_get(w.open, i));
		if ((rc = read_one(ctx, s, id, jobs, r, f)) != 0)
			continue;
		/* Asked only now: the probe writes to the store. */
		if (!fit && bk_request_fit(s, f) == -1)
			rc = -1;
		else
			rc = claim_one(ctx, s, id, run, f);
		fit = true;
		if (rc != 0)
			bk_request_release(r);
		if (rc == BK_EXISTS)
			rc = BK_ABSENT;
	}
out:
	json_decref(w.open);
	json_decref(w.old);
	return rc;
}

static int
set_ids(json_t *o, const char *const *ids, struct bk_fault *f)
{
	json_t *a = json_array();

	for (; a != NULL && ids != NULL && *ids != NULL; ids++)
		if (bk_json_push(a, json_string(*ids), f) == -1) {
			json_decref(a);
			return -1;
		}
	return bk_json_set(o, "ids", a, f);
}

int
bk_request_answer(const struct bk_ctx *ctx, struct bk_store *s, const char *id,
    const struct bk_answer *a, struct bk_fault *f)
{
	json_t *o = NULL, *request = NULL;
	int64_t now;
	int rc = get(s, id, REQUEST, &request, f);

	if (rc == BK_ABSENT)
		rc = bk_fault_set(f, BK_NOINPUT, "there is no request %s in '%s'",
		    id, s->url);
	json_decref(request);
	if (rc == -1 || (o = begin(ctx, s, ANSWER, &now, f)) == NULL)
		return -1;
	rc = -1;
	if (bk_json_set_text(o, "outcome", bk_outcome_names[a->outcome], f) == 0 &&
	    bk_json_set(o, "status", json_integer(a->status), f) == 0 &&
	    (a->message == NULL ||
	    bk_json_set_text(o, "message", a->message, f) == 0) &&
	    set_ids(o, a->ids, f) == 0)
		rc = put(s, id, ANSWER, o, f);
	json_decref(o);
	return rc == BK_EXISTS ? bk_fault_set(f, BK_CANTCREATE,
	    "request %s was answered", id) : rc;
}

int
bk_request_look(struct bk_store *s, const char *id, json_t **o,
    struct bk_fault *f)
{
	int rc = get(s, id, ANSWER, o, f);

	if (rc == 0)
		return BK_REQUEST_ANSWERED;
	if (rc == BK_ABSENT)
		rc = get(s, id, CLAIM, o, f);
	return rc == 0 ? BK_REQUEST_CLAIMED : rc == BK_ABSENT ?
	    BK_REQUEST_OPEN : -1;
}
