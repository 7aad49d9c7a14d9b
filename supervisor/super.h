/*
 * The supervisor: what its parts share.  It waits, and starts bk-run; the
 * same parts serve the daemon and --once, which has no clock to wait for.
 *
 * One turn looks at every job: what has come due is entered in the ledger and
 * queued, what is queued is started as long as "parallel" allows, and the
 * time of the next turn follows from what is left.  A turn comes after
 * whatever woke us and is right at any moment, so that no event can be lost
 * by coming at the wrong one.
 *
 * Of several supervisors with one state directory (a daemon and --once, two
 * --once) the one that holds STATE/lock/slot-JOB acts for a job; it reads the
 * ledger again once it has it.
 */
#ifndef BK_SUPER_H
#define BK_SUPER_H

#include <poll.h>
#include <stdbool.h>
#include <sys/types.h>

#include "buf.h"
#include "due.h"

enum bk_sup_kind { BK_SUP_RUN, BK_SUP_LOOK, BK_SUP_REQUESTS };

/* A bk-run that we started.  It lives on when we end. */
struct bk_sup_child {
	struct bk_sup_child *next;
	enum bk_sup_kind kind;
	pid_t pid;
	char title[BK_NAME_MAX + 1];	/* of its job, or store */
	char run[BK_ULID_LEN + 1];
	int64_t slot;
	int64_t began;			/* boot clock */
	uint64_t digest;		/* of what the job watches, then */
	int out;			/* memory file of what it prints */
	int lock;			/* of the slot, or -1 */
};

/* bk-watch for one job. */
struct bk_sup_watch {
	pid_t pid;			/* 0: none */
	int fd;				/* what it prints, or -1 */
	struct bk_buf line;
	int64_t again;			/* boot clock: start it then; 0: not waiting */
	int64_t wait;			/* ms, before the next start */
};

/* One job of the file. */
struct bk_sup_task {
	const struct bk_job *job;
	struct bk_sup_child *run, *look;
	bool queued;
	struct bk_due_time want;	/* of what is queued */
	const char *trigger;
	int lock;			/* of the slot, while it is queued; or -1 */
	char ask[BK_ULID_LEN + 1];	/* run id promised to who asked, or "" */
	int64_t acted;			/* the slot that we entered last */
	bool unwritten;			/* the ledger could not be told */
	int64_t again;			/* wall clock: leave the slot alone until then */
	int64_t wal_again;		/* boot clock: next look at its log */
	int64_t look_again;		/* wall clock: no look before */
	bool recalled;			/* it was looked for in the stores */
	bool at_start;			/* to be run once */
	bool changed;			/* what it watches */
	int64_t change_again;		/* boot clock: after a failure, not before */
	uint64_t watched;		/* digest at the last good run */
	struct bk_due_age age;
	int other;			/* pidfd of a run that is not ours, or -1 */
	struct bk_sup_watch watch;
};

struct bk_sup_client {
	int fd;
	int64_t until;			/* boot clock: away by then; 0: no limit */
	bool asked;			/* its request has come */
	bool last;			/* all is said: hang up when it is sent */
	struct bk_buf in, out;
	char title[BK_NAME_MAX + 1];	/* of the job that it waits for, or "" */
	char run[BK_ULID_LEN + 1];
};

#define BK_SUP_CLIENTS 16

struct bk_sup {
	const struct bk_ctx *ctx;
	const char *config;		/* as given, or NULL */
	bool once;
	bool checking;			/* --check: nothing is written */
	bool stop;			/* no more starts */
	int64_t since;			/* wall clock */
	struct bk_jobs *jobs;
	struct bk_due *due;
	struct bk_sup_task *tasks;	/* as jobs->jobs */
	struct bk_ledger_state *states;
	size_t nstates;
	struct bk_sup_mark {		/* of the ledger when it was read */
		ino_t inode;
		off_t size;
	} mark;
	struct bk_sup_child *children;
	int64_t *requests;		/* boot clock: next look, as jobs->requests */
	int nrun;			/* children of kind run */
	int64_t wall, boot;		/* next turn by each clock, or BK_DUE_NEVER */
	int worst;			/* status of --once */
	int signals, wall_timer, boot_timer, listener, only;
	struct bk_sup_client clients[BK_SUP_CLIENTS];
	size_t nclients;
	int64_t deaf;			/* boot clock: no client is let in before */
	int64_t beat;			/* ms between two signs of life, or 0 */
};

