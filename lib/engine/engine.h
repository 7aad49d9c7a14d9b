/*
 * Engines: what is dumped and restored (DESIGN, 6).  One table, one file per
 * engine; a name that is not in the table is the program bk-engine-NAME.
 *
 * A dump: open looks at everything that can be known before the first byte
 * (tool, version, login, rights, consistency) and fills the header; run gives
 * the payload to a sink and answers only when the engine's tool ended well
 * and the completeness marks were seen.
 *
 * A restore: open checks the target without touching it; write takes the
 * plain payload; commit makes it so, and is called only after the whole
 * stream was proven good; close without commit undoes.  An engine that cannot
 * undo sets BK_ENGINE_SPOOL: the caller spools and verifies first, and the
 * engine reads the file.
 */
#ifndef BK_ENGINE_H
#define BK_ENGINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "ctx.h"
#include "fault.h"
#include "io.h"
#include "marks.h"
#include "uri.h"

/* What bk-dump was asked for; borrowed by the engine while it lives. */
struct bk_dump_req {
	const struct bk_ctx *ctx;
	const struct bk_uri *uri;
	const char *as;			/* exec: --as ENGINE, or NULL */
	const char *ext;		/* exec: --ext, or NULL */
	const char *source_env;		/* variable that holds the password, or NULL */
	const char *const *args;	/* vendor options or the command; NULL-ended */
	const char *const *exclude;	/* files: patterns; NULL-ended */
	const char *name;		/* of the backup, or NULL: the engine's */
	const char *const *stores;	/* where it goes, NULL-ended: increments */
	bool skip_unreadable;
	bool allow_empty;
	bool check;			/* no run follows: open looks at every right
					   that it would want, and changes nothing */
	int64_t deadline;		/* by ctx->mono(), 0: none */
};

/* A dump under way.  The engine fills what is marked so, in open or run. */
struct bk_dump {
	const struct bk_engine_ops *ops;
	const struct bk_dump_req *req;
	char engine[33];		/* as in records; the table's name at first */
	char ext[17];			/* open */
	char name[65];			/* open: default name by DESIGN, 4 */
	char parent[27];		/* open: id of what it is an increment of,
					   or "" */
	json_t *source;			/* an object; "engine" is there */
	json_t *info;			/* an object; what is there at the first byte
					   is the header's, what run adds or changes
					   later goes to the end line */
	int64_t time;			/* ms at which the data are consistent, known
					   by the first byte; 0: start of the dump */
	uint64_t estimate;		/* open: bytes at most, 0 unknown */
	const char *proof;		/* run: "marks", "exit" (static text) */
	/*
	 * run: NULL, or an array of what must be in the store before this
	 * backup counts: key prefixes below "<name>/wal/" (DESIGN, 5).
	 */
	json_t *requires;
	void *priv;			/* the engine's own */
};

/* Where the recovery of a restored base backup is to end. */
enum bk_recover_to {
	BK_RECOVER_BACKUP,		/* at the end of the backup */
	BK_RECOVER_LATEST,		/* at the end of the log */
	BK_RECOVER_TIME, BK_RECOVER_LSN, BK_RECOVER_POINT
};

/* What becomes of a backup that is restored; borrowed. */
struct bk_recovery {
	enum bk_recover_to to;
	const char *what;		/* the time (RFC 3339), position or name */
	const char *timeline;		/* NULL: of the backup or, past it, latest */
	const char *restore_command;	/* as the server runs it, or NULL */
	const struct bk_uri *primary;	/* a replica of this server, or NULL */
	const char *const *tablespaces;	/* "OLD=NEW", NULL-ended, or NULL */
	const char *owner;		/* user, or NULL: "postgres" for root */
	bool archive_keep;		/* archive_mode stays as it was */
	/*
	 * Start the server until recovery has ended, then stop it, before the
	 * directory takes its place; a line of JSON goes to ${report}.
	 */
	bool start;
	struct bk_buf *report;
};

/* What bk-restore was asked for. */
struct bk_restore_req {
	const struct bk_ctx *ctx;
	const struct bk_uri *target;
	const json_t *header;		/* of the stream: engine, ext, source, info */
	const char *spool_dir;
	const char *source_env;		/* variable that holds the password, or NULL */
	const char *const *args;	/* vendor options after --, NULL-ended */
	bool replace;			/* --replace, confirmed */
	int jobs;			/* 1 or more */
	int64_t deadline;
	const struct bk_recovery *recovery;	/* NULL: nothing was asked */
};

struct bk_restore {
	const struct bk_engine_ops *ops;
	const struct bk_restore_req *req;
	bool spool;			/* open: wants a verified file in commit */
	void *priv;
};

/* What an engine makes of the request; others refuse it (64). */
#define BK_ENGINE_AS 1U			/* --as and --ext */
#define BK_ENGINE_EXCLUDE 2U		/* --exclude, --skip-unreadable */
#define BK_ENGINE_NO_ARGS 4U		/* has no tool: nothing after "--" */
#define BK_ENGINE_ANY 8U		/* restores what any engine made */
#define BK_ENGINE_STORES 16U		/* makes increments: --store */
#define BK_ENGINE_RECOVERS 32U		/* takes a bk_recovery */
#define BK_ENGINE_PATH 64U		/* its target may be a bare path */
#define BK_ENGINE_REPLICA 128U		/* of a bk_recovery takes the primary only */

