/*
 * A list of records as a table for a person.
 */
#ifndef BK_TABLE_H
#define BK_TABLE_H

#include <stdint.h>

#include "buf.h"
#include "list.h"

/*
 * Append the table of ${l}, as old as ${now} (ms) tells, in lines of at most
 * ${width} columns where that can be: tags are cut first, an id never.
 * ${root} is the URL that was asked for: a name of a set below it has that
 * set's path before it, "team/app:name".  0 or -1.
 */
int bk_table(const struct bk_list *l, const char *root, int64_t now,
    unsigned int width, struct bk_buf *out, struct bk_fault *f);

/* "317", "1.2K", "34M": at most 5 columns, powers of 1024. */
const char *bk_size_text(uint64_t bytes, char out[8]);

/* "12s", "5m", "3h", "20d", "3y"; "-" for a time to come. */
const char *bk_age_text(int64_t ms, char out[24]);

#endif
