/* Committing, fetching back, notes: over a store that misbehaves on demand. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commit.h"
#include "fan.h"
#include "fetch.h"
#include "hash.h"
#include "hooked.h"
#include "json.h"
#include "list.h"
#include "note.h"
#include "samples.h"
#include "tap.h"
#include "when.h"

#define T "2026-11-21T10:00:00Z"
#define DATA "the quick brown fox"

static int64_t fake_now;
static int warned;

static int64_t
now(void)
{
	return fake_now;
}

static void
note_log(enum bk_level level, const char *fmt, ...)
{
	(void)fmt;
	if (level <= BK_LOG_WARN)
		warned++;
}

static struct bk_ctx ctx;

static json_t *
header(void)
{
	return quoted("{'bk':'stream/1','name':'app','engine':'fake',"
	    "'ext':'bin','time':'" T "','host':'db1','source':{'engine':'fake'},"
	    "'tags':{'tier':'x'},'filters':[],'info':{'a':1},'extra':[1],"
	    "'key':'../../x','id':'no','store':'file:///x','run':'r1'}");
}

static json_t *
end_of(const char *sha, long long bytes)
{
	char text[512];

	(void)snprintf(text, sizeof(text), "{'end':'ok','stages':[{'stage':"
	    "'fake','bytes':%lld,'sha256':'%s'}],'info':{'b':2}}", bytes, sha);
	return quoted(text);
}

static void
hex_of(const char *p, size_t n, char hex[BK_SHA256_HEX])
{
	uint8_t sum[BK_SHA256_LEN];

	bk_sha256_of(p, n, sum);
	bk_hex(sum, sizeof(sum), hex);
}

static const char *parent;		/* of what commit() stores, or NULL */

/* Asked before a commit: refuses the ${refuse}-th time. */
static int asked, refuse;

static int
guard(void *arg, struct bk_fault *f)
{
	(void)arg;
	return ++asked == refuse ? bk_fault_set(f, BK_BUSY, "not ours") : 0;
}

/* A whole commit of DATA, finished ${later} ms after it began. */
static int
commit(struct bk_store *s, const json_t *end, int64_t later,
    struct bk_record *rec, struct bk_fault *f)
{
	struct bk_commit_plan plan;
	struct bk_commit *c;
	json_t *h = header();
	char hex[BK_SHA256_HEX];
	int rc = -1;

	*rec = (struct bk_record)BK_RECORD_INIT;
	*f = (struct bk_fault)BK_FAULT_INIT;
	if (parent != NULL)
		(void)bk_json_set_text(h, "parent", parent, f);
	hex_of(DATA, strlen(DATA), hex);
	if (bk_commit_plan(&ctx, s, h, false, &plan, f) == 0 &&
	    (c = bk_commit_begin(&ctx, s, &plan, 0, f)) != NULL) {
		if (bk_commit_write(c, DATA, strlen(DATA), f) == 0) {
			fake_now += later;
			plan.finished = fake_now + plan.clock_offset;
			plan.guard = guard;
			rc = bk_commit_finish(c, end, hex, rec, f);
			fake_now -= later;
		}
		bk_commit_free(c);
	}
	json_decref(h);
	return rc;
}

static json_t *
good_end(void)
{
	char hex[BK_SHA256_HEX];

	hex_of(DATA, strlen(DATA), hex);
	return end_of(hex, (long long)strlen(DATA));
}

static void
test_good(void)
{
	struct bk_store *s = hooked_open("good");
	struct bk_fault f;
	struct bk_record rec;
	struct bk_buf key = BK_BUF_INIT(1024), text = BK_BUF_INIT(65536);
	json_t *end = good_end(), *m;

	ok(commit(s, end, 0, &rec, &f) == 0, "committed: %s", f.text);
	ok_text(rec.store, s->url, "the record has its store");
	ok_text(bk_json_get_text(rec.json, "run"), "r1", "run is the header's");
	ok(json_is_null(json_object_get(rec.json, "group")), "no group is null");
	ok(json_is_array(json_object_get(rec.json, "extra")),
	    "an unknown member passes");
	ok(hooked_has(s, rec.key), "the payload is there");
	ok_int(bk_json_get_int(json_object_get(rec.json, "info"), "a"), 1,
	    "info of the header");
	ok_int(bk_json_get_int(json_object_get(rec.json, "info"), "b"), 2,
	    "info of the end");
	ok(bk_ulid_time(rec.id) == fake_now, "the id is of now");
	(void)bk_manifest_key(&key, rec.name, rec.id, &f);
	ok(bk_store_get_small(s, bk_buf_text(&key), &text, &f) == 0, "manifest");
	m = bk_json_parse(bk_buf_text(&text), text.len, "m", &f);
	ok(m != NULL && json_object_get(m, "store") == NULL,
	    "there is no store in it");
	json_decref(m);
	json_decref(end);
	bk_buf_release(&key);
	bk_buf_release(&text);
	bk_record_release(&rec);
	bk_store_close(s);
}

