/*
 * What the text of a dump tells of it before it is restored.
 */
#ifndef BK_MYSQLSCAN_H
#define BK_MYSQLSCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "fault.h"
#include "mysql.h"

#define BK_MYSQL_NAMES 128	/* more than one URL names */

/* A few distinct words seen in a dump. */
struct bk_mysql_names {
	char v[BK_MYSQL_NAMES][256];
	size_t n;
};

/* What the text of a dump tells. */
struct bk_mysql_scan {
	struct bk_mysql_lines lines;
	bool system;		/* it brings accounts: the "mysql" database */
	bool proxy;		/* and one that may act as others */
	struct bk_mysql_names dbs;	/* created or used, but for "mysql" */
	struct bk_mysql_names engines;
	struct bk_mysql_names definers;	/* `user`@`host` */
};

/* Remember ${n} bytes at ${s}, once; what is too long or too much is not. */
void bk_mysql_remember(struct bk_mysql_names *l, const char *s, size_t n);

/*
 * Read all of ${fd}, prove that the dump is whole, fill ${s} (all zeros), and
 * leave ${fd} at its start.  0, or -1 with ${f} set (65).
 */
int bk_mysql_scan(struct bk_mysql_scan *s, int fd, struct bk_fault *f);

#endif
