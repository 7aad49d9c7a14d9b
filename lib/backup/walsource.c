/*
 * A file of WAL on its way into a store.  Its hash is part of its key, so it
 * is read twice: once for the hash, once to be sent, the second time from the
 * kernel's cache.  PostgreSQL does not touch a file that is ready; that it was
 * not touched in between is checked all the same, by its inode's times.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hash.h"
#include "walhead.h"

#define PIECE (256 * 1024)		/* stays in a processor's own cache */
#define TEXT_MAX (1024 * 1024)		/* of a .history or .backup */

int
bk_wal_control(const char *dir, uint64_t *system, struct bk_fault *f)
{
	struct bk_buf path = BK_BUF_INIT(4096);
	int fd = -1, rc = -1;

	if (bk_buf_addf(&path, f, "%s/global/pg_control", dir) == -1)
		goto out;
	if ((fd = open(path.p, O_RDONLY | O_CLOEXEC)) == -1) {
		rc = errno == ENOENT || errno == ENOTDIR ? BK_ABSENT :
		    bk_fault_errno(f, 0, errno, "cannot open '%s'", path.p);
		goto out;
	}
	/* ControlFileData.system_identifier comes first in every version. */
	rc = bk_pread_all(fd, system, sizeof(*system), 0, path.p, f);
	if (rc == 0 && *system == 0)
		rc = bk_fault_set(f, BK_DATA, "'%s' names no system", path.p);
out:
	if (fd != -1)
		(void)close(fd);
	bk_buf_release(&path);
	return rc;
}

/* Cut the last part off ${path}; what is left names the directory. */
static void
up(char *path)
{
	char *slash = strrchr(path, '/');

	while (slash != NULL && slash > path && slash[-1] == '/')
		slash--;
	if (slash == NULL)
		memcpy(path, ".", 2);
	else
		slash[slash == path ? 1 : 0] = '\0';
}

