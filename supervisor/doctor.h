/*
 * What bk-doctor looks at, and what it found.  Each check is a function and a
 * row in the table of bk-doctor.c; what a store, a source or a network is
 * known by are the programs that it runs.
 */
#ifndef BK_DOCTOR_H
#define BK_DOCTOR_H

#include <jansson.h>

#include "args.h"
#include "due.h"

enum bk_finding_is { BK_FINDING_OK, BK_FINDING_WARN, BK_FINDING_BAD,
	BK_FINDINGS };

struct bk_finding {
	const char *check;		/* "source" */
	char *subject;			/* "app", a path */
	enum bk_finding_is is;
	char *text;			/* without control characters */
};

struct bk_doctor {
	const struct bk_ctx *ctx;
	const char *config;		/* --config, or NULL */
	const char *job;		/* only this one; NULL: all */
	bool once;			/* no supervisor is wanted */
	struct bk_jobs *jobs;		/* NULL: the file cannot be read */
	struct bk_due *due;
	struct bk_finding *v;
	size_t n;
	struct bk_fault fault;		/* why it could not go on */
};

/* Note a finding; a lack of memory is the doctor's fault. */
void bk_doctor_note(struct bk_doctor *d, const char *check,
    const char *subject, enum bk_finding_is is, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* Is ${job} one to look at?  Is store ${s} one of such a job? */
bool bk_doctor_wants(const struct bk_doctor *d, const struct bk_job *job);

/*
 * Run a program of bk's own and keep its last object, a new reference, in
 * *${o} (NULL: none came) and the last words of a failure in ${why}.  Its exit
 * status, or -1 where it could not be run, with ${why}.
 */
#define BK_DOCTOR_WHY 1024
int bk_doctor_run(struct bk_doctor *d, const struct bk_args *a, json_t **o,
    char why[BK_DOCTOR_WHY]);

/* The checks. */
typedef void bk_doctor_fn(struct bk_doctor *d);
bk_doctor_fn bk_doctor_state, bk_doctor_inotify, bk_doctor_supervisor;
bk_doctor_fn bk_doctor_tools, bk_doctor_sources, bk_doctor_stores,
    bk_doctor_fresh;

#endif
