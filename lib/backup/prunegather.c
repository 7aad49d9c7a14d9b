/*
 * Reading what a plan is made of.  Manifests are read first and payloads
 * listed after: a payload is there before its manifest, so one that is
 * missing then has really gone.
 *
 * A plan for some names looks at the whole set: parents and group runs lead
 * to other names.  Of those only what has a parent is held, and everything of
 * the names that stand in a group run with the ones concerned.
 */
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "prunework.h"
#include "snapshot.h"

/* Everything that reading needs. */
struct gathering {
	struct bk_prune *p;
	const struct bk_prune_req *req;
	json_t *wanted;			/* second round: these ids alone; or NULL */
	bool whole;			/* some rule asks for tags */
	struct bk_buf last_text;	/* of a source, and what it is held as */
	const char *last;
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

/* The same source is the same text, whatever the order of its members. */
static int
source_of(struct gathering *g, const struct bk_brief *b, const char **source,
    struct bk_fault *f)
{
	const json_t *o = b->rec == NULL ? NULL :
	    json_object_get(b->rec->json, "source");
	struct bk_fault none = BK_FAULT_INIT;
	json_t *parsed = NULL;
	char *text;

	*source = NULL;
	if (b->source != NULL) {
		/* Most are that of the record before. */
		if (g->last != NULL && b->source_len == g->last_text.len &&
		    memcmp(b->source, g->last_text.p, b->source_len) == 0) {
			*source = g->last;
			return 0;
		}
		bk_buf_reset(&g->last_text);
		g->last = NULL;
		if (bk_buf_add(&g->last_text, b->source, b->source_len, f) == -1)
			return -1;
		o = parsed = bk_json_parse(b->source, b->source_len, "source",
		    &none);
	}
	if (o == NULL && b->source == NULL)
		return 0;
	/* One that is no JSON after all is as its text tells. */
	text = o == NULL ? strndup(b->source, b->source_len) :
	    json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(parsed);
	if (text == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	*source = shared(g->p, text, f);
	free(text);
	if (b->source != NULL)
		g->last = *source;
	return *source != NULL ? 0 : -1;
}

/* Which queries of its rule match, while the record is at hand. */
static int
match_tags(const struct gathering *g, struct bk_prune_item *it,
    const struct bk_brief *b, struct bk_fault *f)
{
	const struct bk_policy *rule = bk_prune_rule(g->p, it);
	size_t i;
	int rc;

	for (i = 0; i < rule->ntags; i++) {
		if ((rc = bk_query_match(rule->query[i], b->rec, f)) == -1)
			return -1;
		if (rc == 1)
			it->tags |= 1U << i;
	}
	return 0;
}

/* What a readable record tells beside its keys. */
static int
describe(struct gathering *g, struct bk_prune_item *it,
    const struct bk_brief *b, struct bk_fault *f)
{
	it->time = b->time;
	it->stored = b->stored;
	it->bytes = b->bytes;
	it->flags = b->flags & ~BK_RETAIN_PAYLOAD;	/* looked for later */
	memcpy(it->parent, b->parent, sizeof(it->parent));
	if ((it->key = strdup(b->key)) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	if (source_of(g, b, &it->source, f) == -1)
		return -1;
	return match_tags(g, it, b, f);
}

/* A new item at the end, or NULL with ${f} set. */
static struct bk_prune_item *
add_item(struct bk_prune *p, struct bk_fault *f)
{
	struct bk_prune_item *it;
	size_t size;

	if (p->len == p->size) {
		size = p->size == 0 ? 64 : 2 * p->size;
		if ((it = realloc(p->item, size * sizeof(*it))) == NULL) {
			(void)bk_fault_set(f, BK_IO, "out of memory");
			return NULL;
		}
		p->item = it;
		p->size = size;
	}
	return &p->item[p->len++];
}

/* Is it one of the names that the plan is for? */
static bool
concerned(const struct gathering *g, const char *name)
{
	return g->p->only == NULL || json_object_get(g->p->only, name) != NULL;
}

static int
take(void *arg, const struct bk_entry *e, const struct bk_brief *b,
    unsigned int bad_notes, struct bk_fault *f)
{
	struct gathering *g = arg;
	struct bk_prune *p = g->p;
	struct bk_prune_item *it;
	bool ours = concerned(g, e->k.name);
	json_t *other = json_object_get(p->others, e->k.name);

	if (g->wanted != NULL ? json_object_get(g->wanted, e->k.id) == NULL :
	    !ours && other == NULL && (b == NULL || b->parent[0] == '\0'))
		return 0;
	if ((it = add_item(p, f)) == NULL)
		return -1;
	*it = (struct bk_prune_item){ .keep = true, .nnotes = e->nnotes,
		.time = bk_ulid_time(e->k.id), .bytes = BK_BYTES_UNKNOWN,
		.foreign = !ours, .by = (uint32_t)json_integer_value(other) };
	memcpy(it->id, e->k.id, sizeof(it->id));
	it->listed = g->req->list == NULL || !ours ||
	    json_object_get(g->req->list, it->id) != NULL;
	it->asked = g->req->how != BK_PRUNE_RULES && ours &&
	    (g->req->ids == NULL || json_object_get(g->req->ids, it->id) != NULL);
	if ((it->name = shared(p, e->k.name, f)) == NULL ||
	    (ours && bk_json_set(p->names, it->name, json_true(), f) == -1) ||
	    (g->wanted != NULL &&
	    bk_json_set(p->looked, it->name, json_true(), f) == -1))
		return -1;
	if (b != NULL && (b->flags & BK_RETAIN_UNREADABLE) != 0)
		it->time = b->time;
	else if (b != NULL && describe(g, it, b, f) == -1)
		return -1;
	if (b == NULL || (b->flags & BK_RETAIN_UNREADABLE) != 0 || bad_notes > 0)
		it->flags |= BK_RETAIN_UNREADABLE;
	return 0;
}

static int
by_name_and_id(const void *va, const void *vb)
{
	const struct bk_prune_item *a = va, *b = vb;
	int c = strcmp(a->name, b->name);

	return c != 0 ? c : strcmp(a->id, b->id);
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
	it = bsearch(&want, l->p->item, l->p->len, sizeof(*it),
	    by_name_and_id);
	if (it != NULL && it->key != NULL && strcmp(it->key, o->key) == 0 &&
	    it->stored == o->bytes)
		it->flags |= BK_RETAIN_PAYLOAD;
	return 0;
}

/*
 * Which payloads of ${names} are there, of the right size?  Items are by name
 * and id.
 */
static int
look_for_payloads(struct bk_store *s, struct bk_prune *p, json_t *names,
    struct bk_fault *f)
{
	struct bk_buf prefix = BK_BUF_INIT(BK_KEY_MAX);
	struct payloads l = { .p = p };
	json_t *v;
	int rc = 0;

	json_object_foreach(names, l.name, v) {
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

/* Parents that nobody has taken: ids, or NULL with ${f} set. */
static json_t *
missing_parents(const struct bk_prune *p, struct bk_fault *f)
{
	json_t *have = json_object(), *wanted = json_object();
	const char *parent;
	size_t i, first = 0;
	int rc = have != NULL && wanted != NULL ? 0 :
	    bk_fault_set(f, BK_IO, "out of memory");

	/* Most sets have no increments. */
	while (first < p->len && p->item[first].parent[0] == '\0')
		first++;
	for (i = 0; rc == 0 && first < p->len && i < p->len; i++)
		rc = bk_json_set(have, p->item[i].id, json_true(), f);
	for (i = first; rc == 0 && i < p->len; i++) {
		parent = p->item[i].parent;
		if (parent[0] != '\0' && json_object_get(have, parent) == NULL)
			rc = bk_json_set(wanted, parent, json_true(), f);
	}
	json_decref(have);
	if (rc == 0)
		return wanted;
	json_decref(wanted);
	return NULL;
}

/* Of the parents that are in no name taken so far those that there are. */
static int
take_parents(const struct bk_ctx *ctx, struct bk_store *s,
    struct gathering *g, struct bk_entries *es, struct bk_fault *f)
{
	struct bk_entries_cost cost;
	size_t i, before;
	int rc = 0;

	do {
		before = g->p->len;
		if ((g->wanted = missing_parents(g->p, f)) == NULL)
			return -1;
		for (i = 0; i < es->len; i++)
			es->e[i].done = json_object_get(g->wanted,
			    es->e[i].k.id) == NULL;
		if (json_object_size(g->wanted) > 0)
			rc = bk_entries_skim(ctx, s, es, g->whole, take, g,
			    &cost, f);
		json_decref(g->wanted);
		g->wanted = NULL;
	} while (rc == 0 && g->p->len > before);
	return rc;
}

int
bk_prune_gather(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_prune_req *req, struct bk_prune *p, struct bk_fault *f)
{
	struct gathering g = { .p = p, .req = req, .whole = p->policy->ntags > 0,
		.last_text = BK_BUF_INIT(BK_LINE_MAX) };
	struct bk_entries_cost cost;
	struct bk_entries es;
	size_t i;
	int rc = -1;

	for (i = 0; i < p->more.nbooks; i++)
		g.whole = g.whole || p->book[i].policy->ntags > 0;
	if (bk_entries_list(s, NULL, NULL, &es, f) == -1 ||
	    bk_entries_skim(ctx, s, &es, g.whole, take, &g, &cost, f) == -1 ||
	    take_parents(ctx, s, &g, &es, f) == -1)
		goto out;
	/* So few are fetched in any case. */
	if (es.len > BK_SNAPSHOT_MIN)
		p->fetched = cost.fetched;
	if (p->len > 0)
		qsort(p->item, p->len, sizeof(*p->item), by_name_and_id);
	if (look_for_payloads(s, p, p->names, f) == -1 ||
	    look_for_payloads(s, p, p->others, f) == -1 ||
	    look_for_payloads(s, p, p->looked, f) == -1)
		goto out;
	/* An increment elsewhere: it is there, and that is enough. */
	for (i = 0; i < p->len; i++)
		if (p->item[i].foreign && p->item[i].by == 0 &&
		    json_object_get(p->looked, p->item[i].name) == NULL)
			p->item[i].flags |= BK_RETAIN_PAYLOAD;
	rc = 0;
out:
	bk_buf_release(&g.last_text);
	bk_entries_release(&es);
	return rc;
}