static void
test_guard(void)
{
	struct bk_record rec;
	struct bk_fault f;
	json_t *end = good_end();

	for (refuse = 3; refuse > 0; refuse--) {
		struct bk_store *s = hooked_open(refuse == 2 ? "g2" :
		    refuse == 1 ? "g1" : "g3");

		asked = 0;
		ok(commit(s, end, 0, &rec, &f) == (refuse == 3 ? 0 : -1) &&
		    f.status == (refuse == 3 ? 0 : BK_BUSY),
		    "refused when asked time %d: %s", refuse, f.text);
		ok_int(asked, refuse < 3 ? refuse : 2, "times asked");
		ok_int(hooked_count(s, ".bk/"), refuse == 3, "manifests");
		ok_int(hooked_count(s, "app/"), refuse > 1, "payloads");
		bk_record_release(&rec);
		bk_store_close(s);
	}
	json_decref(end);
}

/* Each must fail with its status and list nothing. */
static void
test_refused(void)
{
	static const char other[] =
	    "0000000000000000000000000000000000000000000000000000000000000000";
	struct bk_store *s = hooked_open("refused");
	struct bk_fault f;
	struct bk_record rec;
	json_t *end = good_end(), *bad;

	bad = end_of(other, (long long)strlen(DATA));
	ok(commit(s, bad, 0, &rec, &f) == -1 && f.status == BK_DATA,
	    "another SHA-256: %s", f.text);
	json_decref(bad);
	bad = end_of(other, 1);
	ok(commit(s, bad, 0, &rec, &f) == -1 && f.status == BK_DATA,
	    "another count: %s", f.text);
	json_decref(bad);
	bad = quoted("{'end':'ok','stages':[]}");
	ok(commit(s, bad, 0, &rec, &f) == -1 && f.status == BK_DATA,
	    "no stages: %s", f.text);
	json_decref(bad);
	ok(commit(s, end, INT64_C(6) * 24 * 3600 * 1000 + 1, &rec, &f) == -1 &&
	    f.status == BK_DATA, "later than 6 days: %s", f.text);
	ok_int(hooked_count(s, ""), 0, "the store is empty");
	ok(commit(s, end, INT64_C(6) * 24 * 3600 * 1000, &rec, &f) == 0,
	    "6 days are not too late");
	bk_record_release(&rec);

	hooks.fail_put = "app/";
	ok(commit(s, end, 0, &rec, &f) == -1 && f.status == BK_UNAVAILABLE,
	    "the payload's put fails: %s", f.text);
	ok_int(hooked_count(s, ".bk/manifest/"), 1, "nothing more is listed");
	json_decref(end);
	bk_store_close(s);
}

