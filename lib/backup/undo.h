/*
 * Undoing what a record's "filters" name (DESIGN, 3, 6): stored bytes in,
 * plain payload out, newest filter first.  Formats of lib/codec are undone
 * here; a pipe, and a filter that this version does not know, only by the
 * command that the user gives for its suffix.  No record's word is executed.
 *
 * Counts are compared at every filter, and the SHA-256 of the plain payload
 * with that of the source.
 */
#ifndef BK_UNDO_H
#define BK_UNDO_H

#include <jansson.h>
#include <stdint.h>

#include "ctx.h"
#include "fault.h"
#include "io.h"

struct bk_undo;

struct bk_undo_opts {
	const struct bk_ctx *ctx;
	/*
	 * The user's "--undo" arguments: ".xz=xz -dc" or "xz=xz -dc", split
	 * by bk_words_split; NULL-ended, or NULL for none.
	 */
	const char *const *pipes;
	int threads;			/* of each codec; 0: 2 */
	int64_t deadline;		/* by ctx->mono(), 0: none; of pipes */
};

/*
 * Check one "--undo" argument: 0, or -1 with ${f} set (64).
 */
int bk_undo_check(const char *arg, struct bk_fault *f);

/*
 * A chain for ${filters} (an array, borrowed for the call; NULL or empty:
 * bytes pass through) whose plain output goes to ${sink}(${arg}) in the
 * caller's thread.  NULL with ${f} set: 64 for a filter that wants an
 * "--undo" (the suffix is named), 65 for what is no list of filters, 69 for
 * a command that is not there.  Call from the main thread (it may spawn).
 */
struct bk_undo *bk_undo_open(const struct bk_undo_opts *opts,
    const json_t *filters, bk_sink_fn *sink, void *arg, struct bk_fault *f);

/* Stored bytes, in order; ${undo} is a struct bk_undo.  A bk_sink_fn. */
int bk_undo_write(void *undo, const void *p, size_t n, struct bk_fault *f);

/*
 * No more input: give out the rest, wait for the commands, compare with
 * ${stages} (of the record or the end line; NULL: nothing to compare).
 * 0, or -1 with ${f} set: 65 where a file is cut or corrupt, a command
 * failed, a count or the SHA-256 differs.
 */
int bk_undo_finish(struct bk_undo *u, const json_t *stages,
    struct bk_fault *f);

/* Plain bytes given out so far. */
uint64_t bk_undo_bytes(const struct bk_undo *u);

/* Stops what still runs.  Accepts NULL. */
void bk_undo_free(struct bk_undo *u);

#endif
