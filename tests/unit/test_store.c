/* What bk_store_* do for every store: a careless driver is put right. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"
#include "tap.h"

static const char *const *shown;	/* what the driver lists */
static uint64_t given;			/* bytes it gives, asked or not */
static int aborted, committed, removed;
static struct bk_fault f;

static int
careless_list(struct bk_store *s, const char *prefix, const char *after,
    bk_list_fn *fn, void *arg, struct bk_fault *ff)
{
	struct bk_object o = { .bytes = 1, .modified = -1 };
	size_t i;
	int rc = 0;

	(void)s; (void)prefix; (void)after;
	for (i = 0; rc == 0 && shown[i] != NULL; i++) {
		o.key = shown[i];
		rc = fn(arg, &o, ff);
	}
	return rc;
}

static int
careless_get(struct bk_store *s, const char *key, uint64_t off, uint64_t len,
    bk_sink_fn *sink, void *arg, struct bk_fault *ff)
{
	uint64_t i;

	(void)s; (void)key; (void)off; (void)len;
	for (i = 0; i < given; i++)
		if (sink(arg, "x", 1, ff) == -1)
			return -1;
	return 0;
}

static int
careless_stat(struct bk_store *s, const char *key, struct bk_object *o,
    struct bk_fault *ff)
{
	(void)s; (void)key; (void)ff;
	o->bytes = 10;
	return 0;
}

static struct bk_put *
careless_begin(struct bk_store *s, const char *key,
    const struct bk_put_opts *opts, struct bk_fault *ff)
{
	struct bk_put *p = calloc(1, sizeof(*p));

	(void)key; (void)opts; (void)ff;
	p->store = s;
	return p;
}

static int
careless_write(struct bk_put *p, const void *data, size_t n,
    struct bk_fault *ff)
{
	(void)p; (void)data;
	return n == 13 ? bk_fault_set(ff, BK_UNAVAILABLE, "no luck") : 0;
}

static int
careless_commit(struct bk_put *p, struct bk_fault *ff)
{
	(void)ff;
	committed++;
	free(p);
	return 0;
}

static void
careless_abort(struct bk_put *p)
{
	aborted++;
	free(p);
}

static int
careless_remove(struct bk_store *s, const char *const *keys, size_t n,
    struct bk_fault *ff)
{
	(void)s; (void)keys;
	removed += (int)n;
	return n == 2 ? bk_fault_set(ff, BK_NOPERM, "denied") : 0;
}

static const struct bk_store_ops careless = {
	.scheme = "careless",
	.put_begin = careless_begin,
	.put_write = careless_write,
	.put_commit = careless_commit,
	.put_abort = careless_abort,
	.stat = careless_stat,
	.get = careless_get,
	.list = careless_list,
	.remove = careless_remove,
};

static struct bk_store store = { &careless, NULL };

/* The fault is this one; forgets it. */
static void
fault_is(int status, const char *text)
{
	ok_int(f.status, status, "status");
	ok_text(f.text, text, "text");
	bk_fault_clear(&f);
}

static int
note(void *arg, const struct bk_object *o, struct bk_fault *ff)
{
	return bk_buf_addf(arg, ff, "%s ", o->key);
}

static int
lists(const char *const *keys, const char *prefix, const char *after,
    const char *want)
{
	struct bk_buf b = BK_BUF_INIT(4096);
	int rc;

	shown = keys;
	rc = bk_store_list(&store, prefix, after, note, &b, &f);
	ok_text(bk_buf_text(&b), want, "exactly what was asked for");
	bk_buf_release(&b);
	return rc;
}

static void
listing(void)
{
	static const char *const all[] = { "a", "b/1", "b/1", "b/2", "b/3", "c",
		"d", NULL };
	static const char *const unsorted[] = { "b", "a", NULL };
	static const char *const bad[] = { "a//b", "a/../b", "b", "b\n", "c",
		NULL };
	struct bk_buf small = BK_BUF_INIT(2);

	ok_int(lists(all, "b/", "", "b/1 b/2 b/3 "), 0, "too much, and twice");
	ok_int(lists(all, "b/", "b/2", "b/3 "), 0, "from before the start");
	ok_int(lists(all, "", "", "a b/1 b/2 b/3 c d "), 0, "all");
	ok_int(lists(all, "b/9", "", ""), 0, "none");
	ok_int(lists(bad, "", "", "b c "), 0, "what can be no key is left out");
	ok_int(lists(unsorted, "", "", "b "), -1, "out of order");
	fault_is(BK_UNAVAILABLE,
	    "the server lists out of order: 'a' after 'b'");
	shown = all;
	ok_int(bk_store_list(&store, "", "", note, &small, &f), -1,
	    "a fault of the caller's");
	ok(strstr(f.text, "list") == NULL, "is the caller's: %s", f.text);
	bk_fault_clear(&f);
	bk_buf_release(&small);
}

