/*
 * The grammar of what users name (DESIGN, 4).
 */
#ifndef BK_NAMES_H
#define BK_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "fault.h"

#define BK_NAME_MAX 64
#define BK_EXT_MAX 16
#define BK_ENGINE_MAX 32
#define BK_TAG_KEY_MAX 63
#define BK_TAG_VALUE_MAX 255
#define BK_VARIABLE_MAX 255

bool bk_name_ok(const char *s);		/* [A-Za-z0-9][A-Za-z0-9._-]{0,63} */
bool bk_ext_ok(const char *s);		/* [a-z0-9]{1,16} */
bool bk_engine_ok(const char *s);	/* [a-z][a-z0-9-]{0,31} */
bool bk_tag_value_ok(const char *s);	/* up to 255 bytes of UTF-8, no control */

/*
 * [A-Za-z_][A-Za-z0-9_]{0,62}, and none of the words that queries give a
 * meaning of their own (DESIGN, 8): name engine id host parent trigger group
 * hourly daily weekly monthly yearly.
 */
bool bk_tag_key_ok(const char *s);

/*
 * Make a name of any text: what the grammar does not allow becomes '-', the
 * length is cut; "all" if nothing is left.
 */
void bk_name_from(const char *s, char out[BK_NAME_MAX + 1]);

/*
 * Length of the character of UTF-8 (RFC 3629) that the ${n} bytes at ${s}
 * begin with, 1 to 4; 0 where they begin with none.
 */
size_t bk_utf8_char(const char *s, size_t n);

/* Is ${s} of ${n} bytes valid UTF-8? */
bool bk_utf8_ok(const char *s, size_t n);

/*
 * A number of bytes with an optional suffix K M G T (powers of 1024; "32M",
 * "5G", "KiB" forms too), 0 to 2^63-1, or 64.
 */
int bk_bytes_parse(const char *s, unsigned long long *n, struct bk_fault *f);

/* ${s} if it can name an environment variable; else NULL, ${f} set (64). */
const char *bk_variable_arg(const char *what, const char *s,
    struct bk_fault *f);

/* A decimal number between ${min} and ${max}, or 64 naming the bounds. */
int bk_number_parse(const char *what, const char *s, long long min,
    long long max, long long *n, struct bk_fault *f);

#endif
