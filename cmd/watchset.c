/*
 * Watching paths that come and go (inotify(7), libinotifytools 3.22).
 *
 * A path is watched by its directories.  In the one that holds it events of
 * its name count; in each above it the name of the next one below, since
 * one that was removed while a process stands in it, or that another was
 * renamed over, says nothing of itself.  Below the first that is missing
 * there is nothing to watch: the one above it tells when it comes.  Where a
 * name is a symbolic link there is another way down, behind it, watched alike.
 *
 * Whenever one of these directories comes or goes, and when the queue has run
 * over, all is thrown away and built anew, and the caller looks at every
 * path.  This is rare, and there is no state of half a set to get wrong:
 * watches stand before anyone looks, so nothing is missed in between.
 *
 * Facts of the library (3.22, inotifytools.c): it calls inotify_init(), so
 * that we set close-on-exec ourselves, and tells its descriptor to nobody;
 * the kernel gives the lowest that is free (open(2)), so it is known
 * beforehand.  inotifytools_next_event(0) waits for ever, but
 * inotifytools_next_events(0, 1) does not wait.  A batch of events that it has
 * read survives inotifytools_cleanup() and has to be drained first.  One
 * directory watched under two names would be known by the first alone: so
 * each is named as realpath(3) has it, and watched once.
 */
#include <inotifytools/inotify.h>
#include <inotifytools/inotifytools.h>

#include <sys/ioctl.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "watchset.h"

#define DEPTH 128			/* directories above one path */
#define LINKS 40			/* on the way to one path, as the kernel */
#define ATTEMPTS 100			/* to see the directories hold still */
#define BATCH 100000			/* events before somebody looks at a clock */

/* Of the first: gone, or another renamed over it; of a missing one: came. */
#define GOES (IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | \
    IN_MOVE_SELF | IN_ONLYDIR)
#define COMES (GOES | IN_CREATE | IN_ATTRIB)
#define HOLDS (GOES | IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE)

/* One watched directory. */
struct dir {
	char *name;			/* as realpath(3) has it, '/' at the end */
	uint32_t mask;
	int wd;
};

/* One way down to a path. */
struct chain {
	size_t path;			/* its number */
	char *text;			/* "/var/lib/redis/dump.rdb" */
	size_t at[DEPTH];		/* where names in it begin */
	size_t n;			/* how many names */
	size_t dirs[DEPTH + 1];		/* "/", "/var", …: which of ws->dirs */
	size_t depth;			/* how many of them there are */
};

struct bk_watchset {
	char *const *paths;
	size_t npaths;
	struct chain *chains;
	size_t nchains, schains;
	struct dir *dirs;
	size_t ndirs, sdirs;
	int fd;
};

static int
no_memory(struct bk_fault *f)
{
	return bk_fault_set(f, BK_IO, "out of memory");
}

static void
drop_watches(struct bk_watchset *ws)
{
	size_t i;

	if (ws->fd != -1) {
		for (i = 0; i < BATCH * 10 &&
		    inotifytools_next_events(0, 1) != NULL; i++)
			;
		inotifytools_cleanup();
		ws->fd = -1;
	}
	for (i = 0; i < ws->ndirs; i++)
		free(ws->dirs[i].name);
	for (i = 0; i < ws->nchains; i++)
		free(ws->chains[i].text);
	ws->ndirs = ws->nchains = 0;
}

struct bk_watchset *
bk_watchset_new(char *const *paths, size_t n, struct bk_fault *f)
{
	struct bk_watchset *ws = calloc(1, sizeof(*ws));

	if (ws == NULL) {
		(void)no_memory(f);
		return NULL;
	}
	ws->paths = paths;
	ws->npaths = n;
	ws->fd = -1;
	return ws;
}

void
bk_watchset_free(struct bk_watchset *ws)
{
	if (ws == NULL)
		return;
	drop_watches(ws);
	free(ws->dirs);
	free(ws->chains);
	free(ws);
}

int
bk_watchset_fd(const struct bk_watchset *ws)
{
	return ws->fd;
}

/*
 * Cut ${text} (taken; absolute) into names, "." and doubled slashes left out.
 */
