/*
 * A host writes only its own object, so reading, merging and replacing it
 * needs no lock: two runs of one host for one name are kept apart by the
 * job's lock, and if they are not, one of two reports is lost, no backup.
 */
#include <string.h>

#include "json.h"
#include "names.h"
#include "state.h"
#include "when.h"

#define STATES ".bk/state/"
#define STATE_MAX 65536
#define MESSAGE_MAX 8192

const char *const bk_outcome_names[BK_OUTCOMES] = { "committed", "unchanged",
	"failed", "skipped" };

static int
set_opt(json_t *o, const char *key, const char *text, struct bk_fault *f)
{
	if (text == NULL)
		return 0;
	return bk_json_set(o, key, bk_json_string(text,
	    strnlen(text, MESSAGE_MAX)), f);
}

static int
set_number(json_t *o, const char *key, int64_t v, struct bk_fault *f)
{
	return v < 0 ? 0 : bk_json_set(o, key, json_integer(v), f);
}

/* "attempt": everything that is known of this one. */
static json_t *
attempt(const struct bk_report *r, const char *time, struct bk_fault *f)
{
	json_t *o = json_object();

	if (bk_json_set_text(o, "time", time, f) == 0 &&
	    bk_json_set_text(o, "outcome", bk_outcome_names[r->outcome], f) == 0 &&
	    set_number(o, "status", r->status, f) == 0 &&
	    set_opt(o, "message", r->message, f) == 0 &&
	    set_opt(o, "run", r->run, f) == 0 &&
	    set_opt(o, "job", r->job, f) == 0 &&
	    set_opt(o, "trigger", r->trigger, f) == 0 &&
	    set_number(o, "duration", r->duration, f) == 0 &&
	    set_opt(o, "id", r->id, f) == 0)
		return o;
	json_decref(o);
	return NULL;
}

/* "committed", "unchanged" or "failed". */
static json_t *
outcome(const json_t *old, const struct bk_report *r, const char *time,
    struct bk_fault *f)
{
	json_t *o = json_object();
	int64_t count;
	int rc = bk_json_set_text(o, "time", time, f);

	if (rc == 0 && r->outcome == BK_COMMITTED) {
		if ((rc = set_opt(o, "id", r->id, f)) == 0)
			rc = set_number(o, "duration", r->duration, f);
	} else if (rc == 0 && r->outcome == BK_FAILED) {
		count = bk_json_get_int(json_object_get(old, "failed"), "count");
		if ((rc = set_number(o, "status", r->status, f)) == 0 &&
		    (rc = set_opt(o, "message", r->message, f)) == 0)
			rc = set_number(o, "count", count < 0 ? 1 : count + 1, f);
	}
	if (rc == 0)
		return o;
	json_decref(o);
	return NULL;
}

/* After a success no failure counts. */
static int
forgive(json_t *state, struct bk_fault *f)
{
	json_t *failed = json_object_get(state, "failed");

	return failed == NULL ? 0 :
	    bk_json_set(failed, "count", json_integer(0), f);
}

json_t *
bk_state_merge(const json_t *old, const char *name, const char *host,
    const struct bk_report *r, int64_t now, struct bk_fault *f)
{
	const char *kept[] = { "committed", "unchanged", "failed" };
	const char *which = bk_outcome_names[r->outcome];
	char time[BK_TIME_LEN];
	json_t *o = json_object(), *v;
	size_t i;

	(void)bk_time_text(now, time);
	if (bk_json_set_text(o, "bk", "state/1", f) == -1 ||
	    bk_json_set_text(o, "name", name, f) == -1 ||
	    bk_json_set_text(o, "host", host, f) == -1 ||
	    (v = attempt(r, time, f)) == NULL ||
	    bk_json_set(o, "attempt", v, f) == -1)
		goto fail;
	for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		if (strcmp(kept[i], which) == 0)
			v = outcome(old, r, time, f);
		else if (json_is_object(v = json_object_get(old, kept[i])))
			v = json_deep_copy(v);
		else
			continue;
		if (bk_json_set(o, kept[i], v, f) == -1)
			goto fail;
	}
	if ((r->outcome == BK_COMMITTED || r->outcome == BK_NOT_CHANGED) &&
	    forgive(o, f) == -1)
		goto fail;
	return o;
fail:
	json_decref(o);
	return NULL;
}

/* The state at ${key}: 0, BK_ABSENT, or -1 (65: it is none of ${name}). */
static int
get(struct bk_store *s, const char *key, const char *name, json_t **o,
    struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(STATE_MAX);
	const char *form, *of;
	int rc = bk_store_get_small(s, key, &b, f);

	if (rc == 0 && (*o = bk_json_parse(bk_buf_text(&b), b.len, key, f)) == NULL)
		rc = -1;
	bk_buf_release(&b);
	if (rc != 0)
		return rc;
	form = bk_json_get_text(*o, "bk");
	of = bk_json_get_text(*o, "name");
	if (form != NULL && strcmp(form, "state/1") == 0 && of != NULL &&
	    strcmp(of, name) == 0)
		return 0;
	json_decref(*o);
	*o = NULL;
	return bk_fault_set(f, BK_DATA, "'%s' is no state/1 of '%s'", key, name);
}

