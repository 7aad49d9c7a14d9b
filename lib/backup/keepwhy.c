/* Reasons as text.  Made when asked for: a million records need none. */
#include <stdio.h>
#include <string.h>

#include "keeping.h"

/* "2026-W47": the week of its Thursday (ISO 8601, 3.1.1.21). */
static void
week_text(struct bk_date d, char *out, size_t size)
{
	struct bk_date first;
	int64_t day;

	d.day += d.wday == 0 ? -3 : 4 - d.wday;
	d = bk_date_of(bk_date_time(&d));
	first = (struct bk_date){ .year = d.year, .month = 1, .day = 1 };
	day = (bk_date_time(&d) - bk_date_time(&first)) / 86400000;
	(void)snprintf(out, size, "%04d-W%02d", d.year, (int)(day / 7) + 1);
}

/* Record or stand-in ${i}, and the rule that it goes by. */
static const struct bk_retain_in *
in_of(const struct bk_retained *r, size_t i)
{
	return i < r->n ? &r->in[i] : &r->both[i];
}

static struct bk_retain_book
book_of(const struct bk_retained *r, size_t i)
{
	uint32_t by = in_of(r, i)->by;

	return by == 0 ? (struct bk_retain_book){ r->policy, r->zone } :
	    r->more->book[by - 1];
}

static void
period_text(const struct bk_retained *r, size_t i, int p, char *out,
    size_t size)
{
	struct bk_date d = bk_zone_date(book_of(r, i).zone, in_of(r, i)->time);

	switch (p) {
	case BK_LAST:
		(void)snprintf(out, size, "%lu", (unsigned long)r->v[i].last);
		break;
	case BK_HOURLY:
		(void)snprintf(out, size, "%04d-%02d-%02dT%02d", d.year, d.month,
		    d.day, d.hour);
		break;
	case BK_DAILY:
		(void)snprintf(out, size, "%04d-%02d-%02d", d.year, d.month,
		    d.day);
		break;
	case BK_WEEKLY:
		week_text(d, out, size);
		break;
	case BK_MONTHLY:
		(void)snprintf(out, size, "%04d-%02d", d.year, d.month);
		break;
	default:
		(void)snprintf(out, size, "%04d", d.year);
		break;
	}
}

static const char *
plain_text(uint64_t bit)
{
	static const struct {
		uint64_t bit;
		const char *text;
	} texts[] = {
		{ WHY_CYCLE_DAY, "cycle day" },
		{ WHY_NEWEST, "newest good" },
		{ WHY_NO_GOOD, "no good record of this name" },
		{ WHY_SOURCES, "two sources" },
		{ WHY_HELD, "held" },
		{ WHY_UNREADABLE, "cannot be read" },
		{ WHY_FUTURE, "from the future" },
		{ WHY_OUTSIDE, "not on the list" },
		{ WHY_SUSPECT, "suspect, counts for nothing" },
		{ WHY_PAYLOAD, "payload missing, counts for nothing" },
		{ WHY_UNPROVEN, "not proven, counts for nothing" },
		{ WHY_ORPHAN, "parent missing, counts for nothing" },
		{ WHY_MEMBER, "not all of it is good" },
		{ WHY_POINTS, "the moments kept after it need it" }
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].bit == bit)
			return texts[i].text;
	return NULL;
}

