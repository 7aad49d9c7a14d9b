/*
 * The plan.  Manifests are read first and payloads listed after: a payload is
 * there before its manifest, so one that is missing then has really gone.
 */
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "marks.h"
#include "prune.h"
#include "snapshot.h"
#include "tomb.h"
#include "when.h"

/* Everything that reading needs. */
struct gathering {
	struct bk_prune *p;
	const struct bk_prune_req *req;
};

/* One copy of ${text} for all that have it.  NULL on no memory. */
static const char *
shared(struct bk_prune *p, const char *text, struct bk_fault *f)
{
	void *at = json_object_iter_at(p->texts, text);

	if (at == NULL && bk_json_set(p->texts, text, json_true(), f) == 0)
		at = json_object_iter_at(p->texts, text);
	return at != NULL ? json_object_iter_key(at) : NULL;
}

static int
source_of(struct bk_prune *p, const json_t *rec, const char **source,
    struct bk_fault *f)
{
	const json_t *o = json_object_get(rec, "source");
	char *text;

	*source = NULL;
	if (!json_is_object(o))
		return 0;
	if ((text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS)) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	*source = shared(p, text, f);
	free(text);
	return *source != NULL ? 0 : -1;
}

/* Which of the policy's queries match, while the record is at hand. */
static int
match_tags(const struct gathering *g, const struct bk_record *rec,
    uint32_t *tags, struct bk_fault *f)
{
	size_t i;
	int rc;

	for (i = 0; g->req->policy != NULL && i < g->req->policy->ntags; i++) {
		if ((rc = bk_query_match(g->req->policy->query[i], rec, f)) == -1)
			return -1;
		if (rc == 1)
			*tags |= 1U << i;
	}
	return 0;
}