/* An increment wants its parent, before and after it is listed. */
static void
test_parent(void)
{
	struct bk_store *s = hooked_open("parent");
	struct bk_buf key = BK_BUF_INIT(1024);
	struct bk_list_req req = BK_LIST_REQ_INIT;
	struct bk_list list = BK_LIST_INIT;
	struct bk_record rec, child;
	struct bk_fault f;
	json_t *end = good_end();

	parent = "01J00000000000000000000000";
	ok(commit(s, end, 0, &rec, &f) == -1 && f.status == BK_DATA,
	    "no such parent: %s", f.text);
	ok_int(hooked_count(s, ""), 0, "the store is empty");
	parent = NULL;
	ok(commit(s, end, 0, &rec, &f) == 0, "the parent");
	parent = rec.id;
	ok(commit(s, end, 0, &child, &f) == 0, "its child: %s", f.text);
	ok_text(child.parent, rec.id, "the record names the parent");
	bk_record_release(&child);

	(void)bk_manifest_key(&key, rec.name, rec.id, &f);
	hooks.lose = bk_buf_text(&key);
	hooks.on_put = ".bk/manifest/";
	ok(commit(s, end, 0, &child, &f) == BK_COMMIT_ORPHAN &&
	    f.status == BK_DATA, "it went: %s", f.text);
	ok(child.json == NULL, "and there is no record");
	hooks.on_put = NULL;
	f = (struct bk_fault)BK_FAULT_INIT;
	ok(bk_list_read(&ctx, s, &req, &list, &f) == 0 && list.len == 2,
	    "the child is listed");
	ok(bk_json_get_text(list.rec[1].json, "suspect") != NULL &&
	    strstr(bk_json_get_text(list.rec[1].json, "suspect"), rec.id) != NULL,
	    "and suspect, and says why");
	ok(bk_json_get_text(list.rec[0].json, "suspect") == NULL,
	    "and only this");
	parent = NULL;
	bk_list_release(&list);
	bk_record_release(&rec);
	bk_buf_release(&key);
	json_decref(end);
	bk_store_close(s);
}

/* So it is with the log that a base backup requires. */
static void
test_requires(void)
{
	static const char log[] = "app/wal/7/00000001/000000010000000000000002-";
	struct bk_store *s = hooked_open("requires");
	struct bk_list_req req = BK_LIST_REQ_INIT;
	struct bk_list list = BK_LIST_INIT;
	struct bk_buf key = BK_BUF_INIT(1024);
	struct bk_record rec;
	struct bk_fault f;
	json_t *end = good_end();

	(void)json_object_set_new(end, "requires", json_pack("[s]", log));
	ok(commit(s, end, 0, &rec, &f) == -1 && f.status == BK_DATA &&
	    strstr(f.text, log) != NULL, "no such log: %s", f.text);
	ok_int(hooked_count(s, ""), 0, "the store is empty");
	(void)bk_buf_addf(&key, &f, "%s0123456789abcdef.gz", log);
	hooked_put(s, key.p, "x");
	ok(commit(s, end, 0, &rec, &f) == 0, "it is there: %s", f.text);
	ok(json_equal(json_object_get(rec.json, "requires"),
	    json_object_get(end, "requires")), "the record says so");
	bk_record_release(&rec);

	hooks.lose = key.p;
	hooks.on_put = ".bk/manifest/";
	ok(commit(s, end, 0, &rec, &f) == BK_COMMIT_ORPHAN &&
	    f.status == BK_DATA, "it went: %s", f.text);
	hooks.on_put = NULL;
	f = (struct bk_fault)BK_FAULT_INIT;
	ok(bk_list_read(&ctx, s, &req, &list, &f) == 0 && list.len == 2 &&
	    strstr(bk_json_get_text(list.rec[1].json, "suspect"), log) != NULL,
	    "listed, suspect, and says why");
	bk_list_release(&list);
	bk_buf_release(&key);
	json_decref(end);
	bk_store_close(s);
}

static void
test_ambiguous(void)
{
	struct bk_store *s = hooked_open("ambiguous");
	struct bk_fault f;
	struct bk_record rec;
	json_t *end = good_end();

	hooks.fail_put = ".bk/manifest/";
	ok(commit(s, end, 0, &rec, &f) == -1 && f.status == BK_UNAVAILABLE,
	    "the manifest was not written: %s", f.text);
	ok_int(hooked_count(s, ".bk/manifest/"), 0, "nothing is listed");
	ok_int(hooked_count(s, "app/"), 1, "its payload stays, as debris");

	hooks.after = true;
	ok(commit(s, end, 0, &rec, &f) == 0,
	    "it was written, only the reply was lost: %s", f.text);
	ok(rec.id != NULL && hooked_count(s, ".bk/manifest/") == 1, "listed once");
	bk_record_release(&rec);

	hooks.blind = true;
	ok(commit(s, end, 0, &rec, &f) == -1,
	    "where nobody can look it is never assumed");
	json_decref(end);
	bk_store_close(s);
}

