/*
 * bk-report: write into the store what became of an attempt, so that silence,
 * "nothing changed" and failure can be told apart from what is in the store
 * alone (bk-fresh).
 */
#include <limits.h>
#include <string.h>

#include "names.h"
#include "optargs.h"
#include "prog.h"
#include "state.h"
#include "when.h"

enum { OUTCOME = 256, ID, RUN, JOB, TRIGGER, STATUS, MESSAGE, DURATION,
	TIMEOUT };

static const struct bk_opt opts[] = {
	{ 'n', "name", "NAME", "the name that was to be backed up", 0 },
	{ OUTCOME, "outcome", "WORD", "committed, unchanged, failed or skipped", 0 },
	{ ID, "id", "ID", "the backup that was committed", 0 },
	{ RUN, "run", "ID", "the run", 0 },
	{ JOB, "job", "JOB", "the job of the schedule file", 0 },
	{ TRIGGER, "trigger", "WORD", "what started it: schedule, request, ...", 0 },
	{ STATUS, "status", "N", "exit status, 0 to 255", 0 },
	{ MESSAGE, "message", "TEXT", "why, for a person", 0 },
	{ DURATION, "duration", "TIME", "how long it took: 5m30s, or milliseconds", 0 },
	{ TIMEOUT, "timeout", "DURATION", "longest time for one request with its retries (10m)", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-report",
	"--name NAME --outcome WORD [OPTION]... [URL]",
	"record in a store what became of an attempt", opts };

struct args {
	const char *url, *name, *outcome;
	struct bk_store_opts store;
	struct bk_report r;
};

/* A word that becomes a member as it is. */
static const char *
word_arg(const char *option, const char *arg)
{
	if (*arg == '\0' || !bk_tag_value_ok(arg))
		bk_usage("--%s: want 1 to %d bytes of UTF-8 without control "
		    "characters", option, BK_TAG_VALUE_MAX);
	return arg;
}

static void
duration_arg(struct args *a, const char *arg, struct bk_fault *f)
{
	long long n = 0;

	if (arg[strspn(arg, "0123456789")] != '\0')
		(void)bk_duration_parse(arg, &a->r.duration, f);
	else if (bk_number_parse("--duration", arg, 0, INT64_MAX, &n, f) == 0)
		a->r.duration = n;
}

static void
option(void *args, int key, const char *arg, struct bk_fault *f)
{
	struct args *a = args;
	long long n = 0;

	switch (key) {
	case 'n':
		a->name = bk_arg_name("name", arg);
		break;
	case OUTCOME:
		a->r.outcome = bk_arg_outcome(arg);
		a->outcome = arg;
		break;
	case ID:
		a->r.id = bk_arg_id("id", arg);
		break;
	case RUN:
		a->r.run = word_arg("run", arg);
		break;
	case JOB:
		a->r.job = word_arg("job", arg);
		break;
	case TRIGGER:
		a->r.trigger = word_arg("trigger", arg);
		break;
	case STATUS:
		if (bk_number_parse("--status", arg, 0, 255, &n, f) == 0)
			a->r.status = (int)n;
		break;
	case MESSAGE:
		a->r.message = arg;
		break;
	case DURATION:
		duration_arg(a, arg, f);
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
	if (a->name == NULL || a->outcome == NULL)
		bk_usage("want --name and --outcome");
	if (a->r.id != NULL && a->r.outcome != BK_COMMITTED)
		bk_usage("--id goes with --outcome committed");
	if (a->r.outcome == BK_FAILED ? a->r.status == 0 :
	    a->r.outcome == BK_COMMITTED && a->r.status > 0)
		bk_usage("--outcome %s and --status %d do not go together",
		    a->outcome, a->r.status);
}

int
main(int argc, char *argv[])
{
	struct bk_fault f = BK_FAULT_INIT;
	struct args a = { .r = { .status = -1, .duration = -1 } };
	struct bk_store *s;

	bk_init(&prog, argc, argv);
	parse(&a);
	if ((s = bk_store_open(bk_ctx, a.url, &a.store, &f)) != NULL)
		(void)bk_state_report(bk_ctx, s, a.name, &a.r, &f);
	bk_store_close(s);
	return bk_exit(&f);
}