/* Milliseconds that pass also while the machine sleeps. */
int64_t bk_sup_boot(void);

/* ---- super.c ---- */

/*
 * Read the schedule file and the ledger, or read the file again: tasks of the
 * same title go on.  0; -1 with ${f} set, and all is as it was.
 */
int bk_sup_load(struct bk_sup *s, struct bk_fault *f);
void bk_sup_close(struct bk_sup *s);

/* Read the ledger again if it has changed; says so where that fails. */
void bk_sup_states(struct bk_sup *s);

/* The task of a title, or NULL. */
struct bk_sup_task *bk_sup_task(struct bk_sup *s, const char *title);

/*
 * What the ledger tells of the task, and what we did that it cannot tell:
 * NULL where there is nothing, else ${out} or what the ledger gave.
 */
const struct bk_ledger_state *bk_sup_state(const struct bk_sup *s,
    const struct bk_sup_task *t, struct bk_ledger_state *out);

/* ---- superturn.c ---- */

void bk_sup_turn(struct bk_sup *s);

/*
 * Somebody asks for a run now: queue it, its id in t->ask.  0; -1 with ${f}
 * set: 75 where one is under way.
 */
int bk_sup_ask(struct bk_sup *s, struct bk_sup_task *t, struct bk_fault *f);

/* Enter what happened to a slot, 0: to none. */
void bk_sup_enter(struct bk_sup *s, struct bk_sup_task *t,
    enum bk_ledger_event event, int64_t slot, const char *message);

/* ---- superrun.c ---- */

/* Start what is queued; the task is not queued any more.  Says what fails. */
void bk_sup_start(struct bk_sup *s, struct bk_sup_task *t);
void bk_sup_look(struct bk_sup *s, struct bk_sup_task *t);
void bk_sup_requests(struct bk_sup *s, const struct bk_job_store *store);

/* Children that have ended: what follows from it. */
void bk_sup_reap(struct bk_sup *s);

/* ---- superwatch.c ---- */

/* Keep a bk-watch for each job that watches.  The next start: *boot is less. */
void bk_sup_watch(struct bk_sup *s);

/* Read what a bk-watch says. */
void bk_sup_watch_read(struct bk_sup *s, struct bk_sup_task *t);
void bk_sup_watch_ended(struct bk_sup *s, struct bk_sup_task *t, int status);
void bk_sup_watch_stop(struct bk_sup_task *t);

/* Does what it watches differ from its last good run? */
bool bk_sup_differs(const struct bk_sup_task *t);

/* ---- supersock.c ---- */

int bk_sup_listen(struct bk_sup *s, struct bk_fault *f);
void bk_sup_accept(struct bk_sup *s);
void bk_sup_client(struct bk_sup *s, struct bk_sup_client *c, short events);

/* Drop those that are late or gone. */
void bk_sup_clients(struct bk_sup *s);
void bk_sup_unlisten(struct bk_sup *s);

/* Tell those who wait for this run that it began, or ended so. */
void bk_sup_tell_started(struct bk_sup *s, const struct bk_sup_child *c);
void bk_sup_tell_ended(struct bk_sup *s, const struct bk_sup_child *c,
    int status, const char *outcome, const char *message);

/* ---- supernote.c ---- */

/* Tell the service manager (sd_notify(3)); nothing where there is none. */
void bk_sup_note(const struct bk_ctx *ctx, const char *text);

/* How often it wants a sign of life, in ms; 0: never. */
int64_t bk_sup_beat(const struct bk_ctx *ctx);

/* ---- superloop.c, supercheck.c ---- */

/* Wait and turn until a signal ends it; --once: until all is done. */
int bk_sup_loop(struct bk_sup *s, struct bk_fault *f);

/* What --check shows, on standard output. */
int bk_sup_check(const struct bk_sup *s, bool json, struct bk_fault *f);

#endif
