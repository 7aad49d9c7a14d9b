/*
 * Time zones: what the clocks of a place show.  Data are the system's TZif
 * files (RFC 8536) with their POSIX TZ footer.  The C library is not used: it
 * holds one zone a process, takes an unknown name for UTC, and does not tell
 * a local time that occurs twice or never.
 */
#ifndef BK_ZONE_H
#define BK_ZONE_H

#include <stdint.h>

#include "fault.h"
#include "when.h"

struct bk_zone;

/*
 * Zone by name ("Europe/Berlin", "UTC"), looked for in ${dir} (NULL:
 * /usr/share/zoneinfo); NULL: /etc/localtime.  "UTC" needs no file.  NULL
 * with ${f} set: 64 for a name that is not there or has "..", 65 a bad file.
 */
struct bk_zone *bk_zone_open(const char *dir, const char *name,
    struct bk_fault *f);
void bk_zone_free(struct bk_zone *z);		/* accepts NULL */
const char *bk_zone_name(const struct bk_zone *z);

/* Seconds east of UTC at time ${t} (ms). */
int bk_zone_offset(const struct bk_zone *z, int64_t t);

/* What the clocks show at time ${t}. */
struct bk_date bk_zone_date(const struct bk_zone *z, int64_t t);

/*
 * Times at which the clocks show ${d}: 0 none (a gap), 1, or 2 (the clocks
 * were set back); ${t}[0] < ${t}[1].  For none ${t}[0] is the moment of the
 * gap: the first at which the clocks show something later.
 */
int bk_zone_times(const struct bk_zone *z, const struct bk_date *d,
    int64_t t[2]);

/* The first change of offset after ${t}, or INT64_MAX. */
int64_t bk_zone_next_change(const struct bk_zone *z, int64_t t);

#endif
