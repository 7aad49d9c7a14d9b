/*
 * Appending: under the lock file STATE/ledger.lock (flock, so that a death
 * frees it), after a look at the last byte.  A line that a kill left torn gets
 * a newline of its own before the next entry, so that it spoils no other; a
 * write that came short is cut off again.
 *
 * Rotation: the new file is written and synced under another name, the old
 * one gets a second name, and a rename puts the new one in place: at any
 * moment STATE/ledger tells the state of each job.
 */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "json.h"
#include "ledgerfile.h"
#include "when.h"

#define LOCK_MS 10000

static const char *const words[BK_LEDGER_EVENTS] = { "", "due", "started",
	"committed", "unchanged", "failed", "missed", "skipped" };

const char *
bk_ledger_word(enum bk_ledger_event event)
{
	return words[event];
}

int
bk_ledger_path(const char *state, const char *name, char out[PATH_MAX],
    struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(PATH_MAX - 1);
	int rc = bk_buf_addf(&b, f, "%s/%s", state, name);

	if (rc == 0)
		memcpy(out, b.p, b.len + 1);
	bk_buf_release(&b);
	return rc;
}

static int
make_dir(const char *path, struct bk_fault *f)
{
	char up[PATH_MAX], *slash;

	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return 0;
	if (errno == ENOENT && strlen(path) < sizeof(up)) {
		memcpy(up, path, strlen(path) + 1);
		if ((slash = strrchr(up, '/')) != NULL && slash != up) {
			*slash = '\0';
			if (make_dir(up, f) == -1)
				return -1;
			if (mkdir(path, 0700) == 0 || errno == EEXIST)
				return 0;
		}
	}
	return bk_fault_errno(f, errno == EACCES || errno == EPERM ? BK_NOPERM :
	    BK_CANTCREATE, errno, "cannot make '%s'", path);
}

/* Take a lock file, trying until it is had, ${until} has come or ${stop}. */
static int
take_lock(const struct bk_ctx *ctx, const char *path, int64_t until, int stop,
    struct bk_fault *f)
{
	int fd, ms = 10, left;

	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		return bk_fault_errno(f, errno == EACCES ? BK_NOPERM :
		    BK_CANTCREATE, errno, "cannot open '%s'", path);
	while (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		struct pollfd p = { stop, POLLIN, 0 };
		int64_t rest = until - ctx->mono();

		if (errno != EWOULDBLOCK && errno != EINTR) {
			(void)bk_fault_errno(f, 0, errno, "cannot lock '%s'", path);
			break;
		}
		left = rest > ms ? ms : (int)rest;
		if (until == 0 || rest <= 0 || poll(&p, 1, left) > 0) {
			(void)bk_fault_set(f, BK_BUSY, "'%s' is locked by another",
			    path);
			break;
		}
		if (ms < 500)
			ms *= 2;
	}
	if (!bk_faulty(f))
		return fd;
	(void)close(fd);
	return -1;
}

int
bk_ledger_lock(const struct bk_ctx *ctx, const char *state, const char *kind,
    const char *name, int64_t until, int stop, struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(256);
	char path[PATH_MAX];
	int fd = -1;

	if (bk_ledger_path(state, "lock", path, f) == 0 &&
	    make_dir(path, f) == 0 &&
	    bk_buf_addf(&b, f, "lock/%s-%s", kind, name) == 0 &&
	    bk_ledger_path(state, b.p, path, f) == 0)
		fd = take_lock(ctx, path, until, stop, f);
	bk_buf_release(&b);
	return fd;
}

int
bk_ledger_locked(const struct bk_ctx *ctx, const char *state,
    const char *kind, const char *name, struct bk_fault *f)
{
	struct bk_fault own = BK_FAULT_INIT;
	int fd = bk_ledger_lock(ctx, state, kind, name, 0, -1, &own);

	if (fd != -1) {
		(void)close(fd);
		return 0;
	}
	return own.status == BK_BUSY ? 1 : bk_fault_set(f, own.status, "%s",
	    own.text);
}

static int
set_int(json_t *o, const char *key, int64_t v, struct bk_fault *f)
{
	return v == 0 ? 0 : bk_json_set(o, key, json_integer(v), f);
}

static int
set_text(json_t *o, const char *key, const char *s, struct bk_fault *f)
{
	return s == NULL ? 0 : bk_json_set_text(o, key, s, f);
}

/* The line of an entry. */
static int
line_of(const struct bk_ctx *ctx, const struct bk_ledger_entry *e,
    struct bk_buf *b, struct bk_fault *f)
{
	char when[BK_TIME_LEN], slot[BK_TIME_LEN], text[BK_LEDGER_TEXT];
	json_t *o = json_object();
	size_t n;
	int rc = -1;

