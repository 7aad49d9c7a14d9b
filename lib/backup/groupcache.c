/*
 * The runs of a set in one object, so that a plan for a year of nightly runs
 * does not ask for each.
 */
#include <stdlib.h>
#include <string.h>

#include "entry.h"
#include "group.h"
#include "json.h"
#include "snapshot.h"
#include "tomb.h"
#include "ulid.h"
#include "when.h"

#define PREFIX BK_SNAPSHOTS "group-"
#define JSON ".json"
#define FORMAT "groups/1"
#define CACHE_MAX (256 << 20)

/* The keys of the caches, oldest first. */
static int
take_key(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	char ulid[BK_ULID_LEN + 1];
	const char *s = o->key + sizeof(PREFIX) - 1;

	if (!bk_ulid_then(s, '.', ulid) || strcmp(s + BK_ULID_LEN, JSON) != 0)
		return 0;
	return bk_keys_add(arg, o->key, f);
}

/* Lines of ${p}; the first tells the form, the last that it is whole. */
static int
take_lines(struct bk_groups *g, const char *p, size_t n, struct bk_fault *f)
{
	const char *end = p + n, *nl, *form;
	size_t lines = 0;
	bool ended = false;
	json_t *o;
	int rc = 0;

	for (; rc == 0 && p < end && !ended; p = nl + 1) {
		if ((nl = memchr(p, '\n', (size_t)(end - p))) == NULL)
			break;
		if ((o = bk_json_parse(p, (size_t)(nl - p), "line", f)) == NULL)
			return -1;
		form = bk_json_get_text(o, "bk");
		if (lines++ == 0)
			rc = form != NULL && strcmp(form, FORMAT) == 0 ? 0 :
			    bk_fault_set(f, BK_DATA, "it is not of the form " FORMAT);
		else if (!(ended = json_object_get(o, "end") != NULL))
			rc = bk_groups_take(g, o, f);
		json_decref(o);
	}
	return rc == 0 && !ended ? bk_fault_set(f, BK_DATA, "it is cut") : rc;
}

int
bk_groups_cached(const struct bk_ctx *ctx, struct bk_store *s,
    struct bk_groups *g, struct bk_fault *f)
{
	struct bk_buf text = BK_BUF_INIT(CACHE_MAX);
	struct bk_fault why = BK_FAULT_INIT;
	struct bk_keys keys = { 0 };
	const char *key;
	int rc = bk_store_list(s, PREFIX, "", take_key, &keys, f);

	if (rc == 0 && keys.len > 0) {
		key = keys.v[keys.len - 1];
		rc = bk_store_get_small(s, key, &text, f);
		if (rc == 0 && take_lines(g, bk_buf_text(&text), text.len,
		    &why) == -1)
			ctx->log(BK_LOG_DEBUG, "the list of group runs '%s' cannot "
			    "be used: %s", key, why.text);
	}
	bk_keys_release(&keys);
	bk_buf_release(&text);
	return rc == -1 ? -1 : 0;
}

/* Takes the reference of ${o}, which may be NULL. */
static int
add_line(struct bk_buf *b, json_t *o, struct bk_fault *f)
{
	int rc = -1;

	if (o == NULL)
		(void)bk_fault_set(f, BK_IO, "out of memory");
	else if (bk_json_text(o, b, f) == 0)
		rc = bk_buf_adds(b, "\n", f);
	json_decref(o);
	return rc;
}

static json_t *
object(const struct bk_group_run *run, struct bk_fault *f)
{
	json_t *list = json_array(), *o = NULL;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < run->n; i++)
		rc = bk_json_push(list, json_pack("{s:s, s:s}", "name",
		    run->member[i].name, "id", run->member[i].id), f);
	if (rc == 0)
		o = bk_group_object(run->group, run->run, run->time, list, f);
	json_decref(list);
	return o;
}

/* All but the newest two: a reader may have the one before in hand. */
static int
remove_old(struct bk_store *s, struct bk_fault *f)
{
	struct bk_keys keys = { 0 };
	const char *one;
	size_t i;
	int rc = bk_store_list(s, PREFIX, "", take_key, &keys, f);

	for (i = 0; rc == 0 && i + 2 < keys.len; i++) {
		one = keys.v[i];
		rc = bk_store_remove(s, &one, 1, f);
	}
	bk_keys_release(&keys);
	return rc;
}

int
bk_groups_cache(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_groups *g, struct bk_fault *f)
{
	struct bk_buf text = BK_BUF_INIT(CACHE_MAX), key = BK_BUF_INIT(BK_KEY_MAX);
	char ulid[BK_ULID_LEN + 1], when[BK_TIME_LEN];
	size_t i;
	int rc = add_line(&text, json_pack("{s:s, s:s}", "bk", FORMAT, "time",
	    bk_time_text(ctx->now(), when)), f);

	for (i = 0; rc == 0 && i < g->len; i++)
		rc = add_line(&text, object(&g->run[i], f), f);
	if (rc == 0)
		rc = add_line(&text, json_pack("{s:s, s:I}", "end", "ok", "runs",
		    (json_int_t)g->len), f);
	if (rc == 0 && (rc = bk_ulid_new(ctx->now(), ulid, f)) == 0 &&
	    (rc = bk_buf_addf(&key, f, PREFIX "%s" JSON, ulid)) == 0 &&
	    (rc = bk_store_put_small(s, bk_buf_text(&key), text.p, text.len,
	    BK_PUT_NEW, f)) != -1)
		rc = remove_old(s, f);
	bk_buf_release(&key);
	bk_buf_release(&text);
	return rc;
}
