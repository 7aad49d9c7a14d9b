/*
 * The decision, and how it is told: in one line, as JSON, as Prometheus text.
 */
#include <stdio.h>
#include <string.h>

#include "fresh.h"
#include "json.h"
#include "table.h"
#include "when.h"

/* The newest of all that went well. */
static int64_t
last_success(const struct bk_fresh *fr)
{
	int64_t t = fr->finished;

	if (fr->state.committed_time > t)
		t = fr->state.committed_time;
	if (fr->state.unchanged_time > t)
		t = fr->state.unchanged_time;
	return t;
}

/* Was the newest backup, which is good, found unchanged since? */
static bool
unchanged(const struct bk_fresh *fr)
{
	return fr->state.unchanged_time > fr->finished &&
	    fr->state.unchanged_time > fr->good && fr->good != INT64_MIN &&
	    strcmp(fr->id, fr->newest_id) == 0;
}

/* Of the newest good one, or else of the one that shrank. */
static int64_t
age(const struct bk_fresh *fr)
{
	int64_t t = fr->now - (fr->good != INT64_MIN ? fr->good : fr->newest);

	return t > 0 ? t : 0;
}

static bool
too_old(const struct bk_fresh *fr)
{
	int64_t ms = age(fr);

	if (fr->req.max_age == 0 || ms <= fr->req.max_age)
		return false;
	if (!unchanged(fr) ||
	    fr->now - fr->state.unchanged_time > fr->req.max_age)
		return true;
	return fr->req.max_unchanged != 0 && ms > fr->req.max_unchanged;
}

static enum bk_freshness
answer(const struct bk_fresh *fr)
{
	if ((fr->good == INT64_MIN && !fr->shrunk) || fr->wal.foreign)
		return BK_NEVER;
	if (fr->wal.gap.count > 0 || fr->wal.twice[0] != '\0')
		return BK_GAP;
	if (too_old(fr))
		return BK_STALE;
	if (fr->req.max_lag != 0 && fr->wal.lag > fr->req.max_lag)
		return BK_LAG;
	if (fr->state.failed_time > last_success(fr))
		return BK_LAST_FAILED;
	if (fr->shrunk)
		return BK_SHRUNK;
	return unchanged(fr) ? BK_UNCHANGED : BK_FRESH;
}

/* "the newest good backup is 3h old" */
static void
say_age(const struct bk_fresh *fr, char *out, size_t size)
{
	char a[24], b[8];

	if (fr->good == INT64_MIN)
		(void)snprintf(out, size, "there is no good backup");
	else
		(void)snprintf(out, size, "the newest good backup is %s old, %s",
		    bk_age_text(age(fr), a), bk_size_text(fr->bytes, b));
}

/* How the last failure is told: "2h ago on db1: status 69: no route". */
static void
say_failure(const struct bk_fresh *fr, char *out, size_t size)
{
	const json_t *o = fr->state.failed;
	const char *why = bk_json_get_text(o, "message");
	const char *host = bk_json_get_text(o, "host");
	int64_t status = bk_json_get_int(o, "status");
	char a[24], number[32] = "";

	if (status >= 0)
		(void)snprintf(number, sizeof(number), ": status %lld",
		    (long long)status);
	(void)snprintf(out, size, "the last attempt, %s ago on %s%s%s%.200s",
	    bk_age_text(fr->now - fr->state.failed_time, a),
	    host != NULL ? host : "?", number, why != NULL ? ": " : "",
	    why != NULL ? why : "");
}

/* What is wrong with the log. */
static void
say_wal(const struct bk_fresh *fr, char *out, size_t size)
{
	struct bk_buf b = BK_BUF_INIT(1024);
	struct bk_fault quiet = BK_FAULT_INIT;

	if (fr->answer == BK_GAP)
		(void)bk_fresh_wal_gap_text(&fr->wal, &b, &quiet);
	else
		(void)bk_fresh_wal_lag_text(&fr->wal, fr->req.max_lag, &b, &quiet);
	(void)snprintf(out, size, "%s", bk_buf_text(&b));
	bk_buf_release(&b);
}

