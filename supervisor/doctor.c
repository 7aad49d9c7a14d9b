/*
 * What the checks share.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "child.h"
#include "doctor.h"
#include "json.h"

#define OUT_MAX (1 << 20)
#define RUN_MS 120000

static void
clean(char *p)
{
	for (; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
}

void
bk_doctor_note(struct bk_doctor *d, const char *check, const char *subject,
    enum bk_finding_is is, const char *fmt, ...)
{
	struct bk_finding *v = realloc(d->v, (d->n + 1) * sizeof(*v));
	char *text = NULL, *copy = strdup(subject);
	va_list ap;

	va_start(ap, fmt);
	if (v != NULL)
		d->v = v;
	if (v == NULL || copy == NULL || vasprintf(&text, fmt, ap) == -1) {
		free(copy);
		(void)bk_fault_errno(&d->fault, BK_IO, ENOMEM, "the findings");
	} else {
		clean(copy);
		clean(text);
		v[d->n++] = (struct bk_finding){ check, copy, is, text };
	}
	va_end(ap);
}

bool
bk_doctor_wants(const struct bk_doctor *d, const struct bk_job *job)
{
	return (d->job == NULL || strcmp(d->job, job->title) == 0) &&
	    bk_job_here(d->ctx, job);
}

/* The last line of ${tail}, without the program's name. */
static void
last_words(const char *tail, char why[BK_DOCTOR_WHY])
{
	const char *end = tail + strlen(tail), *p, *colon;

	while (end > tail && end[-1] == '\n')
		end--;
	for (p = end; p > tail && p[-1] != '\n'; p--)
		;
	if (strncmp(p, "bk-", 3) == 0 && (colon = strstr(p, ": ")) != NULL &&
	    colon < end)
		p = colon + 2;
	(void)snprintf(why, BK_DOCTOR_WHY, "%.*s", (int)(end - p), p);
}

int
bk_doctor_run(struct bk_doctor *d, const struct bk_args *a, json_t **o,
    char why[BK_DOCTOR_WHY])
{
	/* What it says is read here, whoever reads what we say. */
	static const char *const env[] = { "BK_LOG=text", "BK_LOGLEVEL=warn",
		NULL };
	struct bk_child_spec spec = { .argv = bk_args_argv(a), .env = env,
		.flags = BK_CHILD_FULLENV, .in = -1,
		.deadline = d->ctx->mono() + RUN_MS };
	struct bk_buf out = BK_BUF_INIT(OUT_MAX), tail = BK_BUF_INIT(BK_TAIL_MAX);
	struct bk_fault f = BK_FAULT_INIT, quiet = BK_FAULT_INIT;
	int rc = bk_child_capture(d->ctx, &spec, NULL, &out, &tail, &f);
	const char *nl = out.len > 0 ? memchr(out.p, '\n', out.len) : NULL;

	*o = nl == NULL ? NULL : bk_json_parse(out.p, (size_t)(nl - out.p),
	    "answer", &quiet);
	last_words(bk_buf_text(&tail), why);
	if (rc == -1)
		(void)snprintf(why, BK_DOCTOR_WHY, "%s", f.text);
	else if (why[0] == '\0')
		(void)snprintf(why, BK_DOCTOR_WHY, "it exited %d", rc);
	bk_buf_release(&out);
	bk_buf_release(&tail);
	return rc;
}
