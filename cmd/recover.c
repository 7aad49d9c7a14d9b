/*
 * Recovery of base backups, from the command line and the record.
 *
 * restore_command is run by a shell of the server, which takes '%' for its
 * own: the store's URL is quoted for both.  The program is named by its path,
 * since the server's is another.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fetch.h"
#include "json.h"
#include "pick.h"
#include "recover.h"
#include "wal.h"
#include "walread.h"
#include "when.h"

#define TRIES 1000			/* backups that end after the moment */
#define SEGMENTS_BACK 64		/* that are searched for a commit */

static const char engine[] = "postgres-base";

static void
one_target(struct bk_recover *v, enum bk_recover_to to, const char *what)
{
	if (v->target)
		bk_usage("choose one of --at, --lsn, --restore-point and "
		    "--immediate");
	v->target = true;
	v->r.to = to;
	v->r.what = what;
}

static void
take_space(struct bk_recover *v, const char *arg)
{
	const char *eq = strchr(arg, '=');

	if (eq == NULL || eq == arg || eq[1] == '\0')
		bk_usage("--tablespace '%s': want OLD=NEW, two paths", arg);
	if (v->nspaces == BK_RECOVER_SPACES)
		bk_usage("more than %d --tablespace", BK_RECOVER_SPACES);
	v->spaces[v->nspaces++] = arg;
	v->r.tablespaces = v->spaces;
}

static void
take_timeline(struct bk_recover *v, const char *arg)
{
	if (strcmp(arg, "latest") != 0 && strcmp(arg, "current") != 0 &&
	    (arg[strspn(arg, "0123456789")] != '\0' || arg[0] == '\0' ||
	    strlen(arg) > 10 || strspn(arg, "0") == strlen(arg)))
		bk_usage("--timeline '%s': want a number from 1 on, latest or "
		    "current", arg);
	v->r.timeline = arg;
}

static void
take_primary(struct bk_recover *v, const char *arg)
{
	struct bk_fault f = BK_FAULT_INIT;

	if (bk_uri_parse(arg, &v->primary, &f) == -1)
		bk_usage_fault(&f);
	v->r.primary = &v->primary;
}

bool
bk_recover_option(struct bk_recover *v, struct bk_which *w, int key,
    const char *arg)
{
	switch (key) {
	case BK_WHICH_AT:
		one_target(v, BK_RECOVER_BACKUP, NULL);
		v->at = arg;
		if (strcmp(arg, "latest") != 0)
			(void)bk_which_option(w, key, arg);
		return true;
	case BK_RECOVER_OPT_LSN:
		one_target(v, BK_RECOVER_LSN, arg);
		break;
	case BK_RECOVER_OPT_POINT:
		one_target(v, BK_RECOVER_POINT, arg);
		break;
	case BK_RECOVER_OPT_IMMEDIATE:
		one_target(v, BK_RECOVER_BACKUP, NULL);
		break;
	case BK_RECOVER_OPT_TIMELINE:
		take_timeline(v, arg);
		break;
	case BK_RECOVER_OPT_ARCHIVE:
		if (strcmp(arg, "keep") != 0)
			bk_usage("--archive '%s': want keep", arg);
		v->r.archive_keep = true;
		break;
	case BK_RECOVER_OPT_START:
		v->r.start = true;
		v->r.report = &v->report;
		break;
	case BK_RECOVER_OPT_COMMAND:
		v->r.restore_command = arg;
		break;
	case BK_RECOVER_OPT_SPACE:
		take_space(v, arg);
		break;
	case BK_RECOVER_OPT_OWNER:
		v->r.owner = arg;
		break;
	case BK_RECOVER_OPT_REPLICA:
		take_primary(v, arg);
		break;
	default:
		return false;
	}
	v->given = true;
	return true;
}

void
bk_recover_which(const struct bk_recover *v, struct bk_which *w, int nwords)
{
	struct bk_list_req *pick = &w->pick;

	if (v->at == NULL)
		return;
	if (pick->name == NULL && pick->id == NULL && nwords == 0 &&
	    !isatty(STDIN_FILENO))
		pick->at = INT64_MIN;
	else if (strcmp(v->at, "latest") == 0 && pick->id == NULL)
		pick->latest = true;
	/* With an id the moment does not choose. */
	if (pick->id != NULL)
		pick->at = INT64_MIN;
}

