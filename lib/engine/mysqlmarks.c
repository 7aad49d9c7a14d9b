/*
 * The text of a dump by mysqldump or mariadb-dump: its completeness mark and
 * the position in the binary log.
 *
 * mysqldump writes "-- Dump completed on DATE" as its very last line, after
 * an empty one, and only when all went well (client/mysqldump.c of both
 * projects, write_footer).  Line ends within row data are escaped, so that no
 * row can begin a line; a stored routine can hold any line, which is why only
 * a mark with nothing behind it counts.
 *
 * A payload of ours may be several dumps one behind the other; its first line
 * says so, so that one cut between two of them is not taken for whole.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mysql.h"

static const char mark[] = "-- Dump completed";

void
bk_mysql_lines(struct bk_mysql_lines *l, const char *p, size_t n,
    bk_mysql_line_fn *fn, void *arg)
{
	const char *nl;
	size_t len, room;

	while (n > 0) {
		nl = memchr(p, '\n', n);
		len = nl == NULL ? n : (size_t)(nl - p);
		room = sizeof(l->line) - 1 - l->n;
		memcpy(l->line + l->n, p, len < room ? len : room);
		l->n += len < room ? len : room;
		if (nl == NULL)
			return;
		l->line[l->n] = '\0';
		fn(arg, l->line, l->n);
		l->n = 0;
		p += len + 1;
		n -= len + 1;
	}
}

struct marks {
	struct bk_marks m;
	struct bk_mysql_lines lines;
	unsigned int want;	/* dumps in the payload */
	unsigned int seen;	/* marks so far */
	unsigned int newer;	/* version of an unknown format, else 0 */
	bool begun;		/* a line was read */
	bool blank;		/* the last line was empty */
	bool complete;		/* a mark, and only empty lines behind it */
};

static void
marks_line(void *arg, const char *line, size_t n)
{
	struct marks *k = arg;
	unsigned int v;

	if (!k->begun && sscanf(line, BK_MYSQL_PARTS, &v) == 1)
		k->want = v;
	k->begun = true;
	if (n == 0) {
		k->blank = true;
		return;
	}
	k->complete = k->blank && strncmp(line, mark, sizeof(mark) - 1) == 0;
	k->blank = false;
	if (k->complete)
		k->seen++;
	/* "10.13" and "10.19" are all that there have been since 2001. */
	if (k->seen == 0 && (sscanf(line, "-- MySQL dump %u.", &v) == 1 ||
	    sscanf(line, "-- MariaDB dump %u.", &v) == 1) && v > 10)
		k->newer = v;
}

static int
marks_write(struct bk_marks *m, const void *p, size_t n, struct bk_fault *f)
{
	struct marks *k = (struct marks *)m;

	(void)f;
	bk_mysql_lines(&k->lines, p, n, marks_line, k);
	return 0;
}

static int
marks_finish(struct bk_marks *m, struct bk_fault *f)
{
	struct marks *k = (struct marks *)m;

	if (k->complete && k->lines.n == 0 && k->seen >= k->want)
		return BK_MARKS_PROVEN;
	if (k->newer != 0)
		return BK_MARKS_UNKNOWN;
	return bk_fault_set(f, BK_DATA,
	    "the dump is not complete: it does not end with '%s'", mark);
}

static void
marks_free(struct bk_marks *m)
{
	free(m);
}

struct bk_marks *
bk_marks_mysql(struct bk_fault *f)
{
	struct marks *k;

	if ((k = calloc(1, sizeof(*k))) == NULL) {
		bk_fault_errno(f, 0, ENOMEM, "marks");
		return NULL;
	}
	k->m.write = marks_write;
	k->m.finish = marks_finish;
	k->m.free = marks_free;
	k->want = 1;
	return &k->m;
}

/* Copy what stands up to the next quote; false where there is none. */
static bool
quoted(const char *s, char *out, size_t size)
{
	size_t n = strcspn(s, "'");

	if (s[n] != '\'' || n >= size)
		return false;
	memcpy(out, s, n);
	out[n] = '\0';
	return true;
}

static bool
file_line(struct bk_mysql_pos *pos, const char *line)
{
	static const char *const forms[] = {
		"-- CHANGE MASTER TO MASTER_LOG_FILE='",
		"-- CHANGE REPLICATION SOURCE TO SOURCE_LOG_FILE='"
	};
	char file[sizeof(pos->file)];
	const char *p;
	size_t i, n;

	for (i = 0; i < 2; i++) {
		n = strlen(forms[i]);
		if (strncmp(line, forms[i], n) != 0 ||
		    !quoted(line + n, file, sizeof(file)) ||
		    (p = strstr(line + n + strlen(file), "_LOG_POS=")) == NULL)
			continue;
		pos->pos = strtoull(p + 9, NULL, 10);
		memcpy(pos->file, file, strlen(file) + 1);
		return true;
	}
	return false;
}

bool
bk_mysql_pos_line(struct bk_mysql_pos *pos, const char *line)
{
	/* MariaDB; MySQL with --set-gtid-purged=COMMENTED. */
	static const char *const forms[] = {
		"-- SET GLOBAL gtid_slave_pos='",
		"/* SET @@GLOBAL.GTID_PURGED='+",
		"/* SET @@GLOBAL.GTID_PURGED='",
		"SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ '"
	};
	char gtid[sizeof(pos->gtid)];
	size_t i, n;

	if (pos->file[0] == '\0' && file_line(pos, line))
		return true;
	for (i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		n = strlen(forms[i]);
		if (strncmp(line, forms[i], n) == 0 &&
		    quoted(line + n, gtid, sizeof(gtid)) && gtid[0] != '\0') {
			memcpy(pos->gtid, gtid, strlen(gtid) + 1);
			return true;
		}
	}
	return false;
}
