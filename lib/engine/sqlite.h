/*
 * The two halves of the sqlite engine: dumps (sqlite.c) and restores
 * (sqliteback.c).
 */
#ifndef BK_SQLITE_H
#define BK_SQLITE_H

#include <sqlite3.h>

#include "engine.h"

/*
 * Set ${f} from ${db}'s last error: 65 corrupt or no database, 69 locked, 74
 * input and output, 77 permission.  Always returns -1.
 */
int bk_sqlite_fault(sqlite3 *db, const char *path, struct bk_fault *f);

int bk_sqlite_restore_open(struct bk_restore *r, struct bk_fault *f);
int bk_sqlite_restore_write(struct bk_restore *r, const void *p, size_t n,
    struct bk_fault *f);
int bk_sqlite_restore_commit(struct bk_restore *r, int fd, struct bk_fault *f);
void bk_sqlite_restore_close(struct bk_restore *r);

#endif
