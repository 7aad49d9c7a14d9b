/*
 * Completeness marks of PostgreSQL's tools.
 *
 * Facts, seen on 15.20 and in src/bin/pg_dump/pg_backup_archiver.c
 * (RestoreArchive) and pg_dumpall.c: a plain dump ends with
 *
 *	--
 *	-- PostgreSQL database dump complete
 *	--
 *
 * and, from the minor releases of August 2025 on, "\unrestrict TOKEN" with
 * the token of the "\restrict" near its beginning; pg_dumpall's output holds
 * one such dump for each database and ends with its own mark, "PostgreSQL
 * database cluster dump complete".  Under --verbose a comment with the time
 * stands before the mark and not behind it.
 *
 * A table may hold the mark as a row, so the mark alone proves nothing: it
 * counts only outside of COPY data, between its two "--" lines, and with
 * nothing but blank lines, comments and the "\unrestrict" behind it.  COPY
 * data begin with a COPY line that follows pg_dump's own "-- Data for Name:"
 * comment, so that a COPY in the text of a function is not taken for one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "marks.h"
#include "pgarchive.h"

/* ---- custom ---- */

struct custom {
	struct bk_marks m;
	struct bk_pgarchive *a;
};

static int
custom_write(struct bk_marks *m, const void *p, size_t n, struct bk_fault *f)
{
	return bk_pgarchive_write(((struct custom *)m)->a, p, n, f);
}

static int
custom_finish(struct bk_marks *m, struct bk_fault *f)
{
	struct custom *c = (struct custom *)m;

	if (bk_pgarchive_finish(c->a, f) == -1)
		return -1;
	return bk_pgarchive_unknown(c->a) ? BK_MARKS_UNKNOWN : BK_MARKS_PROVEN;
}

static void
custom_free(struct bk_marks *m)
{
	struct custom *c = (struct custom *)m;

	if (c == NULL)
		return;
	bk_pgarchive_free(c->a);
	free(c);
}

struct bk_marks *
bk_marks_pg_custom(struct bk_fault *f)
{
	struct custom *c;

	if ((c = calloc(1, sizeof(*c))) == NULL ||
	    (c->a = bk_pgarchive_new(NULL, NULL, f)) == NULL) {
		bk_fault_errno(f, 0, ENOMEM, "completeness marks");
		free(c);
		return NULL;
	}
	c->m = (struct bk_marks){ custom_write, custom_finish, custom_free };
	return &c->m;
}

/* ---- SQL ---- */

#define LINE_HEAD 200		/* a line is known by so many bytes */
#define HEAD_LINE 2		/* the line that tells pg_dumpall from pg_dump */
#define COPY_END " FROM stdin;"

static const char mark_one[] = "-- PostgreSQL database dump complete";
static const char mark_all[] = "-- PostgreSQL database cluster dump complete";
static const char head_all[] = "-- PostgreSQL database cluster dump";
static const char data_for[] = "-- Data for Name: ";

enum which { ONE, ALL, EITHER };

struct sql {
	struct bk_marks m;
	enum which which;
	char line[LINE_HEAD + 1];	/* its beginning */
	char last[sizeof(COPY_END)];	/* and its last bytes, a ring */
	size_t len;
	unsigned int lines;	/* counted up to HEAD_LINE */
	unsigned int data;	/* lines since data_for, 0: none near */
	bool copy;		/* in COPY data */
	bool dashes;		/* the line before was "--" */
	bool marked;		/* the mark, and nothing else since */
	bool closed;		/* and its second "--" */
	bool opened;		/* \restrict was seen, with this token */
	char token[LINE_HEAD + 1];
	bool released;		/* \unrestrict behind the mark */
};

static bool
ends_copy_line(const struct sql *s)
{
	size_t n = sizeof(COPY_END) - 1, i;

	if (s->len < n || strncmp(s->line, "COPY ", 5) != 0)
		return false;
	for (i = 0; i < n; i++)
		if (s->last[(s->len - n + i) % n] != COPY_END[i])
			return false;
	return true;
}