static int
add_chain(struct bk_watchset *ws, size_t path, char *text, struct bk_fault *f)
{
	char *in = text, *out = text;
	struct chain *c;
	size_t n;

	if (ws->nchains == ws->schains) {
		n = ws->schains * 2 + 8;
		c = realloc(ws->chains, n * sizeof(*ws->chains));
		if (c == NULL) {
			free(text);
			return no_memory(f);
		}
		ws->chains = c;
		ws->schains = n;
	}
	c = &ws->chains[ws->nchains];
	memset(c, 0, sizeof(*c));
	c->path = path;
	c->text = text;
	ws->nchains++;
	while (*(in += strspn(in, "/")) != '\0') {
		n = strcspn(in, "/");
		if (n != 1 || *in != '.') {
			if (c->n == DEPTH)
				return bk_fault_set(f, BK_USAGE, "cannot watch "
				    "'%s': more than %d directories above it",
				    ws->paths[path], DEPTH);
			*out++ = '/';
			c->at[c->n++] = (size_t)(out - text);
			memmove(out, in, n);
			out += n;
		}
		in += n;
	}
	*out = '\0';
	return 0;
}

/*
 * The way that ${c} is where its first symbolic link has been followed, or NULL
 * with *${f} as it was if there is no link.  What is missing is no link.
 */
static char *
follow(const struct chain *c, struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(2 * PATH_MAX);
	char part[PATH_MAX], target[PATH_MAX];
	char *text = NULL;
	ssize_t len = -1;
	size_t i, n;

	for (i = 0; len == -1 && i < c->n; i++) {
		n = c->at[i] + strcspn(c->text + c->at[i], "/");
		if (n >= sizeof(part))
			return NULL;
		memcpy(part, c->text, n);
		part[n] = '\0';
		len = readlink(part, target, sizeof(target) - 1);
	}
	if (len == -1)
		return NULL;
	target[len] = '\0';
	if (target[0] != '/')
		(void)bk_buf_add(&b, c->text, c->at[i - 1], f);
	(void)bk_buf_addf(&b, f, "%s/%s", target, i < c->n ? c->text + c->at[i] :
	    "");
	if (!bk_faulty(f))
		text = bk_buf_detach(&b, f);
	bk_buf_release(&b);
	return text;
}

/* The ways down to path ${i}: as it is written, and behind each link. */
static int
add_chains(struct bk_watchset *ws, size_t i, struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(2 * PATH_MAX);
	char cwd[PATH_MAX], *text;
	const char *path = ws->paths[i];
	int links = 0;

	if (path[0] != '/') {
		if (getcwd(cwd, sizeof(cwd)) == NULL)
			return bk_fault_errno(f, 0, errno, "cannot find the "
			    "working directory");
		(void)bk_buf_addf(&b, f, "%s/", cwd);
	}
	(void)bk_buf_adds(&b, path, f);
	text = bk_faulty(f) ? NULL : bk_buf_detach(&b, f);
	bk_buf_release(&b);
	while (text != NULL && links++ < LINKS) {
		if (add_chain(ws, i, text, f) == -1)
			return -1;
		text = follow(&ws->chains[ws->nchains - 1], f);
	}
	free(text);
	return bk_faulty(f) ? -1 : 0;
}

/* The directory of ${c} with ${level} names, into ${out}; NULL: none there. */
static char *
dir_of(const struct chain *c, size_t level, struct stat *st)
{
	char part[PATH_MAX];
	size_t n = level == 0 ? 1 : c->at[level - 1] +
	    strcspn(c->text + c->at[level - 1], "/");

	if (n >= sizeof(part))
		return NULL;
	memcpy(part, level == 0 ? "/" : c->text, n);
	part[n] = '\0';
	if (stat(part, st) == -1 || !S_ISDIR(st->st_mode))
		return NULL;
	return realpath(part, NULL);
}

/* Note that directory ${name} (taken) is to be watched for ${mask}. */
static int
want_dir(struct bk_watchset *ws, char *name, uint32_t mask, size_t *at,
    struct bk_fault *f)
{
	struct dir *d;
	size_t n = strlen(name);
	char *slash;
	void *p;

	for (*at = 0; *at < ws->ndirs; ++*at) {
		d = &ws->dirs[*at];
		if (strncmp(d->name, name, n) == 0 &&
		    (d->name[n] == '\0' || strcmp(d->name + n, "/") == 0)) {
			d->mask |= mask;
			free(name);
			return 0;
		}
	}
	/* With '/' at the end the library takes the name as it is. */
	slash = n > 1 ? realloc(name, n + 2) : name;
	if (slash == NULL) {
		free(name);
		return no_memory(f);
	}
	if (n > 1)
		memcpy(slash + n, "/", 2);
	if (ws->ndirs == ws->sdirs) {
		n = ws->sdirs * 2 + 32;
		if ((p = realloc(ws->dirs, n * sizeof(*ws->dirs))) == NULL) {
			free(slash);
			return no_memory(f);
		}
		ws->dirs = p;
		ws->sdirs = n;
	}
	ws->dirs[ws->ndirs++] = (struct dir){ slash, mask, -1 };
	return 0;
}

