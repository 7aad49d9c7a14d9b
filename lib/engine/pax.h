/*
 * Reading a pax extended header as it passes (POSIX.1-2017, pax, "pax
 * Extended Header"): records "LENGTH KEY=VALUE\n", where LENGTH counts all of
 * the record.  Only values that are wanted are held, so that a directory's
 * list of names (GNU.dumpdir, of GNU tar's incremental archives) may be of any
 * size.
 */
#ifndef BK_PAX_H
#define BK_PAX_H

#include <stdint.h>

#include "buf.h"

#define BK_PAX_VALUE_MAX (4 * 1024 * 1024)	/* of one that is held */
#define BK_PAX_BAD 1

enum bk_pax_want {
	BK_PAX_SKIP,
	BK_PAX_HOLD,			/* give it as a whole */
	BK_PAX_SPLIT			/* strings ended by NUL: give each, but "" */
};

struct bk_pax_ops {
	/* What is to be done with ${key}: enum bk_pax_want, or -1 with ${f}. */
	int (*want)(void *arg, const char *key, struct bk_fault *f);
	/* A value, or a string of it.  0 or -1. */
	int (*value)(void *arg, const char *key, const char *v, size_t n,
	    struct bk_fault *f);
};

struct bk_pax {
	const struct bk_pax_ops *ops;
	void *arg;
	enum { BK_PAX_LENGTH, BK_PAX_KEY, BK_PAX_VALUE } state;
	uint64_t left;			/* of the header */
	uint64_t rec;			/* of the record, its newline included */
	unsigned int digits;
	int want;
	struct bk_buf key, value;
};

void bk_pax_init(struct bk_pax *x, const struct bk_pax_ops *ops, void *arg);
void bk_pax_release(struct bk_pax *x);

/* A header of ${size} bytes begins. */
void bk_pax_begin(struct bk_pax *x, uint64_t size);

/*
 * Its next ${n} bytes, not more than are left.  0; BK_PAX_BAD where it breaks
 * the form; -1 with ${f} set.
 */
int bk_pax_write(struct bk_pax *x, const void *p, size_t n, struct bk_fault *f);

#endif
