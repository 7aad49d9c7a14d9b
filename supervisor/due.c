/*
 * Due times.  See due.h.
 *
 * The spread of a job is a hash of host and title (FNV-1a,
 * draft-eastlake-fnv), so that it is the same after every start and differs
 * from host to host.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cron.h"
#include "due.h"

struct one {
	struct bk_cron *cron;		/* NULL: no schedule */
	struct bk_zone *zone;		/* its own, or NULL */
	int64_t interval, shift;
	bool here;
};

struct bk_due {
	const struct bk_jobs *jobs;
	struct bk_zone *zone;
	struct one *v;			/* as jobs->jobs */
};

static const char *const words[] = { "when asked for", "not on this host",
	"with its group", "on change", "never ran", "its time",
	"its time has passed", "the clock was set back" };

const char *
bk_due_word(enum bk_due_why why)
{
	return words[why];
}

static const struct one *
one_of(const struct bk_due *d, const struct bk_job *job)
{
	return &d->v[job - d->jobs->jobs];
}

static int64_t
shift_of(const struct bk_ctx *ctx, const struct bk_job *job)
{
	uint64_t h = UINT64_C(14695981039346656037);
	const char *const parts[] = { ctx->host, "\n", job->title };
	const char *p;
	size_t i;

	if (job->spread <= 0)
		return 0;
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		for (p = parts[i]; *p != '\0'; p++)
			h = (h ^ (unsigned char)*p) * UINT64_C(1099511628211);
	/* The low bits of FNV are weak where titles differ in one letter. */
	return (int64_t)((h ^ h >> 32) % (uint64_t)job->spread);
}

/* Put FILE:LINE before what another module said. */
static int
at_line(const char *file, int line, struct bk_fault *f)
{
	struct bk_fault own = *f;

	bk_fault_clear(f);
	return bk_conf_fault(f, file, line, "%s", own.text);
}

static int
open_job(struct one *o, const struct bk_ctx *ctx, const struct bk_job *job,
    struct bk_fault *f)
{
	o->here = bk_job_here(ctx, job);
	o->shift = shift_of(ctx, job);
	if (job->schedule == NULL)
		return 0;
	if ((o->cron = bk_cron_parse(job->schedule, f)) == NULL ||
	    (bk_cron_zone(o->cron) != NULL && (o->zone = bk_zone_open(NULL,
	    bk_cron_zone(o->cron), f)) == NULL))
		return at_line(job->file, job->schedule_line, f);
	o->interval = bk_cron_interval(o->cron);
	return 0;
}

static int
open_zone(struct bk_due *d, const struct bk_ctx *ctx, struct bk_fault *f)
{
	const struct bk_conf_word *w;
	const char *name = d->jobs->tz;

	/* TZ=:Europe/Berlin is a form of POSIX. */
	if (name == NULL && (name = ctx->env("TZ")) != NULL)
		name += *name == ':';
	if ((d->zone = bk_zone_open(NULL, name, f)) != NULL)
		return 0;
	bk_fault_context(f, d->jobs->tz != NULL ? "tz" : "TZ");
	if ((w = bk_conf_word(&d->jobs->conf->secs[0], "tz")) != NULL)
		return at_line(w->file, w->line, f);
	f->status = BK_CONFIG;
	return -1;
}

struct bk_due *
bk_due_open(const struct bk_ctx *ctx, const struct bk_jobs *jobs,
    struct bk_fault *f)
{
	struct bk_due *d = calloc(1, sizeof(*d));
	size_t i;
	int rc = 0;

	if (d == NULL || (d->v = calloc(jobs->njobs + 1, sizeof(*d->v))) == NULL) {
		(void)bk_fault_errno(f, BK_IO, ENOMEM, "the due times");
		free(d);
		return NULL;
	}
	d->jobs = jobs;
	rc = open_zone(d, ctx, f);
	for (i = 0; i < jobs->njobs && rc == 0; i++)
		rc = open_job(&d->v[i], ctx, &jobs->jobs[i], f);
	if (rc == 0)
		return d;
	bk_due_free(d);
	return NULL;
}

void
bk_due_free(struct bk_due *d)
{
	size_t i;

	if (d == NULL)
		return;
	for (i = 0; i < d->jobs->njobs; i++) {
		bk_cron_free(d->v[i].cron);
		bk_zone_free(d->v[i].zone);
	}
	bk_zone_free(d->zone);
	free(d->v);
	free(d);
}

const char *
bk_due_zone(const struct bk_due *d)
{
	return bk_zone_name(d->zone);
}

const struct bk_zone *
bk_due_job_zone(const struct bk_due *d, const struct bk_job *job)
{
	const struct one *o = one_of(d, job);

	return o->zone != NULL ? o->zone : d->zone;
}

int64_t
bk_due_slot(const struct bk_due *d, const struct bk_job *job, int64_t after)
{
	const struct one *o = one_of(d, job);

	return o->cron == NULL ? BK_DUE_NEVER :
	    bk_cron_next(o->cron, bk_due_job_zone(d, job), after);
}

/* Fill in when slot ${t}->slot starts, and the one after it. */
static void
start_at(const struct bk_due *d, const struct bk_job *job,
    struct bk_due_time *t)
{
	const struct one *o = one_of(d, job);
	int64_t next = bk_due_slot(d, job, t->slot);

