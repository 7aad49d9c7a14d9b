/*
 * bk-list: find backups and print their records: JSON lines with an end line
 * for other programs, a table on a terminal.  Finding nothing is an answer
 * (status 1), and names what else there is.
 *
 * Memory: about 7 KiB for each record that matches and 100 bytes for each
 * key below .bk/manifest.
 */
#include <sys/ioctl.h>

#include <string.h>
#include <unistd.h>

#include "list.h"
#include "listcover.h"
#include "names.h"
#include "optargs.h"
#include "prog.h"
#include "query.h"
#include "table.h"
#include "when.h"
#include "zone.h"

#define TABLE_MAX (256 << 20)
#define LINK_DEFAULT "24h"
#define LINK_MAX (7 * 24 * 3600)	/* of S3's signature version 4 */

enum { ID = 256, GROUP, SINCE, UNTIL, AT, LATEST, ORDER, REVERSE, LIMIT, RECURSIVE,
	LINKS, MARKS, CYCLE, TZ, RECOVERABLE, JSON, PLAIN, TABLE, TIMEOUT };

static const struct bk_opt opts[] = {
	{ 'n', "name", "NAME", "backups of exactly this name", 0 },
	{ ID, "id", "ID", "the backup with this id", 0 },
	{ GROUP, "group", "GROUP", "members of the whole runs of GROUP", 0 },
	{ 'q', "query", "QUERY", "matchers, such as '{tier=\"app\",name=~\"prod-.*\"}'", 0 },
	{ SINCE, "since", "TIME", "at TIME or later (RFC 3339, now, -30h)", 0 },
	{ UNTIL, "until", "TIME", "at TIME or earlier", 0 },
	{ AT, "at", "TIME", "of each name the newest at or before TIME", 0 },
	{ LATEST, "latest", NULL, "of each name the newest", 0 },
	{ ORDER, "order-by", "KEY", "time (default), id, bytes or tag:NAME", 0 },
	{ REVERSE, "reverse", NULL, "the other way round", 0 },
	{ LIMIT, "limit", "N", "the first N of that order", 0 },
	{ RECURSIVE, "recursive", NULL, "of all sets at and below the URL", 0 },
	{ LINKS, "links", "DURATION", "add a link good for DURATION (24h)", BK_OPT_OPTARG },
	{ MARKS, "marks", NULL, "show which are hourly, daily, weekly, monthly, yearly", 0 },
	{ CYCLE, "cycle", "D,W,M", "marks by this cycle of days, weeks and months", 0 },
	{ TZ, "tz", "ZONE", "marks by the days of this time zone", 0 },
	{ RECOVERABLE, "recoverable", NULL, "the moments that base backups and their log can be restored to", 0 },
	{ JSON, "json", NULL, "JSON lines and an end line, also on a terminal", 0 },
	{ PLAIN, "plain", NULL, "JSON lines without the end line", 0 },
	{ TABLE, "table", NULL, "a table, also into a pipe", 0 },
	{ TIMEOUT, "timeout", "DURATION", "longest time for one request with its retries (10m)", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-list", "[OPTION]... [URL]",
	"find backups in a store and print their records", opts };

struct args {
	const char *url;
	struct bk_store_opts store;
	struct bk_list_req req;
	struct bk_query *query;
	struct bk_policy policy;
	bool recursive, recoverable;
	int form;			/* JSON, PLAIN, TABLE or 0 */
};

static void
order_arg(struct args *a, const char *arg)
{
	if (strcmp(arg, "time") == 0)
		a->req.order = BK_ORDER_TIME;
	else if (strcmp(arg, "id") == 0)
		a->req.order = BK_ORDER_ID;
	else if (strcmp(arg, "bytes") == 0)
		a->req.order = BK_ORDER_BYTES;
	else if (strncmp(arg, "tag:", 4) == 0 && bk_tag_key_ok(arg + 4)) {
		a->req.order = BK_ORDER_TAG;
		a->req.tag = arg + 4;
	} else
		bk_usage("--order-by '%s': want time, id, bytes or tag:NAME", arg);
}

static void
links_arg(struct args *a, const char *arg, struct bk_fault *f)
{
	int64_t ms = 0;

	if (bk_duration_parse(arg != NULL ? arg : LINK_DEFAULT, &ms, f) == -1)
		return;
	if (ms < 1000 || ms > LINK_MAX * INT64_C(1000))
		bk_usage("--links '%s': want 1s to 7d", arg);
	a->req.links = (unsigned int)(ms / 1000);
}

static void
form_arg(struct args *a, int form)
{
	if (a->form != 0)
		bk_usage("choose one of --json, --plain and --table");
	a->form = form;
}

/* Which of them; the rest is option_how's. */
static bool
option_which(struct args *a, int key, const char *arg, struct bk_fault *f)
{
	int64_t now = bk_ctx->now();

	switch (key) {
	case 'n':
		a->req.name = bk_arg_name("name", arg);
		return true;
	case ID:
		a->req.id = bk_arg_id("id", arg);
		return true;
	case GROUP:
		a->req.group = bk_arg_name("group", arg);
		return true;
	case 'q':
		a->req.query = a->query = bk_query_parse(arg, f);
		return true;
	case SINCE:
		(void)bk_time_parse_rel(arg, now, &a->req.since, f);
		return true;
	case UNTIL:
		(void)bk_time_parse_rel(arg, now, &a->req.until, f);
		return true;
	case AT:
		(void)bk_time_parse_rel(arg, now, &a->req.at, f);
		return true;
	case LATEST:
		a->req.latest = true;
		return true;
	default:
		return false;
	}
}

static void
option_how(struct args *a, int key, const char *arg, struct bk_fault *f)
{
	long long n;

	switch (key) {
	case ORDER:
		order_arg(a, arg);
		break;
	case REVERSE:
		a->req.reverse = true;
		break;
	case LIMIT:
		if (bk_number_parse("--limit", arg, 1, INT64_MAX, &n, f) == 0)
			a->req.limit = (uint64_t)n;
		break;
	case LINKS:
		links_arg(a, arg, f);
		break;
	case CYCLE:
	case TZ:
		(void)bk_policy_set(&a->policy, key == TZ ? "tz" : "cycle", arg, f);
		a->req.policy = &a->policy;
		a->req.marks = true;
		break;
	case MARKS:
		a->req.marks = true;
		break;
	case RECURSIVE:
		a->recursive = true;
		break;
	case RECOVERABLE:
		a->recoverable = true;
		break;
	case TIMEOUT:
		a->store.timeout_ms = bk_arg_duration("timeout", arg);
		break;
	default:
		form_arg(a, key);
		break;
	}
}

static void
option(void *args, int key, const char *arg, struct bk_fault *f)
{
	if (!option_which(args, key, arg, f))
		option_how(args, key, arg, f);
}

/* A zone that is not there is wrong usage, also where nothing is listed. */
static void
check_zone(const struct args *a)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_zone *z;

	if (a->policy.tz == NULL)
		return;
	if ((z = bk_zone_open(NULL, a->policy.tz, &f)) == NULL)
		bk_usage_fault(&f);
	bk_zone_free(z);
}

