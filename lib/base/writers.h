/*
 * Who writes to a file?
 */
#ifndef BK_WRITERS_H
#define BK_WRITERS_H

#include <stdbool.h>

/*
 * Is the regular file that ${fd} has open for reading open for writing
 * somewhere?  true where the kernel says so; also where a network file system
 * cannot tell.  false where we may not ask, for not owning the file.  The
 * caller ignores SIGIO.
 */
bool bk_has_writers(int fd);

#endif
