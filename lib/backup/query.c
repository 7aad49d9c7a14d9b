/*
 * PromQL label matchers (prometheus.io/docs/prometheus/latest/querying/basics,
 * "Instant vector selectors" and "String literals"):
 *
 *   '{' [ matcher { ',' matcher } [ ',' ] ] '}'
 *   matcher = label ( '=' | '!=' | '=~' | '!~' ) string
 *
 * Strings are quoted with ", ' or `; in the first two a backslash begins an
 * escape as in Go (\a \b \f \n \r \t \v \\ the quote, \ooo, \xHH, \uHHHH,
 * \UHHHHHHHH) and no line ends inside; between ` everything stands as it is.
 * Expressions match the whole value, and '.' matches any character.
 *
 * Where Prometheus has RE2, which is linear, PCRE2 backtracks: each match has
 * a bound on its steps and its memory, and passing it is a fault, never a
 * silent no.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "json.h"
#include "names.h"
#include "period.h"
#include "query.h"

#define MATCHERS_MAX 64
#define TEXT_MAX 65536
#define MATCH_LIMIT 200000
#define DEPTH_LIMIT 2000
#define HEAP_LIMIT_KIB 8192

struct matcher {
	char label[BK_TAG_KEY_MAX + 1];
	bool member;			/* of the record, not a tag */
	enum bk_period mark;		/* or BK_LAST */
	bool negate;
	char *value;			/* of = and != */
	pcre2_code *re;			/* of =~ and !~ */
};

struct bk_query {
	struct matcher m[MATCHERS_MAX];
	size_t n;
	pcre2_match_context *ctx;
	pcre2_match_data *data;
};

struct parser {
	const char *text;
	const char *s;			/* where we are */
	struct bk_fault *f;
};

/* What queries know beside tags (DESIGN, 8). */
static const char *const members[] = {
	"name", "engine", "id", "host", "parent", "trigger", "group", NULL
};

static bool
is_member(const char *s)
{
	size_t i;

	for (i = 0; members[i] != NULL; i++)
		if (strcmp(members[i], s) == 0)
			return true;
	return false;
}

static int
wrong(struct parser *p, const char *what)
{
	return bk_fault_set(p->f, BK_USAGE, "query: at character %zu: %s",
	    (size_t)(p->s - p->text) + 1, what);
}

static void
skip_blank(struct parser *p)
{
	while (*p->s == ' ' || *p->s == '\t' || *p->s == '\n' || *p->s == '\r')
		p->s++;
}

static bool
label_byte(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	    (!first && c >= '0' && c <= '9');
}

static int
parse_label(struct parser *p, struct matcher *m)
{
	size_t n = 0;

	while (label_byte(p->s[n], n == 0))
		n++;
	if (n == 0)
		return wrong(p, "want a label: a letter or '_', then letters, "
		    "digits and '_'");
	if (n > BK_TAG_KEY_MAX)
		return wrong(p, "a label has at most 63 bytes");
	memcpy(m->label, p->s, n);
	m->label[n] = '\0';
	m->mark = bk_mark_period(m->label);
	m->member = is_member(m->label);
	p->s += n;
	return 0;
}

/* Append ${c} as UTF-8 (RFC 3629, section 3). */
static int
add_rune(struct parser *p, struct bk_buf *b, unsigned long c)
{
	char u[4];
	size_t n;

	if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return wrong(p, "an escape that is no character");
	if (c < 0x80) {
		u[0] = (char)c;
		n = 1;
	} else if (c < 0x800) {
		u[0] = (char)(0xc0 | (c >> 6));
		u[1] = (char)(0x80 | (c & 0x3f));
		n = 2;
	} else if (c < 0x10000) {
		u[0] = (char)(0xe0 | (c >> 12));
		u[1] = (char)(0x80 | ((c >> 6) & 0x3f));
		u[2] = (char)(0x80 | (c & 0x3f));
		n = 3;
	} else {
		u[0] = (char)(0xf0 | (c >> 18));
		u[1] = (char)(0x80 | ((c >> 12) & 0x3f));
		u[2] = (char)(0x80 | ((c >> 6) & 0x3f));
		u[3] = (char)(0x80 | (c & 0x3f));
		n = 4;
	}
	return bk_buf_add(b, u, n, p->f);
}

