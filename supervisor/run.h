/*
 * One run: what bk-run and its parts share.  A run carries out one job, or
 * the jobs of a group one after the other under one run id.
 */
#ifndef BK_RUN_H
#define BK_RUN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "args.h"
#include "buf.h"
#include "child.h"
#include "job.h"
#include "ledger.h"

struct bk_run {
	struct bk_ctx ctx;		/* with BK_RUN in the environment */
	const struct bk_jobs *all;
	char id[BK_ULID_LEN + 1];
	const char *trigger;
	int pid;			/* our own */
	int64_t slot;			/* wall clock, 0: none */
	int64_t until;			/* wall clock: no retry past it; 0: none */
	bool leased;			/* a bk-lease is our parent */
	int stop;			/* epoll: readable once we shall end */
	int signals;			/* signalfd, in it */
	int talk;			/* our standard error, for children's output */
	int grace;			/* ms from TERM to KILL; 0: 5 s */
	bool closing;			/* what runs now is not to be stopped */
	int signal;			/* that has stopped us, or 0 */
};

/* One job in a run. */
struct bk_runjob {
	struct bk_run *run;
	const struct bk_job *job;
	int64_t begin;			/* ctx->mono() */
	int64_t deadline;		/* of the part that is now under way */
	struct bk_child *hold;
	int hold_end;			/* its pidfd, in run->stop; or -1 */
	json_t *names;			/* of the backups tried: an array of text */
	json_t *records;		/* committed in all stores, one for each name */
	enum bk_ledger_event outcome;
	struct bk_fault fault;		/* why it failed, or was skipped */
	struct bk_fault after;		/* what failed after the commit */
};

#define BK_RUN_INIT { .stop = -1, .signals = -1, .talk = -1 }

/* ---- runopen.c ---- */

/*
 * Begin: the id (a new one where ${r} has none), the environment that children
 * get, the signals that end us.  0 or -1.
 */
int bk_run_open(struct bk_run *r, const struct bk_ctx *ctx, struct bk_fault *f);

/* ---- runtalk.c ---- */

/*
 * From now on standard error, ours and the children's, passes through a
 * thread that remembers the last of it.  0 or -1.
 */
int bk_run_talk(struct bk_run *r, struct bk_fault *f);

/* Standard error is as it was, and all is written. */
void bk_run_talk_end(struct bk_run *r);

/* Where ${f} says that a program exited, put its own last words there. */
void bk_run_reason(struct bk_run *r, struct bk_fault *f);

/* ---- steps: runstep.c ---- */

/*
 * Run a command to its end, in the environment plus ${env} (or NULL); its
 * output goes to ${out}, or to standard error where that is NULL.  A word
 * "bk-…" is the program beside this one; "@STORE" stands for the store's URL.
 * Returns its exit status; -1 with ${f} set: not there, killed, "stopped",
 * "timeout" past ${deadline} (it is then ended with its group).
 */
int bk_run_program(struct bk_run *r, const struct bk_args *a,
    const char *const *env, const char *input, struct bk_buf *out,
    int64_t deadline, struct bk_fault *f);

/*
 * The same for one that leads the run in our place: signals that end us are
 * passed on to it, and it takes its time.
 */
int bk_run_leader(struct bk_run *r, const struct bk_args *a,
    struct bk_buf *out, struct bk_fault *f);

/* The same for /bin/sh -c. */
int bk_run_shell(struct bk_run *r, const char *command,
    const char *const *env, int64_t deadline, struct bk_fault *f);

/* Append ${w} as a command, its names of programs and stores replaced. */
int bk_run_words(const struct bk_run *r, const struct bk_words *w,
    struct bk_args *a, struct bk_fault *f);

/* A program of bk's own. */
int bk_run_own(const struct bk_run *r, const char *name, struct bk_args *a,
    struct bk_fault *f);