/* Find which directories there are on the way down. */
static int
plan_chain(struct bk_watchset *ws, struct chain *c, struct bk_fault *f)
{
	struct stat st;
	uint32_t mask;
	char *name, *next;

	name = dir_of(c, 0, &st);
	for (c->depth = 0; name != NULL; name = next) {
		next = c->depth < c->n ? dir_of(c, c->depth + 1, &st) : NULL;
		if (next != NULL && access(next, R_OK) == 0)
			mask = GOES;
		else if (next != NULL || c->depth + 1 < c->n)
			mask = COMES;
		else
			mask = HOLDS;
		if (want_dir(ws, name, mask, &c->dirs[c->depth], f) == -1) {
			free(next);
			return -1;
		}
		c->depth++;
	}
	return 0;
}

/* Are as many there as were planned? */
static bool
holds_still(const struct bk_watchset *ws)
{
	const struct chain *c;
	struct stat st;
	size_t i;
	char *name;
	bool same = true;

	for (i = 0; same && i < ws->nchains; i++) {
		c = &ws->chains[i];
		if (c->depth > 0) {
			name = dir_of(c, c->depth - 1, &st);
			same = name != NULL;
			free(name);
		}
		if (same && c->depth <= c->n) {
			name = dir_of(c, c->depth, &st);
			same = name == NULL;
			free(name);
		}
	}
	return same;
}

static int
limit(const char *what, const char *sysctl, int value, struct bk_fault *f)
{
	return bk_fault_set(f, BK_CANTCREATE, "cannot watch '%s': a limit of "
	    "inotify is reached; raise it: sysctl %s=%d", what, sysctl,
	    value > 0 && value < INT_MAX / 2 ? value * 2 : 1 << 20);
}

static int
start(struct bk_watchset *ws, struct bk_fault *f)
{
	int err, n, fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd != -1)
		(void)close(fd);
	if (!inotifytools_initialize()) {
		err = inotifytools_error();
		if (err == EMFILE)
			return limit(ws->paths[0],
			    "fs.inotify.max_user_instances",
			    inotifytools_get_max_user_instances(), f);
		return bk_fault_errno(f, BK_CANTCREATE, err,
		    "cannot use inotify");
	}
	if (fd == -1 || ioctl(fd, FIONREAD, &n) == -1 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
		return bk_fault_set(f, BK_BUG, "the descriptor of inotify is "
		    "not where it should be");
	ws->fd = fd;
	return 0;
}

/* 0; 1 if ${d} is not there any more; -1 with ${f} set. */
static int
watch_dir(struct dir *d, bool first, struct bk_fault *f)
{
	int err;

	if (inotifytools_watch_file(d->name, (int)d->mask)) {
		d->wd = inotifytools_wd_from_filename(d->name);
		return 0;
	}
	err = inotifytools_error();
	if (err == ENOSPC)
		return limit(d->name, "fs.inotify.max_user_watches",
		    inotifytools_get_max_user_watches(), f);
	if (err == ENOENT || err == ENOTDIR)
		return 1;
	/* One that is only passed through need not be readable. */
	if (err == EACCES && (!first || (d->mask & IN_CREATE) == 0))
		return 0;
	return bk_fault_errno(f, 0, err, "cannot watch '%s'", d->name);
}

int
bk_watchset_build(struct bk_watchset *ws, bool first, struct bk_fault *f)
{
	int attempt, rc = 1;
	size_t i;

	for (attempt = 0; rc == 1 && attempt < ATTEMPTS; attempt++) {
		drop_watches(ws);
		if (start(ws, f) == -1)
			return -1;
		for (i = 0; i < ws->npaths; i++)
			if (add_chains(ws, i, f) == -1)
				return -1;
		for (i = 0; i < ws->nchains; i++)
			if (plan_chain(ws, &ws->chains[i], f) == -1)
				return -1;
		rc = 0;
		for (i = 0; rc == 0 && i < ws->ndirs; i++)
			rc = watch_dir(&ws->dirs[i], first, f);
		if (rc == 0 && !holds_still(ws))
			rc = 1;
	}
	return rc == 1 ? bk_fault_set(f, BK_UNAVAILABLE, "cannot watch '%s': its "
	    "directories do not stay as they are", ws->paths[0]) : rc;
}

