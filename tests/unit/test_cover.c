/*
 * Which moments can be restored, decided from made-up lists: one text for each
 * interval.  What a real server makes of it is tried in
 * tests/bk-list-recoverable.bats.
 */
#include <stdio.h>
#include <string.h>

#include "cover.h"
#include "tap.h"

#define SEG (1U << 20)
#define A UINT64_C(7291)
#define B UINT64_C(7292)

struct lists {
	struct bk_cover_base base[8];
	struct bk_wal_run run[16];
	struct bk_cover_line line[8];
	struct bk_wal_leg leg[8][4];
	struct bk_cover_in in;
};

static void
begin(struct lists *l)
{
	memset(l, 0, sizeof(*l));
	l->in.base = l->base;
	l->in.run = l->run;
	l->in.line = l->line;
}

/* Segments ${from} to ${to} are stored. */
static void
run(struct lists *l, uint64_t system, uint32_t tli, uint64_t from, uint64_t to)
{
	struct bk_wal_run *r = &l->run[l->in.nruns++];

	r->system = system;
	r->tli = tli;
	r->segment = SEG;
	r->count = to - from + 1;
	r->first_modified = (int64_t)from;
	bk_wal_segment(tli, from, SEG, &r->first);
	bk_wal_segment(tli, to, SEG, &r->last);
}

/* A base backup of segments ${from} to ${to}, consistent at ${time}. */
static struct bk_cover_base *
base(struct lists *l, uint64_t system, uint32_t tli, uint64_t from,
    uint64_t to, int64_t time)
{
	struct bk_cover_base *b = &l->base[l->in.nbases++];

	b->system = system;
	b->tli = b->end_tli = tli;
	b->segment = SEG;
	b->start = from * SEG + 40;
	b->stop = to * SEG + 400;
	b->time = time;
	return b;
}

/* Timeline ${tli}, left ${parent} within segment ${at}; 0: has no parent. */
static struct bk_cover_line *
line(struct lists *l, uint64_t system, uint32_t tli,
    const struct bk_cover_line *parent, uint64_t at)
{
	struct bk_cover_line *n = &l->line[l->in.nlines];
	struct bk_wal_leg *leg = l->leg[l->in.nlines++];
	size_t i;

	for (i = 0; parent != NULL && i < parent->n; i++)
		leg[i] = parent->leg[i];
	if (i > 0)
		leg[i - 1].until = at * SEG + 0x500;
	leg[i] = (struct bk_wal_leg){ tli, UINT64_MAX };
	*n = (struct bk_cover_line){ system, tli, leg, i + 1, false };
	return n;
}

/* The number in the name of a segment, with its timeline. */
static void
short_name(const char *file, char out[32])
{
	struct bk_wal_name n;

	if (!bk_wal_name_parse(file, &n) || n.kind == BK_WAL_HISTORY)
		(void)snprintf(out, 32, "%s", file);
	else
		(void)snprintf(out, 32, "%u:%llu", n.tli,
		    (unsigned long long)bk_wal_number(&n, SEG));
}

static size_t
gap_text(const struct bk_cover_gap *g, char *out, size_t size)
{
	char v[4][32];

	short_name(g->before, v[0]);
	short_name(g->first, v[1]);
	short_name(g->last, v[2]);
	short_name(g->after, v[3]);
	return (size_t)snprintf(out, size, " gap %s[%s-%s]%s", v[0], v[1], v[2],
	    v[3]);
}

/* "1 50..80(2) gap 1:6[1:7-1:8]1:9": timeline, times, bases, gap. */
static void
expect(struct lists *l, const char *want, const char *alarm, const char *what)
{
	struct bk_covers c = BK_COVERS_INIT;
	struct bk_fault f = BK_FAULT_INIT;
	const struct bk_cover_gap *g;
	char out[1024] = "", gap[160] = "";
	const struct bk_cover *v;
	size_t i, n = 0;

	ok_int(bk_cover(&l->in, &c, &f), 0, "decided");
	for (i = 0; i < c.len; i++) {
		v = &c.v[i];
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%u",
		    i > 0 ? "; " : "", v->tli);
		if (v->base == BK_COVER_NONE)
			n += (size_t)snprintf(out + n, sizeof(out) - n, " none");
		else
			n += (size_t)snprintf(out + n, sizeof(out) - n,
			    " %lld..%lld(%zu)", (long long)v->from,
			    (long long)v->to, v->bases);
		if (v->gap.count > 0)
			n += gap_text(&v->gap, out + n, sizeof(out) - n);
	}
	ok_text(out, want, what);
	if ((g = bk_cover_gap(&l->in, &c)) != NULL)
		(void)gap_text(g, gap, sizeof(gap));
	ok_text(gap, alarm, "its alarm");
	bk_covers_release(&c);
}

