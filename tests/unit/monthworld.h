/*
 * The world of a supervisor on a fake clock: the real supervisor turns, and
 * what it starts is carried out here by the same libraries as the programs
 * use, on a real ledger and a real file store.
 */
#ifndef BK_TEST_MONTHWORLD_H
#define BK_TEST_MONTHWORLD_H

#include <sys/types.h>
#include <time.h>

#include "due.h"
#include "month.h"
#include "store.h"

/* What came of it, as month_expect has it. */
struct month_world {
	struct month_out out;
	int lost;			/* times that the newest good one was pruned */
	int twice;			/* runs of a job at a time: more than one */
	int64_t content;		/* what the last backup of the watched file has */
	int64_t written;		/* what was written to that last */
	int close;			/* starts on change too close to each other */
	int changes;
	struct bk_store *store;		/* for looking at; closed by month_end */
};

void month_run(struct month *m, struct month_world *w);
void month_end(struct month_world *w);

/* The names that are in the store under ${name}: times of the records. */
void month_listed(struct month_world *w, const char *name,
    struct month_lines *out);

/* ---- monthconf.c ---- */

/* Write the schedule file ${conf}. */
void month_conf(const struct month *m, const char *url, const char *conf,
    const char *watched);

/* Set the shift of each job. */
void month_measure(struct month *m, const struct bk_ctx *ctx,
    const struct bk_jobs *all);

/* For those who stand in for the system calls. */
int month_clock(clockid_t id, struct timespec *ts);
void month_dup(int fd, int to);
int month_spawn(pid_t *pid, char *const *argv, char *const *env);
pid_t month_wait(pid_t pid, int *status);

#endif
