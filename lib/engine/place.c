/*
 * File systems without RENAME_NOREPLACE (renameat2(2): EINVAL) get link(2),
 * which never replaces.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "io.h"
#include "place.h"

int
bk_place_new(const char *tmp, const char *place, struct bk_fault *f)
{
	if (renameat2(AT_FDCWD, tmp, AT_FDCWD, place, RENAME_NOREPLACE) == 0)
		return 0;
	if ((errno == EINVAL || errno == ENOSYS) && link(tmp, place) == 0)
		return unlink(tmp) == 0 ? 0 :
		    bk_fault_errno(f, BK_IO, errno, "cannot remove '%s'", tmp);
	return bk_fault_errno(f, errno == EEXIST ? BK_CANTCREATE : 0, errno,
	    "cannot move '%s' to '%s'", tmp, place);
}
