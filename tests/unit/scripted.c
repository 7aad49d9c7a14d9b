/* One request per connection; a forked child, ended by its parent's death. */
#include "scripted.h"

#include <sys/prctl.h>
#include <sys/socket.h>

#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The whole request as text; 0 if there is none. */
static size_t
take(int fd, char *buf, size_t size)
{
	size_t n = 0, body = 0;
	const char *end, *len;
	ssize_t k;

	while (n < size - 1 && (k = read(fd, buf + n, size - 1 - n)) > 0) {
		n += (size_t)k;
		buf[n] = '\0';
		if ((end = strstr(buf, "\r\n\r\n")) == NULL)
			continue;
		if ((len = strcasestr(buf, "\r\ncontent-length:")) != NULL)
			body = strtoul(len + 17, NULL, 10);
		if ((size_t)(end + 4 - buf) + body <= n)
			break;
	}
	buf[n] = '\0';
	return n;
}

static void
serve(int fd, const struct reply *replies, size_t n)
{
	static const struct reply none = { "", NULL, 404, NULL, "" };
	static char buf[65536];
	const struct reply *r = &none;
	char head[1024];

	if (take(fd, buf, sizeof(buf)) == 0)
		return;
	for (size_t i = n; i-- > 0;)
		if (strncmp(buf, replies[i].match,
		    strlen(replies[i].match)) == 0 &&
		    (replies[i].want == NULL ||
		    strcasestr(buf, replies[i].want) != NULL))
			r = &replies[i];
	snprintf(head, sizeof(head), "HTTP/1.1 %d x\r\nContent-Length: %zu\r\n"
	    "Connection: close\r\n%s\r\n", r->status, strlen(r->body),
	    r->headers != NULL ? r->headers : "");
	if (write(fd, head, strlen(head)) == -1 ||
	    write(fd, r->body, strlen(r->body)) == -1)
		perror("scripted");
}

int
scripted_start(const struct reply *replies, size_t n)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

	if (s == -1 || bind(s, (struct sockaddr *)&a, sizeof(a)) == -1 ||
	    listen(s, 64) == -1 ||
	    getsockname(s, (struct sockaddr *)&a, &len) == -1)
		return -1;
	fflush(stdout);
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while ((fd = accept(s, NULL, NULL)) != -1) {
			serve(fd, replies, n);
			close(fd);
		}
		_exit(1);
	}
	close(s);
	return ntohs(a.sin_port);
}