/* A line outside of COPY data, before or behind the mark. */
static void
sql_line(struct sql *s)
{
	const char *l = s->line;
	const char *mark = s->which == ALL ? mark_all : mark_one;
	bool dashes = strcmp(l, "--") == 0;

	if (s->which != ALL && !s->opened && strncmp(l, "\\restrict ", 10) == 0) {
		s->opened = true;
		memcpy(s->token, l + 10, strlen(l + 10) + 1);
	}
	if (strncmp(l, data_for, sizeof(data_for) - 1) == 0)
		s->data = 1;
	else if (s->data > 0 && ends_copy_line(s))
		s->copy = true;
	else if (s->data > 0 && ++s->data > 8)
		s->data = 0;
	if (s->copy) {
		s->data = 0;
		s->marked = false;
	} else if (s->dashes && strcmp(l, mark) == 0) {
		s->marked = true;
		s->closed = s->released = false;
	} else if (s->marked && dashes) {
		s->closed = true;
	} else if (s->marked && strncmp(l, "\\unrestrict ", 12) == 0) {
		/* So much of a long one as both lines have kept. */
		if (s->opened && strncmp(s->token, l + 12, LINE_HEAD - 12) == 0)
			s->released = true;
	} else if (s->marked && l[0] != '\0' && strncmp(l, "--", 2) != 0) {
		s->marked = false;
	}
	s->dashes = dashes;
}

static void
end_line(struct sql *s)
{
	s->line[s->len < LINE_HEAD ? s->len : LINE_HEAD] = '\0';
	if (s->which == EITHER && ++s->lines == HEAD_LINE)
		s->which = strcmp(s->line, head_all) == 0 ? ALL : ONE;
	if (!s->copy)
		sql_line(s);
	else if (strcmp(s->line, "\\.") == 0)
		s->copy = false;
	s->len = 0;
}

static int
sql_write(struct bk_marks *m, const void *data, size_t n, struct bk_fault *f)
{
	struct sql *s = (struct sql *)m;
	const char *p = data;
	const char *nl;
	size_t k, i;

	(void)f;
	while (n > 0) {
		nl = memchr(p, '\n', n);
		k = nl != NULL ? (size_t)(nl - p) : n;
		if (s->len < LINE_HEAD)
			memcpy(s->line + s->len, p,
			    k < LINE_HEAD - s->len ? k : LINE_HEAD - s->len);
		i = k > sizeof(COPY_END) - 1 ? k - (sizeof(COPY_END) - 1) : 0;
		for (; i < k && !s->copy; i++)
			s->last[(s->len + i) % (sizeof(COPY_END) - 1)] = p[i];
		s->len += k;
		if (nl != NULL) {
			end_line(s);
			k++;
		}
		p += k;
		n -= k;
	}
	return 0;
}

static int
sql_finish(struct bk_marks *m, struct bk_fault *f)
{
	struct sql *s = (struct sql *)m;

	if (s->len == 0 && s->marked && s->closed && (!s->opened || s->released))
		return BK_MARKS_PROVEN;
	return bk_fault_set(f, BK_DATA,
	    "%s dump is cut: its last line is not '%s'%s",
	    s->which == ALL ? "pg_dumpall" : "pg_dump",
	    (s->which == ALL ? mark_all : mark_one) + 3,
	    s->marked && s->closed ? " with \\unrestrict" : "");
}

static void
sql_free(struct bk_marks *m)
{
	free(m);
}

static struct bk_marks *
sql_new(enum which which, struct bk_fault *f)
{
	struct sql *s;

	if ((s = calloc(1, sizeof(*s))) == NULL) {
		bk_fault_errno(f, 0, ENOMEM, "completeness marks");
		return NULL;
	}
	s->m = (struct bk_marks){ sql_write, sql_finish, sql_free };
	s->which = which;
	return &s->m;
}

struct bk_marks *
bk_marks_pg_plain(struct bk_fault *f)
{
	return sql_new(ONE, f);
}

struct bk_marks *
bk_marks_pg_all(struct bk_fault *f)
{
	return sql_new(ALL, f);
}

struct bk_marks *
bk_marks_pg_sql(struct bk_fault *f)
{
	return sql_new(EITHER, f);
}
