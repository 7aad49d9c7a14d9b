/*
 * bk-start: have a job of the schedule file run now, by the supervisor of this
 * host, or by way of a store by that of another.  Where no supervisor is
 * there, the job is run here, as bk-run does it.
 */
#include <sys/mman.h>

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "detach.h"
#include "io.h"
#include "job.h"
#include "json.h"
#include "optargs.h"
#include "prog.h"
#include "ulid.h"
#include "uri.h"

#define FIRST_MS 30000			/* for the answer that it has started */

enum { CONFIG = 256, WAIT, VIA };

static const struct bk_opt opts[] = {
	{ WAIT, "wait", "SECONDS", "wait until it has ended, for so long (for ever)", BK_OPT_OPTARG },
	{ VIA, "via", "STORE", "ask by way of this store: its URL or its name", 0 },
	{ CONFIG, "config", "FILE", "the schedule file (/etc/bk/bk.conf)", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-start",
	"JOB [--wait[=SECONDS]] [--via STORE] [OPTION]...",
	"have a job of the schedule file run now", opts };

struct args {
	const char *job, *config, *via, *wait_arg;
	bool wait;
	int64_t wait_ms;		/* 0: for ever */
};

static void
parse(struct args *a)
{
	const char *arg;
	char **words;
	int key;

	while ((key = bk_opt_next(&arg)) != -1)
		switch (key) {
		case CONFIG:
			a->config = arg;
			break;
		case WAIT:
			a->wait = true;
			a->wait_arg = arg;
			a->wait_ms = bk_arg_wait(arg);
			break;
		default:
			a->via = arg;
			break;
		}
	if (bk_operands(&words) != 1)
		bk_usage("want the name of one job");
	a->job = bk_arg_name("job", words[0]);
}

/* Become a program of bk's own; returns only with ${f} set. */
static int
become(const char *name, const char *const *words, struct bk_fault *f)
{
	char path[PATH_MAX], *argv[8] = { path };
	size_t i;

	(void)snprintf(path, sizeof(path), "%s/%s", bk_ctx->bindir, name);
	for (i = 0; words[i] != NULL; i++)
		memcpy(&argv[i + 1], &words[i], sizeof(words[i]));
	argv[i + 1] = NULL;
	(void)signal(SIGPIPE, SIG_DFL);
	(void)signal(SIGXFSZ, SIG_DFL);
	execv(path, argv);
	return bk_fault_errno(f, BK_UNAVAILABLE, errno, "cannot run '%s'", path);
}

/* Ask by way of a store: bk-request does it. */
static int
by_store(const struct args *a, struct bk_fault *f)
{
	struct bk_fault no_url = BK_FAULT_INIT;
	const struct bk_job_store *store;
	struct bk_jobs *jobs = NULL;
	struct bk_uri u = BK_URI_INIT;
	const char *words[] = { a->via, a->job, NULL, NULL };
	char wait[64];
	int rc = -1;

	if (bk_uri_parse(a->via, &u, &no_url) == -1) {
		if ((jobs = bk_jobs_load(bk_ctx, a->config, f)) == NULL)
			goto out;
		if ((store = bk_jobs_store(jobs, a->via)) == NULL) {
			(void)bk_fault_set(f, BK_NOINPUT, "there is no store "
			    "'%.80s' in '%s'", a->via, jobs->path);
			goto out;
		}
		words[0] = store->url;
	}
	if (a->wait) {
		(void)snprintf(wait, sizeof(wait), "--wait%s%.50s",
		    a->wait_arg != NULL ? "=" : "",
		    a->wait_arg != NULL ? a->wait_arg : "");
		words[2] = wait;
	}
	rc = become("bk-request", words, f);
out:
	bk_jobs_free(jobs);
	bk_uri_release(&u);
	return rc;
}

/* What there is to tell: for a program an object, for a person a sentence. */
static int
tell(const struct args *a, json_t *o, const char *state, struct bk_fault *f)
{
	const char *run = bk_json_get_text(o, "run");
	const char *outcome = bk_json_get_text(o, "outcome");
	const char *message = bk_json_get_text(o, "message");

	if (!isatty(STDOUT_FILENO)) {
		(void)json_object_del(o, "event");
		return bk_json_set_text(o, "state", state, f) == -1 ? -1 :
		    bk_json_write(STDOUT_FILENO, o, "standard output", f);
	}
	if (strcmp(state, "ended") != 0)
		printf("job '%s': run %s %s\n", a->job, run != NULL ? run : "?",
		    strcmp(state, "started") == 0 ? "has started" :
		    "goes on");
	else
		printf("job '%s': %s%s%s\n", a->job, outcome != NULL ? outcome :
		    "ended", message != NULL && *message != '\0' ? ": " : "",
		    message != NULL ? message : "");
	return fflush(stdout) == EOF ? bk_fault_errno(f, BK_IO, errno,
	    "standard output") : 0;
}

/* What bk-run has printed, to our standard output. */
static int
hand_on(int fd, struct bk_fault *f)
{
	char p[4096];
	ssize_t n;

	if (lseek(fd, 0, SEEK_SET) == -1)
		return bk_fault_errno(f, BK_IO, errno, "the outcome");
	while ((n = bk_read_full(fd, p, sizeof(p), "the outcome", f)) > 0)
		if (bk_write_all(STDOUT_FILENO, p, (size_t)n, "standard output",
		    f) == -1)
			return -1;
	return n == -1 ? -1 : 0;
}

/* No supervisor is there: run it ourselves, and wait no longer than is wanted. */
static int
run_and_wait(const struct args *a, const struct bk_jobs *jobs,
    struct bk_fault *f)
{
	int64_t until = bk_ctx->mono() + a->wait_ms;
	char path[PATH_MAX], run[BK_ULID_LEN + 1];
	const char *argv[] = { path, "--config", jobs->path, "--run", run, "--",
		a->job, NULL };
	int fd = memfd_create("outcome", MFD_CLOEXEC), rc = -1;
	json_t *o = NULL;
	pid_t pid;

	(void)snprintf(path, sizeof(path), "%s/bk-run", bk_ctx->bindir);
	if (fd == -1)
		return bk_fault_errno(f, BK_IO, errno, "cannot make a memory file");
	if (bk_ulid_new(bk_ctx->now(), run, f) == -1 ||
	    (pid = bk_detach(argv, fd, f)) == -1)
		goto out;
	if ((rc = bk_detach_wait(bk_ctx, pid, until)) != -1) {
		if (hand_on(fd, f) == -1)
			rc = -1;
		goto out;
	}
	if ((o = json_pack("{s:s, s:s, s:i}", "job", a->job, "run", run, "pid",
	    (int)pid)) == NULL)
		(void)bk_fault_errno(f, BK_IO, ENOMEM, "the outcome");
	else if (tell(a, o, "running", f) == 0)
		rc = BK_NO;
out:
	json_decref(o);
	(void)close(fd);
	return rc;
}

static int
run_here(const struct args *a, const struct bk_jobs *jobs, struct bk_fault *f)
{
	const char *words[] = { "--config", jobs->path, "--", a->job, NULL };

	bk_say(BK_LOG_WARN, "no supervisor listens at '%s/%s': running job '%s' "
	    "here", jobs->state, BK_ASK_SOCKET, a->job);
	return a->wait_ms > 0 ? run_and_wait(a, jobs, f) :
	    become("bk-run", words, f);
}

/* The supervisor says no. */
static int
refused(const json_t *o, struct bk_fault *f)
{
	const char *message = bk_json_get_text(o, "message");
	int64_t status = bk_json_get_int(o, "status");

	return bk_fault_set(f, status > 0 && status < 256 ? (int)status :
	    BK_UNAVAILABLE, "%s", message != NULL ? message :
	    "the supervisor refuses");
}

/* The first answer: 0 with *${o} that it has started, or -1. */
static int
await_start(struct bk_ask *ask, json_t **o, struct bk_fault *f)
{
	const char *event;
	int rc = bk_ask_next(ask, bk_ctx, bk_ctx->mono() + FIRST_MS, o, f);

	if (rc == BK_ASK_TIMEOUT)
		return bk_fault_set(f, BK_UNAVAILABLE,
		    "the supervisor does not answer");
	if (rc != 0)
		return -1;
	event = bk_json_get_text(*o, "event");
	if (event != NULL && strcmp(event, "started") == 0)
		return 0;
	return refused(*o, f);
}

/* Follow the run to its end or that of the wait; the exit status, or -1. */
static int
follow(const struct args *a, struct bk_ask *ask, json_t *started,
    struct bk_fault *f)
{
	int64_t until = a->wait_ms > 0 ? bk_ctx->mono() + a->wait_ms : 0;
	int64_t status = BK_NO;
	json_t *o = NULL;
	int rc = bk_ask_next(ask, bk_ctx, until, &o, f);

	if (rc == BK_ASK_TIMEOUT)
		rc = tell(a, started, "running", f);
	else if (rc == 0) {
		rc = tell(a, o, "ended", f);
		status = bk_json_get_int(o, "status");
	} else
		bk_fault_context(f, "run %s goes on",
		    bk_json_get_text(started, "run"));
	json_decref(o);
	return rc == -1 ? -1 : status >= 0 && status < 256 ? (int)status :
	    BK_DATA;
}

static int
by_socket(const struct args *a, const struct bk_jobs *jobs, struct bk_fault *f)
{
	json_t *what = json_pack("{s:s, s:s}", "do", "backup", "job", a->job);
	struct bk_ask ask = BK_ASK_INIT;
	json_t *o = NULL;
	int rc;

	if (what == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "the request");
	rc = bk_ask_open(&ask, jobs->state, what, f);
	if (rc == 0 && (rc = await_start(&ask, &o, f)) == 0)
		rc = a->wait ? follow(a, &ask, o, f) : tell(a, o, "started", f);
	else if (rc == BK_ASK_ALONE)
		rc = run_here(a, jobs, f);
	json_decref(o);
	json_decref(what);
	bk_ask_release(&ask);
	return rc;
}

int
main(int argc, char *argv[])
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_jobs *jobs = NULL;
	struct args a = { .wait = false };
	int status = -1;

	bk_init(&prog, argc, argv);
	parse(&a);
	if (a.via != NULL)
		status = by_store(&a, &f);
	else if ((jobs = bk_jobs_load(bk_ctx, a.config, &f)) != NULL &&
	    bk_jobs_find(jobs, a.job, &f) != NULL)
		status = by_socket(&a, jobs, &f);
	bk_jobs_free(jobs);
	return bk_faulty(&f) ? bk_exit(&f) : status;
}
