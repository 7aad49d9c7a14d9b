/*
 * One backup on its way into several stores at once (bk-put): each commits
 * on its own, one that fails is dropped and said, and the others go on.
 */
#ifndef BK_FAN_H
#define BK_FAN_H

#include <jansson.h>
#include <stdbool.h>

#include "ctx.h"
#include "record.h"
#include "store.h"

struct bk_fan;

/*
 * For the stores at ${urls}, which are checked and must differ, but not yet
 * opened.  ${opts} and ${urls} are borrowed.  NULL with ${f} set (64).
 */
struct bk_fan *bk_fan_new(const struct bk_ctx *ctx, const char *const *urls,
    size_t n, const struct bk_store_opts *opts, struct bk_fault *f);

/*
 * Open the stores, decide id and time from ${header} (borrowed until the
 * end; see bk_commit_plan for ${exact}) and begin.  0, or -1 with ${f} set
 * where not one store is left.
 */
int bk_fan_begin(struct bk_fan *fan, json_t *header, bool exact,
    uint64_t max_bytes, struct bk_fault *f);

/*
 * After bk_fan_begin: ask ${guard} at each store's commit (see
 * bk_commit_plan).
 */
void bk_fan_guard(struct bk_fan *fan, int (*guard)(void *, struct bk_fault *),
    void *arg);

/* After bk_fan_begin: wait ${ms} for what the end line requires (requires.h). */
void bk_fan_require(struct bk_fan *fan, int64_t ms);

/* Payload; ${fan} is a struct bk_fan.  0, or -1: no store is left. */
int bk_fan_write(void *fan, const void *p, size_t n, struct bk_fault *f);

/* The SHA-256 and the count of what was written. */
void bk_fan_sum(const struct bk_fan *fan, char hex[65], uint64_t *bytes);

/*
 * Commit in each store that is left and put its record to ${out}.  0 if all
 * stores have it; -1 with ${f} set to the first fault of any.
 */
int bk_fan_finish(struct bk_fan *fan, const json_t *end,
    struct bk_records_out *out, struct bk_fault *f);

/* In how many stores is it listed? */
size_t bk_fan_stored(const struct bk_fan *fan);

/* Drops what was not finished, closes the stores.  Accepts NULL. */
void bk_fan_free(struct bk_fan *fan);

#endif
