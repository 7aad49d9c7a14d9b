/*
 * Which moments can be restored: base backups, the segments that are stored
 * and the ways of the timelines in; intervals and gaps out.  The deciding
 * part knows no store and reads no log.
 *
 * On the way of a timeline (its history, and it) each segment number belongs
 * to one timeline, the youngest that was there by its end.  Where none is
 * missing between two numbers there is a piece; the base backups that lie in
 * a piece with all of the log that they need themselves make its moments
 * restorable, from the end of the oldest of them to the last commit in it.
 */
#ifndef BK_COVER_H
#define BK_COVER_H

#include "ctx.h"
#include "record.h"
#include "walhist.h"

struct bk_cover_base {
	char id[BK_ULID_LEN + 1];
	uint64_t system;
	uint32_t tli, end_tli, segment;	/* as struct bk_walpath_from */
	uint64_t start, stop;		/* positions */
	int64_t time;			/* ms: consistent from then on */
	bool alone;			/* what it needs of the log is in it */
};

/* A timeline of which there is log. */
struct bk_cover_line {
	uint64_t system;
	uint32_t tli;
	struct bk_wal_leg *leg;		/* its way, the last is itself */
	size_t n;
	bool lost;			/* its history is not there */
};

struct bk_cover_in {
	const struct bk_cover_base *base;
	size_t nbases;
	const struct bk_wal_run *run;	/* as bk_wal_runs has them */
	size_t nruns;
	const struct bk_cover_line *line;	/* by system and timeline */
	size_t nlines;
};

/* What is missing behind an interval, and what there is around it. */
struct bk_cover_gap {
	uint64_t count;			/* 0: there is none */
	char first[BK_WAL_FILE_MAX], last[BK_WAL_FILE_MAX];
	char before[BK_WAL_FILE_MAX], after[BK_WAL_FILE_MAX];	/* or "" */
	int64_t since;			/* when "after" was stored, or INT64_MIN */
};

#define BK_COVER_NONE SIZE_MAX

struct bk_cover {
	uint64_t system;
	uint32_t tli;
	uint64_t first, end;		/* numbers: the piece, without its end */
	size_t base, newest;		/* the oldest and the newest of its bases,
					   or BK_COVER_NONE: no moment at all */
	size_t bases;			/* how many */
	int64_t from, to;		/* ms; to: at least the end of the newest */
	struct bk_cover_gap gap;
};

struct bk_covers {
	struct bk_cover *v;		/* by system, timeline and position */
	size_t len, size;
};

#define BK_COVERS_INIT { NULL, 0, 0 }

/*
 * Decide.  Each timeline has an entry for each piece with a base backup, or
 * else one without.  0 or -1 (no memory); release ${out} after either.
 */
int bk_cover(const struct bk_cover_in *in, struct bk_covers *out,
    struct bk_fault *f);
void bk_covers_release(struct bk_covers *c);

/*
 * What of ${c}'s piece lies before number ${end} and on one timeline, as a
 * run; closed where other log follows it on the way.  false: nothing.
 */
bool bk_cover_part(const struct bk_cover_in *in, const struct bk_cover *c,
    uint64_t end, struct bk_wal_run *out);

/*
 * The gap behind the newest base backup, along the newest timeline that comes
 * from it.  NULL: none; also where there is no base backup.
 */
const struct bk_cover_gap *bk_cover_gap(const struct bk_cover_in *in,
    const struct bk_covers *c);

/* ---- coverread.c ---- */

/* A name's part of a store, with all that the decision was made of. */
struct bk_coverage {
	struct bk_cover_in in;
	struct bk_covers covers;
	struct bk_cover_base *bases;
	struct bk_cover_line *lines;
	struct bk_wal_runs runs;
	size_t unplaced;		/* base backups that do not say where they are */
};

#define BK_COVERAGE_INIT { .covers = BK_COVERS_INIT, \
    .runs = BK_WAL_RUNS_INIT }

/*
 * Read and decide.  With ${times} the ends are read from the last segments
 * with a commit; else they stay at the end of the newest base backup.  0 or
 * -1; release ${c} after either.
 */
int bk_coverage_read(const struct bk_ctx *ctx, struct bk_store *s,
    const char *name, bool times, struct bk_coverage *c, struct bk_fault *f);
void bk_coverage_release(struct bk_coverage *c);

/* Read the end of one entry ${v}, which has a base backup.  0 or -1. */
int bk_coverage_end(struct bk_store *s, const char *name,
    const struct bk_coverage *c, struct bk_cover *v, struct bk_fault *f);

/* {"recoverable":{…}} of entry ${i}, a new reference, or NULL. */
json_t *bk_coverage_json(const struct bk_coverage *c, const char *name,
    size_t i, struct bk_fault *f);

/* The gap as an object or null, likewise. */
json_t *bk_cover_gap_json(const struct bk_cover_gap *g, struct bk_fault *f);

/* The line of a table for entry ${i}, without newline.  0 or -1. */
#define BK_COVERAGE_HEAD "SYSTEM                TIMELINE  FROM" \
    "                      TO                        BASE" \
    "                        GAP"
int bk_coverage_text(const struct bk_coverage *c, size_t i,
    struct bk_buf *out, struct bk_fault *f);

/* "X is missing, between Y and Z".  0 or -1. */
int bk_cover_gap_text(const struct bk_cover_gap *g, struct bk_buf *out,
    struct bk_fault *f);

#endif
