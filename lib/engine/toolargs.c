/*
 * Argument lists for vendor tools, and the user's part of them checked.
 *
 * getopt_long(3) and MySQL's my_getopt both take any unambiguous
 * abbreviation of a long option, and my_getopt '_' for '-' and the prefixes
 * "skip-", "disable-", "enable-", "maximum-" and "loose-" ("Program Option
 * Modifiers" in the MySQL manual): a refusal by exact name alone would be no
 * refusal.  An abbreviation that could be either a refused option or another
 * is refused too; the tool itself would call it ambiguous.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static int
refuse(const struct bk_tool_opts *o, const char *word, const char *why,
    struct bk_fault *f)
{
	return bk_fault_set(f, BK_USAGE, "%s option '%.200s' is refused: %s",
	    o->tool, word, why);
}

/* Is ${name} of ${n} bytes an abbreviation of ${option}, or it? */
static bool
abbreviates(const char *name, size_t n, const char *option)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (option[i] == '\0' ||
		    (name[i] == '_' ? '-' : name[i]) != option[i])
			return false;
	return n > 0;
}

/* The refusal for a long name, or NULL. */
static const struct bk_tool_refusal *
find_long(const struct bk_tool_opts *o, const char *name, size_t n)
{
	static const char *const modifiers[] = {
		"loose-", "skip-", "disable-", "enable-", "maximum-"
	};
	const struct bk_tool_refusal *r;
	size_t i, len;

	for (r = o->refused; r->option != NULL; r++)
		if (strlen(r->option) > 1 && abbreviates(name, n, r->option))
			return r;
	for (i = 0; i < sizeof(modifiers) / sizeof(*modifiers); i++) {
		len = strlen(modifiers[i]);
		if (n > len && abbreviates(name, len, modifiers[i]))
			return find_long(o, name + len, n - len);
	}
	return NULL;
}

static int
check_long(const struct bk_tool_opts *o, const char *word, struct bk_fault *f)
{
	const struct bk_tool_refusal *r;
	size_t n = strcspn(word + 2, "=");

	if (n == 0)
		return refuse(o, word, "it is no option", f);
	r = find_long(o, word + 2, n);
	return r == NULL ? 0 : refuse(o, word, r->why, f);
}

/*
 * One word of short options; *${more} is set where the last one's argument
 * is the next word.
 */
static int
check_short(const struct bk_tool_opts *o, const char *word, bool *more,
    struct bk_fault *f)
{
	const struct bk_tool_refusal *r;
	const char *p;

	for (p = word + 1; *p != '\0'; p++) {
		for (r = o->refused; r->option != NULL; r++)
			if (r->option[0] == *p && r->option[1] == '\0')
				return refuse(o, word, r->why, f);
		if (o->shorts_opt != NULL && strchr(o->shorts_opt, *p) != NULL)
			return 0;
		if (o->shorts_arg != NULL && strchr(o->shorts_arg, *p) != NULL) {
			*more = p[1] == '\0';
			return 0;
		}
	}
	return 0;
}

int
bk_tool_opts_check(const struct bk_tool_opts *o, const char *const *args,
    struct bk_fault *f)
{
	const char *const *a;
	bool more;

	for (a = args; a != NULL && *a != NULL; a++) {
		more = false;
		if ((*a)[0] != '-' || (*a)[1] == '\0')
			return bk_fault_set(f, BK_USAGE,
			    "'%.200s' is no option of %s; write a value as --name=value",
			    *a, o->tool);
		if ((*a)[1] == '-') {
			if (check_long(o, *a, f) == -1)
				return -1;
			continue;
		}
		if (check_short(o, *a, &more, f) == -1)
			return -1;
		if (more && *++a == NULL)
			return bk_fault_set(f, BK_USAGE,
			    "%s option '%.200s' needs a value", o->tool, a[-1]);
	}
	return 0;
}

/* Takes ${s}, which is NULL where memory ran out. */
static int
push(struct bk_argv *a, char *s, struct bk_fault *f)
{
	if (s == NULL)
		return bk_fault_errno(f, 0, ENOMEM, "arguments");
	if (a->n == BK_ARGV_MAX) {
		free(s);
		return bk_fault_set(f, BK_USAGE,
		    "more than %d arguments for a tool", BK_ARGV_MAX);
	}
	a->v[a->n++] = s;
	a->v[a->n] = NULL;
	return 0;
}

int
bk_argv_add(struct bk_argv *a, const char *s, struct bk_fault *f)
{
	return push(a, strdup(s), f);
}

int
bk_argv_addf(struct bk_argv *a, struct bk_fault *f, const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return push(a, n == -1 ? NULL : s, f);
}

int
bk_argv_all(struct bk_argv *a, const char *const *args, struct bk_fault *f)
{
	for (; args != NULL && *args != NULL; args++)
		if (bk_argv_add(a, *args, f) == -1)
			return -1;
	return 0;
}

const char *const *
bk_argv_get(const struct bk_argv *a)
{
	return (const char *const *)a->v;
}

void
bk_argv_release(struct bk_argv *a)
{
	while (a->n > 0)
		free(a->v[--a->n]);
	a->v[0] = NULL;
}
