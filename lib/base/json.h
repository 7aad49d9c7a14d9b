/*
 * JSON objects on lines, by jansson.  Objects are json_t with jansson's own
 * reference counts.  Duplicate members are refused; order is kept; output is
 * compact and pure in the sense of RFC 8259 (UTF-8, no NUL).
 */
#ifndef BK_JSON_H
#define BK_JSON_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "fault.h"

/*
 * Parse ${n} bytes as exactly one JSON object.  Returns a new reference, or
 * NULL with ${f} set (65): "${what}: not a JSON object: …".  Nesting above
 * jansson's own limit, duplicate members and bad UTF-8 are refused.
 */
json_t *bk_json_parse(const char *p, size_t n, const char *what,
    struct bk_fault *f);

/* Append ${o} as compact text without newline.  0, or -1 with ${f} set. */
int bk_json_text(const json_t *o, struct bk_buf *b, struct bk_fault *f);

/* Write ${o} as a line to ${fd}, called ${what} in faults.  0 or -1. */
int bk_json_write(int fd, const json_t *o, const char *what,
    struct bk_fault *f);

/*
 * Set member ${key} of ${o} to ${v}, whose reference is taken, also on a
 * fault; ${v} may be NULL (memory ran out).  0, or -1 with ${f} set (74).
 */
int bk_json_set(json_t *o, const char *key, json_t *v, struct bk_fault *f);

/* The same for text; what is not UTF-8 in ${s} becomes U+FFFD. */
int bk_json_set_text(json_t *o, const char *key, const char *s,
    struct bk_fault *f);

/* Append to an array; takes the reference of ${v} as bk_json_set does. */
int bk_json_push(json_t *a, json_t *v, struct bk_fault *f);

/* A JSON string of ${n} bytes made valid UTF-8; NULL on no memory. */
json_t *bk_json_string(const char *s, size_t n);

/*
 * Members by type: the text or number of ${key} in ${o}; NULL (or -1) where
 * it is absent or of another type.  Text is borrowed.
 */
const char *bk_json_get_text(const json_t *o, const char *key);
int64_t bk_json_get_int(const json_t *o, const char *key);

/* A time (RFC 3339) in ms, and back; 0 stands for one that is not there. */
int64_t bk_json_get_time(const json_t *o, const char *key);
int bk_json_set_time(json_t *o, const char *key, int64_t t,
    struct bk_fault *f);

#endif
