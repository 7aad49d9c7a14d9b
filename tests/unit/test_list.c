/* Listing: what is read, what is skipped and counted, choice and order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hooked.h"
#include "json.h"
#include "list.h"
#include "pick.h"
#include "samples.h"
#include "table.h"
#include "tap.h"
#include "when.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define HOUR (3600 * INT64_C(1000))

static int64_t
at(const char *s)
{
	struct bk_fault f = BK_FAULT_INIT;
	int64_t t = 0;

	(void)bk_time_parse(s, &t, &f);
	return t;
}

/* Write a manifest for it into ${s}. */
static void
put(struct bk_store *s, json_t *rec)
{
	char key[256], *text = json_dumps(rec, JSON_COMPACT);

	(void)snprintf(key, sizeof(key), ".bk/manifest/%s/%s.json",
	    bk_json_get_text(rec, "name"), bk_json_get_text(rec, "id"));
	hooked_put(s, key, text);
	free(text);
	json_decref(rec);
}

static struct bk_store *
filled(const char *name)
{
	struct bk_store *s = hooked_open(name);

	put(s, sample("app", 3, "2026-11-20T10:00:00Z", 300, "{'tier':'b'}"));
	put(s, sample("app", 1, "2026-11-21T10:00:00Z", 100, "{'tier':'a'}"));
	put(s, sample("app", 2, "2026-11-22T10:00:00Z", 200, NULL));
	put(s, sample("app-2", 4, "2026-11-21T11:00:00Z", 50, "{'tier':'c'}"));
	put(s, sample("db", 5, "2026-11-19T10:00:00Z", 400, "{'tier':'a'}"));
	return s;
}

/* The last digits of the ids found, in order. */
static const char *
found(struct bk_store *s, const struct bk_list_req *req)
{
	static char text[64];
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_list l;
	size_t i, n = 0;

	if (bk_list_read(&tap_ctx, s, req, &l, &f) == -1)
		return f.text[0] != '\0' ? "fault" : "?";
	for (i = 0; i < l.len && n < sizeof(text) - 1; i++)
		text[n++] = l.rec[i].id[BK_ULID_LEN - 1];
	text[n] = '\0';
	bk_list_release(&l);
	return text;
}

static void
test_choice(void)
{
	struct bk_store *s = filled("choice");
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_query *q = bk_query_parse("{tier=~\"a|b\"}", &f);
	struct bk_list_req req = BK_LIST_REQ_INIT;
	const struct bk_list_req all = req;

	ok_text(found(s, &req), "53142", "by time");
	req.name = "app";
	ok_text(found(s, &req), "312", "of one name, not of its prefix");
	req.latest = true;
	ok_text(found(s, &req), "2", "its newest");
	req.name = NULL;
	ok_text(found(s, &req), "542", "the newest of each name");
	req = all;
	req.at = at("2026-11-21T10:00:00Z");
	ok_text(found(s, &req), "51", "at or before, of each name");
	req.at = at("2026-11-18T10:00:00Z");
	ok_text(found(s, &req), "", "before everything");
	req = all;
	req.id = sample_id(4);
	ok_text(found(s, &req), "4", "by id");
	req.name = "app";
	ok_text(found(s, &req), "", "id and name");
	req = all;
	req.query = q;
	ok_text(found(s, &req), "531", "by query");
	req.latest = true;
	ok_text(found(s, &req), "51", "the newest of those that match");
	req = all;
	req.since = at("2026-11-21T10:00:00Z");
	req.until = at("2026-11-21T11:00:00Z");
	ok_text(found(s, &req), "14", "since and until are inclusive");
	bk_query_free(q);
	bk_store_close(s);
}

