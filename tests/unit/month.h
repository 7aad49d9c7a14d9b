/*
 * A month of a supervisor on a fake clock: what is given (jobs, zone, the
 * script of what befalls), and what is to come of it.  The expectation is
 * worked out minute by minute and knows nothing of supervisor/ and lib/sched.
 *
 * Times are ms: "boot" counts what really passed, "wall" is what the host's
 * clock shows.  The script happens at whole minutes.
 */
#ifndef BK_TEST_MONTH_H
#define BK_TEST_MONTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

enum month_kind {
	MONTH_FIXED,			/* minutes and hours, by day or week */
	MONTH_HOURLY,			/* minutes of every hour */
	MONTH_EVERY,
	MONTH_MEMBER,			/* with the job before it */
	MONTH_WATCH,
	MONTH_ELSEWHERE
};

struct month_job {
	const char *title, *words;	/* of the schedule file */
	enum month_kind kind;
	uint64_t minutes;		/* bits: due at these … */
	uint32_t hours;			/* … of these hours */
	int wday;			/* -1: any */
	int64_t every;
	int64_t interval;		/* the longest time between two slots */
	int64_t max_age;
	int last, daily;		/* how many the rule keeps; 0: no rule */
	int64_t shift;			/* of its start, measured */
};

enum month_what { MONTH_CLOCK, MONTH_STORE_DOWN, MONTH_STORE_UP, MONTH_STOP,
	MONTH_START, MONTH_CRASH, MONTH_CHANGE };

/* CLOCK: ${by} is added to the wall clock.  CRASH: all that runs dies. */
struct month_event {
	int64_t at;			/* boot */
	enum month_what what;
	int64_t by;
};

/* When something dies. */
enum month_fate { MONTH_LIVES, MONTH_DIES_QUEUED, MONTH_DIES_STARTED,
	MONTH_DIES_STORED, MONTH_DIES_ENTERED };

#define MONTH_EVENTS 512
#define MONTH_RETRY HOUR		/* how long a run tries again */

struct month {
	const char *zone;
	int64_t begin;			/* wall at boot 0; end is boot */
	int64_t end;
	uint64_t seed;
	struct month_job *jobs;
	size_t njobs;
	struct month_event script[MONTH_EVENTS];	/* by time */
	size_t n;
};

/* What befalls the run of ${slot}, and how long it takes. */
enum month_fate month_fate(const struct month *m, const char *title,
    int64_t slot);
int64_t month_takes(const struct month *m, const char *title, int64_t slot);

/* A supervisor that died at ${boot} is started again then. */
int64_t month_back(int64_t boot);

/* Lines of the ledger, backups, alarms; per job in their order. */
struct month_line {
	int64_t time;			/* wall, ms */
	int64_t slot;
	char event;			/* first letter, 'M' missed; '!' an alarm */
};
struct month_lines {
	struct month_line *v;
	size_t n, size;
};
struct month_out {
	struct month_lines *ledger, *stored, *alarm;	/* as jobs */
};

void month_out_init(struct month_out *o, size_t njobs);
void month_out_free(struct month_out *o, size_t njobs);
void month_add(struct month_lines *l, int64_t time, int64_t slot, char event);

/* What is to come. */
void month_expect(const struct month *m, struct month_out *out);

/* Of the backups at ${stored}, those that the rule of ${j} leaves. */
void month_kept(const struct month *m, const struct month_job *j,
    const struct month_lines *stored, struct month_lines *kept);

#endif
