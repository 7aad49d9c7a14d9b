/*
 * Completeness marks: what the end of an engine's output must look like,
 * read from the bytes as they pass (DESIGN, 6), in constant memory.
 */
#ifndef BK_MARKS_H
#define BK_MARKS_H

#include <stddef.h>

#include "fault.h"

/* What finish answers. */
#define BK_MARKS_PROVEN 0	/* info.proof "marks" */
#define BK_MARKS_UNKNOWN 1	/* a format newer than known: proof "exit" */

/* The first member of each format's own struct. */
struct bk_marks {
	/* 0, or -1 with ${f} set (65) where the bytes cannot be right. */
	int (*write)(struct bk_marks *m, const void *p, size_t n,
	    struct bk_fault *f);
	/* BK_MARKS_*, or -1 with ${f} set (65): the dump is not complete. */
	int (*finish)(struct bk_marks *m, struct bk_fault *f);
	void (*free)(struct bk_marks *m);
};

/* pg_dump: custom, plain; pg_dumpall; either of these, by its first lines. */
struct bk_marks *bk_marks_pg_custom(struct bk_fault *f);
struct bk_marks *bk_marks_pg_plain(struct bk_fault *f);
struct bk_marks *bk_marks_pg_all(struct bk_fault *f);
struct bk_marks *bk_marks_pg_sql(struct bk_fault *f);
/* mysqldump and mariadb-dump. */
struct bk_marks *bk_marks_mysql(struct bk_fault *f);
/* tar: the two zero blocks; only zeros behind them. */
struct bk_marks *bk_marks_tar(struct bk_fault *f);
/* SQLite database file: header, page size times pages is its length. */
struct bk_marks *bk_marks_sqlite(struct bk_fault *f);
/* RDB file of Redis: header, end opcode, CRC-64; a zero CRC is accepted. */
struct bk_marks *bk_marks_rdb(struct bk_fault *f);

#endif
