/*
 * Fact (xlogrecovery.c of PostgreSQL): recovery to the "latest" timeline takes
 * the highest number that has a history.
 *
 * Commits come nearly in order of their times: a moment is found by halving,
 * at one or two segments read for each step.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "walhist.h"
#include "walpath.h"
#include "walread.h"

/* Numbers of the timelines that have a history. */
struct tlis {
	uint32_t v[BK_WAL_BRANCHES_MAX];
	size_t n;
};

static int
take_history(void *arg, const struct bk_wal_key *k, const struct bk_object *o,
    struct bk_fault *f)
{
	struct tlis *t = arg;

	(void)o;
	if (k->name.kind != BK_WAL_HISTORY ||
	    (t->n > 0 && t->v[t->n - 1] == k->name.tli))
		return 0;
	if (t->n == BK_WAL_BRANCHES_MAX)
		return bk_fault_set(f, BK_DATA, "more than %d timelines",
		    BK_WAL_BRANCHES_MAX);
	t->v[t->n++] = k->name.tli;
	return 0;
}

static int
find_file(struct bk_store *s, const char *name, uint64_t system,
    const char *file, struct bk_walpath_file *out, struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX + 1);
	struct bk_object o;
	struct bk_wal_name n;
	int rc;

	if (!bk_wal_name_parse(file, &n))
		return bk_fault_set(f, BK_BUG, "'%s'", file);
	if ((rc = bk_wal_find(s, name, system, &n, &out->key, f)) != 0)
		return rc;
	memcpy(out->file, file, strlen(file) + 1);
	rc = bk_wal_key(&key, name, &out->key, f) == -1 ? -1 :
	    bk_store_stat(s, key.p, &o, f);
	out->stored = rc == 0 ? o.bytes : 0;
	bk_buf_release(&key);
	return rc;
}

static int
add(struct bk_walpath_file **v, size_t *n, const struct bk_walpath_file *file,
    size_t *size, struct bk_fault *f)
{
	struct bk_walpath_file *new;
	size_t want = *size > 0 ? *size * 2 : 64;

	if (*n == *size) {
		if ((new = reallocarray(*v, want, sizeof(*new))) == NULL)
			return bk_fault_set(f, BK_IO, "out of memory");
		*v = new;
		*size = want;
	}
	(*v)[(*n)++] = *file;
	return 0;
}

/*
 * Does timeline ${tli} descend from the backup's, behind its end?  1 and the
 * legs of the way in ${w}; 0; -1.
 */
static int
descends(struct bk_store *s, const char *name,
    const struct bk_walpath_from *from, uint32_t tli, struct bk_wal_way *w,
    struct bk_fault *f)
{
	int rc = bk_wal_way(s, name, from->system, tli, w, f);
	size_t i, k, end;

	if (rc != 0)
		return rc == -1 ? -1 : 0;
	for (i = 0; i < w->n && w->leg[i].tli != from->tli; i++)
		;
	for (end = i; end < w->n && w->leg[end].tli != from->end_tli; end++)
		;
	if (end == w->n || w->leg[end].until < from->stop)
		return 0;
	for (k = 0; i < w->n; i++, k++)
		w->leg[k] = w->leg[i];
	w->n = k;
	return 1;
}

/* Segments of one timeline as they are listed. */
struct taking {
	struct bk_walpath *p;
	uint32_t segment;
	uint64_t next, until;		/* numbers */
	struct bk_walpath_file growing;
	bool grows;
};

static int
take_segment(void *arg, const struct bk_wal_key *k, const struct bk_object *o,
    struct bk_fault *f)
{
	struct taking *t = arg;
	const struct bk_walpath_file *last = t->p->n > 0 ?
	    &t->p->v[t->p->n - 1] : NULL;
	struct bk_walpath_file file = { .key = *k, .stored = o->bytes };
	uint64_t number = bk_wal_number(&k->name, t->segment);

	memcpy(file.file, k->name.file, sizeof(file.file));
	if (k->name.kind == BK_WAL_GROWING && number == t->next) {
		memcpy(file.file, k->name.file, 24);
		file.file[24] = '\0';
		t->growing = file;
		t->grows = true;
	}
	if (k->name.kind != BK_WAL_SEGMENT || number >= t->until)
		return 0;
	if (number > t->next)
		return BK_LIST_STOP;
	if (number < t->next)
		return last == NULL || strcmp(last->file, file.file) != 0 ||
		    strcmp(last->key.hash, k->hash) == 0 ? 0 :
		    bk_fault_set(f, BK_DATA, "'%s' is stored with two contents",
		    file.file);
	t->next++;
	t->grows = false;
	return add(&t->p->v, &t->p->n, &file, &t->p->size, f);
}

/* The segments of ${leg} from number ${from} on; *${whole}: none is missing. */
static int
take_leg(struct bk_store *s, const char *name,
    const struct bk_walpath_from *b, const struct bk_wal_leg *leg, uint64_t from,
    struct bk_walpath *p, bool *whole, struct bk_fault *f)
{
	struct taking t = { .p = p, .segment = b->segment, .next = from,
		.until = leg->until == UINT64_MAX ? UINT64_MAX :
		leg->until / b->segment };
	struct bk_wal_name first;

	bk_wal_segment(leg->tli, from, b->segment, &first);
	if (bk_wal_list_from(s, name, b->system, &first, take_segment, &t,
	    f) == -1)
		return -1;
	*whole = t.next >= t.until;
	if (t.grows && t.until == UINT64_MAX)
		return add(&p->v, &p->n, &t.growing, &p->size, f);
	return 0;
}

