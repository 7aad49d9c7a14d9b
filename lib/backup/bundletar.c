/*
 * The tarball of a base backup and its log, which plain tar opens and
 * PostgreSQL starts from.  The base passes with these changes:
 *
 *   pg_tblspc/OID/...       becomes bk_tblspc/OID/..., and pg_tblspc/OID a
 *                           relative link to it, behind: so nothing lies
 *                           below a link, and tablespaces go where it goes
 *   tablespace_map          is left out: the links are there
 *   backup_manifest         is left out: it was checked, and no longer fits
 *   recovery.signal, ...    of an earlier recovery are left out
 *   postgresql.auto.conf    comes last, with the settings of this recovery
 *
 * Behind it come the log, in bk_wal/, from which restore_command copies, and
 * the settings.  Names and owners are those of ustar headers, as the base has
 * them (pgbasetar.h); new entries have the owner of its first.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bundle.h"
#include "engine.h"
#include "fetch.h"
#include "json.h"
#include "pgrecovery.h"
#include "tarblock.h"
#include "undo.h"
#include "when.h"

#define BLOCK BK_TAR_BLOCK
#define AUTO_CONF "postgresql.auto.conf"
#define CONF_MAX (1024 * 1024)
#define SIGNALS_FROM 1200		/* version from which there are signal files */

static const uint8_t zero[2 * BLOCK];

struct work {
	const struct bk_bundle *b;
	const struct bk_bundle_how *how;
	bk_sink_fn *sink;
	void *arg;
	struct bk_undo *undo;
	struct bk_marks *marks;
	uint8_t block[BLOCK];
	size_t have;			/* of block */
	uint64_t left;			/* of the entry's data and padding */
	uint64_t text;			/* of the data that is kept */
	bool drop;			/* the entry is not passed on */
	bool zeros;			/* the base has ended */
	uint8_t model[BLOCK];		/* its first header */
	bool started;
	struct bk_buf conf;		/* its postgresql.auto.conf */
};

static int
bad(const char *what, struct bk_fault *f)
{
	return bk_fault_set(f, BK_DATA, "the base backup's tar has %s", what);
}

/* A header of our own: owner and time as the first of the base. */
static int
put_header(struct work *w, char type, const char *name, uint64_t size,
    const char *link, struct bk_fault *f)
{
	uint8_t h[BLOCK];

	memcpy(h, w->model, sizeof(h));
	memset(h + BK_TAR_NAME, 0, BK_TAR_NAME_LEN);
	memset(h + BK_TAR_LINK, 0, BK_TAR_NAME_LEN);
	memset(h + BK_TAR_PREFIX, 0, BK_TAR_PREFIX_LEN);
	if (strlen(name) >= BK_TAR_NAME_LEN || strlen(link) >= BK_TAR_NAME_LEN)
		return bk_fault_set(f, BK_BUG, "'%s' is too long for tar", name);
	memcpy(h + BK_TAR_NAME, name, strlen(name));
	memcpy(h + BK_TAR_LINK, link, strlen(link));
	h[BK_TAR_TYPE] = (uint8_t)type;
	bk_tarblock_put(h + BK_TAR_MODE, 8, type == '5' ? 0700 :
	    type == '2' ? 0777 : 0600);
	bk_tarblock_put(h + BK_TAR_SIZE, 12, size);
	bk_tarblock_seal(h);
	return w->sink(w->arg, h, sizeof(h), f);
}

static int
put_padding(struct work *w, uint64_t size, struct bk_fault *f)
{
	size_t n = (size_t)((BLOCK - size % BLOCK) % BLOCK);

	return n == 0 ? 0 : w->sink(w->arg, zero, n, f);
}

static int
put_text(struct work *w, const char *name, const struct bk_buf *b,
    struct bk_fault *f)
{
	return put_header(w, '0', name, b->len, "", f) == -1 ||
	    (b->len > 0 && w->sink(w->arg, b->p, b->len, f) == -1) ? -1 :
	    put_padding(w, b->len, f);
}

/* ---- the base ---- */

