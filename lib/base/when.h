/*
 * Points in time and durations.  A time is a count of milliseconds since
 * 1970-01-01T00:00:00Z in an int64_t; text is RFC 3339 (section 5.6).  Nothing
 * here reads a clock or a time zone.
 */
#ifndef BK_WHEN_H
#define BK_WHEN_H

#include <stdbool.h>
#include <stdint.h>

#include "fault.h"

#define BK_TIME_LEN 25			/* "2026-11-21T10:00:00.123Z" + NUL */

/* Broken-down UTC, Gregorian; year 1 to 9999. */
struct bk_date {
	int year, month, day;		/* month and day from 1 */
	int hour, minute, second, ms;
	int wday;			/* 0 is Sunday */
};

struct bk_date bk_date_of(int64_t t);
int64_t bk_date_time(const struct bk_date *d);	/* wday is ignored */

/*
 * "2026-11-21T10:00:00Z"; milliseconds only where they are not zero.  What
 * is outside the years 1 to 9999 gives the nearest moment inside.
 */
const char *bk_time_text(int64_t t, char out[BK_TIME_LEN]);

/* "20261121T100000Z", cut to seconds, as keys have it. */
const char *bk_time_compact(int64_t t, char out[BK_TIME_LEN]);

/*
 * Parse RFC 3339 with an offset ("Z", "+01:00"); fractions are cut to
 * milliseconds; a leap second counts as the second before.  Returns 0, or -1
 * with ${f} set (64; one without an offset is refused with that reason).
 */
int bk_time_parse(const char *s, int64_t *t, struct bk_fault *f);

/*
 * The same, and also "now" and "-DURATION" counted from ${now}.
 */
int bk_time_parse_rel(const char *s, int64_t now, int64_t *t,
    struct bk_fault *f);

/*
 * A duration: one or more of NUMBER UNIT, units ms s m h d w ("26h", "1h30m",
 * "7d"); the result in milliseconds, 0 to 100 years.  A bare number is
 * refused.  0, or -1 with ${f} set (64).
 */
int bk_duration_parse(const char *s, int64_t *ms, struct bk_fault *f);

#endif
