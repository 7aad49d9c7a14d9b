/* Records, their lists, notes merged into them, tags. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "note.h"
#include "record.h"
#include "samples.h"
#include "tags.h"
#include "tap.h"

#define T "2026-11-21T10:00:00Z"
#define N(a) (sizeof(a) / sizeof((a)[0]))

static void
test_good(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_record r = sample_rec("app", 1, T, 317, "{'tier':'x'}");

	ok_text(r.id, sample_id(1), "id");
	ok_text(r.name, "app", "name");
	ok_int(r.bytes, 317, "bytes");
	ok_int(r.time, 1795255200000, "time");
	ok_int(r.version, 1, "version");
	ok(r.parent == NULL && r.store == NULL, "no parent, no store");
	ok(bk_record_current(&r, &f) == 0, "it can be acted on");
	ok(bk_record_set_store(&r, "file:///x", &f) == 0, "a store is set");
	ok_text(r.store, "file:///x", "store");
	bk_record_release(&r);
}

/* A member set to a value (NULL: removed) must be refused by its name. */
static void
test_bad(void)
{
	static const struct {
		const char *member, *value;
	} bad[] = {
		{ "bk", NULL }, { "bk", "'backup/0'" }, { "bk", "'backup/01'" },
		{ "bk", "'backup/1x'" }, { "bk", "1" }, { "bk", "'stream/1'" },
		{ "id", NULL }, { "id", "'01'" }, { "id", "7" },
		{ "id", "'01KDVGK7000000000000000001x'" },
		{ "name", "'../x'" }, { "name", "''" }, { "name", "null" },
		{ "engine", "'Fake'" }, { "ext", "'a.b'" },
		{ "time", "'yesterday'" }, { "time", "'2026-11-21T10:00:00'" },
		{ "finished", NULL }, { "key", NULL }, { "key", "'../../etc/x'" },
		{ "key", "'app/other'" }, { "key", "'/etc/passwd'" },
		{ "bytes", "-1" }, { "bytes", "'1'" }, { "bytes", "1.5" },
		{ "sha256", "'00'" }, { "sha256", "null" },
		{ "filters", "{}" }, { "filters", NULL },
		{ "filters", "[{'filter':'gzip'}]" },
		{ "filters", "[{'filter':'../x'}]" }, { "filters", "[1]" },
		{ "stages", "[1]" }, { "stages", "[{'stage':'x','bytes':-1}]" },
		{ "stages", "[{'stage':'x','bytes':1,'sha256':'zz'}]" },
		{ "tags", "[]" }, { "tags", "{'a-b':'x'}" },
		{ "tags", "{'name':'x'}" }, { "tags", "{'a':1}" },
		{ "parent", "'x'" }, { "host", "1" }, { "info", "[]" },
		{ "source", "'x'" },
	};
	struct bk_fault f;
	struct bk_record r;
	json_t *o;
	size_t i;

	for (i = 0; i < N(bad); i++) {
		f = (struct bk_fault)BK_FAULT_INIT;
		o = sample("app", 1, T, 1, NULL);
		if (bad[i].value == NULL)
			json_object_del(o, bad[i].member);
		else
			json_object_set_new(o, bad[i].member,
			    quoted(bad[i].value));
		ok(bk_record_from(o, &r, &f) == -1 && f.status == BK_DATA &&
		    r.json == NULL, "%s %s is refused: %s", bad[i].member,
		    bad[i].value != NULL ? bad[i].value : "missing", f.text);
	}
}

static void
test_unknown(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_record r;
	json_t *o = sample("app", 1, T, 1, NULL);

	json_object_set_new(o, "command", json_string("rm -rf /"));
	ok(bk_record_from(o, &r, &f) == 0, "an unknown member passes");
	ok_text(bk_json_get_text(r.json, "command"), "rm -rf /",
	    "and stays as it is");
	bk_record_release(&r);

	o = quoted("{'bk':'backup/2','id':'01KDVGK7000000000000000001',"
	    "'name':'app','time':'" T "','bytes':'many'}");
	ok(bk_record_from(o, &r, &f) == 0, "a later version is read");
	ok_int(r.version, 2, "version");
	ok_text(r.name, "app", "its name");
	ok(bk_record_current(&r, &f) == -1 && f.status == BK_DATA,
	    "and cannot be acted on: %s", f.text);
	bk_record_release(&r);

	f = (struct bk_fault)BK_FAULT_INIT;
	ok(bk_record_from(quoted("{'bk':'backup/3'}"), &r, &f) == 0 &&
	    r.id == NULL && r.version == 3, "nothing else of it has to be there");
	bk_record_release(&r);
}

