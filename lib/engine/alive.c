/*
 * A look at all processes (alive.h).
 */
#include <sys/stat.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "alive.h"

static bool
is_server(const char *pid, const char *const *names)
{
	char path[64], comm[32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return false;
	n = read(fd, comm, sizeof(comm) - 1);
	close(fd);
	comm[n > 0 ? n : 0] = '\0';
	comm[strcspn(comm, "\n")] = '\0';
	for (; *names != NULL; names++)
		if (strcmp(comm, *names) == 0)
			return true;
	return false;
}

int
bk_alive_in(const char *dir, const char *const *names, struct bk_alive *a,
    struct bk_fault *f)
{
	char path[64];
	struct stat own, st;
	const struct dirent *e;
	DIR *d;

	*a = (struct bk_alive){ "", "" };
	if (stat(dir, &own) == -1)
		return bk_fault_errno(f, 0, errno, "cannot read '%s'", dir);
	if ((d = opendir("/proc")) == NULL)
		return BK_ALIVE_BLIND;
	while (a->pid[0] == '\0' && (e = readdir(d)) != NULL) {
		if (!isdigit((unsigned char)e->d_name[0]) ||
		    !is_server(e->d_name, names))
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/cwd", e->d_name);
		if (stat(path, &st) == 0) {
			if (st.st_dev == own.st_dev && st.st_ino == own.st_ino)
				snprintf(a->pid, sizeof(a->pid), "%.20s",
				    e->d_name);
		} else if (errno == EACCES)
			snprintf(a->hidden, sizeof(a->hidden), "%.20s",
			    e->d_name);
	}
	closedir(d);
	return 0;
}
