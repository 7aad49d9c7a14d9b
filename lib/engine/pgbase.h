/*
 * PostgreSQL base backups: what the halves of the engine "postgres-base"
 * share.
 */
#ifndef BK_PGBASE_H
#define BK_PGBASE_H

#include "engine.h"
#include "marks.h"
#include "pgmanifest.h"

/* Marks that take this checksum of each file (marks.h). */
struct bk_marks *bk_marks_pg_base(enum bk_pgsum sum, struct bk_fault *f);
/* The manifest that passed, or NULL; after finish, borrowed. */
const struct bk_pgmanifest *bk_marks_pg_manifest(const struct bk_marks *m);

/* The part of the log between start and end of a base backup. */
struct bk_pgspan {
	char system[24];		/* the system identifier */
	uint32_t tli, end_tli;
	uint64_t start, stop;		/* positions */
	uint64_t segment;		/* bytes of a segment */
};

/* Into ${info}: what is known at the first byte, and behind the last. */
int bk_pgspan_note_start(const struct bk_pgspan *s, json_t *info,
    struct bk_fault *f);
int bk_pgspan_note_end(const struct bk_pgspan *s, int64_t when, bool standby,
    json_t *info, struct bk_fault *f);

/*
 * The files of the log without which the backup is worth nothing, for
 * bk_dump's member: a new array *${out}.  ${ranges} are those of the manifest,
 * which knows of a timeline that changed meanwhile, or NULL.
 */
int bk_pgspan_requires(const struct bk_pgspan *s, const json_t *ranges,
    json_t **out, struct bk_fault *f);

int bk_pgbase_restore_open(struct bk_restore *r, struct bk_fault *f);
int bk_pgbase_restore_write(struct bk_restore *r, const void *p, size_t n,
    struct bk_fault *f);
int bk_pgbase_restore_commit(struct bk_restore *r, int fd, struct bk_fault *f);
void bk_pgbase_restore_close(struct bk_restore *r);

#endif
