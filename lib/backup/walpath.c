/*
 * Facts (documentation of PostgreSQL, "Timelines"; access/timeline.c,
 * xlogrecovery.c): NNNNNNNN.history has a line "TLI<tab>POSITION<tab>reason"
 * for each timeline that NNNNNNNN descends from, oldest first, with the
 * position where it was left.  The segment that holds that position is read
 * from the younger timeline.  Recovery to the "latest" timeline takes the
 * highest number that has a history.
 *
 * Commits come nearly in order of their times: a moment is found by halving,
 * at one or two segments read for each step.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pglsn.h"
#include "walpath.h"
#include "walread.h"

#define HISTORY_MAX (1 << 20)
#define BRANCHES_MAX 1024

/* A timeline of the way, and the position where it is left. */
struct leg {
	uint32_t tli;
	uint64_t until;
};

struct way {
	struct leg leg[BRANCHES_MAX];
	size_t n;
};

/* Numbers of the timelines that have a history. */
struct tlis {
	uint32_t v[BRANCHES_MAX];
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
	if (t->n == BRANCHES_MAX)
		return bk_fault_set(f, BK_DATA, "more than %d timelines",
		    BRANCHES_MAX);
	t->v[t->n++] = k->name.tli;
	return 0;
}

static int
take_text(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	return bk_buf_add(arg, p, n, f);
}

/* The lines of a history into ${w}. */
static int
parse(const char *text, struct way *w, struct bk_fault *f)
{
	char lsn[40];
	const char *p;
	char *end;
	size_t n;

	w->n = 0;
	for (p = text; *p != '\0'; p += n + (p[n] != '\0')) {
		n = strcspn(p, "\n");
		if (p[strspn(p, " \t")] == '\n' || p[strspn(p, " \t")] == '#')
			continue;
		if (w->n == BRANCHES_MAX)
			return bk_fault_set(f, BK_DATA, "more than %d timelines",
			    BRANCHES_MAX);
		w->leg[w->n].tli = (uint32_t)strtoul(p, &end, 10);
		end += strspn(end, " \t");
		memset(lsn, 0, sizeof(lsn));
		memcpy(lsn, end, strcspn(end, " \t\n") < sizeof(lsn) - 1 ?
		    strcspn(end, " \t\n") : sizeof(lsn) - 1);
		if (end == p || bk_pglsn_parse(lsn, &w->leg[w->n].until) == -1)
			return bk_fault_set(f, BK_DATA,
			    "a history of a timeline has the line '%.*s'",
			    (int)(n < 80 ? n : 80), p);
		w->n++;
	}
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
    const struct bk_walpath_from *from, uint32_t tli, struct way *w,
    struct bk_fault *f)
{
	struct bk_buf text = BK_BUF_INIT(HISTORY_MAX);
	struct bk_walpath_file h;
	char file[BK_WAL_FILE_MAX];
	size_t i, k, end;
	int rc;

	(void)snprintf(file, sizeof(file), "%08X.history", tli);
	if ((rc = find_file(s, name, from->system, file, &h, f)) == 0 &&
	    (rc = bk_wal_get(s, name, &h.key, take_text, &text, f)) == 0)
		rc = parse(bk_buf_text(&text), w, f);
	bk_buf_release(&text);
	if (rc != 0)
		return rc == -1 ? -1 : 0;
	for (i = 0; i < w->n && w->leg[i].tli != from->tli; i++)
		;
	for (end = i; end < w->n && w->leg[end].tli != from->end_tli; end++)
		;
	if (i == w->n || w->n == BRANCHES_MAX || (end == w->n ?
	    tli != from->end_tli : w->leg[end].until < from->stop))
		return 0;
	for (k = 0; i < w->n; i++, k++)
		w->leg[k] = w->leg[i];
	w->leg[k] = (struct leg){ tli, UINT64_MAX };
	w->n = k + 1;
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
    const struct bk_walpath_from *b, const struct leg *leg, uint64_t from,
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
    const struct way *w, struct bk_walpath *p, struct bk_fault *f)
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
	struct way *w = calloc(1, sizeof(*w));
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
		w->leg[0] = (struct leg){ from->tli, UINT64_MAX };
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