/*
 * The close functions are called after a failed open too, then perhaps with
 * priv still NULL.
 */
struct bk_engine_ops {
	const char *name;		/* in records */
	const char *const *schemes;	/* NULL-ended: "mysql", "mariadb" */
	const char *const *options;	/* of source URLs, NULL-ended; NULL: any */
	const char *const *target_options;
	unsigned int flags;
	/* 0, or -1: 64, 66 no such source, 69, 77, 78. */
	int (*dump_open)(struct bk_dump *d, struct bk_fault *f);
	int (*dump_run)(struct bk_dump *d, bk_sink_fn *sink, void *arg,
	    struct bk_fault *f);
	void (*dump_close)(struct bk_dump *d);
	/*
	 * NULL where a source is one thing.  What a source is made of, each to
	 * be dumped by itself: appends {"name", "source"} to the array ${out},
	 * the source without a password.  0, or -1: 64, 66, 69, 77.
	 */
	int (*dump_list)(const struct bk_dump_req *req, json_t *out,
	    struct bk_fault *f);
	/* 0, or -1: 73 the target holds something, 66, 69, 77, 78. */
	int (*restore_open)(struct bk_restore *r, struct bk_fault *f);
	/* Not called when r->spool. */
	int (*restore_write)(struct bk_restore *r, const void *p, size_t n,
	    struct bk_fault *f);
	/*
	 * NULL where the engine takes no increments.  What was written so far
	 * was the whole of one backup; what comes next is the increment of it
	 * whose header ${header} is.  0 or -1.
	 */
	int (*restore_next)(struct bk_restore *r, const json_t *header,
	    struct bk_fault *f);
	/* ${fd}: the verified file at offset 0 when r->spool, else -1. */
	int (*restore_commit)(struct bk_restore *r, int fd, struct bk_fault *f);
	/* After commit or instead of it (then it undoes).  Keeps ${r} itself. */
	void (*restore_close)(struct bk_restore *r);
	/*
	 * Completeness marks for payloads with this extension (exec: --as,
	 * dumps, restores of raw objects); NULL where there are none.
	 */
	struct bk_marks *(*marks)(const char *ext, struct bk_fault *f);
};

extern const struct bk_engine_ops *const bk_engine_table[];	/* NULL-ended */
extern const struct bk_engine_ops bk_engine_postgres;
extern const struct bk_engine_ops bk_engine_postgres_base;
extern const struct bk_engine_ops bk_engine_mysql;
extern const struct bk_engine_ops bk_engine_redis;
extern const struct bk_engine_ops bk_engine_sqlite;
extern const struct bk_engine_ops bk_engine_files;
extern const struct bk_engine_ops bk_engine_exec;
extern const struct bk_engine_ops bk_engine_fake;
extern const struct bk_engine_ops bk_engine_plugin;	/* not in the table */

/*
 * The engine for a URL scheme, else the plug-in if bk-engine-SCHEME is on the
 * path, else NULL with ${f} set (64, the known ones named).
 */
const struct bk_engine_ops *bk_engine_for(const struct bk_ctx *ctx,
    const char *scheme, struct bk_fault *f);

/* The engine by the name in a record (exec: --as); as above. */
const struct bk_engine_ops *bk_engine_named(const struct bk_ctx *ctx,
    const char *name, struct bk_fault *f);

/*
 * Open, run, close with the checks that are common: options, the time limit
 * (65, text exactly "timeout"), an empty payload (65 unless allowed).  ${d}
 * need not be initialised; bk_dump_close accepts one whose open failed.
 */
int bk_dump_open(struct bk_dump *d, const struct bk_dump_req *req,
    struct bk_fault *f);
int bk_dump_run(struct bk_dump *d, bk_sink_fn *sink, void *arg,
    struct bk_fault *f);
void bk_dump_close(struct bk_dump *d);

/*
 * What the source of ${req} is made of, a new array as dump_list makes it;
 * NULL with ${f} set (64 where the engine cannot tell).
 */
json_t *bk_dump_list(const struct bk_dump_req *req, struct bk_fault *f);

/*
 * Leave out of ${u}, the URL of a source, the options that only dumping knows:
 * it then is the target that restores it in place.  0, or -1 with ${f} set
 * (64 no such engine).
 */
int bk_restore_in_place(const struct bk_ctx *ctx, struct bk_uri *u,
    struct bk_fault *f);

/*
 * The engine for ${req}->target must accept the header's engine: the same
 * engine, or "exec:" and "fake:" targets for anything; else 64.
 */
int bk_restore_open(struct bk_restore *r, const struct bk_restore_req *req,
    struct bk_fault *f);
int bk_restore_write(void *r, const void *p, size_t n, struct bk_fault *f);
/* 0, or -1 with ${f} set (64 where the engine takes no increments). */
int bk_restore_next(struct bk_restore *r, const json_t *header,
    struct bk_fault *f);
int bk_restore_commit(struct bk_restore *r, int fd, struct bk_fault *f);
void bk_restore_close(struct bk_restore *r);

#endif