static void
test_one_timeline(void)
{
	struct lists l;

	begin(&l);
	expect(&l, "", "", "nothing at all");
	line(&l, A, 1, NULL, 0);
	run(&l, A, 1, 3, 9);
	expect(&l, "1 none", "", "log without a base backup");
	base(&l, A, 1, 4, 5, 50);
	base(&l, A, 1, 7, 7, 70);
	expect(&l, "1 50..70(2)", "", "two base backups, no gap");

	begin(&l);
	line(&l, A, 1, NULL, 0);
	run(&l, A, 1, 3, 6);
	run(&l, A, 1, 9, 12);
	base(&l, A, 1, 4, 5, 50);
	expect(&l, "1 50..50(1) gap 1:6[1:7-1:8]1:9",
	    " gap 1:6[1:7-1:8]1:9", "a gap");
	base(&l, A, 1, 9, 10, 90);
	expect(&l, "1 50..50(1) gap 1:6[1:7-1:8]1:9; 1 90..90(1)", "",
	    "a base backup behind it ends the alarm");
	base(&l, A, 1, 12, 13, 95);
	expect(&l, "1 50..50(1) gap 1:6[1:7-1:8]1:9; 1 90..90(1); "
	    "1 none gap 1:12[1:13-1:13]", " gap 1:12[1:13-1:13]",
	    "the last lacks its end");
}

static void
test_torn(void)
{
	struct lists l;

	begin(&l);
	line(&l, A, 1, NULL, 0);
	base(&l, A, 1, 4, 6, 50);
	expect(&l, "1 none gap [1:4-1:6]", " gap [1:4-1:6]", "no log at all");
	run(&l, A, 1, 3, 4);
	run(&l, A, 1, 6, 9);
	expect(&l, "1 none gap 1:4[1:5-1:5]1:6", " gap 1:4[1:5-1:5]1:6",
	    "a gap within what it needs");
	l.base[0].alone = true;
	expect(&l, "1 50..50(1)", "", "it has its log itself: its own moment");

	begin(&l);
	line(&l, A, 1, NULL, 0);
	run(&l, A, 1, 5, 9);
	base(&l, A, 1, 4, 6, 50);
	expect(&l, "1 none gap [1:4-1:4]1:5", " gap [1:4-1:4]1:5",
	    "its first segment is missing");
}

static void
test_branches(void)
{
	struct bk_cover_line *one, *two;
	struct lists l;

	begin(&l);
	one = line(&l, A, 1, NULL, 0);
	two = line(&l, A, 2, one, 8);
	l.leg[0][0].until = UINT64_MAX;
	run(&l, A, 1, 3, 10);
	run(&l, A, 2, 8, 12);
	base(&l, A, 1, 4, 5, 50);
	expect(&l, "1 50..50(1); 2 50..50(1)", "", "a branch in the middle");
	base(&l, A, 1, 9, 9, 90);
	expect(&l, "1 50..90(2); 2 50..50(1)", "",
	    "a base backup behind the branch is of the old one only");
	base(&l, A, 2, 9, 10, 95);
	expect(&l, "1 50..90(2); 2 50..95(2)", "", "one on the new");
	line(&l, A, 3, two, 11);
	l.leg[1][1].until = UINT64_MAX;
	run(&l, A, 3, 11, 11);
	run(&l, A, 3, 14, 15);
	expect(&l, "1 50..90(2); 2 50..95(2); 3 50..95(2) gap "
	    "3:11[3:12-3:13]3:14", " gap 3:11[3:12-3:13]3:14",
	    "a branch of a branch, with a gap");

	/* Of a standby that went along. */
	base(&l, A, 1, 7, 9, 99)->end_tli = 2;
	expect(&l, "1 50..90(2); 2 50..99(3); 3 50..99(3) gap "
	    "3:11[3:12-3:13]3:14", " gap 3:11[3:12-3:13]3:14",
	    "a base backup over two timelines");

	/* The segment where it branched off is not there yet. */
	begin(&l);
	one = line(&l, A, 1, NULL, 0);
	line(&l, A, 2, one, 8);
	l.leg[0][0].until = UINT64_MAX;
	run(&l, A, 1, 3, 8);
	run(&l, A, 2, 9, 12);
	base(&l, A, 1, 4, 5, 50);
	expect(&l, "1 50..50(1); 2 50..50(1) gap 1:7[2:8-2:8]2:9",
	    " gap 1:7[2:8-2:8]2:9", "the younger's first segment is missing");

	/* A gap on a timeline that was left does not matter any more. */
	begin(&l);
	one = line(&l, A, 1, NULL, 0);
	line(&l, A, 2, one, 8);
	l.leg[0][0].until = UINT64_MAX;
	run(&l, A, 1, 3, 8);
	run(&l, A, 1, 10, 11);
	run(&l, A, 2, 8, 12);
	base(&l, A, 1, 4, 5, 50);
	expect(&l, "1 50..50(1) gap 1:8[1:9-1:9]1:10; 2 50..50(1)", "",
	    "a gap on a timeline that was left");
}

