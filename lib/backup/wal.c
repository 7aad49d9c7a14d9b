/*
 * Listing a name's WAL.  Keys sort as positions do: systems are of one
 * length in practice and in any case kept apart, timelines and segments are
 * digits of fixed width, and '-' sorts before '.', so that a segment comes
 * before what is named after it.
 *
 * The layout has directories, yet a store lists by prefix only: which systems
 * there are is found by asking for the first key behind the last one known.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "wal.h"

#define PREFIX_MAX BK_KEY_MAX

struct walk {
	const char *name;
	bk_wal_fn *fn;
	void *arg;
};

static int
visit(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	struct walk *w = arg;
	struct bk_wal_key k;

	if (!bk_wal_key_parse(o->key, w->name, &k))
		return 0;
	return w->fn(w->arg, &k, o, f);
}

/* The prefix of everything, of a system or of a timeline of it. */
static int
place(struct bk_buf *b, const char *name, uint64_t system, uint32_t tli,
    struct bk_fault *f)
{
	if (bk_buf_addf(b, f, "%s/wal/", name) == -1 ||
	    (system != 0 && bk_buf_addf(b, f, "%" PRIu64 "/", system) == -1))
		return -1;
	return system == 0 || tli == 0 ? 0 :
	    bk_buf_addf(b, f, "%08" PRIX32 "/", tli);
}

int
bk_wal_list(struct bk_store *s, const char *name, uint64_t system,
    uint32_t tli, bk_wal_fn *fn, void *arg, struct bk_fault *f)
{
	struct walk w = { name, fn, arg };
	struct bk_buf b = BK_BUF_INIT(PREFIX_MAX);
	int rc = -1;

	if (place(&b, name, system, tli, f) == 0)
		rc = bk_store_list(s, b.p, "", visit, &w, f);
	bk_buf_release(&b);
	return rc;
}

int
bk_wal_list_from(struct bk_store *s, const char *name, uint64_t system,
    const struct bk_wal_name *from, bk_wal_fn *fn, void *arg,
    struct bk_fault *f)
{
	struct walk w = { name, fn, arg };
	struct bk_buf b = BK_BUF_INIT(PREFIX_MAX), after = BK_BUF_INIT(PREFIX_MAX);
	int rc = -1;

	if (place(&b, name, system, from->tli, f) == 0 &&
	    bk_buf_addf(&after, f, "%s%s", b.p, from->file) == 0)
		rc = bk_store_list(s, b.p, after.p, visit, &w, f);
	bk_buf_release(&after);
	bk_buf_release(&b);
	return rc;
}

static int
first_system(void *arg, const struct bk_wal_key *k, const struct bk_object *o,
    struct bk_fault *f)
{
	(void)o;
	(void)f;
	*(uint64_t *)arg = k->system;
	return BK_LIST_STOP;
}

int
bk_wal_systems(struct bk_store *s, const char *name, uint64_t *v, size_t max,
    struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(PREFIX_MAX), after = BK_BUF_INIT(PREFIX_MAX);
	uint64_t system;
	struct walk w = { name, first_system, &system };
	size_t n = 0;
	int rc = -1;

	if (place(&b, name, 0, 0, f) == -1)
		goto out;
	while (n < max) {
		system = 0;
		if (bk_store_list(s, b.p, bk_buf_text(&after), visit, &w,
		    f) == -1)
			goto out;
		if (system == 0)
			break;
		v[n++] = system;
		/* '0' is the character behind '/'. */
		bk_buf_reset(&after);
		if (bk_buf_addf(&after, f, "%s%" PRIu64 "0", b.p, system) == -1)
			goto out;
	}
	rc = (int)n;
out:
	bk_buf_release(&after);
	bk_buf_release(&b);
	return rc;
}

struct building {
	struct bk_wal_runs *out;
	uint64_t system;
	uint32_t segment;
	struct bk_wal_key prev;		/* the last one seen */
};

/* A new run, which begins with ${k}; NULL with ${f} set. */
static struct bk_wal_run *
new_run(const struct building *bu, const struct bk_wal_key *k,
    struct bk_fault *f)
{
	struct bk_wal_runs *r = bu->out;
	size_t size = r->size > 0 ? 2 * r->size : 16;
	struct bk_wal_run *run;

	if (r->len == r->size) {
		if ((run = realloc(r->v, size * sizeof(*run))) == NULL) {
			(void)bk_fault_set(f, BK_IO, "out of memory");
			return NULL;
		}
		r->v = run;
		r->size = size;
	}
	run = &r->v[r->len++];
	memset(run, 0, sizeof(*run));
	run->system = bu->system;
	run->tli = k->name.tli;
	run->segment = bu->segment;
	run->first = k->name;
	return run;
}

/* Does ${k} go on where ${run} ends? */
static bool
goes_on(const struct bk_wal_run *run, const struct bk_wal_key *k)
{
	return run->system == k->system && run->tli == k->name.tli &&
	    bk_wal_number(&k->name, run->segment) ==
	    bk_wal_number(&run->last, run->segment) + 1;
}

static int
add_segment(void *arg, const struct bk_wal_key *k, const struct bk_object *o,
    struct bk_fault *f)
{
	struct building *bu = arg;
	struct bk_wal_runs *r = bu->out;
	struct bk_wal_run *run = r->len > 0 ? &r->v[r->len - 1] : NULL;
	bool again = strcmp(k->name.file, bu->prev.name.file) == 0;

	if (again && strcmp(k->hash, bu->prev.hash) != 0 && r->twice++ == 0)
		memcpy(r->twice_file, k->name.file, sizeof(r->twice_file));
	bu->prev = *k;
	if (again || k->name.kind != BK_WAL_SEGMENT)
		return 0;
	if (run == NULL || !goes_on(run, k)) {
		if ((run = new_run(bu, k, f)) == NULL)
			return -1;
		run->first_modified = o->modified;
	}
	run->last = k->name;
	run->count++;
	run->stored += o->bytes;
	run->modified = o->modified;
	memcpy(run->last_key, o->key, strlen(o->key) + 1);
	return 0;
}

int
bk_wal_runs(struct bk_store *s, const char *name, struct bk_wal_runs *out,
    struct bk_fault *f)
{
	uint64_t systems[BK_WAL_SYSTEMS_MAX];
	struct building bu;
	int i, n, rc;

	n = bk_wal_systems(s, name, systems, BK_WAL_SYSTEMS_MAX, f);
	for (i = 0; i < n; i++) {
		bu = (struct building){ .out = out, .system = systems[i] };
		rc = bk_wal_bytes(s, name, systems[i], &bu.segment, f);
		if (rc == 0)
			rc = bk_wal_list(s, name, systems[i], 0, add_segment,
			    &bu, f);
		if (rc == -1)
			return -1;
	}
	return n == -1 ? -1 : 0;
}

void
bk_wal_runs_release(struct bk_wal_runs *r)
{
	free(r->v);
	*r = (struct bk_wal_runs)BK_WAL_RUNS_INIT;
}
