/*
 * The end of tombstones: undone, or their payload removed.
 *
 * Purging looks in this order, so that nobody at work is hit: keys of
 * tombstones, keys of manifests, and then each tombstone itself.  One that is
 * started anew while we look is written before its manifest goes, so that
 * whoever sees no manifest reads the new time.  --undo ends with the grace,
 * an hour before a payload can go.
 */
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "tomb.h"

#define CHAIN_MAX 4096			/* parents behind parents */

struct purging {
	const struct bk_ctx *ctx;
	struct bk_store *s;
	struct bk_purged *sum;
	int64_t now;
	struct bk_mkey *tomb;
	size_t len, size;
	struct bk_keys payloads, leftovers, tombs;
	json_t *parents;		/* ids that manifests name, or NULL */
};

static int
take_key(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	struct purging *p = arg;
	struct bk_mkey *v, k;

	if (!bk_tomb_split(o->key, &k))
		return 0;
	if (p->len == p->size) {
		if ((v = realloc(p->tomb, (2 * p->size + 8) *
		    sizeof(*v))) == NULL)
			return bk_fault_set(f, BK_IO, "out of memory");
		p->tomb = v;
		p->size = 2 * p->size + 8;
	}
	p->tomb[p->len++] = k;
	return 0;
}

static int
list_tombs(struct purging *p, const char *name, struct bk_fault *f)
{
	struct bk_buf prefix = BK_BUF_INIT(BK_KEY_MAX);
	int rc = -1;

	if (bk_buf_adds(&prefix, BK_TOMBS, f) == 0 && (name == NULL ||
	    bk_buf_addf(&prefix, f, "%s/", name) == 0))
		rc = bk_store_list(p->s, bk_buf_text(&prefix), "", take_key, p,
		    f);
	bk_buf_release(&prefix);
	return rc;
}

static int
take_parent(void *arg, const struct bk_entry *e, const struct bk_brief *b,
    unsigned int bad_notes, struct bk_fault *f)
{
	(void)e;
	(void)bad_notes;
	if (b == NULL || b->parent[0] == '\0')
		return 0;
	return bk_json_set(arg, b->parent, json_true(), f);
}

/* Read once whose parents all manifests of the set name. */
static int
read_parents(struct purging *p, struct bk_fault *f)
{
	struct bk_entries_cost cost;
	struct bk_entries es;
	int rc = -1;

	if (p->parents != NULL)
		return 0;
	if ((p->parents = json_object()) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	if (bk_entries_list(p->s, NULL, NULL, &es, f) == 0)
		rc = bk_entries_skim(p->ctx, p->s, &es, false, take_parent,
		    p->parents, &cost, f);
	bk_entries_release(&es);
	return rc;
}

/* Notes that came after the tombstone: do they hold it?  1, 0 or -1. */
static int
held_since(struct purging *p, const struct bk_entry *orphan,
    const struct bk_tomb *t, struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(BK_LINE_MAX);
	struct bk_fault why;
	json_t *o, *hold;
	size_t i;
	int rc = 0, held = 0;

	for (i = 0; rc != -1 && i < orphan->nnotes; i++) {
		if (json_object_get(t->notes, orphan->notes[i]) != NULL)
			continue;
		bk_buf_reset(&b);
		why = (struct bk_fault)BK_FAULT_INIT;
		if ((rc = bk_store_get_small(p->s, orphan->notes[i], &b, f)) != 0 ||
		    (o = bk_json_parse(bk_buf_text(&b), b.len, "note",
		    &why)) == NULL)
			continue;
		if ((hold = json_object_get(o, "hold")) != NULL)
			held = json_is_string(hold);
		json_decref(o);
	}
	bk_buf_release(&b);
	return rc == -1 ? -1 : held;
}

static int
bring_back(struct purging *p, const struct bk_mkey *k, const char *why,
    struct bk_fault *f)
{
	unsigned int n = 0;
	int rc = bk_tomb_undo(p->ctx, p->s, k->name, k->id, true, &n, f);

	if (n > 0)
		p->ctx->log(BK_LOG_WARN, "brought back %s of '%s': %s", k->id,
		    k->name, why);
	p->sum->raised += n;
	return rc;
}

/* Read the tombstone of ${k}: 1, 0 where there is none to be read, or -1. */
static int
read_tomb(struct purging *p, const struct bk_mkey *k, struct bk_tomb *t,
    struct bk_fault *f)
{
	struct bk_fault why = BK_FAULT_INIT;
	int rc = bk_tomb_read(p->s, k->name, k->id, t, &why);

	if (rc == BK_ABSENT)
		return 0;
	if (rc == 0)
		return 1;
	if (why.status == BK_UNAVAILABLE) {
		*f = why;
		return -1;
	}
	p->ctx->log(BK_LOG_WARN, "%s", why.text);
	p->sum->bad++;
	return 0;
}

/*
 * No manifest: has the time of its payload come, and may it go?  1, 0 (it was
 * brought back where it may not) or -1.
 */
static int
due(struct purging *p, const struct bk_mkey *k, const struct bk_entry *orphan,
    struct bk_fault *f)
{
	struct bk_tomb t;
	int rc;

	if ((rc = read_tomb(p, k, &t, f)) != 1)
		return rc;
	if (p->now < t.deleted + t.grace + BK_GRACE_MORE_MS)
		rc = 0;
	else if ((rc = read_parents(p, f)) == 0) {
		if (json_object_get(p->parents, k->id) != NULL)
			rc = bring_back(p, k, "another backup needs it", f);
		else if (orphan == NULL ||
		    (rc = held_since(p, orphan, &t, f)) == 0)
			rc = 1;
		else if (rc == 1)
			rc = bring_back(p, k, "it was held while it was being "
			    "deleted", f);
	}
	bk_tomb_release(&t);
	return rc;
}

/* Put everything of ${k} that goes on the lists.  0 or -1. */
static int
collect(struct purging *p, const struct bk_mkey *k,
    const struct bk_entry *orphan, struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX);
	struct bk_tomb t;
	size_t i;
	int rc;

	/* One that a later one brought back as its parent is not there. */
	if ((rc = read_tomb(p, k, &t, f)) != 1)
		return rc;
	if ((rc = bk_tomb_key(&key, k->name, k->id, f)) == 0 &&
	    (rc = bk_keys_add(&p->tombs, bk_buf_text(&key), f)) == 0)
		rc = bk_keys_add(&p->payloads, t.key, f);
	for (i = 0; rc == 0 && orphan != NULL && i < orphan->nnotes; i++)
		rc = bk_keys_add(&p->leftovers, orphan->notes[i], f);
	p->sum->gone++;
	p->sum->bytes += t.bytes;
	bk_buf_release(&key);
	bk_tomb_release(&t);
	return rc;
}

