/*
 * Positions move on with every base backup that goes, so what was seen is a
 * short row of positions, a day or more apart; the latest one that is 7 days
 * old counts, and never beyond what is so now.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "tomb.h"
#include "walneed.h"
#include "walprune.h"
#include "when.h"

#define DAY_MS (24 * 3600 * INT64_C(1000))
#define SEEN_MAX (1024 * 1024)

struct pruning {
	const struct bk_ctx *ctx;
	struct bk_store *s;
	const char *name;
	bool dry_run;
	bk_wal_gone_fn *fn;
	void *arg;
	int64_t now;
	json_t *seen;			/* the old row, then the new one */
	json_t *next;
	uint64_t before;		/* of the timeline at hand */
	struct bk_wal_gone gone;
	struct bk_keys keys;
};

static int
seen_key(struct bk_buf *b, const char *name, struct bk_fault *f)
{
	return bk_buf_addf(b, f, ".bk/wal/%s.json", name);
}

/* What was seen before.  One that cannot be read is forgotten. */
static int
read_seen(struct pruning *p, struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX), text = BK_BUF_INIT(SEEN_MAX);
	struct bk_fault why = BK_FAULT_INIT;
	json_t *o = NULL;
	int rc;

	if ((rc = seen_key(&key, p->name, f)) == 0 &&
	    (rc = bk_store_get_small(p->s, key.p, &text, &why)) == -1 &&
	    why.status != BK_DATA)
		*f = why;
	else if (rc == 0 && (o = bk_json_parse(bk_buf_text(&text), text.len,
	    key.p, &why)) != NULL)
		p->seen = json_incref(json_object_get(o, "seen"));
	json_decref(o);
	bk_buf_release(&key);
	bk_buf_release(&text);
	return bk_faulty(f) ? -1 : 0;
}

static int
write_seen(const struct pruning *p, struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX), text = BK_BUF_INIT(SEEN_MAX);
	json_t *o = json_pack("{s:s, s:s, s:O}", "bk", "wal-seen/1", "name",
	    p->name, "seen", p->next);
	int rc = -1;

	if (o == NULL)
		(void)bk_fault_set(f, BK_IO, "out of memory");
	else if (seen_key(&key, p->name, f) == 0 &&
	    bk_json_text(o, &text, f) == 0 && bk_buf_adds(&text, "\n", f) == 0)
		rc = bk_store_put_small(p->s, key.p, text.p, text.len, 0, f);
	json_decref(o);
	bk_buf_release(&key);
	bk_buf_release(&text);
	return rc;
}

static int
remember(struct pruning *p, uint64_t system, uint32_t tli, uint64_t before,
    int64_t since, struct bk_fault *f)
{
	char sys[24], at[24], when[BK_TIME_LEN];

	(void)snprintf(sys, sizeof(sys), "%" PRIu64, system);
	(void)snprintf(at, sizeof(at), "%016" PRIX64, before);
	return bk_json_push(p->next, json_pack("{s:s, s:I, s:s, s:s}", "system",
	    sys, "timeline", (json_int_t)tli, "before", at, "since",
	    bk_time_text(since, when)), f);
}

/* One that was seen, if it is of this timeline. */
static bool
recall(const json_t *o, uint64_t system, uint32_t tli, uint64_t *before,
    int64_t *since)
{
	const char *sys = bk_json_get_text(o, "system");
	const char *at = bk_json_get_text(o, "before");
	const char *when = bk_json_get_text(o, "since");
	struct bk_fault quiet = BK_FAULT_INIT;
	uint64_t v;

	if (sys == NULL || !bk_wal_system_parse(sys, &v) || v != system ||
	    bk_json_get_int(o, "timeline") != (int64_t)tli || at == NULL ||
	    strspn(at, "0123456789ABCDEF") != 16 || at[16] != '\0' ||
	    when == NULL || bk_time_parse(when, since, &quiet) == -1)
		return false;
	*before = strtoull(at, NULL, 16);
	return true;
}

/*
 * What lies before ${now_at} on this timeline, what of it was so 7 days ago,
 * and the row for next time.  0 with *${ripe} (0: nothing), or -1.
 */