static int
digit(char c, int base)
{
	int v;

	if (c >= '0' && c <= '9')
		v = c - '0';
	else if (c >= 'a' && c <= 'f')
		v = c - 'a' + 10;
	else if (c >= 'A' && c <= 'F')
		v = c - 'A' + 10;
	else
		return -1;
	return v < base ? v : -1;
}

/* An escape of ${n} digits at p->s; a byte, or a character where ${rune}. */
static int
numeric(struct parser *p, struct bk_buf *b, int n, int base, bool rune)
{
	unsigned long v = 0;
	char byte;
	int i, d;

	for (i = 0; i < n; i++, p->s++) {
		if ((d = digit(*p->s, base)) == -1)
			return wrong(p, "an escape lacks a digit");
		v = v * (unsigned long)base + (unsigned long)d;
	}
	if (rune)
		return v == 0 ? wrong(p, "a value holds no NUL") :
		    add_rune(p, b, v);
	if (v == 0 || v > 255)
		return wrong(p, "an escape that is no byte from 1 to 255");
	byte = (char)v;
	return bk_buf_add(b, &byte, 1, p->f);
}

/* The escape behind a backslash; p->s is on its first byte. */
static int
escape(struct parser *p, struct bk_buf *b, char quote)
{
	static const char from[] = "abfnrtv\\", to[] = "\a\b\f\n\r\t\v\\";
	const char *at;
	char c = *p->s;

	if (c >= '0' && c <= '7')
		return numeric(p, b, 3, 8, false);
	if (c == '\0')
		return wrong(p, "the string is not closed");
	if (c == quote || (at = strchr(from, c)) != NULL) {
		p->s++;
		return bk_buf_add(b, c == quote ? &c : &to[at - from], 1, p->f);
	}
	if (c != 'x' && c != 'u' && c != 'U')
		return wrong(p, "an unknown escape");
	p->s++;
	return c == 'x' ? numeric(p, b, 2, 16, false) :
	    numeric(p, b, c == 'u' ? 4 : 8, 16, true);
}

static int
parse_string(struct parser *p, struct bk_buf *b)
{
	char quote = *p->s;
	const char *start;

	if (quote != '"' && quote != '\'' && quote != '`')
		return wrong(p, "want a string in \"…\", '…' or `…`");
	start = p->s++;
	while (*p->s != quote) {
		if (*p->s == '\0' || (*p->s == '\n' && quote != '`')) {
			p->s = start;
			return wrong(p, "the string is not closed");
		}
		if (*p->s == '\\' && quote != '`') {
			p->s++;
			if (escape(p, b, quote) == -1)
				return -1;
		} else if (bk_buf_add(b, p->s++, 1, p->f) == -1)
			return -1;
	}
	p->s++;
	if (!bk_utf8_ok(bk_buf_text(b), b->len)) {
		p->s = start;
		return wrong(p, "the string is not UTF-8");
	}
	return 0;
}

/* Compile ${pattern}, whose quote stands at ${start}. */
static int
compile(struct parser *p, struct matcher *m, const char *start,
    const struct bk_buf *pattern)
{
	PCRE2_UCHAR why[160];
	PCRE2_SIZE at;
	int err;
	char text[256];

	m->re = pcre2_compile((PCRE2_SPTR)bk_buf_text(pattern), pattern->len,
	    PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOTALL |
	    PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C, &err, &at, NULL);
	if (m->re != NULL)
		return 0;
	if (err == PCRE2_ERROR_HEAP_FAILED)
		return bk_fault_set(p->f, BK_IO, "out of memory");
	(void)pcre2_get_error_message(err, why, sizeof(why));
	(void)snprintf(text, sizeof(text), "the expression, at its byte %zu: %s",
	    (size_t)at + 1, (const char *)why);
	p->s = start;
	return wrong(p, text);
}

static int
parse_matcher(struct parser *p, struct matcher *m)
{
	struct bk_buf b = BK_BUF_INIT(TEXT_MAX);
	const char *start;
	bool regex;
	int rc = -1;

	if (parse_label(p, m) == -1)
		return -1;
	skip_blank(p);
	if (p->s[0] == '!' && (p->s[1] == '=' || p->s[1] == '~')) {
		m->negate = true;
		regex = p->s[1] == '~';
		p->s += 2;
	} else if (p->s[0] == '=') {
		regex = p->s[1] == '~';
		p->s += regex ? 2 : 1;
	} else
		return wrong(p, "want =, !=, =~ or !~");
	skip_blank(p);
	start = p->s;
	if (parse_string(p, &b) == -1)
		goto out;
	if (regex)
		rc = compile(p, m, start, &b);
	else
		rc = (m->value = strdup(bk_buf_text(&b))) != NULL ? 0 :
		    bk_fault_set(p->f, BK_IO, "out of memory");
out:
	bk_buf_release(&b);
	return rc;
}