/* Is the entry one that is left out? */
static bool
left_out(const char *name, char type)
{
	static const char *const names[] = { "tablespace_map",
		"backup_manifest", "recovery.signal", "standby.signal",
		"recovery.conf", "recovery.done", AUTO_CONF, NULL };
	size_t i;

	for (i = 0; names[i] != NULL; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return type == '2' && strncmp(name, "pg_tblspc/", 10) == 0;
}

/* What becomes of the entry whose header is in w->block. */
static int
header(struct work *w, struct bk_fault *f)
{
	char name[BK_TAR_PREFIX_LEN + BK_TAR_NAME_LEN + 2];
	uint8_t *h = w->block;
	const char *prefix = (const char *)h + BK_TAR_PREFIX;
	uint64_t size;

	if (memcmp(h, zero, BLOCK) == 0) {
		w->zeros = true;
		return 0;
	}
	if (!bk_tarblock_ok(h) || memcmp(h + BK_TAR_MAGIC, "ustar", 6) != 0 ||
	    memchr("025", h[BK_TAR_TYPE], 3) == NULL ||
	    !bk_tarblock_number(h + BK_TAR_SIZE, 12, &size) ||
	    size > INT64_MAX - BLOCK)
		return bad("a header that none of PostgreSQL's has", f);
	(void)snprintf(name, sizeof(name), "%.*s%s%.*s", BK_TAR_PREFIX_LEN,
	    prefix, *prefix != '\0' ? "/" : "", BK_TAR_NAME_LEN,
	    (const char *)h + BK_TAR_NAME);
	if (!w->started) {
		memcpy(w->model, h, BLOCK);
		w->started = true;
		if (put_header(w, '5', "./", 0, "", f) == -1 ||
		    put_header(w, '5', "bk_tblspc/", 0, "", f) == -1)
			return -1;
	}
	w->left = (size + BLOCK - 1) / BLOCK * BLOCK;
	w->text = strcmp(name, AUTO_CONF) == 0 ? size : 0;
	if (w->text > CONF_MAX)
		return bad("a " AUTO_CONF " of more than 1 MiB", f);
	if ((w->drop = left_out(name, (char)h[BK_TAR_TYPE])))
		return 0;
	if (strncmp(name, "pg_tblspc/", 10) == 0 && name[10] != '\0') {
		memcpy(h + (*prefix != '\0' ? BK_TAR_PREFIX : BK_TAR_NAME), "bk",
		    2);
		bk_tarblock_seal(h);
	}
	return w->sink(w->arg, h, BLOCK, f);
}

/* Take a part of the ${n} bytes: *${m} of them. */
static int
take(struct work *w, const uint8_t *p, size_t n, size_t *m,
    struct bk_fault *f)
{
	size_t text;

	if (w->left == 0) {
		*m = BLOCK - w->have < n ? BLOCK - w->have : n;
		memcpy(w->block + w->have, p, *m);
		if ((w->have += *m) < BLOCK || w->zeros)
			return 0;
		w->have = 0;
		return header(w, f);
	}
	*m = w->left < n ? (size_t)w->left : n;
	w->left -= *m;
	text = w->text < *m ? (size_t)w->text : *m;
	w->text -= text;
	if (text > 0 && bk_buf_add(&w->conf, p, text, f) == -1)
		return -1;
	return w->drop ? 0 : w->sink(w->arg, p, *m, f);
}

/* Plain bytes of the base; a bk_sink_fn. */
static int
take_plain(void *arg, const void *data, size_t n, struct bk_fault *f)
{
	struct work *w = arg;
	const uint8_t *p = data;
	size_t m;

	if (w->marks->write(w->marks, data, n, f) == -1)
		return -1;
	for (; n > 0 && !w->zeros; p += m, n -= m)
		if (take(w, p, n, &m, f) == -1)
			return -1;
	return 0;
}

static int
take_stored(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	struct work *w = arg;

	if (w->how->progress != NULL)
		w->how->progress(n);
	return bk_undo_write(w->undo, p, n, f);
}

static int
put_base(struct work *w, struct bk_store *s, struct bk_fault *f)
{
	const struct bk_record *r = &w->b->rec;
	const struct bk_undo_opts uo = { .ctx = w->how->ctx,
		.pipes = w->how->undo, .deadline = w->how->deadline };
	const struct bk_engine_ops *e = bk_engine_named(w->how->ctx, r->engine,
	    f);

	if (e == NULL || (w->marks = e->marks(r->ext, f)) == NULL)
		return bk_fault_set(f, BK_DATA, "backup %s is no tar", r->id);
	if ((w->undo = bk_undo_open(&uo, json_object_get(r->json, "filters"),
	    take_plain, w, f)) == NULL ||
	    bk_fetch(s, r, take_stored, w, f) == -1 ||
	    bk_undo_finish(w->undo, json_object_get(r->json, "stages"), f) == -1 ||
	    w->marks->finish(w->marks, f) == -1)
		return -1;
	return w->started ? 0 : bad("no entry", f);
}

/* ---- what comes behind it ---- */

/* A file of the log of ${size} bytes on its way. */
struct passing {
	struct work *w;
	uint64_t size, seen;
};

static int
pass(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	struct passing *g = arg;

	if (n > g->size - g->seen)
		return bk_fault_set(f, BK_DATA, "a segment is longer than %llu bytes",
		    (unsigned long long)g->size);
	g->seen += n;
	return g->w->sink(g->w->arg, p, n, f);
}

static int
take_text(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	return bk_buf_add(arg, p, n, f);
}

static int
gone(const struct bk_walpath_file *v, struct bk_fault *f)
{
	return bk_fault_set(f, BK_DATA, "'%s' is gone from the store", v->file);
}

static int
put_segment(struct work *w, struct bk_store *s,
    const struct bk_walpath_file *v, struct bk_fault *f)
{
	struct passing g = { .w = w, .size = w->b->segment };
	char name[BK_WAL_FILE_MAX + 16];
	int rc;

	(void)snprintf(name, sizeof(name), "bk_wal/%s", v->file);
	if (put_header(w, '0', name, g.size, "", f) == -1)
		return -1;
	if ((rc = bk_wal_get(s, w->b->rec.name, &v->key, pass, &g, f)) != 0)
		return rc == BK_ABSENT ? gone(v, f) : -1;
	if (w->how->progress != NULL)
		w->how->progress(v->stored);
	return g.seen == g.size ? put_padding(w, g.size, f) :
	    bk_fault_set(f, BK_DATA, "'%s' has %llu bytes, no whole segment",
	    v->file, (unsigned long long)g.seen);
}

static int
put_history(struct work *w, struct bk_store *s,
    const struct bk_walpath_file *v, struct bk_fault *f)
{
	struct bk_buf text = BK_BUF_INIT(CONF_MAX);
	char name[BK_WAL_FILE_MAX + 16];
	int rc;

	(void)snprintf(name, sizeof(name), "bk_wal/%s", v->file);
	rc = bk_wal_get(s, w->b->rec.name, &v->key, take_text, &text, f);
	if (rc == BK_ABSENT)
		rc = gone(v, f);
	if (rc == 0)
		rc = put_text(w, name, &text, f);
	bk_buf_release(&text);
	return rc;
}

static int
put_log(struct work *w, struct bk_store *s, struct bk_fault *f)
{
	const struct bk_bundle *b = w->b;
	size_t i;

	if (b->segments == 0)
		return 0;
	if (put_header(w, '5', "bk_wal/", 0, "", f) == -1)
		return -1;
	for (i = 0; i < b->wal.nhistory; i++)
		if (put_history(w, s, &b->wal.history[i], f) == -1)
			return -1;
	for (i = 0; i < b->segments; i++)
		if (put_segment(w, s, &b->wal.v[i], f) == -1)
			return -1;
	return 0;
}

static int
put_links(struct work *w, struct bk_fault *f)
{
	const json_t *list = json_object_get(json_object_get(w->b->rec.json,
	    "info"), "tablespaces"), *v;
	char name[64], link[64];
	const char *oid;
	size_t i, n;

	json_array_foreach(list, i, v) {
		oid = bk_json_get_text(v, "oid");
		n = oid != NULL ? strlen(oid) : 0;
		if (n == 0 || n > 10 || strspn(oid, "0123456789") != n)
			return bad("a tablespace without a number", f);
		(void)snprintf(name, sizeof(name), "pg_tblspc/%s", oid);
		(void)snprintf(link, sizeof(link), "../bk_tblspc/%s", oid);
		if (put_header(w, '2', name, 0, link, f) == -1)
			return -1;
	}
	return 0;
}

/* File ${name} of ${dir} into the tarball; nothing where there is none. */
static int
put_file(struct work *w, const char *dir, const char *name,
    struct bk_fault *f)
{
	struct bk_buf text = BK_BUF_INIT(2 * CONF_MAX);
	char path[PATH_MAX + 32];
	ssize_t n = -1;
	int fd, rc = -1;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return errno == ENOENT ? 0 :
		    bk_fault_errno(f, BK_IO, errno, "cannot open '%s'", path);
	if (bk_buf_need(&text, 2 * CONF_MAX - 1, f) == 0)
		n = bk_read_full(fd, text.p, 2 * CONF_MAX - 1, path, f);
	if (n >= 0) {
		text.len = (size_t)n;
		rc = put_text(w, name, &text, f);
	}
	close(fd);
	bk_buf_release(&text);
	return rc;
}

/* The settings, made from those of the base in directory ${dir}. */
static int
put_settings(struct work *w, const char *dir, struct bk_fault *f)
{
	const struct bk_bundle *b = w->b;
	int64_t number = bk_json_get_int(json_object_get(b->rec.json, "info"),
	    "server-version");
	int version = (int)(number >= 100000 ? number / 10000 * 100 :
	    number / 100);
	char when[BK_TIME_LEN], path[PATH_MAX + 32];
	struct bk_recovery r = { .to = b->target ? BK_RECOVER_TIME :
		BK_RECOVER_LATEST, .what = bk_time_text(b->at, when),
		.archive_keep = w->how->archive_keep };
	int fd, rc;

	if (b->segments > 0)
		r.restore_command = "cp \"bk_wal/%f\" \"%p\"";
	if (number < 90000 || number > 10000000)
		return bk_fault_set(f, BK_DATA,
		    "backup %s does not say of which version it is", b->rec.id);
	(void)snprintf(path, sizeof(path), "%s/" AUTO_CONF, dir);
	if ((fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    0600)) == -1)
		return bk_fault_errno(f, 0, errno, "cannot create '%s'", path);
	rc = w->conf.len == 0 ? 0 :
	    bk_write_all(fd, w->conf.p, w->conf.len, path, f);
	if (bk_close(fd, path, f) == -1 || rc == -1 ||
	    bk_pgrecovery_write(w->how->ctx, &r, dir, version, b->target,
	    f) == -1 || put_file(w, dir, AUTO_CONF, f) == -1)
		return -1;
	return put_file(w, dir, version < SIGNALS_FROM ? "recovery.conf" :
	    "recovery.signal", f);
}