static int
ripen(struct pruning *p, uint64_t system, uint32_t tli, uint64_t now_at,
    uint64_t *ripe, struct bk_fault *f)
{
	int64_t since, newest = INT64_MIN, ripe_since = 0;
	uint64_t before;
	const json_t *o;
	size_t i;

	*ripe = 0;
	for (i = 0; i < json_array_size(p->seen); i++) {
		o = json_array_get(p->seen, i);
		if (!recall(o, system, tli, &before, &since) || since > p->now)
			continue;
		if (before > now_at)
			before = now_at;
		if (p->now - since > BK_WAL_SEEN_MS && before >= *ripe) {
			*ripe = before;
			ripe_since = since;
		}
	}
	if (*ripe > 0 && remember(p, system, tli, *ripe, ripe_since, f) == -1)
		return -1;
	for (i = 0; i < json_array_size(p->seen); i++) {
		o = json_array_get(p->seen, i);
		if (!recall(o, system, tli, &before, &since) || since > p->now)
			continue;
		if (before > now_at)
			before = now_at;
		if (before <= *ripe)
			continue;
		if (since > newest)
			newest = since;
		if (remember(p, system, tli, before, since, f) == -1)
			return -1;
	}
	if (now_at > *ripe && (newest == INT64_MIN || p->now - newest > DAY_MS))
		return remember(p, system, tli, now_at, p->now, f);
	return 0;
}

static int
take(void *arg, const struct bk_wal_key *k, const struct bk_object *o,
    struct bk_fault *f)
{
	struct pruning *p = arg;

	if (k->name.kind == BK_WAL_HISTORY)
		return 0;
	if (k->name.at >= p->before)
		return BK_LIST_STOP;
	if (p->gone.n++ == 0)
		memcpy(p->gone.first, k->name.file, sizeof(p->gone.first));
	memcpy(p->gone.last, k->name.file, sizeof(p->gone.last));
	p->gone.bytes += o->bytes;
	return bk_keys_add(&p->keys, o->key, f);
}

static int
prune_line(struct pruning *p, uint64_t system, uint32_t tli, uint64_t now_at,
    struct bk_fault *f)
{
	if (ripen(p, system, tli, now_at, &p->before, f) == -1)
		return -1;
	if (p->before == 0)
		return 0;
	p->gone = (struct bk_wal_gone){ .name = p->name, .system = system,
		.tli = tli };
	if (bk_wal_list(p->s, p->name, system, tli, take, p, f) == -1)
		return -1;
	return p->gone.n > 0 ? p->fn(p->arg, &p->gone, f) : 0;
}

static int
prune_system(struct pruning *p, const struct bk_wal_needs *needs,
    uint64_t system, struct bk_fault *f)
{
	struct bk_wal_line *l;
	uint64_t at;
	size_t i, n;
	int rc = 0;

	if ((l = bk_wal_lines(p->s, p->name, system, &n, f)) == NULL)
		return -1;
	for (i = 0; rc == 0 && i < n; i++)
		if (bk_wal_earliest(needs, system, l, n, l[i].tli, &at))
			rc = prune_line(p, system, l[i].tli, at, f);
	free(l);
	return rc;
}

int
bk_wal_prune(const struct bk_ctx *ctx, struct bk_store *s, const char *name,
    bool dry_run, bk_wal_gone_fn *fn, void *arg, struct bk_fault *f)
{
	struct pruning p = { .ctx = ctx, .s = s, .name = name,
		.dry_run = dry_run, .fn = fn, .arg = arg };
	struct bk_wal_needs needs = BK_WAL_NEEDS_INIT;
	uint64_t systems[BK_WAL_SYSTEMS_MAX];
	int i, n, rc;

	n = bk_wal_systems(s, name, systems, BK_WAL_SYSTEMS_MAX, f);
	if (n < 1)
		return n;
	rc = bk_wal_needs(ctx, s, name, &needs, f);
	if (rc == 0 && needs.blind[0] != '\0') {
		ctx->log(BK_LOG_WARN, "the log of '%s' stays: what backup %s needs "
		    "of it cannot be told", name, needs.blind);
		goto out;
	}
	if (rc == 0 && needs.len == 0)
		goto out;
	if ((p.next = json_array()) == NULL)
		rc = bk_fault_set(f, BK_IO, "out of memory");
	if (rc == -1 || (rc = bk_store_now(ctx, s, &p.now, f)) == -1 ||
	    (rc = read_seen(&p, f)) == -1)
		goto out;
	for (i = 0; rc == 0 && i < n; i++)
		rc = prune_system(&p, &needs, systems[i], f);
	if (rc == -1 || dry_run)
		goto out;
	rc = bk_keys_remove(&p.keys, s, f);
	if (rc == 0 && !json_equal(p.seen, p.next))
		rc = write_seen(&p, f);
out:
	bk_keys_release(&p.keys);
	bk_wal_needs_release(&needs);
	json_decref(p.seen);
	json_decref(p.next);
	return rc;
}
