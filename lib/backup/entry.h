/*
 * The backups of a set as their keys tell them (DESIGN, 5), and the reading
 * of each: from the newest list snapshot where that stands for exactly these
 * keys, else from its manifest and notes.  Keys are immutable, so equal keys
 * are equal records.
 */
#ifndef BK_ENTRY_H
#define BK_ENTRY_H

#include <stdbool.h>
#include <stddef.h>

#include "brief.h"
#include "ctx.h"
#include "list.h"
#include "record.h"
#include "store.h"

/* One backup that has a manifest, or notes left without one. */
struct bk_entry {
	struct bk_mkey k;		/* of its manifest */
	char **notes;			/* keys, in the order of merging */
	size_t nnotes;
	bool done;			/* bk_entries_read has dealt with it */
};

struct bk_entries {
	struct bk_entry *e;		/* in byte order of keys */
	size_t len, size;
	struct bk_entry *orphan;	/* notes whose manifest is not there */
	size_t norphans, orphans_size;
};

#define BK_ENTRIES_INIT { .e = NULL }

/* What reading them cost. */
struct bk_entries_cost {
	size_t fetched;			/* read one by one */
	size_t stale;			/* lines of the snapshot that served nobody */
};

/*
 * List the keys of ${name} (NULL: all) and ${id} (NULL: all).  0 or -1.
 * Release ${out} after either.
 */
int bk_entries_list(struct bk_store *s, const char *name, const char *id,
    struct bk_entries *out, struct bk_fault *f);
void bk_entries_release(struct bk_entries *es);

/* The entry of this backup, or NULL. */
struct bk_entry *bk_entries_find(const struct bk_entries *es,
    const char *name, const char *id);

/*
 * A backup that was read: merged, with "store".  ${rec} is NULL where the
 * manifest cannot be read; what is to be kept of it is moved out.
 * ${bad_notes}: notes that cannot be read and were left out; ${whole}: ${rec}
 * stands for all keys of ${e}.  0, or -1 with ${f} set.
 */
typedef int bk_entry_fn(void *arg, const struct bk_entry *e,
    struct bk_record *rec, unsigned int bad_notes, bool whole,
    struct bk_fault *f);

/*
 * Read each of ${es}, in any order.  Manifests and notes that are unreadable,
 * or whose id or name is not that of their key, are logged; one that was
 * deleted meanwhile is passed by.  A store that does not answer is a fault.
 */
int bk_entries_read(const struct bk_ctx *ctx, struct bk_store *s,
    struct bk_entries *es, bk_entry_fn *fn, void *arg,
    struct bk_entries_cost *cost, struct bk_fault *f);

/*
 * A backup in brief.  ${b} is NULL where the manifest cannot be read; its
 * flags say where it is of a later version.
 */
typedef int bk_brief_fn(void *arg, const struct bk_entry *e,
    const struct bk_brief *b, unsigned int bad_notes, struct bk_fault *f);

/* As bk_entries_read.  ${whole}: each must come with its record. */
int bk_entries_skim(const struct bk_ctx *ctx, struct bk_store *s,
    struct bk_entries *es, bool whole, bk_brief_fn *fn, void *arg,
    struct bk_entries_cost *cost, struct bk_fault *f);

/* A ULID and then ${end} at ${s}?  It is copied to ${out}. */
bool bk_ulid_then(const char *s, char end, char out[BK_ULID_LEN + 1]);

#endif
