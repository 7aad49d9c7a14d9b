/*
 * Private servers for unit tests: tests/lab/NAME start, its lines put into
 * the environment, stopped at exit.
 */
#ifndef BK_LAB_H
#define BK_LAB_H

#include <stdbool.h>

/* false, with the rest of the test skipped, where the server cannot be had. */
bool lab_start(const char *name);

/* Run a program with its output in a file of tap_dir(); its status. */
int lab_run(const char *const *argv, const char *out);

#endif
