/*
 * Policies: which backups are kept, as words (DESIGN, 7).  The same words are
 * the options of bk-prune, the "keep" of a job and "keep" in .bk/rule:
 *
 *   --keep-last N  --keep-hourly N  --keep-daily N  --keep-weekly N
 *   --keep-monthly N  --keep-yearly N      N from 0, or "unlimited"
 *   --keep-within SPAN  --keep-within-hourly SPAN  ... -yearly SPAN
 *   --keep-tag QUERY                       may be repeated
 *   --cycle D,W,M
 *   --tz ZONE  --max-shrink PERCENT  --shared  --group-by source
 *
 * A SPAN is "1y2mo3w4d5h": years and months are the calendar's, and so are
 * days and weeks by the clock of the zone.  "m" is refused, because it means
 * months to restic and minutes to everything else here.
 */
#ifndef BK_POLICY_H
#define BK_POLICY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault.h"
#include "period.h"
#include "query.h"

#define BK_UNLIMITED UINT32_MAX
#define BK_KEEP_TAGS_MAX 16

struct bk_span {
	int years, months, days, hours;
};

enum bk_sources {
	BK_SOURCES_ONE,			/* two sources under a name: refused */
	BK_SOURCES_SHARED,		/* --shared: one history */
	BK_SOURCES_GROUPED		/* --group-by source: each its own */
};

struct bk_policy {
	uint32_t count[BK_PERIODS];	/* --keep-last, --keep-hourly, ... */
	struct bk_span within[BK_PERIODS];	/* [BK_LAST]: --keep-within */
	bool cycle;			/* --cycle was given */
	uint32_t days, weeks, months;	/* of it */
	char *tag[BK_KEEP_TAGS_MAX];	/* --keep-tag, as given; owned */
	struct bk_query *query[BK_KEEP_TAGS_MAX];	/* parsed; owned */
	size_t ntags;
	char *tz;			/* --tz; NULL: UTC; owned */
	unsigned int shrink;		/* --max-shrink, percent; 100: never */
	enum bk_sources sources;
	uint32_t given;			/* for telling a repeated option */
};

#define BK_SPAN_LEN 48

/* "1y6mo14d"; "" for an empty one. */
void bk_span_text(const struct bk_span *s, char out[BK_SPAN_LEN]);

#define BK_POLICY_INIT { .shrink = 50 }

/*
 * Take one option, its name without "--"; ${arg} is NULL where it has none.
 * For programs with an option table of their own.  0, or -1 with ${f} set
 * (64): unknown, repeated, a bad argument; 74 no memory.
 */
int bk_policy_set(struct bk_policy *p, const char *option, const char *arg,
    struct bk_fault *f);

/*
 * Take ${n} words ("--keep-daily", "7", "--keep-last=3", ...), as
 * bk_words_split gives them.  0 or -1 as above; bk_policy_check is the
 * caller's.
 */
int bk_policy_parse(struct bk_policy *p, char *const *words, size_t n,
    struct bk_fault *f);

/*
 * Does it keep anything at all?  0, or -1 with ${f} set (64) for the empty
 * policy: no rule given, all counts 0, "--cycle 0,0,0".
 */
int bk_policy_check(const struct bk_policy *p, struct bk_fault *f);

/*
 * The policy as words that bk_policy_parse takes again, in one fixed order
 * (so that equal policies have equal words); --tz is left out, the rule has a
 * member for it.  A new array, or NULL with ${f} set (74).
 */
json_t *bk_policy_words(const struct bk_policy *p, struct bk_fault *f);

void bk_policy_release(struct bk_policy *p);

#endif
