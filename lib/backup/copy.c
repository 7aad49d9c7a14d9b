/*
 * Order is all: claim, payload, notes, required log, manifest, claim away.  A stop before
 * the manifest leaves debris that nobody lists and that the next try finishes;
 * a payload that is there already is not trusted but read and compared.
 */
#include <string.h>

#include "chain.h"
#include "claim.h"
#include "copy.h"
#include "copylog.h"
#include "entry.h"
#include "fetch.h"
#include "tomb.h"

#define OBJECT_MAX (1024 * 1024)

struct copying {
	struct bk_put *put;
	void (*progress)(uint64_t);
};

static int
take(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	const struct copying *c = arg;

	if (c->progress != NULL)
		c->progress(n);
	return c->put != NULL ? bk_store_put_write(c->put, p, n, f) : 0;
}

static int
copy_payload(struct bk_store *from, struct bk_store *to,
    const struct bk_record *rec, struct copying *c, struct bk_fault *f)
{
	const struct bk_put_opts opts = { .flags = BK_PUT_NEW,
		.max_bytes = rec->bytes };
	int rc;

	if ((c->put = bk_store_put_begin(to, rec->key, &opts, f)) == NULL)
		return -1;
	if (bk_fetch(from, rec, take, c, f) == -1) {
		bk_store_put_abort(c->put);
		return -1;
	}
	if ((rc = bk_store_put_commit(c->put, f)) != BK_EXISTS)
		return rc;
	/* Left by a copy that was stopped: is it whole? */
	c->put = NULL;
	if (bk_fetch(to, rec, take, c, f) == -1) {
		bk_fault_context(f, "'%s' is in the target already", rec->key);
		return -1;
	}
	return 0;
}

/* One small object, created only; the same one there already is well. */
static int
copy_small(struct bk_store *from, struct bk_store *to, const char *key,
    struct bk_fault *f)
{
	struct bk_buf text = BK_BUF_INIT(OBJECT_MAX), there = BK_BUF_INIT(OBJECT_MAX);
	struct bk_fault why = BK_FAULT_INIT, look = BK_FAULT_INIT;
	int rc;

	if ((rc = bk_store_get_small(from, key, &text, f)) == BK_ABSENT)
		rc = bk_fault_set(f, BK_NOINPUT, "'%s' is gone from '%s'", key,
		    from->url);
	if (rc != 0)
		goto out;
	rc = bk_store_put_small(to, key, text.p, text.len, BK_PUT_NEW, &why);
	/* Taken, or the answer was lost: look before anything is said. */
	if (rc != 0 && bk_store_get_small(to, key, &there, &look) == 0) {
		if (there.len == text.len &&
		    memcmp(there.p, text.p, text.len) == 0)
			rc = 0;
		else
			rc = bk_fault_set(f, BK_DATA, "'%s' in '%s' is another",
			    key, to->url);
	} else if (rc == -1)
		*f = why;
	else if (rc == BK_EXISTS)
		rc = bk_fault_set(f, BK_UNAVAILABLE,
		    "cannot tell whether '%s' is in '%s'", key, to->url);
out:
	bk_buf_release(&text);
	bk_buf_release(&there);
	return rc;
}

static int
copy_notes(struct bk_store *from, struct bk_store *to,
    const struct bk_record *rec, struct bk_fault *f)
{
	struct bk_entries es = BK_ENTRIES_INIT;
	const struct bk_entry *e;
	size_t i;
	int rc;

	rc = bk_entries_list(from, rec->name, rec->id, &es, f);
	if (rc == 0 && (e = bk_entries_find(&es, rec->name, rec->id)) != NULL)
		for (i = 0; i < e->nnotes && rc == 0; i++)
			rc = copy_small(from, to, e->notes[i], f);
	bk_entries_release(&es);
	return rc;
}

/* May it be copied?  0, BK_COPY_THERE or -1. */
static int
look_first(struct bk_store *to, const struct bk_record *rec,
    struct bk_fault *f)
{
	struct bk_tomb tomb = BK_TOMB_INIT;
	int rc;

	if ((rc = bk_chain_listed(to, rec->name, rec->id, f)) != 0)
		return rc == 1 ? BK_COPY_THERE : -1;
	if ((rc = bk_tomb_read(to, rec->name, rec->id, &tomb, f)) != BK_ABSENT) {
		bk_tomb_release(&tomb);
		return rc == -1 ? -1 : bk_fault_set(f, BK_CANTCREATE,
		    "backup %s was deleted in '%s'; 'bk-prune --undo %s' brings it "
		    "back", rec->id, to->url, rec->id);
	}
	if (rec->parent == NULL)
		return 0;
	if ((rc = bk_chain_listed(to, rec->name, rec->parent, f)) == -1)
		return -1;
	return rc == 1 ? 0 : bk_fault_set(f, BK_DATA,
	    "backup %s needs its parent %s, which is not in '%s': copy that first",
	    rec->id, rec->parent, to->url);
}

int
bk_copy(const struct bk_ctx *ctx, struct bk_store *from, struct bk_store *to,
    const struct bk_record *rec, void (*progress)(uint64_t),
    struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX + 1);
	struct copying c = { NULL, progress };
	struct bk_claim claim = BK_CLAIM_INIT;
	bool paid = false;
	int rc;

	if (bk_manifest_key(&key, rec->name, rec->id, f) == -1)
		return -1;
	if ((rc = look_first(to, rec, f)) == -1)
		goto out;
	if (rc == BK_COPY_THERE) {
		if (copy_small(from, to, key.p, f) == -1 ||
		    copy_notes(from, to, rec, f) == -1)
			rc = -1;
		goto out;
	}
	rc = -1;
	if (bk_claim_write(ctx, to, rec->key, &claim, f) == -1 ||
	    copy_payload(from, to, rec, &c, f) == -1)
		goto out;
	paid = true;
	if (copy_notes(from, to, rec, f) == -1 ||
	    bk_copy_log(ctx, from, to, rec, progress, f) == -1 ||
	    bk_claim_check(ctx, to, &claim, f) == -1 ||
	    copy_small(from, to, key.p, f) == -1)
		goto out;
	/* It may have been deleted, or its parent, while we copied. */
	rc = rec->parent == NULL ? 1 :
	    bk_chain_listed(to, rec->name, rec->parent, f);
	if (rc == 0)
		rc = bk_fault_set(f, BK_DATA,
		    "the parent %s of %s went from '%s' meanwhile", rec->parent,
		    rec->id, to->url);
	rc = rc == 1 ? bk_copy_log_check(to, rec, f) : -1;
out:
	/* A payload without manifest stays claimed for the next try. */
	if (rc != -1 || !paid)
		bk_claim_drop(ctx, to, &claim);
	bk_buf_release(&key);
	return rc;
}
