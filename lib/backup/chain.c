/*
 * Every backup of a chain has one name, so that a parent is found by its key.
 */
#include <stdlib.h>
#include <string.h>

#include "chain.h"
#include "json.h"
#include "list.h"
#include "tomb.h"

int
bk_chain_listed(struct bk_store *s, const char *name, const char *id,
    struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX + 1);
	struct bk_object o;
	int rc = bk_manifest_key(&key, name, id, f);

	if (rc == 0)
		rc = bk_store_stat(s, key.p, &o, f);
	bk_buf_release(&key);
	return rc == -1 ? -1 : rc == 0;
}

/* The parent is not listed: was it deleted, and can it come back? */
static void
missing(struct bk_store *s, const struct bk_record *child,
    struct bk_fault *f)
{
	struct bk_tomb t = BK_TOMB_INIT;
	struct bk_fault quiet = BK_FAULT_INIT;
	bool deleted = bk_tomb_read(s, child->name, child->parent, &t,
	    &quiet) == 0;

	bk_tomb_release(&t);
	(void)bk_fault_set(f, BK_NOINPUT, deleted ?
	    "backup %s stands on %s, which was deleted in %s; 'bk-prune --undo' may bring it back" :
	    "backup %s stands on %s, which is not in %s", child->id,
	    child->parent, s->url);
}

/* The parent of ${child} into ${out}. */
static int
read_parent(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_record *child, struct bk_record *out, struct bk_fault *f)
{
	struct bk_list_req req = BK_LIST_REQ_INIT;
	struct bk_list list = BK_LIST_INIT;
	const char *why;
	int rc = -1;

	req.name = child->name;
	req.id = child->parent;
	if (bk_list_read(ctx, s, &req, &list, f) == -1)
		goto out;
	if (list.len == 0) {
		missing(s, child, f);
		goto out;
	}
	if (bk_record_current(&list.rec[0], f) == -1)
		goto out;
	if ((why = bk_json_get_text(list.rec[0].json, "suspect")) != NULL) {
		bk_fault_set(f, BK_DATA,
		    "backup %s stands on %s, which is suspect: %s; bk-tag --good accepts it",
		    child->id, child->parent, why);
		goto out;
	}
	if (strcmp(list.rec[0].engine, child->engine) != 0) {
		bk_fault_set(f, BK_DATA,
		    "backup %s stands on %s, which another engine made: '%s'",
		    child->id, child->parent, list.rec[0].engine);
		goto out;
	}
	*out = list.rec[0];
	list.rec[0] = (struct bk_record)BK_RECORD_INIT;
	rc = 0;
out:
	bk_list_release(&list);
	return rc;
}

int
bk_chain_read(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_record *rec, struct bk_chain *c, struct bk_fault *f)
{
	struct bk_record *new;
	size_t size;

	for (; rec->parent != NULL; rec = &c->rec[c->len++]) {
		if (c->len == BK_CHAIN_MAX)
			return bk_fault_set(f, BK_DATA,
			    "backup %s stands on more than %d others", c->len > 0 ?
			    c->rec[0].id : rec->id, BK_CHAIN_MAX);
		if (c->len == c->size) {
			size = c->size > 0 ? c->size * 2 : 16;
			if ((new = reallocarray(c->rec, size,
			    sizeof(*new))) == NULL)
				return bk_fault_set(f, BK_IO, "out of memory");
			/* The child may be in the array that moved. */
			if (c->len > 0)
				rec = &new[c->len - 1];
			c->rec = new;
			c->size = size;
		}
		if (read_parent(ctx, s, rec, &c->rec[c->len], f) == -1)
			return -1;
	}
	return 0;
}

void
bk_chain_release(struct bk_chain *c)
{
	while (c->len > 0)
		bk_record_release(&c->rec[--c->len]);
	free(c->rec);
	*c = (struct bk_chain)BK_CHAIN_INIT;
}
