/*
 * Reading what bk_cover wants to know, and telling what it says.  One listing
 * of the log, one of the records, a history for each timeline; with times the
 * last segments of each interval, from its end back to a commit.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "cover.h"
#include "json.h"
#include "list.h"
#include "walread.h"
#include "when.h"

#define SEGMENTS_BACK 64		/* that are read for the last commit */

static int
add_base(struct bk_coverage *c, const struct bk_record *r, struct bk_fault *f)
{
	struct bk_cover_base *b = &c->bases[c->in.nbases];
	struct bk_walpath_from from;

	if (bk_base_place(r, &from, f) == -1)
		return -1;
	memcpy(b->id, r->id, strlen(r->id) + 1);
	b->system = from.system;
	b->tli = from.tli;
	b->end_tli = from.end_tli;
	b->segment = from.segment;
	b->start = from.start;
	b->stop = from.stop;
	b->time = bk_base_moment(r);
	b->alone = bk_base_alone(r);
	c->in.nbases++;
	return 0;
}

static int
read_bases(const struct bk_ctx *ctx, struct bk_store *s, const char *name,
    struct bk_coverage *c, struct bk_fault *f)
{
	struct bk_list_req req = BK_LIST_REQ_INIT;
	struct bk_list l = BK_LIST_INIT;
	struct bk_fault why;
	size_t i;
	int rc;

	req.name = name;
	if ((rc = bk_list_read(ctx, s, &req, &l, f)) == 0 &&
	    (c->bases = calloc(l.len + 1, sizeof(*c->bases))) == NULL)
		rc = bk_fault_set(f, BK_IO, "out of memory");
	c->in.base = c->bases;
	for (i = 0; rc == 0 && i < l.len; i++) {
		why = (struct bk_fault)BK_FAULT_INIT;
		if (!bk_base_is(&l.rec[i]) || !bk_base_good(&l.rec[i]) ||
		    add_base(c, &l.rec[i], &why) == 0)
			continue;
		c->unplaced++;
		ctx->log(BK_LOG_WARN, "%s: passing it over", why.text);
	}
	bk_list_release(&l);
	return rc;
}

/* ---- timelines ---- */

/* The way of a line; one whose history is not there has none but itself. */
static int
set_way(const struct bk_ctx *ctx, struct bk_store *s, const char *name,
    struct bk_cover_line *l, struct bk_wal_way *w, struct bk_fault *f)
{
	struct bk_fault why = BK_FAULT_INIT;
	int rc;

	(void)bk_wal_way_parse("", l->tli, w, f);
	if (l->tli > 1 && (rc = bk_wal_way(s, name, l->system, l->tli, w,
	    &why)) != 0) {
		if (rc == -1 && why.status != BK_DATA)
			return bk_fault_set(f, why.status, "%s", why.text);
		if (rc == -1)
			ctx->log(BK_LOG_WARN, "%s", why.text);
		l->lost = true;
		(void)bk_wal_way_parse("", l->tli, w, f);
	}
	if ((l->leg = calloc(w->n, sizeof(*l->leg))) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	memcpy(l->leg, w->leg, w->n * sizeof(*l->leg));
	l->n = w->n;
	return 0;
}

static int
order(const void *a, const void *b)
{
	const struct bk_cover_line *x = a, *y = b;

	if (x->system != y->system)
		return x->system < y->system ? -1 : 1;
	return x->tli < y->tli ? -1 : x->tli > y->tli;
}

/* A line for this timeline, once. */
static void
want_line(struct bk_coverage *c, uint64_t system, uint32_t tli)
{
	size_t i;

	for (i = 0; i < c->in.nlines; i++)
		if (c->lines[i].system == system && c->lines[i].tli == tli)
			return;
	c->lines[c->in.nlines++] = (struct bk_cover_line){ .system = system,
		.tli = tli };
}

/* Timelines that have segments, or should have. */
static int
read_lines(const struct bk_ctx *ctx, struct bk_store *s, const char *name,
    struct bk_coverage *c, struct bk_fault *f)
{
	struct bk_wal_way *w = malloc(sizeof(*w));
	size_t i;
	int rc = 0;

	c->lines = calloc(c->runs.len + c->in.nbases + 1, sizeof(*c->lines));
	c->in.line = c->lines;
	if (w == NULL || c->lines == NULL)
		rc = bk_fault_set(f, BK_IO, "out of memory");
	for (i = 0; rc == 0 && i < c->runs.len; i++)
		want_line(c, c->runs.v[i].system, c->runs.v[i].tli);
	for (i = 0; rc == 0 && i < c->in.nbases; i++)
		want_line(c, c->bases[i].system, c->bases[i].end_tli);
	for (i = 0; rc == 0 && i < c->in.nlines; i++)
		rc = set_way(ctx, s, name, &c->lines[i], w, f);
	if (rc == 0)
		qsort(c->lines, c->in.nlines, sizeof(*c->lines), order);
	free(w);
	return rc;
}

/* ---- the last commit ---- */

/* Where none is near its end, what was known stays. */
int
bk_coverage_end(struct bk_store *s, const char *name, const struct bk_coverage *c,
    struct bk_cover *v, struct bk_fault *f)
{
	unsigned int back = SEGMENTS_BACK;
	uint64_t end = v->end;
	struct bk_wal_event e;
	struct bk_wal_run part;
	int rc = BK_ABSENT;