static int
put_end(struct work *w, struct bk_fault *f)
{
	static const char *const made[] = { AUTO_CONF, "recovery.conf",
		"recovery.signal", NULL };
	char dir[PATH_MAX], path[PATH_MAX + 32];
	size_t i;
	int rc;

	(void)snprintf(dir, sizeof(dir), "%s/bk-bundle-XXXXXX",
	    w->how->ctx->tmpdir);
	if (mkdtemp(dir) == NULL)
		return bk_fault_errno(f, BK_CANTCREATE, errno,
		    "cannot create a directory in '%s'", w->how->ctx->tmpdir);
	rc = put_settings(w, dir, f);
	for (i = 0; made[i] != NULL; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, made[i]);
		(void)unlink(path);
	}
	(void)rmdir(dir);
	return rc == -1 ? -1 : w->sink(w->arg, zero, sizeof(zero), f);
}

int
bk_bundle_tar(struct bk_store *s, const struct bk_bundle *b,
    const struct bk_bundle_how *how, bk_sink_fn *sink, void *arg,
    struct bk_fault *f)
{
	struct work *w;
	int rc = -1;

	if (!b->base)
		return bk_fault_set(f, BK_USAGE,
		    "%s is no base backup of PostgreSQL: bk-get gives what it holds",
		    b->rec.id);
	if ((w = calloc(1, sizeof(*w))) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	w->b = b;
	w->how = how;
	w->sink = sink;
	w->arg = arg;
	w->conf.max = CONF_MAX;
	if (put_base(w, s, f) == 0 && put_log(w, s, f) == 0 &&
	    put_links(w, f) == 0)
		rc = put_end(w, f);
	bk_undo_free(w->undo);
	if (w->marks != NULL)
		w->marks->free(w->marks);
	bk_buf_release(&w->conf);
	free(w);
	return rc;
}
