/*
 * The plan: what was read (prunegather.c, prunegroup.c) is decided upon, and
 * told line by line.
 */
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "prunework.h"
#include "tomb.h"
#include "when.h"

static int
by_time(const void *va, const void *vb)
{
	const struct bk_prune_item *a = va, *b = vb;
	int c = strcmp(a->name, b->name);

	if (c == 0 && a->time != b->time)
		c = a->time < b->time ? -1 : 1;
	return c != 0 ? c : strcmp(a->id, b->id);
}

static int
by_order(const void *va, const void *vb, void *arg)
{
	const struct bk_prune *p = arg;
	const uint32_t *a = va, *b = vb;

	return strcmp(p->item[*a].id, p->item[*b].id);
}

/* Once the items are in their last order. */
static int
make_order(struct bk_prune *p, struct bk_fault *f)
{
	uint32_t i;

	if ((p->order = calloc(p->len + 1, sizeof(*p->order))) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	for (i = 0; i < p->len; i++)
		p->order[i] = i;
	if (p->len > 0)
		qsort_r(p->order, p->len, sizeof(*p->order), by_order, p);
	return 0;
}

size_t
bk_prune_find(const struct bk_prune *p, const char *id)
{
	size_t from = 0, to = p->len, at;
	int c;

	while (from < to) {
		at = from + (to - from) / 2;
		if ((c = strcmp(id, p->item[p->order[at]].id)) == 0)
			return p->order[at];
		if (c < 0)
			to = at;
		else
			from = at + 1;
	}
	return p->len;
}

static int
match(void *arg, const struct bk_query *q, size_t i, struct bk_fault *f)
{
	const struct bk_prune *p = arg;
	const struct bk_policy *rule = bk_prune_rule(p, &p->item[i]);
	size_t k;

	(void)f;
	for (k = 0; k < rule->ntags; k++)
		if (rule->query[k] == q)
			return (p->item[i].tags >> k & 1) != 0;
	return 0;
}

static int
decide(struct bk_prune *p, struct bk_fault *f)
{
	const struct bk_prune_item *it;
	size_t i;

	if ((p->in = calloc(p->len + 1, sizeof(*p->in))) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	for (i = 0; i < p->len; i++) {
		it = &p->item[i];
		p->in[i] = (struct bk_retain_in){ .time = it->time,
			.id = it->id, .name = it->name, .source = it->source,
			.parent = it->parent[0] != '\0' ? it->parent : NULL,
			.bytes = it->bytes, .stored = it->stored,
			.by = it->by, .flags = it->flags |
			    (it->listed ? 0 : BK_RETAIN_OUTSIDE) |
			    (it->foreign ? BK_RETAIN_FOREIGN : 0) };
	}
	if (bk_retain_more(p->in, p->len, &p->more, p->policy, p->zone, p->now,
	    match, p, &p->verdict, f) == -1)
		return -1;
	for (i = 0; i < p->len; i++) {
		p->item[i].keep = p->item[i].foreign || p->verdict.v[i].keep;
		p->item[i].good = p->verdict.v[i].good;
	}
	return 0;
}

/* Keep the newest good one of the records ${i} to ${end} of one name. */
static void
guard_newest(struct bk_prune *p, size_t i, size_t end)
{
	size_t k, best = end;

	for (k = i; k < end; k++)
		if (p->item[k].good)
			best = k;
	for (k = i; k < end; k++)
		if (!p->item[k].keep && (best == end || k == best)) {
			p->item[k].keep = true;
			p->item[k].why = best == end ? "no good record of this "
			    "name: deleting wants --yes" : "newest good: deleting "
			    "it wants --yes";
		}
}

/* What a record that stays names as parent stays.  Did that change any? */
static bool
guard_parents(struct bk_prune *p)
{
	bool changed = false;
	size_t i, k;

	for (i = 0; i < p->len; i++) {
		if (!p->item[i].keep || p->item[i].parent[0] == '\0' ||
		    (k = bk_prune_find(p, p->item[i].parent)) == p->len ||
		    p->item[k].keep)
			continue;
		p->item[k].keep = true;
		p->item[k].why = "another record needs it";
		changed = true;
	}
	return changed;
}

/* What was asked for goes, but for what every delete honours. */
static void
choose(struct bk_prune *p, bool yes)
{
	struct bk_prune_item *it;
	size_t i, end;

	for (i = 0; i < p->len; i++) {
		it = &p->item[i];
		it->keep = true;
		if (!it->asked)
			it->why = "not asked for";
		else if ((it->flags & BK_RETAIN_UNREADABLE) != 0)
			it->why = "cannot be read";
		else if ((it->flags & BK_RETAIN_HELD) != 0)
			it->why = "held";
		else {
			it->keep = false;
			it->why = "asked for";
		}
	}
	for (i = 0; !yes && i < p->len; i = end) {
		for (end = i + 1; end < p->len &&
		    p->item[end].name == p->item[i].name;)
			end++;
		guard_newest(p, i, end);
	}
	while (guard_parents(p) || (!yes && bk_prune_guard_runs(p)))
		;
}

static void
sum(struct bk_prune *p)
{
	size_t i;

	for (i = 0; i < p->len; i++)
		if (p->item[i].foreign)
			continue;
		else if (p->item[i].keep) {
			p->keep++;
			p->keep_bytes += p->item[i].stored;
		} else {
			p->gone++;
			p->gone_bytes += p->item[i].stored;
		}
}

const struct bk_policy bk_prune_everything = {
	.count = { BK_UNLIMITED },
	.shrink = 50,
	.sources = BK_SOURCES_SHARED,
};
static const struct bk_policy everything_of_plan = {
	.count = { BK_UNLIMITED },
	.shrink = 100,
	.sources = BK_SOURCES_SHARED,
};

/* The names asked for, as a set. */
static int
take_names(struct bk_prune *p, const char *const *names, struct bk_fault *f)
{
	if (names == NULL)
		return 0;
	if ((p->only = json_object()) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	for (; *names != NULL; names++)
		if (bk_json_set(p->only, *names, json_true(), f) == -1)
			return -1;
	return 0;
}

int
bk_prune_plan(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_prune_req *req, struct bk_prune *p, struct bk_fault *f)
{
	*p = (struct bk_prune){ .policy = req->policy,
		.reviewed = req->reviewed };
	if (req->how != BK_PRUNE_RULES)
		p->policy = req->how == BK_PRUNE_PLAN ? &everything_of_plan :
		    &bk_prune_everything;
	p->texts = json_object();
	p->names = json_object();
	p->others = json_object();
	p->looked = json_object();
	if (p->texts == NULL || p->names == NULL || p->others == NULL ||
	    p->looked == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	if ((p->zone = bk_zone_open(NULL, p->policy->tz != NULL ?
	    p->policy->tz : "UTC", f)) == NULL ||
	    bk_store_now(ctx, s, &p->now, f) == -1 ||
	    take_names(p, req->names, f) == -1 ||
	    bk_prune_others(ctx, s, p, f) == -1 ||
	    bk_prune_gather(ctx, s, req, p, f) == -1)
		return -1;
	if (p->len > 0)
		qsort(p->item, p->len, sizeof(*p->item), by_time);
	if (make_order(p, f) == -1 || bk_prune_runs(p, f) == -1 ||
	    decide(p, f) == -1)
		return -1;
	if (req->how != BK_PRUNE_RULES)
		choose(p, req->yes);
	sum(p);
	if (p->gone > 0)
		p->versions = bk_store_versions(s);
	return 0;
}

void
bk_prune_release(struct bk_prune *p)
{
	bk_retain_release(&p->verdict);
	bk_prune_group_release(p);
	while (p->len > 0)
		free(p->item[--p->len].key);
	free(p->item);
	free(p->in);
	free(p->order);
	bk_zone_free(p->zone);
	json_decref(p->only);
	json_decref(p->others);
	json_decref(p->looked);
	json_decref(p->names);
	json_decref(p->texts);
	*p = (struct bk_prune){ .item = NULL };
}

/* Every reason of record ${i}. */
static json_t *
reasons(const struct bk_prune *p, size_t i, struct bk_fault *f)
{
	const json_t *line = json_object_get(p->reviewed, p->item[i].id);
	json_t *a = json_array();
	char text[BK_WHY_LEN];
	const char *why;
	unsigned int k;

	if (line != NULL) {
		json_decref(a);
		return json_deep_copy(json_object_get(line, "why"));
	}
	if (p->item[i].why != NULL)
		(void)bk_json_push(a, json_string(p->item[i].why), f);
	for (k = 0; p->item[i].why == NULL; k++) {
		if ((why = bk_retain_why(&p->verdict, i, k, text)) == NULL)
			break;
		if (bk_json_push(a, json_string(why), f) == -1)
			break;
	}
	if (!bk_faulty(f))
		return a;
	json_decref(a);
	return NULL;
}

json_t *
bk_prune_line(const struct bk_prune *p, size_t i, struct bk_fault *f)
{
	const struct bk_prune_item *it = &p->item[i];
	json_t *why = reasons(p, i, f), *o = NULL;
	char when[BK_TIME_LEN];

	if (why != NULL)
		o = json_pack("{s:s, s:s, s:s, s:s, s:I, s:o}", "plan",
		    it->keep ? "keep" : "delete", "id", it->id, "name", it->name,
		    "time", bk_time_text(it->time, when), "bytes",
		    (json_int_t)it->stored, "why", why);
	if (o == NULL)
		(void)bk_fault_set(f, BK_IO, "out of memory");
	return o;
}

static json_t *
amount(uint64_t n, uint64_t bytes)
{
	return json_pack("{s:I, s:I}", "n", (json_int_t)n, "bytes",
	    (json_int_t)bytes);
}

json_t *
bk_prune_end(const struct bk_prune *p, int status, struct bk_fault *f)
{
	json_t *o = json_pack("{s:s}", "end", status == 0 ? "ok" : "failed");

	if (o != NULL && (status == 0 ||
	    bk_json_set(o, "status", json_integer(status), f) == 0) &&
	    bk_json_set(o, "keep", amount(p->keep, p->keep_bytes), f) == 0 &&
	    bk_json_set(o, "delete", amount(p->gone, p->gone_bytes), f) == 0 &&
	    (p->versions == BK_VERSIONS_NONE || bk_json_set(o, "not-freed",
	    amount(p->gone, p->gone_bytes), f) == 0))
		return o;
	json_decref(o);
	(void)bk_fault_set(f, BK_IO, "out of memory");
	return NULL;
}

int
bk_prune_judge(const struct bk_prune *p, struct bk_fault *f)
{
	const struct bk_prune_item *a, *b;
	size_t i;

	if (p->verdict.nrefused > 0) {
		a = &p->item[p->verdict.refused[0].a];
		b = &p->item[p->verdict.refused[0].b];
		return bk_fault_set(f, BK_CONFIG, "'%s' holds backups of two "
		    "sources, %s (%s) and %s (%s), and is not pruned: keep them "
		    "apart by name, or say --shared or --group-by source",
		    a->name, a->source != NULL ? a->source : "unknown", a->id,
		    b->source != NULL ? b->source : "unknown", b->id);
	}
	for (i = 0; i < p->len; i++)
		if (p->item[i].asked && p->item[i].keep)
			return bk_fault_set(f, BK_NO, "%s of '%s' stays: %s",
			    p->item[i].id, p->item[i].name, p->item[i].why);
	if (p->groups.unreadable > 0)
		return bk_fault_set(f, BK_NO, "%llu group runs cannot be read, "
		    "and what they name may have gone apart",
		    (unsigned long long)p->groups.unreadable);
	if (p->verdict.odd > 0)
		return bk_fault_set(f, BK_NO, "%llu backups cannot be read, are "
		    "of a later version or from the future, and stay",
		    (unsigned long long)p->verdict.odd);
	return 0;
}
