/*
 * bk-fresh: is the newest good backup younger than the limit?  An answer for
 * scripts (status, one JSON object), for a person (one line), for Nagios and
 * for Prometheus' textfile collector.
 *
 * The metrics file is replaced by rename(2), so that the collector never
 * reads half of it; until then it has a name that the collector passes by.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fresh.h"
#include "io.h"
#include "json.h"
#include "names.h"
#include "optargs.h"
#include "prog.h"
#include "replace.h"
#include "when.h"

#define METRICS_MAX 65536

enum { GROUP = 256, MAX_AGE, MAX_UNCHANGED, MIN_BYTES, MAX_SHRINK, NAGIOS, METRICS,
	WAL, MAX_LAG, DATA_DIR, JSON, TIMEOUT };

static const struct bk_opt opts[] = {
	{ 'n', "name", "NAME", "backups of exactly this name", 0 },
	{ GROUP, "group", "GROUP", "whole runs of this group", 0 },
	{ MAX_AGE, "max-age", "DURATION", "how old the newest good backup may be", 0 },
	{ MAX_UNCHANGED, "max-unchanged", "DURATION", "how long \"nothing new\" may stand in for a backup", 0 },
	{ MIN_BYTES, "min-bytes", "SIZE", "smaller ones are not good", 0 },
	{ MAX_SHRINK, "max-shrink", "PERCENT", "so much smaller than before is suspect (50%)", 0 },
	{ WAL, "wal", NULL, "PostgreSQL's log too: gaps behind the newest base backup", 0 },
	{ MAX_LAG, "max-lag", "DURATION", "how late the log may come to the store", 0 },
	{ DATA_DIR, "data-dir", "DIR", "the server's data directory: what waits there", 0 },
	{ NAGIOS, "nagios", NULL, "answer as a plug-in of Nagios: status 0 to 3", 0 },
	{ METRICS, "metrics", "FILE", "also write Prometheus text to FILE", 0 },
	{ JSON, "json", NULL, "a JSON object, also on a terminal", 0 },
	{ TIMEOUT, "timeout", "DURATION", "longest time for one request with its retries (10m)", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-fresh",
	"--name NAME | --group GROUP --max-age DURATION | --wal [OPTION]... [URL]",
	"tell whether the newest good backup is younger than the limit", opts };

struct args {
	const char *url, *metrics;
	struct bk_store_opts store;
	struct bk_fresh_req req;
	bool nagios, json;
};

/* "50" or "50%". */
static void
shrink_arg(struct args *a, const char *arg, struct bk_fault *f)
{
	char digits[8] = "";
	size_t n = strlen(arg);
	long long v = 0;

	if (n > 0 && arg[n - 1] == '%')
		n--;
	if (n < sizeof(digits))
		memcpy(digits, arg, n);
	if (bk_number_parse("--max-shrink", n < sizeof(digits) ? digits : arg,
	    1, 100, &v, f) == 0)
		a->req.shrink = (unsigned int)v;
}

static void
option(void *args, int key, const char *arg, struct bk_fault *f)
{
	struct args *a = args;
	unsigned long long bytes = 0;

	switch (key) {
	case 'n':
	case GROUP:
		if (a->req.name != NULL)
			bk_usage("choose one of --name and --group");
		a->req.name = bk_arg_name(key == 'n' ? "name" : "group", arg);
		a->req.group = key == GROUP;
		break;
	case MAX_AGE:
		a->req.max_age = bk_arg_duration("max-age", arg);
		break;
	case MAX_UNCHANGED:
		a->req.max_unchanged = bk_arg_duration("max-unchanged", arg);
		break;
	case MIN_BYTES:
		if (bk_bytes_parse(arg, &bytes, f) == 0)
			a->req.min_bytes = bytes;
		break;
	case MAX_SHRINK:
		shrink_arg(a, arg, f);
		break;
	case WAL:
		a->req.wal = true;
		break;
	case MAX_LAG:
		a->req.max_lag = bk_arg_duration("max-lag", arg);
		break;
	case DATA_DIR:
		a->req.data = arg;
		break;
	case NAGIOS:
		a->nagios = true;
		break;
	case METRICS:
		a->metrics = arg;
		break;
	case JSON:
		a->json = true;
		break;
	default:
		a->store.timeout_ms = bk_arg_duration("timeout", arg);
		break;
	}
}

static void
parse(struct args *a)
{
	bk_arg_options(option, a);
	a->url = bk_arg_store();
	if (a->req.name == NULL || (a->req.max_age == 0 && !a->req.wal))
		bk_usage("want --name (or --group) and --max-age (or --wal)");
	if (a->req.wal && a->req.group)
		bk_usage("--wal goes with --name");
	if (!a->req.wal && (a->req.max_lag != 0 || a->req.data != NULL))
		bk_usage("--max-lag and --data-dir go with --wal");
	if (a->req.max_unchanged != 0 && a->req.max_unchanged < a->req.max_age)
		bk_usage("--max-unchanged is shorter than --max-age");
	if (a->nagios && a->json)
		bk_usage("choose one of --nagios and --json");
}

