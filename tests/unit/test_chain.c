/* Chains of increments, and bundles of what is no base backup. */
#include <stdio.h>
#include <string.h>

#include "bundle.h"
#include "hooked.h"
#include "json.h"
#include "samples.h"
#include "tap.h"
#include "when.h"

#define NAME "app"

static struct bk_fault nf;

/* Put backup ${n}, of that day in November, child of ${parent} (0: full). */
static void
put(struct bk_store *s, unsigned int n, unsigned int parent,
    const char *engine, const char *note)
{
	struct bk_buf text = BK_BUF_INIT(65536), key = BK_BUF_INIT(1024);
	char time[256], note_key[256], note_text[256];
	unsigned int day = (n - 1) % 28 + 1;
	json_t *o;

	(void)snprintf(time, sizeof(time), "2026-11-%02uT10:00:00Z", day);
	o = sample(NAME, n, time, 5, NULL);
	if (parent != 0)
		(void)bk_json_set_text(o, "parent", sample_id(parent), &nf);
	if (engine != NULL) {
		(void)bk_json_set_text(o, "engine", engine, &nf);
		(void)snprintf(time, sizeof(time), NAME "/" NAME
		    "-202611%02uT100000Z-%s.%s.bin", day, sample_id(n), engine);
		(void)bk_json_set_text(o, "key", time, &nf);
	}
	(void)bk_json_text(o, &text, &nf);
	(void)bk_manifest_key(&key, NAME, sample_id(n), &nf);
	hooked_put(s, bk_buf_text(&key), bk_buf_text(&text));
	hooked_put(s, bk_json_get_text(o, "key"), "12345");
	if (note != NULL) {
		(void)snprintf(note_key, sizeof(note_key), ".bk/manifest/" NAME
		    "/%s.01J00000000000000000000000.json", sample_id(n));
		(void)snprintf(note_text, sizeof(note_text), "{\"bk\":\"note/1\","
		    "\"id\":\"%s\",\"time\":\"%s\",\"suspect\":\"%s\"}",
		    sample_id(n), "2026-11-21T10:00:00Z", note);
		hooked_put(s, note_key, note_text);
	}
	json_decref(o);
	bk_buf_release(&text);
	bk_buf_release(&key);
}

/* Read the chain of backup ${n}, a child of ${parent}: its status. */
static int
chain(struct bk_store *s, unsigned int n, unsigned int parent, size_t *len)
{
	struct bk_chain c = BK_CHAIN_INIT;
	struct bk_fault f = BK_FAULT_INIT;
	json_t *o = sample(NAME, n, "2026-11-21T10:00:00Z", 5, NULL);
	struct bk_record r = BK_RECORD_INIT;

	if (parent != 0)
		(void)bk_json_set_text(o, "parent", sample_id(parent), &f);
	if (bk_record_from(o, &r, &f) == 0)
		(void)bk_chain_read(&tap_ctx, s, &r, &c, &f);
	*len = c.len;
	ok(f.status == 0 || strstr(f.text, sample_id(parent)) != NULL ||
	    c.len > 0, "said: %s", f.text);
	bk_chain_release(&c);
	bk_record_release(&r);
	return f.status;
}

static void
test_chain(void)
{
	struct bk_store *s = hooked_open("chain");
	struct bk_fault f = BK_FAULT_INIT;
	size_t len;
	unsigned int i;

	ok_int(chain(s, 1, 0, &len), 0, "a full one stands by itself");
	ok_int(len, 0, "on nothing");
	ok_int(chain(s, 2, 1, &len), BK_NOINPUT, "its parent is not there");
	put(s, 1, 0, NULL, NULL);
	for (i = 2; i <= 28; i++)
		put(s, i, i - 1, NULL, NULL);
	ok_int(chain(s, 29, 28, &len), 0, "a long one");
	ok_int(len, 28, "on all of them");
	put(s, 40, 0, NULL, "odd");
	ok_int(chain(s, 41, 40, &len), BK_DATA, "on a suspect one");
	put(s, 42, 43, NULL, NULL);
	put(s, 43, 42, NULL, NULL);
	ok_int(chain(s, 44, 43, &len), BK_DATA, "one that bites its tail");
	ok_int(len, BK_CHAIN_MAX, "is given up");
	put(s, 45, 0, "other", NULL);
	ok_int(chain(s, 46, 45, &len), BK_DATA, "on one of another engine");
	ok_int(bk_chain_listed(s, NAME, sample_id(1), &f), 1, "it is listed");
	ok_int(bk_chain_listed(s, NAME, sample_id(99), &f), 0, "it is not");
	bk_store_close(s);
}