static void
test_order(void)
{
	struct bk_store *s = filled("order");
	struct bk_list_req req = BK_LIST_REQ_INIT;

	req.reverse = true;
	ok_text(found(s, &req), "24135", "reverse");
	req.limit = 2;
	ok_text(found(s, &req), "24", "the first two of that order");
	req.limit = 0;
	req.reverse = false;
	req.order = BK_ORDER_ID;
	ok_text(found(s, &req), "12345", "by id");
	req.order = BK_ORDER_BYTES;
	ok_text(found(s, &req), "41235", "by bytes");
	req.order = BK_ORDER_TAG;
	req.tag = "tier";
	ok_text(found(s, &req), "51342", "by tag, then time; without it last");
	req.reverse = true;
	ok_text(found(s, &req), "43152", "reverse: without it still last");
	bk_store_close(s);
}

static void
test_notes(void)
{
	struct bk_store *s = filled("notes");
	struct bk_list_req req = BK_LIST_REQ_INIT;
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_list l;

	hooked_put(s, ".bk/manifest/app/01KDVGK7000000000000000002."
	    "01KDVGK7000000000000000051.json", "{\"bk\":\"note/1\",\"id\":"
	    "\"01KDVGK7000000000000000002\",\"suspect\":\"half\"}");
	req.latest = true;
	req.name = "app";
	ok(bk_list_read(&tap_ctx, s, &req, &l, &f) == 0 && l.len == 1 &&
	    strcmp(l.rec[0].id, sample_id(1)) == 0, "latest skips a suspect");
	ok_int(l.skipped_suspects, 1, "and counts it");
	bk_list_release(&l);
	hooked_put(s, ".bk/manifest/app/01KDVGK7000000000000000002."
	    "01KDVGK7000000000000000052.json", "{\"bk\":\"note/1\",\"id\":"
	    "\"01KDVGK7000000000000000002\",\"good\":true}");
	ok_text(found(s, &req), "2", "until it is accepted");
	hooked_put(s, ".bk/manifest/app/01KDVGK7000000000000000009."
	    "01KDVGK7000000000000000053.json", "{}");
	ok_text(found(s, &req), "2", "a note without its manifest is nothing");
	hooked_put(s, ".bk/manifest/app/01KDVGK7000000000000000002."
	    "01KDVGK7000000000000000054.json", "{]");
	ok(bk_list_read(&tap_ctx, s, &req, &l, &f) == 0 && l.len == 1 &&
	    l.unreadable == 1, "a note that cannot be read is counted");
	bk_list_release(&l);
	bk_store_close(s);
}

static void
test_unreadable(void)
{
	struct bk_store *s = filled("unreadable");
	struct bk_list_req req = BK_LIST_REQ_INIT;
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_list l;
	json_t *o;

	hooked_put(s, ".bk/manifest/app/01KDVGK7000000000000000010.json", "{");
	hooked_put(s, ".bk/manifest/app/01KDVGK7000000000000000011.json", "");
	/* Under another's key: neither its id nor its name counts. */
	o = sample("app", 12, "2026-11-20T10:00:00Z", 300, NULL);
	json_object_set_new(o, "id", json_string(sample_id(1)));
	put(s, o);
	hooked_put(s, ".bk/manifest/app/no-id.json", "{");
	hooked_put(s, ".bk/manifest/app/x/01KDVGK7000000000000000013.json", "{");
	hooked_put(s, ".bk/manifest/stray.json", "{");
	ok(bk_list_read(&tap_ctx, s, &req, &l, &f) == 0, "listed: %s", f.text);
	ok_int(l.len, 4, "the good ones, but for one that was overwritten");
	ok_int(l.unreadable, 3, "the others are counted, foreign keys not");
	bk_list_release(&l);

	hooked_put(s, ".bk/manifest/app/01KDVGK7000000000000000014.json",
	    "{\"bk\":\"backup/7\",\"id\":\"01KDVGK7000000000000000014\","
	    "\"name\":\"app\",\"time\":\"2026-12-01T00:00:00Z\",\"new\":[]}");
	req.name = "app";
	req.latest = true;
	ok_text(found(s, &req), "4", "a later version is shown");
	bk_store_close(s);
}

