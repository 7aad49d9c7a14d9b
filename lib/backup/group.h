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

#include "fault.h"
#include "store.h"

/* Append ".bk/group/<group>/<run>.json". */
int bk_group_key(struct bk_buf *b, const char *group, const char *run,
    struct bk_fault *f);

/*
 * Write the object of run ${run}, ended at ${time}, into ${s}, after a look that the manifest of
 * every member ({"name", "id"}; borrowed) is there.  One that is there
 * already with the same members is as good.  0, or -1 with ${f} set: 64 no
 * member or a bad name, 66 a member is not in this store, 73 the run names
 * others.
 */
int bk_group_end(struct bk_store *s, const char *group, const char *run,
    int64_t time, const json_t *members, struct bk_fault *f);

#endif
