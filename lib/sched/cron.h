/*
 * Schedules: when a job is due.  Five fields as in crontab(5), @daily and the
 * like, @every DURATION, and a zone in front (CRON_TZ=, TZ=).  Nothing here
 * reads a clock; the same text, zone and time give the same answer always.
 *
 * Over a change of the clocks (cron(8) of Vixie): a time is fixed where
 * neither the minute nor the hour field begins with '*'.  A fixed time that
 * the clocks show twice is due the first time only; one that they skip is due
 * at the moment of the change, once for all that were skipped.  Other times
 * are due whenever the clocks show them: an hourly job by elapsed hours.
 */
#ifndef BK_CRON_H
#define BK_CRON_H

#include <stdint.h>

#include "fault.h"
#include "zone.h"

struct bk_cron;

/*
 * Understand ${text}.  NULL with ${f} set (64) naming the position, counted
 * from 1: also for a date that never comes (30 February), @every below 1s,
 * and @reboot.  The zone is not looked up here.
 */
struct bk_cron *bk_cron_parse(const char *text, struct bk_fault *f);
void bk_cron_free(struct bk_cron *c);		/* accepts NULL */

/* The zone that stood in front, or NULL: the caller's own.  Borrowed. */
const char *bk_cron_zone(const struct bk_cron *c);

/*
 * The first due time after ${after} (ms), in zone ${z} (not NULL but for an
 * @every).  An @every counts from ${after}, which is then the due time of the
 * last run.  INT64_MAX: none up to the year 9999.
 */
int64_t bk_cron_next(const struct bk_cron *c, const struct bk_zone *z,
    int64_t after);

/*
 * The last due time after ${after} and not after ${until}, INT64_MIN if there
 * is none; *${n} (may be NULL) is how many there are.  After a stop: the slot
 * to catch up with, and how many more were missed.
 */
int64_t bk_cron_last(const struct bk_cron *c, const struct bk_zone *z,
    int64_t after, int64_t until, uint64_t *n);

/*
 * The longest time in ms from one due time to the next, changes of the clocks
 * left out: three days for "0 3 * * 1-5".
 */
int64_t bk_cron_interval(const struct bk_cron *c);

#endif
