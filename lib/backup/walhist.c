/*
 * Facts (documentation of PostgreSQL, "Timelines"; access/timeline.c):
 * NNNNNNNN.history has a line "TLI<tab>POSITION<tab>reason" for each timeline
 * that NNNNNNNN descends from, oldest first, with the position where it was
 * left; '#' begins a comment.  The segment that holds that position is read
 * from the younger timeline.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pglsn.h"
#include "walhist.h"

#define HISTORY_MAX (1 << 20)

/* A line, of ${n} bytes. */
static int
parse_line(const char *p, size_t n, struct bk_wal_leg *leg)
{
	char lsn[40] = "";
	size_t len;
	char *end;

	leg->tli = (uint32_t)strtoul(p, &end, 10);
	if (end == p)
		return -1;
	end += strspn(end, " \t");
	len = strcspn(end, " \t\n");
	if (end > p + n || len >= sizeof(lsn))
		return -1;
	memcpy(lsn, end, len);
	return bk_pglsn_parse(lsn, &leg->until);
}

int
bk_wal_way_parse(const char *text, uint32_t tli, struct bk_wal_way *w,
    struct bk_fault *f)
{
	const char *p, *word;
	size_t n;

	w->n = 0;
	for (p = text; *p != '\0'; p += n + (p[n] != '\0')) {
		n = strcspn(p, "\n");
		word = p + strspn(p, " \t");
		if (*word == '\n' || *word == '#' || *word == '\0')
			continue;
		if (w->n + 1 == BK_WAL_BRANCHES_MAX)
			return bk_fault_set(f, BK_DATA, "more than %d timelines",
			    BK_WAL_BRANCHES_MAX);
		if (parse_line(p, n, &w->leg[w->n]) == -1)
			return bk_fault_set(f, BK_DATA,
			    "a history of a timeline has the line '%.*s'",
			    (int)(n < 80 ? n : 80), p);
		w->n++;
	}
	w->leg[w->n++] = (struct bk_wal_leg){ tli, UINT64_MAX };
	return 0;
}

static int
take_text(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	return bk_buf_add(arg, p, n, f);
}

int
bk_wal_way(struct bk_store *s, const char *name, uint64_t system,
    uint32_t tli, struct bk_wal_way *w, struct bk_fault *f)
{
	struct bk_buf text = BK_BUF_INIT(HISTORY_MAX);
	char file[BK_WAL_FILE_MAX];
	struct bk_wal_name n;
	struct bk_wal_key k;
	int rc;

	(void)snprintf(file, sizeof(file), "%08X.history", tli);
	(void)bk_wal_name_parse(file, &n);
	if ((rc = bk_wal_find(s, name, system, &n, &k, f)) == 0 &&
	    (rc = bk_wal_get(s, name, &k, take_text, &text, f)) == 0)
		rc = bk_wal_way_parse(bk_buf_text(&text), tli, w, f);
	bk_buf_release(&text);
	return rc;
}