char *
bk_wal_data_dir(const char *path, struct bk_fault *f)
{
	size_t len = strlen(path);
	const char *last;
	char *dir;

	/* Room for "." and for "/..". */
	if ((dir = malloc(len + 8)) == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		return NULL;
	}
	memcpy(dir, path, len + 1);
	up(dir);
	last = strrchr(dir, '/') != NULL ? strrchr(dir, '/') + 1 : dir;
	if (strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
		memcpy(dir + strlen(dir), "/..", 4);
	else
		up(dir);
	return dir;
}

int
bk_wal_control_of(const char *path, uint64_t *system, struct bk_fault *f)
{
	char *dir = bk_wal_data_dir(path, f);
	int rc = dir != NULL ? bk_wal_control(dir, system, f) : -1;

	free(dir);
	return rc;
}

/* A segment, whole or growing, and not a text beside it? */
static bool
is_segment(const struct bk_wal_name *n)
{
	return n->kind == BK_WAL_SEGMENT || n->kind == BK_WAL_PARTIAL;
}

/* Open and look: the identity of the file, and is it one? */
static int
look(struct bk_wal_source *src, const char *path, struct bk_fault *f)
{
	struct stat st;

	if ((src->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) == -1)
		return bk_fault_errno(f, 0, errno, "cannot open '%s'", path);
	if (fstat(src->fd, &st) == -1)
		return bk_fault_errno(f, 0, errno, "cannot look at '%s'", path);
	if (!S_ISREG(st.st_mode))
		return bk_fault_set(f, BK_DATA, "'%s' is no file", path);
	src->bytes = (uint64_t)st.st_size;
	src->id.dev = (uint64_t)st.st_dev;
	src->id.ino = (uint64_t)st.st_ino;
	src->id.changed = (int64_t)st.st_ctim.tv_sec * 1000000000 +
	    st.st_ctim.tv_nsec;
	return 0;
}

/* Is it what its name says?  *${system} becomes the one it says itself. */
static int
check(const struct bk_wal_source *src, const char *path, uint64_t *system,
    struct bk_fault *f)
{
	uint8_t page[BK_WAL_HEAD_LEN];
	struct bk_wal_head h;
	int rc = -1;

	if (!is_segment(&src->key.name)) {
		if (src->bytes == 0 || src->bytes > TEXT_MAX)
			return bk_fault_set(f, BK_DATA, "'%s' has %" PRIu64
			    " bytes, want 1 to %d", path, src->bytes, TEXT_MAX);
		return 0;
	}
	if (src->bytes < sizeof(page))
		rc = bk_wal_head(page, (size_t)src->bytes, &h, f);
	else if (bk_pread_all(src->fd, page, sizeof(page), 0, path, f) == -1)
		return -1;
	else if (bk_wal_head(page, sizeof(page), &h, f) == 0 &&
	    bk_wal_head_check(&h, &src->key.name, src->bytes, *system, f) == 0) {
		*system = h.system;
		rc = 0;
	}
	if (rc == -1)
		bk_fault_context(f, "'%s'", path);
	return rc;
}

static int
take_hash(struct bk_wal_source *src, const char *path, struct bk_fault *f)
{
	struct bk_sha256 *sha = bk_sha256_new(f);
	uint8_t *piece = malloc(PIECE);
	char hex[BK_SHA256_HEX];
	uint64_t off;
	size_t n;
	int rc = -1;

	if (piece == NULL)
		(void)bk_fault_set(f, BK_IO, "out of memory");
	if (sha == NULL || piece == NULL)
		goto out;
	for (off = 0; off < src->bytes; off += n) {
		n = src->bytes - off < PIECE ? (size_t)(src->bytes - off) : PIECE;
		if (bk_pread_all(src->fd, piece, n, off, path, f) == -1)
			goto out;
		bk_sha256_add(sha, piece, n);
	}
	bk_sha256_hex(sha, hex);
	memcpy(src->key.hash, hex, BK_WAL_HASH_LEN);
	src->key.hash[BK_WAL_HASH_LEN] = '\0';
	rc = 0;
out:
	free(piece);
	bk_sha256_free(sha);
	return rc;
}

/* The name, and the descriptor of ${path}. */
static int
begin(struct bk_wal_source *src, const char *path, struct bk_fault *f)
{
	const char *file = strrchr(path, '/') != NULL ?
	    strrchr(path, '/') + 1 : path;

	if (!bk_wal_name_parse(file, &src->key.name) ||
	    src->key.name.kind == BK_WAL_GROWING)
		return bk_fault_set(f, BK_USAGE, "'%s' is no name of a file of "
		    "WAL", file);
	return look(src, path, f);
}

/* Whose it is, and its hash. */
static int
finish(struct bk_wal_source *src, const char *path, uint64_t system,
    struct bk_fault *f)
{
	if ((system == 0 && bk_wal_control_of(path, &system, f) == -1) ||
	    check(src, path, &system, f) == -1)
		return -1;
	if (system == 0)
		return bk_fault_set(f, BK_CONFIG, "'%s' does not say of which "
		    "system it is, and there is no pg_control above it", path);
	src->key.system = system;
	return take_hash(src, path, f);
}

int
bk_wal_source_open(struct bk_wal_source *src, const char *path,
    uint64_t system, struct bk_fault *f)
{
	if (begin(src, path, f) == -1)
		return -1;
	return finish(src, path, system, f);
}

/*
 * Copy what there is to ${to}, from the beginning on: it is written so too,
 * so that what was there before the copying began is in the copy.
 */
static int
copy(const struct bk_wal_source *src, const char *path, int to,
    struct bk_fault *f)
{
	uint8_t *piece = malloc(PIECE);
	uint64_t off;
	ssize_t n = 0;
	int rc = 0;

	if (piece == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	for (off = 0; rc == 0 && off < src->bytes; off += (uint64_t)n) {
		if ((n = pread(src->fd, piece, PIECE, (off_t)off)) <= 0)
			break;
		rc = bk_pwrite_all(to, piece, (size_t)n, off, "temporary file", f);
	}
	if (rc == 0 && n == -1)
		rc = bk_fault_errno(f, BK_IO, errno, "cannot read '%s'", path);
	free(piece);
	return rc;
}

/* Has pg_receivewal written the first page yet? */
static bool
begun(int fd)
{
	uint16_t magic = 0;

	return pread(fd, &magic, sizeof(magic), 0) == sizeof(magic) && magic != 0;
}

int
bk_wal_source_growing(struct bk_wal_source *src, const char *path,
    uint64_t system, const char ulid[BK_ULID_LEN + 1], const char *tmpdir,
    struct bk_fault *f)
{
	struct bk_wal_name *n = &src->key.name;
	struct stat st;
	size_t len;
	int fd;

	if (begin(src, path, f) == -1) {
		if (f->status != BK_NOINPUT)
			return -1;
		bk_fault_clear(f);
		return BK_ABSENT;
	}
	if (n->kind != BK_WAL_PARTIAL)
		return bk_fault_set(f, BK_USAGE, "'%s' is no growing segment",
		    n->file);
	if (!begun(src->fd))
		return BK_ABSENT;
	if ((fd = bk_tmpfile(tmpdir, f)) == -1)
		return -1;
	if (copy(src, path, fd, f) == -1 || fstat(fd, &st) == -1) {
		(void)close(fd);
		return bk_fault_set(f, BK_IO, "cannot copy '%s'", path);
	}
	(void)close(src->fd);
	src->fd = fd;
	src->bytes = (uint64_t)st.st_size;
	src->id.changed = (int64_t)st.st_ctim.tv_sec * 1000000000 +
	    st.st_ctim.tv_nsec;
	if (finish(src, path, system, f) == -1)
		return -1;
	n->kind = BK_WAL_GROWING;
	len = strlen(n->file);
	n->file[len] = '-';
	memcpy(n->file + len + 1, ulid, BK_ULID_LEN + 1);
	return 0;
}

int
bk_wal_place(char hex[BK_WAL_HASH_LEN + 1], const char *name,
    const char *const *urls, size_t n, struct bk_fault *f)
{
	struct bk_sha256 *sha = bk_sha256_new(f);
	char all[BK_SHA256_HEX];
	size_t i;

	if (sha == NULL)
		return -1;
	bk_sha256_add(sha, name, strlen(name) + 1);
	for (i = 0; i < n; i++)
		bk_sha256_add(sha, urls[i], strlen(urls[i]) + 1);
	bk_sha256_hex(sha, all);
	memcpy(hex, all, BK_WAL_HASH_LEN);
	hex[BK_WAL_HASH_LEN] = '\0';
	bk_sha256_free(sha);
	return 0;
}

void
bk_wal_source_release(struct bk_wal_source *src)
{
	if (src->fd != -1)
		(void)close(src->fd);
	*src = (struct bk_wal_source)BK_WAL_SOURCE_INIT;
}