static int
parse_all(struct parser *p, struct bk_query *q)
{
	skip_blank(p);
	if (*p->s != '{')
		return wrong(p, "want '{'");
	p->s++;
	skip_blank(p);
	while (*p->s != '}') {
		if (q->n == MATCHERS_MAX)
			return wrong(p, "more than 64 matchers");
		/* Counted first, so that what it owns is freed in any case. */
		if (parse_matcher(p, &q->m[q->n++]) == -1)
			return -1;
		skip_blank(p);
		if (*p->s == ',') {
			p->s++;
			skip_blank(p);
		} else if (*p->s != '}')
			return wrong(p, "want ',' or '}'");
	}
	p->s++;
	skip_blank(p);
	return *p->s == '\0' ? 0 : wrong(p, "nothing may follow '}'");
}

struct bk_query *
bk_query_parse(const char *text, struct bk_fault *f)
{
	struct parser p = { text, text, f };
	struct bk_query *q;

	if (strlen(text) > TEXT_MAX) {
		(void)bk_fault_set(f, BK_USAGE, "query: longer than %d bytes",
		    TEXT_MAX);
		return NULL;
	}
	if ((q = calloc(1, sizeof(*q))) == NULL ||
	    (q->ctx = pcre2_match_context_create(NULL)) == NULL ||
	    (q->data = pcre2_match_data_create(1, NULL)) == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		goto fail;
	}
	(void)pcre2_set_match_limit(q->ctx, MATCH_LIMIT);
	(void)pcre2_set_depth_limit(q->ctx, DEPTH_LIMIT);
	(void)pcre2_set_heap_limit(q->ctx, HEAP_LIMIT_KIB);
	if (parse_all(&p, q) == 0)
		return q;
fail:
	bk_query_free(q);
	return NULL;
}

void
bk_query_free(struct bk_query *q)
{
	size_t i;

	if (q == NULL)
		return;
	for (i = 0; i < q->n; i++) {
		free(q->m[i].value);
		pcre2_code_free(q->m[i].re);
	}
	pcre2_match_data_free(q->data);
	pcre2_match_context_free(q->ctx);
	free(q);
}

/* The value that a matcher looks at; "" where there is none. */
static const char *
value_of(const struct matcher *m, const struct bk_record *rec)
{
	const json_t *o = m->member ? rec->json :
	    json_object_get(rec->json, "tags");
	const char *v = bk_json_get_text(o, m->label);

	if (m->mark != BK_LAST)
		return bk_marked(rec, m->mark) ? "true" : "";
	return v != NULL ? v : "";
}

int
bk_query_match(const struct bk_query *q, const struct bk_record *rec,
    struct bk_fault *f)
{
	const struct matcher *m;
	const char *v;
	bool same;
	size_t i;
	int rc;

	for (i = 0; q != NULL && i < q->n; i++) {
		m = &q->m[i];
		v = value_of(m, rec);
		if (m->re == NULL)
			same = strcmp(v, m->value) == 0;
		else {
			rc = pcre2_match(m->re, (PCRE2_SPTR)v, strlen(v), 0,
			    PCRE2_NO_UTF_CHECK, q->data, q->ctx);
			if (rc == PCRE2_ERROR_NOMEMORY)
				return bk_fault_set(f, BK_IO, "out of memory");
			if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
				return bk_fault_set(f, BK_USAGE, "query: the "
				    "expression for '%s' takes too long on "
				    "'%.64s': make it simpler", m->label, v);
			same = rc >= 0;
		}
		if (same == m->negate)
			return 0;
	}
	return 1;
}

bool
bk_query_marks(const struct bk_query *q)
{
	size_t i;

	for (i = 0; q != NULL && i < q->n; i++)
		if (q->m[i].mark != BK_LAST)
			return true;
	return false;
}
