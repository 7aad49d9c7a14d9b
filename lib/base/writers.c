/*
 * A lease for reading is refused while anybody has the file open for writing
 * (fcntl(2), F_SETLEASE); it is given back at once, since it would hold up
 * whoever opens the file meanwhile.
 */
#include <errno.h>
#include <fcntl.h>

#include "writers.h"

bool
bk_has_writers(int fd)
{
	if (fcntl(fd, F_SETLEASE, F_RDLCK) == -1)
		return errno == EAGAIN;
	(void)fcntl(fd, F_SETLEASE, F_UNLCK);
	return false;
}
