/*
 * The append-only files of Redis 7 as one tar archive (redis.io,
 * "Persistence": "Append-only file"): a directory with a manifest, a base and
 * increments.
 *
 * Redis' own advice is to hold rewriting off while the files are copied, as a
 * rewrite removes them.  Here every file that the manifest names is open
 * before the first is read, and the manifest must then still be the same
 * file (it is replaced by rename only): a rewrite after that moment takes
 * nothing away, and no setting of the server is changed that a killed backup
 * would leave changed.  Increments are taken at the length that they had
 * then, the last one last, so that the set is the data of one moment; a
 * command that the cut parts is dropped by the server when it loads the set
 * ("aof-load-truncated yes", its default).
 *
 * The archive is ustar with GNU's base-256 sizes above 8 GiB, the directory
 * itself first, for its owner and mode.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "redis.h"

#define PARTS_MAX 256
#define TRIES 20
#define BLOCK BK_AOF_BLOCK
#define CHUNK (256 * 1024)
#define MANIFEST_MAX (1024 * 1024)

struct part {
	char name[100];
	int fd;
	struct stat st;
};

struct bk_aof {
	char *path;
	int dir;
	struct stat st;
	char manifest[100];
	struct bk_buf text;		/* of the manifest */
	struct part parts[PARTS_MAX];
	size_t n;
};

static void
drop_parts(struct bk_aof *a)
{
	while (a->n > 0)
		close(a->parts[--a->n].fd);
	bk_buf_reset(&a->text);
}

/* Open ${name} as the next part.  0; 1 it is not there; -1. */
static int
open_part(struct bk_aof *a, const char *name, struct bk_fault *f)
{
	struct part *p = &a->parts[a->n];

	if (a->n == PARTS_MAX)
		return bk_fault_set(f, BK_DATA, "'%s' names more than %d files",
		    a->manifest, PARTS_MAX - 1);
	p->fd = openat(a->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK);
	if (p->fd == -1 && errno == ENOENT)
		return 1;
	if (p->fd == -1)
		return bk_fault_errno(f, 0, errno, "cannot open '%s/%s'",
		    a->path, name);
	a->n++;
	memcpy(p->name, name, strlen(name) + 1);
	if (fstat(p->fd, &p->st) == -1)
		return bk_fault_errno(f, BK_IO, errno, "'%s'", name);
	return S_ISREG(p->st.st_mode) ? 0 :
	    bk_fault_set(f, BK_DATA, "'%s/%s' is no file", a->path, name);
}

static int
read_manifest(struct bk_aof *a, struct bk_fault *f)
{
	const struct part *p = &a->parts[0];

	if (p->st.st_size > MANIFEST_MAX)
		return bk_fault_set(f, BK_DATA, "'%s' is no manifest",
		    a->manifest);
	if (bk_buf_need(&a->text, (size_t)p->st.st_size, f) == -1 ||
	    bk_pread_all(p->fd, a->text.p, (size_t)p->st.st_size, 0,
	    a->manifest, f) == -1)
		return -1;
	a->text.len = (size_t)p->st.st_size;
	a->text.p[a->text.len] = '\0';
	return 0;
}

/* "file NAME seq N type b|i|h"; those of history (h) are not loaded. */
static int
open_line(struct bk_aof *a, const char *line, struct bk_fault *f)
{
	char name[100], type;
	int seq;

	if (line[0] == '#' || line[0] == '\0')
		return 0;
	if (sscanf(line, "file %99s seq %d type %c", name, &seq, &type) != 3 ||
	    name[0] == '"' || strchr(name, '/') != NULL)
		return bk_fault_set(f, BK_DATA,
		    "'%s/%s' has a line that is not understood: %.100s",
		    a->path, a->manifest, line);
	return type == 'h' ? 0 : open_part(a, name, f);
}

