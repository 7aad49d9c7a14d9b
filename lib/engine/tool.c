/*
 * Vendor tools as children: finding them, their passwords, their messages,
 * their output.  See tool.h; the option lists are in toolargs.c.
 *
 * Facts: glob(3) sorts by name, so "9.6" would come after "15": the matches
 * are sorted by strverscmp(3).  A memfd is born with mode 0777
 * (memfd_create(2)) and libpq ignores a password file that others may read
 * (its documentation, "The Password File"), hence fchmod.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json.h"
#include "tool.h"

#define PASSWORD_MAX 4096
#define BLOCK 65536

static int
by_version(const void *a, const void *b)
{
	const char *const *x = a;
	const char *const *y = b;

	return strverscmp(*y, *x);
}

static int
take(const char *dir, const char *name, unsigned int *nth, char *out,
    size_t size)
{
	struct stat st;
	int n;

	n = snprintf(out, size, "%s/%s", dir, name);
	if (n < 0 || (size_t)n >= size || access(out, X_OK) == -1 ||
	    stat(out, &st) == -1 || !S_ISREG(st.st_mode))
		return BK_ABSENT_TOOL;
	return (*nth)-- == 0 ? 0 : BK_ABSENT_TOOL;
}

static int
in_dirs(const char *const *names, const char *const *dirs, unsigned int *nth,
    char *out, size_t size)
{
	glob_t g = { 0 };
	size_t i, n;
	int rc = BK_ABSENT_TOOL;

	for (i = 0; dirs[i] != NULL; i++)
		if (glob(dirs[i], i == 0 ? 0 : GLOB_APPEND, NULL, &g) ==
		    GLOB_NOSPACE)
			goto out;
	if (g.gl_pathc > 1)
		qsort(g.gl_pathv, g.gl_pathc, sizeof(*g.gl_pathv), by_version);
	for (i = 0; i < g.gl_pathc; i++)
		for (n = 0; names[n] != NULL; n++)
			if ((rc = take(g.gl_pathv[i], names[n], nth, out,
			    size)) == 0)
				goto out;
out:
	globfree(&g);
	return rc;
}

int
bk_tool_nth(const struct bk_ctx *ctx, const char *const *names,
    const char *const *dirs, unsigned int nth, char *out, size_t size)
{
	size_t i;

	for (i = 0; names[i] != NULL; i++)
		if (bk_tool_find(ctx, names[i], out, size) == 0 && nth-- == 0)
			return 0;
	return dirs == NULL ? BK_ABSENT_TOOL :
	    in_dirs(names, dirs, &nth, out, size);
}

int
bk_tool_version(const struct bk_ctx *ctx, const char *path,
    struct bk_buf *out, struct bk_fault *f)
{
	const char *const argv[] = { path, "--version", NULL };
	struct bk_child_spec spec = { .argv = argv, .in = -1 };
	char *nl;

	spec.deadline = ctx->mono() + 30000;
	if (bk_tool_ask(ctx, &spec, NULL, NULL, out, f) == -1)
		return -1;
	if (out->p != NULL && (nl = strchr(out->p, '\n')) != NULL) {
		*nl = '\0';
		out->len = (size_t)(nl - out->p);
	}
	return 0;
}

static int
from_file(const struct bk_ctx *ctx, const char *name, struct bk_buf *pw,
    struct bk_fault *f)
{
	const char *dir = ctx->env("CREDENTIALS_DIRECTORY");
	char path[4096], text[PASSWORD_MAX + 2];
	ssize_t n = -1;
	int fd, rc = -1;

	rc = snprintf(path, sizeof(path), "%s%s%s",
	    name[0] == '/' || dir == NULL ? "" : dir,
	    name[0] == '/' || dir == NULL ? "" : "/", name);
	if (rc < 0 || (size_t)rc >= sizeof(path))
		return bk_fault_set(f, BK_USAGE, "password-file: name too long");
	rc = -1;
	/* O_NONBLOCK: a pipe that nobody writes must not hang us. */
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) == -1) {
		bk_fault_errno(f, errno == EACCES ? BK_NOPERM : BK_CONFIG,
		    errno, "cannot open password file '%s'", path);
		return -1;
	}
	if ((n = bk_read_full(fd, text, sizeof(text) - 1, path, f)) == -1)
		goto out;
	text[n] = '\0';
	if (strlen(text) != (size_t)n) {
		bk_fault_set(f, BK_CONFIG, "password file '%s' holds a NUL", path);
		goto out;
	}
	text[strcspn(text, "\r\n")] = '\0';
	if (strlen(text) > PASSWORD_MAX)
		bk_fault_set(f, BK_CONFIG, "password file '%s': more than %d bytes",
		    path, PASSWORD_MAX);
	else
		rc = bk_buf_adds(pw, text, f);
out:
	explicit_bzero(text, sizeof(text));
	close(fd);
	return rc;
}

int
bk_tool_password(const struct bk_ctx *ctx, const struct bk_uri *uri,
    const char *source_env, const char *vendor_env, struct bk_buf *pw,
    struct bk_fault *f)
{
	const char *file = bk_uri_opt(uri, "password-file");
	const char *s;

