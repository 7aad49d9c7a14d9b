/*
 * What the schedule file means: stores and jobs, checked (DESIGN, 9;
 * bk.conf(5)).  Nothing here touches the world but environment and the files
 * of the schedule.
 *
 * Jobs that share a "group" run as one: exactly one of them, the leader, may
 * have a schedule, watch or at-start; bk-run of the leader runs the others
 * after it, under the same run id.  They are never due by themselves.
 */
#ifndef BK_JOB_H
#define BK_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "names.h"
#include "words.h"

#define BK_JOB_UNSET (-1)		/* a duration that is not written */

/* Commands and URLs to tell somebody; a word may have several. */
enum bk_job_hook { BK_HOOK_START, BK_HOOK_SUCCESS, BK_HOOK_FAILURE,
	BK_HOOK_STALE, BK_HOOK_MAX };

struct bk_job_store {
	const char *name;		/* as the jobs name it */
	const char *url;
	const char *file;
	int line;
};

/* Text is borrowed from the struct bk_jobs; NULL where not written. */
struct bk_job {
	const char *title;
	const char *file;
	int line;

	/* when */
	const char *schedule;		/* text for lib/sched/cron; NULL: none */
	int schedule_line;
	char *const *watch;		/* paths, NULL-ended; NULL: none */
	int64_t at_most_every;		/* ms; 0: no bound */
	int64_t settle;			/* ms; BK_JOB_UNSET: bk-watch's own */
	bool at_start;
	char *const *hosts;		/* runs on these only, NULL-ended; NULL: all */
	int64_t spread;			/* ms; from the top unless written here */

	/* what */
	const char *name;		/* of its backups: "name", else the title */
	char *const *sources;		/* URLs, NULL-ended; NULL for a run= job */
	size_t nsources;
	char *const *command;		/* exec: argv, NULL-ended, or NULL */
	char *const *options;		/* vendor options after --, or NULL */
	char *const *exclude;		/* patterns for bk-dump, or NULL */
	const char *source_env;		/* variable that holds the password */
	const char *max_bytes;
	bool allow_empty, skip_unreadable;
	bool unless_unchanged;		/* yes for watch jobs unless written */
	struct bk_words *pipeline;	/* the filters, npipeline of them, may be 0 */
	size_t npipeline;
	struct bk_words *runs;		/* run= : commands in order */
	size_t nruns;
	const struct bk_job_store **stores;	/* nstores of them */
	size_t nstores;
	struct bk_words keep;		/* words for bk-prune; n 0: nothing is ever pruned */
	char *const *tags;		/* "key=value", NULL-ended, or NULL */
	const char *group;		/* grammar of names */
	const struct bk_job *leader;	/* of its group, else itself */
	const struct bk_job_store *lease;

	/* how long */
	int64_t timeout;		/* of a run without retries; 10 h */
	int64_t max_age;		/* BK_JOB_UNSET: twice the interval */
	int64_t max_unchanged;		/* BK_JOB_UNSET: no bound */
	int64_t wal_check;		/* how often its log is looked at; 0: after runs */
	int64_t max_lag;		/* of its log; 0: no bound */
	int64_t retry;			/* how long to try again, 1 h; 0: never */
	int64_t retry_wait;		/* the first wait, 10 s; tripled each time */
	int64_t hook_timeout;		/* 30 s */

	/* around it; for /bin/sh -c */
	const char *only_if, *before, *hold, *always;
	const char *restore_before, *restore_always;
	char *const *hooks[BK_HOOK_MAX];	/* NULL-ended, or NULL */
	const char *ping;		/* dead-man URL */

	char lock[BK_NAME_MAX + 1];	/* "lock", else engine and host */
};

/* requests "STORE" { every = "5m" } */
struct bk_job_requests {
	const struct bk_job_store *store;
	int64_t every;
};

struct bk_jobs {
	struct bk_conf *conf;		/* owns all the text */
	char *path;			/* absolute path of the schedule file */
	const char *state;		/* directory; /var/lib/bk */
	const char *tz;			/* NULL: the system's (/etc/localtime) */
	int parallel;			/* runs at a time; 4 */
	struct bk_job_store *stores;
	size_t nstores;
	struct bk_job *jobs;		/* in the order of the file */
	size_t njobs;
	struct bk_job_requests *requests;
	size_t nrequests;
};

/*
 * Read and check the schedule at ${path} (NULL: BK_CONF of the environment,
 * else BK_CONF_PATH).  NULL with ${f} set as bk_conf_read does; words of
 * another program ("keep", "schedule") are checked by that program.
 */
struct bk_jobs *bk_jobs_load(const struct bk_ctx *ctx, const char *path,
    struct bk_fault *f);
void bk_jobs_free(struct bk_jobs *j);	/* accepts NULL */

/* By title; NULL with ${f} set (66, the nearest one suggested). */
const struct bk_job *bk_jobs_find(const struct bk_jobs *j, const char *title,
    struct bk_fault *f);

/* By name ("offsite" or "@offsite"), or NULL. */
const struct bk_job_store *bk_jobs_store(const struct bk_jobs *j,
    const char *name);

/* Does the job run on this host? */
bool bk_job_here(const struct bk_ctx *ctx, const struct bk_job *job);

/* Is source ${i} one of "each=yes": a backup for each database and the roles? */
bool bk_job_each(const struct bk_job *job, size_t i);

/* Is source ${i} one of base backups of PostgreSQL? */
bool bk_job_base(const struct bk_job *job, size_t i);

/*
 * The name of the backups of source ${i}: the job's, and with several sources
 * "JOB-LAST", LAST being the last part of the source's path, else its engine.
 * For an "each" source the databases are "JOB-DATABASE" and the roles
 * "JOB.roles"; this gives the prefix "JOB".
 */
void bk_job_name(const struct bk_job *job, size_t i,
    char out[BK_NAME_MAX + 1]);

#endif