/* What a readable record tells beside its keys. */
static int
describe(const struct gathering *g, struct bk_prune_item *it,
    const struct bk_record *rec, struct bk_fault *f)
{
	struct bk_retain_in in = bk_retain_of(rec);

	it->time = in.time;
	it->stored = in.stored;
	it->bytes = in.bytes;
	it->flags = in.flags & ~BK_RETAIN_PAYLOAD;	/* looked for later */
	if (rec->parent != NULL)
		memcpy(it->parent, rec->parent, BK_ULID_LEN + 1);
	if ((it->key = strdup(rec->key)) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	if (source_of(g->p, rec->json, &it->source, f) == -1)
		return -1;
	return match_tags(g, rec, &it->tags, f);
}

static int
take(void *arg, const struct bk_entry *e, struct bk_record *rec,
    unsigned int bad_notes, bool whole, struct bk_fault *f)
{
	struct gathering *g = arg;
	struct bk_prune *p = g->p;
	struct bk_prune_item *it;
	size_t size;

	(void)whole;
	if (p->len == p->size) {
		size = p->size == 0 ? 64 : 2 * p->size;
		if ((it = realloc(p->item, size * sizeof(*it))) == NULL)
			return bk_fault_set(f, BK_IO, "out of memory");
		p->item = it;
		p->size = size;
	}
	it = &p->item[p->len++];
	*it = (struct bk_prune_item){ .keep = true, .nnotes = e->nnotes,
		.time = bk_ulid_time(e->k.id), .bytes = BK_BYTES_UNKNOWN };
	memcpy(it->id, e->k.id, sizeof(it->id));
	it->listed = g->req->list == NULL ||
	    json_object_get(g->req->list, it->id) != NULL;
	it->asked = g->req->how != BK_PRUNE_RULES && (g->req->ids == NULL ||
	    json_object_get(g->req->ids, it->id) != NULL);
	if ((it->name = shared(p, e->k.name, f)) == NULL ||
	    bk_json_set(p->names, it->name, json_true(), f) == -1)
		return -1;
	if (rec != NULL && rec->version == 1 && describe(g, it, rec, f) == -1)
		return -1;
	if (rec != NULL && rec->version != 1)
		it->time = rec->time;
	if (rec == NULL || rec->version != 1 || bad_notes > 0)
		it->flags |= BK_RETAIN_UNREADABLE;
	return 0;
}

static int
gather_name(const struct bk_ctx *ctx, struct bk_store *s,
    struct gathering *g, const char *name, struct bk_fault *f)
{
	struct bk_entries es;
	struct bk_entries_cost cost;
	int rc = -1;

	if (bk_entries_list(s, name, NULL, &es, f) == 0)
		rc = bk_entries_read(ctx, s, &es, take, g, &cost, f);
	/* So few are fetched in any case. */
	if (rc == 0 && es.len > BK_SNAPSHOT_MIN)
		g->p->fetched += cost.fetched;
	bk_entries_release(&es);
	return rc;
}

static int
by_id(const void *va, const void *vb)
{
	const struct bk_prune_item *a = va, *b = vb;
	int c = strcmp(a->name, b->name);

	return c != 0 ? c : strcmp(a->id, b->id);
}

static int
by_time(const void *va, const void *vb)
{
	const struct bk_prune_item *a = va, *b = vb;
	int c = strcmp(a->name, b->name);

	if (c == 0 && a->time != b->time)
		c = a->time < b->time ? -1 : 1;
	return c != 0 ? c : strcmp(a->id, b->id);
}

static void
sort(struct bk_prune *p, int (*order)(const void *, const void *))
{
	if (p->len > 0)
		qsort(p->item, p->len, sizeof(*p->item), order);
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

struct payloads {
	struct bk_prune *p;
	const char *name;
	size_t skip;			/* length of "<name>/<name>-<time>-" */
};

static int
take_payload(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	struct payloads *l = arg;
	struct bk_prune_item want = { .name = l->name }, *it;

	(void)f;
	if (strlen(o->key) <= l->skip ||
	    !bk_ulid_then(o->key + l->skip, '.', want.id))
		return 0;
	it = bsearch(&want, l->p->item, l->p->len, sizeof(*it), by_id);
	if (it != NULL && it->key != NULL && strcmp(it->key, o->key) == 0 &&
	    it->stored == o->bytes)
		it->flags |= BK_RETAIN_PAYLOAD;
	return 0;
}

/* Which payloads are there, of the right size?  Items are by id. */
static int
look_for_payloads(struct bk_store *s, struct bk_prune *p, struct bk_fault *f)
{
	struct bk_buf prefix = BK_BUF_INIT(BK_KEY_MAX);
	struct payloads l = { .p = p };
	json_t *v;
	int rc = 0;

	json_object_foreach(p->names, l.name, v) {
		bk_buf_reset(&prefix);
		if ((rc = bk_buf_addf(&prefix, f, "%s/%s-", l.name,
		    l.name)) == -1)
			break;
		l.skip = prefix.len + sizeof("20261121T100000Z-") - 1;
		if ((rc = bk_store_list(s, bk_buf_text(&prefix), "", take_payload,
		    &l, f)) == -1)
			break;
	}
	bk_buf_release(&prefix);
	return rc;
}

static int
match(void *arg, const struct bk_query *q, size_t i, struct bk_fault *f)
{
	const struct bk_prune *p = arg;
	size_t k;

	(void)f;
	for (k = 0; k < p->policy->ntags; k++)
		if (p->policy->query[k] == q)
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
			.flags = it->flags |
			    (it->listed ? 0 : BK_RETAIN_OUTSIDE) };
	}
	if (bk_retain(p->in, p->len, p->policy, p->zone, p->now, match, p,
	    &p->verdict, f) == -1)
		return -1;
	for (i = 0; i < p->len; i++) {
		p->item[i].keep = p->verdict.v[i].keep;
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
	while (guard_parents(p))
		;
}

static void
sum(struct bk_prune *p)
{
	size_t i;

	for (i = 0; i < p->len; i++)
		if (p->item[i].keep) {
			p->keep++;
			p->keep_bytes += p->item[i].stored;
		} else {
			p->gone++;
			p->gone_bytes += p->item[i].stored;
		}
}

/* Everything stays, by this policy: it only tells what is good. */
static const struct bk_policy everything = {
	.count = { BK_UNLIMITED },
	.shrink = 50,
	.sources = BK_SOURCES_SHARED,
};
static const struct bk_policy everything_of_plan = {
	.count = { BK_UNLIMITED },
	.shrink = 100,
	.sources = BK_SOURCES_SHARED,
};

int
bk_prune_plan(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_prune_req *req, struct bk_prune *p, struct bk_fault *f)
{
	struct gathering g = { p, req };
	size_t i;

	*p = (struct bk_prune){ .policy = req->policy,
		.reviewed = req->reviewed };
	if (req->how != BK_PRUNE_RULES)
		p->policy = req->how == BK_PRUNE_PLAN ? &everything_of_plan :
		    &everything;
	if ((p->texts = json_object()) == NULL ||
	    (p->names = json_object()) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	if ((p->zone = bk_zone_open(NULL, p->policy->tz != NULL ?
	    p->policy->tz : "UTC", f)) == NULL ||
	    bk_store_now(ctx, s, &p->now, f) == -1)
		return -1;
	if (req->names == NULL && gather_name(ctx, s, &g, NULL, f) == -1)
		return -1;
	for (i = 0; req->names != NULL && req->names[i] != NULL; i++)
		if (gather_name(ctx, s, &g, req->names[i], f) == -1)
			return -1;
	sort(p, by_id);
	if (look_for_payloads(s, p, f) == -1)
		return -1;
	sort(p, by_time);
	if (make_order(p, f) == -1 || decide(p, f) == -1)
		return -1;
	if (req->how != BK_PRUNE_RULES)
		choose(p, req->yes);
	sum(p);
	return 0;
}

void
bk_prune_release(struct bk_prune *p)
{
	bk_retain_release(&p->verdict);
	while (p->len > 0)
		free(p->item[--p->len].key);
	free(p->item);
	free(p->in);
	free(p->order);
	bk_zone_free(p->zone);
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

json_t *
bk_prune_end(const struct bk_prune *p, int status, struct bk_fault *f)
{
	json_t *o = json_pack("{s:s}", "end", status == 0 ? "ok" : "failed");

	if (o != NULL && (status == 0 ||
	    bk_json_set(o, "status", json_integer(status), f) == 0) &&
	    bk_json_set(o, "keep", json_pack("{s:I, s:I}", "n",
	    (json_int_t)p->keep, "bytes", (json_int_t)p->keep_bytes), f) == 0 &&
	    bk_json_set(o, "delete", json_pack("{s:I, s:I}", "n",
	    (json_int_t)p->gone, "bytes", (json_int_t)p->gone_bytes), f) == 0)
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
	if (p->verdict.odd > 0)
		return bk_fault_set(f, BK_NO, "%llu backups cannot be read, are "
		    "of a later version or from the future, and stay",
		    (unsigned long long)p->verdict.odd);
	return 0;
}
