/*
 * Paths that are watched, by libinotifytools.  Only bk-watch links this: the
 * library is GPL-2 only, and its state is static, so there is one set.
 */
#ifndef BK_WATCHSET_H
#define BK_WATCHSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault.h"

#define BK_WATCH_PATHS 1000

struct bk_watchset;

/* What an event tells of the path with this number. */
enum bk_hint {
	BK_HINT_WRITTEN,		/* written to, still open */
	BK_HINT_REPLACED,		/* another was renamed into its place */
	BK_HINT_TOUCHED			/* closed, made, removed: look */
};

/* ${what}: which file of a directory it was; not 0. */
typedef void bk_hint_fn(void *arg, size_t path, enum bk_hint hint,
    uint64_t what);

/*
 * A set of ${n} paths (borrowed; 1 to BK_WATCH_PATHS), each a file or a
 * directory, there or not, and none watched yet.  NULL with ${f} set.
 */
struct bk_watchset *bk_watchset_new(char *const *paths, size_t n,
    struct bk_fault *f);
void bk_watchset_free(struct bk_watchset *ws);

/*
 * Watch all paths, anew where they were watched already: each of their
 * directories, as far down as there are any.  What happened before is to be
 * looked for by the caller afterwards.  ${first}: a directory that we may not
 * read is a fault; later it is as one that is not there.  0; -1 with ${f}
 * set: 73 where a limit of inotify is reached, the sysctl named; 77.
 */
int bk_watchset_build(struct bk_watchset *ws, bool first, struct bk_fault *f);

/* Readable when there are events; close-on-exec; changes with each build. */
int bk_watchset_fd(const struct bk_watchset *ws);

/*
 * Read the events that are there, and give ${fn} what they tell.  1 if
 * watches went or events were lost: build again and look at all; 0 if not;
 * -1 with ${f} set.  Does not block.
 */
int bk_watchset_read(struct bk_watchset *ws, bk_hint_fn *fn, void *arg,
    struct bk_fault *f);

/* How a path looks: two that look alike are the same file, unchanged. */
struct bk_look {
	bool there;
	uint64_t sum;			/* identity, size and times; of all files */
	uint64_t bytes;			/* size; of all files together */
};

/*
 * Look at a path.  Of a directory its regular files count whose name does not
 * begin with '.'.  One that cannot be read is as one that is not there.
 */
void bk_look(const char *path, struct bk_look *look);

#endif
