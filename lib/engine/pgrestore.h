/*
 * A restore into PostgreSQL under way: what its parts share.  pgrestore.c has
 * the course of it, pgswap.c the databases that are made, renamed and
 * dropped, pgcluster.c the restore of all databases.
 */
#ifndef BK_PGRESTORE_H
#define BK_PGRESTORE_H

#include "pg.h"
#include "pgarchive.h"

#define BK_PG_NAME 64			/* NAMEDATALEN, with its NUL */

enum bk_pgform { BK_PG_CUSTOM, BK_PG_TAR, BK_PG_PLAIN, BK_PG_ALL };

struct bk_pgrestore {
	struct bk_restore *r;
	struct bk_pg pg;
	enum bk_pgform form;
	const json_t *info;		/* of the dump's header, may be NULL */
	json_t *server;			/* what psql answered of the target */
	char admin[16];			/* a database that is not the target */
	char mark[9];			/* eight characters of a ULID */
	char tmp[BK_PG_NAME];		/* name while it is being filled */
	char aside[BK_PG_NAME];		/* name of the old one while it waits */
	bool exists;			/* the target exists */
	bool made;			/* tmp does */
	char tool[BK_PG_PATH];
	struct bk_child *child;
	struct bk_buf head;		/* first bytes, until they were checked */
	bool checked;
	struct bk_pgarchive *toc;
	json_t *owners, *extensions;	/* of the contents, as members */
};

/* Does a database hold what a user made?  One JSON member "holds". */
extern const char bk_pg_holds[];

/* Make the temporary database.  0, or -1 with ${f} set. */
int bk_pgswap_make(struct bk_pgrestore *p, struct bk_fault *f);

/*
 * Put it in the place of the target, whose owner, settings and grants it
 * gets, in one transaction; then drop what was there.  0, or -1 with ${f}
 * set: nothing has changed.
 */
int bk_pgswap_commit(struct bk_pgrestore *p, struct bk_fault *f);

/* Drop the temporary database if it was made; says so if it cannot. */
void bk_pgswap_undo(struct bk_pgrestore *p);

/* Restore all databases from the file ${fd}.  0, or -1 with ${f} set. */
int bk_pgcluster_open(struct bk_pgrestore *p, struct bk_fault *f);
int bk_pgcluster_commit(struct bk_pgrestore *p, int fd, struct bk_fault *f);

#endif