static int
write_metrics(const struct args *a, const struct bk_fresh *fr,
    const char *store, struct bk_fault *f)
{
	struct bk_buf text = BK_BUF_INIT(METRICS_MAX);
	int rc = bk_fresh_metrics(fr, store, &text, f);

	if (rc == 0)
		rc = bk_file_replace(a->metrics, bk_buf_text(&text), text.len, 0644,
		    f);
	bk_buf_release(&text);
	return rc;
}

static const char *const nagios_words[] = { "OK", "WARNING", "CRITICAL",
	"UNKNOWN" };

static int
nagios_status(const struct bk_fresh *fr)
{
	switch (fr->answer) {
	case BK_FRESH:
	case BK_UNCHANGED:
		return 0;
	case BK_LAST_FAILED:
	case BK_SHRUNK:
		return 1;
	case BK_LAG:
	case BK_STALE:
	case BK_GAP:
	case BK_NEVER:
		return 2;
	default:
		return 3;
	}
}

/*
 * "BK OK - app: fresh: … | age=3600s;93600 bytes=123B": what follows '|' is
 * performance data, so the text has none.
 */
static int
nagios_line(const struct bk_fresh *fr, struct bk_buf *b, struct bk_fault *f)
{
	char *p;

	if (bk_buf_addf(b, f, "BK %s - %s", nagios_words[nagios_status(fr)],
	    fr->text) == -1)
		return -1;
	for (p = b->p; *p != '\0'; p++)
		if (*p == '|' || (unsigned char)*p < ' ')
			*p = ' ';
	if (fr->good == INT64_MIN || fr->answer == BK_CANNOT_TELL)
		return 0;
	if (bk_buf_addf(b, f, " | age=%llds", (long long)(fr->now -
	    fr->good) / 1000) == -1 || (fr->req.max_age != 0 &&
	    bk_buf_addf(b, f, ";;%lld", (long long)fr->req.max_age /
	    1000) == -1) || bk_buf_addf(b, f, " bytes=%lluB",
	    (unsigned long long)fr->bytes) == -1)
		return -1;
	return !fr->req.wal ? 0 : bk_buf_addf(b, f, " missing=%llu lag=%llds",
	    (unsigned long long)fr->wal.gap.count,
	    (long long)(fr->wal.lag > 0 ? fr->wal.lag : 0) / 1000);
}

static int
json_line(const struct bk_fresh *fr, const char *store, struct bk_buf *b,
    struct bk_fault *f)
{
	json_t *o = bk_fresh_json(fr, store, f);
	int rc = o == NULL ? -1 : bk_json_text(o, b, f);

	json_decref(o);
	return rc;
}

/* On standard output: for Nagios, for a program, or for a person who asked. */
static int
print(const struct args *a, const struct bk_fresh *fr, const char *store,
    struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(BK_LINE_MAX);
	int rc = 0;

	if (a->nagios)
		rc = nagios_line(fr, &b, f);
	else if (a->json || !isatty(STDOUT_FILENO))
		rc = json_line(fr, store, &b, f);
	else if (nagios_status(fr) == 0)
		rc = bk_buf_adds(&b, fr->text, f);
	if (rc == 0 && b.len > 0 && (rc = bk_buf_add(&b, "\n", 1, f)) == 0)
		rc = bk_write_all(STDOUT_FILENO, b.p, b.len, "standard output",
		    f);
	bk_buf_release(&b);
	return rc;
}

int
main(int argc, char *argv[])
{
	struct bk_fault f = BK_FAULT_INIT, why = BK_FAULT_INIT;
	struct args a = { .store = { .read_only = true },
		.req = { .shrink = 50 } };
	struct bk_fresh fr = BK_FRESH_INIT;
	const char *url;
	struct bk_store *s;

	bk_init(&prog, argc, argv);
	parse(&a);
	if ((s = bk_store_open(bk_ctx, a.url, &a.store, &why)) == NULL)
		bk_fresh_unknown(&fr, &a.req, bk_ctx->now(), &why);
	else
		(void)bk_fresh_read(bk_ctx, s, &a.req, &fr, &why);
	if (why.status == BK_USAGE)
		bk_usage_fault(&why);

	url = s != NULL ? s->url : a.url;
	if (print(&a, &fr, url, &f) == 0 && a.metrics != NULL)
		(void)write_metrics(&a, &fr, url, &f);
	if (!bk_faulty(&f) && nagios_status(&fr) != 0 && !a.nagios)
		(void)bk_fault_set(&f, fr.answer == BK_CANNOT_TELL ?
		    BK_UNAVAILABLE : BK_NO, "%s", fr.text);

	bk_fresh_release(&fr);
	bk_store_close(s);
	if (a.nagios && bk_faulty(&f)) {
		(void)bk_exit(&f);
		return 3;
	}
	return a.nagios ? nagios_status(&fr) : bk_exit(&f);
}
