/*
 * Tokens of libconfuse's syntax (its manual, and the lexer of 3.3), read with
 * what libconfuse does not say: where a string began that never ends, that a
 * variable is not set (libconfuse takes it for ""), that a backslash would
 * vanish ("\d" becomes "d"), that a title comes twice (the later wins).
 *
 * What goes on to libconfuse is only words, punctuation and double-quoted
 * strings in which every special byte is escaped, so that it finds nothing to
 * expand.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conflex.h"

enum token { END, WORD, STRING, PUNCT };

static int
oops(const struct bk_conflex *x, struct bk_fault *f, const char *text)
{
	return bk_conf_fault(f, x->file, x->line, "%s", text);
}

/* Keep the lines of the output those of the input. */
static int
newline(struct bk_conflex *x, struct bk_fault *f)
{
	x->line++;
	return bk_buf_adds(x->out, "\n", f);
}

/* Skip blanks and comments. */
static int
skip(struct bk_conflex *x, struct bk_fault *f)
{
	int begin;

	for (;;) {
		if (*x->p == '\n') {
			if (newline(x, f) == -1)
				return -1;
			x->p++;
		} else if (*x->p == ' ' || *x->p == '\t' || *x->p == '\r')
			x->p++;
		else if (*x->p == '#' || (x->p[0] == '/' && x->p[1] == '/'))
			x->p += strcspn(x->p, "\n");
		else if (x->p[0] == '/' && x->p[1] == '*') {
			begin = x->line;
			for (x->p += 2; !(x->p[0] == '*' && x->p[1] == '/'); x->p++) {
				if (*x->p == '\0')
					return bk_conf_fault(f, x->file, begin,
					    "this comment does not end");
				if (*x->p == '\n' && newline(x, f) == -1)
					return -1;
			}
			x->p += 2;
		} else
			return 0;
	}
}

/* The value of "${...}", at which x->p stands, to the token. */
static int
variable(struct bk_conflex *x, struct bk_fault *f)
{
	const char *name = x->p + 2, *end, *dflt = NULL, *v;
	char key[256];
	size_t n;

	n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789_");
	end = name + n;
	if (end[0] == ':' && end[1] == '-') {
		dflt = end + 2;
		end = dflt + strcspn(dflt, "}\"\n");
	}
	if (n == 0 || n >= sizeof(key) || *end != '}' ||
	    (name[0] >= '0' && name[0] <= '9'))
		return oops(x, f, "want ${NAME} or ${NAME:-default}; a '$' before "
		    "'{' that is meant as such is written '\\$'");
	memcpy(key, name, n);
	key[n] = '\0';
	x->p = end + 1;
	if ((v = x->ctx->env(key)) != NULL)
		return bk_buf_adds(&x->value, v, f);
	if (dflt == NULL)
		return bk_conf_fault(f, x->file, x->line, "the environment "
		    "variable %s is not set; ${%s:-default} gives another value",
		    key, key);
	return bk_buf_add(&x->value, dflt, (size_t)(end - dflt), f);
}

/* What a backslash in double quotes, at which x->p stands, makes. */
static int
escape(struct bk_conflex *x, struct bk_fault *f)
{
	char c = x->p[1];

	x->p += 2;
	switch (c) {
	case 'n': return bk_buf_adds(&x->value, "\n", f);
	case 't': return bk_buf_adds(&x->value, "\t", f);
	case '\\': case '"': case '\'': case '$':
		return bk_buf_add(&x->value, &c, 1, f);
	default:
		return bk_conf_fault(f, x->file, x->line, "'\\%c' in double "
		    "quotes: write '\\\\%c', or the whole in single quotes",
		    c < ' ' ? ' ' : c, c < ' ' ? ' ' : c);
	}
}

/* A quoted string, at whose quote x->p stands, to x->value. */
static int
string(struct bk_conflex *x, struct bk_fault *f)
{
	char quote = *x->p++;
	int begin = x->line, rc;

	for (;;) {
		if (*x->p == quote) {
			x->p++;
			return 0;
		}
		if (*x->p == '\0' || *x->p == '\n')
			return bk_conf_fault(f, x->file, begin, "the string that "
			    "begins here does not end on its line; a backslash as "
			    "the last byte of a line continues it");
		if (x->p[0] == '\\' && x->p[1] == '\n') {
			x->p += 2;
			rc = newline(x, f);
		} else if (quote == '"' && x->p[0] == '\\')
			rc = escape(x, f);
		else if (quote == '"' && x->p[0] == '$' && x->p[1] == '{')
			rc = variable(x, f);
		else {
			if (x->p[0] == '\\' && (x->p[1] == '\'' || x->p[1] == '\\'))
				x->p++;
			rc = bk_buf_add(&x->value, x->p++, 1, f);
		}
		if (rc == -1)
			return -1;
	}
}

