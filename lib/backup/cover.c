#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cover.h"

/* Segments of a way with none missing between them. */
struct piece {
	uint64_t first, end;
	int64_t modified;		/* when the first was last seen stored */
};

struct pieces {
	struct piece *v;
	size_t len;
	uint32_t segment;		/* bytes; 0: there is no piece */
};

/* The numbers of ${l} that belong to leg ${i} of it. */
static void
bounds(const struct bk_cover_line *l, size_t i, uint32_t segment,
    uint64_t *low, uint64_t *high)
{
	*low = i > 0 ? l->leg[i - 1].until / segment : 0;
	*high = l->leg[i].until == UINT64_MAX ? UINT64_MAX :
	    l->leg[i].until / segment;
}

/* What of ${r} belongs to leg ${i} of ${l}; false: nothing. */
static bool
overlap(const struct bk_cover_line *l, size_t i, const struct bk_wal_run *r,
    uint64_t *first, uint64_t *end)
{
	uint64_t low, high;

	if (r->system != l->system || r->tli != l->leg[i].tli)
		return false;
	bounds(l, i, r->segment, &low, &high);
	*first = bk_wal_number(&r->first, r->segment);
	*end = bk_wal_number(&r->last, r->segment) + 1;
	*first = *first > low ? *first : low;
	*end = *end < high ? *end : high;
	return *first < *end;
}

/* The pieces of the way of ${l}.  0 or -1. */
static int
make_pieces(const struct bk_cover_in *in, const struct bk_cover_line *l,
    struct pieces *p, struct bk_fault *f)
{
	uint64_t first, end;
	size_t i, k;

	p->len = 0;
	p->segment = 0;
	if ((p->v = calloc(in->nruns * l->n + 1, sizeof(*p->v))) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	for (i = 0; i < l->n; i++)
		for (k = 0; k < in->nruns; k++) {
			if (!overlap(l, i, &in->run[k], &first, &end))
				continue;
			p->segment = in->run[k].segment;
			if (p->len > 0 && p->v[p->len - 1].end == first)
				p->v[p->len - 1].end = end;
			else
				p->v[p->len++] = (struct piece){ first, end,
					in->run[k].first_modified };
		}
	return 0;
}

/* The leg of ${l} that number ${n} belongs to. */
static size_t
leg_of(const struct bk_cover_line *l, uint64_t n, uint32_t segment)
{
	uint64_t low, high;
	size_t i;

	for (i = 0; i + 1 < l->n; i++) {
		bounds(l, i, segment, &low, &high);
		if (n < high)
			break;
	}
	return i;
}

static void
file_of(const struct bk_cover_line *l, uint64_t n, uint32_t segment,
    char out[BK_WAL_FILE_MAX])
{
	struct bk_wal_name name;

	bk_wal_segment(l->leg[leg_of(l, n, segment)].tli, n, segment, &name);
	memcpy(out, name.file, BK_WAL_FILE_MAX);
}

/* First and last number that a base backup needs itself. */
static void
needs(const struct bk_cover_base *b, uint64_t *first, uint64_t *last)
{
	*first = b->start / b->segment;
	*last = (b->stop - (b->stop > b->start)) / b->segment;
}

/* Is ${b} on the way of ${l}? */
static bool
on_way(const struct bk_cover_line *l, const struct bk_cover_base *b)
{
	size_t i;

	for (i = 0; i < l->n && l->leg[i].tli != b->tli; i++)
		;
	for (; i < l->n && l->leg[i].tli != b->end_tli; i++)
		;
	return i < l->n && l->system == b->system &&
	    b->stop <= l->leg[i].until;
}

static bool
in_piece(const struct bk_cover_line *l, const struct bk_cover_base *b,
    const struct pieces *p, size_t i)
{
	uint64_t first, last;

	if (!on_way(l, b) || b->segment != p->segment)
		return false;
	needs(b, &first, &last);
	return first >= p->v[i].first && last < p->v[i].end;
}

/* The numbers from ${from} to ${to} are missing. */
static void
set_gap(struct bk_cover_gap *g, const struct bk_cover_line *l,
    uint32_t segment, uint64_t from, uint64_t to)
{
	*g = (struct bk_cover_gap){ .count = to - from + 1,
		.since = INT64_MIN };
	file_of(l, from, segment, g->first);
	file_of(l, to, segment, g->last);
}

/* What is missing between piece ${i} and the next one. */
static void
gap_behind(struct bk_cover_gap *g, const struct bk_cover_line *l,
    const struct pieces *p, size_t i)
{
	set_gap(g, l, p->segment, p->v[i].end, p->v[i + 1].first - 1);
	file_of(l, p->v[i].end - 1, p->segment, g->before);
	file_of(l, p->v[i + 1].first, p->segment, g->after);
	g->since = p->v[i + 1].modified;
}

static struct bk_cover *
add(struct bk_covers *out, const struct bk_cover_line *l, struct bk_fault *f)
{
	size_t size = out->size > 0 ? 2 * out->size : 16;
	struct bk_cover *v;

	if (out->len == out->size) {
		if ((v = reallocarray(out->v, size, sizeof(*v))) == NULL) {
			(void)bk_fault_set(f, BK_IO, "out of memory");
			return NULL;
		}
		out->v = v;
		out->size = size;
	}
	v = &out->v[out->len++];
	*v = (struct bk_cover){ .system = l->system, .tli = l->tli,
		.base = BK_COVER_NONE, .newest = BK_COVER_NONE,
		.from = INT64_MIN, .to = INT64_MIN };
	return v;
}

static void
count_base(const struct bk_cover_in *in, struct bk_cover *c, size_t i)
{
	const struct bk_cover_base *b = &in->base[i];

	c->bases++;
	if (c->base == BK_COVER_NONE || b->time < c->from) {
		c->base = i;
		c->from = b->time;
	}
	if (c->newest == BK_COVER_NONE || b->time >= c->to) {
		c->newest = i;
		c->to = b->time;
	}
}

/* Piece ${i}, if a base backup lies in it. */
static int
add_piece(const struct bk_cover_in *in, const struct bk_cover_line *l,
    const struct pieces *p, size_t i, struct bk_covers *out,
    struct bk_fault *f)
{
	struct bk_cover *c = NULL;
	uint64_t low, high;
	size_t k;

