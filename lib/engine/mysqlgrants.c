/*
 * Reading SHOW GRANTS (MariaDB: "SHOW GRANTS", MySQL 8: "SHOW GRANTS
 * Statement").  A line is
 *
 *	GRANT p1, p2 (col, …), … ON [TABLE|FUNCTION|PROCEDURE] level TO `u`@`h` …
 *
 * with level *.*, `db`.* or `db`.`object`; in `db`.* the characters '_' and
 * '%' are wildcards unless a backslash is before them.  A grant of a role has
 * no ON.  mysqldump leaves out silently what it may not see: tables (SHOW
 * TABLES), triggers (SHOW TRIGGERS), routines (SHOW FUNCTION STATUS); this is
 * why rights are looked at before the dump and not its errors.
 */
#include <string.h>
#include <strings.h>

#include "mysql.h"

/* Does pattern ${p} of ${n} bytes match ${s}?  Both wildcards, iterative. */
static bool
matches(const char *p, size_t n, const char *s)
{
	const char *end = p + n, *star = NULL, *again = NULL;

	while (*s != '\0') {
		if (p < end && *p == '%') {
			star = ++p;
			again = s;
		} else if (p + 1 < end && *p == '\\' && p[1] == *s) {
			p += 2;
			s++;
		} else if (p < end && *p != '\\' && (*p == '_' || *p == *s)) {
			p++;
			s++;
		} else if (star != NULL) {
			p = star;
			s = ++again;
		} else {
			return false;
		}
	}
	while (p < end && *p == '%')
		p++;
	return p == end;
}

/* Does the level at ${s} (behind " ON ") take in all of ${db}? */
static bool
covers(const char *s, const char *db)
{
	const char *e;
	char quote = *s;

	if (strncmp(s, "*.* ", 4) == 0)
		return true;
	if (db == NULL || (quote != '`' && quote != '"'))
		return false;
	/* A quote in the name is doubled: such a name is not matched at all. */
	if ((e = strchr(s + 1, quote)) == NULL || strncmp(e + 1, ".* ", 3) != 0)
		return false;
	return matches(s + 1, (size_t)(e - s - 1), db);
}

/* Is ${priv} in the list ${s} of ${n} bytes?  Column grants do not count. */
static bool
listed(const char *s, size_t n, const char *priv)
{
	const char *end = s + n;
	size_t len;

	while (s < end) {
		len = strcspn(s, ",(");
		if (len > (size_t)(end - s))
			len = (size_t)(end - s);
		if (s[len] != '(' && ((len == strlen(priv) &&
		    strncasecmp(s, priv, len) == 0) ||
		    (len >= 14 && strncasecmp(s, "ALL PRIVILEGES", 14) == 0)))
			return true;
		if (s[len] == '(')
			len += strcspn(s + len, ")") + 1;
		s += len;
		s += strspn(s, ", ");
	}
	return false;
}

static bool
line_gives(const char *line, const char *verb, const char *priv, const char *db)
{
	const char *list = line + strlen(verb), *on;

	if (strncmp(line, verb, strlen(verb)) != 0)
		return false;
	on = strstr(list, " ON ");
	if (on == NULL || memchr(list, '\n', (size_t)(on - list)) != NULL)
		return false;
	return covers(on + 4, db) && listed(list, (size_t)(on - list), priv);
}

bool
bk_mysql_granted(const char *grants, const char *priv, const char *db)
{
	const char *line;
	bool given = false;

	for (line = grants; line != NULL && *line != '\0'; ) {
		if (line_gives(line, "REVOKE ", priv, db))
			return false;
		if (line_gives(line, "GRANT ", priv, db))
			given = true;
		line = strchr(line, '\n');
		line = line == NULL ? NULL : line + 1;
	}
	return given;
}