static void
test_key(void)
{
	static const struct {
		const char *filters, *want;
	} keys[] = {
		{ "[]", "a/a-20261121T100000Z-01KDVGK7000000000000000001.e.dump" },
		{ "[{'filter':'gzip'}]",
		    "a/a-20261121T100000Z-01KDVGK7000000000000000001.e.dump.gz" },
		{ "[{'filter':'zstd'},{'filter':'pipe','ext':'xz'},{'filter':'age'}]",
		    "a/a-20261121T100000Z-01KDVGK7000000000000000001.e.dump.zst.xz.age" },
		{ "[{'filter':'pipe','ext':'.xz'}]", NULL },
		{ "[{'filter':'pipe','ext':'../x'}]", NULL },
		{ "[{'ext':'xz'}]", NULL },
		{ "[1]", NULL },
	};
	struct bk_buf b = BK_BUF_INIT(4096);
	struct bk_fault f;
	json_t *filters;
	size_t i;
	int rc;

	for (i = 0; i < N(keys); i++) {
		f = (struct bk_fault)BK_FAULT_INIT;
		bk_buf_reset(&b);
		filters = quoted(keys[i].filters);
		rc = bk_record_key(&b, "a", 1795255200999, sample_id(1), "e",
		    "dump", filters, &f);
		ok_int(rc, keys[i].want != NULL ? 0 : -1, keys[i].filters);
		if (keys[i].want != NULL)
			ok_text(bk_buf_text(&b), keys[i].want, "key");
		json_decref(filters);
	}
	f = (struct bk_fault)BK_FAULT_INIT;
	ok(bk_manifest_key(&b, "..", sample_id(1), &f) == -1,
	    "no manifest outside");
	bk_buf_release(&b);
}

/* A reader on ${text}, whose lines are given as they are. */
static struct bk_rbuf *
reader(const char *text)
{
	struct bk_fault f = BK_FAULT_INIT;
	static char path[256];
	static int fd = -1;

	if (fd != -1)
		close(fd);
	(void)snprintf(path, sizeof(path), "%s/list", tap_dir());
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	(void)bk_write_all(fd, text, strlen(text), path, &f);
	(void)lseek(fd, 0, SEEK_SET);
	return bk_rbuf_new(fd, "list", &f);
}

/* Read all of ${text}: how many records came, and how it ended. */
static int
read_all(const char *text, unsigned int flags, int *rc, struct bk_fault *f)
{
	struct bk_record rec = BK_RECORD_INIT;
	struct bk_rbuf *r = reader(text);
	struct bk_records_in *in;
	int n = 0;

	*f = (struct bk_fault)BK_FAULT_INIT;
	in = bk_records_reader(r, flags, f);
	while ((*rc = bk_records_next(in, &rec, f)) == BK_MORE)
		n++;
	bk_record_release(&rec);
	bk_records_in_free(in);
	bk_rbuf_free(r);
	return n;
}

