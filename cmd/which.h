/*
 * Options of the programs that take one backup: which one, from where, and
 * how its pipe filters are undone.
 */
#ifndef BK_WHICH_H
#define BK_WHICH_H

#include "origin.h"
#include "prog.h"

#define BK_WHICH_UNDO_MAX 64

/* Keys above those that programs give their own options. */
enum { BK_WHICH_ID = 1000, BK_WHICH_NAME, BK_WHICH_LATEST, BK_WHICH_AT,
	BK_WHICH_UNDO };

/* Rows of an option table, and the one for --undo. */
#define BK_WHICH_OPTS \
	{ BK_WHICH_ID, "id", "ID", "of a store: the backup with this id", 0 }, \
	{ BK_WHICH_NAME, "name", "NAME", "of a store: backups with this name", 0 }, \
	{ BK_WHICH_LATEST, "latest", NULL, "the newest of them", 0 }, \
	{ BK_WHICH_AT, "at", "TIME", "the newest at or before TIME", 0 }
#define BK_WHICH_OPT_UNDO \
	{ BK_WHICH_UNDO, "undo", ".EXT=COMMAND", \
	    "undo a pipe filter; may be repeated", BK_OPT_MANY }

struct bk_which {
	struct bk_list_req pick;
	struct bk_origin_req origin;
	const char *undo[BK_WHICH_UNDO_MAX + 1];	/* NULL-ended */
	size_t nundo;
};

#define BK_WHICH_INIT(opts) { .pick = BK_LIST_REQ_INIT, \
	.origin = { .store = (opts) } }

/* Take an option: true, or false where it is none of these. */
bool bk_which_option(struct bk_which *w, int key, const char *arg);

/*
 * After the last option, with the ${n} operands: a store at most.  The request
 * is then complete, but for whether streams are accepted.  A terminal on
 * standard input is refused where that would be read.
 */
void bk_which_done(struct bk_which *w, char **words, int n);

#endif
