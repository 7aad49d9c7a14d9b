/*
 * Pruning (DESIGN, 5, 7): read what there is of some names, decide, show the
 * plan, and carry out exactly that.  Memory: about 500 bytes a record.
 *
 * A plan for some names also looks at others: at increments there that need a
 * backup here, and at names that stand in group runs with one here.  These
 * go by the rules that were last applied to them (rule.h); where such a rule
 * keeps a member, its run stays.  Their backups are items, never deleted.
 */
#ifndef BK_PRUNE_H
#define BK_PRUNE_H

#include <jansson.h>
#include <stdbool.h>

#include "ctx.h"
#include "entry.h"
#include "group.h"
#include "policy.h"
#include "retain.h"
#include "store.h"

/* What is known of one record, and what becomes of it. */
struct bk_prune_item {
	char id[BK_ULID_LEN + 1];
	char parent[BK_ULID_LEN + 1];	/* "" for none */
	const char *name, *source;	/* shared texts */
	char *key;			/* of the payload; NULL: not known */
	int64_t time;
	uint64_t bytes, stored;		/* of the source, of the payload */
	size_t nnotes;			/* when the plan was made */
	unsigned int flags;		/* BK_RETAIN_* */
	uint32_t tags;			/* bit i: matches query i of the policy */
	uint32_t by;			/* whose rule: 0 the policy's, else a book's */
	bool foreign;			/* of a name that the plan is not for */
	bool listed;			/* it was on the list given */
	bool asked;			/* by its id, or as one of all */
	bool keep, good;
	const char *why;		/* by hand; NULL: bk_retain_why tells */
};

struct bk_prune {
	struct bk_prune_item *item;	/* by name, time, id */
	size_t len, size;
	uint32_t *order;		/* indices of items, by id */
	json_t *texts;			/* names and sources, each once */
	json_t *names;			/* names concerned that have backups */
	json_t *only;			/* names asked for, or NULL: all */
	json_t *others;			/* names in group runs with these, and their books */
	json_t *looked;			/* names of parents elsewhere */
	struct bk_groups groups;
	struct bk_policy *rule;		/* of ${others}, in order of books */
	struct bk_zone **rule_zone;
	struct bk_retain_book *book;
	struct bk_retain_run *run;	/* the whole ones */
	uint32_t *member;
	struct bk_retain_more more;
	struct bk_retain_in *in;
	struct bk_retained verdict;
	const struct bk_policy *policy;
	struct bk_zone *zone;
	int64_t now;			/* by the store's clock */
	uint64_t keep, keep_bytes, gone, gone_bytes;
	enum bk_versions versions;	/* what the store does with what goes */
	size_t fetched;			/* records that no snapshot had */
	const json_t *reviewed;		/* lines by id, whose reasons count, or NULL */
};

/* What is to be deleted. */
enum bk_prune_how {
	BK_PRUNE_RULES,			/* what the policy does not keep */
	BK_PRUNE_ASKED,			/* these ids, or all, as far as can be */
	BK_PRUNE_PLAN			/* exactly the ids of a reviewed plan */
};

struct bk_prune_req {
	enum bk_prune_how how;
	const char *const *names;	/* NULL-ended; NULL: all */
	const struct bk_policy *policy;	/* of RULES; checked */
	const json_t *list;		/* ids that may be deleted, or NULL: all */
	const json_t *ids;		/* of ASKED and PLAN; NULL: all */
	bool yes;			/* of ASKED and PLAN: the last good ones too */
	const json_t *reviewed;		/* of PLAN: its lines by id */
};

/*
 * Read and decide.  0, or -1 with ${f} set; ${p} is released by the caller
 * after either.  Borrows ${req}.
 */
int bk_prune_plan(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_prune_req *req, struct bk_prune *p, struct bk_fault *f);
void bk_prune_release(struct bk_prune *p);

/* The index of the record with this id; p->len where there is none. */
size_t bk_prune_find(const struct bk_prune *p, const char *id);

/* Line ${i} of the plan as an object, a new reference; NULL on no memory. */
json_t *bk_prune_line(const struct bk_prune *p, size_t i, struct bk_fault *f);

/*
 * Remove the objects of group runs of which nothing is left, nor can be
 * brought back.  0 or -1.
 */
int bk_prune_tidy(struct bk_store *s, const struct bk_prune *p,
    struct bk_fault *f);

/* The last line; ${status} 0 for a good end. */
json_t *bk_prune_end(const struct bk_prune *p, int status, struct bk_fault *f);

/* What is odd with it: 78, 1; no fault where nothing is.  0 or -1. */
int bk_prune_judge(const struct bk_prune *p, struct bk_fault *f);

/*
 * Delete what the plan says: tombstone, manifest, notes.  What has changed
 * since is left, said and counted in *${left}.  0 or -1.
 */
int bk_prune_run(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_prune *p, int64_t grace, uint64_t *left,
    struct bk_fault *f);

/*
 * A reviewed plan on ${fd}: the ids to be deleted and their names, as ids of
 * a request, and all its lines by id.  0, or -1 with ${f} set: 65 for what is
 * no whole plan.
 */
struct bk_prune_file {
	json_t *lines;			/* id to line */
	json_t *ids;			/* to be deleted */
	json_t *names;
};
int bk_prune_file_read(int fd, const char *what, struct bk_prune_file *pf,
    struct bk_fault *f);
void bk_prune_file_release(struct bk_prune_file *pf);

/*
 * Is the store still what ${pf} was made of, as far as that matters?  0, or
 * -1 with ${f} set (73): a backup that was to stay is gone or no longer good,
 * one that was to go must stay.
 */
int bk_prune_file_check(const struct bk_prune_file *pf,
    const struct bk_prune *p, struct bk_fault *f);

#endif
