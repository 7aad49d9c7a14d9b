/*
 * MySQL and MariaDB: completeness marks, positions, grants, versions.  Text
 * of MySQL itself is as its manual and its source show it: Debian has no
 * server of it to ask.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "mysql.h"
#include "mysqlscan.h"
#include "tap.h"

#define END "/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;\n\n"
#define DONE "-- Dump completed on 2026-11-21 14:25:27\n"
#define HEAD "-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB\n--\n"

/* The answer for ${text} given in pieces of ${step} bytes. */
static int
marks(const char *text, size_t step)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_marks *m = bk_marks_mysql(&f);
	size_t i, n = strlen(text);
	int rc;

	for (i = 0; i < n; i += step)
		if (m->write(m, text + i, n - i < step ? n - i : step, &f) == -1)
			return -2;
	rc = m->finish(m, &f);
	if ((rc == -1) != (f.status == BK_DATA))
		rc = -3;
	m->free(m);
	return rc;
}

static void
test_marks(void)
{
	static const struct {
		const char *name, *text;
		int want;
	} cases[] = {
		{ "whole", HEAD "CREATE x;\n" END DONE, BK_MARKS_PROVEN },
		{ "without a date", HEAD END "-- Dump completed\n", BK_MARKS_PROVEN },
		{ "empty lines behind", HEAD END DONE "\n\n", BK_MARKS_PROVEN },
		{ "nothing", "", -1 },
		{ "no mark", HEAD "CREATE x;\n" END, -1 },
		{ "cut in the mark", HEAD END "-- Dump comp", -1 },
		{ "cut before its last line end", HEAD END "-- Dump completed", -1 },
		{ "a statement behind", HEAD END DONE "SELECT 1;\n", -1 },
		{ "bytes behind", HEAD END DONE "x", -1 },
		{ "in a row", HEAD "INSERT INTO t VALUES ('\\n-- Dump completed\\n');\n", -1 },
		{ "in a routine", HEAD "CREATE PROCEDURE p()\nBEGIN\n-- Dump completed\nEND ;;\n", -1 },
		{ "at the end of a cut routine", HEAD "CREATE PROCEDURE p()\nBEGIN\n-- Dump completed\n", -1 },
		{ "indented", HEAD "\n  -- Dump completed\n", -1 },
		{ "a newer format", "-- MariaDB dump 11.1  Distrib 15\n" END, BK_MARKS_UNKNOWN },
		{ "a newer format, marked", "-- MySQL dump 11.1\n" END DONE, BK_MARKS_PROVEN },
		{ "one of two", "-- bk: 2 dumps follow, the last one of accounts\n" HEAD END DONE, -1 },
		{ "two of two", "-- bk: 2 dumps follow, the last one of accounts\n" HEAD END DONE HEAD END DONE, BK_MARKS_PROVEN },
		{ "the second cut", "-- bk: 2 dumps follow, the last one of accounts\n" HEAD END DONE HEAD END, -1 },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		ok_int(marks(cases[i].text, 1), cases[i].want, cases[i].name);
		ok_int(marks(cases[i].text, 7), cases[i].want, cases[i].name);
		ok_int(marks(cases[i].text, 4096), cases[i].want, cases[i].name);
	}
}

/* Cut at every byte, a dump is never taken for whole. */
static void
test_every_cut(void)
{
	static const char text[] = HEAD "CREATE PROCEDURE p()\nBEGIN\n"
	    "-- Dump completed\nEND ;;\n" END DONE;
	char *cut = strdup(text);
	size_t n;
	int whole = 0;

	for (n = sizeof(text) - 2; n > 0; n--) {
		cut[n] = '\0';
		if (marks(cut, 4096) != -1)
			whole++;
	}
	free(cut);
	ok_int(whole, 0, "cuts taken for whole");
}

static void
test_long_line(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_marks *m = bk_marks_mysql(&f);
	char row[4096];
	int i;

	memset(row, 'x', sizeof(row));
	(void)m->write(m, "INSERT INTO t VALUES ('", 23, &f);
	for (i = 0; i < 1024; i++)
		(void)m->write(m, row, sizeof(row), &f);
	(void)m->write(m, "');\n" END DONE, strlen("');\n" END DONE), &f);
	ok_int(m->finish(m, &f), BK_MARKS_PROVEN, "a line of 4 MiB");
	m->free(m);
}

