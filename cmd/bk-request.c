/*
 * bk-request: ask for a run of a job by way of the store; or, for the host
 * that has the job, claim such a request and answer it.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "optargs.h"
#include "prog.h"
#include "request.h"
#include "when.h"

#define MANY 1024			/* jobs, ids */
#define LOOK_FIRST 1000			/* ms between two looks: grows to … */
#define LOOK_MOST 15000

enum { WAIT = 256, CLAIM, JOB, RUN, ANSWER, OUTCOME, STATUS, MESSAGE, ID,
	TIMEOUT };

static const struct bk_opt opts[] = {
	{ WAIT, "wait", "SECONDS", "wait for the answer, for so long (for ever)", BK_OPT_OPTARG },
	{ CLAIM, "claim", NULL, "claim the oldest open request and print it", 0 },
	{ JOB, "job", "JOB", "a job that may be claimed; may be repeated", BK_OPT_MANY },
	{ RUN, "run", "ID", "the run that it is claimed for (a new id)", 0 },
	{ ANSWER, "answer", "ID", "answer this request", 0 },
	{ OUTCOME, "outcome", "WORD", "committed, unchanged, failed or skipped", 0 },
	{ STATUS, "status", "N", "exit status of the run, 0 to 255", 0 },
	{ MESSAGE, "message", "TEXT", "why, for a person", 0 },
	{ ID, "id", "ID", "a backup that was made; may be repeated", BK_OPT_MANY },
	{ TIMEOUT, "timeout", "DURATION", "longest time for one request with its retries (10m)", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-request",
	"[URL] JOB [--wait[=SECONDS]] | [URL] --claim --job JOB... | "
	"[URL] --answer ID --outcome WORD --status N",
	"ask for a run of a job by way of the store", opts };

struct args {
	const char *url, *job;		/* to ask for */
	struct bk_store_opts store;
	bool wait, claim, outcome;
	int64_t wait_ms;		/* 0: for ever */
	const char *jobs[MANY + 1], *ids[MANY + 1];
	size_t njobs, nids;
	char run[BK_ULID_LEN + 1];
	const char *answer;
	struct bk_answer a;
};

static void
add(const char **list, size_t *n, const char *option, const char *arg)
{
	if (*n == MANY)
		bk_usage("more than %d --%s", MANY, option);
	list[(*n)++] = arg;
}

static void
option(void *args, int key, const char *arg, struct bk_fault *f)
{
	struct args *a = args;
	long long n = 0;

	switch (key) {
	case WAIT:
		a->wait = true;
		a->wait_ms = bk_arg_wait(arg);
		break;
	case CLAIM:
		a->claim = true;
		break;
	case JOB:
		add(a->jobs, &a->njobs, "job", bk_arg_name("job", arg));
		break;
	case RUN:
		memcpy(a->run, bk_arg_id("run", arg), sizeof(a->run));
		break;
	case ANSWER:
		a->answer = bk_arg_id("answer", arg);
		break;
	case OUTCOME:
		a->a.outcome = bk_arg_outcome(arg);
		a->outcome = true;
		break;
	case STATUS:
		if (bk_number_parse("--status", arg, 0, 255, &n, f) == 0)
			a->a.status = (int)n;
		break;
	case MESSAGE:
		a->a.message = arg;
		break;
	case ID:
		add(a->ids, &a->nids, "id", bk_arg_id("id", arg));
		break;
	default:
		a->store.timeout_ms = bk_arg_duration("timeout", arg);
		break;
	}
}

/* The operands: a URL unless BK_STORE stands in, and a job to ask for. */
static void
operands(struct args *a)
{
	const char *dflt = bk_ctx->env("BK_STORE");
	const bool asks = !a->claim && a->answer == NULL;
	char **words;
	int n = bk_operands(&words);
	const int want = asks ? 2 : 1;

	if (n != want && (n != want - 1 || dflt == NULL))
		bk_usage(asks ? "want the URL of a store and a job" :
		    "want the URL of a store");
	a->url = n == want ? words[0] : dflt;
	if (asks)
		a->job = bk_arg_name("job", words[n - 1]);
}

static void
parse(struct args *a)
{
	a->a.status = -1;
	bk_arg_options(option, a);
	a->a.ids = a->ids;
	if (a->claim && a->answer != NULL)
		bk_usage("choose one of --claim and --answer");
	if (a->claim != (a->njobs > 0) || (a->run[0] != '\0' && !a->claim))
		bk_usage(a->claim ? "--claim wants --job" :
		    "--job and --run go with --claim");
	if (a->answer != NULL ? !a->outcome || a->a.status == -1 :
	    a->outcome || a->a.status != -1 || a->nids > 0 ||
	    a->a.message != NULL)
		bk_usage("--answer wants --outcome and --status, and they it");
	if (a->wait && (a->claim || a->answer != NULL))
		bk_usage("--wait goes with a job to ask for");
	operands(a);
}

/*
 * Print what is known of the request as it ends, or as the wait does: the
 * object found in the store with what a reader looks for in front.
 */
static int
tell(const struct bk_request *r, int state, json_t *found, struct bk_fault *f)
{
	static const char *const words[] = { "requested", "running", "ended" };
	json_t *o = json_object();
	int rc = -1;

	if (bk_json_set_text(o, "state", words[state], f) == 0 &&
	    bk_json_set_text(o, "request", r->id, f) == 0 &&
	    bk_json_set_text(o, "job", r->job, f) == 0) {
		(void)json_object_del(found, "bk");
		(void)json_object_del(found, "id");
		if (found != NULL && json_object_update_missing(o, found) == -1)
			(void)bk_fault_set(f, BK_IO, "out of memory");
		else
			rc = bk_json_write(STDOUT_FILENO, o, "standard output",
			    f);
	}
	json_decref(o);
	return rc;
}

/* Wait for the answer; the exit status, or -1. */
static int
await(const struct args *a, struct bk_store *s, const struct bk_request *r,
    struct bk_fault *f)
{
	int64_t end = bk_ctx->mono() + a->wait_ms, left = LOOK_MOST;
	int64_t pause = LOOK_FIRST, status;
	json_t *o = NULL;
	int state;

	while ((state = bk_request_look(s, r->id, &o, f)) != -1 &&
	    state != BK_REQUEST_ANSWERED) {
		if (a->wait_ms > 0 && (left = end - bk_ctx->mono()) <= 0)
			break;
		json_decref(o);
		o = NULL;
		(void)poll(NULL, 0, (int)(left < pause ? left : pause));
		pause = pause * 3 / 2 < LOOK_MOST ? pause * 3 / 2 : LOOK_MOST;
	}
	status = state == BK_REQUEST_ANSWERED ? bk_json_get_int(o, "status") :
	    BK_NO;
	if (state != -1 && tell(r, state, o, f) == -1)
		state = -1;
	json_decref(o);
	return state == -1 ? -1 : status >= 0 && status <= 255 ? (int)status :
	    BK_DATA;
}

static int
ask(const struct args *a, struct bk_store *s, struct bk_fault *f)
{
	struct bk_request r = BK_REQUEST_INIT;
	int rc = bk_request_make(bk_ctx, s, a->job, &r, f);

	if (rc == 0)
		rc = a->wait ? await(a, s, &r, f) :
		    tell(&r, BK_REQUEST_OPEN, r.json, f);
	bk_request_release(&r);
	return rc;
}

static int
claim(struct args *a, struct bk_store *s, struct bk_fault *f)
{
	struct bk_request r = BK_REQUEST_INIT;
	int rc;

	if (a->run[0] == '\0' && bk_ulid_new(bk_ctx->now(), a->run, f) == -1)
		return -1;
	rc = bk_request_claim(bk_ctx, s, a->jobs, a->run, &r, f);
	if (rc == 0 && (rc = bk_json_set_text(r.json, "run", a->run, f)) == 0)
		rc = tell(&r, BK_REQUEST_CLAIMED, r.json, f);
	bk_request_release(&r);
	return rc;
}

int
main(int argc, char *argv[])
{
	struct bk_fault f = BK_FAULT_INIT;
	static struct args a;
	struct bk_store *s;
	int status = 0;

	bk_init(&prog, argc, argv);
	parse(&a);
	if ((s = bk_store_open(bk_ctx, a.url, &a.store, &f)) != NULL)
		status = a.claim ? claim(&a, s, &f) : a.answer != NULL ?
		    bk_request_answer(bk_ctx, s, a.answer, &a.a, &f) :
		    ask(&a, s, &f);
	bk_store_close(s);
	return bk_faulty(&f) ? bk_exit(&f) : status;
}
