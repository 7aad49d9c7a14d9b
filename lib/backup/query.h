/*
 * Queries: PromQL label matchers over records (DESIGN, 8).  Regular
 * expressions are PCRE2's, anchored at both ends, with a bound on matching
 * steps.
 */
#ifndef BK_QUERY_H
#define BK_QUERY_H

#include "fault.h"
#include "record.h"

struct bk_query;

/* Parse ${text}; NULL with ${f} set (64), naming the position. */
struct bk_query *bk_query_parse(const char *text, struct bk_fault *f);
void bk_query_free(struct bk_query *q);

/*
 * 1 if ${rec} matches, 0 if not, -1 with ${f} set (64: an expression ran
 * past its bound).  A NULL query matches everything.  Marks are looked up in
 * "marks" of the record (see period.h).
 */
int bk_query_match(const struct bk_query *q, const struct bk_record *rec,
    struct bk_fault *f);

/* Does it name a mark? */
bool bk_query_marks(const struct bk_query *q);

#endif
