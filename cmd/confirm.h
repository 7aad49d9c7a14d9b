/* A question that only a person can answer. */
#ifndef BK_CONFIRM_H
#define BK_CONFIRM_H

#include <stdbool.h>

/*
 * Ask on the terminal, which need not be standard input, and wait for the
 * answer "yes".  False for any other answer, where there is no terminal, and
 * once ${stop} (above 2) is readable.
 */
bool bk_confirm(int stop, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