	/* What does not come near it is told of a timeline before. */
	bounds(l, l->n - 1, p->segment, &low, &high);
	if (i + 1 == p->len && p->v[i].end <= low)
		return 0;
	for (k = 0; k < in->nbases; k++) {
		if (!in_piece(l, &in->base[k], p, i))
			continue;
		if (c == NULL && (c = add(out, l, f)) == NULL)
			return -1;
		count_base(in, c, k);
	}
	if (c == NULL)
		return 0;
	c->first = p->v[i].first;
	c->end = p->v[i].end;
	if (i + 1 < p->len)
		gap_behind(&c->gap, l, p, i);
	return 0;
}

/* Does a piece hold all that ${b}, of this timeline, needs? */
static bool
whole(const struct bk_cover_line *l, const struct bk_cover_base *b,
    const struct pieces *p)
{
	size_t i;

	for (i = 0; i < p->len; i++)
		if (in_piece(l, b, p, i))
			return true;
	return false;
}

/* What is missing of the log that ${b} needs itself. */
static void
gap_within(struct bk_cover_gap *g, const struct bk_cover_line *l,
    const struct bk_cover_base *b, const struct pieces *p)
{
	uint64_t first, last, n;
	size_t i;

	needs(b, &first, &last);
	for (n = first, i = 0; i < p->len && b->segment == p->segment; i++)
		if (p->v[i].first <= n && n < p->v[i].end)
			n = p->v[i].end;
		else if (p->v[i].first > n && p->v[i].first <= last)
			last = p->v[i].first - 1;
	set_gap(g, l, b->segment, n, last);
	if (n > first)
		file_of(l, n - 1, b->segment, g->before);
	for (i = 0; i < p->len && b->segment == p->segment; i++)
		if (p->v[i].first == last + 1) {
			file_of(l, last + 1, b->segment, g->after);
			g->since = p->v[i].modified;
		}
}

/* A base backup of this timeline whose log is not whole. */
static int
add_torn(const struct bk_cover_in *in, const struct bk_cover_line *l,
    const struct pieces *p, struct bk_covers *out, struct bk_fault *f)
{
	const struct bk_cover_base *b;
	struct bk_cover *c;
	size_t i;

	for (i = 0; i < in->nbases; i++) {
		b = &in->base[i];
		if (b->system != l->system || b->end_tli != l->tli || whole(l, b, p))
			continue;
		if ((c = add(out, l, f)) == NULL)
			return -1;
		if (b->alone)
			count_base(in, c, i);
		else {
			c->newest = i;
			gap_within(&c->gap, l, b, p);
		}
	}
	return 0;
}

/* A timeline that nothing leads to. */
static int
add_bare(const struct bk_cover_line *l, struct bk_covers *out,
    struct bk_fault *f)
{
	struct bk_cover *c = add(out, l, f);