/* Is the moment a time that is over?  Then it is *${at}. */
static bool
moment(const struct bk_recover *v, int64_t *at)
{
	struct bk_fault bad = BK_FAULT_INIT;

	return v->at != NULL && strcmp(v->at, "latest") != 0 &&
	    strcmp(v->at, "now") != 0 &&
	    bk_time_parse_rel(v->at, bk_ctx->now(), at, &bad) == 0 &&
	    *at < bk_ctx->now();
}

static bool
ends_after(const struct bk_record *rec, int64_t at)
{
	const char *text = bk_json_get_text(json_object_get(rec->json, "info"),
	    "stop-time");
	struct bk_fault bad = BK_FAULT_INIT;
	int64_t stop;

	return text != NULL && bk_time_parse(text, &stop, &bad) == 0 && stop > at;
}

/* The newest base backup of the name that ends at ${at} or before. */
static int
earlier(struct bk_store *s, const char *name, int64_t from, int64_t at,
    struct bk_record *rec, struct bk_fault *f)
{
	struct bk_list_req req = BK_LIST_REQ_INIT;
	int n;

	req.name = name;
	req.at = from < at ? from : at;
	for (n = 0; n < TRIES; n++) {
		if (bk_pick_store(bk_ctx, s, &req, rec, f) == -1)
			return -1;
		if (strcmp(rec->engine, engine) == 0 && !ends_after(rec, at))
			return 0;
		req.at = rec->time - 1;
		bk_record_release(rec);
	}
	return bk_fault_set(f, BK_NOINPUT, "no base backup of '%s' ends before",
	    name);
}

int
bk_recover_choose(const struct bk_recover *v, const struct bk_which *w,
    struct bk_origin *o, struct bk_fault *f)
{
	struct bk_record rec = BK_RECORD_INIT;
	struct bk_fault none = BK_FAULT_INIT;
	char when[BK_TIME_LEN];
	int64_t at;

	if (o->store == NULL || !moment(v, &at) ||
	    strcmp(o->rec.engine, engine) != 0 || !ends_after(&o->rec, at))
		return 0;
	if (earlier(o->store, o->rec.name, o->rec.time - 1, at, &rec, &none) == -1)
		return bk_fault_set(f, none.status, "the backup '%s' ends after "
		    "%s, and none before it can be recovered to it%s%s",
		    o->rec.id, bk_time_text(at, when),
		    none.status == BK_NOINPUT ? "" : ": ",
		    none.status == BK_NOINPUT ? "" : none.text);
	if (w->origin.pick == NULL || w->pick.id != NULL) {
		(void)bk_fault_set(f, BK_DATA, "the backup '%s' ends after %s; '%s' "
		    "can be recovered to it", o->rec.id, bk_time_text(at, when),
		    rec.id);
		bk_record_release(&rec);
		return -1;
	}
	bk_say(BK_LOG_INFO, "'%s' ends after that moment; restoring '%s'",
	    o->rec.id, rec.id);
	bk_record_release(&o->rec);
	json_decref(o->header);
	o->rec = rec;
	return (o->header = bk_fetch_header(&o->rec, f)) != NULL ? 0 : -1;
}

/* ${s} for the shell, in single quotes, and '%' for the server. */
static int
quoted(struct bk_buf *b, const char *s, struct bk_fault *f)
{
	int rc = bk_buf_adds(b, "'", f);

	for (; rc == 0 && *s != '\0'; s++)
		rc = *s == '\'' ? bk_buf_adds(b, "'\\''", f) :
		    *s == '%' ? bk_buf_adds(b, "%%", f) : bk_buf_add(b, s, 1, f);
	return rc == -1 ? -1 : bk_buf_adds(b, "'", f);
}

static int
fetch_command(struct bk_recover *v, const struct bk_origin *o,
    struct bk_fault *f)
{
	const char *system = bk_json_get_text(json_object_get(o->header, "info"),
	    "system");
	struct bk_buf path = BK_BUF_INIT(8192);
	int rc = -1;

