/*
 * Telling somebody: commands run by a shell, webhooks and dead-man pings by
 * bk-hook.  Each has hook-timeout; one that hangs is ended with its group;
 * one that fails is said, and changes nothing.
 *
 * A URL may carry a secret: it goes to bk-hook by its environment.
 */
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "run.h"

#define NVARS 10

/* What the hooks are told, as "NAME=value" and as options of bk-hook. */
static const struct {
	const char *var, *option;
} facts[NVARS] = {
	{ "BK_JOB", "--job" }, { "BK_TRIGGER", "--trigger" },
	{ "BK_RUN", "--run" }, { "BK_ID", "--id" }, { "BK_KEY", "--key" },
	{ "BK_BYTES", "--bytes" }, { "BK_DURATION", "--duration" },
	{ "BK_STATUS", "--code" }, { "BK_MESSAGE", "--message" },
	{ "BK_OUTCOME", NULL },
};

static const char *const events[BK_HOOK_MAX] = { "prepare", "commit", "fail",
	"fail" };

struct telling {
	char *vars[NVARS + 3];		/* for the environment */
	struct bk_args options;
};

static void
release(struct telling *t)
{
	size_t i;

	for (i = 0; t->vars[i] != NULL; i++)
		free(t->vars[i]);
	bk_args_release(&t->options);
}

static int
add_var(struct telling *t, const char *name, const char *value,
    struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(8192);
	size_t n = 0;

	while (t->vars[n] != NULL)
		n++;
	if (bk_buf_addf(&b, f, "%s=%s", name, value) == -1) {
		bk_buf_release(&b);
		return -1;
	}
	return (t->vars[n] = bk_buf_detach(&b, f)) == NULL ? -1 : 0;
}

static int
gather(const struct bk_runjob *j, enum bk_job_hook what, struct telling *t,
    struct bk_fault *f)
{
	json_t *last = json_array_get(j->records, json_array_size(j->records) - 1);
	struct bk_buf num[3] = { BK_BUF_INIT(32), BK_BUF_INIT(32), BK_BUF_INIT(32) };
	const bool ended = what != BK_HOOK_START;
	int64_t bytes = bk_json_get_int(last, "bytes");
	const char *text[NVARS];
	size_t i;
	int rc;

	rc = bk_buf_addf(&num[0], f, "%lld", (long long)bytes) == -1 ||
	    bk_buf_addf(&num[1], f, "%lld", (long long)(j->run->ctx.mono() -
	    j->begin)) == -1 ||
	    bk_buf_addf(&num[2], f, "%d", j->fault.status) == -1 ? -1 : 0;
	text[0] = j->job->title;
	text[1] = j->run->trigger;
	text[2] = j->run->id;
	text[3] = bk_json_get_text(last, "id");
	text[4] = bk_json_get_text(last, "key");
	text[5] = bytes >= 0 ? bk_buf_text(&num[0]) : NULL;
	text[6] = ended ? bk_buf_text(&num[1]) : NULL;
	text[7] = ended ? bk_buf_text(&num[2]) : NULL;
	text[8] = bk_faulty(&j->fault) ? j->fault.text : NULL;
	text[9] = what == BK_HOOK_STALE ? "stale" :
	    ended ? bk_ledger_word(j->outcome) : NULL;
	for (i = 0; i < NVARS && rc == 0; i++) {
		if (text[i] == NULL)
			continue;
		rc = add_var(t, facts[i].var, text[i], f);
		if (rc == 0 && facts[i].option != NULL)
			rc = bk_args_opt(&t->options, facts[i].option, text[i], f);
	}
	if (rc == 0)
		rc = add_var(t, "BK_EVENT", events[what], f);
	for (i = 0; i < 3; i++)
		bk_buf_release(&num[i]);
	return rc;
}

/* bk-hook with the URL in its environment. */
static int
send_url(struct bk_runjob *j, enum bk_job_hook what, const char *url, bool ping,
    const struct telling *t, struct bk_fault *f)
{
	struct bk_buf var = BK_BUF_INIT(16384), ms = BK_BUF_INIT(32);
	struct bk_args a = BK_ARGS_INIT;
	const char *env[2] = { NULL, NULL };
	struct bk_run *r = j->run;
	int rc = -1;

	if (bk_buf_addf(&var, f, "BK_HOOK_URL=%s", url) == 0 &&
	    bk_buf_addf(&ms, f, "%lldms", (long long)j->job->hook_timeout) == 0 &&
	    bk_run_own(r, "bk-hook", &a, f) == 0 &&
	    bk_args_opt(&a, "--event", events[what], f) == 0 &&
	    (!ping || bk_args_add(&a, "--ping", f) == 0) &&
	    bk_args_opt(&a, "--timeout", ms.p, f) == 0 &&
	    bk_args_all(&a, t->options.v, f) == 0) {
		env[0] = var.p;
		/* bk-hook keeps the limit itself; ours is behind it. */
		rc = bk_run_program(r, &a, env, NULL, NULL, r->ctx.mono() +
		    j->job->hook_timeout + 2000, f);
	}
	bk_args_release(&a);
	bk_buf_wipe(&var);
	bk_buf_release(&ms);
	return rc;
}

static bool
is_url(const char *s)
{
	return strncmp(s, "http://", 7) == 0 || strncmp(s, "https://", 8) == 0;
}

static void
tell_one(struct bk_runjob *j, enum bk_job_hook what, const char *hook,
    bool ping, const struct telling *t)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_run *r = j->run;
	const char *const *env = (const char *const *)t->vars;
	int rc;

	rc = is_url(hook) ? send_url(j, what, hook, ping, t, &f) :
	    bk_run_shell(r, hook, env, r->ctx.mono() + j->job->hook_timeout, &f);
	if (rc > 0)
		(void)bk_fault_set(&f, BK_NO, "it exited %d", rc);
	if (rc != 0)
		r->ctx.log(BK_LOG_WARN, "job '%s': the %s hook failed: %s",
		    j->job->title, ping ? "ping" : events[what], f.text);
}

void
bk_run_hooks(struct bk_runjob *j, enum bk_job_hook what)
{
	struct telling t = { { NULL }, BK_ARGS_INIT };
	char *const *hook = j->job->hooks[what];
	struct bk_fault f = BK_FAULT_INIT;

	if (hook == NULL && j->job->ping == NULL)
		return;
	if (gather(j, what, &t, &f) == -1)
		j->run->ctx.log(BK_LOG_WARN, "job '%s': no hooks: %s",
		    j->job->title, f.text);
	else {
		if (j->job->ping != NULL)
			tell_one(j, what, j->job->ping, true, &t);
		for (; hook != NULL && *hook != NULL; hook++)
			tell_one(j, what, *hook, false, &t);
	}
	release(&t);
}
