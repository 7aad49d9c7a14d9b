/*
 * What is remembered of a job beside the ledger: small JSON objects in
 * STATE/WHAT/JOB.json, replaced whole.  Losing one costs a look at the store
 * or a run that finds nothing new, never a backup.
 */
#ifndef BK_REMEMBER_H
#define BK_REMEMBER_H

#include <jansson.h>

#include "due.h"

#define BK_REMEMBER_MAX 65536

/*
 * The object of ${job}, a new reference; NULL with ${f} unset where there is
 * none or it is spoilt, NULL with ${f} set (74, 77) where it cannot be read.
 */
json_t *bk_remember_read(const char *state, const char *what, const char *job,
    struct bk_fault *f);

/* Replace it.  0, or -1 with ${f} set (73, 74, 77). */
int bk_remember_write(const char *state, const char *what, const char *job,
    const json_t *o, struct bk_fault *f);

/*
 * The age of the backups of ${job} ("age"): {"since":…,"good":…,"told":…}.
 * Where nothing is remembered, since is ${now}, and that is written.  *${age}
 * is of use also where -1 is returned with ${f} set.
 */
int bk_remember_age(const char *state, const char *job, int64_t now,
    struct bk_due_age *age, struct bk_fault *f);
int bk_remember_age_set(const char *state, const char *job,
    const struct bk_due_age *age, struct bk_fault *f);

/*
 * What job ${j} watched at its last good run ("watch"): a digest of name,
 * inode, size and times of each path and, in a directory, of what is in it.
 * bk_remember_digest gives that of now; 0 where none of the paths is there.
 */
uint64_t bk_remember_digest(char *const *paths);
uint64_t bk_remember_watched(const char *state, const char *job);
int bk_remember_watched_set(const char *state, const char *job,
    uint64_t digest, struct bk_fault *f);

#endif