static void
test_store_trouble(void)
{
	struct bk_store *s = filled("trouble");
	struct bk_list_req req = BK_LIST_REQ_INIT;

	req.name = "db";
	hooks.gets = 0;
	ok_text(found(s, &req), "5", "one name");
	ok_int(hooks.gets, 1, "needs one object");
	hooks.fail_get = ".bk/manifest/db/";
	ok_text(found(s, &req), "fault", "a server that does not answer");
	hooks.status = BK_DATA;
	ok_text(found(s, &req), "", "a damaged one hides itself only");
	bk_store_close(s);
}

static int
gather(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	struct bk_buf *b = arg;

	return bk_buf_addf(b, f, "%s;", o->key);
}

static void
test_names(void)
{
	struct bk_store *s = filled("names"), *below;
	struct bk_list_req req = BK_LIST_REQ_INIT;
	struct bk_buf b = BK_BUF_INIT(4096);
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_list l;

	hooked_put(s, ".bk/manifest/only/01KDVGK7000000000000000009."
	    "01KDVGK7000000000000000053.json", "{}");
	ok(bk_list_names(s, gather, &b, &f) == 0, "names");
	ok_text(bk_buf_text(&b), "app-2;app;db;", "each once, in order of keys");
	bk_buf_reset(&b);

	below = hooked_open("names/team/x");
	put(below, sample("app", 3, "2026-11-20T10:00:00Z", 300, NULL));
	put(below, sample("b", 4, "2026-11-20T10:00:00Z", 300, NULL));
	ok(bk_list_sets(s, gather, &b, &f) == 0, "sets");
	ok_text(bk_buf_text(&b), ";team/x;", "itself and the one below");
	bk_buf_reset(&b);
	req.latest = true;
	req.reverse = true;
	req.limit = 4;
	ok(bk_list_deep(&tap_ctx, s, NULL, &req, &l, &f) == 0 && l.len == 4,
	    "the newest of each name of each set: %s", f.text);
	ok(l.len == 4 && strcmp(l.rec[0].id, sample_id(2)) == 0 &&
	    strcmp(l.rec[3].store, s->url) != 0, "in one order");
	bk_list_release(&l);
	ok(bk_list_hint(s, &b, &f) == 0, "hint");
	ok_text(bk_buf_text(&b), "it has the names 'app-2', 'app', 'db'", "names");
	bk_buf_reset(&b);
	bk_store_close(below);
	below = hooked_open("names/team");
	ok(bk_list_hint(below, &b, &f) == 0, "hint");
	ok_text(bk_buf_text(&b), "it has none itself; below it are the sets 'x'",
	    "sets");
	bk_buf_release(&b);
	bk_store_close(below);
	bk_store_close(s);
}

static void
test_pick(void)
{
	struct bk_store *s = filled("pick");
	struct bk_list_req req = BK_LIST_REQ_INIT;
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_record rec = BK_RECORD_INIT;

	req.name = "app";
	req.latest = true;
	ok(bk_pick_store(&tap_ctx, s, &req, &rec, &f) == 0, "one");
	ok_text(rec.id, sample_id(2), "the newest");
	ok_text(rec.store, s->url, "with its store");
	bk_record_release(&rec);
	req.latest = false;
	ok(bk_pick_store(&tap_ctx, s, &req, &rec, &f) == -1 &&
	    f.status == BK_USAGE, "several: %s", f.text);
	f = (struct bk_fault)BK_FAULT_INIT;
	req.name = "none";
	ok(bk_pick_store(&tap_ctx, s, &req, &rec, &f) == -1 &&
	    f.status == BK_NOINPUT && strstr(f.text, "'db'") != NULL,
	    "none: %s", f.text);
	f = (struct bk_fault)BK_FAULT_INIT;
	hooked_put(s, ".bk/manifest/new/01KDVGK7000000000000000014.json",
	    "{\"bk\":\"backup/2\",\"id\":\"01KDVGK7000000000000000014\","
	    "\"name\":\"new\"}");
	req.name = "new";
	ok(bk_pick_store(&tap_ctx, s, &req, &rec, &f) == -1 &&
	    f.status == BK_DATA, "a later version: %s", f.text);
	bk_store_close(s);
}

