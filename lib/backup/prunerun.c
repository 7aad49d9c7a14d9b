/*
 * Carrying out a plan.  Per name and in portions: write tombstones, look at
 * the keys once more, and remove the manifests of what has not changed since
 * the plan was made; then their notes.  An increment goes before its parent,
 * in a portion of its own, so that a stop never leaves a broken chain listed.
 */
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "prune.h"
#include "tomb.h"

#define PORTION 200

struct running {
	const struct bk_ctx *ctx;
	struct bk_store *s;
	const struct bk_prune *p;
	int64_t grace, now;
	unsigned int *level;		/* of each item: 0 none, 1 first to go */
	bool *stay;			/* found changed */
	uint64_t *left;
};

/* One more than the highest of its children that go.  Returns the highest. */
static unsigned int
find_levels(struct running *r)
{
	const struct bk_prune *p = r->p;
	unsigned int top = 0, rounds;
	bool changed = true;
	size_t i, k;

	for (i = 0; i < p->len; i++)
		if (!p->item[i].keep)
			r->level[i] = top = 1;
	for (rounds = 0; changed && rounds < p->len; rounds++) {
		changed = false;
		for (i = 0; i < p->len; i++) {
			if (p->item[i].keep || p->item[i].parent[0] == '\0' ||
			    (k = bk_prune_find(p, p->item[i].parent)) == p->len ||
			    p->item[k].keep || r->level[k] > r->level[i])
				continue;
			r->level[k] = r->level[i] + 1;
			if (r->level[k] > top)
				top = r->level[k];
			changed = true;
		}
	}
	return top;
}

/* ${i} stays, and with it what it needs. */
static void
leave(struct running *r, size_t i, const char *why)
{
	const struct bk_prune *p = r->p;

	while (i < p->len && !p->item[i].keep && !r->stay[i]) {
		r->ctx->log(BK_LOG_WARN, "left %s of '%s': %s", p->item[i].id,
		    p->item[i].name, why);
		r->stay[i] = true;
		(*r->left)++;
		if (p->item[i].parent[0] == '\0')
			break;
		i = bk_prune_find(p, p->item[i].parent);
		why = "a backup that was left needs it";
	}
}

/* A portion on its way out. */
struct portion {
	size_t item[PORTION];
	size_t len;
};

/* Write the tombstones of ${po}, and keep in it those that are written. */
static int
bury(struct running *r, const struct bk_entries *es, struct portion *po,
    struct bk_fault *f)
{
	const struct bk_prune_item *it;
	const struct bk_entry *e;
	size_t i, kept = 0;
	json_t *line;
	int rc;

	for (i = 0; i < po->len; i++) {
		it = &r->p->item[po->item[i]];
		if ((e = bk_entries_find(es, it->name, it->id)) == NULL)
			continue;
		if (e->nnotes != it->nnotes) {
			leave(r, po->item[i], "it was noted since the plan was "
			    "made");
			continue;
		}
		if ((line = bk_prune_line(r->p, po->item[i], f)) == NULL)
			return -1;
		rc = bk_tomb_bury(r->s, e, r->now, r->grace,
		    json_object_get(line, "why"), f);
		json_decref(line);
		if (rc == -1)
			return -1;
		if (rc == 0)
			po->item[kept++] = po->item[i];
	}
	po->len = kept;
	return 0;
}

/* Sort the keys of ${po} by what is to be removed. */
static int
sort_keys(struct running *r, const struct bk_entries *es,
    const struct portion *po, struct bk_keys *manifests, struct bk_keys *notes,
    struct bk_keys *tombs, struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX);
	const struct bk_prune_item *it;
	const struct bk_entry *e;
	size_t i, k;
	int rc = -1;

	for (i = 0; i < po->len; i++) {
		it = &r->p->item[po->item[i]];
		if ((e = bk_entries_find(es, it->name, it->id)) == NULL)
			continue;
		bk_buf_reset(&key);
		if (e->nnotes != it->nnotes) {
			leave(r, po->item[i], "it was noted just now");
			if (bk_tomb_key(&key, it->name, it->id, f) == -1 ||
			    bk_keys_add(tombs, bk_buf_text(&key), f) == -1)
				goto out;
			continue;
		}
		if (bk_manifest_key(&key, it->name, it->id, f) == -1 ||
		    bk_keys_add(manifests, bk_buf_text(&key), f) == -1)
			goto out;
		for (k = 0; k < e->nnotes; k++)
			if (bk_keys_add(notes, e->notes[k], f) == -1)
				goto out;
	}
	rc = 0;
out:
	bk_buf_release(&key);
	return rc;
}

static int
run_portion(struct running *r, struct portion *po, struct bk_fault *f)
{
	const char *name = r->p->item[po->item[0]].name;
	struct bk_keys manifests = { 0 }, notes = { 0 }, tombs = { 0 };
	struct bk_entries es = BK_ENTRIES_INIT, again = BK_ENTRIES_INIT;
	int rc = -1;

	if (bk_entries_list(r->s, name, NULL, &es, f) == 0 &&
	    bk_store_now(r->ctx, r->s, &r->now, f) == 0 &&
	    bury(r, &es, po, f) == 0 &&
	    bk_entries_list(r->s, name, NULL, &again, f) == 0 &&
	    sort_keys(r, &again, po, &manifests, &notes, &tombs, f) == 0 &&
	    bk_keys_remove(&manifests, r->s, f) == 0 &&
	    bk_keys_remove(&notes, r->s, f) == 0)
		rc = bk_keys_remove(&tombs, r->s, f);
	bk_keys_release(&tombs);
	bk_keys_release(&notes);
	bk_keys_release(&manifests);
	bk_entries_release(&again);
	bk_entries_release(&es);
	return rc;
}

/* Everything of one level, name after name. */
static int
run_level(struct running *r, unsigned int level, struct bk_fault *f)
{
	const struct bk_prune *p = r->p;
	struct portion po = { .len = 0 };
	size_t i;

	for (i = 0; i < p->len; i++) {
		if (po.len > 0 && (po.len == PORTION ||
		    p->item[i].name != p->item[po.item[0]].name)) {
			if (run_portion(r, &po, f) == -1)
				return -1;
			po.len = 0;
		}
		if (r->level[i] == level && !r->stay[i])
			po.item[po.len++] = i;
	}
	return po.len > 0 ? run_portion(r, &po, f) : 0;
}

int
bk_prune_run(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_prune *p, int64_t grace, uint64_t *left,
    struct bk_fault *f)
{
	struct running r = { ctx, s, p, grace, 0, NULL, NULL, left };
	unsigned int level, top;
	int rc = 0;

	*left = 0;
	if (p->gone == 0)
		return 0;
	r.level = calloc(p->len, sizeof(*r.level));
	r.stay = calloc(p->len, sizeof(*r.stay));
	if (r.level == NULL || r.stay == NULL)
		rc = bk_fault_set(f, BK_IO, "out of memory");
	top = rc == 0 ? find_levels(&r) : 0;
	for (level = 1; rc == 0 && level <= top; level++)
		rc = run_level(&r, level, f);
	free(r.level);
	free(r.stay);
	return rc;
}