	t->at = t->slot + o->shift;
	t->until = next == BK_DUE_NEVER ? 0 : next + o->shift;
}

/* It is due now, whatever the schedule says: its slots begin here. */
static struct bk_due_time
at_once(const struct bk_due *d, const struct bk_job *job, enum bk_due_why why,
    int64_t now)
{
	struct bk_due_time t = { .why = why, .at = now };
	int64_t next;

	if (one_of(d, job)->cron == NULL)
		return t;
	t.slot = now;
	next = bk_due_slot(d, job, now);
	t.until = next == BK_DUE_NEVER ? 0 : next + one_of(d, job)->shift;
	return t;
}

/* The slots of a schedule, counted from ${base}. */
static struct bk_due_time
by_schedule(const struct bk_due *d, const struct bk_job *job, int64_t base,
    bool open, int64_t now)
{
	const struct one *o = one_of(d, job);
	struct bk_due_time t = { .why = BK_DUE_SCHEDULE, .at = BK_DUE_NEVER };
	int64_t last;
	uint64_t n = 0;

	last = bk_cron_last(o->cron, bk_due_job_zone(d, job), base,
	    now - o->shift, &n);
	if (last != INT64_MIN) {
		/* The open slot is one of those that this one makes up for. */
		t.slot = last;
		t.missed = n - 1 + open;
		/* On time, unless something else should have taken it. */
		t.why = t.missed > 0 || now - o->shift - last >= 60000 ?
		    BK_DUE_LATE : BK_DUE_SCHEDULE;
	} else if (open) {
		t.slot = base;
		t.why = BK_DUE_LATE;
	} else if ((t.slot = bk_due_slot(d, job, base)) == BK_DUE_NEVER) {
		t.slot = 0;
		return t;
	}
	start_at(d, job, &t);
	return t;
}

struct bk_due_time
bk_due_next(const struct bk_due *d, const struct bk_job *job,
    const struct bk_ledger_state *s, int64_t now)
{
	const struct one *o = one_of(d, job);
	struct bk_due_time t = { .at = BK_DUE_NEVER };
	int64_t base, ahead;

	if (!one_of(d, job->leader)->here)
		t.why = BK_DUE_ELSEWHERE;
	else if (job->leader != job)
		t.why = BK_DUE_MEMBER;
	else if (job->schedule == NULL && job->watch == NULL && !job->at_start)
		t.why = BK_DUE_ASKED;
	else if (s == NULL || s->last == BK_LEDGER_NONE)
		return at_once(d, job, BK_DUE_FIRST, now);
	else if (o->cron == NULL)
		t.why = job->watch != NULL ? BK_DUE_CHANGE : BK_DUE_ASKED;
	else {
		base = s->slot != 0 ? s->slot : s->last_time;
		ahead = o->interval < BK_DUE_CORRECTION ? o->interval :
		    BK_DUE_CORRECTION;
		if (base - now > ahead)
			return at_once(d, job, BK_DUE_CLOCK, now);
		return by_schedule(d, job, base, s->slot != 0 &&
		    s->slot_event == BK_LEDGER_DUE && s->slot <= now, now);
	}
	return t;
}

bool
bk_due_at_start(const struct bk_due *d, const struct bk_job *job)
{
	return job->at_start && job->leader == job && one_of(d, job)->here;
}

bool
bk_due_watches(const struct bk_due *d, const struct bk_job *job)
{
	return job->watch != NULL && job->leader == job && one_of(d, job)->here;
}

int64_t
bk_due_change(const struct bk_job *job, const struct bk_ledger_state *s,
    int64_t now)
{
	if (s == NULL || s->started == 0 || s->started > now ||
	    s->started + job->at_most_every < now)
		return now;
	return s->started + job->at_most_every;
}

int64_t
bk_due_interval(const struct bk_due *d, const struct bk_job *job)
{
	return one_of(d, job->leader)->interval;
}

int64_t
bk_due_max_age(const struct bk_due *d, const struct bk_job *job)
{
	return job->max_age != BK_JOB_UNSET ? job->max_age :
	    2 * bk_due_interval(d, job);
}

bool
bk_due_ahead(int64_t t, int64_t now)
{
	return t > now + BK_DUE_CORRECTION;
}

/* The later of two times that can be. */
static int64_t
later(int64_t a, int64_t b, int64_t now)
{
	return b > a && !bk_due_ahead(b, now) ? b : a;
}

int64_t
bk_due_stale(const struct bk_due *d, const struct bk_job *job,
    const struct bk_ledger_state *s, const struct bk_due_age *age, int64_t now)
{
	int64_t max = bk_due_max_age(d, job), stored, told, seen, at;

	if (!one_of(d, job->leader)->here || max == 0)
		return BK_DUE_NEVER;
	stored = later(0, age->good, now);
	told = later(0, age->told, now);
	if (s != NULL)
		stored = later(stored, s->committed, now);
	if (stored == 0)
		stored = age->since;
	seen = s != NULL ? later(stored, s->unchanged, now) : stored;
	/* Told of, until a newer one comes. */
	if (told >= seen)
		return BK_DUE_NEVER;
	at = seen + max;
	if (job->max_unchanged > 0 && stored + job->max_unchanged < at &&
	    told < stored + job->max_unchanged)
		at = stored + job->max_unchanged;
	return at;
}
