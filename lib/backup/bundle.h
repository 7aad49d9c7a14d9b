/*
 * Bundles: everything that a restore to a moment needs, and nothing else.
 * Of a name with base backups that is the newest that ends at or before the
 * moment and the log from its start on; of any other name the newest backup
 * at or before it, with what that stands on.
 */
#ifndef BK_BUNDLE_H
#define BK_BUNDLE_H

#include <jansson.h>
#include <stdbool.h>

#include "chain.h"
#include "ctx.h"
#include "query.h"
#include "walpath.h"

#define BK_BUNDLES ".bk/bundle/"
#define BK_BUNDLE_UNCOVERED 1

struct bk_bundle_req {
	const char *name;
	const struct bk_query *query;	/* of the backups, or NULL */
	int64_t at;			/* ms; INT64_MAX: the latest moment */
};

struct bk_bundle {
	struct bk_record rec;
	struct bk_chain chain;		/* of an increment */
	bool base;			/* ${rec} is a base backup of PostgreSQL */
	struct bk_walpath wal;		/* of a base backup */
	size_t segments;		/* of its segments those that are needed */
	uint32_t segment;		/* bytes of one */
	bool target;			/* a commit behind the moment is in them */
	int64_t at, reach;		/* asked for; what it restores to */
	int64_t before, after;		/* not covered: the nearest moments that
					   are, or INT64_MIN, INT64_MAX */
};

#define BK_BUNDLE_INIT { .rec = BK_RECORD_INIT, .chain = BK_CHAIN_INIT, \
    .wal = BK_WALPATH_INIT }

/*
 * Decide.  0; BK_BUNDLE_UNCOVERED; -1 with ${f} set: 66 there is no such
 * backup.  Release ${b} after each.
 */
int bk_bundle_plan(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_bundle_req *req, struct bk_bundle *b, struct bk_fault *f);
void bk_bundle_release(struct bk_bundle *b);

/*
 * The plan as an object, a new reference; links good for ${seconds}, where
 * the store gives them (with ${must}: 78 where it does not).  ${now} is when.
 * NULL with ${f} set.
 */
json_t *bk_bundle_json(struct bk_store *s, const struct bk_bundle *b,
    int64_t now, unsigned int seconds, bool must, struct bk_fault *f);

/* The answer that a moment is not covered, likewise. */
json_t *bk_bundle_uncovered(const struct bk_bundle *b, const char *name,
    struct bk_fault *f);

/*
 * The way back: a plan with links as the bundle that it was, and its links as
 * a store that can be read by key and nothing else.  ${plan} is borrowed, by
 * the store until it is closed.  0 or -1 (65); NULL with ${f} set (65: it has
 * no links).
 */
int bk_bundle_parse(const json_t *plan, struct bk_bundle *b,
    struct bk_fault *f);
struct bk_store *bk_bundle_links(const struct bk_ctx *ctx, const json_t *plan,
    const char *ca, int64_t deadline, struct bk_fault *f);

struct bk_bundle_how {
	const struct bk_ctx *ctx;
	const char *const *undo;	/* as bk_undo_opts has them */
	bool archive_keep;
	int64_t deadline;
	void (*progress)(uint64_t);	/* may be NULL */
};

/*
 * Of a base backup: the tarball, to ${sink}.  Its end is written only when
 * all of it was proven.  0 or -1.
 */
int bk_bundle_tar(struct bk_store *s, const struct bk_bundle *b,
    const struct bk_bundle_how *how, bk_sink_fn *sink, void *arg,
    struct bk_fault *f);

/*
 * Append the key of an uploaded bundle of ${name} that is to go at ${until}
 * (ms): the id in it is of that moment.
 */
int bk_bundle_key(struct bk_buf *b, const char *name, int64_t until,
    struct bk_fault *f);

/* Is ${key} a bundle, and of when?  false: no. */
bool bk_bundle_split(const char *key, char id[BK_ULID_LEN + 1]);

#endif
