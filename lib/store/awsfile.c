/*
 * Each question reads the file anew: it is small, and nothing of it stays in
 * memory.  Sections are "[name]" in the credentials file and "[profile name]"
 * ("[default]" for the default) in the config file; nested settings, lines
 * that begin with a blank, are passed over.
 */
#include "awsfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"

#define FILE_MAX (256 * 1024)

const char *
bk_awsfile_profile(const struct bk_ctx *ctx, const char *profile)
{
	if (profile == NULL)
		profile = ctx->env("AWS_PROFILE");
	return profile != NULL && *profile != '\0' ? profile : "default";
}

char *
bk_awsfile_read(const char *path, struct bk_fault *f)
{
	char *p = NULL;
	ssize_t n;
	int fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1) {
		(void)bk_fault_errno(f, 0, errno, "cannot open '%s'", path);
		return NULL;
	}
	if ((p = calloc(1, FILE_MAX + 1)) == NULL)
		(void)bk_fault_set(f, BK_IO, "out of memory");
	else if ((n = bk_read_full(fd, p, FILE_MAX, path, f)) == -1 ||
	    n == FILE_MAX) {
		(void)bk_fault_set(f, BK_CONFIG, "'%s' is longer than %d bytes",
		    path, FILE_MAX);
		explicit_bzero(p, FILE_MAX);
		free(p);
		p = NULL;
	}
	(void)close(fd);
	return p;
}

/* Cut blanks at both ends of the ${n} bytes at ${s}, in place. */
static char *
trim(char *s, size_t n)
{
	while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t' || s[n - 1] == '\r'))
		n--;
	s[n] = '\0';
	return s + strspn(s, " \t");
}

/* Is this section line that of ${profile}? */
static bool
section_is(char *line, bool config, const char *profile)
{
	char *end = strchr(line, ']'), *name;

	if (end == NULL)
		return false;
	name = trim(line + 1, (size_t)(end - line - 1));
	if (config && strncmp(name, "profile", 7) == 0 &&
	    (name[7] == ' ' || name[7] == '\t'))
		name += 7 + strspn(name + 7, " \t");
	else if (config && strcmp(name, "default") != 0)
		return false;
	return strcmp(name, profile) == 0;
}

static char *
value_of(char *line)
{
	size_t n = strlen(line);
	char *p;

	for (p = line; (p = strpbrk(p, "#;")) != NULL; p++)
		if (p > line && (p[-1] == ' ' || p[-1] == '\t')) {
			n = (size_t)(p - line);
			break;
		}
	return trim(line, n);
}

/* Search ${text}, which is cut up; *${seen}: the section was there. */
static char *
search(char *text, bool config, const char *profile, const char *name,
    bool *seen)
{
	char *line, *next, *eq;
	bool in = false;

	*seen = false;
	for (line = text; line != NULL; line = next) {
		if ((next = strchr(line, '\n')) != NULL)
			*next++ = '\0';
		if (*line == '[') {
			in = section_is(line, config, profile);
			*seen |= in;
			continue;
		}
		if (!in || name == NULL || strchr("#; \t", *line) != NULL ||
		    (eq = strchr(line, '=')) == NULL)
			continue;
		if (strcmp(trim(line, (size_t)(eq - line)), name) == 0)
			return value_of(eq + 1);
	}
	return NULL;
}

/* Text of the file, or NULL: none there (or ${f}). */
static char *
load(const struct bk_ctx *ctx, bool config, struct bk_fault *f)
{
	const char *path = ctx->env(config ? "AWS_CONFIG_FILE" :
	    "AWS_SHARED_CREDENTIALS_FILE");
	const char *home = ctx->env("HOME");
	char name[PATH_MAX];

	if (path == NULL || *path == '\0') {
		if (home == NULL || *home == '\0' ||
		    (size_t)snprintf(name, sizeof(name), "%s/.aws/%s", home,
		    config ? "config" : "credentials") >= sizeof(name))
			return NULL;
		path = name;
	}
	if (access(path, F_OK) == -1 && (errno == ENOENT || errno == ENOTDIR))
		return NULL;
	return bk_awsfile_read(path, f);
}

static void
forget(char *text)
{
	if (text != NULL)
		explicit_bzero(text, FILE_MAX);
	free(text);
}

char *
bk_awsfile_get(const struct bk_ctx *ctx, bool config, const char *profile,
    const char *name, struct bk_fault *f)
{
	char *text, *v, *copy = NULL;
	bool seen;

	if ((text = load(ctx, config, f)) == NULL)
		return NULL;
	v = search(text, config, profile, name, &seen);
	if (v != NULL && *v != '\0' && (copy = strdup(v)) == NULL)
		(void)bk_fault_set(f, BK_IO, "out of memory");
	forget(text);
	return copy;
}

bool
bk_awsfile_has(const struct bk_ctx *ctx, const char *profile,
    struct bk_fault *f)
{
	bool seen = false;
	char *text;

	for (int config = 0; config < 2 && !seen; config++)
		if ((text = load(ctx, config == 1, f)) != NULL) {
			(void)search(text, config == 1, profile, NULL, &seen);
			forget(text);
		}
	return seen;
}
