/*
 * A plain cp as archive_command, or pg_receivewal, fills the directory.
 *
 * cp writes in place, so that a file that is too short, or open for writing,
 * is left for later.  pg_receivewal finds where to go on by the newest file
 * in the directory: that one stays until the next has begun.  The segment
 * that it is writing, .partial, is copied every now and then and the copy is
 * stored under a name of its own; older copies go.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "prog.h"
#include "spoolwal.h"
#include "ulid.h"
#include "walhead.h"
#include "writers.h"

static int
open_store(struct bk_spool_wal *o, struct bk_fault *f)
{
	if (o->s == NULL)
		o->s = bk_store_open(bk_ctx, o->url, &o->store, f);
	return o->s != NULL ? 0 : -1;
}

/* A fault of the store: it is opened anew. */
static int
store_failed(struct bk_spool_wal *o)
{
	bk_store_close(o->s);
	o->s = NULL;
	return -1;
}

static int
path_of(const struct bk_spooldir *d, const char *name, struct bk_buf *b,
    struct bk_fault *f)
{
	return bk_buf_addf(b, f, "%s/%s", bk_spooldir_path(d), name);
}

/* The next file of WAL in the directory, or NULL. */
static const char *
next_wal(DIR *dir, struct bk_wal_name *n)
{
	struct dirent *e;

	while ((e = readdir(dir)) != NULL)
		if (bk_wal_name_parse(e->d_name, n))
			return e->d_name;
	return NULL;
}

/*
 * A history says nothing of its system: take that of a segment beside it, or
 * the only one in the store.  0 (0: not known) or -1.
 */
static int
find_system(struct bk_spool_wal *o, const struct bk_spooldir *d,
    struct bk_fault *f)
{
	struct bk_wal_source src = BK_WAL_SOURCE_INIT;
	struct bk_buf path = BK_BUF_INIT(4400);
	struct bk_fault quiet = BK_FAULT_INIT;
	DIR *dir = opendir(bk_spooldir_path(d));
	struct bk_wal_name n;
	const char *name;
	uint64_t v[2];
	int found;

	while (dir != NULL && o->system == 0 && (name = next_wal(dir, &n)) != NULL) {
		bk_buf_reset(&path);
		bk_fault_clear(&quiet);
		if ((n.kind == BK_WAL_SEGMENT || n.kind == BK_WAL_PARTIAL) &&
		    path_of(d, name, &path, &quiet) == 0 &&
		    bk_wal_source_open(&src, path.p, 0, &quiet) == 0)
			o->system = src.key.system;
		bk_wal_source_release(&src);
	}
	if (dir != NULL)
		(void)closedir(dir);
	bk_buf_release(&path);
	if (o->system != 0)
		return 0;
	if (open_store(o, f) == -1 ||
	    (found = bk_wal_systems(o->s, o->how.name, v, 2, f)) == -1)
		return store_failed(o);
	if (found == 1)
		o->system = v[0];
	return 0;
}

/* Is there a file behind ${n}, so that this one is not the newest? */
static bool
newer(const struct bk_spooldir *d, const struct bk_wal_name *n)
{
	DIR *dir = opendir(bk_spooldir_path(d));
	struct bk_wal_name other;
	bool found = false;

	while (dir != NULL && !found && next_wal(dir, &other) != NULL)
		found = (other.kind == BK_WAL_SEGMENT ||
		    other.kind == BK_WAL_PARTIAL) && (other.tli > n->tli ||
		    (other.tli == n->tli && other.at > n->at));
	if (dir != NULL)
		(void)closedir(dir);
	return found;
}

/* Older copies of what is stored now. */
static int
drop_growing(struct bk_spool_wal *o, const struct bk_wal_key *k,
    const char *keep, struct bk_fault *f)
{
	struct bk_fault why = BK_FAULT_INIT;

	if (bk_wal_drop_growing(o->s, o->how.name, k->system, &k->name, keep,
	    &why) == 0)
		return 0;
	if (why.status != BK_NOPERM) {
		*f = why;
		return -1;
	}
	bk_say(o->refused ? BK_LOG_DEBUG : BK_LOG_WARN, "older growing files "
	    "stay: %s", why.text);
	o->refused = true;
	return 0;
}

/* Store ${src}.  0, BK_SPOOL_LEFT or -1. */
static int
push(struct bk_spool_wal *o, struct bk_wal_source *src, struct bk_fault *f)
{
	if (open_store(o, f) == -1)
		return -1;
	if (bk_wal_push(o->s, &o->how, src, f) == -1) {
		/* These two are not the store's fault. */
		if (f->status == BK_DATA || f->status == BK_CONFIG)
			return BK_SPOOL_LEFT;
		return store_failed(o);
	}
	bk_say(BK_LOG_INFO, "stored '%s'", src->key.name.file);
	return 0;
}

