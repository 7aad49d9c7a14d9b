/*
 * See spooldir.h.
 *
 * A file is known by inode, size and time of modification, since another may
 * be renamed over its name at any moment, also between the last look and the
 * unlink.  So it is renamed away first, to a name that nobody else uses, looked
 * at there, and then unlinked; another one is given its name back.
 */
#include <sys/file.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backoff.h"
#include "hash.h"
#include "io.h"
#include "json.h"
#include "spooldir.h"

#define NOTE ".bk-spool"
#define TAKEN ".bk-spool.taken"
#define NOTE_MAX 65536
#define FILES 4096			/* of one reading */
#define ASIDE 1024			/* left alone at once */
#define ASIDE_MS 5000
#define ASIDE_MAX_MS 300000

/* A file that is waited with. */
struct aside {
	struct bk_spool_file file;
	struct bk_backoff wait;
	bool failed;			/* else only seen */
	bool here;			/* in the last reading */
};

struct bk_spooldir {
	char *path;
	int fd;
	int64_t quiet;
	int64_t now;			/* of the last reading */
	struct bk_spool_file *files;	/* 2 * FILES */
	size_t n, next;
	struct aside *asides;		/* ASIDE */
	size_t nasides;
	json_t *note;			/* the last one, or NULL */
};

static bool
same(const struct bk_spool_file *a, const struct bk_spool_file *b)
{
	return a->inode == b->inode && a->bytes == b->bytes &&
	    a->sec == b->sec && a->nsec == b->nsec;
}

static void
describe(struct bk_spool_file *file, const char *name, const struct stat *st)
{
	*file = (struct bk_spool_file){ .inode = st->st_ino,
		.bytes = (uint64_t)st->st_size, .sec = st->st_mtim.tv_sec,
		.nsec = st->st_mtim.tv_nsec };
	snprintf(file->name, sizeof(file->name), "%s", name);
}

/* Is there a regular file ${name}, and which? */
static bool
look(const struct bk_spooldir *d, const char *name, struct bk_spool_file *file)
{
	struct stat st;

	if (fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
	    !S_ISREG(st.st_mode))
		return false;
	describe(file, name, &st);
	return true;
}

/*
 * The note.  Whoever may put files here may have put it here too: so neither
 * a pipe, which would hold us up, nor another name of some file is taken for
 * it.  A descriptor, or -1 with errno set.
 */
static int
open_note(const struct bk_spooldir *d, int flags)
{
	int fd = openat(d->fd, NOTE, flags | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK, 0600);
	struct stat st;

	if (fd != -1 && (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    st.st_nlink != 1)) {
		(void)close(fd);
		errno = EPERM;
		return -1;
	}
	return fd;
}

/* The file that the note is of: one of those that are read here, no path. */
static bool
note_file(const struct bk_spooldir *d, struct bk_spool_file *file)
{
	const char *hex = bk_json_get_text(d->note, "file");

	*file = (struct bk_spool_file){
		.inode = (uint64_t)bk_json_get_int(d->note, "inode"),
		.bytes = (uint64_t)bk_json_get_int(d->note, "bytes"),
		.sec = bk_json_get_int(d->note, "sec"),
		.nsec = bk_json_get_int(d->note, "nsec") };
	return hex != NULL && strlen(hex) / 2 < sizeof(file->name) &&
	    bk_unhex(hex, file->name, strlen(hex) / 2) == 0 &&
	    file->name[0] != '\0' && file->name[0] != '.' &&
	    strchr(file->name, '/') == NULL &&
	    bk_json_get_text(d->note, "name") != NULL &&
	    bk_json_get_text(d->note, "id") != NULL;
}

/* Read the note that a bk-spool before us left.  One that is bad is none. */
static void
read_note(struct bk_spooldir *d)
{
	struct bk_fault f = BK_FAULT_INIT;
	int fd = open_note(d, O_RDONLY);
	char *text = malloc(NOTE_MAX);
	ssize_t n;

	if (fd != -1 && text != NULL &&
	    (n = bk_read_full(fd, text, NOTE_MAX, NOTE, &f)) > 0)
		d->note = bk_json_parse(text, (size_t)n, NOTE, &f);
	free(text);
	if (fd != -1)
		(void)close(fd);
}

