/*
 * bk-tag: change tags, hold, or accept every record passing from standard
 * input to standard output.  What it changes is a note beside the manifest
 * in the record's own store; the manifest is never touched.  One record is
 * held at a time, order is kept, unknown members pass through.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "names.h"
#include "note.h"
#include "prog.h"
#include "record.h"
#include "store.h"
#include "tags.h"

enum { HOLD = 256, RELEASE, GOOD, STORE, NO_END };

static const struct bk_opt opts[] = {
	{ 't', "tag", "KEY=VALUE", "set this tag", BK_OPT_MANY },
	{ 'T', "untag", "KEY", "take this tag away", BK_OPT_MANY },
	{ HOLD, "hold", "WHY", "never delete it, for this reason", 0 },
	{ RELEASE, "release", NULL, "end the hold", 0 },
	{ GOOD, "good", NULL, "accept it although it is suspect", 0 },
	{ STORE, "store", "URL", "the store of records that name none", 0 },
	{ NO_END, "no-end", NULL, "accept a list without its end line", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-tag",
	"[-t KEY=VALUE]... [-T KEY]... [--hold WHY | --release] [--good]",
	"change tags and holds of the records on standard input", opts };

/* One store is kept open: a list is mostly of one. */
struct tagging {
	json_t *note;			/* what is written for each record */
	const char *url;		/* --store */
	struct bk_store *store;
	char *open;			/* the URL that ${store} was opened by */
};

static int
use_store(struct tagging *t, const char *url, struct bk_fault *f)
{
	if (t->store != NULL && strcmp(t->open, url) == 0)
		return 0;
	bk_store_close(t->store);
	free(t->open);
	t->store = NULL;
	if ((t->open = strdup(url)) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	t->store = bk_store_open(bk_ctx, url, NULL, f);
	return t->store != NULL ? 0 : -1;
}

static int
tag(struct tagging *t, struct bk_record *rec, struct bk_fault *f)
{
	const char *url = t->url != NULL ? t->url : rec->store;

	if (bk_record_current(rec, f) == -1)
		return -1;
	if (url == NULL)
		return bk_fault_set(f, BK_USAGE, "record %s names no store: give "
		    "it with --store", rec->id);
	if (use_store(t, url, f) == -1)
		return -1;
	if (bk_note_write(bk_ctx, t->store, rec, t->note, f) == -1)
		return -1;
	return bk_record_set_store(rec, t->store->url, f);
}

/* BK_END once the list's end line was read, or -1 with ${f} set. */
static int
tag_each(struct tagging *t, struct bk_records_in *in,
    struct bk_records_out *out, struct bk_fault *f)
{
	struct bk_record rec = BK_RECORD_INIT;
	int rc;

	while ((rc = bk_records_next(in, &rec, f)) == BK_MORE)
		if (tag(t, &rec, f) == -1 || bk_records_put(out, &rec, f) == -1) {
			rc = -1;
			break;
		}
	bk_record_release(&rec);
	return rc;
}

static int
unset(json_t *list, const char *key, struct bk_fault *f)
{
	if (bk_tags_key(key, f) == -1)
		return -1;
	return bk_json_push(list, json_string(key), f);
}

static int
hold(json_t *note, const char *why, struct bk_fault *f)
{
	if (*why == '\0' || !bk_tag_value_ok(why))
		return bk_fault_set(f, BK_USAGE, "--hold: want a reason of 1 to "
		    "%d bytes of UTF-8 without control characters",
		    BK_TAG_VALUE_MAX);
	return bk_json_set_text(note, "hold", why, f);
}

/* Make the note of the command line. */
static unsigned int
parse(struct tagging *t, struct bk_fault *f)
{
	json_t *set = json_object(), *gone = json_array();
	unsigned int flags = 0;
	const char *arg;
	size_t i;
	int key;

	t->note = json_object();
	while ((key = bk_opt_next(&arg)) != -1) {
		if (key == 't')
			(void)bk_tags_add(set, arg, f);
		else if (key == 'T')
			(void)unset(gone, arg, f);
		else if (key == STORE)
			t->url = arg;
		else if (key == NO_END)
			flags |= BK_RECORDS_NO_END;
		else if (key == GOOD)
			(void)bk_json_set(t->note, "good", json_true(), f);
		else if (json_object_get(t->note, "hold") != NULL)
			bk_usage("choose one of --hold and --release");
		else if (key == HOLD)
			(void)hold(t->note, arg, f);
		else
			(void)bk_json_set(t->note, "hold", json_null(), f);
		if (bk_faulty(f))
			bk_usage_fault(f);
	}
	for (i = 0; i < json_array_size(gone); i++)
		if (json_object_get(set, json_string_value(json_array_get(gone,
		    i))) != NULL)
			bk_usage("tag '%s' is both set and taken away",
			    json_string_value(json_array_get(gone, i)));
	if (json_object_size(set) > 0)
		(void)bk_json_set(t->note, "set", json_incref(set), f);
	if (json_array_size(gone) > 0)
		(void)bk_json_set(t->note, "unset", json_incref(gone), f);
	json_decref(gone);
	json_decref(set);
	return flags;
}

int
main(int argc, char *argv[])
{
	struct bk_fault f = BK_FAULT_INIT;
	struct tagging t = { 0 };
	struct bk_records_in *in = NULL;
	struct bk_records_out *out = NULL;
	struct bk_rbuf *r = NULL;
	unsigned int flags;
	char **words;

	bk_usage_tells(bk_tell_records);
	bk_init(&prog, argc, argv);
	flags = parse(&t, &f);
	if (bk_operands(&words) != 0)
		bk_usage("want no operand, but '%s' is one: records come on "
		    "standard input", words[0]);
	if (json_object_size(t.note) == 0)
		bk_usage("want -t, -T, --hold, --release or --good");

	if ((r = bk_rbuf_new(STDIN_FILENO, "standard input", &f)) != NULL &&
	    (in = bk_records_reader(r, flags, &f)) != NULL &&
	    (out = bk_records_writer(STDOUT_FILENO, &f)) != NULL) {
		(void)tag_each(&t, in, out, &f);
		(void)bk_records_end(out, &f, 0, &f);
	}

	bk_records_out_free(out);
	bk_records_in_free(in);
	bk_rbuf_free(r);
	bk_store_close(t.store);
	free(t.open);
	json_decref(t.note);
	return bk_exit(&f);
}
