/*
 * bk-spool --wal: files of PostgreSQL's log, as bk-wal-push stores them.
 */
#ifndef BK_SPOOLWAL_H
#define BK_SPOOLWAL_H

#include "spoolput.h"
#include "wal.h"

struct bk_spool_wal {
	const char *url;
	struct bk_store_opts store;
	struct bk_wal_how how;
	bool plain;			/* no codec is wanted */
	const char *tmpdir;
	int64_t partial;		/* ms between looks at growing files; 0: none */
	uint64_t system;		/* whose log this is, once it is known */
	struct bk_store *s;		/* NULL until wanted */
	int64_t next;			/* look at a growing file */
	char pushed[BK_WAL_FILE_MAX + BK_WAL_HASH_LEN];	/* what was found last */
	bool refused;			/* old growing files cannot be removed: said */
};

extern const struct bk_spool_way bk_spool_wal;

#endif
