/* RFC 8259, the plain part of it. */
#include <string.h>

#include "jsonpick.h"

#define DEPTH_MAX 32

static const char *
blanks(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

/* Behind the closing quote of the text whose opening one is at ${p}; or NULL. */
static const char *
text_end(const char *p, const char *end)
{
	for (p++; p < end; p++) {
		if (*p == '"')
			return p + 1;
		/* Also what is not ASCII, where char is signed. */
		if ((unsigned char)*p < ' ' || (unsigned char)*p > '~' ||
		    *p == '\\')
			return NULL;
	}
	return NULL;
}

/* Behind the object or array that begins at ${p}; NULL. */
static const char *
nest_end(const char *p, const char *end)
{
	char close[DEPTH_MAX];
	size_t depth = 0;

	while (p != NULL && p < end)
		switch (*p) {
		case '"':
			p = text_end(p, end);
			break;
		case '{':
		case '[':
			if (depth == DEPTH_MAX)
				return NULL;
			close[depth++] = *p == '{' ? '}' : ']';
			p++;
			break;
		case '}':
		case ']':
			if (close[--depth] != *p++)
				return NULL;
			if (depth == 0)
				return p;
			break;
		default:
			p++;
			break;
		}
	return NULL;
}

/* The value at *${at}, which is moved behind it.  0 or -1. */
static int
value(const char **at, const char *end, struct bk_json_part *v)
{
	static const char *const words[] = { "true", "false", "null" };
	const char *p = *at, *to = NULL;
	size_t i, n;

	if (p == end)
		return -1;
	*v = (struct bk_json_part){ .p = p, .kind = *p };
	if (*p == '"')
		to = text_end(p, end);
	else if (*p == '{' || *p == '[')
		to = nest_end(p, end);
	else if ((*p >= '0' && *p <= '9') || *p == '-') {
		v->kind = '0';
		for (to = p; to < end && *to != '\0' &&
		    strchr("0123456789+-.eE", *to) != NULL; to++)
			;
	} else
		for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			n = strlen(words[i]);
			if ((size_t)(end - p) >= n && memcmp(p, words[i], n) == 0)
				to = p + n;
		}
	if (to == NULL)
		return -1;
	v->n = (size_t)(to - p);
	if (v->kind == '"') {
		v->p++;
		v->n -= 2;
	}
	*at = to;
	return 0;
}

/* The place of this key, or ${n}. */
static size_t
find(const char *const *keys, size_t n, const struct bk_json_part *key)
{
	size_t i;

	for (i = 0; i < n && !bk_json_part_is(key, keys[i]); i++)
		;
	return i;
}

int
bk_json_pick(const char *p, size_t n, const char *const *keys, size_t nkeys,
    struct bk_json_part *out)
{
	const char *end = p + n;
	struct bk_json_part key, v;
	size_t i;
	bool first = true;

	for (i = 0; i < nkeys; i++)
		out[i] = (struct bk_json_part){ NULL, 0, 0 };
	p = blanks(p, end);
	if (p == end || *p++ != '{')
		return -1;
	for (;; first = false) {
		p = blanks(p, end);
		if (p < end && *p == '}')
			return blanks(p + 1, end) == end ? 0 : -1;
		if (!first && (p == end || *p++ != ','))
			return -1;
		p = blanks(p, end);
		if (value(&p, end, &key) == -1 || key.kind != '"')
			return -1;
		p = blanks(p, end);
		if (p == end || *p++ != ':')
			return -1;
		p = blanks(p, end);
		if (value(&p, end, &v) == -1)
			return -1;
		if ((i = find(keys, nkeys, &key)) == nkeys)
			continue;
		if (out[i].kind != 0)
			return -1;
		out[i] = v;
	}
}

int
bk_json_pick_next(const char **at, const char *end, struct bk_json_part *out)
{
	const char *p = blanks(*at, end);

	if (p == end || (*p != '[' && *p != ',' && *p != ']'))
		return -1;
	if (*p == ']')
		return 0;
	if (*p++ == '[' && (p = blanks(p, end)) < end && *p == ']')
		return 0;
	p = blanks(p, end);
	if (value(&p, end, out) == -1)
		return -1;
	*at = p;
	return 1;
}

bool
bk_json_part_is(const struct bk_json_part *v, const char *text)
{
	return v->kind == '"' && strlen(text) == v->n &&
	    memcmp(v->p, text, v->n) == 0;
}

bool
bk_json_part_text(const struct bk_json_part *v, char *out, size_t size)
{
	if (v->kind != '"' || v->n >= size)
		return false;
	memcpy(out, v->p, v->n);
	out[v->n] = '\0';
	return true;
}

int64_t
bk_json_part_int(const struct bk_json_part *v)
{
	int64_t n = 0;
	size_t i;

	/* 18 digits are below 2^63. */
	if (v->kind != '0' || v->n == 0 || v->n > 18)
		return -1;
	for (i = 0; i < v->n; i++) {
		if (v->p[i] < '0' || v->p[i] > '9')
			return -1;
		n = n * 10 + (v->p[i] - '0');
	}
	return n;
}
