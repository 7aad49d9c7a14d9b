/*
 * The archives of a PostgreSQL base backup made into one tar.
 *
 * The server sends an archive for each tablespace and one for the data
 * directory.  Here the entries of a tablespace get "pg_tblspc/OID" before
 * their names, in the header's prefix field, so that each block of a header
 * stays one block; what lies under that name is then a directory, and
 * "tablespace_map" says which place it had.
 */
#ifndef BK_PGBASETAR_H
#define BK_PGBASETAR_H

#include <stddef.h>
#include <stdint.h>

#include "fault.h"
#include "io.h"

struct bk_pgbasetar;

/* The tar goes to ${sink}.  NULL with ${f} set on no memory. */
struct bk_pgbasetar *bk_pgbasetar_new(bk_sink_fn *sink, void *arg,
    struct bk_fault *f);
void bk_pgbasetar_free(struct bk_pgbasetar *t);

/*
 * An archive begins: of the tablespace ${oid}, or NULL for the data
 * directory.  The one before must be whole: it ended behind an entry, or with
 * zero blocks (PostgreSQL 15).  0, or -1 with ${f} set (65).
 */
int bk_pgbasetar_begin(struct bk_pgbasetar *t, const char *oid,
    struct bk_fault *f);
int bk_pgbasetar_data(struct bk_pgbasetar *t, const void *p, size_t n,
    struct bk_fault *f);
int bk_pgbasetar_end(struct bk_pgbasetar *t, struct bk_fault *f);

/*
 * Append a file of ours between archives: ${size} bytes of ${fd} from 0, with
 * owner and times of backup_label.
 */
int bk_pgbasetar_file(struct bk_pgbasetar *t, const char *name, int fd,
    uint64_t size, struct bk_fault *f);

/* The end of the tar.  65 where there was no backup_label. */
int bk_pgbasetar_finish(struct bk_pgbasetar *t, struct bk_fault *f);

/* What backup_label says, once it has passed; "" before. */
const char *bk_pgbasetar_label(const struct bk_pgbasetar *t);

/* Its time by the server's clock, in seconds; 0 before. */
uint64_t bk_pgbasetar_label_time(const struct bk_pgbasetar *t);

#endif