/* What lies under the name of ours is ${file} and stored, or somebody's. */
static int
untake(struct bk_spooldir *d, const struct bk_spool_file *file,
    struct bk_fault *f)
{
	struct bk_spool_file taken;

	/*
	 * Given back only where yet another has not come: that one would have
	 * been renamed over it.
	 */
	if (look(d, TAKEN, &taken) && !same(&taken, file) &&
	    linkat(d->fd, TAKEN, d->fd, file->name, 0) == -1 && errno != EEXIST)
		return bk_fault_errno(f, 0, errno, "cannot rename '%s/%s' to "
		    "'%s'", d->path, TAKEN, file->name);
	if (unlinkat(d->fd, TAKEN, 0) == -1 && errno != ENOENT)
		return bk_fault_errno(f, 0, errno, "cannot remove '%s/%s'",
		    d->path, TAKEN);
	return 0;
}

int
bk_spooldir_remove(struct bk_spooldir *d, const struct bk_spool_file *file,
    struct bk_fault *f)
{
	struct bk_spool_file now;

	if (!look(d, file->name, &now) || !same(&now, file))
		return 0;
	if (renameat(d->fd, file->name, d->fd, TAKEN) == -1)
		return errno == ENOENT ? 0 : bk_fault_errno(f, 0, errno,
		    "cannot remove '%s/%s'", d->path, file->name);
	return untake(d, file, f);
}

/* Finish a removal that was cut. */
static int
recover(struct bk_spooldir *d, struct bk_fault *f)
{
	struct bk_spool_file file, taken;

	read_note(d);
	if (!look(d, TAKEN, &taken))
		return 0;
	if (!note_file(d, &file))
		return bk_fault_set(f, BK_DATA, "'%s/%s' is there, and no note "
		    "tells what it was: give it a name of its own", d->path,
		    TAKEN);
	return untake(d, &file, f);
}

/* Open and lock what is at the path now. */
static int
open_dir(struct bk_spooldir *d, struct bk_fault *f)
{
	d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->fd == -1)
		return bk_fault_errno(f, 0, errno, "cannot open '%s'", d->path);
	if (flock(d->fd, LOCK_EX | LOCK_NB) == -1)
		return errno == EWOULDBLOCK ? bk_fault_set(f, BK_BUSY,
		    "cannot lock '%s': another bk-spool has it", d->path) :
		    bk_fault_errno(f, 0, errno, "cannot lock '%s'", d->path);
	if (faccessat(d->fd, ".", W_OK | X_OK, AT_EACCESS) == -1)
		return bk_fault_errno(f, 0, errno, "cannot remove files in '%s'",
		    d->path);
	return recover(d, f);
}

struct bk_spooldir *
bk_spooldir_open(const char *path, int64_t quiet, struct bk_fault *f)
{
	struct bk_spooldir *d = calloc(1, sizeof(*d));

	if (d == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		return NULL;
	}
	d->fd = -1;
	d->quiet = quiet;
	d->files = calloc(2 * FILES, sizeof(*d->files));
	d->asides = calloc(ASIDE, sizeof(*d->asides));
	if (d->files == NULL || d->asides == NULL)
		(void)bk_fault_set(f, BK_IO, "out of memory");
	else if ((d->path = realpath(path, NULL)) == NULL)
		(void)bk_fault_errno(f, 0, errno, "cannot open '%s'", path);
	else
		(void)open_dir(d, f);
	if (!bk_faulty(f))
		return d;
	bk_spooldir_close(d);
	return NULL;
}

void
bk_spooldir_close(struct bk_spooldir *d)
{
	if (d == NULL)
		return;
	if (d->fd != -1)
		(void)close(d->fd);
	json_decref(d->note);
	free(d->files);
	free(d->asides);
	free(d->path);
	free(d);
}

const char *
bk_spooldir_path(const struct bk_spooldir *d)
{
	return d->path;
}

