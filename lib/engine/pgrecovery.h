/*
 * The settings that a restored PostgreSQL cluster starts with: how far it
 * recovers, where its log comes from, that it archives nothing.
 */
#ifndef BK_PGRECOVERY_H
#define BK_PGRECOVERY_H

#include <stdbool.h>

#include "buf.h"
#include "ctx.h"
#include "engine.h"
#include "fault.h"

/*
 * Can this be done with the backup of ${header}?  0, or -1 with ${f} set: 64
 * no way to its log, 65 it ends after the moment that is asked for.
 */
int bk_pgrecovery_check(const struct bk_recovery *r, const json_t *header,
    struct bk_fault *f);

/* The major version that ${dir}/PG_VERSION names: 906, 1000, 1500; or -1. */
int bk_pgrecovery_version(const char *dir, struct bk_fault *f);

/*
 * Write the settings into the cluster at ${dir}, without those of an earlier
 * recovery: from PostgreSQL 12 on postgresql.auto.conf and recovery.signal or
 * standby.signal, before it recovery.conf.  ${target} false leaves out where
 * to end.  0 or -1.
 */
int bk_pgrecovery_write(const struct bk_ctx *ctx, const struct bk_recovery *r,
    const char *dir, int version, bool target, struct bk_fault *f);

/* After recovery: take away all of it but archive_mode.  0 or -1. */
int bk_pgrecovery_forget(const char *dir, int version, struct bk_fault *f);

/*
 * The lines alone, for ${version}; those of ${archive} go to
 * postgresql.auto.conf whatever the version.  0 or -1.
 */
int bk_pgrecovery_lines(const struct bk_ctx *ctx, const struct bk_recovery *r,
    int version, bool target, struct bk_buf *out, struct bk_fault *f);

#endif
