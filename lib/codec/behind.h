/*
 * A transformation that runs in a thread of its own, behind the caller, who
 * meanwhile reads its next input and gives the last output to the sink: for
 * work that cannot be cut into frames.
 */
#ifndef BK_BEHIND_H
#define BK_BEHIND_H

#include "filter.h"

/* Makes the transformation; its sink is called in the thread. */
typedef void *bk_behind_make(bk_sink_fn *sink, void *arg, struct bk_fault *f);

/*
 * Run what ${make} makes, with methods ${ops}, in a thread.  Output goes to
 * ${sink}(${arg}) in the caller's thread.  NULL with ${f} set.  Methods:
 * bk_behind_ops; a fault of the transformation is told by a later call.
 */
void *bk_behind_new(bk_behind_make *make, const struct bk_transform_ops *ops,
    bk_sink_fn *sink, void *arg, struct bk_fault *f);
extern const struct bk_transform_ops bk_behind_ops;

#endif