static void
test_lists(void)
{
#define END "{\"end\":\"ok\",\"records\":"
	static const struct {
		const char *what;
		int records;		/* lines before the tail */
		const char *tail;
		unsigned int flags;
		int n, status;
		bool upstream;
	} lists[] = {
		{ "whole", 2, END "2}\n", 0, 2, 0, false },
		{ "empty but good", 0, END "0}\n", 0, 0, BK_NOINPUT, false },
		{ "nothing", 0, "", 0, 0, BK_DATA, false },
		{ "cut after a record", 2, "", 0, 2, BK_DATA, false },
		{ "cut in a record", 1, "{\"bk\":\"back", 0, 1, BK_DATA, false },
		{ "cut in the end line", 1, END "1}", 0, 1, BK_DATA, false },
		{ "wrong count", 2, END "3}\n", 0, 2, BK_DATA, false },
		{ "no count", 1, "{\"end\":\"ok\"}\n", 0, 1, BK_DATA, false },
		{ "failed", 1, "{\"end\":\"failed\",\"status\":69,\"records\":1}\n",
		    0, 1, 69, true },
		{ "failed, odd status", 0,
		    "{\"end\":\"failed\",\"status\":900,\"records\":0}\n", 0, 0,
		    BK_DATA, true },
		{ "unreadable ones", 1,
		    END "1,\"unreadable\":2}\n", 0, 1, BK_NO, true },
		{ "behind the end", 1, END "1}\n" END "1}\n", 0, 1, BK_DATA, false },
		{ "unknown end", 0, "{\"end\":\"well\",\"records\":0}\n", 0, 0,
		    BK_DATA, false },
		{ "no record", 0, "{}\n" END "1}\n", 0, 0, BK_DATA, false },
		{ "no JSON", 0, "hello\n", 0, 0, BK_DATA, false },
		{ "by hand", 2, "", BK_RECORDS_NO_END, 2, 0, false },
		{ "by hand, nothing", 0, "", BK_RECORDS_NO_END, 0, BK_NOINPUT,
		    false },
		{ "one", 1, "", BK_RECORDS_ONE, 1, 0, false },
		{ "one with its end", 1, END "1}\n", BK_RECORDS_ONE, 1, 0, false },
		{ "one, none came", 0, "", BK_RECORDS_ONE, 0, BK_NOINPUT, false },
		{ "one, empty list", 0, END "0}\n", BK_RECORDS_ONE, 0, BK_NOINPUT,
		    false },
		{ "one, two came", 2, END "2}\n", BK_RECORDS_ONE, 0, BK_USAGE,
		    false },
		{ "one, then rubbish", 1, "x\n", BK_RECORDS_ONE, 0, BK_DATA,
		    false },
		{ "one of a failed list", 1,
		    "{\"end\":\"failed\",\"status\":77,\"records\":1}\n",
		    BK_RECORDS_ONE, 1, 77, true },
	};
	struct bk_fault f;
	char text[16384], *line;
	json_t *o = sample("app", 1, T, 1, NULL);
	size_t i;
	int k, n, rc;

	line = json_dumps(o, JSON_COMPACT);
	for (i = 0; i < N(lists); i++) {
		text[0] = '\0';
		for (k = 0; k < lists[i].records; k++)
			(void)snprintf(text + strlen(text), sizeof(text) -
			    strlen(text), "%s\n", line);
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text),
		    "%s", lists[i].tail);
		n = read_all(text, lists[i].flags, &rc, &f);
		ok(n == lists[i].n && f.status == lists[i].status &&
		    rc == (lists[i].status == 0 ? BK_END : -1) &&
		    f.upstream == lists[i].upstream,
		    "list: %s: %d records, status %d: %s", lists[i].what, n,
		    f.status, f.text);
	}
	free(line);
	json_decref(o);
}