/* Plan for ${at} (NULL: the latest): its answer, and the day in *${day}. */
static int
plan(struct bk_store *s, const char *at, struct bk_bundle *b,
    struct bk_fault *f)
{
	struct bk_bundle_req req = { .name = NAME, .at = INT64_MAX };

	*b = (struct bk_bundle)BK_BUNDLE_INIT;
	*f = (struct bk_fault)BK_FAULT_INIT;
	if (at != NULL)
		(void)bk_time_parse(at, &req.at, f);
	return bk_bundle_plan(&tap_ctx, s, &req, b, f);
}

static void
test_plan(void)
{
	struct bk_store *s = hooked_open("plan");
	char t[BK_TIME_LEN];
	struct bk_bundle b;
	struct bk_fault f;
	json_t *o;

	ok(plan(s, NULL, &b, &f) == -1 && f.status == BK_NOINPUT,
	    "there is nothing: %s", f.text);
	bk_bundle_release(&b);
	put(s, 1, 0, NULL, NULL);
	put(s, 2, 1, NULL, NULL);
	put(s, 3, 0, NULL, "odd");
	ok_int(plan(s, NULL, &b, &f), 0, "the latest");
	ok_text(b.rec.id, sample_id(2), "is the newest that is not suspect");
	ok(b.chain.len == 1 && !b.base && b.segments == 0, "with its parent");
	o = bk_bundle_json(s, &b, 0, 60, false, &f);
	ok(o != NULL && json_array_size(json_object_get(o, "parents")) == 1 &&
	    json_object_get(o, "links-until") == NULL, "as JSON: %s", f.text);
	ok_text(bk_json_get_text(o, "restores-to"), "2026-11-02T10:00:00Z",
	    "which says the moment");
	json_decref(o);
	ok(bk_bundle_json(s, &b, 0, 60, true, &f) == NULL &&
	    f.status == BK_CONFIG, "no links: %s", f.text);
	hooked_put(s, b.rec.key, "1234");
	f = (struct bk_fault)BK_FAULT_INIT;
	ok(bk_bundle_json(s, &b, 0, 60, false, &f) == NULL &&
	    f.status == BK_DATA, "a payload that was cut: %s", f.text);
	bk_bundle_release(&b);

	ok_int(plan(s, "2026-11-02T09:59:59Z", &b, &f), 0, "just before it");
	ok_text(b.rec.id, sample_id(1), "is the one before");
	bk_bundle_release(&b);
	ok_int(plan(s, "2026-11-02T10:00:00Z", &b, &f), 0, "its own time");
	ok_text(b.rec.id, sample_id(2), "is its");
	bk_bundle_release(&b);

	ok_int(plan(s, "2026-10-01T00:00:00Z", &b, &f), BK_BUNDLE_UNCOVERED,
	    "before all");
	ok(b.before == INT64_MIN, "nothing before");
	ok_text(bk_time_text(b.after, t), "2026-11-01T10:00:00Z", "the first after");
	o = bk_bundle_uncovered(&b, NAME, &f);
	ok(json_is_null(json_object_get(o, "before")) &&
	    json_is_false(json_object_get(o, "covered")), "as JSON");
	json_decref(o);
	bk_bundle_release(&b);

	/* A base backup that does not say where it stands. */
	put(s, 9, 0, "postgres-base", NULL);
	ok(plan(s, NULL, &b, &f) == -1 && f.status == BK_DATA,
	    "a base backup without a position: %s", f.text);
	bk_bundle_release(&b);
	bk_store_close(s);
}

static void
test_keys(void)
{
	static const char *const bad[] = { ".bk/bundle/app/x.tar",
		".bk/bundle/01J00000000000000000000000.tar",
		".bk/bundle/app/01J00000000000000000000000.tar.gz",
		".bk/bundle/app/sub/01J00000000000000000000000.tar",
		"app/01J00000000000000000000000.tar" };
	struct bk_buf b = BK_BUF_INIT(1024);
	struct bk_fault f = BK_FAULT_INIT;
	char id[BK_ULID_LEN + 1];
	size_t i;

	ok(bk_bundle_key(&b, NAME, 1234567890123, &f) == 0 &&
	    bk_bundle_split(bk_buf_text(&b), id), "a key and back");
	ok(bk_ulid_time(id) == 1234567890123, "its moment is in it");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!bk_bundle_split(bad[i], id), "no bundle: %s", bad[i]);
	bk_buf_release(&b);
}

int
main(void)
{
	test_chain();
	test_plan();
	test_keys();
	return done();
}