static void
test_clock(void)
{
	struct bk_store *s = hooked_open("clock");
	struct bk_fault f;
	struct bk_commit_plan plan;
	struct bk_record rec;
	json_t *end = good_end(), *h = header();
	char text[BK_TIME_LEN];

	hooks.clock_known = true;
	hooks.clock_offset = 4 * 60 * 1000;
	warned = 0;
	ok(commit(s, end, 0, &rec, &f) == 0 && warned == 0, "4 minutes: no word");
	ok_text(bk_json_get_text(rec.json, "time"), T, "time as it came");
	bk_record_release(&rec);

	hooks.clock_offset = -2 * 3600 * 1000;
	ok(commit(s, end, 0, &rec, &f) == 0 && warned == 1, "2 hours: a warning");
	ok_text(bk_json_get_text(rec.json, "time"), "2026-11-21T08:00:00Z",
	    "time corrected");
	ok(bk_ulid_time(rec.id) == fake_now - 2 * 3600 * 1000, "id corrected");
	ok_text(bk_json_get_text(rec.json, "finished"),
	    bk_time_text(fake_now - 2 * 3600 * 1000, text), "finished corrected");
	ok_int(bk_json_get_int(json_object_get(rec.json, "info"),
	    "clock-offset"), -7200, "and noted, in seconds");
	bk_record_release(&rec);

	ok(bk_commit_plan(&ctx, s, h, true, &plan, &f) == 0, "exact");
	ok_text(bk_time_text(plan.time, text), T, "a time the user gave stays");
	json_decref(h);
	json_decref(end);
	bk_store_close(s);
}

static int
to_buf(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	return bk_buf_add(arg, p, n, f);
}

static void
test_fetch(void)
{
	struct bk_store *s = hooked_open("fetch");
	struct bk_buf b = BK_BUF_INIT(8 << 20);
	struct bk_fault f;
	struct bk_record rec;
	json_t *end = good_end(), *o;
	char *big;
	size_t n = (3 << 20) + 5;

	ok(commit(s, end, 0, &rec, &f) == 0, "put");
	ok(bk_fetch(s, &rec, to_buf, &b, &f) == 0, "fetched: %s", f.text);
	ok_text(bk_buf_text(&b), DATA, "what was put");
	o = bk_fetch_header(&rec, &f);
	ok(o != NULL && json_object_get(o, "sha256") == NULL &&
	    json_object_get(o, "id") == NULL, "a header has no commit's members");
	ok_text(bk_json_get_text(o, "bk"), "stream/1", "but its version");
	ok(json_object_get(o, "extra") != NULL, "and unknown ones");
	json_decref(o);
	o = bk_fetch_end(&rec, &f);
	ok(json_equal(json_object_get(o, "stages"),
	    json_object_get(end, "stages")), "the end line's stages");
	json_decref(o);

	bk_buf_reset(&b);
	hooked_put(s, rec.key, "the quick brown fux");
	ok(bk_fetch(s, &rec, to_buf, &b, &f) == -1 && f.status == BK_DATA &&
	    b.len == 0, "a changed byte: nothing let out: %s", f.text);
	f = (struct bk_fault)BK_FAULT_INIT;
	hooked_put(s, rec.key, "the quick brown fo");
	ok(bk_fetch(s, &rec, to_buf, &b, &f) == -1 && f.status == BK_DATA,
	    "a byte less: %s", f.text);
	f = (struct bk_fault)BK_FAULT_INIT;
	(void)bk_store_remove(s, &rec.key, 1, &f);
	ok(bk_fetch(s, &rec, to_buf, &b, &f) == -1 && f.status == BK_NOINPUT,
	    "gone: %s", f.text);

	f = (struct bk_fault)BK_FAULT_INIT;
	big = calloc(n, 1);
	ok(bk_store_put_small(s, rec.key, big, n, 0, &f) == 0, "3 MiB of zeros");
	rec.bytes = n;
	ok(bk_fetch(s, &rec, to_buf, &b, &f) == -1 && f.status == BK_DATA,
	    "with another SHA-256: %s", f.text);
	ok_int(b.len, n - (1 << 20), "the last MiB is held back");
	free(big);
	bk_buf_release(&b);
	bk_record_release(&rec);
	json_decref(end);
	bk_store_close(s);
}

