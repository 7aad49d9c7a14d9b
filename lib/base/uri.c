/*
 * URLs come from command lines, where a password would be seen by everybody
 * (ps), and go into messages.  Therefore whatever could hold one is refused
 * first, and no fault here repeats the text of a URL that has an '@': a
 * password may itself hold '/', '?', '#' or '@' that nobody encoded, and
 * then lies where RFC 3986 sees a port, a path or a query.
 *
 * Encoded characters are decoded after the parts were separated (section
 * 2.4).  '+' is itself: form encoding is not part of RFC 3986.
 */
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "uri.h"

#define TEXT_MAX 4096
#define ALPHA "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

/* Refuse with 64; everything after the scheme stays unsaid. */
#define refuse(u, f, why) \
	bk_fault_set((f), BK_USAGE, "URL '%s:…': %s", (u)->scheme, (why))

static char *
copy(const char *s, size_t n, struct bk_fault *f)
{
	char *p;

	if ((p = strndup(s, n)) == NULL)
		(void)bk_fault_set(f, BK_IO, "out of memory for a URL");
	return p;
}

/* ${n} bytes at ${s}, decoded; NULL with ${f} set. */
static char *
decode(const struct bk_uri *u, const char *s, size_t n, struct bk_fault *f)
{
	char *out, *q, hex[3] = "";
	size_t i;

	if ((out = q = copy(s, n, f)) == NULL)
		return NULL;
	for (i = 0; i < n; i++, q++) {
		*q = s[i];
		if (s[i] == '%') {
			if (n - i < 3)
				goto bad;
			memcpy(hex, s + i + 1, 2);
			if (bk_unhex(hex, q, 1) == -1)
				goto bad;
			i += 2;
		}
		if ((unsigned char)*q < 0x20 || *q == 0x7f) {
			(void)refuse(u, f, "it has a control character");
			goto out;
		}
	}
	*q = '\0';
	return out;
bad:
	(void)refuse(u, f, "'%' must be followed by two hexadecimal digits "
	    "(write %25 for the character itself)");
out:
	free(out);
	return NULL;
}

static int
parse_port(struct bk_uri *u, const char *s, size_t n, struct bk_fault *f)
{
	size_t i;

	u->port = n == 0 ? -1 : 0;
	for (i = 0; i < n && u->port <= 65535; i++) {
		if (s[i] < '0' || s[i] > '9')
			break;
		u->port = u->port * 10 + (s[i] - '0');
	}
	if (i < n || u->port == 0 || u->port > 65535) {
		u->port = -1;
		return refuse(u, f, "the port must be a number from 1 to 65535");
	}
	return 0;
}

/* [host][:port] in ${n} bytes at ${s}. */
static int
parse_host(struct bk_uri *u, const char *s, size_t n, struct bk_fault *f)
{
	const char *end = s + n, *host_end;

	if (n > 0 && *s == '[') {
		if ((host_end = memchr(s, ']', n)) == NULL)
			return refuse(u, f, "']' is missing after the address");
		u->host = decode(u, s + 1, (size_t)(host_end - s) - 1, f);
		host_end++;
	} else {
		if ((host_end = memchr(s, ':', n)) == NULL)
			host_end = end;
		u->host = decode(u, s, (size_t)(host_end - s), f);
	}
	if (u->host == NULL)
		return -1;
	if (host_end == end)
		return 0;
	if (*host_end != ':')
		return refuse(u, f, "only a port can follow the address in []");
	return parse_port(u, host_end + 1, (size_t)(end - host_end) - 1, f);
}

/* [user@][host][:port] in ${n} bytes at ${s}, whatever follows them. */
static int
parse_authority(struct bk_uri *u, const char *s, size_t n, struct bk_fault *f)
{
	static const char password[] = "a password does not belong in a URL, "
	    "where others can see it: use ?password-file=PATH or the "
	    "server's own credentials file, and %40 for any other '@'";
	const char *at = memrchr(s, '@', n), *colon = memchr(s, ':', n);

	if (at != NULL) {
		if (colon != NULL && colon < at)
			return refuse(u, f, password);
		if (at > s &&
		    (u->user = decode(u, s, (size_t)(at - s), f)) == NULL)
			return -1;
		at++;
		return parse_host(u, at, n - (size_t)(at - s), f);
	}
	/* user:12/34@host would be a host, a port and a path. */
	if (colon != NULL && *s != '[' && strchr(s + n, '@') != NULL)
		return refuse(u, f, password);
	return parse_host(u, s, n, f);
}

