/*
 * A replication connection to a PostgreSQL server, by libpq.  Every wait has
 * the deadline and ends when the program is to stop.
 *
 * libpq reads many variables by itself.  Opening a connection takes those
 * PG... variables out of the environment of this process that the tools of
 * this vendor would not be handed either (pg.h); a password goes to libpq in
 * memory and nowhere else.
 */
#ifndef BK_PGREPL_H
#define BK_PGREPL_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "ctx.h"
#include "fault.h"
#include "io.h"
#include "pg.h"
#include "uri.h"

struct bk_pgrepl {
	const struct bk_ctx *ctx;
	PGconn *conn;
	int64_t deadline;		/* by ctx->mono(); 0: none */
	char where[BK_PG_WHERE];	/* for messages */
	bool data;			/* payload came: all is 65 from here on */
};

/*
 * Connect and log in.  0, or -1 with ${f} set: 64, 69, 77, 78; a missing
 * right or setting with its remedy.  Close ${r} after either.
 */
int bk_pgrepl_open(struct bk_pgrepl *r, const struct bk_ctx *ctx,
    const struct bk_uri *uri, const char *source_env, int64_t deadline,
    struct bk_fault *f);
void bk_pgrepl_close(struct bk_pgrepl *r);

/* server_version_num of the server, and its text. */
int bk_pgrepl_version(const struct bk_pgrepl *r);
const char *bk_pgrepl_version_text(const struct bk_pgrepl *r);

/* Send a command.  0 or -1. */
int bk_pgrepl_send(struct bk_pgrepl *r, const char *command,
    struct bk_fault *f);

/*
 * The next result, which the caller clears, of status ${want}; NULL with ${f}
 * set where there is none, or another one.
 */
PGresult *bk_pgrepl_result(struct bk_pgrepl *r, ExecStatusType want,
    struct bk_fault *f);

/* No result is left.  0 or -1. */
int bk_pgrepl_done(struct bk_pgrepl *r, struct bk_fault *f);

/* Send, and the only result, with rows. */
PGresult *bk_pgrepl_ask(struct bk_pgrepl *r, const char *command,
    struct bk_fault *f);

/* Each message of the copy that has begun, to ${fn}.  0 or -1. */
int bk_pgrepl_copy(struct bk_pgrepl *r, bk_sink_fn *fn, void *arg,
    struct bk_fault *f);

/* Append ${s} as a literal of the replication protocol. */
struct bk_buf;
int bk_pgrepl_literal(struct bk_buf *b, const char *s, struct bk_fault *f);

#endif