static void
test_lost(void)
{
	struct lists l;

	begin(&l);
	line(&l, A, 1, NULL, 0);
	line(&l, A, 2, NULL, 0)->lost = true;
	run(&l, A, 1, 3, 8);
	run(&l, A, 2, 8, 12);
	base(&l, A, 1, 4, 5, 50);
	expect(&l, "1 50..50(1); 2 none gap [00000002.history-00000002.history]",
	    " gap [00000002.history-00000002.history]",
	    "a history that is missing");
	base(&l, A, 2, 9, 9, 90);
	expect(&l, "1 50..50(1); 2 90..90(1)", "",
	    "a base backup of the timeline itself needs none");
}

static void
test_systems(void)
{
	struct lists l;

	begin(&l);
	line(&l, A, 1, NULL, 0);
	line(&l, B, 1, NULL, 0);
	run(&l, A, 1, 3, 8);
	run(&l, B, 1, 3, 5);
	run(&l, B, 1, 7, 8);
	base(&l, A, 1, 4, 5, 50);
	expect(&l, "1 50..50(1); 1 none", "", "log of another system");
	base(&l, B, 1, 3, 4, 60);
	expect(&l, "1 50..50(1); 1 60..60(1) gap 1:5[1:6-1:6]1:7",
	    " gap 1:5[1:6-1:6]1:7", "each from its own");
	l.base[1].segment = 2 * SEG;
	expect(&l, "1 50..50(1); 1 none gap [1:1-1:2]", " gap [1:1-1:2]",
	    "segments of another size are not its own");
}

static void
test_parts(void)
{
	struct bk_covers c = BK_COVERS_INIT;
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_cover_line *one;
	struct bk_wal_run part;
	struct lists l;

	begin(&l);
	one = line(&l, A, 1, NULL, 0);
	line(&l, A, 2, one, 8);
	l.leg[0][0].until = UINT64_MAX;
	run(&l, A, 1, 3, 10);
	run(&l, A, 2, 8, 12);
	base(&l, A, 1, 4, 5, 50);
	ok_int(bk_cover(&l.in, &c, &f), 0, "decided");
	ok_int((long long)c.len, 2, "two timelines");
	ok(bk_cover_part(&l.in, &c.v[1], c.v[1].end, &part), "the end");
	ok(part.tli == 2 && part.count == 5 && !part.closed,
	    "on the younger, open");
	ok(bk_cover_part(&l.in, &c.v[1], 8, &part), "before the branch");
	ok(part.tli == 1 && part.count == 5 && part.closed,
	    "on the older, closed");
	ok_text(part.last.file, "000000010000000000000007", "up to the branch");
	ok(!bk_cover_part(&l.in, &c.v[1], 3, &part), "nothing before it");
	ok(bk_cover_part(&l.in, &c.v[0], c.v[0].end, &part) && part.count == 8 &&
	    !part.closed, "the older alone");
	bk_covers_release(&c);
}

int
main(void)
{
	test_one_timeline();
	test_torn();
	test_branches();
	test_lost();
	test_systems();
	test_parts();
	return done();
}
