/*
 * The end of what is stored of a log, in time.
 */
#include <string.h>

#include "walread.h"

struct last {
	struct bk_wal_event *e;
	bool found;
};

static int
keep(void *arg, const struct bk_wal_event *e, struct bk_fault *f)
{
	struct last *l = arg;

	(void)f;
	if (e->what == BK_WAL_COMMIT) {
		*l->e = *e;
		l->found = true;
	}
	return 0;
}

/* Push segment ${number} of ${run}'s timeline.  0, BK_ABSENT or -1. */
static int
push(struct bk_store *s, const char *name, const struct bk_wal_run *run,
    uint64_t number, struct bk_wal_reader *r, struct bk_fault *f)
{
	struct bk_wal_name n;
	struct bk_wal_key k;
	int rc;

	bk_wal_segment(run->tli, number, run->segment, &n);
	rc = bk_wal_find(s, name, run->system, &n, &k, f);
	return rc != 0 ? rc : bk_wal_get(s, name, &k, bk_wal_reader_write, r, f);
}

/* Look in the last ${depth} segments, and what grows behind them. */
static int
look(struct bk_store *s, const char *name, const struct bk_wal_run *run,
    uint64_t depth, struct last *l, struct bk_fault *f)
{
	uint64_t end = bk_wal_number(&run->last, run->segment) + 1, i;
	struct bk_wal_reader *r = bk_wal_reader_new(keep, l, f);
	int rc = r != NULL ? 0 : -1;

	for (i = end - depth; rc == 0 && i <= end - run->closed; i++) {
		rc = push(s, name, run, i, r, f);
		if (rc == BK_ABSENT && i < end)
			rc = bk_fault_set(f, BK_DATA, "a segment of '%s' went "
			    "while it was read", name);
	}
	bk_wal_reader_free(r);
	return rc == -1 ? -1 : 0;
}

int
bk_wal_last_commit(struct bk_store *s, const char *name,
    const struct bk_wal_run *run, unsigned int back, struct bk_wal_event *e,
    struct bk_fault *f)
{
	struct last l = { e, false };
	uint64_t depth, max = run->count < back ? run->count : back;

	for (depth = max > 0; depth > 0 && !l.found; depth *= 2) {
		if (depth > max)
			depth = max;
		if (look(s, name, run, depth, &l, f) == -1)
			return -1;
		if (depth == max)
			break;
	}
	return l.found ? 0 : BK_ABSENT;
}
