/*
 * Stores: where objects are kept under keys (DESIGN, 5).
 *
 * One ops table, one file per backend, one conformance suite
 * (tests/unit/store_conform.c) that is the specification in code.  The rule
 * that carries everything: a key never shows a partial object; only a commit
 * publishes.
 *
 * Keys are relative to the store URL: 1 to 900 bytes of UTF-8 without
 * control characters, no empty, "." or ".." part, no leading '/'.
 * bk_store_* check this; drivers need not.
 *
 * Every call may block, but never longer than the time limit that the store
 * was opened with; a fault past it is 69.  Not thread-safe: one store, its
 * puts and its callers are of one thread.  Several puts may be open at once.
 */
#ifndef BK_STORE_H
#define BK_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "ctx.h"
#include "fault.h"
#include "io.h"
#include "uri.h"

#define BK_KEY_MAX 900

/* Answers. */
#define BK_ABSENT 1			/* no such object */
#define BK_EXISTS 1			/* create-only put: the key is taken */
#define BK_NOT_SUPPORTED 2		/* this store cannot do that */

/* Features of a backend. */
#define BK_STORE_PRESIGN 1U		/* presign works */
#define BK_STORE_TAGS 2U		/* takes tags, as far as the server does */

/* Flags of put_begin. */
#define BK_PUT_NEW 1U			/* commit only if the key is absent */

struct bk_object {
	const char *key;		/* relative; owned by whoever hands it out */
	uint64_t bytes;
	int64_t modified;		/* ms by the store's clock, or -1 */
};

struct bk_put_opts {
	unsigned int flags;
	uint64_t max_bytes;		/* 0: unknown; an upper bound on the size */
	const char *content_type;	/* NULL: application/octet-stream */
	const char *const *tags;	/* key, value, key, value, NULL; or NULL */
};

struct bk_store_opts {
	uint64_t memory;		/* bytes of buffers, 0: 32 MiB */
	const char *temp_dir;		/* NULL: ctx->tmpdir */
	int64_t timeout_ms;		/* bound on any one call, 0: 10 minutes */
	bool create;			/* make the directory or bucket if absent */
	bool read_only;			/* no writing will be asked for */
};

/* What a probe has learnt (DESIGN, 5). */
struct bk_store_facts {
	bool create_only;		/* create-if-absent is honoured */
	int64_t clock_offset;		/* store's clock minus ours, ms */
	bool clock_known;
};

/* Does a store keep what is deleted or replaced? */
enum bk_versions {
	BK_VERSIONS_NONE,		/* no, or it does not tell */
	BK_VERSIONS_KEPT,
	BK_VERSIONS_SUSPENDED		/* no more: what it kept so far stays */
};

struct bk_store;			/* base of every driver's own struct */
struct bk_put;

/*
 * Called for each object; 0 to go on, BK_LIST_STOP to stop, -1 with ${f} set.
 * A listing that was stopped returns 0.
 */
#define BK_LIST_STOP 2
typedef int bk_list_fn(void *arg, const struct bk_object *o, struct bk_fault *f);

struct bk_store_ops {
	const char *scheme;
	unsigned int features;
	const char *const *options;	/* URL options understood, NULL-terminated */
	/* Connect as far as needed to know that the place exists: 66 if not. */
	struct bk_store *(*open)(const struct bk_ctx *ctx,
	    const struct bk_uri *uri, const struct bk_store_opts *opts,
	    struct bk_fault *f);
	struct bk_put *(*put_begin)(struct bk_store *s, const char *key,
	    const struct bk_put_opts *opts, struct bk_fault *f);
	int (*put_write)(struct bk_put *p, const void *data, size_t n,
	    struct bk_fault *f);
	/*
	 * Make the object durable, then visible.  0; BK_EXISTS under
	 * BK_PUT_NEW when the key is taken; -1.  A lost reply has been resolved
	 * by looking.  The put is gone afterwards in each case.
	 */
	int (*put_commit)(struct bk_put *p, struct bk_fault *f);
	/* Drop the put and what it has stored so far.  Accepts NULL. */
	void (*put_abort)(struct bk_put *p);
	/* 0 with ${bytes} and ${modified} filled, BK_ABSENT, -1. */
	int (*stat)(struct bk_store *s, const char *key, struct bk_object *o,
	    struct bk_fault *f);
	/*
	 * Bytes ${off} to ${off}+${len} (UINT64_MAX: to the end) in order to
	 * the sink; ${len} is never 0 here.  0, BK_ABSENT, -1: 65 where the
	 * object is shorter than asked, or the transfer was damaged; the
	 * sink's own fault.
	 */
	int (*get)(struct bk_store *s, const char *key, uint64_t off,
	    uint64_t len, bk_sink_fn *sink, void *arg, struct bk_fault *f);
	/*
	 * Objects whose key starts with ${prefix} ("" for all) and is greater
	 * than ${after} ("" for none), in byte order of keys.  Unfinished puts
	 * are never shown.  May show more than asked for; bk_store_list filters.
	 */
	int (*list)(struct bk_store *s, const char *prefix, const char *after,
	    bk_list_fn *fn, void *arg, struct bk_fault *f);
	/* Remove ${n} objects; absent ones are removed.  0 or -1. */
	int (*remove)(struct bk_store *s, const char *const *keys, size_t n,
	    struct bk_fault *f);
	/* Unfinished puts and temporaries: key of the object to be, bytes. */
	int (*debris)(struct bk_store *s, bk_list_fn *fn, void *arg,
	    struct bk_fault *f);
	/* Remove what debris showed for ${key}.  0 or -1. */
	int (*debris_remove)(struct bk_store *s, const char *key,
	    struct bk_fault *f);
	/* A link for reading, good for ${seconds}.  0, BK_NOT_SUPPORTED, -1. */
	int (*presign)(struct bk_store *s, const char *key,
	    unsigned int seconds, struct bk_buf *url, struct bk_fault *f);
	/* What is known of the server now; may ask it.  0 or -1. */
	int (*facts)(struct bk_store *s, struct bk_store_facts *facts,
	    struct bk_fault *f);
	/* Ask the server, briefly; NULL: it keeps none. */
	enum bk_versions (*versions)(struct bk_store *s);
	/* Accepts NULL. */
	void (*close)(struct bk_store *s);
};