static struct aside *
find_aside(const struct bk_spooldir *d, const struct bk_spool_file *file)
{
	size_t i;

	for (i = 0; i < d->nasides; i++)
		if (same(&d->asides[i].file, file) &&
		    strcmp(d->asides[i].file.name, file->name) == 0)
			return &d->asides[i];
	return NULL;
}

static struct aside *
add_aside(struct bk_spooldir *d, const struct bk_spool_file *file)
{
	struct aside *a;

	if (d->nasides == ASIDE)
		return NULL;
	a = &d->asides[d->nasides++];
	*a = (struct aside){ .file = *file, .here = true,
		.wait = BK_BACKOFF_INIT(ASIDE_MS, ASIDE_MAX_MS) };
	return a;
}

/* Is ${file} to be uploaded now? */
static bool
ripe(struct bk_spooldir *d, const struct bk_spool_file *file, int64_t now)
{
	struct aside *a = find_aside(d, file);

	if (a != NULL) {
		a->here = true;
		return a->wait.until <= now;
	}
	if (d->quiet == 0)
		return true;
	/* With no room for it, it is seen once there is. */
	if ((a = add_aside(d, file)) != NULL)
		a->wait.until = now + d->quiet;
	return false;
}

static int
by_age(const void *a, const void *b)
{
	const struct bk_spool_file *x = a, *y = b;

	if (x->sec != y->sec)
		return x->sec < y->sec ? -1 : 1;
	if (x->nsec != y->nsec)
		return x->nsec < y->nsec ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* Forget those that are gone or have changed. */
static void
sift_asides(struct bk_spooldir *d)
{
	size_t i, n = 0;

	for (i = 0; i < d->nasides; i++)
		if (d->asides[i].here)
			d->asides[n++] = d->asides[i];
	d->nasides = n;
}

/*
 * Somebody may have removed the directory and made it again.  1 if it is there,
 * 0 if not, -1 with ${f} set.
 */
static int
still_there(struct bk_spooldir *d, struct bk_fault *f)
{
	struct stat ours, now;

	if (stat(d->path, &now) == -1)
		return errno == ENOENT ? 0 : bk_fault_errno(f, 0, errno,
		    "cannot read '%s'", d->path);
	if (d->fd != -1 && fstat(d->fd, &ours) == 0 &&
	    ours.st_ino == now.st_ino && ours.st_dev == now.st_dev)
		return 1;
	if (d->fd != -1)
		(void)close(d->fd);
	json_decref(d->note);
	d->note = NULL;
	return open_dir(d, f) == -1 ? -1 : 1;
}

int
bk_spooldir_read(struct bk_spooldir *d, int64_t now, struct bk_fault *f)
{
	struct bk_spool_file *file;
	struct dirent *e;
	DIR *dir;
	size_t i;
	int fd, rc;

	d->n = d->next = 0;
	if ((rc = still_there(d, f)) != 1)
		return rc;
	/* A descriptor of its own: its place in the directory is its own too. */
	if ((fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 ||
	    (dir = fdopendir(fd)) == NULL) {
		(void)bk_fault_errno(f, 0, errno, "cannot read '%s'", d->path);
		if (fd != -1)
			(void)close(fd);
		return -1;
	}
	for (i = 0; i < d->nasides; i++)
		d->asides[i].here = false;
	d->now = now;
	while (errno = 0, (e = readdir(dir)) != NULL) {
		file = &d->files[d->n];
		if (e->d_name[0] == '.' || !look(d, e->d_name, file) ||
		    !ripe(d, file, now))
			continue;
		if (++d->n < 2 * FILES)
			continue;
		qsort(d->files, d->n, sizeof(*d->files), by_age);
		d->n = FILES;
	}
	if (errno != 0)
		(void)bk_fault_errno(f, BK_IO, errno, "cannot read '%s'",
		    d->path);
	(void)closedir(dir);
	sift_asides(d);
	qsort(d->files, d->n, sizeof(*d->files), by_age);
	if (d->n > FILES)
		d->n = FILES;
	return bk_faulty(f) ? -1 : (int)d->n;
}

const struct bk_spool_file *
bk_spooldir_next(struct bk_spooldir *d)
{
	return d->next < d->n ? &d->files[d->next++] : NULL;
}

int
bk_spooldir_file(struct bk_spooldir *d, const struct bk_spool_file *file,
    struct bk_fault *f)
{
	int fd = openat(d->fd, file->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK);

	if (fd == -1)
		return errno == ENOENT || errno == ELOOP ? -1 :
		    bk_fault_errno(f, 0, errno, "cannot open '%s/%s'", d->path,
		    file->name);
	if (bk_spooldir_same(file, fd))
		return fd;
	(void)close(fd);
	return -1;
}

bool
bk_spooldir_same(const struct bk_spool_file *file, int fd)
{
	struct bk_spool_file now;
	struct stat st;

	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))
		return false;
	describe(&now, file->name, &st);
	return same(&now, file);
}

