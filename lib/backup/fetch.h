/*
 * Fetching a payload and checking it (DESIGN, 5): size and SHA-256 are those
 * of the record before the last min(1 MiB, size) bytes are let out.
 */
#ifndef BK_FETCH_H
#define BK_FETCH_H

#include "record.h"
#include "store.h"

/*
 * Give the stored payload of ${rec} to ${sink}.  0, or -1 with ${f} set: 66
 * if it is gone, 65 if size or checksum differ.
 */
int bk_fetch(struct bk_store *s, const struct bk_record *rec, bk_sink_fn *sink,
    void *arg, struct bk_fault *f);

/*
 * The stream header and the end line for a record, as they were when it was
 * put; new references, NULL on no memory (f set).
 */
json_t *bk_fetch_header(const struct bk_record *rec, struct bk_fault *f);
json_t *bk_fetch_end(const struct bk_record *rec, struct bk_fault *f);

#endif