	text[0] = '\0';
	if (e->message != NULL) {
		n = strlen(e->message);
		n = n < sizeof(text) ? n : sizeof(text) - 1;
		memcpy(text, e->message, n);
		text[n] = '\0';
	}
	if (o == NULL)
		(void)bk_fault_errno(f, BK_IO, ENOMEM, "the ledger");
	else if (set_text(o, "time", bk_time_text(e->time != 0 ? e->time :
	    ctx->now(), when), f) == 0 &&
	    set_text(o, "job", e->job, f) == 0 &&
	    set_text(o, "event", words[e->event], f) == 0 &&
	    set_text(o, "slot", e->slot != 0 ? bk_time_text(e->slot, slot) :
	    NULL, f) == 0 &&
	    set_text(o, "run", e->run, f) == 0 &&
	    set_text(o, "trigger", e->trigger, f) == 0 &&
	    set_int(o, "pid", e->pid, f) == 0 &&
	    set_int(o, "status", e->status, f) == 0 &&
	    set_text(o, "message", text[0] != '\0' ? text : NULL, f) == 0 &&
	    set_text(o, "id", e->id, f) == 0 &&
	    set_int(o, "bytes", e->bytes, f) == 0 &&
	    set_int(o, "duration", e->duration, f) == 0 &&
	    bk_json_text(o, b, f) == 0)
		rc = bk_buf_adds(b, "\n", f);
	json_decref(o);
	return rc;
}

/* Write the line behind what is there, or leave the file as it was. */
static int
append(int fd, const char *path, const struct bk_buf *line,
    struct bk_fault *f)
{
	struct iovec iov[2] = { { NULL, 0 }, { line->p, line->len } };
	char newline[] = "\n", last = '\n';
	struct stat st;

	if (fstat(fd, &st) == -1)
		return bk_fault_errno(f, 0, errno, "cannot look at '%s'", path);
	if (st.st_size > 0 && bk_pread_all(fd, &last, 1,
	    (uint64_t)st.st_size - 1, path, f) == -1)
		return -1;
	if (last != '\n')
		iov[0] = (struct iovec){ newline, 1 };
	if (bk_writev_all(fd, iov, 2, path, f) == 0 &&
	    bk_fsync(fd, path, f) == 0)
		return 0;
	/* The fault stands whether this works or not. */
	if (ftruncate(fd, st.st_size) == -1)
		return -1;
	return -1;
}

/* Begin the ledger anew with the lines that states are made of. */
static int
rotate(const char *state, const char *path, struct bk_fault *f)
{
	char fresh[PATH_MAX], old[PATH_MAX];
	struct bk_buf keep = BK_BUF_INIT(BK_LEDGER_MAX);
	int fd = -1, rc = -1;

	if (bk_ledger_path(state, "ledger.new", fresh, f) == -1 ||
	    bk_ledger_path(state, "ledger.1", old, f) == -1 ||
	    bk_ledger_keep(path, &keep, f) == -1)
		goto out;
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	if (fd == -1) {
		(void)bk_fault_errno(f, BK_CANTCREATE, errno, "cannot make '%s'",
		    fresh);
		goto out;
	}
	if (bk_write_all(fd, bk_buf_text(&keep), keep.len, fresh, f) == -1 ||
	    bk_fsync(fd, fresh, f) == -1)
		goto out;
	if ((unlink(old) == -1 && errno != ENOENT) || link(path, old) == -1 ||
	    rename(fresh, path) == -1)
		(void)bk_fault_errno(f, 0, errno, "cannot rename '%s'", fresh);
	else
		rc = bk_dir_sync(state, f);
out:
	if (fd != -1)
		(void)close(fd);
	bk_buf_release(&keep);
	return rc;
}

int
bk_ledger_add(const struct bk_ctx *ctx, const char *state,
    const struct bk_ledger_entry *e, struct bk_fault *f)
{
	return bk_ledger_adds(ctx, state, e, 1, f);
}

int
bk_ledger_adds(const struct bk_ctx *ctx, const char *state,
    const struct bk_ledger_entry *e, size_t n, struct bk_fault *f)
{
	struct bk_buf line = BK_BUF_INIT(1 << 20);
	struct bk_fault late = BK_FAULT_INIT;
	char path[PATH_MAX], lock[PATH_MAX];
	struct stat st;
	int fd = -1, held = -1, rc = -1;
	bool made;
	size_t i;

	for (i = 0; i < n; i++)
		if (line_of(ctx, &e[i], &line, f) == -1)
			goto out;
	if (make_dir(state, f) == -1 ||
	    bk_ledger_path(state, "ledger", path, f) == -1 ||
	    bk_ledger_path(state, "ledger.lock", lock, f) == -1)
		goto out;
	if ((held = take_lock(ctx, lock, ctx->mono() + LOCK_MS, -1, f)) == -1) {
		if (f->status == BK_BUSY)
			f->status = BK_UNAVAILABLE;
		goto out;
	}
	made = access(path, F_OK) == -1;
	fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1) {
		(void)bk_fault_errno(f, errno == EACCES ? BK_NOPERM :
		    BK_CANTCREATE, errno, "cannot open '%s'", path);
		goto out;
	}
	rc = append(fd, path, &line, f);
	if (rc == 0 && made)
		rc = bk_dir_sync(state, f);
	/* The entry stands: a rotation that fails comes again. */
	if (rc == 0 && fstat(fd, &st) == 0 && st.st_size > BK_LEDGER_MAX &&
	    rotate(state, path, &late) == -1)
		ctx->log(BK_LOG_WARN, "the ledger cannot be rotated: %s",
		    late.text);
out:
	if (fd != -1 && close(fd) == -1 && rc == 0)
		rc = bk_fault_errno(f, BK_IO, errno, "cannot write '%s'", path);
	if (held != -1)
		(void)close(held);
	bk_buf_release(&line);
	return rc;
}
