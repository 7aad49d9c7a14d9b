/*
 * A scripted HTTP server on a free loopback port: answers each request by the
 * first reply that fits it, 404 where none does.  Ends with its parent.
 */
#ifndef BK_SCRIPTED_H
#define BK_SCRIPTED_H

#include <stddef.h>

struct reply {
	const char *match;		/* start of the request: "GET /path" */
	const char *want;		/* must stand somewhere in it, or NULL */
	int status;
	const char *headers;		/* more lines, each with CRLF; or NULL */
	const char *body;
};

/* Its port, or -1. */
int scripted_start(const struct reply *replies, size_t n);

#endif