static void
test_writer(void)
{
	struct bk_fault f = BK_FAULT_INIT, why = { .status = 65 };
	struct bk_record r = sample_rec("app", 1, T, 1, NULL);
	struct bk_records_out *out;
	char path[256], text[4096];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/out", tap_dir());
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	out = bk_records_writer(fd, &f);
	ok(bk_records_put(out, &r, &f) == 0, "put");
	ok(bk_records_end(out, NULL, 0, &f) == 0, "end");
	ok(bk_records_end(out, &why, 3, &f) == 0, "failed end");
	n = pread(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	ok_text(strchr(text, '\n') + 1, "{\"end\":\"ok\",\"records\":1}\n"
	    "{\"end\":\"failed\",\"status\":65,\"records\":1,\"unreadable\":3}\n",
	    "end lines");
	close(fd);
	bk_records_out_free(out);

	fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	out = bk_records_writer(fd, &f);
	ok(bk_records_put(out, &r, &f) == -1 && f.status == BK_IO,
	    "a full device is told: %s", f.text);
	close(fd);
	bk_records_out_free(out);
	bk_record_release(&r);
}

static int
merge(struct bk_record *r, const char *note, struct bk_fault *f)
{
	json_t *o = quoted(note);
	int rc;

	*f = (struct bk_fault)BK_FAULT_INIT;
	rc = bk_note_merge(r, o, f);
	json_decref(o);
	return rc;
}

static void
test_notes(void)
{
#define NOTE "{'bk':'note/1','id':'01KDVGK7000000000000000001',"
	struct bk_fault f;
	struct bk_record r = sample_rec("app", 1, T, 1, "{'a':'1','b':'2'}");
	json_t *tags;

	ok(merge(&r, NOTE "'set':{'c':'3','a':'9'},'unset':['b'],"
	    "'evil':'x'}", &f) == 0, "tags change");
	tags = json_object_get(r.json, "tags");
	ok_text(bk_json_get_text(tags, "a"), "9", "set again");
	ok_text(bk_json_get_text(tags, "b"), NULL, "taken away");
	ok_text(bk_json_get_text(tags, "c"), "3", "added");
	ok(json_object_get(r.json, "evil") == NULL, "unknown members stay out");

	ok(merge(&r, NOTE "'hold':'audit','suspect':'small'}", &f) == 0, "marks");
	ok_text(bk_json_get_text(r.json, "hold"), "audit", "hold");
	ok_text(bk_json_get_text(r.json, "suspect"), "small", "suspect");
	ok(merge(&r, NOTE "'hold':null,'good':true}", &f) == 0, "and back");
	ok_text(bk_json_get_text(r.json, "hold"), NULL, "released");
	ok_text(bk_json_get_text(r.json, "suspect"), NULL, "accepted");
	ok(json_is_true(json_object_get(r.json, "good")), "good");
	ok(merge(&r, NOTE "'suspect':'again'}", &f) == 0 &&
	    json_object_get(r.json, "good") == NULL, "the last counts");

	ok(merge(&r, "{'bk':'note/1','id':'01KDVGK7000000000000000002'}",
	    &f) == -1, "of another backup: %s", f.text);
	ok(merge(&r, "{'bk':'note/2','id':'01KDVGK7000000000000000001'}",
	    &f) == -1, "of a later version: %s", f.text);
	ok(merge(&r, NOTE "'set':{'a-b':'x'}}", &f) == -1, "bad tag: %s", f.text);
	ok(merge(&r, NOTE "'unset':1}", &f) == -1, "bad unset: %s", f.text);
	ok(merge(&r, NOTE "'hold':1}", &f) == -1, "bad hold: %s", f.text);
	bk_record_release(&r);
}

static void
test_tags(void)
{
	static char tier[] = "BK_TAG_TIER=env", site[] = "BK_TAG_SITE=s1",
	    other[] = "HOME=/", bad[] = "BK_TAG_A-B=x";
	static char *const good_env[] = { tier, site, other, NULL };
	static char *const bad_env[] = { bad, NULL };
	static const char *const wrong[] = { "x", "=x", "a-b=x", "name=x",
		"tier=again", "c=\n",
		"k123456789012345678901234567890123456789012345678901234567890123=x" };
	struct bk_fault f = BK_FAULT_INIT;
	json_t *t = json_object(), *more = quoted("{'tier':'w','z':'w'}");
	size_t i;

	ok(bk_tags_add(t, "tier=a=b", &f) == 0, "a tag");
	ok_text(bk_json_get_text(t, "tier"), "a=b", "its value");
	for (i = 0; i < N(wrong); i++) {
		f = (struct bk_fault)BK_FAULT_INIT;
		ok(bk_tags_add(t, wrong[i], &f) == -1 && f.status == BK_USAGE,
		    "refused: %s", f.text);
	}
	f = (struct bk_fault)BK_FAULT_INIT;
	ok(bk_tags_merge(t, more, &f) == 0 && bk_tags_env(t, good_env, &f) == 0,
	    "weaker ones");
	ok_text(bk_json_get_text(t, "tier"), "a=b", "an option is stronger");
	ok_text(bk_json_get_text(t, "site"), "s1", "from the environment");
	ok_text(bk_json_get_text(t, "z"), "w", "from the header");
	ok(bk_tags_env(t, bad_env, &f) == -1 && f.status == BK_USAGE,
	    "a bad variable: %s", f.text);
	json_decref(more);
	json_decref(t);
}

int
main(void)
{
	test_good();
	test_bad();
	test_unknown();
	test_key();
	test_lists();
	test_writer();
	test_notes();
	test_tags();
	return done();
}
