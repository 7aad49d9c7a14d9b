/*
 * The conformance suite: what every store must do, as claims.  A new backend
 * calls store_conform() from its own test and passes.
 */
#ifndef BK_STORE_CONFORM_H
#define BK_STORE_CONFORM_H

#include <stdbool.h>
#include <stddef.h>

#include "store.h"

struct conform {
	const char *name;	/* of the backend, for the claims */
	/* Open a new, empty store.  NULL with ${f} set. */
	struct bk_store *(*fresh)(void *arg, struct bk_fault *f);
	/* Open the last one again, as another process would. */
	struct bk_store *(*again)(void *arg, struct bk_fault *f);
	void *arg;
	unsigned int many;	/* keys listed in pages: 2500 where that is quick */
	unsigned int doomed;	/* keys removed at once: 1100 */
	size_t part;		/* size from which a put is made of parts */
	size_t debris;		/* bytes from which a killed put leaves a trace */
	/* MinIO lists unfinished uploads of a key that is asked for only. */
	bool hides_debris;
};

void store_conform(const struct conform *c);

#endif
