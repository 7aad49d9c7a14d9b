/*
 * The grammar is ASCII and does not depend on a locale, so nothing of
 * <ctype.h> is used.
 */
#include <limits.h>
#include <string.h>

#include "names.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

/* One character of ${first}, then of ${rest}; 1 to ${max} in all. */
static bool
matches(const char *s, const char *first, const char *rest, size_t max)
{
	return *s != '\0' && strchr(first, *s) != NULL &&
	    s[1 + strspn(s + 1, rest)] == '\0' && strlen(s) <= max;
}

bool
bk_name_ok(const char *s)
{
	return matches(s, UPPER LOWER DIGIT, UPPER LOWER DIGIT "._-",
	    BK_NAME_MAX);
}

bool
bk_ext_ok(const char *s)
{
	return matches(s, LOWER DIGIT, LOWER DIGIT, BK_EXT_MAX);
}

bool
bk_engine_ok(const char *s)
{
	return matches(s, LOWER, LOWER DIGIT "-", BK_ENGINE_MAX);
}

const char *
bk_variable_arg(const char *what, const char *s, struct bk_fault *f)
{
	if (matches(s, UPPER LOWER "_", UPPER LOWER DIGIT "_", BK_VARIABLE_MAX))
		return s;
	(void)bk_fault_set(f, BK_USAGE, "%s '%.100s': want the name of a "
	    "variable, 1 to %d of A-Z a-z 0-9 _, the first no digit", what, s,
	    BK_VARIABLE_MAX);
	return NULL;
}

bool
bk_tag_key_ok(const char *s)
{
	static const char *const taken[] = { "name", "engine", "id", "host",
		"parent", "trigger", "group", "hourly", "daily", "weekly",
		"monthly", "yearly" };
	size_t i;

	for (i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (strcmp(s, taken[i]) == 0)
			return false;
	return matches(s, UPPER LOWER "_", UPPER LOWER DIGIT "_",
	    BK_TAG_KEY_MAX);
}

bool
bk_tag_value_ok(const char *s)
{
	size_t i, n = strlen(s);

	if (n > BK_TAG_VALUE_MAX || !bk_utf8_ok(s, n))
		return false;
	for (i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		/* U+0080 to U+009F are control characters too. */
		if (c < 0x20 || c == 0x7f ||
		    (c == 0xc2 && (unsigned char)s[i + 1] < 0xa0))
			return false;
	}
	return true;
}

void
bk_name_from(const char *s, char out[BK_NAME_MAX + 1])
{
	size_t n = 0;

	for (; *s != '\0' && n < BK_NAME_MAX; s++) {
		if (strchr(UPPER LOWER DIGIT, *s) != NULL)
			out[n++] = *s;
		else if (n > 0)
			out[n++] = *s == '.' || *s == '_' ? *s : '-';
	}
	out[n] = '\0';
	if (n == 0)
		memcpy(out, "all", sizeof("all"));
}

size_t
bk_utf8_char(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	unsigned char low = 0x80, high = 0xbf;
	size_t len, i;

	if (n == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	len = p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 :
	    p[0] < 0xf5 ? 4 : 0;
	/* Longer forms than need be, surrogates, beyond U+10FFFF. */
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (len == 0 || len > n || p[1] < low || p[1] > high)
		return 0;
	for (i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

bool
bk_utf8_ok(const char *s, size_t n)
{
	size_t k;

	for (; n > 0; s += k, n -= k)
		if ((k = bk_utf8_char(s, n)) == 0)
			return false;
	return true;
}

/* Digits at *${s} as a number up to ${max}; -1 if none or beyond. */
static int
digits(const char **s, unsigned long long max, unsigned long long *n)
{
	const char *p = *s;
	unsigned int d;

	*n = 0;
	for (; *p >= '0' && *p <= '9'; p++) {
		d = (unsigned int)(*p - '0');
		if (*n > (max - d) / 10)
			return -1;
		*n = *n * 10 + d;
	}
	if (p == *s)
		return -1;
	*s = p;
	return 0;
}

int
bk_bytes_parse(const char *s, unsigned long long *n, struct bk_fault *f)
{
	static const char units[] = "KMGT";
	const char *p = s, *u;
	unsigned long long v;
	int shift = 0;

	if (digits(&p, LLONG_MAX, &v) == -1)
		goto bad;
	if (*p != '\0') {
		if ((u = strchr(units, *p)) == NULL)
			goto bad;
		shift = 10 * (int)(u - units + 1);
		if (strcmp(p + 1, "") != 0 && strcmp(p + 1, "iB") != 0)
			goto bad;
	}
	if (v > (unsigned long long)LLONG_MAX >> shift)
		goto bad;
	*n = v << shift;
	return 0;
bad:
	return bk_fault_set(f, BK_USAGE, "'%s' is not a number of bytes: "
	    "want 0 to 2^63-1, with K, M, G or T for powers of 1024", s);
}

int
bk_number_parse(const char *what, const char *s, long long min,
    long long max, long long *n, struct bk_fault *f)
{
	const char *p = s;
	unsigned long long v;
	long long k;
	bool minus = *p == '-';

	if (minus)
		p++;
	if (digits(&p, (unsigned long long)LLONG_MAX + minus, &v) == 0 &&
	    *p == '\0') {
		/* In two steps: the lowest number has no positive twin. */
		k = !minus ? (long long)v : v == 0 ? 0 : -(long long)(v - 1) - 1;
		if (k >= min && k <= max) {
			*n = k;
			return 0;
		}
	}
	return bk_fault_set(f, BK_USAGE,
	    "%s must be a number from %lld to %lld, not '%s'", what, min, max, s);
}