static void
test_position(void)
{
	static const struct {
		const char *line, *file, *gtid;
		long long pos;
	} cases[] = {
		{ "-- CHANGE MASTER TO MASTER_LOG_FILE='binlog.000001', MASTER_LOG_POS=2661;",
		    "binlog.000001", "", 2661 },
		{ "-- CHANGE REPLICATION SOURCE TO SOURCE_LOG_FILE='binlog.000003', SOURCE_LOG_POS=157;",
		    "binlog.000003", "", 157 },
		{ "-- SET GLOBAL gtid_slave_pos='0-1-13';", "", "0-1-13", 0 },
		{ "/* SET @@GLOBAL.GTID_PURGED='+3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5';*/",
		    "", "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5", 0 },
		{ "SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ '3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5';",
		    "", "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5", 0 },
		{ "-- CHANGE MASTER TO MASTER_USE_GTID=slave_pos;", "", "", 0 },
		{ "-- CHANGE MASTER TO MASTER_LOG_FILE='binlog", "", "", 0 },
		{ "('-- CHANGE MASTER TO MASTER_LOG_FILE=''x'', MASTER_LOG_POS=1;')", "", "", 0 },
	};
	struct bk_mysql_pos pos;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		pos = (struct bk_mysql_pos){ .file = "" };
		(void)bk_mysql_pos_line(&pos, cases[i].line);
		ok_text(pos.file, cases[i].file, cases[i].line);
		ok_text(pos.gtid, cases[i].gtid, cases[i].line);
		ok_int(pos.pos, cases[i].pos, cases[i].line);
	}
	pos = (struct bk_mysql_pos){ .file = "first", .pos = 4 };
	ok(!bk_mysql_pos_line(&pos, cases[0].line), "the first one stands");
}

