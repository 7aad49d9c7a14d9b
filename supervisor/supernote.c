/*
 * sd_notify(3) in its twenty lines: a datagram of "NAME=value" lines to the
 * socket that NOTIFY_SOCKET names, '@' for the abstract name space.  Without
 * a manager nothing happens; what it misses does not matter to us.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "names.h"
#include "super.h"

void
bk_sup_note(const struct bk_ctx *ctx, const char *text)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const char *path = ctx->env("NOTIFY_SOCKET");
	size_t n = path != NULL ? strlen(path) : 0;
	int fd;

	if (n == 0 || n >= sizeof(to.sun_path) || (*path != '/' && *path != '@'))
		return;
	memcpy(to.sun_path, path, n);
	if (*path == '@')
		to.sun_path[0] = '\0';
	if ((fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) == -1)
		return;
	(void)sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
	    (const struct sockaddr *)&to,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	(void)close(fd);
}

int64_t
bk_sup_beat(const struct bk_ctx *ctx)
{
	const char *usec = ctx->env("WATCHDOG_USEC"), *pid;
	struct bk_fault f = BK_FAULT_INIT;
	long long n;

	if (usec == NULL ||
	    bk_number_parse("WATCHDOG_USEC", usec, 1, INT64_MAX, &n, &f) == -1)
		return 0;
	/* Twice within the limit, as sd_watchdog_enabled(3) advises. */
	if ((pid = ctx->env("WATCHDOG_PID")) != NULL) {
		long long p;

		if (bk_number_parse("WATCHDOG_PID", pid, 1, INT64_MAX, &p, &f) == -1 ||
		    p != (long long)getpid())
			return 0;
	}
	return n / 2000 > 0 ? n / 2000 : 1;
}
