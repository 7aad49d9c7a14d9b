/*
 * See spoolname.h.
 */
#include <stdio.h>
#include <string.h>

#include "spoolname.h"

#define DATE_DIGITS 6			/* a date has at least these: 261121 */

/* The length of ${s}, ${n} bytes, without a date at its end. */
static size_t
without_date(const char *s, size_t n)
{
	size_t i = n, digits = 0;

	while (i > 0 && strchr("0123456789-_:+TZ", s[i - 1]) != NULL) {
		i--;
		digits += s[i] >= '0' && s[i] <= '9';
	}
	/* "db1-20261121": the 1 belongs to the name; so does all of "T-20261121". */
	while (i < n && s[i] != '-' && s[i] != '_') {
		digits -= s[i] >= '0' && s[i] <= '9';
		i++;
	}
	return i > 0 && digits >= DATE_DIGITS ? i : n;
}

void
bk_spool_name(const char *file, char name[BK_NAME_MAX + 1])
{
	char part[256];
	size_t n = strcspn(file, ".");

	n = without_date(file, n);
	snprintf(part, sizeof(part), "%.*s", (int)(n < sizeof(part) ? n :
	    sizeof(part) - 1), file);
	bk_name_from(part, name);
}

void
bk_spool_ext(const char *file, char ext[BK_EXT_MAX + 1])
{
	const char *dot = strrchr(file, '.');

	snprintf(ext, BK_EXT_MAX + 1, "%s", dot != NULL && bk_ext_ok(dot + 1) ?
	    dot + 1 : "bin");
}