static void
test_note(void)
{
	struct bk_store *s = hooked_open("note");
	struct bk_list_req req = BK_LIST_REQ_INIT;
	struct bk_list l = BK_LIST_INIT;
	struct bk_fault f;
	struct bk_record rec, none;
	json_t *end = good_end(), *first = quoted("{'set':{'a':'1'},'hold':'x'}"),
	    *second = quoted("{'set':{'a':'2'},'unset':['tier']}");

	ok(commit(s, end, 0, &rec, &f) == 0, "put");
	ok(bk_note_write(&ctx, s, &rec, first, &f) == 0 &&
	    bk_note_write(&ctx, s, &rec, second, &f) == 0, "two notes: %s",
	    f.text);
	ok_int(hooked_count(s, ".bk/manifest/"), 3, "are two objects more");
	ok(bk_list_read(&ctx, s, &req, &l, &f) == 0 && l.len == 1, "listed");
	ok(json_equal(l.rec[0].json, rec.json), "as the writer merged it");
	ok_text(bk_json_get_text(json_object_get(l.rec[0].json, "tags"), "a"),
	    "2", "in the order in which they were written");
	bk_list_release(&l);

	none = sample_rec("app", 5, T, 1, NULL);
	ok(bk_note_write(&ctx, s, &none, first, &f) == -1 &&
	    f.status == BK_NOINPUT, "no note on nothing: %s", f.text);
	ok_int(hooked_count(s, ".bk/manifest/"), 3, "and none was written");
	bk_record_release(&none);
	bk_record_release(&rec);
	json_decref(second);
	json_decref(first);
	json_decref(end);
	bk_store_close(s);
}

static void
test_fan(void)
{
	const char *const twice[] = { "file:///a", "file:///a" };
	const char *const bad[] = { "file:///a", "s3:" };
	struct bk_fault f = BK_FAULT_INIT;
	const char *urls[2];
	char a[300], b[300];
	struct bk_fan *fan;
	json_t *h = header();

	ok(bk_fan_new(&ctx, twice, 2, NULL, &f) == NULL && f.status == BK_USAGE,
	    "one store twice: %s", f.text);
	f = (struct bk_fault)BK_FAULT_INIT;
	fan = bk_fan_new(&ctx, bad, 2, NULL, &f);
	ok(fan == NULL || bk_fan_begin(fan, h, false, 0, &f) == -1,
	    "a bad URL: %s", f.text);
	ok_int(f.status, BK_USAGE, "is usage");
	bk_fan_free(fan);

	f = (struct bk_fault)BK_FAULT_INIT;
	bk_store_close(hooked_open("fan"));
	(void)snprintf(a, sizeof(a), "file://%s/fan", tap_dir());
	(void)snprintf(b, sizeof(b), "file://%s/fan/", tap_dir());
	urls[0] = a;
	urls[1] = b;
	fan = bk_fan_new(&ctx, urls, 2, NULL, &f);
	ok(fan != NULL && bk_fan_begin(fan, h, false, 0, &f) == -1 &&
	    f.status == BK_USAGE, "one store in two spellings: %s", f.text);
	bk_fan_free(fan);

	f = (struct bk_fault)BK_FAULT_INIT;
	(void)snprintf(b, sizeof(b), "file://%s/none", tap_dir());
	fan = bk_fan_new(&ctx, urls, 2, NULL, &f);
	ok(fan != NULL && bk_fan_begin(fan, h, false, 0, &f) == 0,
	    "one of two stores is enough to go on: %s", f.text);
	ok(bk_fan_write(fan, "x", 1, &f) == 0 && !bk_faulty(&f), "write");
	bk_fan_free(fan);
	json_decref(h);
}

int
main(void)
{
	struct bk_fault f = BK_FAULT_INIT;

	ctx = tap_ctx;
	ctx.now = now;
	ctx.log = note_log;
	(void)bk_time_parse("2026-11-21T10:00:05Z", &fake_now, &f);
	test_good();
	test_guard();
	test_refused();
	test_parent();
	test_requires();
	test_ambiguous();
	test_clock();
	test_fetch();
	test_note();
	test_fan();
	return done();
}
