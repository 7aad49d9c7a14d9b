/*
 * This host: the state directory, what inotify allows, the supervisor.
 */
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "doctor.h"
#include "json.h"
#include "table.h"

/* The ledger is 4 MiB, and there are two of it. */
#define SPACE_NEED ((uint64_t)4 * BK_LEDGER_MAX)
#define SPACE_WISH ((uint64_t)100 << 20)
#define ASK_MS 10000
#define WATCHES 4			/* for one path: it and directories above */

static void
space(struct bk_doctor *d, const char *dir)
{
	struct statvfs v;
	uint64_t left;
	char text[8];

	if (statvfs(dir, &v) == -1) {
		bk_doctor_note(d, "state", dir, BK_FINDING_BAD,
		    "its space cannot be told: %s", strerror(errno));
		return;
	}
	left = (uint64_t)v.f_bavail * v.f_frsize;
	bk_doctor_note(d, "state", dir, left < SPACE_NEED ? BK_FINDING_BAD :
	    left < SPACE_WISH ? BK_FINDING_WARN : BK_FINDING_OK,
	    "%s bytes are free", bk_size_text(left, text));
	if (v.f_files > 0 && v.f_favail == 0)
		bk_doctor_note(d, "state", dir, BK_FINDING_BAD,
		    "no more files can be made");
}

void
bk_doctor_state(struct bk_doctor *d)
{
	const char *dir = d->jobs->state;
	struct stat st;

	if (stat(dir, &st) == -1) {
		bk_doctor_note(d, "state", dir, errno == ENOENT ?
		    BK_FINDING_WARN : BK_FINDING_BAD, "%s%s", strerror(errno),
		    errno == ENOENT ? "; the first run makes it" : "");
		return;
	}
	if (!S_ISDIR(st.st_mode))
		bk_doctor_note(d, "state", dir, BK_FINDING_BAD,
		    "it is no directory");
	else if (access(dir, R_OK | W_OK | X_OK) == -1)
		bk_doctor_note(d, "state", dir, BK_FINDING_BAD,
		    "it cannot be used: %s", strerror(errno));
	else if (st.st_mode & S_IWOTH)
		bk_doctor_note(d, "state", dir, BK_FINDING_BAD,
		    "anybody may write there (mode %04o); want chmod o-w",
		    (unsigned int)(st.st_mode & 07777));
	else
		bk_doctor_note(d, "state", dir, BK_FINDING_OK,
		    "can be written, mode %04o",
		    (unsigned int)(st.st_mode & 07777));
	if (S_ISDIR(st.st_mode))
		space(d, dir);
}

static long
limit(const char *name)
{
	char path[128], text[32] = "";
	FILE *fp;

	(void)snprintf(path, sizeof(path), "/proc/sys/fs/inotify/%s", name);
	if ((fp = fopen(path, "re")) == NULL)
		return -1;
	if (fgets(text, sizeof(text), fp) == NULL)
		text[0] = '\0';
	(void)fclose(fp);
	return text[0] != '\0' ? strtol(text, NULL, 10) : -1;
}

void
bk_doctor_inotify(struct bk_doctor *d)
{
	const struct bk_job *j;
	long want = 0, most;
	size_t i, k;
	int fd;

	for (i = 0; i < d->jobs->njobs; i++) {
		j = &d->jobs->jobs[i];
		if (!bk_job_here(d->ctx, j))
			continue;
		for (k = 0; j->watch != NULL && j->watch[k] != NULL; k++)
			want += WATCHES;
	}
	if (want == 0)
		return;
	if ((fd = inotify_init1(IN_CLOEXEC)) == -1) {
		bk_doctor_note(d, "inotify", "fs.inotify.max_user_instances",
		    BK_FINDING_BAD, "%ld are not enough: %s",
		    limit("max_user_instances"), strerror(errno));
		return;
	}
	(void)close(fd);
	most = limit("max_user_watches");
	bk_doctor_note(d, "inotify", "fs.inotify.max_user_watches",
	    most != -1 && most < want ? BK_FINDING_BAD : BK_FINDING_OK,
	    "%ld, and the jobs want about %ld", most, want);
}

/* Is there anything that happens by itself? */
static bool
by_itself(const struct bk_jobs *jobs)
{
	size_t i;

	for (i = 0; i < jobs->njobs; i++)
		if (jobs->jobs[i].schedule != NULL ||
		    jobs->jobs[i].watch != NULL || jobs->jobs[i].at_start)
			return true;
	return jobs->nrequests > 0;
}

/* What it says of itself against the file that we have read. */
static void
compare(struct bk_doctor *d, const char *path, const json_t *o)
{
	const char *config = bk_json_get_text(o, "config");
	const char *since = bk_json_get_text(o, "since");

	if (config != NULL && strcmp(config, d->jobs->path) != 0)
		bk_doctor_note(d, "supervisor", path, BK_FINDING_WARN,
		    "it runs by another schedule file, '%s'", config);
	else
		bk_doctor_note(d, "supervisor", path, BK_FINDING_OK,
		    "runs as process %lld since %s",
		    (long long)bk_json_get_int(o, "pid"), since != NULL ? since :
		    "?");
}

void
bk_doctor_supervisor(struct bk_doctor *d)
{
	json_t *what = json_pack("{s:s}", "do", "status"), *o = NULL;
	struct bk_ask ask = BK_ASK_INIT;
	struct bk_fault f = BK_FAULT_INIT;
	char path[PATH_MAX];
	int rc;

	(void)snprintf(path, sizeof(path), "%.4000s/%s", d->jobs->state,
	    BK_ASK_SOCKET);
	rc = what == NULL ? bk_fault_errno(&f, BK_IO, ENOMEM, "the request") :
	    bk_ask_open(&ask, d->jobs->state, what, &f);
	if (rc == 0)
		rc = bk_ask_next(&ask, d->ctx, d->ctx->mono() + ASK_MS, &o, &f);
	if (rc == 0)
		compare(d, path, o);
	else if (rc == BK_ASK_ALONE && ask.fd != -1 && o == NULL &&
	    !bk_faulty(&f))
		bk_doctor_note(d, "supervisor", path, d->once ||
		    !by_itself(d->jobs) ? BK_FINDING_OK : BK_FINDING_BAD,
		    "no supervisor listens%s", d->once || !by_itself(d->jobs) ?
		    ", and none is wanted" : "; start bk-supervise, or give "
		    "--once where cron runs 'bk-supervise --once'");
	else
		bk_doctor_note(d, "supervisor", path, BK_FINDING_BAD, "%s",
		    bk_faulty(&f) ? f.text : "it does not answer");
	json_decref(o);
	json_decref(what);
	bk_ask_release(&ask);
}
