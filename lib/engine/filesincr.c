/*
 * Increments of a tree (files:///dir?parent=auto&state=DIR): which backup is
 * the parent, and the state that tar works with (filesstate.h).  What cannot
 * be an increment is a full backup, and says why in "full" of its info.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "files.h"
#include "filesparent.h"
#include "filesstate.h"
#include "json.h"

/*
 * What decides which files are in the archive, as a hash: a file that was
 * left out has no newer time when it is left out no more.  "" for nothing.
 */
static int
selection(const struct bk_dump_req *req, char out[17], struct bk_fault *f)
{
	const char *const *lists[] = { req->exclude, req->args };
	uint8_t sum[BK_SHA256_LEN];
	struct bk_sha256 *h = bk_sha256_new(f);
	const char *const *x;
	bool some = false;
	size_t i;

	if (h == NULL)
		return -1;
	for (i = 0; i < 2; i++) {
		for (x = lists[i]; x != NULL && *x != NULL; x++) {
			bk_sha256_add(h, *x, strlen(*x) + 1);
			some = true;
		}
		bk_sha256_add(h, "", 1);
	}
	bk_sha256_sum(h, sum);
	bk_sha256_free(h);
	bk_hex(sum, 8, out);
	if (!some)
		out[0] = '\0';
	return 0;
}

/* 1 where an increment is asked for, 0, or -1 (64). */
static int
asked(const struct bk_dump_req *req, struct bk_full_every *every,
    struct bk_fault *f)
{
	const char *parent = bk_uri_opt(req->uri, "parent");
	const char *full = bk_uri_opt(req->uri, "full-every");
	bool stores = req->stores != NULL && req->stores[0] != NULL;

	if (parent == NULL && bk_uri_opt(req->uri, "state") == NULL &&
	    full == NULL && !stores)
		return 0;
	if (parent == NULL || strcmp(parent, "auto") != 0 ||
	    bk_uri_opt(req->uri, "state") == NULL || (!stores && !req->check))
		return bk_fault_set(f, BK_USAGE,
		    "an increment wants all of ?parent=auto, state=DIR, and --store URL");
	return full != NULL && bk_full_every_parse(full, every, f) == -1 ?
	    -1 : 1;
}

/* Begin with the state of ${hash}: 0, BK_STATE_UNUSABLE or -1. */
static int
take_state(struct bk_filesincr *k, struct bk_dump *d, const char *tree,
    const char *id, const char *hash, int level, struct bk_fault *f)
{
	const struct bk_ctx *ctx = d->req->ctx;
	const char *why;
	int rc = bk_filesstate_open(ctx, k->dir, hash, tree, &k->fd, &why, f);

	if (rc == BK_STATE_UNUSABLE)
		ctx->log(BK_LOG_WARN, "%s is no parent: %s", id, why);
	if (rc != 0)
		return rc;
	memcpy(d->parent, id, sizeof(d->parent));
	ctx->log(BK_LOG_INFO, "an increment of %s", id);
	return bk_json_set(d->info, "level", json_integer(level), f);
}

static int
begin_full(struct bk_filesincr *k, struct bk_dump *d, const char *why,
    struct bk_fault *f)
{
	const struct bk_ctx *ctx = d->req->ctx;
	const char *none;

	ctx->log(bk_parents_count(k->parents) > 0 &&
	    strncmp(why, "full-every", 10) != 0 ? BK_LOG_WARN : BK_LOG_INFO,
	    "a full backup: %s", why);
	if (bk_json_set(d->info, "level", json_integer(0), f) == -1 ||
	    bk_json_set_text(d->info, "full", why, f) == -1)
		return -1;
	return bk_filesstate_open(ctx, k->dir, NULL, NULL, &k->fd, &none, f);
}

int
bk_filesincr_open(struct bk_filesincr *k, struct bk_dump *d,
    const char *tree, struct bk_fault *f)
{
	const char *name = d->req->name != NULL ? d->req->name : d->name;
	struct bk_full_every every = { 0, 0 };
	struct bk_buf why = BK_BUF_INIT(2048);
	char hash[BK_SHA256_HEX], id[BK_ULID_LEN + 1], chosen[17];
	int level, rc;

	if ((rc = asked(d->req, &every, f)) != 1)
		return rc;
	k->dir = bk_uri_opt(d->req->uri, "state");
	if (d->req->check)
		return bk_filesstate_check(k->dir, f);
	if (selection(d->req, chosen, f) == -1 || (chosen[0] != '\0' &&
	    bk_json_set_text(d->info, "selection", chosen, f) == -1) ||
	    bk_filesstate_dir(k->dir, f) == -1 ||
	    (k->parents = bk_parents_read(d->req, name, d->source, chosen,
	    f)) == NULL)
		return -1;
	bk_filesstate_sweep(d->req->ctx, k->dir, name, bk_parents_name,
	    k->parents);
	do {
		rc = bk_parents_next(k->parents, k->dir, &every, id, hash,
		    &level, &why, f);
		if (rc == 1)
			rc = begin_full(k, d, bk_buf_text(&why), f);
		else if (rc == 0)
			rc = take_state(k, d, tree, id, hash, level, f);
	} while (rc == BK_STATE_UNUSABLE);
	bk_buf_release(&why);
	return rc;
}

int
bk_filesincr_keep(struct bk_filesincr *k, struct bk_dump *d,
    struct bk_fault *f)
{
	const char *name = d->req->name != NULL ? d->req->name : d->name;
	char hash[BK_SHA256_HEX];

	if (k->fd == -1)
		return 0;
	return bk_filesstate_keep(k->fd, k->dir, name, hash, f) == -1 ? -1 :
	    bk_json_set_text(d->info, "state", hash, f);
}

void
bk_filesincr_close(struct bk_filesincr *k)
{
	if (k->fd != -1)
		close(k->fd);
	bk_parents_free(k->parents);
	*k = (struct bk_filesincr)BK_FILESINCR_INIT;
}
