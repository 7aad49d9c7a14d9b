/*
 * Restoring what a job of the schedule file has backed up: which backups, of
 * which store, into which targets.  The programs bk-list and bk-restore do the
 * work.
 */
#ifndef BK_RECALL_H
#define BK_RECALL_H

#include "run.h"

/* One backup to bring back. */
struct bk_recall_part {
	const struct bk_job *job;
	size_t source;			/* which of the job's */
	char name[BK_NAME_MAX + 1];	/* of its backups */
	const char *target;		/* URL */
	bool live;			/* it is the job's own source */
	const struct bk_job_store *store;	/* found: where */
	char id[BK_ULID_LEN + 1];
	char time[64];
	int64_t bytes;
};

/* What is asked for; text is borrowed. */
struct bk_recall {
	struct bk_run *run;
	const struct bk_job *job;	/* NULL for a group */
	const char *group;		/* or NULL */
	const char *at, *id;		/* or NULL: the newest */
	const struct bk_job_store *store;	/* only this one; NULL: the jobs' */
	const char *const *into;	/* "URL" or "NAME=URL", NULL-ended */
	const char *const *undo;	/* for bk-restore, NULL-ended */
	bool yes;
	struct bk_recall_part *part;	/* owned */
	size_t n;
};

/*
 * Plan: one part for each source, with its target.  0, or -1 with ${f} set
 * (64; 66 no job is of that group).
 */
int bk_recall_plan(struct bk_recall *c, struct bk_fault *f);
void bk_recall_release(struct bk_recall *c);

/*
 * Find the backup of each part; of a group a whole run.  0, or -1 with ${f}
 * set: 66 there is none, or that of bk-list.
 */
int bk_recall_find(struct bk_recall *c, struct bk_fault *f);

/*
 * Carry it out: restore-before of each job, the parts, restore-always of each
 * job that had begun.  ${ask} says whether what the target of a part holds may
 * go.  0, or -1 with ${f} set.
 */
typedef bool bk_recall_ask(const struct bk_recall_part *p);
int bk_recall_run(struct bk_recall *c, bk_recall_ask *ask, struct bk_fault *f);

#endif