/* A manifest is there: whoever writes a tombstone now is left to it. */
static int
void_tomb(struct purging *p, const struct bk_mkey *k, struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX);
	struct bk_fault why = BK_FAULT_INIT;
	struct bk_tomb t;
	const char *one;
	int rc = 0;

	if (bk_tomb_read(p->s, k->name, k->id, &t, &why) == 0 &&
	    p->now > t.deleted + BK_GRACE_MORE_MS &&
	    (rc = bk_tomb_key(&key, k->name, k->id, f)) == 0) {
		one = bk_buf_text(&key);
		rc = bk_store_remove(p->s, &one, 1, f);
	}
	bk_tomb_release(&t);
	bk_buf_release(&key);
	return rc;
}

static const struct bk_entry *
orphan_of(const struct bk_entries *es, const struct bk_mkey *k)
{
	size_t i;

	for (i = 0; i < es->norphans; i++)
		if (strcmp(es->orphan[i].k.id, k->id) == 0 &&
		    strcmp(es->orphan[i].k.name, k->name) == 0)
			return &es->orphan[i];
	return NULL;
}

/* The last look before payloads go.  0, or -1 with ${f} set (75). */
static int
look_again(struct purging *p, const char *name, struct bk_fault *f)
{
	struct bk_entries es;
	struct bk_mkey k;
	size_t i;
	int rc = bk_entries_list(p->s, name, NULL, &es, f);

	for (i = 0; rc == 0 && i < p->tombs.len; i++)
		if (bk_tomb_split(p->tombs.v[i], &k) &&
		    bk_entries_find(&es, k.name, k.id) != NULL)
			rc = bk_fault_set(f, BK_BUSY, "backup %s of '%s' was "
			    "brought back just now: run again", k.id, k.name);
	bk_entries_release(&es);
	return rc;
}

int
bk_tomb_purge(const struct bk_ctx *ctx, struct bk_store *s, const char *name,
    struct bk_purged *sum, struct bk_fault *f)
{
	struct purging p = { .ctx = ctx, .s = s, .sum = sum };
	struct bk_entries es = BK_ENTRIES_INIT;
	size_t i;
	int rc = -1;

