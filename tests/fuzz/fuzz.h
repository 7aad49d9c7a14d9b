/*
 * A parser under test.  ${p} holds whatever anyone may send; the function
 * must come back, without a finding of the sanitizers, and may assert what
 * must hold of any input.  The name is libFuzzer's, so that its driver can
 * take the place of fuzz.c.
 */
#ifndef BK_FUZZ_H
#define BK_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* A descriptor at the beginning of a memory file of these bytes. */
int fuzz_fd(const uint8_t *p, size_t n);

/* assert(3) that is never compiled out. */
#define FUZZ_CHECK(cond) \
	((cond) ? (void)0 : fuzz_broken(__FILE__, __LINE__, #cond))
void fuzz_broken(const char *file, int line, const char *cond)
    __attribute__((noreturn));

#endif
