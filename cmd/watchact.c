/*
 * See watchact.h.  One command at a time: what changes meanwhile waits, and
 * starts another afterwards.
 */
#include <sys/mman.h>
#include <sys/types.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backoff.h"
#include "command.h"
#include "io.h"
#include "json.h"
#include "prog.h"
#include "replace.h"
#include "watchact.h"

#define RETRY_MS INT64_C(10000)		/* first wait after a failure; doubled */
#define RETRY_MAX_MS INT64_C(600000)
#define LINES_MAX ((size_t)64 << 20)

struct bk_act {
	const char *const *command;
	const char *flag;
	size_t n;
	json_t **waits, **given;	/* a line for each path, or NULL */
	pid_t pid;			/* of the command, or 0 */
	bool fresh;			/* something waits that never failed */
	bool worked;			/* the flag was raised once */
	struct bk_backoff failed;
};

struct bk_act *
bk_act_new(size_t paths, const char *const *command, const char *flag,
    struct bk_fault *f)
{
	struct bk_act *a = calloc(1, sizeof(*a));

	if (a == NULL || (a->waits = calloc(paths, sizeof(json_t *))) == NULL ||
	    (a->given = calloc(paths, sizeof(json_t *))) == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		bk_act_free(a);
		return NULL;
	}
	a->n = paths;
	a->failed = (struct bk_backoff)BK_BACKOFF_INIT(RETRY_MS, RETRY_MAX_MS);
	a->command = command;
	a->flag = flag;
	return a;
}

void
bk_act_add(struct bk_act *a, size_t path, json_t *line)
{
	json_decref(a->waits[path]);
	a->waits[path] = line;
	a->fresh = true;
}

/* All lines that wait, which are given away with that. */
static int
give(struct bk_act *a, struct bk_buf *lines, struct bk_fault *f)
{
	size_t i;

	for (i = 0; i < a->n; i++) {
		if (a->waits[i] == NULL)
			continue;
		if (bk_json_text(a->waits[i], lines, f) == -1 ||
		    bk_buf_adds(lines, "\n", f) == -1)
			return -1;
		a->given[i] = a->waits[i];
		a->waits[i] = NULL;
	}
	a->fresh = false;
	return 0;
}

/* What was given has come to its end with ${status}. */
static void
ended(struct bk_act *a, int status, int64_t now)
{
	bool again = status == BK_UNAVAILABLE || status == BK_CANTCREATE ||
	    status == BK_IO || status == BK_BUSY;
	size_t i;

	for (i = 0; i < a->n; i++) {
		if (again && a->waits[i] == NULL)
			a->waits[i] = json_incref(a->given[i]);
		json_decref(a->given[i]);
		a->given[i] = NULL;
	}
	if (!again) {
		bk_backoff_over(&a->failed);
		return;
	}
	bk_backoff_failed(&a->failed, now);
	if (!a->fresh)
		bk_say(BK_LOG_WARN, "trying again in %llds",
		    (long long)a->failed.wait / 1000);
}

static int
start(struct bk_act *a, const struct bk_buf *lines, struct bk_fault *f)
{
	int fd = memfd_create("bk-watch", MFD_CLOEXEC), rc = -1;

	if (fd == -1)
		return bk_fault_errno(f, BK_IO, errno, "cannot make a file");
	if (bk_pwrite_all(fd, lines->p, lines->len, 0, "standard input of the "
	    "command", f) == 0)
		rc = bk_command_start(a->command, fd, &a->pid, f);
	(void)close(fd);
	return rc;
}

static int
raise_flag(struct bk_act *a, const struct bk_buf *lines, int64_t now,
    struct bk_fault *f)
{
	struct bk_fault why = BK_FAULT_INIT;

	if (bk_file_replace(a->flag, lines->p, lines->len, 0644, &why) == 0) {
		a->worked = true;
		ended(a, 0, now);
		return 0;
	}
	if (!a->worked) {
		*f = why;
		return -1;
	}
	bk_say(BK_LOG_ERROR, "%s", why.text);
	ended(a, BK_IO, now);
	return 0;
}

static bool
waiting(const struct bk_act *a)
{
	size_t i;

	for (i = 0; i < a->n; i++)
		if (a->waits[i] != NULL)
			return true;
	return false;
}

int
bk_act_step(struct bk_act *a, int64_t now, struct bk_fault *f)
{
	struct bk_buf lines = BK_BUF_INIT(LINES_MAX);
	int rc, status = 0;

	if (a->pid != 0) {
		rc = bk_command_ended(a->command, a->pid, &status, f);
		if (rc != BK_END)
			return rc == -1 ? -1 : 0;
		a->pid = 0;
		ended(a, status, now);
	}
	if (!waiting(a) || (!a->fresh && now < a->failed.until))
		return 0;
	if ((rc = give(a, &lines, f)) == 0)
		rc = a->flag != NULL ? raise_flag(a, &lines, now, f) :
		    start(a, &lines, f);
	bk_buf_release(&lines);
	return rc;
}

int64_t
bk_act_due(const struct bk_act *a)
{
	return a->pid == 0 && waiting(a) ? a->failed.until : INT64_MAX;
}

void
bk_act_free(struct bk_act *a)
{
	size_t i;

	if (a == NULL)
		return;
	if (a->pid != 0)
		bk_command_end(a->pid);
	for (i = 0; i < a->n; i++) {
		json_decref(a->waits[i]);
		json_decref(a->given[i]);
	}
	free(a->waits);
	free(a->given);
	free(a);
}
