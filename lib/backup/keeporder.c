/*
 * Putting records in order and finding parents, for retention.  Texts are
 * told apart by a table of open addressing that holds indices.
 */
#include <stdlib.h>
#include <string.h>

#include "keeping.h"

struct table {
	uint32_t *slot;			/* index + 1; 0: free */
	size_t mask;
};

static int
table_make(struct table *t, size_t n, struct bk_fault *f)
{
	size_t size = 64;

	while (size < n * 2)
		size *= 2;
	t->mask = size - 1;
	if ((t->slot = calloc(size, sizeof(*t->slot))) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	return 0;
}

/* FNV-1a (draft-eastlake-fnv); the high bits folded in. */
static size_t
hash(const char *s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *s != '\0'; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
	return (size_t)(h ^ (h >> 29));
}

typedef const char *text_fn(const struct bk_keeping *k, uint32_t i);

static const char *
name_of(const struct bk_keeping *k, uint32_t i)
{
	return k->in[i].name;
}

/* Where it tells records apart. */
static const char *
source_of(const struct bk_keeping *k, uint32_t i)
{
	return k->in[i].source != NULL && bk_keep_book(k, i)->policy->sources ==
	    BK_SOURCES_GROUPED ? k->in[i].source : "";
}

static const char *
id_of(const struct bk_keeping *k, uint32_t i)
{
	return k->in[i].id;
}

/* The first record with this text; ${i} itself is entered where ${add}. */
static uint32_t
table_find(const struct table *t, const struct bk_keeping *k, text_fn *text,
    const char *s, uint32_t i, bool add)
{
	size_t at = hash(s) & t->mask;

	for (; t->slot[at] != 0; at = (at + 1) & t->mask)
		if (strcmp(text(k, t->slot[at] - 1), s) == 0)
			return t->slot[at] - 1;
	if (!add)
		return NOBODY;
	t->slot[at] = i + 1;
	return i;
}

/* Give each record the index of the first with its text, times ${factor}. */
static int
number(struct bk_keeping *k, text_fn *text, uint64_t factor,
    struct bk_fault *f)
{
	struct table t = { NULL, 0 };
	uint32_t i, first = 0;
	const char *s, *before = NULL;

	if (table_make(&t, k->n, f) == -1)
		return -1;
	for (i = 0; i < k->n; i++) {
		s = text(k, i);
		/* Neighbours are often alike. */
		if (before == NULL || (s != before && strcmp(s, before) != 0))
			first = table_find(&t, k, text, s, i, true);
		before = s;
		k->place[i].group += first * factor;
	}
	free(t.slot);
	return 0;
}

struct sort_key {
	struct bk_place place;
	const char *id;
};

static int
compare(const void *pa, const void *pb)
{
	const struct sort_key *a = pa, *b = pb;

	if (a->place.group != b->place.group)
		return a->place.group < b->place.group ? -1 : 1;
	if (a->place.time != b->place.time)
		return a->place.time < b->place.time ? -1 : 1;
	return strcmp(a->id, b->id);
}

static int
sort(struct bk_keeping *k, struct bk_fault *f)
{
	struct sort_key *key;
	size_t i;
	bool sorted = true;

	if ((key = malloc(k->n * sizeof(*key) + 1)) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	for (i = 0; i < k->n; i++) {
		key[i] = (struct sort_key){ k->place[i], k->in[i].id };
		sorted = sorted && (i == 0 || compare(&key[i - 1], &key[i]) <= 0);
	}
	if (!sorted)
		qsort(key, k->n, sizeof(*key), compare);
	for (i = 0; i < k->n; i++)
		k->place[i] = key[i].place;
	free(key);
	return 0;
}

static bool
by_source(const struct bk_keeping *k)
{
	size_t i;

	for (i = 0; k->more != NULL && i < k->more->nbooks; i++)
		if (k->more->book[i].policy->sources == BK_SOURCES_GROUPED)
			return true;
	return k->own.policy->sources == BK_SOURCES_GROUPED;
}

int
bk_keep_order(struct bk_keeping *k, struct bk_fault *f)
{
	uint32_t i;

	if ((k->place = malloc(k->n * sizeof(*k->place) + 1)) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	k->nplace = k->n;
	for (i = 0; i < k->n; i++)
		k->place[i] = (struct bk_place){ 0, k->in[i].time, i };
	if (number(k, name_of, UINT64_C(1) << 32, f) == -1 ||
	    (by_source(k) && number(k, source_of, 1, f) == -1))
		return -1;
	return sort(k, f);
}

/* Can this record, taken by itself, be restored? */
static bool
usable(const struct bk_retain_in *r)
{
	return (r->flags & BK_RETAIN_PAYLOAD) != 0 &&
	    (r->flags & BK_RETAIN_UNREADABLE) == 0;
}

enum chain { UNKNOWN, VISITED, WHOLE, BROKEN };

/*
 * Walk up from ${i} to what is known, then down again over the same way: a
 * chain is whole where it ends at a record without parent and everything on
 * it can be restored.  One that bites its own tail is broken.
 */
static void
walk(struct bk_keeping *k, uint32_t i, unsigned char *state, uint32_t *way)
{
	size_t n = 0;
	bool whole;

	for (; state[i] == UNKNOWN; i = k->parent[i]) {
		state[i] = VISITED;
		way[n++] = i;
		if (k->in[i].parent == NULL || k->parent[i] == NOBODY)
			break;
	}
	whole = n > 0 && way[n - 1] == i ? k->in[i].parent == NULL :
	    state[i] == WHOLE;
	while (n-- > 0) {
		i = way[n];
		if (!whole)
			k->v[i].why |= WHY_ORPHAN;
		whole = whole && usable(&k->in[i]);
		state[i] = whole ? WHOLE : BROKEN;
	}
}

int
bk_keep_parents(struct bk_keeping *k, struct bk_fault *f)
{
	struct table t = { NULL, 0 };
	unsigned char *state = NULL;
	uint32_t *way = NULL, i;
	int rc = -1;

	for (i = 0; i < k->real && k->in[i].parent == NULL; i++)
		;
	if (i == k->real)
		return 0;
	if (table_make(&t, k->real, f) == -1)
		return -1;
	if ((k->parent = malloc(k->real * sizeof(*k->parent))) == NULL ||
	    (way = malloc(k->real * sizeof(*way))) == NULL ||
	    (state = calloc(k->real, 1)) == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		goto out;
	}
	for (i = 0; i < k->real; i++)
		(void)table_find(&t, k, id_of, k->in[i].id, i, true);
	for (i = 0; i < k->real; i++)
		k->parent[i] = k->in[i].parent == NULL ? NOBODY :
		    table_find(&t, k, id_of, k->in[i].parent, i, false);
	for (i = 0; i < k->real; i++)
		walk(k, i, state, way);
	rc = 0;
out:
	free(t.slot);
	free(way);
	free(state);
	return rc;
}