static void
test_grants(void)
{
	static const char grants[] =
	    "GRANT USAGE ON *.* TO `u`@`h` IDENTIFIED BY PASSWORD '*00'\n"
	    "GRANT SELECT, SHOW VIEW ON `app`.* TO `u`@`h`\n"
	    "GRANT EVENT ON `test\\_%`.* TO `u`@`h`\n"
	    "GRANT TRIGGER ON `a_c`.* TO `u`@`h`\n"
	    "GRANT SELECT (`id`), INSERT ON `one`.`t` TO `u`@`h`\n"
	    "GRANT SELECT (`id`, `x`), UPDATE ON `cols`.* TO `u`@`h`\n"
	    "GRANT ALL PRIVILEGES ON `mine`.* TO `u`@`h` WITH GRANT OPTION\n"
	    "GRANT `role` TO `u`@`h`\n"
	    "GRANT PROXY ON ``@`%` TO `u`@`h` WITH GRANT OPTION\n";
	static const char mysql8[] =
	    "GRANT SELECT, RELOAD, SHOW VIEW, EVENT, TRIGGER ON *.* TO `b`@`%`\n"
	    "GRANT BACKUP_ADMIN,SHOW_ROUTINE ON *.* TO `b`@`%`\n"
	    "REVOKE SELECT ON `secret`.* FROM `b`@`%`\n";
	static const struct {
		const char *grants, *priv, *db;
		bool want;
	} cases[] = {
		{ grants, "SELECT", "app", true },
		{ grants, "SHOW VIEW", "app", true },
		{ grants, "SHOW", "app", false },
		{ grants, "TRIGGER", "app", false },
		{ grants, "SELECT", "apps", false },
		{ grants, "SELECT", NULL, false },
		{ grants, "EVENT", "test_1", true },
		{ grants, "EVENT", "testx1", false },
		{ grants, "EVENT", "test_", true },
		{ grants, "TRIGGER", "abc", true },
		{ grants, "TRIGGER", "ac", false },
		{ grants, "SELECT", "one", false },
		{ grants, "SELECT", "cols", false },
		{ grants, "UPDATE", "cols", true },
		{ grants, "EVENT", "mine", true },
		{ grants, "PROXY", NULL, false },
		{ mysql8, "SELECT", "any", true },
		{ mysql8, "SHOW_ROUTINE", NULL, true },
		{ mysql8, "RELOAD", NULL, true },
		{ mysql8, "SELECT", "secret", false },
		{ mysql8, "TRIGGER", "secret", true },
		{ "", "SELECT", "a", false },
		{ "GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost`", "SHOW CREATE ROUTINE", NULL, true },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		ok(bk_mysql_granted(cases[i].grants, cases[i].priv, cases[i].db) ==
		    cases[i].want, "%s on %s", cases[i].priv,
		    cases[i].db == NULL ? "*" : cases[i].db);
}

/* What is seen in ${text}; the caller frees it. */
static struct bk_mysql_scan *
scan(const char *text, int want)
{
	struct bk_mysql_scan *s = calloc(1, sizeof(*s));
	struct bk_fault f = BK_FAULT_INIT;
	int fd = bk_tmpfile(tap_dir(), &f);

	(void)bk_pwrite_all(fd, text, strlen(text), 0, "text", &f);
	ok_int(bk_mysql_scan(s, fd, &f), want, "looked through");
	ok_int(lseek(fd, 0, SEEK_CUR), want == 0 ? 0 : (long)strlen(text),
	    "and at its start again");
	(void)bk_close(fd, "text", &f);
	return s;
}

static void
test_scan(void)
{
	struct bk_mysql_scan *s;

	s = scan("CREATE DATABASE /*!32312 IF NOT EXISTS*/ `a` ;\nUSE `a`;\n"
	    ") ENGINE=InnoDB AUTO_INCREMENT=2;\n) ENGINE=MyISAM;\n) ENGINE=InnoDB;\n"
	    "INSERT INTO `t` VALUES\n('USE `no`; DEFINER=`no`@`no`');\nUSE `b`;\nUSE `a`;\n"
	    "/*!50013 DEFINER=`joe`@`%` SQL SECURITY DEFINER */\n" END DONE, 0);
	ok(s->dbs.n == 2 && s->engines.n == 2 && s->definers.n == 1,
	    "each once, none of rows");
	ok_text(s->dbs.v[1], "b", "a database");
	ok_text(s->engines.v[1], "MyISAM", "an engine");
	ok_text(s->definers.v[0], "`joe`@`%`", "a definer");
	ok(!s->system && !s->proxy, "no accounts");
	free(s);
	s = scan("-- bk: 2 dumps follow, the last one of accounts\n" END DONE
	    "GRANT PROXY ON ``@`%` TO `root`@`localhost` WITH GRANT OPTION;\n"
	    END DONE, 0);
	ok(s->system && s->proxy && s->dbs.n == 0, "accounts");
	free(s);
	s = scan("USE `mysql`;\n" END DONE, 0);
	ok(s->system && s->dbs.n == 0, "accounts as tables");
	free(s);
	free(scan("USE `a`;\n", -1));
}

static void
test_versions(void)
{
	static const struct {
		const char *text;
		unsigned int want;
	} cases[] = {
		{ "10.11.19-MariaDB-0+deb12u1-log Debian 12", 101119 },
		{ "mariadb-dump  Ver 10.19 Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)", 101119 },
		{ "mariadb-dump from 11.4.2-MariaDB, client 10.19 for debian-linux-gnu (x86_64)", 110402 },
		{ "mysqldump  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)", 80036 },
		{ "mysqldump  Ver 10.13 Distrib 5.7.42, for Linux (x86_64)", 50742 },
		{ "8.4.0 MySQL Community Server - GPL", 80400 },
		{ "none", 0 },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		ok_int(bk_mysql_version(cases[i].text), cases[i].want, cases[i].text);
}

static void
test_names(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_buf b = BK_BUF_INIT(256);

	ok(bk_mysql_name(&b, "a`b; --", &f) == 0, "a name");
	ok_text(bk_buf_text(&b), "`a``b; --`", "is quoted");
	bk_buf_reset(&b);
	ok(bk_mysql_literal(&b, "a'\\", &f) == 0, "a literal");
	ok_text(bk_buf_text(&b), "_utf8mb4 X'61275C'", "is in hexadecimal");
	bk_buf_release(&b);
}

int
main(void)
{
	test_marks();
	test_every_cut();
	test_long_line();
	test_position();
	test_grants();
	test_scan();
	test_versions();
	test_names();
	return done();
}
