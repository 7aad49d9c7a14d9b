/*
 * The fault that is handed up is the first of any store; where there are
 * several stores each fault is logged when it happens, since the others may
 * go on for hours.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commit.h"
#include "fan.h"
#include "hash.h"
#include "uri.h"

struct target {
	const char *url;
	struct bk_store *store;
	struct bk_commit *commit;
	bool out;			/* it failed */
};

struct bk_fan {
	const struct bk_ctx *ctx;
	const struct bk_store_opts *opts;
	struct bk_commit_plan plan;
	struct bk_sha256 *sha;
	struct bk_fault first;
	uint64_t bytes;
	size_t n, left, stored;
	struct target t[];
};

struct bk_fan *
bk_fan_new(const struct bk_ctx *ctx, const char *const *urls, size_t n,
    const struct bk_store_opts *opts, struct bk_fault *f)
{
	struct bk_uri u = BK_URI_INIT;
	struct bk_fan *fan;
	size_t i, j;

	if ((fan = calloc(1, sizeof(*fan) + n * sizeof(fan->t[0]))) == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		return NULL;
	}
	fan->ctx = ctx;
	fan->opts = opts;
	fan->n = fan->left = n;
	if ((fan->sha = bk_sha256_new(f)) == NULL)
		goto fail;
	for (i = 0; i < n; i++) {
		fan->t[i].url = urls[i];
		if (bk_uri_parse(urls[i], &u, f) == -1)
			goto fail;
		bk_uri_release(&u);
		for (j = 0; j < i; j++)
			if (strcmp(urls[i], urls[j]) == 0) {
				(void)bk_fault_set(f, BK_USAGE,
				    "store '%s' is given twice", urls[i]);
				goto fail;
			}
	}
	return fan;
fail:
	bk_fan_free(fan);
	return NULL;
}

/* ${t} failed for the reason ${why}: the others go on without it. */
static void
drop(struct bk_fan *fan, struct target *t, struct bk_fault *why)
{
	bk_commit_free(t->commit);
	t->commit = NULL;
	t->out = true;
	fan->left--;
	/* A broken pipe or socket of a store is not our standard output's. */
	if (why->err == EPIPE)
		why->err = 0;
	if (fan->n > 1)
		fan->ctx->log(BK_LOG_ERROR, "not stored in '%s': %s", t->url,
		    why->text);
	if (!bk_faulty(&fan->first))
		fan->first = *why;
}

/* 0 while a store is left, else -1 with the first fault. */
static int
any_left(const struct bk_fan *fan, struct bk_fault *f)
{
	if (fan->left > 0)
		return 0;
	if (!bk_faulty(f))
		*f = fan->first;
	return -1;
}

static int
open_all(struct bk_fan *fan, struct bk_fault *f)
{
	struct bk_fault why;
	struct target *t;
	size_t i, j;

	for (i = 0; i < fan->n; i++) {
		t = &fan->t[i];
		why = (struct bk_fault)BK_FAULT_INIT;
		t->store = bk_store_open(fan->ctx, t->url, fan->opts, &why);
		if (t->store == NULL && why.status == BK_USAGE) {
			*f = why;
			return -1;
		}
		if (t->store == NULL) {
			drop(fan, t, &why);
			continue;
		}
		/* Two ways of writing one URL. */
		for (j = 0; j < i; j++)
			if (fan->t[j].store != NULL && strcmp(t->store->url,
			    fan->t[j].store->url) == 0)
				return bk_fault_set(f, BK_USAGE,
				    "store '%s' is given twice", t->store->url);
	}
	return any_left(fan, f);
}

int
bk_fan_begin(struct bk_fan *fan, json_t *header, bool exact,
    uint64_t max_bytes, struct bk_fault *f)
{
	struct bk_fault why;
	struct target *t;
	bool planned = false;
	size_t i;

	if (open_all(fan, f) == -1)
		return -1;
	for (i = 0; i < fan->n; i++) {
		t = &fan->t[i];
		why = (struct bk_fault)BK_FAULT_INIT;
		if (t->out)
			continue;
		if (!planned && bk_commit_plan(fan->ctx, t->store, header, exact,
		    &fan->plan, &why) == 0)
			planned = true;
		if (!bk_faulty(&why))
			t->commit = bk_commit_begin(fan->ctx, t->store,
			    &fan->plan, max_bytes, &why);
		if (t->commit == NULL)
			drop(fan, t, &why);
	}
	return any_left(fan, f);
}

void
bk_fan_guard(struct bk_fan *fan, int (*guard)(void *, struct bk_fault *),
    void *arg)
{
	fan->plan.guard = guard;
	fan->plan.guard_arg = arg;
}

void
bk_fan_require(struct bk_fan *fan, int64_t ms)
{
	fan->plan.require_ms = ms;
}

int
bk_fan_write(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	struct bk_fan *fan = arg;
	struct bk_fault why;
	size_t i;

	bk_sha256_add(fan->sha, p, n);
	fan->bytes += n;
	for (i = 0; i < fan->n; i++) {
		why = (struct bk_fault)BK_FAULT_INIT;
		if (!fan->t[i].out &&
		    bk_commit_write(fan->t[i].commit, p, n, &why) == -1)
			drop(fan, &fan->t[i], &why);
	}
	return any_left(fan, f);
}

void
bk_fan_sum(const struct bk_fan *fan, char hex[65], uint64_t *bytes)
{
	bk_sha256_hex(fan->sha, hex);
	*bytes = fan->bytes;
}

int
bk_fan_finish(struct bk_fan *fan, const json_t *end,
    struct bk_records_out *out, struct bk_fault *f)
{
	struct bk_record rec = BK_RECORD_INIT;
	char hex[BK_SHA256_HEX];
	struct bk_fault why;
	size_t i;
	int rc;

	bk_sha256_hex(fan->sha, hex);
	/* Once, so that the manifest is the same in each store. */
	fan->plan.finished = fan->ctx->now() + fan->plan.clock_offset;
	for (i = 0; i < fan->n; i++) {
		why = (struct bk_fault)BK_FAULT_INIT;
		if (fan->t[i].out)
			continue;
		rc = bk_commit_finish(fan->t[i].commit, end, hex, &rec, &why);
		if (rc != -1)
			fan->stored++;
		if (rc != 0) {
			drop(fan, &fan->t[i], &why);
			continue;
		}
		fan->ctx->log(BK_LOG_INFO, "stored %s in '%s'", rec.id,
		    rec.store);
		/* Standard output closed is no reason to leave the others out. */
		(void)bk_records_put(out, &rec, f);
		bk_record_release(&rec);
	}
	if (bk_faulty(&fan->first) && !bk_faulty(f))
		*f = fan->first;
	return bk_faulty(f) ? -1 : 0;
}

size_t
bk_fan_stored(const struct bk_fan *fan)
{
	return fan->stored;
}

void
bk_fan_free(struct bk_fan *fan)
{
	size_t i;

	if (fan == NULL)
		return;
	for (i = 0; i < fan->n; i++) {
		bk_commit_free(fan->t[i].commit);
		bk_store_close(fan->t[i].store);
	}
	bk_sha256_free(fan->sha);
	free(fan);
}
