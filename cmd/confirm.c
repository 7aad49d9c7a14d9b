#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "confirm.h"
#include "io.h"

bool
bk_confirm(int stop, const char *fmt, ...)
{
	char answer[8] = "";
	struct bk_fault f = BK_FAULT_INIT;
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	struct pollfd p[2] = { { fd, POLLIN, 0 },
		{ stop > STDERR_FILENO ? stop : -1, POLLIN, 0 } };
	ssize_t n = 0;
	va_list ap;

	if (fd == -1)
		return false;
	va_start(ap, fmt);
	(void)vdprintf(fd, fmt, ap);
	va_end(ap);
	(void)dprintf(fd, " Type yes: ");
	while (poll(p, 2, -1) == -1 && errno == EINTR)
		;
	if (p[1].revents == 0)
		n = read(fd, answer, sizeof(answer) - 1);
	(void)bk_close(fd, "/dev/tty", &f);
	return n == 4 && memcmp(answer, "yes\n", 4) == 0;
}