	if (c == NULL)
		return -1;
	if (l->lost) {
		c->gap = (struct bk_cover_gap){ .count = 1,
			.since = INT64_MIN };
		(void)snprintf(c->gap.first, sizeof(c->gap.first),
		    "%08X.history", l->tli);
		memcpy(c->gap.last, c->gap.first, sizeof(c->gap.last));
	}
	return 0;
}

static int
add_line(const struct bk_cover_in *in, const struct bk_cover_line *l,
    struct bk_covers *out, struct bk_fault *f)
{
	size_t i, before = out->len;
	struct pieces p;
	int rc = make_pieces(in, l, &p, f);

	for (i = 0; rc == 0 && i < p.len; i++)
		rc = add_piece(in, l, &p, i, out, f);
	if (rc == 0)
		rc = add_torn(in, l, &p, out, f);
	if (rc == 0 && out->len == before && (p.len > 0 || l->lost))
		rc = add_bare(l, out, f);
	free(p.v);
	return rc;
}

int
bk_cover(const struct bk_cover_in *in, struct bk_covers *out,
    struct bk_fault *f)
{
	size_t i;

	for (i = 0; i < in->nlines; i++)
		if (add_line(in, &in->line[i], out, f) == -1)
			return -1;
	return 0;
}

void
bk_covers_release(struct bk_covers *c)
{
	free(c->v);
	*c = (struct bk_covers)BK_COVERS_INIT;
}

static const struct bk_cover_line *
line_of(const struct bk_cover_in *in, uint64_t system, uint32_t tli)
{
	size_t i;

	for (i = 0; i < in->nlines; i++)
		if (in->line[i].system == system && in->line[i].tli == tli)
			return &in->line[i];
	return NULL;
}

bool
bk_cover_part(const struct bk_cover_in *in, const struct bk_cover *c,
    uint64_t end, struct bk_wal_run *out)
{
	const struct bk_cover_line *l = line_of(in, c->system, c->tli);
	uint64_t first, last;
	size_t i, k;

	if (l == NULL || end <= c->first)
		return false;
	for (k = 0; k < in->nruns; k++) {
		if (in->run[k].system != c->system)
			continue;
		i = leg_of(l, end - 1, in->run[k].segment);
		if (!overlap(l, i, &in->run[k], &first, &last) ||
		    end <= first || end > last)
			continue;
		*out = in->run[k];
		bk_wal_segment(out->tli, first, out->segment, &out->first);
		bk_wal_segment(out->tli, end - 1, out->segment, &out->last);
		out->count = end - first;
		out->closed = i + 1 < l->n || end < bk_wal_number(
		    &in->run[k].last, out->segment) + 1;
		return true;
	}
	return false;
}

const struct bk_cover_gap *
bk_cover_gap(const struct bk_cover_in *in, const struct bk_covers *c)
{
	const struct bk_cover_line *l, *line = NULL;
	const struct bk_cover_gap *g = NULL;
	const struct bk_cover_base *b;
	size_t i, newest = BK_COVER_NONE;

	for (i = 0; i < in->nbases; i++)
		if (newest == BK_COVER_NONE ||
		    in->base[i].time >= in->base[newest].time)
			newest = i;
	if (newest == BK_COVER_NONE)
		return NULL;
	b = &in->base[newest];
	for (i = 0; i < in->nlines; i++) {
		l = &in->line[i];
		if (l->system == b->system && (on_way(l, b) ||
		    (l->lost && l->tli > b->end_tli)))
			line = l;
	}
	for (i = 0; line != NULL && i < c->len; i++)
		if (c->v[i].system == line->system &&
		    c->v[i].gap.count > 0 &&
		    (c->v[i].newest == newest ||
		    (line->lost && c->v[i].tli == line->tli)) &&
		    (c->v[i].tli == line->tli || c->v[i].base == BK_COVER_NONE))
			g = &c->v[i].gap;
	return g;
}
