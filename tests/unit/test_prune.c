/* Deleting and bringing back, on a clock that a test turns. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hooked.h"
#include "json.h"
#include "prune.h"
#include "rule.h"
#include "samples.h"
#include "tap.h"
#include "tomb.h"

#define HOUR (3600 * INT64_C(1000))

static void
put(struct bk_store *s, unsigned int n, unsigned int parent)
{
	char time[32], key[256], *text;
	json_t *rec;

	(void)snprintf(time, sizeof(time), "2026-01-%02uT10:00:00Z", n);
	rec = sample("app", n, time, 5, NULL);
	if (parent != 0)
		json_object_set_new(rec, "parent", json_string(sample_id(parent)));
	hooked_put(s, bk_json_get_text(rec, "key"), "12345");
	(void)snprintf(key, sizeof(key), ".bk/manifest/app/%s.json", sample_id(n));
	text = json_dumps(rec, JSON_COMPACT);
	hooked_put(s, key, text);
	free(text);
	json_decref(rec);
}

static void
note(struct bk_store *s, unsigned int n, unsigned int ulid, const char *what)
{
	char key[256], text[256];

	(void)snprintf(key, sizeof(key), ".bk/manifest/app/%s.%s.json",
	    sample_id(n), sample_id(ulid));
	(void)snprintf(text, sizeof(text), "{\"bk\":\"note/1\",\"id\":\"%s\",%s}",
	    sample_id(n), what);
	hooked_put(s, key, text);
}

/* The last digits of the ids that are listed. */
static const char *
listed(struct bk_store *s)
{
	static char text[64];
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_entries es;
	size_t i, n = 0;

	if (bk_entries_list(s, NULL, NULL, &es, &f) == 0)
		for (i = 0; i < es.len && n < sizeof(text) - 1; i++)
			text[n++] = es.e[i].k.id[BK_ULID_LEN - 1];
	text[n] = '\0';
	bk_entries_release(&es);
	return text;
}

/* Plan and carry out; what was left, or -1. */
static long
prune(struct bk_store *s, const struct bk_prune_req *req)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_prune p;
	uint64_t left = 0;
	long rc = -1;

	if (bk_prune_plan(&tap_ctx, s, req, &p, &f) == 0 &&
	    bk_prune_run(&tap_ctx, s, &p, 24 * HOUR, &left, &f) == 0)
		rc = (long)left;
	if (rc == -1)
		printf("# %s\n", f.text);
	bk_prune_release(&p);
	return rc;
}

/* Delete these ids, whatever they are. */
static void
delete(struct bk_store *s, unsigned int a, unsigned int b)
{
	json_t *ids = json_object();
	const struct bk_prune_req req = { .how = BK_PRUNE_ASKED, .ids = ids,
		.yes = true };

	json_object_set_new(ids, sample_id(a), json_true());
	json_object_set_new(ids, sample_id(b), json_true());
	ok_int(prune(s, &req), 0, "deleted");
	json_decref(ids);
}

static struct bk_purged
purge(struct bk_store *s)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_purged sum = { 0 };

	ok(bk_tomb_purge(&tap_ctx, s, "app", &sum, &f) == 0, "purged: %s", f.text);
	return sum;
}

static void
pass(int hours)
{
	hooks.clock_known = true;
	hooks.clock_offset = hours * HOUR;
}

static void
test_rules(void)
{
	struct bk_policy policy = BK_POLICY_INIT, again;
	const struct bk_prune_req req = { .policy = &policy };
	struct bk_store *s = hooked_open("rules");
	struct bk_fault f = BK_FAULT_INIT;
	unsigned int n, raised = 0;

	ok(bk_policy_set(&policy, "keep-last", "2", &f) == 0, "policy");
	for (n = 1; n <= 5; n++)
		put(s, n, n == 3 ? 2 : n == 2 ? 1 : 0);
	ok_int(prune(s, &req), 0, "carried out");
	ok_text(listed(s), "45", "the newest two");
	ok_int(hooked_count(s, "app/"), 5, "all payloads are there");
	ok(bk_tomb_undo(&tap_ctx, s, NULL, sample_id(3), false, &raised, &f) == 0,
	    "undone: %s", f.text);
	ok_int(raised, 3, "with its parents");
	ok_text(listed(s), "12345", "all");
	ok_int(hooked_count(s, BK_TOMBS), 0, "no tombstone is left");
	ok_int(prune(s, &req), 0, "again");
	ok_text(listed(s), "45", "the same");

	ok(bk_rule_write(&tap_ctx, s, "app", &policy, &f) == 0, "rule");
	hooks.puts = 0;
	ok(bk_rule_write(&tap_ctx, s, "app", &policy, &f) == 0 &&
	    hooks.puts == 0, "the same rule is not written again");
	ok(bk_rule_read(s, "app", &again, &f) == 0 &&
	    again.count[BK_LAST] == 2, "read");
	bk_policy_release(&again);
	ok_int(bk_rule_read(s, "none", &again, &f), BK_ABSENT, "none");
	bk_policy_release(&again);
	hooked_put(s, ".bk/rule/app.json", "{\"bk\":\"rule/1\",\"keep\":[\"--x\"]}");
	ok(bk_rule_read(s, "app", &again, &f) == -1 && f.status == BK_DATA,
	    "damaged: %s", f.text);
	bk_policy_release(&again);
	bk_policy_release(&policy);
	bk_store_close(s);
}