/* The first member of each driver's struct; set by bk_store_open. */
struct bk_store {
	const struct bk_store_ops *ops;
	char *url;			/* canonical, without credentials */
};

/*
 * The first member of each driver's put.  The driver allocates it zeroed and
 * sets store; the rest belongs to bk_store_put_*, which name the key in
 * faults, hold the writer to its max_bytes (65), and abort where a commit
 * follows a failed write.
 */
struct bk_put {
	struct bk_store *store;
	char *key;
	uint64_t max_bytes, bytes;	/* declared (0: unknown), written */
	bool failed;
};

extern const struct bk_store_ops bk_store_file;
extern const struct bk_store_ops bk_store_s3;
extern const struct bk_store_ops *const bk_store_table[];	/* NULL-ended */

/*
 * Open the store at ${url}.  ${opts} may be NULL.  NULL with ${f} set: 64 for
 * a bad URL or unknown scheme (the known ones named) or option, 66 no such
 * directory or bucket, 69, 73, 77, 78.
 */
struct bk_store *bk_store_open(const struct bk_ctx *ctx, const char *url,
    const struct bk_store_opts *opts, struct bk_fault *f);
void bk_store_close(struct bk_store *s);

/*
 * As the operations; keys are checked (64 for a bad one), faults name them,
 * and a listing shows exactly what was asked for, each key once (69 where a
 * server lists out of order).
 */
struct bk_put *bk_store_put_begin(struct bk_store *s, const char *key,
    const struct bk_put_opts *opts, struct bk_fault *f);
int bk_store_put_write(struct bk_put *p, const void *data, size_t n,
    struct bk_fault *f);
int bk_store_put_commit(struct bk_put *p, struct bk_fault *f);
void bk_store_put_abort(struct bk_put *p);
int bk_store_stat(struct bk_store *s, const char *key, struct bk_object *o,
    struct bk_fault *f);
int bk_store_get(struct bk_store *s, const char *key, uint64_t off,
    uint64_t len, bk_sink_fn *sink, void *arg, struct bk_fault *f);
int bk_store_list(struct bk_store *s, const char *prefix, const char *after,
    bk_list_fn *fn, void *arg, struct bk_fault *f);
int bk_store_remove(struct bk_store *s, const char *const *keys, size_t n,
    struct bk_fault *f);
int bk_store_debris(struct bk_store *s, bk_list_fn *fn, void *arg,
    struct bk_fault *f);
int bk_store_debris_remove(struct bk_store *s, const char *key,
    struct bk_fault *f);
int bk_store_presign(struct bk_store *s, const char *key, unsigned int seconds,
    struct bk_buf *url, struct bk_fault *f);
int bk_store_facts(struct bk_store *s, struct bk_store_facts *facts,
    struct bk_fault *f);

/* One request at most; a server that does not answer is one that keeps none. */
enum bk_versions bk_store_versions(struct bk_store *s);

/*
 * The time (ms) that goes into what is stored: ours, or the store's where its
 * clock is known to be more than 5 minutes from ours.  May ask it.  0 or -1.
 */
int bk_store_now(const struct bk_ctx *ctx, struct bk_store *s, int64_t *now,
    struct bk_fault *f);

/* A whole small object.  put: 0, BK_EXISTS, -1.  get: 0, BK_ABSENT, -1. */
int bk_store_put_small(struct bk_store *s, const char *key, const void *p,
    size_t n, unsigned int flags, struct bk_fault *f);
int bk_store_get_small(struct bk_store *s, const char *key, struct bk_buf *out,
    struct bk_fault *f);

/* Is ${key} a key as above? */
bool bk_key_ok(const char *key);

#endif