/* --recoverable is of names and systems, not of single backups. */
static void
check_recoverable(const struct args *a)
{
	const struct bk_list_req *r = &a->req;

	if (a->recoverable && (r->id != NULL || r->group != NULL ||
	    r->query != NULL || r->since != INT64_MIN ||
	    r->until != INT64_MAX || r->at != INT64_MIN || r->latest ||
	    r->order != BK_ORDER_TIME || r->reverse || r->limit != 0 ||
	    r->links != 0 || r->marks || a->recursive))
		bk_usage("--recoverable goes with --name only");
}

static void
parse(struct args *a)
{
	bk_arg_options(option, a);
	a->url = bk_arg_store();
	check_zone(a);
	check_recoverable(a);
	if (a->req.latest && a->req.at != INT64_MIN)
		bk_usage("choose one of --latest and --at");
	if (a->form == 0)
		a->form = isatty(STDOUT_FILENO) ? TABLE : JSON;
}

static unsigned int
columns(void)
{
	struct winsize ws;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0)
		return ws.ws_col;
	return isatty(STDOUT_FILENO) ? 80 : 240;
}

static int
print_table(const struct bk_list *l, const struct bk_store *s,
    struct bk_fault *f)
{
	struct bk_buf text = BK_BUF_INIT(TABLE_MAX);
	int rc = 0;

