/*
 * See replace.h.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "io.h"
#include "replace.h"

int
bk_file_replace(const char *path, const void *p, size_t n, mode_t mode,
    struct bk_fault *f)
{
	struct bk_buf temp = BK_BUF_INIT(8192), dir = BK_BUF_INIT(4096);
	const char *name = strrchr(path, '/');
	int fd, rc = -1;

	name = name != NULL ? name + 1 : path;
	if (bk_buf_add(&dir, path, (size_t)(name - path), f) == -1 ||
	    bk_buf_adds(&dir, name == path ? "." : "", f) == -1 ||
	    bk_buf_addf(&temp, f, "%s/.%s.XXXXXX", bk_buf_text(&dir), name) == -1)
		goto out;
	if ((fd = mkostemp(temp.p, O_CLOEXEC)) == -1) {
		(void)bk_fault_errno(f, errno == EACCES ? BK_NOPERM :
		    BK_CANTCREATE, errno, "cannot create '%s'", path);
		goto out;
	}
	rc = bk_write_all(fd, p, n, path, f);
	if (rc == 0 && fchmod(fd, mode) == -1)
		rc = bk_fault_errno(f, BK_IO, errno, "cannot set the mode of '%s'",
		    path);
	if (rc == 0)
		rc = bk_fsync(fd, path, f);
	if (bk_close(fd, path, f) == -1)
		rc = -1;
	if (rc == 0 && rename(temp.p, path) == -1)
		rc = bk_fault_errno(f, BK_CANTCREATE, errno,
		    "cannot replace '%s'", path);
	if (rc == -1)
		(void)unlink(temp.p);
	else
		rc = bk_dir_sync(bk_buf_text(&dir), f);
out:
	bk_buf_release(&dir);
	bk_buf_release(&temp);
	return rc;
}