static int
parse_option(struct bk_uri *u, const char *s, size_t n, struct bk_fault *f)
{
	const char *eq = memchr(s, '=', n);
	size_t len = eq != NULL ? (size_t)(eq - s) : n;
	struct bk_uri_opt *more, *o;

	if (len == 0)
		return refuse(u, f, "an option has no name");
	if ((more = realloc(u->opts, (u->nopts + 1) * sizeof(*more))) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory for a URL");
	u->opts = more;
	o = &u->opts[u->nopts++];
	o->value = NULL;
	if ((o->name = decode(u, s, len, f)) == NULL)
		return -1;
	if (bk_uri_opt(u, o->name) != NULL)
		return bk_fault_set(f, BK_USAGE,
		    "URL '%s:…': option '%s' is given twice", u->scheme, o->name);
	o->value = eq != NULL ? decode(u, eq + 1, n - len - 1, f) :
	    copy("", 0, f);
	return o->value != NULL ? 0 : -1;
}

static int
parse_query(struct bk_uri *u, const char *s, struct bk_fault *f)
{
	size_t n;

	while (*s != '\0') {
		n = strcspn(s, "&");
		if (parse_option(u, s, n, f) == -1)
			return -1;
		s += n;
		if (*s == '&' && *++s == '\0')
			return refuse(u, f, "an option has no name");
	}
	return 0;
}

static int
parse_scheme(struct bk_uri *u, const char *s, size_t *len, struct bk_fault *f)
{
	size_t i, n = strspn(s, ALPHA DIGIT "+-.");

	if (n == 0 || strchr(ALPHA, s[0]) == NULL || s[n] != ':')
		return strchr(s, '@') == NULL || (s[0] == '@' &&
		    strchr(s + 1, '@') == NULL) ?
		    bk_fault_set(f, BK_USAGE,
		    "'%.200s' is not a URL: want SCHEME://…", s) :
		    bk_fault_set(f, BK_USAGE, "not a URL: want SCHEME://…");
	if ((u->scheme = copy(s, n, f)) == NULL)
		return -1;
	for (i = 0; i < n; i++)
		if (s[i] >= 'A' && s[i] <= 'Z')
			u->scheme[i] = (char)(s[i] - 'A' + 'a');
	*len = n;
	return 0;
}

static int
parse(const char *text, struct bk_uri *u, struct bk_fault *f)
{
	const char *s = text;
	size_t n = 0;

	if (strnlen(text, TEXT_MAX + 1) > TEXT_MAX)
		return bk_fault_set(f, BK_USAGE,
		    "a URL is longer than %d bytes", TEXT_MAX);
	if (parse_scheme(u, s, &n, f) == -1)
		return -1;
	s += n + 1;
	if (strncmp(s, "//", 2) == 0) {
		u->authority = true;
		s += 2;
		n = strcspn(s, "/?#");
		if (parse_authority(u, s, n, f) == -1)
			return -1;
		s += n;
	} else if ((u->host = copy("", 0, f)) == NULL)
		return -1;
	else if (*s != '/' && strcspn(s, "@") < strcspn(s, "?"))
		return refuse(u, f, "a user and a host follow '//' "
		    "(write %40 for any other '@')");
	if (strchr(s, '#') != NULL)
		return refuse(u, f, "a fragment means nothing here "
		    "(write %23 for '#')");
	n = strcspn(s, "?");
	if ((u->path = decode(u, s, n, f)) == NULL ||
	    (u->text = copy(text, strlen(text), f)) == NULL)
		return -1;
	return s[n] == '?' ? parse_query(u, s + n + 1, f) : 0;
}

int
bk_uri_parse(const char *text, struct bk_uri *u, struct bk_fault *f)
{
	static const struct bk_uri empty = BK_URI_INIT;

	*u = empty;
	if (parse(text, u, f) == 0)
		return 0;
	bk_uri_release(u);
	return -1;
}

void
bk_uri_release(struct bk_uri *u)
{
	static const struct bk_uri empty = BK_URI_INIT;
	size_t i;

	for (i = 0; i < u->nopts; i++) {
		free(u->opts[i].name);
		free(u->opts[i].value);
	}
	free(u->opts);
	free(u->text);
	free(u->scheme);
	free(u->user);
	free(u->host);
	free(u->path);
	*u = empty;
}

const char *
bk_uri_opt(const struct bk_uri *u, const char *name)
{
	size_t i;

	/* An option that is being parsed has no value yet. */
	for (i = 0; i < u->nopts; i++)
		if (u->opts[i].value != NULL && strcmp(u->opts[i].name, name) == 0)
			return u->opts[i].value;
	return NULL;
}

bool
bk_uri_has(const char *text, const char *name)
{
	struct bk_fault quiet = BK_FAULT_INIT;
	struct bk_uri u = BK_URI_INIT;
	bool has = bk_uri_parse(text, &u, &quiet) == 0 &&
	    bk_uri_opt(&u, name) != NULL;

	bk_uri_release(&u);
	return has;
}

int
bk_uri_allow(const struct bk_uri *u, const char *const *allowed,
    struct bk_fault *f)
{
	struct bk_buf list = BK_BUF_INIT(TEXT_MAX);
	const char *const *a;
	size_t i;
	int rc = 0;

	for (i = 0; i < u->nopts; i++) {
		for (a = allowed; *a != NULL; a++)
			if (strcmp(*a, u->opts[i].name) == 0)
				break;
		if (*a == NULL)
			break;
	}
	if (i == u->nopts)
		return 0;
	for (a = allowed; *a != NULL && rc == 0; a++)
		rc = bk_buf_addf(&list, f, " %s", *a);
	(void)bk_fault_set(f, BK_USAGE, "URL '%s:…': unknown option '%s': "
	    "it takes%s", u->scheme, u->opts[i].name,
	    list.len > 0 ? list.p : " none");
	bk_buf_release(&list);
	return -1;
}

int
bk_uri_local(const struct bk_uri *u, const char *form, struct bk_fault *f)
{
	if (u->host[0] != '\0' && strcmp(u->host, "localhost") != 0)
		return bk_fault_set(f, BK_USAGE, "'%s' names the host '%s': "
		    "want an absolute path: %s", u->text, u->host, form);
	if (u->user != NULL || u->port != -1 || u->path[0] != '/')
		return bk_fault_set(f, BK_USAGE,
		    "'%s': want an absolute path: %s", u->text, form);
	return 0;
}

int
bk_uri_encode(struct bk_buf *b, const char *s, bool slash, struct bk_fault *f)
{
	size_t n;

	for (;;) {
		n = strspn(s, slash ? ALPHA DIGIT "-._~/" : ALPHA DIGIT "-._~");
		if (bk_buf_add(b, s, n, f) == -1)
			return -1;
		s += n;
		if (*s == '\0')
			return 0;
		if (bk_buf_addf(b, f, "%%%02X", (unsigned int)(unsigned char)*s) == -1)
			return -1;
		s++;
	}
}
