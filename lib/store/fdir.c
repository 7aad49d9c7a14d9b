/*
 * Directories of a file store: opening them part by part, and walking them
 * in the byte order of whole paths.
 *
 * That order is not the order of names: "a-b" < "a.b" < "a/b", since '/' is
 * 0x2f.  Sorting a directory's names with a '/' behind those of directories
 * gives it, as no name is the prefix of another that matters: "a" and "a/"
 * cannot both be there.
 *
 * openat(2) with O_NOFOLLOW for each part, not openat2(2) with
 * RESOLVE_BENEATH: the latter needs Linux 5.6 and is often blocked in
 * containers, so both would have to be kept.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fdir.h"
#include "ulid.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define NAMES_MAX ((size_t)1 << 30)	/* bytes of names in one directory */

/* One directory's names, those of directories with '/' behind them. */
struct names {
	struct bk_buf text;		/* each with its NUL */
	const char **v;
	size_t n;
};

struct walk {
	const char *prefix, *after;
	size_t plen;
	bool temps;
	bk_list_fn *fn;
	void *arg;
	struct bk_fault *f;
	size_t len;			/* of path */
	char path[BK_KEY_MAX + NAME_MAX + 3];
};

static int walk_dir(struct walk *, int);

int
bk_fdir_sync(int fd)
{
	int rc;

	while ((rc = fsync(fd)) == -1 && errno == EINTR)
		continue;
	/*
	 * Network and user-space file systems that have no such operation on
	 * directories answer these; PostgreSQL's fsync_fname accepts them too.
	 */
	if (rc == -1 && (errno == EINVAL || errno == EBADF ||
	    errno == ENOTSUP || errno == ENOSYS))
		rc = 0;
	return rc;
}

/* Open ${name} in ${dir}, where it may have to be made. */
static int
open_part(int dir, const char *name, bool make)
{
	int fd = openat(dir, name, DIR_FLAGS);

	if (fd == -1 && errno == ELOOP)
		errno = ENOTDIR;
	if (fd != -1 || errno != ENOENT || !make)
		return fd;
	/*
	 * Another process may make it at the same time and not have synced it
	 * yet, so EEXIST needs the fsync as well.
	 */
	if ((mkdirat(dir, name, 0777) == -1 && errno != EEXIST) ||
	    bk_fdir_sync(dir) == -1)
		return -1;
	return openat(dir, name, DIR_FLAGS);
}

int
bk_fdir_open(int root, const char *path, size_t len, bool make)
{
	char name[NAME_MAX + 1];
	const char *p = path, *end = path + len, *slash;
	size_t n;
	int err, next, fd = openat(root, ".", DIR_FLAGS);

	while (fd != -1 && p < end) {
		if ((slash = memchr(p, '/', (size_t)(end - p))) == NULL)
			slash = end;
		n = (size_t)(slash - p);
		next = -1;
		if (n > NAME_MAX) {
			errno = ENAMETOOLONG;
		} else if (n == 0 || (n <= 2 && memcmp(p, "..", n) == 0)) {
			errno = ENOENT;
		} else {
			memcpy(name, p, n);
			name[n] = '\0';
			next = open_part(fd, name, make);
		}
		err = errno;
		close(fd);
		errno = err;
		fd = next;
		p = slash < end ? slash + 1 : end;
	}
	return fd;
}

size_t
bk_fdir_parent(const char *key)
{
	const char *slash = strrchr(key, '/');

	return slash != NULL ? (size_t)(slash - key) : 0;
}

void
bk_fdir_prune(int root, const char *path, size_t len)
{
	char name[BK_KEY_MAX + 1];
	size_t parent;
	int dir, rc = 0;

	while (len > 0 && len <= BK_KEY_MAX && rc == 0) {
		memcpy(name, path, len);
		name[len] = '\0';
		parent = bk_fdir_parent(name);
		if ((dir = bk_fdir_open(root, name, parent, false)) == -1)
			return;
		rc = unlinkat(dir, name + (parent > 0 ? parent + 1 : 0),
		    AT_REMOVEDIR);
		close(dir);
		len = parent;
	}
}

const char *
bk_fdir_temp(const char *name)
{
	const size_t n = sizeof(BK_FDIR_TEMP) - 1;
	char id[BK_ULID_LEN + 1];

	if (strncmp(name, BK_FDIR_TEMP, n) != 0 ||
	    strlen(name) < n + BK_ULID_LEN + 2)
		return NULL;
	memcpy(id, name + n, BK_ULID_LEN);
	id[BK_ULID_LEN] = '\0';
	if (!bk_ulid_ok(id) || name[n + BK_ULID_LEN] != '-')
		return NULL;
	return name + n + BK_ULID_LEN + 1;
}

/* Put ${name} behind the path.  False where no key can be that long. */
static bool
push(struct walk *w, const char *name)
{
	size_t n = strlen(name);

	if (w->len + n > BK_KEY_MAX + 1 || n > NAME_MAX + 1)
		return false;
	memcpy(w->path + w->len, name, n + 1);
	w->len += n;
	return true;
}

static void
pop(struct walk *w, size_t len)
{
	w->len = len;
	w->path[len] = '\0';
}

/* Is the path, of a directory with its '/', or may it hold, a match? */
static bool
wanted(const struct walk *w)
{
	bool isdir = w->path[w->len - 1] == '/';
	size_t n = w->len < w->plen ? w->len : w->plen;

	if (memcmp(w->path, w->prefix, n) != 0 || (!isdir && w->len < w->plen))
		return false;
	if (isdir)
		return strncmp(w->path, w->after, w->len) >= 0 ||
		    w->after[0] == '\0';
	return strcmp(w->path, w->after) > 0;
}

