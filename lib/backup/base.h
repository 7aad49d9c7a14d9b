/*
 * Base backups of PostgreSQL, as their records tell of them.
 */
#ifndef BK_BASE_H
#define BK_BASE_H

#include "record.h"
#include "walpath.h"

/* Is it one? */
bool bk_base_is(const struct bk_record *r);

/* Is the log that it needs in the backup itself? */
bool bk_base_alone(const struct bk_record *r);

/* Of any record: is it good as far as the record tells? */
bool bk_base_good(const struct bk_record *r);

/*
 * Of any record: from when on (ms) it can be restored, the end of a base
 * backup.
 */
int64_t bk_base_moment(const struct bk_record *r);

/* Where it stands in the log.  0, or -1 with ${f} set (65). */
int bk_base_place(const struct bk_record *r, struct bk_walpath_from *from,
    struct bk_fault *f);

#endif
