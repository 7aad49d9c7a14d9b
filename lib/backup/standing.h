/*
 * What retention and freshness need to know of a record.
 */
#ifndef BK_STANDING_H
#define BK_STANDING_H

#include "record.h"
#include "retain.h"

/*
 * ${rec} as an input of bk_retain; it borrows the record's texts.  "source"
 * is left out, and so are BK_RETAIN_PAYLOAD and BK_RETAIN_OUTSIDE, which the
 * record does not tell.
 */
struct bk_retain_in bk_standing(const struct bk_record *rec);

#endif
