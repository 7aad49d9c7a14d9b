/*
 * Looking through a MySQL dump, line by line, in constant memory.
 *
 * A dump sets SQL_MODE without NO_ENGINE_SUBSTITUTION, so that a server which
 * lacks an engine would take its default one and only warn: engines are
 * collected, and looked for beforehand.  Rows begin lines with "INSERT INTO"
 * or "(" and never hold a line end.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "mysqlscan.h"

#define BLOCK (256 * 1024)

void
bk_mysql_remember(struct bk_mysql_names *l, const char *s, size_t n)
{
	size_t i;

	if (n == 0 || n >= sizeof(l->v[0]))
		return;
	for (i = 0; i < l->n; i++)
		if (strlen(l->v[i]) == n && memcmp(l->v[i], s, n) == 0)
			return;
	if (l->n == BK_MYSQL_NAMES)
		return;
	memcpy(l->v[l->n], s, n);
	l->v[l->n++][n] = '\0';
}

/* The text between the first two backquotes at or behind ${s}. */
static void
remember_name(struct bk_mysql_names *l, const char *s)
{
	const char *b = strchr(s, '`');
	const char *e = b == NULL ? NULL : strchr(b + 1, '`');

	if (e != NULL)
		bk_mysql_remember(l, b + 1, (size_t)(e - b - 1));
}

static void
scan_line(void *arg, const char *line, size_t n)
{
	struct bk_mysql_scan *s = arg;
	const char *p, *e;
	unsigned int parts;

	if (strncmp(line, "INSERT INTO ", 12) == 0 || line[0] == '(')
		return;
	if (sscanf(line, BK_MYSQL_PARTS, &parts) == 1 ||
	    strncmp(line, "USE `mysql`;", 12) == 0 ||
	    strncmp(line, "USE mysql;", 10) == 0)
		s->system = true;
	else if (strncmp(line, "USE `", 5) == 0)
		remember_name(&s->dbs, line);
	else if (strncmp(line, "GRANT PROXY ON ", 15) == 0)
		s->proxy = true;
	else if (strncmp(line, ") ENGINE=", 9) == 0)
		bk_mysql_remember(&s->engines, line + 9, strcspn(line + 9, " ;"));
	if (n < sizeof(s->lines.line) && (p = strstr(line, "DEFINER=`")) != NULL &&
	    (e = strstr(p, "`@`")) != NULL && strchr(e + 3, '`') != NULL)
		bk_mysql_remember(&s->definers, p + 8,
		    (size_t)(strchr(e + 3, '`') + 1 - p - 8));
}

int
bk_mysql_scan(struct bk_mysql_scan *s, int fd, struct bk_fault *f)
{
	struct bk_marks *marks;
	char *block = NULL;
	ssize_t n = -1;
	int rc = -1;

	if ((marks = bk_marks_mysql(f)) == NULL)
		return -1;
	if ((block = malloc(BLOCK)) == NULL) {
		bk_fault_errno(f, 0, ENOMEM, "restore");
		goto out;
	}
	while ((n = bk_read_full(fd, block, BLOCK, "spooled dump", f)) > 0) {
		bk_mysql_lines(&s->lines, block, (size_t)n, scan_line, s);
		if (marks->write(marks, block, (size_t)n, f) == -1)
			goto out;
	}
	if (n == -1 || marks->finish(marks, f) == -1)
		goto out;
	if (lseek(fd, 0, SEEK_SET) == -1)
		bk_fault_errno(f, 0, errno, "spooled dump");
	else
		rc = 0;
out:
	free(block);
	marks->free(marks);
	return rc;
}
