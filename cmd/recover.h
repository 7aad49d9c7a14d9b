/*
 * Options of bk-restore for what is restored: where the recovery of a
 * PostgreSQL base backup ends, where the restored server has its log from, and
 * whose replica it becomes.
 */
#ifndef BK_RECOVER_H
#define BK_RECOVER_H

#include "engine.h"
#include "origin.h"
#include "prog.h"
#include "which.h"

#define BK_RECOVER_SPACES 256

/* Keys above those of which.h. */
enum { BK_RECOVER_OPT_LSN = 1100, BK_RECOVER_OPT_POINT,
	BK_RECOVER_OPT_IMMEDIATE, BK_RECOVER_OPT_TIMELINE,
	BK_RECOVER_OPT_ARCHIVE, BK_RECOVER_OPT_START, BK_RECOVER_OPT_COMMAND,
	BK_RECOVER_OPT_SPACE, BK_RECOVER_OPT_OWNER, BK_RECOVER_OPT_REPLICA };

/* Rows of an option table. */
#define BK_RECOVER_OPTS \
	{ BK_RECOVER_OPT_LSN, "lsn", "LSN", \
	    "base backup: recover up to this position of the log", 0 }, \
	{ BK_RECOVER_OPT_POINT, "restore-point", "NAME", \
	    "base backup: up to this restore point", 0 }, \
	{ BK_RECOVER_OPT_IMMEDIATE, "immediate", NULL, \
	    "base backup: no further than it needs (default)", 0 }, \
	{ BK_RECOVER_OPT_TIMELINE, "timeline", "N", \
	    "base backup: along this timeline, latest or current", 0 }, \
	{ BK_RECOVER_OPT_REPLICA, "replica-of", "URL", \
	    "become a replica of this server", 0 }, \
	{ BK_RECOVER_OPT_START, "start", NULL, \
	    "base backup: let a server recover it, say what was reached", 0 }, \
	{ BK_RECOVER_OPT_SPACE, "tablespace", "OLD=NEW", \
	    "base backup: put this tablespace elsewhere", BK_OPT_MANY }, \
	{ BK_RECOVER_OPT_OWNER, "owner", "USER", \
	    "base backup: who owns it, as root (postgres)", 0 }, \
	{ BK_RECOVER_OPT_ARCHIVE, "archive", "keep", \
	    "base backup: leave archive_mode as it was", 0 }, \
	{ BK_RECOVER_OPT_COMMAND, "restore-command", "COMMAND", \
	    "base backup: restore_command of the server", 0 }

struct bk_recover {
	struct bk_recovery r;
	const char *at;			/* --at as it was given */
	bool given;			/* an option of recovery was */
	bool target;			/* one that says where it ends was */
	const char *spaces[BK_RECOVER_SPACES + 1];
	size_t nspaces;
	struct bk_uri primary;
	struct bk_buf time, command, report;
	char lsn[24];
};

#define BK_RECOVER_INIT { .primary = BK_URI_INIT, .time = BK_BUF_INIT(64), \
	.command = BK_BUF_INIT(16384), .report = BK_BUF_INIT(65536) }

/* Take an option, --at too: true, or false where it is none of these. */
bool bk_recover_option(struct bk_recover *v, struct bk_which *w, int key,
    const char *arg);

/*
 * Before bk_which_done: --at with a record on standard input names no backup
 * but the moment, and "latest" is no moment.
 */
void bk_recover_which(const struct bk_recover *v, struct bk_which *w,
    int nwords);

/*
 * Is the backup in ${o} one that can be recovered to the moment?  One found in
 * a store by --at that ends after it is put in order by the newest before.
 * 0, or -1 with ${f} set: 65 it cannot, naming the one that can; 66 none can.
 */
int bk_recover_choose(const struct bk_recover *v, const struct bk_which *w,
    struct bk_origin *o, struct bk_fault *f);

/*
 * What the engine is to be told of the backup in ${o}: *${r}, or NULL where
 * nothing was asked and it is no base backup.  0 or -1.
 */
int bk_recover_request(struct bk_recover *v, const struct bk_which *w,
    const struct bk_origin *o, const struct bk_recovery **r,
    struct bk_fault *f);

void bk_recover_release(struct bk_recover *v);

#endif
