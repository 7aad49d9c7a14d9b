/*
 * A unit test is a plain main: cases, ok() for each claim, return done().
 * Output is TAP (testanything.org).
 */
#ifndef BK_TAP_H
#define BK_TAP_H

#include <stdbool.h>

#include "ctx.h"

/* One claim; shows ${fmt} and where it stands.  Returns ${good}. */
bool tap_ok(bool good, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
#define ok(good, ...) tap_ok((good), __FILE__, __LINE__, __VA_ARGS__)

/* ${got} and ${want} are the same text (NULL equals NULL only). */
bool tap_text(const char *got, const char *want, const char *file, int line,
    const char *what);
#define ok_text(got, want, what) tap_text((got), (want), __FILE__, __LINE__, (what))

/* ${got} equals ${want}, shown when not. */
bool tap_int(long long got, long long want, const char *file, int line,
    const char *what);
#define ok_int(got, want, what) tap_int((long long)(got), (long long)(want), \
    __FILE__, __LINE__, (what))

/* The plan line; 0 if all claims held and there was one, else 1. */
int done(void);

/* Leave the rest out, saying why. */
void tap_skip(const char *why);

/* Private directory, removed at exit. */
const char *tap_dir(void);

/* A context with real clocks, the environment, quiet log, build/bin. */
extern struct bk_ctx tap_ctx;

#endif