static void
test_table(void)
{
	struct bk_record rec[2] = {
		sample_rec("app", 1, "2026-11-21T10:00:00Z", 317, "{'tier':'x'}"),
		sample_rec("customers", 2, "2026-11-22T10:00:00Z", 3 << 20,
		    "{'t':'\\u00fc\\u00fc\\u00fc\\u00fc\\u00fc\\u00fc'}"),
	};
	const struct bk_list l = { rec, 2, 2, 0, 0 };
	struct bk_buf b = BK_BUF_INIT(65536);
	struct bk_fault f = BK_FAULT_INIT;

	(void)bk_record_set_store(&rec[0], "file:///b/x", &f);
	(void)bk_record_set_store(&rec[1], "file:///b/x/y?a=b", &f);
	json_object_set_new(rec[0].json, "hold", json_string("why"));
	ok(bk_table(&l, "file:///b/x", at("2026-11-22T11:00:00Z"), 200, &b,
	    &f) == 0, "table");
	ok_text(bk_buf_text(&b),
	    "NAME         TIME (UTC)        AGE  SIZE  ENGINE  ID                          TAGS\n"
	    "app          2026-11-21 10:00  25h   317  fake    01KDVGK7000000000000000001  [hold] tier=x\n"
	    "y:customers  2026-11-22 10:00  60m  3.0M  fake    01KDVGK7000000000000000002  t=\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\n",
	    "wide");
	bk_buf_reset(&b);
	ok(bk_table(&l, "file:///b/x", at("2026-11-22T11:00:00Z"), 85, &b,
	    &f) == 0, "narrow");
	ok(strstr(bk_buf_text(&b), "002  t=\u00fc\u00fc\u00fc\u00fc\u2026\n") != NULL,
	    "tags are cut between characters: %s", "7 columns");
	bk_buf_reset(&b);
	ok(bk_table(&l, "file:///b/x", at("2026-11-22T11:00:00Z"), 40, &b,
	    &f) == 0 && strstr(bk_buf_text(&b), sample_id(2)) != NULL &&
	    strstr(bk_buf_text(&b), "t=") == NULL, "very narrow: ids stay");
	bk_buf_release(&b);
	bk_record_release(&rec[0]);
	bk_record_release(&rec[1]);
}

static void
test_units(void)
{
	static const struct {
		uint64_t n;
		const char *text;
	} sizes[] = {
		{ 0, "0" }, { 1023, "1023" }, { 1024, "1.0K" }, { 1536, "1.5K" },
		{ 10239, "9.9K" }, { 10240, "10K" }, { 1048575, "1023K" },
		{ 1048576, "1.0M" }, { UINT64_C(5) << 40, "5.0T" },
		{ UINT64_MAX, "15E" },
	}, ages[] = {
		{ 0, "0s" }, { 119999, "119s" }, { 120000, "2m" },
		{ 2 * HOUR, "2h" }, { 48 * HOUR, "2d" },
		{ 1000 * 24 * HOUR, "2y" },
	};
	char out[24];
	size_t i;

	for (i = 0; i < N(sizes); i++)
		ok_text(bk_size_text(sizes[i].n, out), sizes[i].text, "size");
	for (i = 0; i < N(ages); i++)
		ok_text(bk_age_text((int64_t)ages[i].n, out), ages[i].text, "age");
	ok_text(bk_age_text(-1, out), "-", "an age to come");
}

int
main(void)
{
	test_choice();
	test_order();
	test_notes();
	test_unreadable();
	test_store_trouble();
	test_names();
	test_pick();
	test_table();
	test_units();
	return done();
}