/* A string for libconfuse with nothing left to interpret. */
static int
quote(struct bk_buf *out, const char *s, struct bk_fault *f)
{
	int rc = bk_buf_adds(out, "\"", f);

	for (; rc == 0 && *s != '\0'; s++)
		if (*s == '\n')
			rc = bk_buf_adds(out, "\\n", f);
		else if (strchr("\\\"$", *s) != NULL)
			rc = bk_buf_addf(out, f, "\\%c", *s);
		else
			rc = bk_buf_add(out, s, 1, f);
	return rc == 0 ? bk_buf_adds(out, "\"", f) : -1;
}

/* The next token, its text in x->value; -1. */
static int
next(struct bk_conflex *x, struct bk_fault *f)
{
	size_t n;

	bk_buf_reset(&x->value);
	if (skip(x, f) == -1)
		return -1;
	if (*x->p == '\0')
		return END;
	if (*x->p == '"' || *x->p == '\'')
		return string(x, f) == -1 ? -1 : STRING;
	if (x->p[0] == '$' && x->p[1] == '{')
		return oops(x, f, "${NAME} stands in double quotes only");
	if (strchr("{}()=,+", *x->p) != NULL) {
		if (bk_buf_add(&x->value, x->p++, 1, f) == -1)
			return -1;
		return PUNCT;
	}
	for (n = 0; x->p[n] != '\0' && strchr(" \t\r\n\"'#{}()=,+", x->p[n]) == NULL;
	    n++)
		if (x->p[n] == '$' && x->p[n + 1] == '{')
			return oops(x, f, "${NAME} stands in double quotes only");
	if (bk_buf_add(&x->value, x->p, n, f) == -1)
		return -1;
	x->p += n;
	return WORD;
}

/* Is the token this punctuation? */
static bool
is(const struct bk_conflex *x, int token, const char *mark)
{
	return token == PUNCT && strcmp(bk_buf_text(&x->value), mark) == 0;
}

/* The next token must be ${mark}, after ${what}; it goes on to libconfuse. */
static int
expect(struct bk_conflex *x, const char *mark, const char *what,
    struct bk_fault *f)
{
	int t = next(x, f);

	if (t == -1)
		return -1;
	if (!is(x, t, mark))
		return bk_conf_fault(f, x->file, x->line, "want '%s' after '%s'%s",
		    mark, what, is(x, t, "+") ? "; a word stands once, with all "
		    "its values" : "");
	return bk_buf_adds(x->out, mark, f);
}

/* The values of a word, up to the last of them. */
static int
values(struct bk_conflex *x, const struct bk_confword *w, struct bk_fault *f)
{
	int t = next(x, f), begin = x->line;

	if (is(x, t, "{") && !w->list)
		return bk_conf_fault(f, x->file, x->line,
		    "'%s' takes one value, no list", w->name);
	if (t == STRING || t == WORD)
		return quote(x->out, bk_buf_text(&x->value), f);
	if (t != -1 && !is(x, t, "{"))
		return bk_conf_fault(f, x->file, begin, "'%s' has no value",
		    w->name);
	while (t != -1 && !is(x, t, "}")) {
		if (t == END)
			return bk_conf_fault(f, x->file, begin,
			    "the list of '%s' that begins here does not end",
			    w->name);
		if ((t == PUNCT ? bk_buf_adds(x->out, bk_buf_text(&x->value), f) :
		    quote(x->out, bk_buf_text(&x->value), f)) == -1)
			return -1;
		t = next(x, f);
	}
	return t == -1 ? -1 : bk_buf_adds(x->out, "}", f);
}

/* Add an element of ${size} bytes to the array at *${p}; NULL: no memory. */
static void *
grow(void **p, size_t *n, size_t size, struct bk_fault *f)
{
	char *q = realloc(*p, (*n + 1) * size);

	if (q == NULL) {
		(void)bk_fault_errno(f, BK_IO, ENOMEM, "the schedule");
		return NULL;
	}
	*p = q;
	memset(q + *n * size, 0, size);
	return q + (*n)++ * size;
}

/* A word of section ${sec}, whose name is in x->value. */
static int
word(struct bk_conflex *x, size_t sec, struct bk_fault *f)
{
	struct bk_conf_sec *s = &x->conf->secs[sec];
	const char *name = bk_buf_text(&x->value), *known[128], *near;
	const struct bk_confword *w = bk_confword_find(s->kind, name);
	const struct bk_conf_word *had;
	struct bk_conf_word *made;
	void *words = s->words;

	if (w == NULL) {
		near = bk_conf_nearest(name, known, bk_confword_names(s->kind,
		    known, sizeof(known) / sizeof(known[0])));
		return bk_conf_fault(f, x->file, x->line,
		    "unknown word '%.64s'%s%s%s%s%s", name,
		    s->kind != BK_CONF_TOP ? " in " : "",
		    bk_conf_kinds[s->kind], near != NULL ? "; do you mean '" : "",
		    near != NULL ? near : "", near != NULL ? "'?" : "");
	}
	if ((had = bk_conf_word(s, w->name)) != NULL)
		return bk_conf_fault(f, x->file, x->line,
		    "'%s' stands already in %s:%d", w->name, had->file, had->line);
	made = grow(&words, &s->nwords, sizeof(*made), f);
	s->words = words;
	if (made == NULL)
		return -1;
	made->name = w->name;
	made->file = x->file;
	made->line = x->line;
	if (bk_buf_addf(x->out, f, " %s ", w->name) == -1 ||
	    expect(x, "=", w->name, f) == -1)
		return -1;
	return values(x, w, f);
}

