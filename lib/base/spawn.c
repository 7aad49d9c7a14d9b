/*
 * Spawning: the environment, the arguments of bk-child, and posix_spawn.
 *
 * posix_spawn cannot set PR_SET_PDEATHSIG, hence the chain loader bk-child.
 * glibc's adddup2 of a descriptor onto itself clears close-on-exec (since
 * 2.29).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "needs.h"
#include "spawn.h"

static const char *const allowed[] = { "PATH", "HOME", "USER", "LOGNAME",
	"TMPDIR", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "BK_LOG",
	"BK_LOGLEVEL", NULL };

int
bk_tool_find(const struct bk_ctx *ctx, const char *tool, char *out,
    size_t size)
{
	const char *p, *end;
	size_t n, len = strlen(tool);

	if (len == 0)
		return BK_ABSENT_TOOL;
	if (strchr(tool, '/') != NULL) {
		if (len >= size || access(tool, X_OK) == -1)
			return BK_ABSENT_TOOL;
		memcpy(out, tool, len + 1);
		return 0;
	}
	for (p = ctx->path; ; p = end + 1) {
		end = strchr(p, ':');
		n = end != NULL ? (size_t)(end - p) : strlen(p);
		/* An empty part would mean the working directory: not here. */
		if (n > 0 && n + len + 2 <= size) {
			memcpy(out, p, n);
			out[n] = '/';
			memcpy(out + n + 1, tool, len + 1);
			if (access(out, X_OK) == 0)
				return 0;
		}
		if (end == NULL)
			return BK_ABSENT_TOOL;
	}
}

#define OUR_ENV (BK_CHILD_FULLENV | BK_CHILD_NEEDENV)

/* Does ${var} of our environment go to the child at ${path}? */
static bool
passes(const struct bk_ctx *ctx, const struct bk_child_spec *spec,
    const char *path, const char *var)
{
	return spec->flags & BK_CHILD_FULLENV || bk_needs_var(bk_needs_of(
	    ctx->bindir, path, spec->argv), var, spec->secret);
}

/* The environment of the child: NULL-ended, strings owned by the array. */
static char **
make_env(const struct bk_ctx *ctx, const struct bk_child_spec *spec,
    const char *path)
{
	static const char locale[] = "LC_ALL=C.UTF-8";
	size_t n = 0, have = 0, i;
	const char *v;
	char **env;

	if (spec->flags & OUR_ENV)
		while (ctx->vars != NULL && ctx->vars[have] != NULL)
			have++;
	for (i = 0; spec->env != NULL && spec->env[i] != NULL; i++)
		have++;
	if ((env = calloc(have + sizeof(allowed) / sizeof(allowed[0]) + 2,
	    sizeof(*env))) == NULL)
		return NULL;
	for (i = 0; spec->env != NULL && spec->env[i] != NULL; i++)
		if ((env[n++] = strdup(spec->env[i])) == NULL)
			goto fail;
	if (spec->flags & OUR_ENV) {
		for (i = 0; ctx->vars != NULL && ctx->vars[i] != NULL; i++)
			if (passes(ctx, spec, path, ctx->vars[i]) &&
			    (env[n++] = strdup(ctx->vars[i])) == NULL)
				goto fail;
		return env;
	}
	if ((env[n++] = strdup(locale)) == NULL)
		goto fail;
	for (i = 0; allowed[i] != NULL; i++) {
		if ((v = ctx->env(allowed[i])) == NULL)
			continue;
		if ((env[n] = malloc(strlen(allowed[i]) + strlen(v) + 2)) == NULL)
			goto fail;
		memcpy(env[n], allowed[i], strlen(allowed[i]));
		env[n][strlen(allowed[i])] = '=';
		memcpy(env[n] + strlen(allowed[i]) + 1, v, strlen(v) + 1);
		n++;
	}
	return env;
fail:
	for (i = 0; i < n; i++)
		free(env[i]);
	free(env);
	return NULL;
}

static void
free_env(char **env)
{
	size_t i;

	for (i = 0; env != NULL && env[i] != NULL; i++)
		free(env[i]);
	free(env);
}