/* Wait ${ms}; -1 with ${f} set once we shall stop. */
int bk_run_wait(struct bk_run *r, int64_t ms, struct bk_fault *f);

/* Give a "stopped" fault its cause. */
void bk_run_cause(struct bk_runjob *j, struct bk_fault *f);

/* Start the hold command and wait until it says "ready"; 0 or -1. */
int bk_run_hold(struct bk_runjob *j, struct bk_fault *f);

/* Close its input and wait for it.  -1: it failed, or had ended early. */
int bk_run_release(struct bk_runjob *j, struct bk_fault *f);

/* ---- rundump.c ---- */

/* All sources into all stores.  0; 1 unchanged; -1 with ${f} set. */
int bk_run_dump(struct bk_runjob *j, struct bk_fault *f);

/*
 * bk-list --json --name ${name} ${option} [${value}] ${url}: its status, or -1.
 * ${out} gets what it prints; the first record in there, a new reference, or
 * NULL.
 */
int bk_run_list(struct bk_runjob *j, const char *name, const char *url,
    const char *option, const char *value, struct bk_buf *out,
    struct bk_fault *f);
json_t *bk_run_first_record(const struct bk_buf *out);

/* ---- runlease.c ---- */

/*
 * Run ourselves under the lease of ${job}.  The status of that run; 0 where
 * another host has the lease: the run is skipped.  -1 with ${f} set.
 */
int bk_run_under_lease(struct bk_run *r, const struct bk_job *job,
    struct bk_fault *f);

/*
 * Under the lease: has another host made all backups of our slot already?
 * ${f} then says which (BK_NO).
 */
bool bk_run_made(struct bk_runjob *j, struct bk_fault *f);

/* ---- runafter.c ---- */

/* The state in the stores; warns where that fails. */
void bk_run_report(struct bk_runjob *j);

/* Prune the names of the job.  0, or -1 with j->after set. */
int bk_run_prune(struct bk_runjob *j);

/* Write the group's object where ${members} are all there.  0 or -1. */
int bk_run_group_end(struct bk_run *r, const struct bk_job *lead,
    const json_t *members, struct bk_fault *f);

/* The line on standard output, the ledger's entry of the outcome. */
int bk_run_tell(struct bk_runjob *j, struct bk_fault *f);
int bk_run_enter(struct bk_runjob *j, enum bk_ledger_event event);

/* ---- runlook.c ---- */

/*
 * Look at a job, and back up nothing: what a killed run left is entered, what
 * the ledger lacks is taken from the stores, and on-stale is told.  0; 1 where
 * something had to be told; else a status with ${f} set.
 */
int bk_run_look(struct bk_run *r, const struct bk_job *job,
    struct bk_fault *f);

/* ---- runrequest.c ---- */

/*
 * Claim each open request of the store that names a job of the file, run the
 * job, answer.  0 once none is open; -1 with ${f} set where one could not be
 * claimed or answered.
 */
int bk_run_requests(struct bk_run *r, const struct bk_job_store *store,
    struct bk_fault *f);

/*
 * What bk-fresh, with the options ${more}, answers about ${name} in ${url}: an
 * object that the caller owns, or NULL with ${f} set.  Blocks, two minutes at
 * most.
 */
json_t *bk_run_fresh(struct bk_run *r, const struct bk_args *more,
    const char *url, const char *name, struct bk_fault *f);

/*
 * Say in j->after which of the backups just stored is much smaller than those
 * before it.
 */
void bk_run_judge(struct bk_runjob *j);		/* runjudge.c */

/*
 * Of a job that makes base backups: is the log in its stores whole and recent?
 * on-stale is told where it is not, once.  1 if it is not, else 0.
 */
int bk_run_wal(struct bk_run *r, const struct bk_job *job);	/* runwal.c */

/* ---- runhook.c ---- */

/* Commands, webhooks and the dead-man ping for what has happened. */
void bk_run_hooks(struct bk_runjob *j, enum bk_job_hook what);

#endif