	if (bk_buf_addf(&path, f, "%s/bk-wal-fetch", bk_ctx->bindir) == 0 &&
	    quoted(&v->command, bk_buf_text(&path), f) == 0 &&
	    bk_buf_addf(&v->command, f, " --name %s", o->rec.name) == 0 &&
	    (system == NULL || (bk_buf_adds(&v->command, " --system ", f) == 0 &&
	    quoted(&v->command, system, f) == 0)) &&
	    bk_buf_adds(&v->command, " ", f) == 0 &&
	    quoted(&v->command, o->store->url, f) == 0)
		rc = bk_buf_adds(&v->command, " %f %p", f);
	v->r.restore_command = bk_buf_text(&v->command);
	bk_buf_release(&path);
	return rc;
}

/* The run of ${tli} that a base backup begins in, or of a later one the first. */
static const struct bk_wal_run *
run_of(const struct bk_wal_runs *w, uint64_t system, uint32_t tli,
    const struct bk_wal_name *start)
{
	const struct bk_wal_run *r;
	uint64_t n;
	size_t i;

	for (i = 0; i < w->len; i++) {
		r = &w->v[i];
		if (r->system != system || r->tli != tli)
			continue;
		if (start->tli != tli)
			return r;
		n = bk_wal_number(start, r->segment);
		if (n >= bk_wal_number(&r->first, r->segment) &&
		    n <= bk_wal_number(&r->last, r->segment))
			return r;
	}
	return NULL;
}

/* The segment that is missing behind ${r}, where there are later ones. */
static void
gap_behind(const struct bk_wal_runs *w, const struct bk_wal_run *r,
    struct bk_wal_name *gap)
{
	if (r + 1 == w->v + w->len || r[1].system != r->system ||
	    r[1].tli != r->tli)
		return;
	bk_wal_segment(r->tli, bk_wal_number(&r->last, r->segment) + 1,
	    r->segment, gap);
}

/*
 * The last commit of the log in ${o}'s store that a server started on its
 * base backup reads; ${gap}.file is the segment missing behind it, or "".
 * 0, BK_ABSENT or -1.
 */
static int
last_commit(const struct bk_recover *v, const struct bk_origin *o,
    struct bk_wal_event *e, struct bk_wal_name *gap, struct bk_fault *f)
{
	const json_t *info = json_object_get(o->header, "info");
	const char *system = bk_json_get_text(info, "system");
	const char *wal = bk_json_get_text(info, "start-wal");
	const struct bk_wal_run *run;
	struct bk_wal_runs w = BK_WAL_RUNS_INIT;
	struct bk_wal_name start;
	uint64_t id;
	uint32_t tli = 0;
	size_t i;
	int rc = BK_ABSENT;

	gap->file[0] = '\0';
	if (system == NULL || wal == NULL || !bk_wal_system_parse(system, &id) ||
	    !bk_wal_name_parse(wal, &start))
		return BK_ABSENT;
	if (bk_wal_runs(o->store, o->rec.name, &w, f) == -1)
		return -1;
	for (i = 0; i < w.len; i++)
		if (w.v[i].system == id && w.v[i].tli > tli)
			tli = w.v[i].tli;
	if (v->r.timeline != NULL && strcmp(v->r.timeline, "latest") != 0)
		tli = strcmp(v->r.timeline, "current") == 0 ? start.tli :
		    (uint32_t)strtoul(v->r.timeline, NULL, 10);
	for (; rc == BK_ABSENT && tli >= start.tli; tli--)
		if ((run = run_of(&w, id, tli, &start)) != NULL &&
		    (rc = bk_wal_last_commit(o->store, o->rec.name, run,
		    SEGMENTS_BACK, e, f)) == 0)
			gap_behind(&w, run, gap);
	bk_wal_runs_release(&w);
	return rc;
}

/* RFC 3339 in microseconds; ${ms} is the same in milliseconds. */
static int64_t
micro(const char *text, int64_t ms)
{
	const char *dot = strchr(text, '.');
	int64_t us = 0, unit = 100;
	size_t i, n = dot != NULL ? strspn(dot + 1, "0123456789") : 0;

	for (i = 3; i < n && unit > 0; i++, unit /= 10)
		us += (dot[1 + i] - '0') * unit;
	return ms * 1000 + us;
}