static int
refuse(void *arg, const void *p, size_t n, struct bk_fault *ff)
{
	(void)arg; (void)p; (void)n;
	return bk_fault_set(ff, BK_IO, "enough");
}

static void
getting(void)
{
	struct bk_buf b = BK_BUF_INIT(64);

	given = 3;
	ok_int(bk_store_get_small(&store, "k", &b, &f), 0, "get");
	ok_text(bk_buf_text(&b), "xxx", "all of it");
	bk_buf_release(&b);
	ok_int(bk_store_get(&store, "k", 0, 4, refuse, NULL, &f), -1, "get");
	fault_is(BK_IO, "enough");
	given = 0;
	ok_int(bk_store_get(&store, "k", 0, 4, refuse, NULL, &f), -1, "get");
	fault_is(BK_DATA, "get 'k': 0 bytes came where 4 were asked for");
	ok_int(bk_store_get(&store, "k", 10, 0, refuse, NULL, &f), 0,
	    "no bytes at the end");
	ok_int(bk_store_get(&store, "k", 11, 0, refuse, NULL, &f), -1,
	    "no bytes beyond it");
	fault_is(BK_DATA, "get 'k': shorter than 11 bytes");
	ok_int(bk_store_get(&store, "/k", 0, 1, refuse, NULL, &f), -1,
	    "bad key");
	ok_int(f.status, BK_USAGE, f.text);
	bk_fault_clear(&f);
}

static void
putting(void)
{
	struct bk_put_opts opts = { .max_bytes = 20 };
	struct bk_put *p = bk_store_put_begin(&store, "d/k", &opts, &f);

	ok_int(bk_store_put_write(p, "", 0, &f), 0, "nothing");
	ok_int(bk_store_put_write(p, "0123456789012345678", 19, &f), 0, "19");
	ok_int(bk_store_put_write(p, "01", 2, &f), -1, "2 more");
	fault_is(BK_DATA,
	    "put 'd/k': more than the 20 bytes it was to have at most");
	bk_store_put_abort(p);
	ok_int(aborted, 1, "the driver was told");

	p = bk_store_put_begin(&store, "d/k", NULL, &f);
	ok_int(bk_store_put_write(p, "0123456789012", 13, &f), -1,
	    "write fails");
	fault_is(BK_UNAVAILABLE, "put 'd/k': no luck");
	ok_int(bk_store_put_commit(p, &f), -1, "and cannot be committed");
	fault_is(BK_BUG, "put 'd/k': commit after a failed write");
	ok_int(committed, 0, "the driver was not asked to");
	ok_int(aborted, 2, "but told to abort");
	ok_int(bk_store_put_small(&store, "k", "0123456789012", 13, 0, &f), -1,
	    "a small one fails");
	fault_is(BK_UNAVAILABLE, "put 'k': no luck");
	ok_int(bk_store_put_small(&store, "k", NULL, 0, 0, &f), 0,
	    "an empty one");
	ok_int(committed, 1, "is committed");
}

static void
others(void)
{
	const char *keys[] = { "a", "b", "../c" };
	struct bk_buf url = BK_BUF_INIT(64);

	ok_int(bk_store_remove(&store, keys, 3, &f), -1, "one bad key");
	ok_int(removed, 0, "nothing is removed then");
	bk_fault_clear(&f);
	ok_int(bk_store_remove(&store, keys, 0, &f), 0, "none");
	ok_int(bk_store_remove(&store, keys, 1, &f), 0, "one");
	ok_int(bk_store_remove(&store, keys, 2, &f), -1, "two");
	fault_is(BK_NOPERM, "remove 'a' and others: denied");
	ok_int(bk_store_presign(&store, "a", 60, &url, &f), BK_NOT_SUPPORTED,
	    "no links here");
	ok(bk_store_open(&tap_ctx, "nosuch://x", NULL, &f) == NULL,
	    "no such kind");
	ok(strstr(f.text, "file://") != NULL, "names those there are: %s",
	    f.text);
	ok_int(f.status, BK_USAGE, "64");
	bk_fault_clear(&f);
}

int
main(void)
{
	listing();
	getting();
	putting();
	others();
	return done();
}