	if (list_tombs(&p, name, f) == -1)
		goto out;
	sum->tombs += p.len;
	rc = 0;
	if (p.len == 0)
		goto out;
	if ((rc = bk_store_now(ctx, s, &p.now, f)) == -1 ||
	    (rc = bk_entries_list(s, name, NULL, &es, f)) == -1)
		goto out;
	for (i = 0; i < p.len && rc != -1; i++) {
		if (bk_entries_find(&es, p.tomb[i].name, p.tomb[i].id) != NULL)
			rc = void_tomb(&p, &p.tomb[i], f);
		else if ((rc = due(&p, &p.tomb[i], orphan_of(&es, &p.tomb[i]),
		    f)) == 1)
			continue;
		/* Not on the second round. */
		p.tomb[i].id[0] = '\0';
	}
	for (i = 0; i < p.len && rc != -1; i++)
		if (p.tomb[i].id[0] != '\0')
			rc = collect(&p, &p.tomb[i], orphan_of(&es, &p.tomb[i]), f);
	if (rc == -1 || p.tombs.len == 0 ||
	    (rc = look_again(&p, name, f)) == -1)
		goto out;
	if ((rc = bk_keys_remove(&p.payloads, s, f)) == -1 ||
	    (rc = bk_keys_remove(&p.leftovers, s, f)) == -1)
		goto out;
	rc = bk_keys_remove(&p.tombs, s, f);
out:
	bk_keys_release(&p.payloads);
	bk_keys_release(&p.leftovers);
	bk_keys_release(&p.tombs);
	json_decref(p.parents);
	bk_entries_release(&es);
	free(p.tomb);
	return rc;
}

/* Undoing. */

struct wanted {
	const char *id;
	struct bk_mkey found;
};

static int
match_id(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	struct wanted *w = arg;
	struct bk_mkey k;

	(void)f;
	if (!bk_tomb_split(o->key, &k) || strcmp(k.id, w->id) != 0)
		return 0;
	w->found = k;
	return BK_LIST_STOP;
}

/* The tombstone of ${id}: 0, BK_ABSENT or -1. */
static int
find_tomb(struct bk_store *s, const char *name, const char *id,
    struct bk_tomb *t, struct bk_fault *f)
{
	struct wanted w = { .id = id };
	int rc;

	*t = (struct bk_tomb)BK_TOMB_INIT;
	if (name != NULL && (rc = bk_tomb_read(s, name, id, t, f)) != BK_ABSENT)
		return rc;
	if (bk_store_list(s, BK_TOMBS, "", match_id, &w, f) == -1)
		return -1;
	if (w.found.name[0] == '\0')
		return BK_ABSENT;
	return bk_tomb_read(s, w.found.name, id, t, f);
}

/* Is there a manifest of this id under any name?  1, 0, -1. */
static int
listed(struct bk_store *s, const char *name, const char *id,
    struct bk_fault *f)
{
	struct bk_entries es;
	int rc = bk_entries_list(s, name, id, &es, f);

	if (rc == 0)
		rc = es.len > 0;
	bk_entries_release(&es);
	return rc;
}

/* The parent that the manifest in ${t} names: new text, or NULL. */
static char *
parent_of(const struct bk_tomb *t)
{
	struct bk_fault none = BK_FAULT_INIT;
	json_t *o = bk_json_parse(t->manifest, t->manifest_len, "manifest",
	    &none);
	const char *parent = bk_json_get_text(o, "parent");
	char *copy = parent != NULL ? strdup(parent) : NULL;

	json_decref(o);
	return copy;
}

static int
undo_one(const struct bk_ctx *ctx, struct bk_store *s, const char *name,
    const char *id, bool any_age, unsigned int depth, unsigned int *raised,
    struct bk_fault *f)
{
	char *parent = NULL;
	struct bk_tomb t;
	int64_t now;
	int rc, there;

	if (depth > CHAIN_MAX)
		return bk_fault_set(f, BK_DATA, "parents without an end");
	if ((rc = find_tomb(s, name, id, &t, f)) == -1)
		return -1;
	if (rc == BK_ABSENT) {
		if ((there = listed(s, NULL, id, f)) == -1)
			return -1;
		if (there == 1)
			return 0;
		return bk_fault_set(f, BK_NOINPUT, "backup %s was not deleted, or "
		    "is gone for good: there is no tombstone in %s", id, s->url);
	}
	rc = -1;
	if (bk_store_now(ctx, s, &now, f) == -1)
		goto out;
	if (!any_age && now > t.deleted + t.grace) {
		(void)bk_fault_set(f, BK_NOINPUT, "backup %s of '%s' was deleted "
		    "longer ago than its grace of %lld seconds", id, t.name,
		    (long long)(t.grace / 1000));
		goto out;
	}
	if ((parent = parent_of(&t)) != NULL && undo_one(ctx, s, t.name, parent,
	    true, depth + 1, raised, f) == -1) {
		bk_fault_context(f, "parent of %s", id);
		goto out;
	}
	if ((rc = bk_tomb_raise(s, &t, f)) == 0)
		(*raised)++;
out:
	free(parent);
	bk_tomb_release(&t);
	return rc;
}

int
bk_tomb_undo(const struct bk_ctx *ctx, struct bk_store *s, const char *name,
    const char *id, bool any_age, unsigned int *raised, struct bk_fault *f)
{
	return undo_one(ctx, s, name, id, any_age, 0, raised, f);
}