int
bk_state_report(const struct bk_ctx *ctx, struct bk_store *s,
    const char *name, const struct bk_report *r, struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX), text = BK_BUF_INIT(STATE_MAX);
	struct bk_fault why = BK_FAULT_INIT;
	char host[BK_NAME_MAX + 1];
	json_t *old = NULL, *new = NULL;
	int64_t now;
	int rc = -1;

	bk_name_from(ctx->host, host);
	if (bk_buf_addf(&key, f, STATES "%s/%s.json", name, host) == -1 ||
	    bk_store_now(ctx, s, &now, f) == -1)
		goto out;
	if (get(s, bk_buf_text(&key), name, &old, &why) == -1) {
		if (why.status != BK_DATA) {
			*f = why;
			goto out;
		}
		ctx->log(BK_LOG_WARN, "%s: beginning it anew", why.text);
	}
	if ((new = bk_state_merge(old, name, ctx->host, r, now, f)) != NULL &&
	    bk_json_text(new, &text, f) == 0 && bk_buf_adds(&text, "\n", f) == 0)
		rc = bk_store_put_small(s, bk_buf_text(&key), text.p, text.len,
		    0, f);
out:
	json_decref(new);
	json_decref(old);
	bk_buf_release(&text);
	bk_buf_release(&key);
	return rc;
}

struct reading {
	const struct bk_ctx *ctx;
	struct bk_store *s;
	const char *name;
	int64_t until;
	struct bk_state *st;
};

/* Take member ${key} of ${o} if it is newer than what ${st} has: 1 if so. */
static int
newer(const struct reading *r, const json_t *o, const char *key,
    json_t **have, int64_t *when, struct bk_fault *f)
{
	struct bk_fault bad = BK_FAULT_INIT;
	json_t *v = json_object_get(o, key);
	const char *text = bk_json_get_text(v, "time");
	const char *host = bk_json_get_text(o, "host");
	int64_t t;

	if (text == NULL || bk_time_parse(text, &t, &bad) == -1 || t <= *when)
		return 0;
	if (t > r->until) {
		r->ctx->log(BK_LOG_WARN, "the state of '%s' has %s at %s, which "
		    "is to come: passing it over", r->name, key, text);
		return 0;
	}
	if (bk_json_set_text(v, "host", host != NULL ? host : "?", f) == -1)
		return -1;
	json_decref(*have);
	*have = json_incref(v);
	*when = t;
	return 1;
}

static int
take(void *arg, const struct bk_object *obj, struct bk_fault *f)
{
	const struct reading *r = arg;
	struct bk_state *st = r->st;
	struct bk_fault why = BK_FAULT_INIT;
	json_t *o = NULL;
	int64_t n;
	int rc;

	if ((rc = get(r->s, obj->key, r->name, &o, &why)) != 0) {
		if (rc == BK_ABSENT)
			return 0;
		if (why.status != BK_DATA) {
			*f = why;
			return -1;
		}
		r->ctx->log(BK_LOG_WARN, "%s: passing it over", why.text);
		st->unreadable++;
		return 0;
	}
	rc = newer(r, o, "failed", &st->failed, &st->failed_time, f);
	if (rc == 1) {
		n = bk_json_get_int(st->failed, "count");
		st->failures = n > 0 ? (uint64_t)n : 0;
	}
	if (rc != -1)
		rc = newer(r, o, "attempt", &st->attempt, &st->attempt_time, f);
	if (rc != -1)
		rc = newer(r, o, "committed", &st->committed,
		    &st->committed_time, f);
	if (rc != -1)
		rc = newer(r, o, "unchanged", &st->unchanged,
		    &st->unchanged_time, f);
	json_decref(o);
	return rc == -1 ? -1 : 0;
}

int
bk_state_read(const struct bk_ctx *ctx, struct bk_store *s,
    const char *name, int64_t until, struct bk_state *st, struct bk_fault *f)
{
	struct reading r = { ctx, s, name, until, st };
	struct bk_buf prefix = BK_BUF_INIT(BK_KEY_MAX);
	int rc;

	*st = (struct bk_state)BK_STATE_INIT;
	if ((rc = bk_buf_addf(&prefix, f, STATES "%s/", name)) == 0)
		rc = bk_store_list(s, bk_buf_text(&prefix), "", take, &r, f);
	bk_buf_release(&prefix);
	return rc;
}

void
bk_state_release(struct bk_state *st)
{
	json_decref(st->attempt);
	json_decref(st->committed);
	json_decref(st->unchanged);
	json_decref(st->failed);
	*st = (struct bk_state)BK_STATE_INIT;
}
