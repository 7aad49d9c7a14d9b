/*
 * Members of a JSON object picked out of its text, without building it: for
 * readers of 100,000 lines who want few members of many.  Only plain text is
 * understood: ASCII without escapes.  Where it is anything else the answer is
 * -1, and the reader parses it as a whole (json.h).
 *
 * What is passed over is only followed to its end: strings are closed, and
 * brackets match.
 */
#ifndef BK_JSONPICK_H
#define BK_JSONPICK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bk_json_part {
	const char *p;			/* of a text: between its quotes */
	size_t n;
	/* '"', '{', '[', '0' (a number), 't', 'f', 'n' (null); 0: absent */
	char kind;
};

/*
 * Pick the members ${keys} (${nkeys}, up to 32) of the object at ${p} into
 * ${out}.  0, or -1: no plain object, something behind it, or a key that
 * comes twice.
 */
int bk_json_pick(const char *p, size_t n, const char *const *keys,
    size_t nkeys, struct bk_json_part *out);

/* The element of the array at *${at} and move *${at} on.  1, 0 (the end), -1. */
int bk_json_pick_next(const char **at, const char *end,
    struct bk_json_part *out);

/* Is it this text? */
bool bk_json_part_is(const struct bk_json_part *v, const char *text);

/* Copy a text to ${out}; false where it is none, or too long. */
bool bk_json_part_text(const struct bk_json_part *v, char *out, size_t size);

/* A whole number below 2^63, or -1. */
int64_t bk_json_part_int(const struct bk_json_part *v);

#endif
