/*
 * A file store in the test's directory whose operations a test bends: the
 * rest is the real thing.
 */
#ifndef BK_HOOKED_H
#define BK_HOOKED_H

#include <stdbool.h>

#include "store.h"

struct hooks {
	/* Puts of keys that start so come back as faults (NULL: none) … */
	const char *fail_put;
	bool after;			/* … but only after they were carried out */
	bool blind;			/* and nothing can be read then */
	int status;			/* of these faults */
	int64_t clock_offset;
	bool clock_known;
	const char *fail_get;		/* gets of keys that start so fail */
	const char *lose;		/* this key goes once … */
	const char *on_put;		/* … a key that starts so was put */
	unsigned int gets, puts;	/* counted */
};

extern struct hooks hooks;

/* Store ${name} below tap_dir(), made if absent.  Close it as any other. */
struct bk_store *hooked_open(const char *name);

/* Is there an object with this key?  Number of keys that start so. */
bool hooked_has(struct bk_store *s, const char *key);
int hooked_count(struct bk_store *s, const char *prefix);

/* Put ${text} under ${key}. */
void hooked_put(struct bk_store *s, const char *key, const char *text);

#endif
