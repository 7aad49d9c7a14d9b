/*
 * The directory side of bk-spool: which files are to be uploaded, and taking
 * them away afterwards.  It knows nothing of stores.
 *
 * Files are regular, their names do not begin with a dot.  Two names are ours:
 * ".bk-spool" notes what is about to be committed, ".bk-spool.taken" is the
 * file being removed.
 */
#ifndef BK_SPOOLDIR_H
#define BK_SPOOLDIR_H

#include <sys/stat.h>

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault.h"

struct bk_spooldir;

/* A file as it was when it was looked at: another of its name differs. */
struct bk_spool_file {
	char name[NAME_MAX + 1];
	uint64_t inode, bytes;
	int64_t sec, nsec;		/* last modification */
};

/*
 * Open and lock ${path}.  A file is told of once it was seen unchanged for
 * ${quiet} ms (0: at once).  NULL with ${f} set: 66, 75 another bk-spool has
 * it, 77 files in it cannot be removed.
 */
struct bk_spooldir *bk_spooldir_open(const char *path, int64_t quiet,
    struct bk_fault *f);
void bk_spooldir_close(struct bk_spooldir *d);

/* Its path from the root, without links.  Borrowed. */
const char *bk_spooldir_path(const struct bk_spooldir *d);

/*
 * Read the directory at ${now} (ms, a clock that never goes back): the files
 * to be uploaded, the oldest first.  Those beyond the first few thousand are
 * found by the next reading.  Their number, or -1 with ${f} set.
 */
int bk_spooldir_read(struct bk_spooldir *d, int64_t now, struct bk_fault *f);

/* The next of them, or NULL. */
const struct bk_spool_file *bk_spooldir_next(struct bk_spooldir *d);

/*
 * Open ${file} for reading.  The descriptor; -1 with ${f} set, or with no fault
 * where it is not there any more or another has its name.
 */
int bk_spooldir_file(struct bk_spooldir *d, const struct bk_spool_file *file,
    struct bk_fault *f);

/* Is what ${fd} has open still as ${file} says? */
bool bk_spooldir_same(const struct bk_spool_file *file, int fd);

/*
 * ${file} cannot be uploaded as it is: leave it alone for a while, longer each
 * time, or until it changes.  Is this the first time?
 */
bool bk_spooldir_aside(struct bk_spooldir *d, const struct bk_spool_file *file,
    int64_t now);

/*
 * When is one that the last reading left out to be looked at?  INT64_MAX:
 * there is none.
 */
int64_t bk_spooldir_due(const struct bk_spooldir *d);

/* How many were seen, but not unchanged for long enough? */
size_t bk_spooldir_unripe(const struct bk_spooldir *d);

/*
 * Note durably that ${file} is about to be committed as backup ${id} of
 * ${name}.  0 or -1.
 */
int bk_spooldir_note(struct bk_spooldir *d, const struct bk_spool_file *file,
    const char *name, const char *id, struct bk_fault *f);

/*
 * Was ${file} noted so?  Then *${name} and *${id} tell as what (borrowed until
 * the next note).
 */
bool bk_spooldir_noted(const struct bk_spooldir *d,
    const struct bk_spool_file *file, const char **name, const char **id);

/*
 * Remove ${file}, which is stored.  Another one that was renamed into its
 * place meanwhile stays.  0 or -1.
 */
int bk_spooldir_remove(struct bk_spooldir *d, const struct bk_spool_file *file,
    struct bk_fault *f);

#endif
