/*
 * The ledger: what happened to each slot of each job (DESIGN, 9), as JSON
 * lines in STATE/ledger, appended and synced before acting.  Supervisor and
 * runs of any number append side by side (a lock file orders them); a kill at
 * any moment leaves at most one torn line, which readers skip; a write that a
 * full disk cut is taken back.
 *
 *   {"time":"…","job":"app","event":"started","slot":"…","run":"01J…",
 *    "trigger":"schedule","pid":123}
 *
 * Past BK_LEDGER_MAX the file is moved to STATE/ledger.1 and begun anew with
 * what the state of each job was made of.
 */
#ifndef BK_LEDGER_H
#define BK_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctx.h"
#include "fault.h"
#include "names.h"
#include "ulid.h"

#define BK_LEDGER_MAX (4 << 20)
#define BK_LEDGER_RECENT 8		/* last good runs that a state knows */
#define BK_LEDGER_TEXT 512

enum bk_ledger_event {
	BK_LEDGER_NONE,
	BK_LEDGER_DUE,			/* the slot has come */
	BK_LEDGER_STARTED,		/* a bk-run leads it */
	BK_LEDGER_COMMITTED,		/* in all stores; or a run= job ended well */
	BK_LEDGER_UNCHANGED,
	BK_LEDGER_FAILED,
	BK_LEDGER_MISSED,		/* nothing was there to run it */
	BK_LEDGER_SKIPPED,		/* only-if, hosts, lease, still running */
	BK_LEDGER_EVENTS
};

struct bk_ledger_entry {
	enum bk_ledger_event event;
	int64_t time;			/* ms; 0: now */
	const char *job;
	int64_t slot;			/* due time, ms; 0: not a slot's */
	const char *run;		/* ULID, or NULL */
	const char *trigger;		/* "schedule", "watch", "manual", … or NULL */
	int pid;			/* of STARTED */
	int status;			/* exit status, of outcomes */
	const char *message;		/* reason, or NULL */
	const char *id;			/* of the last record, or NULL */
	int64_t bytes;			/* of all records of the run */
	int64_t duration;		/* ms, of outcomes */
};

/* What the ledger tells of one job; times 0 where it never was. */
struct bk_ledger_state {
	char job[BK_NAME_MAX + 1];
	enum bk_ledger_event last;	/* of the last entry */
	int64_t last_time;
	/* The newest that any entry names, or an older one that came due later. */
	int64_t slot;
	enum bk_ledger_event slot_event;	/* the last entry for it */
	/* A run without an outcome yet: alive while its job lock is held. */
	bool open;
	char run[BK_ULID_LEN + 1];
	char trigger[BK_NAME_MAX + 1];
	int pid;
	int64_t started;
	int64_t committed, unchanged, failed;	/* time of the last of each */
	char id[BK_ULID_LEN + 1];	/* of the last commit */
	int64_t bytes, duration;
	int status;			/* of the last outcome */
	char message[BK_LEDGER_TEXT];	/* reason of the last failure */
	/* The last good runs, oldest first. */
	int64_t recent_bytes[BK_LEDGER_RECENT], recent_duration[BK_LEDGER_RECENT];
	size_t nrecent;
};

/* The word for an event ("started"). */
const char *bk_ledger_word(enum bk_ledger_event event);

/*
 * Append ${e} to the ledger in directory ${state} (made if absent, 0700) and
 * sync it.  0, or -1 with ${f} set (73, 74, 77; 69 where the lock is not to
 * be had within 10 s); the ledger is then as it was.
 */
int bk_ledger_add(const struct bk_ctx *ctx, const char *state,
    const struct bk_ledger_entry *e, struct bk_fault *f);

/* The same for ${n} entries at once. */
int bk_ledger_adds(const struct bk_ctx *ctx, const char *state,
    const struct bk_ledger_entry *e, size_t n, struct bk_fault *f);

/*
 * Read the ledger: *${out} is an array of *${n} states by job name, the
 * caller frees it.  *${torn} (may be NULL) counts lines that could not be
 * read.  0, also where there is none; -1 with ${f} set.
 */
int bk_ledger_read(const struct bk_ctx *ctx, const char *state,
    struct bk_ledger_state **out, size_t *n, size_t *torn,
    struct bk_fault *f);

/* The state of ${job} in what bk_ledger_read gave, or NULL. */
const struct bk_ledger_state *bk_ledger_find(const struct bk_ledger_state *s,
    size_t n, const char *job);

/*
 * Locks in STATE/lock: open, locked descriptors, close-on-exec, freed by the
 * kernel on any death.  "job-TITLE" is held by the bk-run of a job from start
 * to end; "lock-NAME" by one of the jobs that share a lock.
 *
 * Take it, waiting until ctx->mono() is ${until} (0: not at all) or ${stop}
 * (-1: none) is readable.  Returns the descriptor, or -1 with ${f} set: 75
 * where another has it, 73, 74, 77.
 */
int bk_ledger_lock(const struct bk_ctx *ctx, const char *state,
    const char *kind, const char *name, int64_t until, int stop,
    struct bk_fault *f);

/* Is it held by another?  1, 0 or -1. */
int bk_ledger_locked(const struct bk_ctx *ctx, const char *state,
    const char *kind, const char *name, struct bk_fault *f);

#endif
