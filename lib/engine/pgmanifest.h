/*
 * The backup manifest of PostgreSQL 13 and later, compared with the files of
 * a base backup as pg_verifybackup(1) would, in one pass: the files come
 * first, the manifest last.
 *
 * Of each file a hash of its name, its size and 16 bytes of its checksum are
 * kept: 43 to 85 bytes for each file of the cluster.  The price is that a file
 * which the manifest lacks, or that the backup lacks, is counted and only the
 * latter named.
 */
#ifndef BK_PGMANIFEST_H
#define BK_PGMANIFEST_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "fault.h"

/* The checksum that the server was asked for. */
enum bk_pgsum { BK_PGSUM_NONE, BK_PGSUM_CRC32C, BK_PGSUM_SHA224,
	BK_PGSUM_SHA256, BK_PGSUM_SHA384, BK_PGSUM_SHA512 };

/* Its name as in manifests; the sum for a name in any case, or -1. */
const char *bk_pgsum_name(enum bk_pgsum sum);
int bk_pgsum_named(const char *name);

struct bk_pgmanifest;

struct bk_pgmanifest *bk_pgmanifest_new(enum bk_pgsum sum, struct bk_fault *f);
void bk_pgmanifest_free(struct bk_pgmanifest *m);

/*
 * A file of the backup begins; its data follow.  Names that pg_verifybackup
 * does not look at (pg_wal, what recovery settings are written to) are not
 * either.  0, or -1 with ${f} set (65 the same name twice).
 */
int bk_pgmanifest_file(struct bk_pgmanifest *m, const char *name,
    uint64_t size, struct bk_fault *f);
int bk_pgmanifest_data(struct bk_pgmanifest *m, const void *p, size_t n,
    struct bk_fault *f);

/*
 * Bytes of the manifest, after the last file.  0, or -1 with ${f} set (65):
 * a file that is not in the backup, or has another size or checksum, named.
 */
int bk_pgmanifest_write(struct bk_pgmanifest *m, const void *p, size_t n,
    struct bk_fault *f);

/*
 * All of the manifest was written.  BK_MARKS_PROVEN; BK_MARKS_UNKNOWN where
 * its version is newer than 2, or its checksums are other ones than were
 * taken (sizes have been compared); -1 with ${f} set (65): it is cut, its own
 * checksum differs, the backup has files that it does not name.
 */
int bk_pgmanifest_finish(struct bk_pgmanifest *m, struct bk_fault *f);

/* After that, borrowed: "WAL-Ranges"; "System-Identifier" as text or NULL. */
const json_t *bk_pgmanifest_ranges(const struct bk_pgmanifest *m);
const char *bk_pgmanifest_system(const struct bk_pgmanifest *m);

#endif