/* The histories of all timelines of the way but a first number 1. */
static int
take_histories(struct bk_store *s, const char *name, uint64_t system,
    const struct bk_wal_way *w, struct bk_walpath *p, struct bk_fault *f)
{
	struct bk_walpath_file h;
	char file[BK_WAL_FILE_MAX];
	size_t i, size = 0;
	int rc;

	for (i = 0; i < w->n; i++) {
		if (w->leg[i].tli == 1)
			continue;
		(void)snprintf(file, sizeof(file), "%08X.history",
		    w->leg[i].tli);
		if ((rc = find_file(s, name, system, file, &h, f)) == -1 ||
		    (rc == 0 && add(&p->history, &p->nhistory, &h, &size,
		    f) == -1))
			return -1;
	}
	return 0;
}

int
bk_walpath_read(struct bk_store *s, const char *name,
    const struct bk_walpath_from *from, struct bk_walpath *p,
    struct bk_fault *f)
{
	uint64_t number = from->start / from->segment;
	uint64_t need = (from->stop - (from->stop > from->start)) /
	    from->segment - number + 1;
	struct bk_wal_way *w = calloc(1, sizeof(*w));
	struct tlis *t = calloc(1, sizeof(*t));
	bool whole = true;
	size_t i;
	int rc = -1;

	if (w == NULL || t == NULL) {
		bk_fault_set(f, BK_IO, "out of memory");
		goto out;
	}
	if (bk_wal_list(s, name, from->system, 0, take_history, t, f) == -1)
		goto out;
	for (rc = 0; rc == 0 && t->n > 0 && t->v[t->n - 1] > from->tli; t->n--)
		rc = descends(s, name, from, t->v[t->n - 1], w, f);
	if (rc == -1)
		goto out;
	if (rc == 0) {
		w->leg[0] = (struct bk_wal_leg){ from->tli, UINT64_MAX };
		w->n = 1;
	}
	for (i = 0, rc = 0; rc == 0 && whole && i < w->n; i++) {
		rc = take_leg(s, name, from, &w->leg[i], number, p, &whole, f);
		number = w->leg[i].until / from->segment;
	}
	if (rc == 0)
		rc = take_histories(s, name, from->system, w, p, f);
	if (rc == 0 && p->n < need)
		rc = BK_ABSENT;
out:
	free(w);
	free(t);
	return rc;
}

void
bk_walpath_release(struct bk_walpath *p)
{
	free(p->v);
	free(p->history);
	*p = (struct bk_walpath)BK_WALPATH_INIT;
}

/* ---- moments ---- */

/* Looking for the first commit behind ${at}. */
struct scan {
	int64_t at;			/* microseconds */
	int64_t last;			/* of those not behind it, INT64_MIN: none */
	bool some, behind;		/* was there one, was one behind it */
	bool first_behind;		/* the very first was */
};

static int
take_event(void *arg, const struct bk_wal_event *e, struct bk_fault *f)
{
	struct scan *c = arg;

	(void)f;
	if (e->what != BK_WAL_COMMIT)
		return 0;
	if (e->time > c->at) {
		c->first_behind = c->first_behind || !c->some;
		c->behind = true;
	} else if (!c->behind)
		c->last = e->time;
	c->some = true;
	return 0;
}

/*
 * Read from segment ${i} on until there was a commit, or with ${behind} one
 * that is behind the moment: the segment in *${at}, p->n where there is none.
 */
static int
scan(struct bk_store *s, const char *name, const struct bk_walpath *p,
    size_t i, bool behind, struct scan *c, size_t *at, struct bk_fault *f)
{
	struct bk_wal_reader *r = NULL;
	int rc = 0;

	c->some = c->behind = c->first_behind = false;
	for (; i < p->n; i++) {
		if (r == NULL || p->v[i].key.name.tli != p->v[i - 1].key.name.tli) {
			bk_wal_reader_free(r);
			if ((r = bk_wal_reader_new(take_event, c, f)) == NULL)
				return -1;
		}
		if ((rc = bk_wal_get(s, name, &p->v[i].key, bk_wal_reader_write,
		    r, f)) == BK_ABSENT)
			rc = bk_fault_set(f, BK_DATA,
			    "'%s' went while it was read", p->v[i].file);
		if (rc == -1 || (behind ? c->behind : c->some))
			break;
	}
	bk_wal_reader_free(r);
	*at = i;
	return rc;
}

int
bk_walpath_to(struct bk_store *s, const char *name,
    const struct bk_walpath *p, int64_t at, size_t *count, bool *behind,
    int64_t *last, struct bk_fault *f)
{
	struct scan c = { .at = at >= INT64_MAX / 1000 ? INT64_MAX :
		at * 1000 + 999, .last = INT64_MIN };
	size_t low = 0, high = p->n, mid, where;

	/* The lowest from which on the first commit is behind the moment. */
	while (low < high) {
		mid = low + (high - low) / 2;
		if (scan(s, name, p, mid, false, &c, &where, f) == -1)
			return -1;
		if (where == p->n || c.first_behind)
			high = mid;
		else
			low = where + 1;
	}
	c.last = INT64_MIN;
	if (scan(s, name, p, low > 0 ? low - 1 : 0, true, &c, &where, f) == -1)
		return -1;
	*behind = c.behind;
	*count = c.behind ? where + 1 : p->n;
	*last = c.last == INT64_MIN ? INT64_MIN : c.last / 1000;
	return 0;
}
