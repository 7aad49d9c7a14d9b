/*
 * Finding backups: reading manifests and notes from a store (DESIGN, 5, 8).
 */
#ifndef BK_LIST_H
#define BK_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "ctx.h"
#include "names.h"
#include "policy.h"
#include "query.h"
#include "record.h"
#include "store.h"

enum bk_order { BK_ORDER_TIME, BK_ORDER_ID, BK_ORDER_BYTES, BK_ORDER_TAG };

struct bk_list_req {
	const char *name;		/* exact, or NULL */
	const char *id;			/* exact, or NULL */
	const struct bk_query *query;	/* or NULL */
	/*
	 * Members of whole runs of this group, or NULL.  latest and at then
	 * choose a run, by the time of its end: one without suspects.
	 */
	const char *group;
	int64_t since, until;		/* inclusive; INT64_MIN, INT64_MAX: none */
	int64_t at;			/* newest at or before, per name; INT64_MIN: off */
	bool latest;			/* newest per name; at and latest skip suspects */
	enum bk_order order;
	const char *tag;		/* BK_ORDER_TAG */
	bool reverse;
	uint64_t limit;			/* 0: none */
	unsigned int links;		/* seconds that a "link" is good for, 0: none */
	bool marks;			/* compute them; so do queries that name one */
	const struct bk_policy *policy;	/* of marks: --cycle and --tz, or NULL */
};

struct bk_list {
	struct bk_record *rec;		/* in order */
	size_t len, size;
	uint64_t unreadable;		/* manifests that could not be read, logged */
	uint64_t skipped_suspects;	/* passed over by latest or at, logged */
};

#define BK_LIST_INIT { NULL, 0, 0, 0, 0 }

/* A request for everything. */
#define BK_LIST_REQ_INIT { .since = INT64_MIN, .until = INT64_MAX, \
    .at = INT64_MIN }

/*
 * Read, merge, filter, sort.  Records carry "store".  Manifests that are
 * unreadable, or whose id or name is not that of their key, are logged,
 * counted and skipped.  0 (also when nothing matched) or -1 (78: links are
 * asked for and the store cannot give them).
 */
int bk_list_read(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_list_req *req, struct bk_list *out, struct bk_fault *f);
void bk_list_release(struct bk_list *l);

/*
 * The two halves of it that need no store.  Is ${rec} asked for by name, id,
 * query, since and until?  1, 0 or -1 (64).
 */
int bk_list_wanted(const struct bk_list_req *req, const struct bk_record *rec,
    struct bk_fault *f);
/* Choose by latest and at, sort, reverse, cut to the limit. */
void bk_list_select(const struct bk_ctx *ctx, const struct bk_list_req *req,
    struct bk_list *l);

/*
 * Leave of ${l}, which must hold the whole set, the members of whole runs of
 * req->group; where latest or at is set, of the newest run (until then) none
 * of which is suspect.  0 or -1.
 */
int bk_list_runs(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_list_req *req, struct bk_list *l, struct bk_fault *f);

/*
 * Names in the set, each once, in order, to ${fn} (object key is the name).
 */
int bk_list_names(struct bk_store *s, bk_list_fn *fn, void *arg,
    struct bk_fault *f);

/*
 * URLs of the sets at and below ${s} (object key is the path below, "" for
 * itself).
 */
int bk_list_sets(struct bk_store *s, bk_list_fn *fn, void *arg,
    struct bk_fault *f);

/*
 * The lists of all sets at and below ${root}, opened with ${opts}, in one
 * order; latest and at are of each set.  As bk_list_read.
 */
int bk_list_deep(const struct bk_ctx *ctx, struct bk_store *root,
    const struct bk_store_opts *opts, const struct bk_list_req *req,
    struct bk_list *out, struct bk_fault *f);

/* The key of a manifest or a note, taken apart. */
#define BK_MANIFESTS ".bk/manifest/"
struct bk_mkey {
	char name[BK_NAME_MAX + 1];
	char id[BK_ULID_LEN + 1];
	bool note;
};

/* Take ${key} apart; false for one that is neither. */
bool bk_manifest_split(const char *key, struct bk_mkey *k);

/*
 * Append, for a person, what else there is in ${s}: up to ten of its names,
 * or else up to ten of the sets below it, or that it is empty.
 */
int bk_list_hint(struct bk_store *s, struct bk_buf *text, struct bk_fault *f);

/* Set ${f} to ${status}: nothing matches ${req}, and the hint.  Returns -1. */
int bk_list_none(struct bk_store *s, const struct bk_list_req *req, int status,
    struct bk_fault *f);

#endif
