/*
 * bk-copy: copy backups from one store to another, with the same id, manifest
 * and notes.  What the target has already is left as it is and told like a
 * copy, so that the command can be repeated until it says 0.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "copy.h"
#include "list.h"
#include "names.h"
#include "prog.h"
#include "record.h"
#include "when.h"

#define IDS 256

enum { ID = 256, NAME, LATEST, SINCE, CREATE, NO_END };

static const struct bk_opt opts[] = {
	{ ID, "id", "ID", "the backup with this id; may be repeated", BK_OPT_MANY },
	{ NAME, "name", "NAME", "backups with this name", 0 },
	{ 'q', "query", "QUERY", "backups that match, such as {tier=\"app\"}", 0 },
	{ SINCE, "since", "TIME", "not older than TIME, such as -7d", 0 },
	{ LATEST, "latest", NULL, "the newest good one of each name", 0 },
	{ CREATE, "create", NULL, "make the target's directory or bucket", 0 },
	{ NO_END, "no-end", NULL, "accept a list without its end line", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-copy",
	"{FROM | -} TO [OPTION]...", "copy backups between stores", opts };

struct want {
	const char *from, *to;
	const char *ids[IDS];
	size_t nids;
	struct bk_list_req req;
	struct bk_query *query;
	bool create, no_end;
};

/* The stores in use; that of the records may change from one to the next. */
struct stores {
	struct bk_store *from, *to;
	char *open;			/* the URL that ${from} was opened by */
};

static void
option(struct want *w, int key, const char *arg)
{
	struct bk_fault f = BK_FAULT_INIT;

	switch (key) {
	case ID:
		if (!bk_ulid_ok(arg))
			bk_usage("--id '%s' is no id", arg);
		if (w->nids == IDS)
			bk_usage("more than %d --id", IDS);
		w->ids[w->nids++] = arg;
		break;
	case NAME:
		if (!bk_name_ok(arg))
			bk_usage("--name '%s' is no name", arg);
		w->req.name = arg;
		break;
	case 'q':
		w->req.query = w->query = bk_query_parse(arg, &f);
		break;
	case SINCE:
		(void)bk_time_parse_rel(arg, bk_ctx->now(), &w->req.since, &f);
		break;
	case LATEST: w->req.latest = true; break;
	case CREATE: w->create = true; break;
	case NO_END: w->no_end = true; break;
	default: break;
	}
	if (bk_faulty(&f))
		bk_usage_fault(&f);
}

static void
parse(struct want *w)
{
	const struct bk_list_req all = BK_LIST_REQ_INIT;
	const char *arg;
	char **words;
	int key;

	w->req = all;
	while ((key = bk_opt_next(&arg)) != -1)
		option(w, key, arg);
	if (bk_operands(&words) != 2)
		bk_usage("want two stores: from, or '-' for records on standard input, and to");
	w->from = words[0];
	w->to = words[1];
	if (strcmp(w->from, "-") == 0 && (w->nids > 0 || w->req.name != NULL ||
	    w->query != NULL || w->req.latest || w->req.since != INT64_MIN))
		bk_usage("with '-' the list on standard input says which");
	if (w->nids > 0 && (w->req.name != NULL || w->query != NULL ||
	    w->req.latest || w->req.since != INT64_MIN))
		bk_usage("--id goes alone");
	if (strcmp(w->from, w->to) == 0)
		bk_usage("both stores are '%s'", w->to);
}

