/*
 * Is a Redis server using this directory?  A server reads its files when it
 * starts and by default writes them when it stops (redis.io, SHUTDOWN), so
 * what is put beside a running one is lost.
 *
 * It changes into its directory ("dir"; redis 7.0, config.c), so that
 * /proc/PID/cwd (proc(5)) tells, also of one in a container.  Whose cwd may
 * be read is decided by ptrace(2)'s rules: root and the server's own user.
 */
#include <sys/stat.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "redis.h"

static bool
is_server(const char *pid)
{
	static const char *const names[] = { "redis-server\n",
		"valkey-server\n", "keydb-server\n" };
	char path[64], comm[32];
	size_t i;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return false;
	n = read(fd, comm, sizeof(comm) - 1);
	close(fd);
	comm[n > 0 ? n : 0] = '\0';
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(comm, names[i]) == 0)
			return true;
	return false;
}

/* Look at all processes: 0, or -1 with ${f} set. */
static int
look_around(const char *dir, bool asked, struct bk_fault *f)
{
	char path[64];
	struct stat own, st;
	const struct dirent *e;
	DIR *d;
	int rc = 0;

	if (stat(dir, &own) == -1)
		return bk_fault_errno(f, 0, errno, "cannot read '%s'", dir);
	if ((d = opendir("/proc")) == NULL)
		return asked ? 0 : bk_fault_errno(f, BK_NOPERM, errno,
		    "cannot see whether a server runs; name it with ?server=");
	while (rc == 0 && (e = readdir(d)) != NULL) {
		if (!isdigit((unsigned char)e->d_name[0]) ||
		    !is_server(e->d_name))
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/cwd", e->d_name);
		if (stat(path, &st) == 0) {
			if (st.st_dev == own.st_dev && st.st_ino == own.st_ino)
				rc = bk_fault_set(f, BK_BUSY,
				    "a server (process %s) runs in '%s' and would save over it: stop it first",
				    e->d_name, dir);
		} else if (errno == EACCES && !asked)
			rc = bk_fault_set(f, BK_NOPERM,
			    "cannot see whether the server with process id %s runs in '%s': name it with ?server=, or be its user",
			    e->d_name, dir);
	}
	closedir(d);
	return rc;
}

int
bk_redis_stopped(const struct bk_ctx *ctx, const char *dir, const char *server,
    struct bk_fault *f)
{
	struct bk_redis_at at = { .port = BK_REDIS_PORT };
	int rc;

	if (look_around(dir, server != NULL, f) == -1)
		return -1;
	if (server == NULL)
		return 0;
	if (bk_redis_at_parse(server, &at, f) == -1 ||
	    (rc = bk_redis_listens(ctx, &at, f)) == -1)
		return -1;
	return rc == 1 ? 0 : bk_fault_set(f, BK_BUSY,
	    "the server '%s' runs and would save over the restored files: stop it first",
	    server);
}
