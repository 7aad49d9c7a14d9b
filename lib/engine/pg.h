/*
 * What PostgreSQL's dump and restore share: one server as its tools are told
 * of it, questions to it, what its messages mean.
 */
#ifndef BK_PG_H
#define BK_PG_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "child.h"
#include "ctx.h"
#include "engine.h"
#include "fault.h"
#include "tool.h"
#include "uri.h"

#define BK_PG_PATH 4096
#define BK_PG_WHERE 320

struct bk_pg {
	const struct bk_ctx *ctx;
	const struct bk_uri *uri;
	const char *db;			/* of the URL; NULL: the whole cluster */
	int64_t deadline;
	struct bk_secret secret;
	struct bk_argv env;		/* for every tool */
	char where[BK_PG_WHERE];	/* "db.example:5432", for messages */
	char psql[BK_PG_PATH];
};

/*
 * Make ${pg} from a URL: options, password, environment; finds psql.  Nothing
 * is asked yet.  0, or -1 with ${f} set (64, 69 no psql, 77, 78).  After
 * either the caller calls bk_pg_close.
 */
int bk_pg_open(struct bk_pg *pg, const struct bk_ctx *ctx,
    const struct bk_uri *uri, const char *source_env, int64_t deadline,
    struct bk_fault *f);
void bk_pg_close(struct bk_pg *pg);

/* Of our environment, what libpq may know; NULL-ended. */
extern const char *const bk_pg_variables[];

/* The server's name for messages.  0, or -1 (64 the URL names two hosts). */
int bk_pg_where(const struct bk_ctx *ctx, const struct bk_uri *uri,
    char where[BK_PG_WHERE], struct bk_fault *f);

/*
 * Append the connection string (libpq) for ${db} of the URL's server, and to
 * any of these a word more; a NULL ${value} adds none.
 */
int bk_pg_conninfo(const struct bk_ctx *ctx, const struct bk_uri *u,
    const char *db, struct bk_buf *b, struct bk_fault *f);
int bk_pg_conn_word(struct bk_buf *b, const char *name, const char *value,
    struct bk_fault *f);

/* Append "--dbname=…", which names server, user and ${db}. */
int bk_pg_dbname(const struct bk_pg *pg, const char *db, struct bk_argv *a,
    struct bk_fault *f);

/* Fill ${spec} for a tool with this argv. */
void bk_pg_spec(const struct bk_pg *pg, const struct bk_argv *a,
    unsigned int flags, struct bk_child_spec *spec);

/*
 * Run SQL (with psql's own commands) in database ${db} and append what it
 * printed, unaligned, to ${out} (may be NULL).  0, or -1 with ${f} set to
 * what its message means.
 */
int bk_pg_ask(const struct bk_pg *pg, const char *db, const char *sql,
    struct bk_buf *out, struct bk_fault *f);

/*
 * The same for questions that answer with one JSON object per line: the
 * members of all lines in one object, which the caller owns, or NULL.
 */
json_t *bk_pg_ask_json(const struct bk_pg *pg, const char *db, const char *sql,
    struct bk_fault *f);

/* The same in "postgres", or in "template1" where that is absent or ${not}. */
json_t *bk_pg_ask_any(const struct bk_pg *pg, const char *not, const char *sql,
    char db[16], struct bk_fault *f);

/*
 * The newest of the installed tools of this name that is not older than a
 * server of version ${num} (server_version_num; 0: any): first on PATH, then
 * where distributions keep versions.  Its version line to ${version}.
 * 0, or -1 with ${f} set: 69 none, 78 all are older.
 */
int bk_pg_tool(const struct bk_pg *pg, const char *name, int64_t num,
    char path[BK_PG_PATH], struct bk_buf *version, struct bk_fault *f);

/*
 * "pg_dump (PostgreSQL) 15.20 (Debian …)" as server_version_num has it; 0
 * for NULL and for what has no number.
 */
int64_t bk_pg_version_num(const char *version);

/* Rows for bk_tool_class. */
extern const struct bk_tool_msg bk_pg_msgs[];

/* The status for what a tool said; ${other} where nothing is known of it. */
int bk_pg_class(const char *said, int other);

/* Where ${f} tells of a missing right, add how ${user} gets it. */
void bk_pg_remedy(struct bk_fault *f, const char *user);

/*
 * May the role read all of database ${db} that a dump reads?  0, or -1 with
 * ${f} set: 77, the missing grant named.
 */
int bk_pg_rights(const struct bk_pg *pg, const char *db, struct bk_fault *f);

/* Append ${s} as an SQL literal or identifier, quoted. */
int bk_pg_literal(struct bk_buf *b, const char *s, struct bk_fault *f);
int bk_pg_ident(struct bk_buf *b, const char *s, struct bk_fault *f);

/* Of the engine table: pgdump.c, pglist.c and pgrestore.c. */
int bk_pg_dump_open(struct bk_dump *d, struct bk_fault *f);
int bk_pg_dump_run(struct bk_dump *d, bk_sink_fn *sink, void *arg,
    struct bk_fault *f);
void bk_pg_dump_close(struct bk_dump *d);
int bk_pg_dump_list(const struct bk_dump_req *req, json_t *out,
    struct bk_fault *f);
int bk_pg_restore_open(struct bk_restore *r, struct bk_fault *f);
int bk_pg_restore_write(struct bk_restore *r, const void *p, size_t n,
    struct bk_fault *f);
int bk_pg_restore_commit(struct bk_restore *r, int fd, struct bk_fault *f);
void bk_pg_restore_close(struct bk_restore *r);

#endif
