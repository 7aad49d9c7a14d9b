/*
 * What there is in a store beside the one set that is asked for: its names,
 * the sets below its URL, and the lists of all of them.
 */
#include <stdlib.h>
#include <string.h>

#include "list.h"

#define URL_MAX 16384

/* Names and sets: each told once, since keys with one prefix come together. */
struct once {
	bk_list_fn *fn;
	void *arg;
	struct bk_buf last;
	bool any;
};

static int
tell(struct once *on, const char *s, size_t n, struct bk_fault *f)
{
	struct bk_object o = { .modified = -1 };

	if (on->any && on->last.len == n &&
	    memcmp(bk_buf_text(&on->last), s, n) == 0)
		return 0;
	bk_buf_reset(&on->last);
	if (bk_buf_add(&on->last, s, n, f) == -1)
		return -1;
	on->any = true;
	o.key = bk_buf_text(&on->last);
	return on->fn(on->arg, &o, f);
}

static int
name_of(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	struct bk_mkey k;

	if (!bk_manifest_split(o->key, &k) || k.note)
		return 0;
	return tell(arg, k.name, strlen(k.name), f);
}

int
bk_list_names(struct bk_store *s, bk_list_fn *fn, void *arg,
    struct bk_fault *f)
{
	struct once on = { fn, arg, BK_BUF_INIT(BK_KEY_MAX), false };
	int rc = bk_store_list(s, BK_MANIFESTS, "", name_of, &on, f);

	bk_buf_release(&on.last);
	return rc;
}

static int
set_of(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	const char *at = o->key;
	struct bk_mkey k;

	for (; (at = strstr(at, BK_MANIFESTS)) != NULL; at++)
		if ((at == o->key || at[-1] == '/') && bk_manifest_split(at, &k) && !k.note)
			return tell(arg, o->key, at == o->key ? 0 :
			    (size_t)(at - o->key) - 1, f);
	return 0;
}

int
bk_list_sets(struct bk_store *s, bk_list_fn *fn, void *arg,
    struct bk_fault *f)
{
	struct once on = { fn, arg, BK_BUF_INIT(BK_KEY_MAX), false };
	int rc = bk_store_list(s, "", "", set_of, &on, f);

	bk_buf_release(&on.last);
	return rc;
}

/* A walk over all sets, whose lists are gathered. */
struct walk {
	const struct bk_ctx *ctx;
	struct bk_store *root;
	const struct bk_store_opts *opts;
	const struct bk_list_req *req;	/* of each set */
	struct bk_list *out;
};

/* Move everything of ${from} behind ${to}. */
static int
gather(struct bk_list *to, struct bk_list *from, struct bk_fault *f)
{
	size_t size = to->len + from->len;
	struct bk_record *v;

	to->unreadable += from->unreadable;
	to->skipped_suspects += from->skipped_suspects;
	if (from->len == 0)
		return 0;
	if ((v = realloc(to->rec, size * sizeof(*v))) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	to->rec = v;
	to->size = size;
	memcpy(to->rec + to->len, from->rec, from->len * sizeof(*from->rec));
	to->len = size;
	from->len = 0;
	return 0;
}

/* Append the URL of the set at ${path} below the store ${root}. */
static int
set_url(struct bk_buf *url, const char *root, const char *path,
    struct bk_fault *f)
{
	size_t base = strcspn(root, "?");

	if (bk_buf_add(url, root, base, f) == -1)
		return -1;
	if (*path != '\0' && (bk_buf_adds(url, "/", f) == -1 ||
	    bk_uri_encode(url, path, true, f) == -1))
		return -1;
	return bk_buf_adds(url, root + base, f);
}

static int
read_set(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	struct walk *w = arg;
	struct bk_list l = BK_LIST_INIT;
	struct bk_buf url = BK_BUF_INIT(URL_MAX);
	struct bk_store *s = NULL;
	int rc = -1;

	if (set_url(&url, w->root->url, o->key, f) == 0 &&
	    (s = bk_store_open(w->ctx, bk_buf_text(&url), w->opts, f)) != NULL &&
	    bk_list_read(w->ctx, s, w->req, &l, f) == 0)
		rc = gather(w->out, &l, f);
	bk_list_release(&l);
	bk_store_close(s);
	bk_buf_release(&url);
	return rc;
}

int
bk_list_deep(const struct bk_ctx *ctx, struct bk_store *root,
    const struct bk_store_opts *opts, const struct bk_list_req *req,
    struct bk_list *out, struct bk_fault *f)
{
	struct bk_list_req each = *req, all = *req;
	struct walk w = { ctx, root, opts, &each, out };

	*out = (struct bk_list)BK_LIST_INIT;
	each.limit = 0;
	if (bk_list_sets(root, read_set, &w, f) == -1) {
		bk_list_release(out);
		return -1;
	}
	all.latest = false;
	all.at = INT64_MIN;
	bk_list_select(ctx, &all, out);
	return 0;
}