	if (l->len > 0 && (rc = bk_table(l, s->url, bk_ctx->now(), columns(),
	    &text, f)) == 0)
		rc = bk_write_all(STDOUT_FILENO, text.p, text.len,
		    "standard output", f);
	bk_buf_release(&text);
	return rc;
}

static int
print(const struct args *a, const struct bk_list *l, const struct bk_store *s,
    struct bk_records_out *out, struct bk_fault *f)
{
	size_t i;

	if (a->form == TABLE)
		return print_table(l, s, f);
	for (i = 0; i < l->len; i++)
		if (bk_records_put(out, &l->rec[i], f) == -1)
			return -1;
	return 0;
}

static void
recoverable(const struct args *a, struct bk_records_out *out,
    struct bk_fault *f)
{
	struct bk_store *s = bk_store_open(bk_ctx, a->url, &a->store, f);

	if (s != NULL)
		bk_list_cover(s, a->req.name, a->form == TABLE,
		    a->form == JSON, f);
	if (bk_faulty(f) && f->status != BK_NO && a->form == JSON)
		(void)bk_records_end(out, f, 0, f);
	bk_store_close(s);
}

/* What was found, as an answer: status 1 where it is nothing or not all. */
static void
answer(const struct args *a, struct bk_store *s, const struct bk_list *l,
    struct bk_fault *f)
{
	if (l->unreadable > 0)
		(void)bk_fault_set(f, BK_NO, "%llu objects of '%s' could not be "
		    "read", (unsigned long long)l->unreadable, s->url);
	else if (l->len == 0)
		(void)bk_list_none(s, &a->req, BK_NO, f);
}

int
main(int argc, char *argv[])
{
	struct bk_fault f = BK_FAULT_INIT;
	struct args a = { .store = { .read_only = true },
		.req = BK_LIST_REQ_INIT, .policy = BK_POLICY_INIT };
	struct bk_list l = BK_LIST_INIT;
	struct bk_records_out *out = NULL;
	struct bk_store *s = NULL;

	bk_usage_tells(bk_tell_records);
	bk_init(&prog, argc, argv);
	parse(&a);
	if ((out = bk_records_writer(STDOUT_FILENO, &f)) != NULL &&
	    a.recoverable) {
		recoverable(&a, out, &f);
		bk_records_out_free(out);
		return bk_exit(&f);
	}
	if (out != NULL &&
	    (s = bk_store_open(bk_ctx, a.url, &a.store, &f)) != NULL &&
	    (a.recursive ? bk_list_deep(bk_ctx, s, &a.store, &a.req, &l, &f) :
	    bk_list_read(bk_ctx, s, &a.req, &l, &f)) == 0)
		(void)print(&a, &l, s, out, &f);
	if (out != NULL && a.form == JSON)
		(void)bk_records_end(out, &f, l.unreadable, &f);
	if (!bk_faulty(&f))
		answer(&a, s, &l, &f);

	bk_list_release(&l);
	bk_store_close(s);
	bk_records_out_free(out);
	bk_query_free(a.query);
	bk_policy_release(&a.policy);
	return bk_exit(&f);
}
