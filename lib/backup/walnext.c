/*
 * One listing tells where the file is and what follows it; the file itself
 * goes to its place while other threads, each with a store of its own, fill
 * the spool.  There is no process left behind: when the call ends everything
 * has ended, and the calls for what was fetched take it from the spool without
 * the network.
 *
 * The spool is emptied when a history is asked for, which PostgreSQL does
 * before it begins and when it has ended a recovery.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "crew.h"
#include "walnext.h"

#define GAP_MS (10 * 60 * INT64_C(1000))	/* pushed ahead, it is closed by then */

struct run {
	const struct bk_wal_next *w;
	const struct bk_wal_spool *sp;
	const struct bk_wal_key *k;
	struct bk_crew crew;
};

static void
fill(struct run *r, struct bk_store *s)
{
	struct bk_fault f;
	size_t i;

	while (bk_crew_take(&r->crew, &i)) {
		f = (struct bk_fault)BK_FAULT_INIT;
		if (!bk_wal_spool_has(r->sp, &r->k[i]) &&
		    bk_wal_spool_fetch(r->sp, s, &r->k[i], &f) == -1)
			r->w->ctx->log(BK_LOG_INFO, "not fetched ahead: %s",
			    f.text);
	}
}

static void *
helper(void *arg)
{
	struct run *r = arg;
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_store *s = bk_store_open(r->w->ctx, r->w->url, r->w->opts, &f);

	if (s != NULL)
		fill(r, s);
	else
		r->w->ctx->log(BK_LOG_INFO, "one job less: %s", f.text);
	bk_store_close(s);
	return NULL;
}

/* Fetch ${k}[0] to ${path} and the others into the spool. */
static int
fetch(const struct bk_wal_next *w, struct bk_store *s,
    const struct bk_wal_spool *sp, const struct bk_wal_key *k, size_t n,
    const char *path, struct bk_fault *f)
{
	struct run r = { .w = w, .sp = sp, .k = k + 1 };
	struct bk_fault quiet = BK_FAULT_INIT;
	size_t behind = n - 1;
	int rc;

	bk_wal_spool_clean(sp, r.k, behind);
	if (behind > 0 && bk_wal_spool_make(sp, &quiet) == -1) {
		w->ctx->log(BK_LOG_WARN, "nothing is fetched ahead: %s",
		    quiet.text);
		behind = 0;
	}
	bk_crew_start(&r.crew, behind, BK_WAL_NEXT_JOBS - 1, helper, &r);
	if ((rc = bk_wal_fetch_to(s, w->name, k, path, f)) == 0)
		fill(&r, s);
	bk_crew_join(&r.crew);
	return rc;
}

/* Whose log, where nobody has said so.  0, BK_ABSENT or -1. */
static int
only_system(const struct bk_wal_next *w, struct bk_store *s, uint64_t *system,
    struct bk_fault *f)
{
	uint64_t v[2];
	int n = bk_wal_systems(s, w->name, v, 2, f);

	*system = v[0];
	if (n != 2)
		return n == 1 ? 0 : n == 0 ? BK_ABSENT : -1;
	return bk_fault_set(f, BK_CONFIG, "'%s' has the WAL of systems %" PRIu64
	    " and %" PRIu64 ": choose by --system", w->name, v[0], v[1]);
}

/*
 * ${file} is absent.  Where later segments have been there for a while it is
 * not the end of the log but a gap, which nobody may mistake for the end.
 */
static int
absent(const struct bk_wal_next *w, const struct bk_wal_name *file,
    const struct bk_wal_later *later, struct bk_fault *f)
{
	if (file->kind != BK_WAL_SEGMENT || w->standby || later->file[0] == '\0' || later->modified < 0 ||
	    w->ctx->now() - later->modified < GAP_MS)
		return BK_ABSENT;
	return bk_fault_set(f, BK_DATA, "'%s' is missing: '%s' behind it is "
	    "there", file->file, later->file);
}

int
bk_wal_next(const struct bk_wal_next *w, const struct bk_wal_name *file,
    const char *path, struct bk_fault *f)
{
	bool segment = file->kind == BK_WAL_SEGMENT;
	size_t max = segment ? (size_t)w->ahead + 1 : 1;
	struct bk_wal_spool sp = BK_WAL_SPOOL_INIT;
	struct bk_wal_key *k = calloc(max, sizeof(*k));
	struct bk_wal_later later = { .modified = -1 };
	struct bk_store *s = NULL;
	uint64_t system = w->system;
	int n, rc = -1;

	if (k == NULL)
		(void)bk_fault_set(f, BK_IO, "out of memory");
	if (k == NULL || bk_wal_spool_init(&sp, w->ctx, w->spool, w->name,
	    w->url, system, f) == -1)
		goto out;
	if (!segment)
		bk_wal_spool_clean(&sp, NULL, 0);
	else if ((rc = bk_wal_spool_take(&sp, file, path, f)) != BK_ABSENT)
		goto out;
	rc = -1;
	if ((s = bk_store_open(w->ctx, w->url, w->opts, f)) == NULL ||
	    (system == 0 && (rc = only_system(w, s, &system, f)) != 0))
		goto out;
	if ((n = bk_wal_find_on(s, w->name, system, file, k, max, &later,
	    f)) == -1)
		rc = -1;
	else if (n == 0)
		rc = absent(w, file, &later, f);
	else
		rc = fetch(w, s, &sp, k, (size_t)n, path, f);
out:
	bk_store_close(s);
	bk_wal_spool_release(&sp);
	free(k);
	return rc;
}
