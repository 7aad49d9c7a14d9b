/*
 * The prefixes are sorted, and those of one timeline looked for in one
 * listing, from the first to the last: a base backup of hours requires
 * thousands of segments.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "child.h"
#include "requires.h"
#include "wal.h"

#define MANY (UINT32_C(1) << 20)
#define WAIT_MIN 250			/* ms */
#define WAIT_MAX 15000
#define WARN_AFTER 10000		/* such a wait is not what was meant */

struct need {
	const char *prefix;
	size_t dir;			/* bytes up to and with the last '/' */
	bool found;
};

struct bk_requires {
	size_t len;
	struct need v[];
};

static int
order(const void *a, const void *b)
{
	return strcmp(((const struct need *)a)->prefix,
	    ((const struct need *)b)->prefix);
}

/* A prefix is a key less its hash. */
static bool
prefix_ok(const char *p, const char *name)
{
	struct bk_buf b = BK_BUF_INIT(BK_KEY_MAX);
	struct bk_fault quiet = BK_FAULT_INIT;
	struct bk_wal_key k;
	bool good = bk_buf_addf(&b, &quiet, "%s0123456789abcdef", p) == 0 &&
	    bk_wal_key_parse(b.p, name, &k) && *k.suffix == '\0';

	bk_buf_release(&b);
	return good;
}

int
bk_requires_new(const json_t *requires, const char *name, struct bk_requires **out,
    struct bk_fault *f)
{
	size_t i, n = json_array_size(requires);
	struct bk_requires *ne;
	const char *p;

	*out = NULL;
	if (requires != NULL && (!json_is_array(requires) || n > MANY))
		return bk_fault_set(f, BK_DATA, "end line: 'requires' is no list");
	if (n == 0)
		return 0;
	if ((ne = calloc(1, sizeof(*ne) + n * sizeof(ne->v[0]))) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	for (i = 0; i < n; i++) {
		p = json_string_value(json_array_get(requires, i));
		if (p == NULL || !prefix_ok(p, name)) {
			bk_requires_free(ne);
			return bk_fault_set(f, BK_DATA, "end line: 'requires' "
			    "names '%.200s', which is no file of WAL of '%s'",
			    p != NULL ? p : "?", name);
		}
		ne->v[i] = (struct need){ p,
			(size_t)(strrchr(p, '/') - p) + 1, false };
	}
	qsort(ne->v, n, sizeof(ne->v[0]), order);
	for (i = 0; i < n; i++)
		if (ne->len == 0 || order(&ne->v[ne->len - 1], &ne->v[i]) != 0)
			ne->v[ne->len++] = ne->v[i];
	*out = ne;
	return 0;
}

void
bk_requires_free(struct bk_requires *n)
{
	free(n);
}

/* Needs of one directory, being looked for. */
struct looking {
	struct need *v, *end;
};

static int
mark(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	struct looking *l = arg;
	struct need *n;
	int cmp = 1;

	(void)f;
	/* Both are in order: those before this key are missing. */
	for (n = l->v; n < l->end; n++) {
		cmp = strncmp(o->key, n->prefix, strlen(n->prefix));
		if (cmp <= 0)
			break;
	}
	l->v = n;
	if (n == l->end)
		return BK_LIST_STOP;
	n->found |= cmp == 0;
	return 0;
}

/* Look for those from ${v} on that share its directory; *${next}: the rest. */
static int
look_dir(struct bk_store *s, struct need *v, struct need *end,
    struct need **next, struct bk_fault *f)
{
	struct bk_buf dir = BK_BUF_INIT(BK_KEY_MAX), after = BK_BUF_INIT(BK_KEY_MAX);
	struct looking l = { v, v };
	int rc = -1;

	while (l.end < end && l.end->dir == v->dir &&
	    strncmp(l.end->prefix, v->prefix, v->dir) == 0)
		l.end++;
	*next = l.end;
	while (l.v < l.end && l.v->found)
		l.v++;
	/* "…/<file>" sorts before "…/<file>-…". */
	if (l.v == l.end)
		rc = 0;
	else if (bk_buf_add(&dir, v->prefix, v->dir, f) == 0 &&
	    bk_buf_add(&after, l.v->prefix, strlen(l.v->prefix) - 1, f) == 0)
		rc = bk_store_list(s, dir.p, after.p, mark, &l, f);
	bk_buf_release(&after);
	bk_buf_release(&dir);
	return rc;
}

int
bk_requires_look(struct bk_requires *n, struct bk_store *s, bool anew,
    const char **missing, struct bk_fault *f)
{
	struct need *v = n->v, *end = n->v + n->len;
	size_t i;

	for (i = 0; anew && i < n->len; i++)
		n->v[i].found = false;
	while (v < end)
		if (look_dir(s, v, end, &v, f) == -1)
			return -1;
	for (i = 0; i < n->len; i++)
		if (!n->v[i].found) {
			*missing = n->v[i].prefix;
			return 0;
		}
	return 1;
}

/* Sleep.  0, or -1: stopped. */
static int
nap(const struct bk_ctx *ctx, int64_t ms, struct bk_fault *f)
{
	struct pollfd p = { .fd = ctx->stop > 2 ? ctx->stop : -1,
		.events = POLLIN };

	(void)poll(&p, 1, (int)ms);
	return bk_stop_take(ctx) ? bk_fault_set(f, BK_DATA, "stopped") : 0;
}

int
bk_requires_wait(const struct bk_ctx *ctx, struct bk_requires *n,
    struct bk_store *s, int64_t ms, struct bk_fault *f)
{
	int64_t left, wait = WAIT_MIN, until = ctx->mono() + ms;
	const char *missing = NULL;
	enum bk_level told = BK_LOG_ERROR;
	int rc;

	while ((rc = bk_requires_look(n, s, false, &missing, f)) == 0) {
		if ((left = until - ctx->mono()) <= 0)
			return bk_fault_set(f, BK_DATA, "the backup requires "
			    "'%s*', which did not come into %s in time: does the "
			    "server's archive_command store it there, under that "
			    "name?", missing, s->url);
		if (told == BK_LOG_ERROR || (told == BK_LOG_INFO &&
		    ms - left >= WARN_AFTER)) {
			told = told == BK_LOG_ERROR ? BK_LOG_INFO : BK_LOG_WARN;
			ctx->log(told, "waiting for '%s*', which the backup "
			    "requires, in %s", missing, s->url);
		}
		if (nap(ctx, wait < left ? wait : left, f) == -1)
			return -1;
		wait = 2 * wait < WAIT_MAX ? 2 * wait : WAIT_MAX;
	}
	return rc == 1 ? 0 : -1;
}
