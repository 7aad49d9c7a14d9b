/*
 * The two halves of a MySQL dump: mysqldump.c (options, run) and mysqlplan.c
 * (tool, rights, lock, position: all that is known before the first byte).
 */
#ifndef BK_MYSQLDUMP_H
#define BK_MYSQLDUMP_H

#include <jansson.h>
#include <stdbool.h>

#include "mysql.h"

enum bk_mysql_lock {
	BK_MYSQL_LOCK_AUTO,
	BK_MYSQL_LOCK_ALL,
	BK_MYSQL_LOCK_NONE
};

struct bk_mysqldump {
	struct bk_mysql m;
	enum bk_mysql_lock lock;	/* never AUTO once decided */
	bool routines, events, triggers, position;
	json_t *left_out;		/* words of ?without= and what could not be */
	char tool[1024];
	char tool_text[256];		/* its version line */
	bool tool_mariadb;
	bool source_data;		/* it says "source" for "master" */
	bool gtid_purged, gtid_commented, statistics, tablespaces;
	bool reload;			/* the right RELOAD is there */
	bool accounts;			/* all, with accounts in a second run */
	bool ignore;			/* it knows --ignore-database */
};

/* Find the tool and what it can; 69 none, 78 older than the server. */
int bk_mysqldump_tool(struct bk_mysqldump *p, struct bk_fault *f);

/* 66 no such database; 77 a right is missing, the GRANT named. */
int bk_mysqldump_rights(struct bk_mysqldump *p, struct bk_fault *f);

/* Decide ?lock=auto, and say so; 77 no right to lock. */
int bk_mysqldump_lock(struct bk_mysqldump *p, json_t *info, struct bk_fault *f);

/* Clear ${p}->position where there is none to be had. */
int bk_mysqldump_position(struct bk_mysqldump *p, struct bk_fault *f);

/* Arguments of the dump, and of the second run. */
int bk_mysqldump_args(const struct bk_mysqldump *p, const char *const *user,
    struct bk_argv *a, struct bk_fault *f);
int bk_mysqldump_account_args(const struct bk_mysqldump *p, struct bk_argv *a,
    struct bk_fault *f);

#endif
