/*
 * The periods of rules and of marks, and their names.  A record that is listed
 * shows in "marks" which of them it is marked with (DESIGN, 8).
 */
#ifndef BK_PERIOD_H
#define BK_PERIOD_H

#include <stdbool.h>

#include "record.h"

enum bk_period {
	BK_LAST,			/* no period: each record by itself */
	BK_HOURLY,
	BK_DAILY,
	BK_WEEKLY,			/* ISO 8601 weeks */
	BK_MONTHLY,
	BK_YEARLY,
	BK_PERIODS
};

/* "last", "hourly" ... "yearly". */
extern const char *const bk_period_names[BK_PERIODS];

/* "hourly" ... "yearly": the period, or BK_LAST for any other word. */
enum bk_period bk_mark_period(const char *word);

/* Is ${rec} marked so? */
bool bk_marked(const struct bk_record *rec, enum bk_period p);

#endif