static int
use_from(struct stores *st, const char *url, struct bk_fault *f)
{
	const struct bk_store_opts ro = { .read_only = true };

	if (st->from != NULL && strcmp(st->open, url) == 0)
		return 0;
	bk_store_close(st->from);
	free(st->open);
	st->from = NULL;
	if ((st->open = strdup(url)) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	if ((st->from = bk_store_open(bk_ctx, url, &ro, f)) == NULL)
		return -1;
	if (strcmp(st->from->url, st->to->url) == 0)
		return bk_fault_set(f, BK_USAGE, "both stores are '%s'", st->to->url);
	return 0;
}

static int
copy_one(struct stores *st, struct bk_record *rec, struct bk_records_out *out,
    struct bk_fault *f)
{
	int rc;

	if (bk_record_current(rec, f) == -1)
		return -1;
	rc = bk_copy(bk_ctx, st->from, st->to, rec, bk_progress, f);
	if (rc == -1) {
		bk_fault_context(f, "backup %s", rec->id);
		return -1;
	}
	bk_say(BK_LOG_INFO, rc == BK_COPY_THERE ? "%s is there already" :
	    "copied %s", rec->id);
	if (bk_record_set_store(rec, st->to->url, f) == -1)
		return -1;
	return bk_records_put(out, rec, f);
}

/* Records of a list on standard input. */
static int
copy_listed(struct stores *st, const struct want *w,
    struct bk_records_out *out, struct bk_fault *f)
{
	struct bk_rbuf *r = bk_rbuf_new(STDIN_FILENO, "standard input", f);
	struct bk_records_in *in = NULL;
	struct bk_record rec = BK_RECORD_INIT;
	int rc = -1;

	if (r == NULL || (in = bk_records_reader(r,
	    w->no_end ? BK_RECORDS_NO_END : 0, f)) == NULL)
		goto out;
	while ((rc = bk_records_next(in, &rec, f)) == BK_MORE) {
		if (rec.version == 1 && rec.store == NULL)
			rc = bk_fault_set(f, BK_USAGE, "record %s names no store",
			    rec.id);
		else if (rec.version == 1)
			rc = use_from(st, rec.store, f);
		if (rc != -1)
			rc = copy_one(st, &rec, out, f);
		bk_record_release(&rec);
		if (rc == -1)
			break;
	}
out:
	bk_records_in_free(in);
	bk_rbuf_free(r);
	return rc;
}

/* What ${req} selects in the store that is open; */
static int
copy_selected(struct stores *st, const struct bk_list_req *req,
    struct bk_records_out *out, uint64_t *unreadable, struct bk_fault *f)
{
	struct bk_list l = BK_LIST_INIT;
	size_t i;
	int rc = bk_list_read(bk_ctx, st->from, req, &l, f);

	if (rc == 0 && l.len == 0 && l.unreadable == 0)
		rc = bk_list_none(st->from, req, BK_NOINPUT, f);
	for (i = 0; i < l.len && rc == 0; i++)
		rc = copy_one(st, &l.rec[i], out, f);
	*unreadable += l.unreadable;
	bk_list_release(&l);
	return rc;
}

static int
copy_all(struct stores *st, struct want *w, struct bk_records_out *out,
    uint64_t *unreadable, struct bk_fault *f)
{
	const struct bk_store_opts to = { .create = w->create };
	size_t i;

	if ((st->to = bk_store_open(bk_ctx, w->to, &to, f)) == NULL)
		return -1;
	if (strcmp(w->from, "-") == 0)
		return copy_listed(st, w, out, f);
	if (use_from(st, w->from, f) == -1)
		return -1;
	if (w->nids == 0)
		return copy_selected(st, &w->req, out, unreadable, f);
	for (i = 0; i < w->nids; i++) {
		w->req.id = w->ids[i];
		if (copy_selected(st, &w->req, out, unreadable, f) == -1)
			return -1;
	}
	return 0;
}

int
main(int argc, char *argv[])
{
	struct bk_fault f = BK_FAULT_INIT;
	static struct want w;
	struct stores st = { NULL, NULL, NULL };
	struct bk_records_out *out;
	uint64_t unreadable = 0;

	bk_usage_tells(bk_tell_records);
	bk_init(&prog, argc, argv);
	parse(&w);
	if ((out = bk_records_writer(STDOUT_FILENO, &f)) != NULL) {
		(void)copy_all(&st, &w, out, &unreadable, &f);
		if (!bk_faulty(&f) && unreadable > 0)
			(void)bk_fault_set(&f, BK_NO,
			    "%llu manifests could not be read and were not copied",
			    (unsigned long long)unreadable);
		(void)bk_records_end(out, &f, unreadable, &f);
	}
	bk_records_out_free(out);
	bk_store_close(st.from);
	bk_store_close(st.to);
	bk_query_free(w.query);
	free(st.open);
	return bk_exit(&f);
}
