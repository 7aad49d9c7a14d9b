/*
 * Freshness (DESIGN, 10): is the newest good backup of a name younger than
 * the limit?  Told from what is in the store: the records, whether the
 * payload is there, and what bk-report wrote.
 *
 * Good is as in retain.h.  The first answer that applies, in this order:
 *
 *   never      there is no good backup, and none that only shrank
 *   gap        with ${wal}: what the newest base backup needs of the log, or
 *              what follows it, is not whole
 *   stale      the newest good one is older than max_age, and no attempt has
 *              found it unchanged within max_age; or it has been unchanged
 *              for longer than max_unchanged
 *   lag        with ${wal}: the log comes to the store later than max_lag
 *   failed     the newest attempt failed
 *   shrunk     the newest backup is below min_bytes, or its source so much
 *              smaller than before that it is suspect
 *   unchanged  the newest attempt found nothing new
 *   fresh
 *
 * "Unchanged" vouches only for the newest backup there is: where that one is
 * not good, an older one ages.
 */
#ifndef BK_FRESH_H
#define BK_FRESH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "ctx.h"
#include "fault.h"
#include "freshwal.h"
#include "retain.h"
#include "state.h"
#include "store.h"
#include "ulid.h"

enum bk_freshness {
	BK_FRESH,
	BK_UNCHANGED,
	BK_SHRUNK,
	BK_LAST_FAILED,
	BK_LAG,
	BK_STALE,
	BK_GAP,
	BK_NEVER,
	BK_CANNOT_TELL,
	BK_FRESHNESSES
};

/* "fresh", "unchanged", "shrunk", "failed", "lag", "stale", "gap", "never",
   "unknown". */
extern const char *const bk_freshness_names[BK_FRESHNESSES];

struct bk_fresh_req {
	const char *name;
	bool group;			/* it is a group: its whole runs count */
	int64_t max_age;		/* ms; 0: no limit */
	int64_t max_unchanged;		/* ms; 0: no limit */
	uint64_t min_bytes;		/* of the payload; 0: none */
	unsigned int shrink;		/* percent, see retain.h; 100: never */
	bool wal;			/* of a name: its log too */
	int64_t max_lag;		/* ms; 0: no limit */
	const char *data;		/* the server's data directory, or NULL */
};

/* What is known; times in ms, INT64_MIN where there is none. */
struct bk_fresh {
	struct bk_fresh_req req;
	enum bk_freshness answer;
	int64_t now;
	int64_t good;			/* time of the newest good backup */
	char id[BK_ULID_LEN + 1];	/* its id */
	uint64_t bytes;			/* of its payload */
	int64_t duration;		/* ms; -1: not known */
	int64_t newest;			/* of the newest, good or not */
	char newest_id[BK_ULID_LEN + 1];
	int64_t finished;		/* when the last backup was finished */
	char why[BK_WHY_LEN];		/* the newest is not good: why; else "" */
	bool shrunk;			/* that is why */
	uint64_t backups, daily, weekly, monthly;	/* of good ones: marks */
	uint64_t unreadable;
	struct bk_fresh_wal wal;
	struct bk_state state;
	char text[512];			/* the answer in one line */
};

#define BK_FRESH_INIT { .answer = BK_CANNOT_TELL, .good = INT64_MIN, \
    .newest = INT64_MIN, .finished = INT64_MIN, .duration = -1, \
    .wal = BK_FRESH_WAL_INIT, \
    .state = BK_STATE_INIT }

/*
 * Read and answer.  0; or -1 with ${f} set, and then ${fr} says that it
 * cannot tell, with the text of the fault.  Release ${fr} after either.
 */
int bk_fresh_read(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_fresh_req *req, struct bk_fresh *fr, struct bk_fault *f);
void bk_fresh_release(struct bk_fresh *fr);

/*
 * The reading of a group alone: newest, good, bytes (of all members) and so
 * on are those of runs, an id is a run's.  0 or -1.
 */
int bk_fresh_group(const struct bk_ctx *ctx, struct bk_store *s,
    struct bk_fresh *fr, struct bk_fault *f);

/* Cannot tell, because of ${why}: for who could not even open the store. */
void bk_fresh_unknown(struct bk_fresh *fr, const struct bk_fresh_req *req,
    int64_t now, const struct bk_fault *why);

/* The decision alone: sets answer and text from all the rest. */
void bk_fresh_decide(struct bk_fresh *fr);

/* The answer as an object, a new reference; NULL with ${f} set (74). */
json_t *bk_fresh_json(const struct bk_fresh *fr, const char *store,
    struct bk_fault *f);

/*
 * The answer as Prometheus text (prometheus.io/docs/instrumenting/
 * exposition_formats).  0 or -1.
 */
int bk_fresh_metrics(const struct bk_fresh *fr, const char *store,
    struct bk_buf *out, struct bk_fault *f);

#endif
