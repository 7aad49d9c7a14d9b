/*
 * Tombstones: what a deleted backup was, until its payload goes (DESIGN, 5).
 * .bk/deleted/<name>/<id>.json:
 *
 *   {"bk":"deleted/1","id","name","deleted":"<store's clock>","grace":S,
 *    "manifest":"<text byte for byte>","notes":{"<key>":"<text>"},
 *    "key","bytes","why":[…]}
 *
 * "grace" is the promise made when it was deleted, in seconds.  While the
 * manifest exists its tombstone is void.
 */
#ifndef BK_TOMB_H
#define BK_TOMB_H

#include <jansson.h>

#include "ctx.h"
#include "entry.h"
#include "store.h"

#define BK_TOMBS ".bk/deleted/"
#define BK_GRACE_MS (24 * 3600 * INT64_C(1000))
/* A payload goes so long after the grace. */
#define BK_GRACE_MORE_MS (3600 * INT64_C(1000))

struct bk_tomb {
	json_t *json;			/* owned; the rest is borrowed from it */
	const char *id, *name, *key;
	const char *manifest;
	size_t manifest_len;
	json_t *notes;
	uint64_t bytes;
	int64_t deleted, grace;		/* ms */
};

#define BK_TOMB_INIT { .json = NULL }

/* Append the key of a tombstone. */
int bk_tomb_key(struct bk_buf *b, const char *name, const char *id,
    struct bk_fault *f);

/* Take the key of a tombstone apart; false for another. */
bool bk_tomb_split(const char *key, struct bk_mkey *k);

/* Read one: 0, BK_ABSENT, or -1 with ${f} set (65 a damaged one). */
int bk_tomb_read(struct bk_store *s, const char *name, const char *id,
    struct bk_tomb *t, struct bk_fault *f);
void bk_tomb_release(struct bk_tomb *t);

/*
 * Write the tombstone of ${e}, in place of a void one; ${why} (borrowed) is
 * an array of texts.  The manifest stays.  0, BK_ABSENT (the backup is gone
 * already), or -1.
 */
int bk_tomb_bury(struct bk_store *s, const struct bk_entry *e, int64_t now,
    int64_t grace, json_t *why, struct bk_fault *f);

/*
 * Bring a backup back: look for its payload, write notes, manifest, and
 * remove the tombstone.  0, or -1 with ${f} set: 66 the payload is gone or
 * cut.
 */
int bk_tomb_raise(struct bk_store *s, const struct bk_tomb *t,
    struct bk_fault *f);

/*
 * Bring back ${id} of ${name} (NULL: whatever name has it) and the parents
 * that it needs, oldest first; 1 more in *${raised} for each.  0, or -1 with
 * ${f} set: 66 where it has no tombstone, the grace has passed, or a parent
 * is gone for good.  With ${any_age} the grace does not count.
 */
int bk_tomb_undo(const struct bk_ctx *ctx, struct bk_store *s,
    const char *name, const char *id, bool any_age, unsigned int *raised,
    struct bk_fault *f);

/*
 * Remove the payloads of tombstones of ${name} (NULL: all names) whose time
 * has come, and void tombstones; bring back what another backup needs, or
 * what was held while it was being deleted.  Counts go to ${sum}.  0 or -1.
 */
struct bk_purged {
	uint64_t tombs;			/* seen */
	uint64_t gone, bytes;		/* payloads removed, and their size */
	uint64_t raised;		/* brought back, each said as a warning */
	uint64_t bad;			/* tombstones that cannot be read, said */
};
int bk_tomb_purge(const struct bk_ctx *ctx, struct bk_store *s,
    const char *name, struct bk_purged *sum, struct bk_fault *f);

/* Keys to be removed together. */
struct bk_keys {
	char **v;
	size_t len, size;
};
int bk_keys_add(struct bk_keys *k, const char *key, struct bk_fault *f);
int bk_keys_remove(struct bk_keys *k, struct bk_store *s, struct bk_fault *f);
void bk_keys_release(struct bk_keys *k);

#endif