static void
say(struct bk_fresh *fr)
{
	char text[400], a[24], b[24];

	say_age(fr, text, sizeof(text));
	switch (fr->answer) {
	case BK_UNCHANGED:
		(void)snprintf(text, sizeof(text), "nothing new %s ago, the "
		    "newest good backup is %s old",
		    bk_age_text(fr->now - fr->state.unchanged_time, a),
		    bk_age_text(age(fr), b));
		break;
	case BK_SHRUNK:
		(void)snprintf(text, sizeof(text), "backup %s is much smaller "
		    "than those before it or than it may be", fr->newest_id);
		break;
	case BK_LAST_FAILED:
		say_failure(fr, text, sizeof(text));
		break;
	case BK_GAP:
	case BK_LAG:
		say_wal(fr, text, sizeof(text));
		break;
	case BK_NEVER:
		if (fr->wal.foreign)
			(void)snprintf(text, sizeof(text), "the newest base "
			    "backup is of another server than '%.200s'",
			    fr->req.data);
		break;
	case BK_STALE:
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text),
		    ", the limit is %s", bk_age_text(unchanged(fr) &&
		    fr->now - fr->state.unchanged_time <= fr->req.max_age ?
		    fr->req.max_unchanged : fr->req.max_age, a));
		break;
	default:
		break;
	}
	(void)snprintf(fr->text, sizeof(fr->text), "%s: %s: %s%s%s%s",
	    fr->req.name, bk_freshness_names[fr->answer], text,
	    fr->why[0] != '\0' && fr->answer != BK_SHRUNK ?
	    "; a newer one does not count: " : "",
	    fr->answer != BK_SHRUNK ? fr->why : "",
	    fr->unreadable > 0 ? "; some objects could not be read" : "");
}

void
bk_fresh_decide(struct bk_fresh *fr)
{
	fr->answer = answer(fr);
	say(fr);
}

void
bk_fresh_unknown(struct bk_fresh *fr, const struct bk_fresh_req *req,
    int64_t now, const struct bk_fault *why)
{
	fr->req = *req;
	fr->now = now;
	fr->answer = BK_CANNOT_TELL;
	(void)snprintf(fr->text, sizeof(fr->text), "%s: cannot tell: %.400s",
	    req->name, why->text);
}

/* A time as text, left out where there is none. */
static int
set_time(json_t *o, const char *key, int64_t t, struct bk_fault *f)
{
	char text[BK_TIME_LEN];

	return t == INT64_MIN ? 0 :
	    bk_json_set_text(o, key, bk_time_text(t, text), f);
}

static int
set_int(json_t *o, const char *key, int64_t v, struct bk_fault *f)
{
	return bk_json_set(o, key, json_integer(v), f);
}

static int
set_object(json_t *o, const char *key, json_t *v, struct bk_fault *f)
{
	return v == NULL ? 0 : bk_json_set(o, key, json_incref(v), f);
}

static int
set_good(json_t *o, const struct bk_fresh *fr, struct bk_fault *f)
{
	if (fr->good == INT64_MIN)
		return 0;
	if (bk_json_set_text(o, "id", fr->id, f) == -1 ||
	    set_time(o, "last", fr->good, f) == -1 ||
	    set_int(o, "age", age(fr), f) == -1 ||
	    set_int(o, "bytes", (int64_t)fr->bytes, f) == -1)
		return -1;
	return fr->duration < 0 ? 0 : set_int(o, "duration", fr->duration, f);
}

json_t *
bk_fresh_json(const struct bk_fresh *fr, const char *store, struct bk_fault *f)
{
	json_t *o = json_object();

	if (bk_json_set_text(o, "bk", "fresh/1", f) == 0 &&
	    bk_json_set_text(o, fr->req.group ? "group" : "name", fr->req.name,
	    f) == 0 && bk_json_set_text(o, "store", store, f) == 0 &&
	    bk_json_set_text(o, "state", bk_freshness_names[fr->answer], f) == 0 &&
	    bk_json_set_text(o, "text", fr->text, f) == 0 &&
	    set_time(o, "time", fr->now, f) == 0 &&
	    (fr->req.max_age == 0 ||
	    set_int(o, "max-age", fr->req.max_age, f) == 0) &&
	    set_good(o, fr, f) == 0 &&
	    (fr->why[0] == '\0' ||
	    (bk_json_set_text(o, "newest", fr->newest_id, f) == 0 &&
	    bk_json_set_text(o, "why", fr->why, f) == 0)) &&
	    (!fr->req.wal || bk_json_set(o, "wal", bk_fresh_wal_json(&fr->wal,
	    fr->req.max_lag, f), f) == 0) &&
	    set_object(o, "attempt", fr->state.attempt, f) == 0 &&
	    set_object(o, "unchanged", fr->state.unchanged, f) == 0 &&
	    set_object(o, "failed", fr->state.failed, f) == 0 &&
	    set_int(o, "backups", (int64_t)fr->backups, f) == 0 &&
	    set_int(o, "unreadable", (int64_t)fr->unreadable, f) == 0)
		return o;
	json_decref(o);
	return NULL;
}

/* name="…",store="…" with the store's text escaped. */
static int
labels(const struct bk_fresh *fr, const char *store, struct bk_buf *out,
    struct bk_fault *f)
{
	const char *p;

