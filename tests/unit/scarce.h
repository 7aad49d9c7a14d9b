/*
 * Memory that runs out on order, in all test programs: malloc and its kin
 * take the place of libc's.  Sanitizers and valgrind have their own, and then
 * there is nothing to test.
 */
#ifndef BK_SCARCE_H
#define BK_SCARCE_H

#include <stdbool.h>

#include "fault.h"

#if defined(__SANITIZE_ADDRESS__)
#define OWN_MALLOC 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OWN_MALLOC 0
#endif
#endif
#ifndef OWN_MALLOC
#define OWN_MALLOC 1
#endif


/*
 * Allocations that work; -1: all.  Volatile, for compilers hold that malloc
 * looks at no variable of ours.
 */
extern volatile long scarce_budget;

/*
 * Do ${job} with the first, second, third, … allocation and all behind it
 * failing, until it passes; that must take ${least} failures at least, each
 * of which is a fault of 74.
 */
void scarce_torture(int (*job)(struct bk_fault *), int least,
    const char *what);

/* Run ${tests} where malloc is ours, else skip.  What main is to return. */
int scarce_main(void (*tests)(void));

#endif