/* The system calls.  0 or an errno. */
static int
start(const struct bk_child_spec *spec, const int fds[3], char *const *argv,
    char *const *env, pid_t *pid)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	sigset_t none, all;
	int i, e;

	if ((e = posix_spawn_file_actions_init(&fa)) != 0)
		return e;
	if ((e = posix_spawnattr_init(&at)) != 0) {
		(void)posix_spawn_file_actions_destroy(&fa);
		return e;
	}
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	for (i = 0; i < 3 && e == 0; i++)
		e = fds[i] == -1 ? posix_spawn_file_actions_addopen(&fa, i,
		    "/dev/null", O_RDWR, 0) :
		    posix_spawn_file_actions_adddup2(&fa, fds[i], i);
	if (e == 0 && spec->pass > 2)
		e = posix_spawn_file_actions_adddup2(&fa, spec->pass, 3);
	if (e == 0 && spec->cwd != NULL)
		e = posix_spawn_file_actions_addchdir_np(&fa, spec->cwd);
	if (e == 0)
		e = posix_spawnattr_setflags(&at, POSIX_SPAWN_SETPGROUP |
		    POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	if (e == 0)
		e = posix_spawnattr_setpgroup(&at, 0);
	if (e == 0)
		e = posix_spawnattr_setsigmask(&at, &none);
	if (e == 0)
		e = posix_spawnattr_setsigdefault(&at, &all);
	if (e == 0)
		e = posix_spawn(pid, argv[0], &fa, &at, argv, env);
	(void)posix_spawnattr_destroy(&at);
	(void)posix_spawn_file_actions_destroy(&fa);
	return e;
}

/* argv of bk-child in front of the tool's own; ${path} replaces argv[0]. */
static char **
make_argv(const struct bk_child_spec *spec, char *loader, char *parent,
    char *path)
{
	static char opt[] = "--parent", from[] = "--close-from", dashes[] = "--";
	static char three[] = "3", four[] = "4", guard[] = "--guard";
	size_t n = 0, k = 0, i;
	char **argv;

	while (spec->argv[n] != NULL)
		n++;
	if ((argv = calloc(n + 8, sizeof(*argv))) == NULL)
		return NULL;
	argv[k++] = loader;
	argv[k++] = opt;
	argv[k++] = parent;
	argv[k++] = from;
	argv[k++] = spec->pass > 2 ? four : three;
	/* What a user wrote may start more than dies with it. */
	if (spec->flags & BK_CHILD_FULLENV)
		argv[k++] = guard;
	argv[k++] = dashes;
	argv[k++] = path;
	/* execve takes them as char *const *, and does not write (POSIX). */
	for (i = 1; i < n; i++)
		memcpy(&argv[k++], &spec->argv[i], sizeof(argv[0]));
	return argv;
}

int
bk_spawn(const struct bk_ctx *ctx, const struct bk_child_spec *spec,
    const int fds[3], pid_t *pid, struct bk_fault *f)
{
	char path[PATH_MAX], parent[24];
	struct bk_buf loader = BK_BUF_INIT(PATH_MAX), num = BK_BUF_INIT(24);
	char **argv = NULL, **env = NULL;
	int e, rc = -1;

	if (bk_tool_find(ctx, spec->argv[0], path, sizeof(path)) != 0)
		return bk_fault_set(f, BK_UNAVAILABLE,
		    BK_ABSENT_TEXT "%s'; is it installed and on PATH?",
		    spec->argv[0]);
	if (bk_buf_addf(&loader, f, "%s/bk-child", ctx->bindir) == -1 ||
	    bk_buf_addf(&num, f, "%ld", (long)getpid()) == -1)
		goto out;
	memcpy(parent, num.p, num.len + 1);
	if ((env = make_env(ctx, spec, path)) == NULL ||
	    (argv = make_argv(spec, loader.p, parent, path)) == NULL)
		(void)bk_fault_errno(f, BK_IO, ENOMEM, "cannot start '%s'",
		    spec->argv[0]);
	else if ((e = start(spec, fds, argv, env, pid)) != 0)
		(void)bk_fault_errno(f, BK_IO, e, "cannot start '%s' by '%s'",
		    spec->argv[0], loader.p);
	else
		rc = 0;
out:
	free(argv);
	free_env(env);
	bk_buf_release(&loader);
	bk_buf_release(&num);
	return rc;
}
