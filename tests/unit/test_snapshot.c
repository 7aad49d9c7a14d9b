/* List snapshots: what they save, and that nothing rests on them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hooked.h"
#include "json.h"
#include "list.h"
#include "samples.h"
#include "snapshot.h"
#include "tap.h"

#define RECORDS 20

static void
manifest_key(char out[256], const char *name, unsigned int n)
{
	(void)snprintf(out, 256, ".bk/manifest/%s/%s.json", name, sample_id(n));
}

static void
put(struct bk_store *s, const char *name, unsigned int n)
{
	json_t *rec = sample(name, n, "2026-11-20T10:00:00Z", n, NULL);
	char key[256], *text = json_dumps(rec, JSON_COMPACT);

	manifest_key(key, name, n);
	hooked_put(s, key, text);
	free(text);
	json_decref(rec);
}

static struct bk_store *
filled(const char *name)
{
	struct bk_store *s = hooked_open(name);
	unsigned int n;

	for (n = 0; n < RECORDS; n++)
		put(s, n % 2 == 0 ? "app" : "app-2", n);
	return s;
}

/* List everything; how many records came, and their gets in hooks.gets. */
static int
list(struct bk_store *s, const char *name, json_t **first)
{
	struct bk_list_req req = BK_LIST_REQ_INIT;
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_list l;
	int n;

	req.name = name;
	hooks.gets = 0;
	if (bk_list_read(&tap_ctx, s, &req, &l, &f) == -1)
		return -1;
	n = (int)l.len;
	if (first != NULL && n > 0)
		*first = json_incref(l.rec[0].json);
	bk_list_release(&l);
	return n;
}

static void
note(struct bk_store *s, const char *name, unsigned int n, const char *ulid,
    const char *what)
{
	char key[256], text[512];

	(void)snprintf(key, sizeof(key), ".bk/manifest/%s/%s.%s.json", name,
	    sample_id(n), ulid);
	(void)snprintf(text, sizeof(text), "{\"bk\":\"note/1\",\"id\":\"%s\",%s}",
	    sample_id(n), what);
	hooked_put(s, key, text);
}

static void
test_fresh(void)
{
	struct bk_store *s = filled("fresh");
	struct bk_fault f = BK_FAULT_INIT;
	json_t *before = NULL, *after = NULL;
	char key[256];

	note(s, "app", 0, "01KDVGK7000000000000000051", "\"hold\":\"x\"");
	ok_int(list(s, NULL, &before), RECORDS, "all");
	ok_int(hooks.gets, RECORDS + 1, "one by one");
	ok(bk_snapshot_write(&tap_ctx, s, &f) == 0, "written: %s", f.text);
	ok_int(list(s, NULL, &after), RECORDS, "all");
	ok_int(hooks.gets, 1, "from the snapshot");
	ok(json_equal(before, after), "the same record, its note merged");
	ok_int(list(s, "app", NULL), RECORDS / 2, "one name");
	ok_int(hooks.gets, 1, "too");

	put(s, "app", 40);
	note(s, "app", 2, "01KDVGK7000000000000000052", "\"hold\":\"y\"");
	ok_int(list(s, NULL, NULL), RECORDS + 1, "one more");
	ok_int(hooks.gets, 1 + 1 + 2, "only what the snapshot lacks is fetched");
	manifest_key(key, "app", 4);
	ok(bk_store_remove(s, (const char *const[]){ key }, 1, &f) == 0, "gone");
	ok_int(list(s, NULL, NULL), RECORDS, "what was deleted is not listed");
	json_decref(before);
	json_decref(after);
	bk_store_close(s);
}

static int
newest(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	(void)f;
	(void)snprintf(arg, 256, "%s", o->key);
	return 0;
}

static void
test_cache(void)
{
	struct bk_store *s = filled("cache");
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_buf b = BK_BUF_INIT(1 << 20);
	char key[256] = "", *text;
	int i;

	for (i = 0; i < 5; i++)
		ok(bk_snapshot_write(&tap_ctx, s, &f) == 0, "written: %s", f.text);
	ok_int(hooked_count(s, BK_SNAPSHOTS), 2, "the newest two are left");
	ok(bk_store_list(s, BK_SNAPSHOTS, "", newest, key, &f) == 0 &&
	    bk_store_get_small(s, key, &b, &f) == 0, "read: %s", f.text);
	/* A record that claims to be another's: the keys do not fit. */
	text = strdup(bk_buf_text(&b));
	for (i = 0; text != NULL && i < (int)b.len; i += 97) {
		text[i] ^= 1;
		hooked_put(s, key, text);
		ok(list(s, NULL, NULL) == RECORDS, "damaged at %d", i);
		text[i] ^= 1;
	}
	if (text != NULL)
		text[b.len / 2] = '\0';
	hooked_put(s, key, text);
	ok_int(list(s, NULL, NULL), RECORDS, "cut");
	hooked_put(s, key, "");
	ok_int(list(s, NULL, NULL), RECORDS, "empty");
	hooked_put(s, key, "{\"bk\":\"list/9\"}\n");
	ok_int(list(s, NULL, NULL), RECORDS, "of a later form");
	hooks.fail_get = BK_SNAPSHOTS;
	ok_int(list(s, NULL, NULL), -1, "a server that does not answer");
	hooks.status = BK_NOPERM;
	ok_int(list(s, NULL, NULL), RECORDS, "not to be read");
	ok(bk_store_remove(s, (const char *const[]){ key }, 1, &f) == 0, "gone");
	ok_int(list(s, NULL, NULL), RECORDS, "nothing is lost");
	free(text);
	bk_buf_release(&b);
	bk_store_close(s);
}

int
main(void)
{
	test_fresh();
	test_cache();
	return done();
}
