/*
 * The surroundings of a library call.  lib/ reads neither clock nor
 * environment and prints nothing: the program hands these in, and a test
 * hands in its own.  One bk_ctx lives as long as the program; everything
 * that is given one keeps the pointer.
 */
#ifndef BK_CTX_H
#define BK_CTX_H

#include <stdint.h>

enum bk_level {
	BK_LOG_ERROR,
	BK_LOG_WARN,
	BK_LOG_INFO,
	BK_LOG_DEBUG,
	BK_LOG_TRACE
};

struct bk_ctx {
	/* Value of an environment variable, or NULL. */
	const char *(*env)(const char *name);
	/* Wall clock: milliseconds since 1970-01-01T00:00:00Z. */
	int64_t (*now)(void);
	/* Monotonic clock in milliseconds, for deadlines and waits. */
	int64_t (*mono)(void);
	/* Say one line (no newline) at a level; never fails, keeps errno. */
	void (*log)(enum bk_level level, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
	/* Directory of bk-child and the other programs, without final '/'. */
	const char *bindir;
	/* Directory for temporary files, without final '/'. */
	const char *tmpdir;
	/* PATH as it was found, never NULL. */
	const char *path;
	/* This host's name, never NULL. */
	const char *host;
	/* The whole environment, for commands that the user wrote. */
	char **vars;
	/* Above 2: a pipe with a byte for each wish to stop; see bk_stop_take. */
	int stop;
};

#endif