	if (bk_buf_addf(out, f, "name=\"%s\",store=\"", fr->req.name) == -1)
		return -1;
	for (p = store; *p != '\0'; p++)
		if (((*p == '"' || *p == '\\') &&
		    bk_buf_add(out, "\\", 1, f) == -1) ||
		    (*p == '\n' ? bk_buf_adds(out, "\\n", f) :
		    bk_buf_add(out, p, 1, f)) == -1)
			return -1;
	return bk_buf_add(out, "\"", 1, f);
}

struct metrics {
	struct bk_buf *out, label;
	struct bk_fault *f;
};

static void
head(struct metrics *m, const char *metric, const char *help)
{
	(void)bk_buf_addf(m->out, m->f, "# HELP %s %s\n# TYPE %s gauge\n", metric,
	    help, metric);
}

/* One sample; ${kind} and ${of} are one more label, or NULL. */
static void
sample(struct metrics *m, const char *metric, const char *kind,
    const char *of, int64_t v, bool ms)
{
	(void)bk_buf_addf(m->out, m->f, "%s{%s", metric, bk_buf_text(&m->label));
	if (kind != NULL)
		(void)bk_buf_addf(m->out, m->f, ",%s=\"%s\"", kind, of);
	(void)bk_buf_addf(m->out, m->f, ms ? "} %lld.%03d\n" : "} %lld\n",
	    (long long)(ms ? v / 1000 : v), (int)(v % 1000));
}

static void
gauge(struct metrics *m, const char *metric, const char *help, int64_t v,
    bool ms)
{
	head(m, metric, help);
	sample(m, metric, NULL, NULL, v, ms);
}

/* What there is to say only where the store could be read. */
static void
known(struct metrics *m, const struct bk_fresh *fr)
{
	const struct { const char *kind; uint64_t n; } kinds[] = {
		{ "all", fr->backups }, { "daily", fr->daily },
		{ "weekly", fr->weekly }, { "monthly", fr->monthly } };
	size_t i;

	if (fr->good != INT64_MIN) {
		gauge(m, "bk_backup_last_success_timestamp_seconds",
		    "Time of the newest good backup.", fr->good, true);
		gauge(m, "bk_backup_age_seconds",
		    "Age of the newest good backup.", age(fr), true);
		gauge(m, "bk_backup_bytes",
		    "Stored size of the newest good backup.",
		    (int64_t)fr->bytes, false);
	}
	if (fr->good != INT64_MIN && fr->duration >= 0)
		gauge(m, "bk_backup_duration_seconds",
		    "How long the newest good backup took.", fr->duration, true);
	head(m, "bk_backups", "Backups in the store, and those that stand for "
	    "a day, a week, a month.");
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		sample(m, "bk_backups", "kind", kinds[i].kind,
		    (int64_t)kinds[i].n, false);
	gauge(m, "bk_backup_errors",
	    "Attempts that failed since one went well.",
	    (int64_t)fr->state.failures, false);
	gauge(m, "bk_backups_unreadable",
	    "Records and reports that could not be read.",
	    (int64_t)fr->unreadable, false);
}

static void
known_wal(struct metrics *m, const struct bk_fresh_wal *w)
{
	gauge(m, "bk_wal_missing", "Files of the log that are missing behind "
	    "the newest base backup.", (int64_t)w->gap.count, false);
	if (w->to != INT64_MIN)
		gauge(m, "bk_wal_recoverable_timestamp_seconds",
		    "The last moment that can be restored.", w->to, true);
	if (w->lag >= 0)
		gauge(m, "bk_wal_lag_seconds",
		    "How far the stored log is behind.", w->lag, true);
	if (!w->local)
		return;
	gauge(m, "bk_wal_waiting_files", "Files of the log that wait to be "
	    "stored.", (int64_t)w->waiting, false);
	gauge(m, "bk_wal_waiting_bytes", "Their size.", (int64_t)w->bytes,
	    false);
}

int
bk_fresh_metrics(const struct bk_fresh *fr, const char *store,
    struct bk_buf *out, struct bk_fault *f)
{
	struct metrics m = { out, BK_BUF_INIT(65536), f };
	int i;

	if (labels(fr, store, &m.label, f) == 0) {
		head(&m, "bk_backup_state", "1 for the state that applies.");
		for (i = 0; i < BK_FRESHNESSES; i++)
			sample(&m, "bk_backup_state", "state",
			    bk_freshness_names[i], (int)fr->answer == i, false);
		gauge(&m, "bk_backup_checked_timestamp_seconds",
		    "When this was found out.", fr->now, true);
		if (fr->answer != BK_CANNOT_TELL)
			known(&m, fr);
		if (fr->answer != BK_CANNOT_TELL && fr->req.wal)
			known_wal(&m, &fr->wal);
	}
	bk_buf_release(&m.label);
	return bk_faulty(f) ? -1 : 0;
}