static void
test_grace(void)
{
	struct bk_store *s = hooked_open("grace");
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_purged sum;
	unsigned int raised = 0;

	put(s, 1, 0);
	put(s, 2, 0);
	note(s, 1, 51, "\"set\":{\"a\":\"b\"}");
	delete(s, 1, 1);
	ok_text(listed(s), "2", "deleted");
	ok_int(hooked_count(s, ".bk/manifest/"), 1, "its note too");
	pass(24);
	(void)purge(s);
	ok_int(hooked_count(s, "app/"), 2, "not at once after the grace");
	pass(26);
	ok(bk_tomb_undo(&tap_ctx, s, "app", sample_id(1), false, &raised, &f) == -1
	    && f.status == BK_NOINPUT, "too late: %s", f.text);
	sum = purge(s);
	ok(sum.gone == 1 && sum.bytes == 5, "an hour later");
	ok_int(hooked_count(s, "app/"), 1, "its payload is gone");
	ok_int(hooked_count(s, BK_TOMBS), 0, "and the tombstone");
	bk_store_close(s);
}

static void
test_brought_back(void)
{
	struct bk_store *s = hooked_open("back");
	struct bk_purged sum;
	unsigned int n;

	for (n = 1; n <= 3; n++)
		put(s, n, n == 2 ? 1 : 0);
	delete(s, 1, 2);
	ok_text(listed(s), "3", "a chain goes as a whole");
	put(s, 4, 2);
	note(s, 3, 60, "\"hold\":\"x\"");
	pass(26);
	sum = purge(s);
	ok(sum.raised == 2 && sum.gone == 0, "a late increment needs its parents");
	ok_text(listed(s), "1234", "they are back");

	pass(0);
	delete(s, 4, 3);
	ok_text(listed(s), "123", "one on hold stays");
	note(s, 4, 61, "\"hold\":\"late\"");
	pass(26);
	sum = purge(s);
	ok(sum.raised == 1 && sum.gone == 0, "one that was held meanwhile is back");
	ok_text(listed(s), "1234", "with its note");
	ok_int(hooked_count(s, ".bk/manifest/"), 6, "both notes are there");
	bk_store_close(s);
}

static void
test_void(void)
{
	struct bk_store *s = hooked_open("void");
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_entries es;
	json_t *why = json_array();
	struct bk_purged sum;
	int64_t now;

	put(s, 1, 0);
	ok(bk_entries_list(s, NULL, NULL, &es, &f) == 0 &&
	    bk_store_now(&tap_ctx, s, &now, &f) == 0 &&
	    bk_tomb_bury(s, &es.e[0], now, 24 * HOUR, why, &f) == 0, "stopped "
	    "after the tombstone: %s", f.text);
	(void)purge(s);
	ok_int(hooked_count(s, BK_TOMBS), 1, "somebody may be at work");
	pass(48);
	sum = purge(s);
	ok_int(sum.gone, 0, "what is listed keeps its payload");
	ok_int(hooked_count(s, "app/"), 1, "it is there");
	ok_int(hooked_count(s, BK_TOMBS), 0, "the void tombstone is gone");

	hooked_put(s, ".bk/deleted/app/01KDVGK7000000000000000009.json", "{}");
	sum = purge(s);
	ok_int(sum.bad, 1, "a damaged one is counted");
	ok_int(hooked_count(s, BK_TOMBS), 1, "and left");
	bk_entries_release(&es);
	json_decref(why);
	bk_store_close(s);
}

/* What is not its own is not believed: a tombstone cannot lead elsewhere. */
static void
test_foreign(void)
{
	struct bk_store *s = hooked_open("foreign");
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_buf b = BK_BUF_INIT(1 << 20);
	struct bk_tomb t;
	char key[256];

	put(s, 1, 0);
	put(s, 2, 0);
	delete(s, 1, 1);
	(void)snprintf(key, sizeof(key), BK_TOMBS "app/%s.json", sample_id(1));
	ok(bk_store_get_small(s, key, &b, &f) == 0, "tombstone");
	(void)snprintf(key, sizeof(key), BK_TOMBS "app/%s.json", sample_id(2));
	hooked_put(s, key, bk_buf_text(&b));
	ok(bk_tomb_read(s, "app", sample_id(2), &t, &f) == -1 &&
	    f.status == BK_DATA, "under another's key: %s", f.text);
	bk_tomb_release(&t);
	bk_buf_release(&b);
	bk_store_close(s);
}

int
main(void)
{
	test_rules();
	test_grace();
	test_brought_back();
	test_void();
	test_foreign();
	return done();
}
