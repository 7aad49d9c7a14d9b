/*
 * Reading tar as it passes: ustar and pax (POSIX.1-2017, pax, EXTENDED
 * DESCRIPTION) and GNU tar's long names and sparse files (GNU tar manual,
 * "Basic Tar Format").  Headers are followed from one to the next, so that
 * the end blocks are told from zeros in a file.
 *
 * What two programs could read differently is refused (65): a name given in
 * two ways, an extended header that no file follows, a global header that
 * names, bytes behind the end that are not zero.
 */
#ifndef BK_TAR_H
#define BK_TAR_H

#include <stddef.h>
#include <stdint.h>

#include "fault.h"
#include "io.h"

struct bk_tar_entry {
	char type;		/* typeflag; '0' for NUL and '7' too */
	uint64_t size;		/* of the data behind it, as the header has it */
	const char *name;	/* in effect */
	const char *alias;	/* the header's own, of a sparse file, or NULL */
	const char *link;	/* target of types 1 and 2, else "" */
	unsigned int mode;	/* permissions, 07777 */
};

/* Called before an entry's data; -1 with ${f} set ends the reading. */
typedef int bk_tar_entry_fn(void *arg, const struct bk_tar_entry *e,
    struct bk_fault *f);

struct bk_tar;

/*
 * Called for each string of a directory's GNU.dumpdir (GNU tar manual,
 * "Dumpdir"): its code and what follows, before the directory's own entry.
 */
typedef int bk_tar_dumpdir_fn(void *arg, char code, const char *name,
    struct bk_fault *f);

/* ${fn} may be NULL.  NULL with ${f} set on no memory. */
struct bk_tar *bk_tar_new(bk_tar_entry_fn *fn, void *arg, struct bk_fault *f);

void bk_tar_dumpdirs(struct bk_tar *t, bk_tar_dumpdir_fn *fn, void *arg);

/*
 * Have the data of each entry given to ${fn}, with the same argument, behind
 * the call that showed the entry.
 */
void bk_tar_data(struct bk_tar *t, bk_sink_fn *fn);

/*
 * Take the next bytes.  An entry is shown as soon as its header's last byte
 * is there.  0, or -1 with ${f} set: 65, or what ${fn} set.
 */
int bk_tar_write(struct bk_tar *t, const void *p, size_t n, struct bk_fault *f);

/* Was the end reached, two zero blocks and only zeros behind?  0 or -1 (65). */
int bk_tar_finish(struct bk_tar *t, struct bk_fault *f);

void bk_tar_free(struct bk_tar *t);

#endif