/* 1 a directory, 0 a regular file, -1 anything else or gone. */
static int
kind(int dir, const struct dirent *e)
{
	struct stat st;

	if (e->d_type == DT_DIR)
		return 1;
	if (e->d_type == DT_REG)
		return 0;
	if (e->d_type != DT_UNKNOWN ||
	    fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return -1;
	return S_ISDIR(st.st_mode) ? 1 : S_ISREG(st.st_mode) ? 0 : -1;
}

/* Add the entry if it is, or may lead to, what is looked for. */
static int
add_name(struct walk *w, int dir, const struct dirent *e, struct names *l)
{
	const char *base = bk_fdir_temp(e->d_name);
	size_t was = w->len;
	int isdir = kind(dir, e);
	bool want;

	if (isdir == -1 || strcmp(e->d_name, ".") == 0 ||
	    strcmp(e->d_name, "..") == 0)
		return 0;
	if (isdir == 0 && (base != NULL) != w->temps)
		return 0;
	want = push(w, isdir == 0 && base != NULL ? base : e->d_name) &&
	    (isdir == 0 || push(w, "/")) && wanted(w);
	pop(w, was);
	if (!want)
		return 0;
	l->n++;
	if (bk_buf_adds(&l->text, e->d_name, w->f) == -1 ||
	    (isdir == 1 && bk_buf_adds(&l->text, "/", w->f) == -1))
		return -1;
	return bk_buf_add(&l->text, "", 1, w->f);
}

static int
by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int
read_names(struct walk *w, DIR *d, struct names *l)
{
	const struct dirent *e;
	const char *p;
	size_t i;

	for (;;) {
		errno = 0;
		if ((e = readdir(d)) == NULL)
			break;
		if (add_name(w, dirfd(d), e, l) == -1)
			return -1;
	}
	if (errno != 0)
		return bk_fault_errno(w->f, 0, errno,
		    "cannot read directory '%s'", w->path);
	if (l->n == 0)
		return 0;
	if ((l->v = calloc(l->n, sizeof(*l->v))) == NULL)
		return bk_fault_errno(w->f, 0, errno,
		    "cannot read directory '%s'", w->path);
	for (i = 0, p = l->text.p; i < l->n; i++, p += strlen(p) + 1)
		l->v[i] = p;
	qsort(l->v, l->n, sizeof(*l->v), by_bytes);
	return 0;
}

static int
visit_file(struct walk *w, int dir, const char *name)
{
	struct bk_object o = { .key = w->path };
	const char *base = bk_fdir_temp(name);
	struct stat st;
	size_t was = w->len;
	int rc;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ? 0 : bk_fault_errno(w->f, 0, errno,
		    "cannot look at '%s' in '%s'", name, w->path);
	if (!S_ISREG(st.st_mode))
		return 0;
	(void)push(w, base != NULL ? base : name);
	o.bytes = (uint64_t)st.st_size;
	o.modified = (int64_t)st.st_mtim.tv_sec * 1000 +
	    st.st_mtim.tv_nsec / 1000000;
	rc = w->fn(w->arg, &o, w->f);
	pop(w, was);
	return rc;
}

static int
visit_dir(struct walk *w, int dir, const char *name)
{
	size_t was = w->len;
	int fd, rc = 0;

	if (!push(w, name))
		return 0;
	w->path[w->len - 1] = '\0';
	fd = openat(dir, w->path + was, DIR_FLAGS);
	w->path[w->len - 1] = '/';
	if (fd != -1)
		rc = walk_dir(w, fd);
	/* The root's own directory at the top of an ext file system. */
	else if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP &&
	    !(errno == EACCES && strcmp(w->path, "lost+found/") == 0))
		rc = bk_fault_errno(w->f, 0, errno,
		    "cannot open directory '%s'", w->path);
	pop(w, was);
	return rc;
}

/* Walk the directory ${fd}, whose path with its '/' is w->path.  Takes fd. */
static int
walk_dir(struct walk *w, int fd)
{
	struct names l = { .text = BK_BUF_INIT(NAMES_MAX) };
	DIR *d = fdopendir(fd);
	size_t i;
	int rc;

	if (d == NULL) {
		rc = bk_fault_errno(w->f, 0, errno,
		    "cannot open directory '%s'", w->path);
		close(fd);
		return rc;
	}
	rc = read_names(w, d, &l);
	for (i = 0; rc == 0 && i < l.n; i++) {
		if (l.v[i][strlen(l.v[i]) - 1] == '/')
			rc = visit_dir(w, dirfd(d), l.v[i]);
		else
			rc = visit_file(w, dirfd(d), l.v[i]);
	}
	closedir(d);
	free(l.v);
	bk_buf_release(&l.text);
	return rc;
}

int
bk_fdir_walk(int root, const char *prefix, const char *after, bool temps,
    bk_list_fn *fn, void *arg, struct bk_fault *f)
{
	struct walk w = { .prefix = prefix, .after = after,
		.plen = strlen(prefix), .temps = temps, .fn = fn, .arg = arg,
		.f = f };
	size_t len = bk_fdir_parent(prefix);
	int fd;

	if (w.plen > BK_KEY_MAX)
		return 0;
	if ((fd = bk_fdir_open(root, prefix, len, false)) == -1) {
		if (errno == ENOENT || errno == ENOTDIR ||
		    errno == ENAMETOOLONG)
			return 0;
		return bk_fault_errno(f, 0, errno,
		    "cannot open directory '%.*s'", (int)len, prefix);
	}
	if (len > 0) {
		memcpy(w.path, prefix, len + 1);
		w.len = len + 1;
		w.path[w.len] = '\0';
	}
	return walk_dir(&w, fd);
}
