/*
 * Telling how jobs stand: an object for a program, a table for a person.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "standing.h"
#include "table.h"
#include "when.h"

static int
set_int(json_t *o, const char *key, int64_t v, struct bk_fault *f)
{
	return v < 0 ? 0 : bk_json_set(o, key, json_integer(v), f);
}

static int
set_failed(json_t *o, const struct bk_standing *st, struct bk_fault *f)
{
	json_t *failed;

	if (st->failed == 0)
		return 0;
	if ((failed = json_object()) == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "the jobs");
	if (bk_json_set_time(failed, "time", st->failed, f) == 0 &&
	    set_int(failed, "status", st->status, f) == 0 &&
	    (st->message[0] == '\0' || bk_json_set_text(failed, "message",
	    st->message, f) == 0))
		return bk_json_set(o, "failed", failed, f);
	json_decref(failed);
	return -1;
}

json_t *
bk_standing_json(const struct bk_standing *st, int64_t now, struct bk_fault *f)
{
	json_t *o = json_object();

	if (bk_json_set_text(o, "job", st->job->title, f) == 0 &&
	    bk_json_set_text(o, "state", bk_stand_names[st->state], f) == 0 &&
	    bk_json_set_text(o, "from", st->from, f) == 0 &&
	    bk_json_set(o, "running", json_boolean(st->running), f) == 0 &&
	    bk_json_set_time(o, "started", st->started, f) == 0 &&
	    bk_json_set_time(o, "last", st->good, f) == 0 &&
	    (st->good == 0 || set_int(o, "age", now > st->good ?
	    now - st->good : 0, f) == 0) &&
	    (st->unchanged <= st->good ||
	    bk_json_set_time(o, "unchanged", st->unchanged, f) == 0) &&
	    bk_json_set_time(o, "due", st->due == BK_STAND_NOW ? now : st->due, f) == 0 &&
	    (st->interval == 0 || set_int(o, "interval", st->interval, f) == 0) &&
	    (st->max_age == 0 || set_int(o, "max-age", st->max_age, f) == 0) &&
	    (st->id[0] == '\0' || bk_json_set_text(o, "id", st->id, f) == 0) &&
	    set_int(o, "bytes", st->bytes, f) == 0 &&
	    set_int(o, "duration", st->duration, f) == 0 &&
	    (!st->has_trend || bk_json_set(o, "trend",
	    json_integer(st->trend), f) == 0) && set_failed(o, st, f) == 0 &&
	    (st->recoverable == NULL || bk_json_set(o, "recoverable",
	    json_incref(st->recoverable), f) == 0) &&
	    (st->warning[0] == '\0' ||
	    bk_json_set_text(o, "warning", st->warning, f) == 0))
		return o;
	json_decref(o);
	return NULL;
}

enum { JOB, STATE, LAST, DUE, TOOK, SIZE, TREND, COLUMNS };

static const char *const heads[COLUMNS] = { "JOB", "STATE", "LAST GOOD",
	"NEXT DUE", "TOOK", "SIZE", "TREND" };

struct row {
	char cell[COLUMNS][BK_NAME_MAX + 32];
};

static void
make_row(struct row *r, const struct bk_standing *st, int64_t now)
{
	char age[24], size[8];
	const size_t n = sizeof(r->cell[0]);

	(void)snprintf(r->cell[JOB], n, "%s", st->job->title);
	(void)snprintf(r->cell[STATE], n, "%s%s", bk_stand_names[st->state],
	    st->running ? ", running" : "");
	(void)snprintf(r->cell[LAST], n, "%s%s", st->good != 0 ?
	    bk_age_text(now > st->good ? now - st->good : 0, age) : "-",
	    st->good != 0 ? " ago" : "");
	if (st->due == 0)
		(void)snprintf(r->cell[DUE], n, "-");
	else if (st->due <= now)
		(void)snprintf(r->cell[DUE], n, "now");
	else
		(void)snprintf(r->cell[DUE], n, "in %s",
		    bk_age_text(st->due - now, age));
	(void)snprintf(r->cell[TOOK], n, "%s", st->duration < 0 ? "-" :
	    bk_age_text(st->duration, age));
	(void)snprintf(r->cell[SIZE], n, "%s", st->bytes <= 0 ? "-" :
	    bk_size_text((uint64_t)st->bytes, size));
	if (st->has_trend)
		(void)snprintf(r->cell[TREND], n, "%+d%%", st->trend);
	else
		(void)snprintf(r->cell[TREND], n, "-");
}

static int
add_row(struct bk_buf *out, const char (*cell)[BK_NAME_MAX + 32],
    const size_t *wide, struct bk_fault *f)
{
	int i;

	for (i = 0; i < COLUMNS; i++)
		if (bk_buf_addf(out, f, i >= TOOK ? "%s%*s" : "%s%-*s",
		    i == 0 ? "" : "  ", (int)wide[i], cell[i]) == -1)
			return -1;
	return bk_buf_adds(out, "\n", f);
}

/* Below the table: why a job failed last. */
static int
add_reason(struct bk_buf *out, const struct bk_standing *st, int64_t now,
    struct bk_fault *f)
{
	char age[24], status[32] = "", *p;
	size_t from = out->len;

	if (st->failed == 0)
		return 0;
	if (st->status > 0)
		(void)snprintf(status, sizeof(status), ", status %d", st->status);
	if (bk_buf_addf(out, f, "%s: failed %s ago%s%s%s", st->job->title,
	    bk_age_text(now > st->failed ? now - st->failed : 0, age), status,
	    st->message[0] != '\0' ? ": " : "", st->message) == -1)
		return -1;
	/* The text may come from another host by way of the store. */
	for (p = out->p + from; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	return bk_buf_adds(out, "\n", f);
}

int
bk_standing_table(const struct bk_standing *st, size_t n, int64_t now,
    struct bk_buf *out, struct bk_fault *f)
{
	struct row *rows = calloc(n + 1, sizeof(*rows));
	size_t wide[COLUMNS] = { 0 }, i;
	int c, rc = -1;

	if (rows == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "the table");
	for (c = 0; c < COLUMNS; c++)
		(void)snprintf(rows[0].cell[c], sizeof(rows[0].cell[c]), "%s",
		    heads[c]);
	for (i = 0; i < n; i++)
		make_row(&rows[i + 1], &st[i], now);
	for (i = 0; i <= n; i++)
		for (c = 0; c < COLUMNS; c++)
			if (strlen(rows[i].cell[c]) > wide[c])
				wide[c] = strlen(rows[i].cell[c]);
	for (rc = 0, i = 0; rc == 0 && i <= n; i++)
		rc = add_row(out, (const char (*)[BK_NAME_MAX + 32])rows[i].cell,
		    wide, f);
	for (i = 0; rc == 0 && i < n; i++)
		rc = add_reason(out, &st[i], now, f);
	for (i = 0; rc == 0 && i < n; i++)
		rc = bk_standing_wal_text(&st[i], out, f);
	free(rows);
	return rc;
}