	while (rc == BK_ABSENT && back > 0 &&
	    bk_cover_part(&c->in, v, end, &part)) {
		rc = bk_wal_last_commit(s, name, &part, back, &e, f);
		back -= part.count < back ? (unsigned int)part.count : back;
		end -= part.count;
	}
	if (rc == 0 && e.time / 1000 > v->to)
		v->to = e.time / 1000;
	return rc == -1 ? -1 : 0;
}

int
bk_coverage_read(const struct bk_ctx *ctx, struct bk_store *s,
    const char *name, bool times, struct bk_coverage *c, struct bk_fault *f)
{
	size_t i;

	if (read_bases(ctx, s, name, c, f) == -1 ||
	    bk_wal_runs(s, name, &c->runs, f) == -1)
		return -1;
	c->in.run = c->runs.v;
	c->in.nruns = c->runs.len;
	if (read_lines(ctx, s, name, c, f) == -1 ||
	    bk_cover(&c->in, &c->covers, f) == -1)
		return -1;
	for (i = 0; times && i < c->covers.len; i++)
		if (c->covers.v[i].base != BK_COVER_NONE &&
		    bk_coverage_end(s, name, c, &c->covers.v[i], f) == -1)
			return -1;
	return 0;
}

void
bk_coverage_release(struct bk_coverage *c)
{
	size_t i;

	for (i = 0; i < c->in.nlines; i++)
		free(c->lines[i].leg);
	free(c->lines);
	free(c->bases);
	bk_wal_runs_release(&c->runs);
	bk_covers_release(&c->covers);
	*c = (struct bk_coverage)BK_COVERAGE_INIT;
}

/* ---- telling ---- */

static int
set_time(json_t *o, const char *key, int64_t t, struct bk_fault *f)
{
	char when[BK_TIME_LEN];

	return t == INT64_MIN ? bk_json_set(o, key, json_null(), f) :
	    bk_json_set_text(o, key, bk_time_text(t, when), f);
}

json_t *
bk_cover_gap_json(const struct bk_cover_gap *g, struct bk_fault *f)
{
	json_t *o;

	if (g == NULL || g->count == 0)
		return json_null();
	o = json_object();
	if (bk_json_set_text(o, "first", g->first, f) == 0 &&
	    bk_json_set_text(o, "last", g->last, f) == 0 &&
	    bk_json_set(o, "files", json_integer((json_int_t)g->count), f) == 0 &&
	    (g->before[0] == '\0' ||
	    bk_json_set_text(o, "before", g->before, f) == 0) &&
	    (g->after[0] == '\0' ||
	    bk_json_set_text(o, "after", g->after, f) == 0))
		return o;
	json_decref(o);
	return NULL;
}

json_t *
bk_coverage_json(const struct bk_coverage *c, const char *name, size_t i,
    struct bk_fault *f)
{
	const struct bk_cover *v = &c->covers.v[i];
	json_t *all = json_object(), *o = json_object();
	char system[24];

	(void)snprintf(system, sizeof(system), "%" PRIu64, v->system);
	if (bk_json_set_text(o, "name", name, f) == 0 &&
	    bk_json_set_text(o, "system", system, f) == 0 &&
	    bk_json_set(o, "timeline", json_integer(v->tli), f) == 0 &&
	    set_time(o, "from", v->from, f) == 0 &&
	    set_time(o, "to", v->to, f) == 0 &&
	    (v->base == BK_COVER_NONE ?
	    bk_json_set(o, "base", json_null(), f) :
	    bk_json_set_text(o, "base", c->in.base[v->base].id, f)) == 0 &&
	    bk_json_set(o, "bases", json_integer((json_int_t)v->bases), f) == 0 &&
	    bk_json_set(o, "gap", bk_cover_gap_json(&v->gap, f), f) == 0 &&
	    bk_json_set(all, "recoverable", json_incref(o), f) == 0) {
		json_decref(o);
		return all;
	}
	json_decref(o);
	json_decref(all);
	return NULL;
}

int
bk_cover_gap_text(const struct bk_cover_gap *g, struct bk_buf *out,
    struct bk_fault *f)
{
	if ((g->count == 1 ? bk_buf_addf(out, f, "%s is missing", g->first) :
	    bk_buf_addf(out, f, "%" PRIu64 " segments are missing, %s to %s",
	    g->count, g->first, g->last)) == -1)
		return -1;
	if (g->before[0] != '\0' && g->after[0] != '\0')
		return bk_buf_addf(out, f, ", between %s and %s", g->before,
		    g->after);
	return g->after[0] == '\0' && g->before[0] == '\0' ? 0 :
	    bk_buf_addf(out, f, ", %s %s", g->before[0] != '\0' ? "behind" :
	    "before", g->before[0] != '\0' ? g->before : g->after);
}

int
bk_coverage_text(const struct bk_coverage *c, size_t i, struct bk_buf *out,
    struct bk_fault *f)
{
	const struct bk_cover *v = &c->covers.v[i];
	char from[BK_TIME_LEN], to[BK_TIME_LEN];

	if (bk_buf_addf(out, f, "%-20" PRIu64 "  %8" PRIu32 "  ", v->system,
	    v->tli) == -1)
		return -1;
	if (v->base == BK_COVER_NONE ?
	    bk_buf_addf(out, f, "%-24s  %-24s  %-26s", "-", "-", "-") == -1 :
	    bk_buf_addf(out, f, "%-24s  %-24s  %-26s", bk_time_text(v->from,
	    from), bk_time_text(v->to, to), c->in.base[v->base].id) == -1)
		return -1;
	if (bk_buf_adds(out, "  ", f) == -1)
		return -1;
	if (v->gap.count > 0)
		return bk_cover_gap_text(&v->gap, out, f);
	return bk_buf_adds(out, v->base == BK_COVER_NONE ?
	    "no base backup leads to it" : "-", f);
}