/* Open ${path}, which ${file} is, and store it. */
static int
send_path(struct bk_spool_wal *o, const struct bk_spooldir *d,
    const struct bk_wal_name *n, const char *path, struct bk_fault *f)
{
	struct bk_wal_source src = BK_WAL_SOURCE_INIT;
	bool text = n->kind == BK_WAL_HISTORY || n->kind == BK_WAL_BACKUP;
	int rc = BK_SPOOL_LEFT;

	if (text && o->system == 0 && find_system(o, d, f) == -1)
		return -1;
	if (bk_wal_source_open(&src, path, text ? o->system : 0, f) == -1)
		goto out;
	if (bk_has_writers(src.fd)) {
		(void)bk_fault_set(f, BK_BUSY, "'%s' is open for writing",
		    n->file);
		goto out;
	}
	o->system = src.key.system;
	rc = push(o, &src, f);
	if (rc == 0 && o->partial > 0 && n->kind == BK_WAL_SEGMENT &&
	    drop_growing(o, &src.key, NULL, f) == -1)
		rc = store_failed(o);
out:
	bk_wal_source_release(&src);
	return rc;
}

static int
wal_send(void *arg, struct bk_spooldir *d, const struct bk_spool_file *file,
    struct bk_fault *f)
{
	struct bk_spool_wal *o = arg;
	struct bk_buf path = BK_BUF_INIT(4400);
	struct bk_wal_name n;
	int rc = BK_SPOOL_LEFT;

	if (!bk_wal_name_parse(file->name, &n))
		(void)bk_fault_set(f, BK_DATA, "'%s' is no name of a file of WAL",
		    file->name);
	else if (n.kind == BK_WAL_PARTIAL && o->partial > 0) {
		/* That one grows: wal_tick looks at it. */
		(void)bk_spooldir_aside(d, file, bk_ctx->mono());
		rc = BK_SPOOL_GONE;
	} else if (path_of(d, file->name, &path, f) == 0 &&
	    (rc = send_path(o, d, &n, path.p, f)) == 0 &&
	    n.kind == BK_WAL_SEGMENT && !newer(d, &n)) {
		(void)bk_spooldir_aside(d, file, bk_ctx->mono());
		rc = BK_SPOOL_GONE;
	}
	bk_buf_release(&path);
	return rc;
}

/* Store a copy of the growing ${path}, unless it is as it was.  0 or -1. */
static int
grow(struct bk_spool_wal *o, const char *path, struct bk_fault *f)
{
	struct bk_wal_source src = BK_WAL_SOURCE_INIT;
	char id[BK_ULID_LEN + 1], what[sizeof(o->pushed)];
	struct bk_fault why = BK_FAULT_INIT;
	int rc = -1;

	if (bk_ulid_new(bk_ctx->now(), id, f) == -1)
		return -1;
	rc = bk_wal_source_growing(&src, path, 0, id, o->tmpdir, &why);
	if (rc == -1)
		bk_say(BK_LOG_WARN, "%s: not stored", why.text);
	if (rc != 0) {
		rc = 0;
		goto out;
	}
	(void)snprintf(what, sizeof(what), "%.24s%s", src.key.name.file,
	    src.key.hash);
	if (strcmp(what, o->pushed) == 0)
		goto out;
	o->system = src.key.system;
	if ((rc = push(o, &src, &why)) == BK_SPOOL_LEFT) {
		bk_say(BK_LOG_WARN, "%s: not stored", why.text);
		rc = 0;
	} else if (rc == -1)
		*f = why;
	else if (drop_growing(o, &src.key, src.key.name.file, f) == -1)
		rc = store_failed(o);
	else
		memcpy(o->pushed, what, sizeof(o->pushed));
out:
	bk_wal_source_release(&src);
	return rc;
}

static int
wal_tick(void *arg, struct bk_spooldir *d, int64_t *due, struct bk_fault *f)
{
	struct bk_spool_wal *o = arg;
	struct bk_buf path = BK_BUF_INIT(4400);
	struct bk_wal_name n;
	const char *name;
	DIR *dir = NULL;
	int rc = 0;

	*due = INT64_MAX;
	if (o->partial == 0)
		return 0;
	if (bk_ctx->mono() >= o->next) {
		dir = opendir(bk_spooldir_path(d));
		while (dir != NULL && rc == 0 && (name = next_wal(dir, &n)) != NULL) {
			bk_buf_reset(&path);
			if (n.kind == BK_WAL_PARTIAL &&
			    (rc = path_of(d, name, &path, f)) == 0)
				rc = grow(o, path.p, f);
		}
		/* After a fault: as soon as the store is tried again. */
		if (rc == 0)
			o->next = bk_ctx->mono() + o->partial;
	}
	if (dir != NULL)
		(void)closedir(dir);
	bk_buf_release(&path);
	*due = o->next;
	return rc;
}

static void
wal_free(void *arg)
{
	struct bk_spool_wal *o = arg;

	if (o != NULL)
		bk_store_close(o->s);
}

const struct bk_spool_way bk_spool_wal = { wal_send, wal_tick, wal_free };
