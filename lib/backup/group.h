/*
 * Groups (DESIGN, 9): backups that belong together, such as a site's database
 * and its files.  A group run exists when one object names its members; it is
 * created last, in each store that has all of them:
 *
 *   .bk/group/<group>/<run>.json
 *   {"bk":"group/1","group":"site","run":"01J…","time":"…",
 *    "members":[{"name":"db","id":"01J…"},{"name":"www","id":"01J…"}]}
 */
#ifndef BK_GROUP_H
#define BK_GROUP_H

#include <jansson.h>

#include "ctx.h"
#include "fault.h"
#include "names.h"
#include "store.h"
#include "ulid.h"

/* Append ".bk/group/<group>/<run>.json". */
int bk_group_key(struct bk_buf *b, const char *group, const char *run,
    struct bk_fault *f);

/*
 * Write the object of run ${run}, ended at ${time}, into ${s}, after a look
 * that the manifest of every member ({"name", "id"}; borrowed) is there.  One that is there
 * already with the same members is as good.  0, or -1 with ${f} set: 64 no
 * member or a bad name, 66 a member is not in this store, 73 the run names
 * others.
 */
int bk_group_end(struct bk_store *s, const char *group, const char *run,
    int64_t time, const json_t *members, struct bk_fault *f);

struct bk_member {
	char name[BK_NAME_MAX + 1];
	char id[BK_ULID_LEN + 1];
};

struct bk_group_run {
	char group[BK_NAME_MAX + 1];
	char run[BK_ULID_LEN + 1];
	int64_t time;			/* of its end, ms */
	struct bk_member *member;	/* owned */
	size_t n;			/* 1 or more */
};

/* Runs, by group and then from the oldest to the newest. */
struct bk_groups {
	struct bk_group_run *run;
	size_t len, size;
	uint64_t unreadable;		/* logged and left out */
	size_t fetched;			/* read one by one */
};

#define BK_GROUPS_INIT { NULL, 0, 0, 0, 0 }

/*
 * The runs of ${group} (NULL: of all groups) as their keys tell them: without
 * time and members.  0 or -1; release ${out} after either.
 */
int bk_groups_list(struct bk_store *s, const char *group,
    struct bk_groups *out, struct bk_fault *f);

/*
 * Read time and members of a listed run.  0, BK_ABSENT (also where it is
 * damaged: logged and counted in ${g}), or -1.
 */
int bk_group_read(const struct bk_ctx *ctx, struct bk_store *s,
    struct bk_groups *g, struct bk_group_run *run, struct bk_fault *f);

/*
 * Both for all runs; those that cannot be read are left out.  Where they are
 * many they come from the newest .bk/list/group-<ulid>.json, a cache whose
 * lines are the objects of runs: keys are immutable, so that what it has of a
 * listed key is the object.  0 or -1.
 */
int bk_groups_read(const struct bk_ctx *ctx, struct bk_store *s,
    const char *group, struct bk_groups *out, struct bk_fault *f);
void bk_groups_release(struct bk_groups *g);

/* Write that cache of ${g} and remove the older ones but for the last. */
int bk_groups_cache(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_groups *g, struct bk_fault *f);

/*
 * For it: take the run of object ${o} where ${g} lists it and has not read it.
 * 0, also where not; -1 with ${f} set (65: it is damaged).
 */
int bk_groups_take(struct bk_groups *g, const json_t *o, struct bk_fault *f);

/* Fill ${g} as far as the newest cache goes.  0 or -1. */
int bk_groups_cached(const struct bk_ctx *ctx, struct bk_store *s,
    struct bk_groups *g, struct bk_fault *f);

/* The object of a run, a new reference; NULL with ${f} set (74). */
json_t *bk_group_object(const char *group, const char *run, int64_t time,
    const json_t *members, struct bk_fault *f);

#endif
