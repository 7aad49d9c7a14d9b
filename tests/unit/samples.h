/* Records for tests, good by the grammar until a test bends them. */
#ifndef BK_SAMPLES_H
#define BK_SAMPLES_H

#include <jansson.h>
#include <stdint.h>

#include "record.h"

/* An id whose last digits are ${n} (up to 99), of the time 2026-01-01. */
const char *sample_id(unsigned int n);

/*
 * A record of ${name} with id ${n} and ${time} (RFC 3339); its payload is
 * ${bytes} of nothing that exists.  ${tags} is JSON text or NULL.
 */
json_t *sample(const char *name, unsigned int n, const char *time,
    uint64_t bytes, const char *tags);

/* The same, checked. */
struct bk_record sample_rec(const char *name, unsigned int n,
    const char *time, uint64_t bytes, const char *tags);

/* Parse text in which ' stands for ". */
json_t *quoted(const char *text);

#endif
