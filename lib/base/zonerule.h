/*
 * The rule at the end of a TZif file: the TZ variable of POSIX (XBD 8.3) with
 * the wider times of RFC 8536, section 3.3.1.  For zone.c.
 */
#ifndef BK_ZONERULE_H
#define BK_ZONERULE_H

#include <stdbool.h>
#include <stdint.h>

/* A day of the year and a time by the clocks of that day. */
struct bk_zoneday {
	char kind;			/* 'J' 1-365, no leap day; '0' 0-365; 'M' */
	int day;			/* of the year; of the week for 'M' */
	int week, month;		/* 'M' */
	int32_t time;			/* seconds */
};

struct bk_zonerule {
	int32_t std, dst;		/* seconds east of UTC */
	bool changes;			/* there is a summer time */
	struct bk_zoneday start, end;	/* of it */
};

/* Parse ${text}; false where it is no rule. */
bool bk_zonerule_parse(struct bk_zonerule *r, const char *text);

/* The moments (ms) at which summer time starts and ends in ${year}. */
int64_t bk_zonerule_start(const struct bk_zonerule *r, int year);
int64_t bk_zonerule_end(const struct bk_zonerule *r, int year);

#endif