/*
 * Before a gap: the last commit is a position that a server stops at without
 * asking for the next segment.  Whether anything was committed between it and
 * a later moment nobody knows.
 */
static int
before_gap(struct bk_recover *v, const struct bk_wal_event *e, int64_t at,
    const char *gap, struct bk_fault *f)
{
	char last[BK_TIME_LEN];

	if (e->time < micro(v->r.what, at))
		return bk_fault_set(f, BK_DATA, "segment '%s' of the log is "
		    "missing: nothing that was committed after %s can be recovered",
		    gap, bk_time_text(e->time / 1000, last));
	snprintf(v->lsn, sizeof(v->lsn), "%X/%X", (unsigned int)(e->lsn >> 32),
	    (unsigned int)e->lsn);
	v->r.to = BK_RECOVER_LSN;
	v->r.what = v->lsn;
	return 0;
}

/*
 * Where nothing was committed after the moment, a server with that target
 * would not start: it gets none.
 */
static int
past_end(struct bk_recover *v, const struct bk_origin *o, int64_t at,
    struct bk_fault *f)
{
	struct bk_wal_event e;
	struct bk_wal_name gap;
	char last[BK_TIME_LEN];
	int rc;

	if (o->store == NULL || v->r.restore_command != NULL ||
	    (rc = last_commit(v, o, &e, &gap, f)) == BK_ABSENT)
		return 0;
	if (rc == -1)
		return -1;
	if (e.time > micro(v->r.what, at))
		return 0;
	if (gap.file[0] != '\0')
		return before_gap(v, &e, at, gap.file, f);
	bk_say(BK_LOG_WARN, "nothing is stored of what was committed after %s, "
	    "the last before %s: recovering to the end of the log",
	    bk_time_text(e.time / 1000, last), v->r.what);
	v->r.to = BK_RECOVER_LATEST;
	return 0;
}

static int
set_time(struct bk_recover *v, const struct bk_origin *o, struct bk_fault *f)
{
	char when[BK_TIME_LEN];
	int64_t at;

	v->r.to = BK_RECOVER_LATEST;
	if (!moment(v, &at)) {
		if (strcmp(v->at, "latest") != 0 && strcmp(v->at, "now") != 0)
			bk_say(BK_LOG_WARN, "%s is not over yet: recovering to "
			    "the end of the log", v->at);
		return 0;
	}
	v->r.to = BK_RECOVER_TIME;
	/* As it was given, which may be finer than a millisecond. */
	if (v->at[0] != '-')
		v->r.what = v->at;
	else if (bk_buf_adds(&v->time, bk_time_text(at, when), f) == -1)
		return -1;
	else
		v->r.what = bk_buf_text(&v->time);
	return past_end(v, o, at, f);
}

int
bk_recover_request(struct bk_recover *v, const struct bk_which *w,
    const struct bk_origin *o, const struct bk_recovery **r,
    struct bk_fault *f)
{
	const char *made = bk_json_get_text(o->header, "engine");
	const char *wal;
	bool base = made != NULL && strcmp(made, engine) == 0;

	*r = NULL;
	if (!base && v->at != NULL && w->origin.pick == NULL)
		return bk_fault_set(f, BK_USAGE, "--at: a backup of engine '%s' "
		    "can be recovered to no other moment", made != NULL ? made :
		    "");
	if (!base && !v->given)
		return 0;
	*r = &v->r;
	if (!base)
		return 0;
	if (v->at != NULL && set_time(v, o, f) == -1)
		return -1;
	/* One that has its log in it needs no other, unless it is to go on. */
	wal = bk_json_get_text(json_object_get(o->header, "info"), "wal");
	if (v->r.restore_command != NULL || o->store == NULL ||
	    (wal != NULL && v->r.to == BK_RECOVER_BACKUP &&
	    v->r.primary == NULL))
		return 0;
	return fetch_command(v, o, f);
}

void
bk_recover_release(struct bk_recover *v)
{
	bk_uri_release(&v->primary);
	bk_buf_release(&v->time);
	bk_buf_release(&v->command);
	bk_buf_release(&v->report);
}
