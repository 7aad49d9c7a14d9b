/*
 * What every filter does around its transformation (DESIGN, 3): read the
 * header, add or take an entry of "filters", pass the payload through, add or
 * take the entry of "stages" with its count compared, and write the end line
 * only after an "ok" was read.
 */
#ifndef BK_FILTER_H
#define BK_FILTER_H

#include "stream.h"

/* A running transformation; push model. */
struct bk_transform_ops {
	/* Take ${n} bytes of input; output goes to the sink given at its making. */
	int (*write)(void *t, const void *p, size_t n, struct bk_fault *f);
	/* No more input: give out the rest. */
	int (*finish)(void *t, struct bk_fault *f);
	/* Accepts NULL. */
	void (*free)(void *t);
};

/*
 * Make a transformation whose output goes to ${sink}.  ${filter} is the entry
 * being undone, or NULL when one is being added.
 */
typedef int bk_transform_open(void *arg, const json_t *filter, bk_sink_fn *sink,
    void *sinkarg, const struct bk_transform_ops **ops, void **t,
    struct bk_fault *f);

struct bk_filter {
	const char *stage;		/* name in "stages" and in failed lines */
	json_t *add;			/* entry to append to "filters" (borrowed), or NULL: undo the last */
	bk_transform_open *open;
	void *arg;
};

/*
 * Run the filter from ${in} to ${out} to its end.  0, or -1 with ${f} set; a
 * failed line has then been written.  While undoing, 65 if the last entry's
 * bytes differ from what was read, or if, with no undo left, the bytes differ
 * from the source's, whose SHA-256 the taker of the payload compares.
 */
int bk_filter_run(const struct bk_filter *fl, struct bk_stream_in *in,
    struct bk_stream_out *out, struct bk_fault *f);

#endif
