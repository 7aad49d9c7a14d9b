/*
 * What the files of the MySQL and MariaDB engine share: mysql.c (server and
 * tools), mysqlgrants.c (rights), mysqlmarks.c (the dump's text), mysqldump.c
 * and mysqlrestore.c.
 */
#ifndef BK_MYSQL_H
#define BK_MYSQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "ctx.h"
#include "engine.h"
#include "fault.h"
#include "tool.h"
#include "uri.h"

#define BK_MYSQL_DBS 64			/* databases named in one URL */

/* ---- the dump's text (mysqlmarks.c) ---- */

/* Cuts bytes into lines; what is beyond the buffer of a line is dropped. */
struct bk_mysql_lines {
	char line[1024];
	size_t n;		/* bytes of the line so far, at most sizeof(line) - 1 */
};

/* A line without its '\n' (whose begin it is, if it was longer). */
typedef void bk_mysql_line_fn(void *arg, const char *line, size_t n);

void bk_mysql_lines(struct bk_mysql_lines *l, const char *p, size_t n,
    bk_mysql_line_fn *fn, void *arg);

/* Where in the server's binary log a dump stands. */
struct bk_mysql_pos {
	char file[256];		/* "": none */
	uint64_t pos;
	char gtid[1024];	/* "": none */
};

/*
 * Take what one line of a dump says: the first file and position that is
 * told, the last set of GTIDs.  Returns whether ${pos} changed.
 */
bool bk_mysql_pos_line(struct bk_mysql_pos *pos, const char *line);

/* First line of a payload of ${n} dumps one behind the other. */
#define BK_MYSQL_PARTS "-- bk: %u dumps follow, the last one of accounts\n"

/* ---- rights (mysqlgrants.c) ---- */

/*
 * Does the output of SHOW GRANTS (one grant a line) give ${priv} on all of
 * database ${db}, or on everything where ${db} is NULL?  Grants on single
 * tables and routines do not count; REVOKE lines (MySQL 8, partial revokes)
 * take away.
 */
bool bk_mysql_granted(const char *grants, const char *priv, const char *db);

/* ---- server and tools (mysql.c) ---- */

struct bk_mysql {
	const struct bk_ctx *ctx;
	const struct bk_uri *uri;
	int64_t deadline;
	char client[1024];		/* mariadb or mysql */
	struct bk_argv login;		/* first arguments of any tool; v[0] its path */
	struct bk_secret secret;
	const char *env[2];		/* for children, NULL-ended */
	bool mariadb;			/* the server is MariaDB */
	unsigned int version;		/* of the server, 10.11.19: 101119 */
	char server[128];		/* as it tells it */
	char *dbs[BK_MYSQL_DBS + 1];	/* of the URL, NULL-ended */
	size_t ndbs;
};

/*
 * Find a client, prepare the login, take the databases from the URL's path,
 * ask the server for its version.  0, or -1 with ${f} set; release always.
 */
int bk_mysql_open(struct bk_mysql *m, const struct bk_ctx *ctx,
    const struct bk_uri *uri, const char *source_env, int64_t deadline,
    struct bk_fault *f);
void bk_mysql_release(struct bk_mysql *m);

/*
 * Run ${sql} and append what comes: a line a row, a tab between columns,
 * values as they are.  0, or -1 with ${f} set by the class of the server's
 * error.
 */
int bk_mysql_ask(struct bk_mysql *m, const char *sql, struct bk_buf *out,
    struct bk_fault *f);

/* Append ${s} as a string literal, or as a quoted name. */
int bk_mysql_literal(struct bk_buf *b, const char *s, struct bk_fault *f);
int bk_mysql_name(struct bk_buf *b, const char *s, struct bk_fault *f);
/* Append the URL's databases as literals with ", " between. */
int bk_mysql_literals(struct bk_buf *b, const struct bk_mysql *m,
    struct bk_fault *f);

/* "10.11.19-MariaDB", "… Ver 8.0.36 for Linux": 101119, 80036; 0: none. */
unsigned int bk_mysql_version(const char *text);

/* Where tools are looked for besides PATH; for bk_tool_nth. */
extern const char *const bk_mysql_dirs[];

/* The messages of clients and servers. */
extern const struct bk_tool_msg bk_mysql_msgs[];

/* ---- halves of the ops table ---- */

int bk_mysql_dump_open(struct bk_dump *d, struct bk_fault *f);
int bk_mysql_dump_run(struct bk_dump *d, bk_sink_fn *sink, void *arg,
    struct bk_fault *f);
void bk_mysql_dump_close(struct bk_dump *d);
int bk_mysql_restore_open(struct bk_restore *r, struct bk_fault *f);
int bk_mysql_restore_commit(struct bk_restore *r, int fd, struct bk_fault *f);
void bk_mysql_restore_close(struct bk_restore *r);

#endif
