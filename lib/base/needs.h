/*
 * What of our environment a program of bk needs (DESIGN, promise 7): a store's
 * credentials are not for who dumps, a database's not for who stores, neither
 * for a filter.
 */
#ifndef BK_NEEDS_H
#define BK_NEEDS_H

#include <stdbool.h>

#define BK_NEEDS_STORE 1U		/* credentials of stores */
#define BK_NEEDS_SOURCE 2U		/* credentials of sources */
#define BK_NEEDS_NET 4U			/* how to reach servers */
#define BK_NEEDS_REST 8U		/* whatever else there is */

/*
 * What the program at ${path} that is called with ${argv} needs.  One that is
 * not bk's own (in directory ${bindir}) is taken for a filter of the user's:
 * everything but credentials.
 */
unsigned int bk_needs_of(const char *bindir, const char *path,
    const char *const *argv);

/*
 * Does ${var} ("NAME=value") go to who needs ${needs}?  What every program
 * wants (PATH, HOME, BK_…) does.  ${secret} names a variable that holds the
 * credentials of a source, or is NULL.
 */
bool bk_needs_var(unsigned int needs, const char *var, const char *secret);

#endif
