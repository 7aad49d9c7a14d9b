/*
 * bk-doctor: is everything there that backups want?  Looks at the schedule
 * file, this host, the sources, the stores and what they hold, and says what
 * is wrong and what helps.  Changes nothing but .bk/probe.json in the stores.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "io.h"
#include "json.h"
#include "prog.h"

#define OUT_MAX (16 << 20)

enum { CONFIG = 256, JSON, TABLE, ONCE };

static const struct bk_opt opts[] = {
	{ CONFIG, "config", "FILE", "the schedule file (/etc/bk/bk.conf)", 0 },
	{ JSON, "json", NULL, "JSON lines and an end line, also on a terminal", 0 },
	{ TABLE, "table", NULL, "a table, also into a pipe", 0 },
	{ ONCE, "once", NULL, "cron runs bk-supervise --once: no supervisor is wanted", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-doctor", "[OPTION]... [JOB]",
	"tell whether everything is there that backups want", opts };

/* In the order in which a person mends them. */
static bk_doctor_fn *const checks[] = {
	bk_doctor_state,
	bk_doctor_inotify,
	bk_doctor_supervisor,
	bk_doctor_tools,
	bk_doctor_sources,
	bk_doctor_stores,
	bk_doctor_fresh,
};

static const char *const results[BK_FINDINGS] = { "ok", "warn", "fail" };

/* The schedule file: what all the others stand on. */
static bool
schedule(struct bk_doctor *d)
{
	struct bk_fault f = BK_FAULT_INIT, none = BK_FAULT_INIT;
	const char *path = d->config != NULL ? d->config :
	    d->ctx->env("BK_CONF") != NULL ? d->ctx->env("BK_CONF") : BK_CONF_PATH;

	if ((d->jobs = bk_jobs_load(d->ctx, d->config, &f)) == NULL ||
	    (d->due = bk_due_open(d->ctx, d->jobs, &f)) == NULL) {
		bk_doctor_note(d, "schedule", path, BK_FINDING_BAD, "%s", f.text);
		return false;
	}
	bk_doctor_note(d, "schedule", d->jobs->path, d->jobs->njobs == 0 ?
	    BK_FINDING_BAD : BK_FINDING_OK, "%zu job%s, zone %s%s",
	    d->jobs->njobs, d->jobs->njobs == 1 ? "" : "s", bk_due_zone(d->due),
	    d->jobs->njobs == 0 ? ": nothing is backed up" : "");
	if (d->job != NULL && bk_jobs_find(d->jobs, d->job, &none) == NULL)
		(void)bk_fault_set(&d->fault, none.status, "%s", none.text);
	return !bk_faulty(&d->fault);
}

static size_t
failed(const struct bk_doctor *d)
{
	size_t i, n = 0;

	for (i = 0; i < d->n; i++)
		n += d->v[i].is == BK_FINDING_BAD;
	return n;
}

static int
put_json(const struct bk_doctor *d, struct bk_fault *f)
{
	json_t *o;
	size_t i;
	int rc = 0;

	for (i = 0; i < d->n && rc == 0; i++) {
		o = json_object();
		if (bk_json_set_text(o, "check", d->v[i].check, f) == 0 &&
		    bk_json_set_text(o, "subject", d->v[i].subject, f) == 0 &&
		    bk_json_set_text(o, "result", results[d->v[i].is], f) == 0 &&
		    bk_json_set_text(o, "text", d->v[i].text, f) == 0)
			rc = bk_json_write(STDOUT_FILENO, o, "standard output", f);
		else
			rc = -1;
		json_decref(o);
	}
	if (rc == -1 || (o = json_pack("{s:s, s:I, s:I}", "end", "ok", "checks",
	    (json_int_t)d->n, "failed", (json_int_t)failed(d))) == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "the findings");
	rc = bk_json_write(STDOUT_FILENO, o, "standard output", f);
	json_decref(o);
	return rc;
}

static int
put_table(const struct bk_doctor *d, struct bk_fault *f)
{
	struct bk_buf out = BK_BUF_INIT(OUT_MAX);
	size_t i, check = 0, subject = 0;
	int rc = 0;

	for (i = 0; i < d->n; i++) {
		if (strlen(d->v[i].check) > check)
			check = strlen(d->v[i].check);
		if (strlen(d->v[i].subject) > subject)
			subject = strlen(d->v[i].subject);
	}
	for (i = 0; i < d->n && rc == 0; i++)
		rc = bk_buf_addf(&out, f, "%-4s  %-*s  %-*s  %s\n",
		    results[d->v[i].is], (int)check, d->v[i].check, (int)subject,
		    d->v[i].subject, d->v[i].text);
	if (rc == 0 && out.len > 0)
		rc = bk_write_all(STDOUT_FILENO, out.p, out.len,
		    "standard output", f);
	bk_buf_release(&out);
	return rc;
}

static void
release(struct bk_doctor *d)
{
	size_t i;

	for (i = 0; i < d->n; i++) {
		free(d->v[i].subject);
		free(d->v[i].text);
	}
	free(d->v);
	bk_due_free(d->due);
	bk_jobs_free(d->jobs);
}

int
main(int argc, char *argv[])
{
	struct bk_doctor d = { .fault = BK_FAULT_INIT };
	int key, n, form = 0, status = 0;
	const char *arg;
	char **words;
	size_t i;

	bk_init(&prog, argc, argv);
	d.ctx = bk_ctx;
	while ((key = bk_opt_next(&arg)) != -1)
		if (key == CONFIG)
			d.config = arg;
		else if (key == ONCE)
			d.once = true;
		else if (form != 0)
			bk_usage("choose one of --json and --table");
		else
			form = key;
	if ((n = bk_operands(&words)) > 1)
		bk_usage("want one job at most");
	d.job = n == 1 ? words[0] : NULL;
	if (form == 0)
		form = isatty(STDOUT_FILENO) ? TABLE : JSON;
	if (schedule(&d))
		for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
			checks[i](&d);
	if (!bk_faulty(&d.fault) && (form == JSON ? put_json(&d, &d.fault) :
	    put_table(&d, &d.fault)) == 0)
		status = failed(&d) > 0 ? BK_NO : 0;
	release(&d);
	return bk_faulty(&d.fault) ? bk_exit(&d.fault) : status;
}