/* FNV-1a of 64 bits (draft-eastlake-fnv), never 0. */
static uint64_t
hash(uint64_t h, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (; n > 0; n--)
		h = (h ^ *b++) * UINT64_C(0x100000001b3);
	return h != 0 ? h : 1;
}

#define HASH_START UINT64_C(0xcbf29ce484222325)

/* Does name number ${i} of the way down read ${name}? */
static bool
is_name(const struct chain *c, size_t i, const char *name)
{
	size_t n = strcspn(c->text + c->at[i], "/");

	return strlen(name) == n && memcmp(c->text + c->at[i], name, n) == 0;
}

static enum bk_hint
hint_of(uint32_t mask)
{
	if (mask & IN_MODIFY)
		return BK_HINT_WRITTEN;
	return mask & IN_MOVED_TO ? BK_HINT_REPLACED : BK_HINT_TOUCHED;
}

/* Event ${mask} of ${name} in directory number ${level} of the way down. */
static bool
tell(const struct chain *c, size_t level, uint32_t mask, const char *name,
    bk_hint_fn *fn, void *arg)
{
	struct stat st;

	if (level == c->n) {
		if (name[0] != '.' && name[0] != '\0')
			fn(arg, c->path, hint_of(mask),
			    hash(HASH_START, name, strlen(name)));
		return false;
	}
	if (!is_name(c, level, name))
		return false;
	if (level + 1 < c->n)
		return (mask & (IN_MODIFY | IN_CLOSE_WRITE)) == 0;
	fn(arg, c->path, hint_of(mask), 1);
	/* A directory or a link that came: there is more to watch. */
	return (mask & IN_ISDIR) != 0 || ((mask & (IN_CREATE | IN_MOVED_TO)) &&
	    lstat(c->text, &st) == 0 && !S_ISREG(st.st_mode));
}

static bool
take_event(struct bk_watchset *ws, const struct inotify_event *e,
    bk_hint_fn *fn, void *arg)
{
	const char *name = e->len > 0 ? e->name : "";
	const struct chain *c;
	bool again = false;
	size_t i, k;

	if (e->mask & (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF |
	    IN_UNMOUNT | IN_IGNORED))
		return true;
	for (i = 0; i < ws->nchains; i++) {
		c = &ws->chains[i];
		for (k = 0; k < c->depth; k++)
			if (ws->dirs[c->dirs[k]].wd == e->wd)
				again |= tell(c, k, e->mask, name, fn, arg);
	}
	return again;
}

int
bk_watchset_read(struct bk_watchset *ws, bk_hint_fn *fn, void *arg,
    struct bk_fault *f)
{
	const struct inotify_event *e;
	bool again = false;
	int err, i;

	for (i = 0; ; i++) {
		/* What the library holds back then, it does not tell poll(2). */
		if (i == BATCH)
			return 1;
		if ((e = inotifytools_next_events(0, 1)) == NULL) {
			err = inotifytools_error();
			if (err != 0 && err != EINTR && err != EAGAIN)
				return bk_fault_errno(f, BK_IO, err,
				    "cannot read inotify");
			break;
		}
		again |= take_event(ws, e, fn, arg);
	}
	return again;
}

static uint64_t
sum_of(uint64_t h, const struct stat *st)
{
	const uint64_t v[] = { (uint64_t)st->st_dev, (uint64_t)st->st_ino,
		(uint64_t)st->st_size, (uint64_t)st->st_mtim.tv_sec,
		(uint64_t)st->st_mtim.tv_nsec, (uint64_t)st->st_ctim.tv_sec,
		(uint64_t)st->st_ctim.tv_nsec };

	return hash(h, v, sizeof(v));
}

/* The order in which a directory is read is nobody's: the sums are added. */
static void
look_into(DIR *d, struct bk_look *look)
{
	struct dirent *e;
	struct stat st;

	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.' && fstatat(dirfd(d), e->d_name, &st,
		    0) == 0 && S_ISREG(st.st_mode)) {
			look->sum += sum_of(hash(HASH_START, e->d_name,
			    strlen(e->d_name)), &st);
			look->bytes += (uint64_t)st.st_size;
		}
}

void
bk_look(const char *path, struct bk_look *look)
{
	struct stat st;
	DIR *d;

	memset(look, 0, sizeof(*look));
	if (stat(path, &st) == -1)
		return;
	if (!S_ISDIR(st.st_mode)) {
		look->there = true;
		look->sum = sum_of(HASH_START, &st);
		look->bytes = (uint64_t)st.st_size;
	} else if ((d = opendir(path)) != NULL) {
		look->there = true;
		look_into(d, look);
		(void)closedir(d);
	}
}