/* How a rule of periods or of time keeps ${i}; false for another bit. */
static bool
rule_text(const struct bk_retained *r, size_t i, int bit, char *out,
    size_t size)
{
	char span[BK_SPAN_LEN];
	int p = bit % BK_PERIODS;

	if (bit < BK_PERIODS) {
		(void)snprintf(out, size, "%s ", bk_period_names[p]);
		period_text(r, i, p, out + strlen(out), size - strlen(out));
	} else if (bit < 2 * BK_PERIODS)
		(void)snprintf(out, size, "oldest %s", bk_period_names[p]);
	else if (bit < 3 * BK_PERIODS) {
		bk_span_text(&book_of(r, i).policy->within[p], span);
		(void)snprintf(out, size, "%s%swithin %s",
		    p == BK_LAST ? "" : bk_period_names[p], p == BK_LAST ? "" : " ",
		    span);
	} else if (UINT64_C(1) << bit == WHY_CYCLE_WEEK ||
	    UINT64_C(1) << bit == WHY_CYCLE_MONTH) {
		p = UINT64_C(1) << bit == WHY_CYCLE_WEEK ? BK_WEEKLY : BK_MONTHLY;
		(void)snprintf(out, size, "cycle %s ",
		    p == BK_WEEKLY ? "week" : "month");
		period_text(r, i, p, out + strlen(out), size - strlen(out));
	} else
		return false;
	return true;
}

/* "run RUN of group 'GROUP': last 2, newest good". */
static void
run_text(const struct bk_retained *r, size_t i, char out[BK_WHY_LEN])
{
	const struct bk_retain_run *run = &r->more->run[r->v[i].run];
	const char *plain, *sep = ": ";
	uint64_t told = 0;
	size_t at, n;
	int bit;

	(void)snprintf(out, BK_WHY_LEN, "run %s of group '%s'", run->run,
	    run->group);
	for (at = r->stand[r->v[i].run]; at < r->stand[r->v[i].run + 1]; at++)
		for (bit = 0; bit < WHY_BITS; bit++) {
			if ((r->v[at].why & ~told & UINT64_C(1) << bit) == 0)
				continue;
			told |= UINT64_C(1) << bit;
			n = strlen(out);
			plain = UINT64_C(1) << bit == WHY_NO_GOOD ?
			    "no run is good" : plain_text(UINT64_C(1) << bit);
			(void)snprintf(out + n, BK_WHY_LEN - n, "%s%s", sep,
			    plain != NULL ? plain : "");
			n = strlen(out);
			if (plain == NULL)
				(void)rule_text(r, at, bit, out + n, BK_WHY_LEN - n);
			sep = ", ";
		}
}

static void
text_of(const struct bk_retained *r, size_t i, int bit, char out[BK_WHY_LEN])
{
	const struct bk_verdict *v = &r->v[i];
	const char *plain = plain_text(UINT64_C(1) << bit);

	if (plain != NULL)
		(void)snprintf(out, BK_WHY_LEN, "%s", plain);
	else if (rule_text(r, i, bit, out, BK_WHY_LEN))
		return;
	else if (UINT64_C(1) << bit == WHY_PARENT)
		(void)snprintf(out, BK_WHY_LEN, "parent of %s",
		    r->in[v->child].id);
	else if (UINT64_C(1) << bit == WHY_RUN)
		run_text(r, i, out);
	else if (UINT64_C(1) << bit == WHY_GOES)
		(void)snprintf(out, BK_WHY_LEN, "goes with run %s of group '%s'",
		    r->more->run[v->run].run, r->more->run[v->run].group);
	else
		(void)snprintf(out, BK_WHY_LEN, "compared with %s",
		    r->in[v->basis].id);
}

const char *
bk_retain_why(const struct bk_retained *r, size_t i, unsigned int k,
    char out[BK_WHY_LEN])
{
	const struct bk_verdict *v = &r->v[i];
	int bit, t;

	for (bit = 0; bit < WHY_BITS; bit++) {
		if ((v->why & UINT64_C(1) << bit) == 0)
			continue;
		if (UINT64_C(1) << bit != WHY_TAG) {
			if (k-- > 0)
				continue;
			text_of(r, i, bit, out);
			return out;
		}
		for (t = 0; t < BK_KEEP_TAGS_MAX; t++)
			if ((v->tags & 1U << t) != 0 && k-- == 0) {
				(void)snprintf(out, BK_WHY_LEN, "tag %s",
				    r->policy->tag[t]);
				return out;
			}
	}
	if (v->why != 0 || k > 0)
		return NULL;
	(void)snprintf(out, BK_WHY_LEN, "no rule keeps it");
	return out;
}