bool
bk_spooldir_aside(struct bk_spooldir *d, const struct bk_spool_file *file,
    int64_t now)
{
	struct aside *a = find_aside(d, file);
	bool first;

	if (a == NULL && (a = add_aside(d, file)) == NULL)
		return true;
	first = !a->failed;
	a->failed = true;
	bk_backoff_failed(&a->wait, now);
	return first;
}

int64_t
bk_spooldir_due(const struct bk_spooldir *d)
{
	int64_t due = INT64_MAX;
	size_t i;

	for (i = 0; i < d->nasides; i++)
		if (d->asides[i].wait.until > d->now &&
		    d->asides[i].wait.until < due)
			due = d->asides[i].wait.until;
	return due;
}

size_t
bk_spooldir_unripe(const struct bk_spooldir *d)
{
	size_t i, n = 0;

	for (i = 0; i < d->nasides; i++)
		n += !d->asides[i].failed && d->asides[i].here;
	return n;
}

/* In place: a disk that is full has room for it. */
static int
write_note(const struct bk_spooldir *d, const struct bk_buf *b,
    struct bk_fault *f)
{
	int rc, fd = open_note(d, O_WRONLY | O_CREAT);

	if (fd == -1)
		return bk_fault_errno(f, 0, errno, "cannot write '%s/%s'",
		    d->path, NOTE);
	rc = bk_pwrite_all(fd, b->p, b->len, 0, NOTE, f);
	if (rc == 0 && ftruncate(fd, (off_t)b->len) == -1)
		rc = bk_fault_errno(f, 0, errno, "cannot write '%s/%s'",
		    d->path, NOTE);
	if (rc == 0 && (bk_fsync(fd, NOTE, f) == -1 ||
	    bk_fsync(d->fd, d->path, f) == -1))
		rc = -1;
	if (bk_close(fd, NOTE, f) == -1)
		rc = -1;
	return rc;
}

int
bk_spooldir_note(struct bk_spooldir *d, const struct bk_spool_file *file,
    const char *name, const char *id, struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(NOTE_MAX);
	char hex[2 * sizeof(file->name)];
	json_t *o;
	int rc = -1;

	/* In hexadecimal: names of files are any bytes. */
	bk_hex(file->name, strlen(file->name), hex);
	o = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:s}", "bk",
	    "spool/1", "file", hex, "inode", (json_int_t)file->inode, "bytes",
	    (json_int_t)file->bytes, "sec", (json_int_t)file->sec, "nsec",
	    (json_int_t)file->nsec, "name", name, "id", id);
	if (o == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	if (bk_json_text(o, &b, f) == 0 && bk_buf_adds(&b, "\n", f) == 0)
		rc = write_note(d, &b, f);
	if (rc == 0) {
		json_decref(d->note);
		d->note = json_incref(o);
	}
	json_decref(o);
	bk_buf_release(&b);
	return rc;
}

bool
bk_spooldir_noted(const struct bk_spooldir *d,
    const struct bk_spool_file *file, const char **name, const char **id)
{
	struct bk_spool_file noted;

	if (!note_file(d, &noted) || !same(&noted, file) ||
	    strcmp(noted.name, file->name) != 0)
		return false;
	*name = bk_json_get_text(d->note, "name");
	*id = bk_json_get_text(d->note, "id");
	return true;
}