	if (file != NULL && source_env != NULL)
		return bk_fault_set(f, BK_USAGE,
		    "both ?password-file= and a variable with the password are given");
	if (file != NULL)
		return from_file(ctx, file, pw, f);
	if (source_env != NULL && (s = ctx->env(source_env)) == NULL)
		return bk_fault_set(f, BK_CONFIG,
		    "variable '%s' with the password is not set", source_env);
	if (source_env == NULL && (s = ctx->env(vendor_env)) == NULL)
		return BK_NO_PASSWORD;
	return bk_buf_adds(pw, s, f);
}

int
bk_secret_make(struct bk_secret *s, const void *p, size_t n,
    struct bk_fault *f)
{
	if ((s->fd = memfd_create("bk", MFD_CLOEXEC)) == -1)
		return bk_fault_errno(f, BK_IO, errno,
		    "cannot make a file for the password");
	if (fchmod(s->fd, 0600) == -1) {
		bk_fault_errno(f, BK_IO, errno, "cannot protect the password's file");
		goto fail;
	}
	if (n > 0 && bk_write_all(s->fd, p, n, "password file", f) == -1)
		goto fail;
	return 0;
fail:
	bk_secret_drop(s);
	return -1;
}

void
bk_secret_drop(struct bk_secret *s)
{
	if (s->fd != -1)
		close(s->fd);
	s->fd = -1;
}

int
bk_tool_class(const struct bk_tool_msg *msgs, const char *said, int other)
{
	for (; msgs != NULL && msgs->text != NULL; msgs++)
		if (strstr(said, msgs->text) != NULL)
			return msgs->status;
	return other;
}

void
bk_tool_last_line(const char *said, char *out, size_t size)
{
	const char *e = said + strlen(said);
	const char *b;
	size_t n;

	while (e > said && strchr(" \t\r\n", e[-1]) != NULL)
		e--;
	for (b = e; b > said && b[-1] != '\n'; b--)
		;
	while (b < e && (*b == ' ' || *b == '\t'))
		b++;
	n = (size_t)(e - b) < size ? (size_t)(e - b) : size - 1;
	memcpy(out, b, n);
	out[n] = '\0';
}

/* Set the fault for a tool that said ${said}. */
static int
said_fault(const char *tool, int status, const char *said, struct bk_fault *f)
{
	const char *base = strrchr(tool, '/');
	char line[512];

	base = base == NULL ? tool : base + 1;
	bk_child_reason(said, line, sizeof(line));
	/* Many tools begin their messages with their own name. */
	if (strncmp(line, base, strlen(base)) == 0 && line[strlen(base)] == ':')
		return bk_fault_set(f, status, "%s", line);
	return bk_fault_set(f, status, "%s: %s", base,
	    line[0] != '\0' ? line : "failed without a word");
}

int
bk_tool_ask(const struct bk_ctx *ctx, const struct bk_child_spec *spec,
    const char *input, const struct bk_tool_msg *msgs, struct bk_buf *out,
    struct bk_fault *f)
{
	struct bk_buf tail = BK_BUF_INIT(BK_TAIL_MAX + 1);
	struct bk_child_spec s = *spec;
	int rc;

	s.flags = 0;
	s.in = -1;
	rc = bk_child_capture(ctx, &s, input, out, &tail, f);
	if (rc > 0)
		rc = said_fault(s.argv[0], bk_tool_class(msgs,
		    bk_buf_text(&tail), BK_UNAVAILABLE), bk_buf_text(&tail), f);
	bk_buf_release(&tail);
	return rc;
}

/* All of its output to marks and sink; *${n} counts it. */
static int
pass(struct bk_child *c, struct bk_marks *marks, uint64_t *n,
    bk_sink_fn *sink, void *arg, struct bk_fault *f)
{
	char *block;
	ssize_t got = -1;

	if ((block = malloc(BLOCK)) == NULL)
		return bk_fault_errno(f, 0, ENOMEM, "dump");
	while ((got = bk_child_read(c, block, BLOCK, f)) > 0) {
		*n += (uint64_t)got;
		if ((marks != NULL &&
		    marks->write(marks, block, (size_t)got, f) == -1) ||
		    sink(arg, block, (size_t)got, f) == -1) {
			got = -1;
			break;
		}
	}
	free(block);
	return got == -1 ? -1 : 0;
}

int
bk_tool_dump(struct bk_child *c, struct bk_marks *marks,
    const struct bk_tool_msg *msgs, json_t *info, bk_sink_fn *sink, void *arg,
    struct bk_fault *f)
{
	struct bk_fault end = BK_FAULT_INIT;
	uint64_t n = 0;
	int status;

	if (pass(c, marks, &n, sink, arg, f) == -1)
		return -1;
	if (bk_child_finish(c, NULL, NULL, &end) == -1) {
		/*
		 * Nothing has been promised yet while nothing was written: the
		 * tool's reason is then the reason why there is no dump.
		 */
		status = n > 0 ? end.status :
		    bk_tool_class(msgs, bk_child_tail(c), end.status);
		return bk_fault_set(f, status, "%s", end.text);
	}
	if (bk_child_tail(c)[0] != '\0' &&
	    bk_json_set_text(info, "log", bk_child_tail(c), f) == -1)
		return -1;
	return marks == NULL ? BK_MARKS_UNKNOWN : marks->finish(marks, f);
}
