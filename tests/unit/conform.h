/*
 * The conformance suite's inside: what its chapters are written with.  A
 * backend's test includes store_conform.h instead.
 */
#ifndef BK_CONFORM_H
#define BK_CONFORM_H

#include "store_conform.h"

/* What a listing showed, each key with '\n' behind it. */
struct cf_seen {
	struct bk_buf text;
	unsigned int n, stop;		/* stop after so many, 0: never */
	char last[BK_KEY_MAX + 1];
	uint64_t bytes;
};

/* The suite under way. */
struct cf {
	const struct conform *c;
	struct bk_store *s;
	struct bk_fault f;
	struct cf_seen seen;
};

extern struct cf cf;

/* Begin a chapter with an empty store. */
void cf_fresh(const char *chapter);

/* No fault so far; shows one and forgets it. */
bool cf_calm(void);

/* Bytes that differ at every place ${off} and for every seed. */
void cf_noise(void *buf, size_t n, uint64_t seed, uint64_t off);

/* Put ${n} bytes of noise, into an open put or as an object.  0 or -1. */
int cf_write_noise(struct bk_put *p, size_t n, uint64_t seed);
int cf_put_noise(const char *key, size_t n, uint64_t seed);

int cf_put_text(const char *key, const char *text, unsigned int flags);

/* ${key} holds exactly that. */
bool cf_holds(const char *key, const char *text);
bool cf_holds_noise(const char *key, size_t n, uint64_t seed);

/* A bk_list_fn into cf.seen, which cf_see_nothing empties. */
int cf_see(void *arg, const struct bk_object *o, struct bk_fault *f);
void cf_see_nothing(unsigned int stop);

/* All of a listing, or of the debris, as text; "fault" where it failed. */
const char *cf_list(const char *prefix, const char *after);
const char *cf_debris(void);

#endif