/* Open what the manifest names.  0; 1 it changed meanwhile; -1. */
static int
open_set(struct bk_aof *a, struct bk_fault *f)
{
	char *line, *end;
	struct stat st;
	int rc;

	drop_parts(a);
	if ((rc = open_part(a, a->manifest, f)) != 0)
		return rc;
	if (read_manifest(a, f) == -1)
		return -1;
	for (line = a->text.p; line != NULL && rc == 0; line = end) {
		if ((end = strchr(line, '\n')) != NULL)
			*end++ = '\0';
		rc = open_line(a, line, f);
	}
	if (rc != 0)
		return rc;
	if (fstatat(a->dir, a->manifest, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
	    st.st_ino != a->parts[0].st.st_ino ||
	    st.st_mtim.tv_sec != a->parts[0].st.st_mtim.tv_sec ||
	    st.st_mtim.tv_nsec != a->parts[0].st.st_mtim.tv_nsec)
		return 1;
	if (a->n < 2)
		return bk_fault_set(f, BK_DATA, "'%s/%s' names no files",
		    a->path, a->manifest);
	return 0;
}

/* The one manifest of the directory. */
static int
find_manifest(struct bk_aof *a, struct bk_fault *f)
{
	static const char suffix[] = ".manifest";
	const struct dirent *e;
	size_t n, found = 0;
	int fd = fcntl(a->dir, F_DUPFD_CLOEXEC, 0);
	DIR *d = fd != -1 ? fdopendir(fd) : NULL;

	if (d == NULL) {
		bk_fault_errno(f, 0, errno, "cannot read '%s'", a->path);
		if (fd != -1)
			close(fd);
		return -1;
	}
	while ((e = readdir(d)) != NULL) {
		n = strlen(e->d_name);
		/* "temp-…" is one that is being written. */
		if (n < sizeof(suffix) || n >= sizeof(a->manifest) ||
		    strncmp(e->d_name, "temp-", 5) == 0 ||
		    strcmp(e->d_name + n - (sizeof(suffix) - 1), suffix) != 0)
			continue;
		memcpy(a->manifest, e->d_name, n + 1);
		found++;
	}
	closedir(d);
	return found == 1 ? 0 : bk_fault_set(f, BK_DATA,
	    "'%s' holds %s manifest of append-only files", a->path,
	    found == 0 ? "no" : "more than one");
}

struct bk_aof *
bk_aof_open(const char *path, uint64_t *estimate, struct bk_fault *f)
{
	struct bk_aof *a = calloc(1, sizeof(*a));
	size_t i;
	int rc = 1, tries;

	if (a == NULL || (a->path = strdup(path)) == NULL) {
		free(a);
		bk_fault_errno(f, BK_IO, ENOMEM, "redis");
		return NULL;
	}
	a->text.max = MANIFEST_MAX;
	a->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (a->dir == -1 || fstat(a->dir, &a->st) == -1)
		rc = bk_fault_errno(f, 0, errno, "cannot open '%s'", path);
	else if (find_manifest(a, f) == -1)
		rc = -1;
	for (tries = 0; rc == 1 && tries < TRIES; tries++)
		rc = open_set(a, f);
	if (rc == 1)
		bk_fault_set(f, BK_UNAVAILABLE,
		    "'%s/%s' names files that are not there", path, a->manifest);
	if (rc != 0) {
		bk_aof_free(a);
		return NULL;
	}
	*estimate = 4 * BLOCK;
	for (i = 0; i < a->n; i++)
		*estimate += (uint64_t)a->parts[i].st.st_size + 2 * BLOCK;
	return a;
}

void
bk_aof_free(struct bk_aof *a)
{
	if (a == NULL)
		return;
	drop_parts(a);
	if (a->dir != -1)
		close(a->dir);
	bk_buf_release(&a->text);
	free(a->path);
	free(a);
}

void
bk_aof_header(uint8_t h[BLOCK], const char *name, const struct stat *st,
    uint64_t size, char type)
{
	unsigned int sum = 0;
	size_t i;
	char field[32];

	memset(h, 0, BLOCK);
	memcpy(h, name, strlen(name));
	snprintf(field, sizeof(field), "%07o", (unsigned int)st->st_mode & 0777);
	memcpy(h + 100, field, 8);
	snprintf(field, sizeof(field), "%07o", (unsigned int)st->st_uid &
	    07777777);
	memcpy(h + 108, field, 8);
	snprintf(field, sizeof(field), "%07o", (unsigned int)st->st_gid &
	    07777777);
	memcpy(h + 116, field, 8);
	if (size < 077777777777ULL) {
		snprintf(field, sizeof(field), "%011llo",
		    (unsigned long long)size);
		memcpy(h + 124, field, 12);
	} else {
		h[124] = 0x80;
		for (i = 0; i < 8; i++)
			h[135 - i] = (uint8_t)(size >> 8 * i);
	}
	snprintf(field, sizeof(field), "%011llo",
	    (unsigned long long)st->st_mtim.tv_sec & 077777777777ULL);
	memcpy(h + 136, field, 12);
	memset(h + 148, ' ', 8);
	h[156] = (uint8_t)type;
	memcpy(h + 257, "ustar\00000", 8);
	for (i = 0; i < BLOCK; i++)
		sum += h[i];
	snprintf(field, sizeof(field), "%06o", sum);
	memcpy(h + 148, field, 7);
}

/* A base in RDB format is proven as an RDB file is. */
static bool
is_rdb(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && strcmp(name + n - 4, ".rdb") == 0;
}

static int
read_part(const struct part *p, uint8_t *chunk, struct bk_marks *m,
    bk_sink_fn *sink, void *arg, struct bk_fault *f)
{
	uint64_t at = 0, left = (uint64_t)p->st.st_size;
	size_t n;

	bk_aof_header(chunk, p->name, &p->st, left, '0');
	if (sink(arg, chunk, BLOCK, f) == -1)
		return -1;
	for (; left > 0; left -= n, at += n) {
		n = left < CHUNK ? (size_t)left : CHUNK;
		if (bk_pread_all(p->fd, chunk, n, at, p->name, f) == -1)
			return -1;
		if ((m != NULL && m->write(m, chunk, n, f) == -1) ||
		    sink(arg, chunk, n, f) == -1)
			return -1;
	}
	if (m != NULL && m->finish(m, f) == -1)
		return -1;
	n = (size_t)(-at & (BLOCK - 1));
	memset(chunk, 0, BLOCK);
	return n > 0 ? sink(arg, chunk, n, f) : 0;
}

int
bk_aof_read(struct bk_aof *a, bk_sink_fn *sink, void *arg, struct bk_fault *f)
{
	uint8_t *chunk = malloc(CHUNK);
	struct bk_marks *m = NULL;
	size_t i;
	int rc = -1, one;

	if (chunk == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "redis");
	bk_aof_header(chunk, "./", &a->st, 0, '5');
	if (sink(arg, chunk, BLOCK, f) == -1)
		goto out;
	for (i = 0; i < a->n; i++) {
		if (is_rdb(a->parts[i].name) && (m = bk_marks_rdb(f)) == NULL)
			goto out;
		one = read_part(&a->parts[i], chunk, m, sink, arg, f);
		if (m != NULL)
			m->free(m);
		m = NULL;
		if (one == -1) {
			bk_fault_context(f, "'%s/%s'", a->path,
			    a->parts[i].name);
			goto out;
		}
	}
	memset(chunk, 0, 2 * BLOCK);
	rc = sink(arg, chunk, 2 * BLOCK, f);
out:
	free(chunk);
	return rc;
}