static int
new_section(struct bk_conflex *x, enum bk_conf_kind kind, struct bk_fault *f)
{
	const char *title = bk_buf_text(&x->value);
	struct bk_conf *c = x->conf;
	struct bk_conf_sec *s;
	void *secs = c->secs;
	size_t i;

	for (i = 0; i < c->nsecs; i++)
		if (c->secs[i].kind == kind && strcmp(c->secs[i].title, title) == 0)
			return bk_conf_fault(f, x->file, x->line,
			    "%s '%s' stands already in %s:%d",
			    bk_conf_kinds[kind], title, c->secs[i].file,
			    c->secs[i].line);
	s = grow(&secs, &c->nsecs, sizeof(*s), f);
	c->secs = secs;
	if (s == NULL)
		return -1;
	s->kind = kind;
	s->file = x->file;
	s->line = x->line;
	if ((s->title = strdup(title)) == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "the schedule");
	return 0;
}

/* A section, whose first word was read. */
static int
section(struct bk_conflex *x, enum bk_conf_kind kind, struct bk_fault *f)
{
	const char *name = bk_conf_kinds[kind];
	int t = next(x, f), begin = x->line;
	size_t sec;

	if (t == -1)
		return -1;
	if (t != STRING && t != WORD)
		return bk_conf_fault(f, x->file, x->line,
		    "want a name in quotes after '%s'", name);
	if (new_section(x, kind, f) == -1 ||
	    bk_buf_addf(x->out, f, " %s ", name) == -1 ||
	    quote(x->out, bk_buf_text(&x->value), f) == -1 ||
	    expect(x, "{", name, f) == -1)
		return -1;
	sec = x->conf->nsecs - 1;
	while ((t = next(x, f)) == WORD)
		if (word(x, sec, f) == -1)
			return -1;
	if (t == -1)
		return -1;
	if (t == END)
		return bk_conf_fault(f, x->file, begin,
		    "the %s '%s' that begins here has no closing '}'", name,
		    x->conf->secs[sec].title);
	if (!is(x, t, "}"))
		return bk_conf_fault(f, x->file, x->line,
		    "'%.64s' where a word or '}' is wanted",
		    bk_buf_text(&x->value));
	return bk_buf_adds(x->out, "}", f);
}

/* include("PATH"), whose first word was read. */
static int
include(struct bk_conflex *x, struct bk_fault *f)
{
	int t, line = x->line;
	bool open;

	if ((t = next(x, f)) == -1)
		return -1;
	if ((open = is(x, t, "(")) && (t = next(x, f)) == -1)
		return -1;
	if (t != STRING || *bk_buf_text(&x->value) == '\0')
		return bk_conf_fault(f, x->file, x->line,
		    "want include(\"PATH\"), a file or a directory");
	if (x->include(x->arg, bk_buf_text(&x->value), line, f) == -1)
		return -1;
	if (open && ((t = next(x, f)) == -1 || !is(x, t, ")")))
		return bk_conf_fault(f, x->file, x->line,
		    "want ')' after the path of include");
	return 0;
}

int
bk_conflex_run(struct bk_conflex *x, struct bk_fault *f)
{
	size_t kind;
	int t, rc = 0;

	x->p = x->text;
	x->line = 1;
	x->value.max = x->len + (1 << 20);
	if (strlen(x->text) != x->len)
		return bk_fault_set(f, BK_CONFIG, "%s: holds a NUL byte", x->file);
	while (rc == 0 && (t = next(x, f)) != END) {
		if (t == -1) {
			rc = -1;
			break;
		}
		if (t != WORD) {
			rc = bk_conf_fault(f, x->file, x->line,
			    "'%.64s' where a word is wanted",
			    bk_buf_text(&x->value));
			break;
		}
		for (kind = BK_CONF_KINDS - 1; kind > BK_CONF_TOP &&
		    strcmp(bk_conf_kinds[kind], bk_buf_text(&x->value)) != 0;)
			kind--;
		if (strcmp(bk_buf_text(&x->value), "include") == 0)
			rc = include(x, f);
		else if (kind != BK_CONF_TOP)
			rc = section(x, (enum bk_conf_kind)kind, f);
		else
			rc = word(x, 0, f);
	}
	bk_buf_release(&x->value);
	return rc == 0 ? bk_buf_adds(x->out, "\n", f) : -1;
}
