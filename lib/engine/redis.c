/*
 * redis: an RDB file, taken by the replication stream or copied from where
 * the server saved it, or the set of append-only files.
 *
 *	redis://[USER@]HOST[:PORT]/	replication stream (?socket=/PATH)
 *	redis:///PATH/dump.rdb		copy; with ?server= the server is asked
 *	redis:///?server=WHERE		copy; the server tells the path
 *	redis:///PATH/appendonlydir	append-only files
 *
 * A save is renamed into place (redis 7.0, rdb.c, rdbSave), so an open file
 * stays the whole file that it was when another replaces it: that is noted.
 * A file that is written in place while it is read is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "names.h"
#include "redis.h"
#include "tool.h"

#define BLOCK (256 * 1024)
#define HEAD 256

static const char *const schemes[] = { "redis", NULL };
static const char *const options[] = { "password-file", "primary", "save",
	"server", "socket", "stale", "tls", "tls-ca", "tls-cert", "tls-key",
	NULL };
static const char *const target_options[] = { "appendonly", "server", NULL };

struct dump {
	struct bk_redis *server;	/* NULL: nobody is asked */
	struct bk_buf info;		/* what it says */
	char *path;			/* copies */
	int fd;
	struct stat st;
	struct bk_aof *aof;
};

/* An RDB file on its way: the marks, and its head is looked into first. */
struct tap {
	struct bk_dump *d;
	struct bk_marks *marks;
	bk_sink_fn *sink;
	void *arg;
	uint8_t head[HEAD];
	size_t nhead;
	uint64_t sent;
};

/* A string of the RDB's head: its length, or text of an integer. */
static size_t
head_string(const uint8_t *p, size_t n, char *out, size_t size)
{
	static const size_t width[] = { 1, 2, 4 };
	uint32_t v = 0;
	size_t i, len;

	if (n == 0)
		return 0;
	if (p[0] >= 0xc0 && p[0] <= 0xc2) {
		len = width[p[0] - 0xc0];
		if (n < 1 + len)
			return 0;
		for (i = len; i > 0; i--)
			v = v << 8 | p[i];
		snprintf(out, size, "%u", v);
		return 1 + len;
	}
	len = p[0];
	if (len >= 64 || len >= size || n < 1 + len)
		return 0;
	memcpy(out, p + 1, len);
	out[len] = '\0';
	return 1 + len;
}

/* The fields (opcode 0xfa) behind the header: version and time. */
static int
read_head(struct tap *t, struct bk_fault *f)
{
	char key[64], value[64];
	size_t at = 9, n;

	while (at < t->nhead && t->head[at] == 0xfa) {
		if ((n = head_string(t->head + at + 1, t->nhead - at - 1, key,
		    sizeof(key))) == 0)
			break;
		at += 1 + n;
		if ((n = head_string(t->head + at, t->nhead - at, value,
		    sizeof(value))) == 0)
			break;
		at += n;
		if (strcmp(key, "redis-ver") == 0 &&
		    bk_json_set_text(t->d->info, "server", value, f) == -1)
			return -1;
		if (strcmp(key, "ctime") == 0)
			t->d->time = (int64_t)strtoull(value, NULL, 10) * 1000;
	}
	return 0;
}

static int
pass_head(struct tap *t, struct bk_fault *f)
{
	size_t n = t->nhead;

	if (t->sent > 0 || n == 0)
		return 0;
	t->sent = n;
	return read_head(t, f) == -1 ? -1 : t->sink(t->arg, t->head, n, f);
}

static int
tap_write(void *arg, const void *data, size_t n, struct bk_fault *f)
{
	struct tap *t = arg;
	const uint8_t *p = data;
	size_t want;

	if (t->marks->write(t->marks, p, n, f) == -1)
		return -1;
	if (t->nhead < HEAD) {
		want = HEAD - t->nhead < n ? HEAD - t->nhead : n;
		memcpy(t->head + t->nhead, p, want);
		t->nhead += want;
		p += want;
		n -= want;
		if (t->nhead == HEAD && pass_head(t, f) == -1)
			return -1;
	}
	t->sent += n;
	return n > 0 ? t->sink(t->arg, p, n, f) : 0;
}

static int
tap_finish(struct tap *t, struct bk_fault *f)
{
	struct bk_dump *d = t->d;
	int seen = t->marks->finish(t->marks, f);

	if (seen == -1 || pass_head(t, f) == -1)
		return -1;
	d->proof = seen == BK_MARKS_PROVEN ? "marks" : "exit";
	if (seen != BK_MARKS_PROVEN)
		d->req->ctx->log(BK_LOG_WARN,
		    "this RDB file is newer than known: its end is not checked");
	return bk_marks_rdb_unsummed(t->marks) ?
	    bk_json_set_text(d->info, "crc64", "none", f) : 0;
}

static const char *
option(const struct bk_dump *d, const char *name)
{
	return bk_uri_opt(d->req->uri, name);
}

/* An option that takes yes or no: 1, 0, or -1 (64). */
static int
yes(const struct bk_dump *d, const char *name, struct bk_fault *f)
{
	const char *v = option(d, name);

	if (v == NULL || strcmp(v, "no") == 0)
		return 0;
	if (strcmp(v, "yes") == 0)
		return 1;
	return bk_fault_set(f, BK_USAGE, "?%s=%.100s: want yes or no", name, v);
}

/* Where the server is, from the URL.  1, 0 where it names none, or -1. */
static int
find_server(const struct bk_dump *d, struct bk_redis_at *at,
    struct bk_fault *f)
{
	const struct bk_uri *u = d->req->uri;
	const char *server = option(d, "server");
	const char *socket = option(d, "socket");

	if ((server != NULL) + (socket != NULL) + (u->host[0] != '\0' &&
	    socket == NULL) > 1)
		return bk_fault_set(f, BK_USAGE,
		    "'%s' names its server in two ways", u->text);
	if (server != NULL)
		return bk_redis_at_parse(server, at, f) == -1 ? -1 : 1;
	if (socket != NULL) {
		if (socket[0] != '/')
			return bk_fault_set(f, BK_USAGE,
			    "?socket=%s: want an absolute path", socket);
		if (bk_redis_at_parse(socket, at, f) == -1)
			return -1;
	} else if (u->host[0] == '\0')
		return 0;
	if (strlen(u->host) >= sizeof(at->host) || (u->user != NULL &&
	    strlen(u->user) >= sizeof(at->user)))
		return bk_fault_set(f, BK_USAGE, "'%s' is too long", u->text);
	if (socket == NULL)
		memcpy(at->host, u->host, strlen(u->host) + 1);
	if (u->user != NULL)
		memcpy(at->user, u->user, strlen(u->user) + 1);
	at->port = u->port != -1 ? u->port : BK_REDIS_PORT;
	return 1;
}

/* ?tls=yes and its files. */
static int
find_tls(const struct bk_dump *d, struct bk_redis_at *at, struct bk_fault *f)
{
	int tls = yes(d, "tls", f);

	at->ca = option(d, "tls-ca");
	at->cert = option(d, "tls-cert");
	at->key = option(d, "tls-key");
	at->tls = tls == 1;
	if (tls == -1)
		return -1;
	if (!at->tls && (at->ca != NULL || at->cert != NULL || at->key != NULL))
		return bk_fault_set(f, BK_USAGE,
		    "?tls-ca=, tls-cert= and tls-key= want ?tls=yes");
	if ((at->cert == NULL) != (at->key == NULL))
		return bk_fault_set(f, BK_USAGE,
		    "?tls-cert= and ?tls-key= go together");
	return !at->tls || at->socket[0] == '\0' ? 0 :
	    bk_fault_set(f, BK_USAGE, "TLS is for hosts, not for sockets");
}

static int
open_server(struct bk_dump *d, const struct bk_redis_at *at, bool stale,
    struct bk_fault *f)
{
	const struct bk_dump_req *req = d->req;
	struct dump *k = d->priv;
	struct bk_buf pw = BK_BUF_INIT(64 * 1024);
	char version[64];

	if (bk_tool_password(req->ctx, req->uri, req->source_env,
	    "REDISCLI_AUTH", &pw, f) != -1)
		k->server = bk_redis_connect(req->ctx, at, &pw, req->deadline,
		    f);
	bk_buf_wipe(&pw);
	if (k->server == NULL || bk_redis_look(k->server, stale, &k->info,
	    f) == -1)
		return -1;
	if (bk_redis_field(bk_buf_text(&k->info), "redis_version", version,
	    sizeof(version)) &&
	    bk_json_set_text(d->info, "server", version, f) == -1)
		return -1;
	return 0;
}

/* Does "localhost" or the like name this host? */
static bool
here(const struct bk_redis_at *at)
{
	return at->host[0] == '\0' || strcmp(at->host, "localhost") == 0 ||
	    strncmp(at->host, "127.", 4) == 0 || strcmp(at->host, "::1") == 0;
}

static int
open_stream(struct bk_dump *d, const struct bk_redis_at *at, struct bk_fault *f)
{
	static const char *const copies[] = { "save", "primary", "stale" };
	size_t i;

	for (i = 0; i < sizeof(copies) / sizeof(copies[0]); i++)
		if (option(d, copies[i]) != NULL)
			return bk_fault_set(f, BK_USAGE,
			    "?%s= is for a copy of the file: redis:///PATH?server=HOST",
			    copies[i]);
	bk_name_from("", d->name);
	memcpy(d->ext, "rdb", sizeof("rdb"));
	if (bk_json_set_text(d->source, "host", here(at) ? d->req->ctx->host :
	    at->host, f) == -1)
		return -1;
	if (at->socket[0] != '\0' ?
	    bk_json_set_text(d->source, "socket", at->socket, f) == -1 :
	    bk_json_set(d->source, "port", json_integer(at->port), f) == -1)
		return -1;
	return open_server(d, at, false, f);
}

/* Ask the server where its file is. */
static int
ask_path(struct dump *k, struct bk_fault *f)
{
	struct bk_buf dir = BK_BUF_INIT(64 * 1024), name = dir, path = dir;
	const char *a, *b;
	int rc = -1;

	if (bk_redis_do(k->server, "config", "get", "dir", &dir, f) == -1 ||
	    bk_redis_do(k->server, "config", "get", "dbfilename", &name,
	    f) == -1)
		goto out;
	a = strchr(bk_buf_text(&dir), '\n');
	b = strchr(bk_buf_text(&name), '\n');
	if (a == NULL || b == NULL)
		bk_fault_set(f, BK_UNAVAILABLE,
		    "'%s' does not tell where its file is; give the path",
		    bk_redis_name(k->server));
	else if (bk_buf_addf(&path, f, "%s/%s", a + 1, b + 1) == 0 &&
	    (k->path = bk_buf_detach(&path, f)) != NULL)
		rc = 0;
out:
	bk_buf_release(&dir);
	bk_buf_release(&name);
	bk_buf_release(&path);
	return rc;
}

/* ?save=: refused on a primary, whose users would wait, unless told. */
static int
have_saved(struct bk_dump *d, struct bk_fault *f)
{
	struct dump *k = d->priv;
	const char *how = option(d, "save");
	struct stat before, after;
	bool was;
	char role[32] = "";
	int primary = yes(d, "primary", f);

	if (primary == -1)
		return -1;
	if (how == NULL)
		return d->req->check ? 0 :
		    bk_redis_wait(d->req, k->server, &k->info, f);
	(void)bk_redis_field(bk_buf_text(&k->info), "role", role, sizeof(role));
	if (strcmp(role, "slave") != 0 && !primary)
		return bk_fault_set(f, BK_CONFIG,
		    "'%s' is a primary, and a save costs it memory and time: ask a replica, or say ?primary=yes",
		    bk_redis_name(k->server));
	if (d->req->check)
		return 0;
	was = stat(k->path, &before) == 0;
	if (bk_redis_save(d->req, k->server, how, &k->info, f) == -1)
		return -1;
	if (stat(k->path, &after) == -1)
		return bk_fault_errno(f, 0, errno, "cannot read '%s'", k->path);
	if (was && before.st_ino == after.st_ino &&
	    before.st_mtim.tv_sec == after.st_mtim.tv_sec &&
	    before.st_mtim.tv_nsec == after.st_mtim.tv_nsec)
		return bk_fault_set(f, BK_CONFIG,
		    "'%s' has saved, but not to '%s'", bk_redis_name(k->server),
		    k->path);
	return 0;
}

static int
open_file(struct bk_dump *d, struct bk_fault *f)
{
	struct dump *k = d->priv;

	/* A FIFO must not make us wait. */
	k->fd = open(k->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (k->fd == -1 || fstat(k->fd, &k->st) == -1)
		return bk_fault_errno(f, 0, errno, "cannot open '%s'", k->path);
	if (!S_ISREG(k->st.st_mode))
		return bk_fault_set(f, BK_DATA, "'%s' is no file", k->path);
	memcpy(d->ext, "rdb", sizeof("rdb"));
	d->estimate = (uint64_t)k->st.st_size;
	return 0;
}

static int
open_copy(struct bk_dump *d, const struct bk_redis_at *at, bool asked,
    struct bk_fault *f)
{
	const char *path = d->req->uri->path, *how = option(d, "save");
	bool given = path[0] != '\0' && path[1] != '\0';
	struct dump *k = d->priv;
	int stale = yes(d, "stale", f);
	struct stat st;

	if (stale == -1)
		return -1;
	if (how != NULL && strcmp(how, "bg") != 0 && strcmp(how, "fg") != 0)
		return bk_fault_set(f, BK_USAGE, "?save=%s: want bg or fg", how);
	if (!asked && (!given || how != NULL))
		return bk_fault_set(f, BK_USAGE, given ?
		    "?save= wants the server too: ?server=HOST[:PORT]" :
		    "want redis://HOST, redis:///PATH or redis:///?server=HOST");
	if (asked && open_server(d, at, stale == 1, f) == -1)
		return -1;
	if (!given && ask_path(k, f) == -1)
		return -1;
	if (given && (k->path = strdup(path)) == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "redis");
	bk_name_from(strrchr(k->path, '/') + 1, d->name);
	if (bk_json_set_text(d->source, "host", d->req->ctx->host, f) == -1 ||
	    bk_json_set_text(d->source, "path", k->path, f) == -1)
		return -1;
	if (stat(k->path, &st) == 0 && S_ISDIR(st.st_mode)) {
		if (how != NULL)
			return bk_fault_set(f, BK_USAGE,
			    "?save= has no meaning for append-only files");
		memcpy(d->ext, "tar", sizeof("tar"));
		k->aof = bk_aof_open(k->path, &d->estimate, f);
		return k->aof != NULL ? 0 : -1;
	}
	if (asked && have_saved(d, f) == -1)
		return -1;
	return open_file(d, f);
}

static int
redis_dump_open(struct bk_dump *d, struct bk_fault *f)
{
	const struct bk_uri *u = d->req->uri;
	struct bk_redis_at at = { .port = BK_REDIS_PORT };
	struct dump *k;
	bool path = u->path[0] != '\0' && u->path[1] != '\0';
	int asked = find_server(d, &at, f);

	if (asked == -1 || find_tls(d, &at, f) == -1)
		return -1;
	if ((d->priv = k = calloc(1, sizeof(*k))) == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "redis");
	k->fd = -1;
	k->info.max = 1024 * 1024;
	if (u->host[0] != '\0' && path)
		return bk_fault_set(f, BK_USAGE,
		    "'%s': a server's stream has no path; a copy is redis:///PATH?server=%s",
		    u->text, u->host);
	if (asked && option(d, "server") == NULL && !path)
		return open_stream(d, &at, f);
	return open_copy(d, &at, asked == 1, f);
}

/* Has the file stayed what it was while it was read? */
static int
check_same(struct bk_dump *d, uint64_t bytes, struct bk_fault *f)
{
	struct dump *k = d->priv;
	struct stat now;

	if (fstat(k->fd, &now) == -1)
		return bk_fault_errno(f, BK_IO, errno, "cannot read '%s'",
		    k->path);
	if (bytes != (uint64_t)k->st.st_size || now.st_size != k->st.st_size ||
	    now.st_mtim.tv_sec != k->st.st_mtim.tv_sec ||
	    now.st_mtim.tv_nsec != k->st.st_mtim.tv_nsec)
		return bk_fault_set(f, BK_DATA,
		    "'%s' was written to while it was read", k->path);
	if (stat(k->path, &now) == 0 && now.st_ino == k->st.st_ino &&
	    now.st_dev == k->st.st_dev)
		return 0;
	d->req->ctx->log(BK_LOG_WARN,
	    "'%s' was replaced while it was read; this is the one before",
	    k->path);
	return bk_json_set(d->info, "replaced", json_true(), f);
}

static int
read_file(struct bk_dump *d, struct tap *t, struct bk_fault *f)
{
	struct dump *k = d->priv;
	uint8_t *p = malloc(BLOCK);
	uint64_t at = 0;
	ssize_t n = 0;

	if (p == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "redis");
	while ((n = bk_read_full(k->fd, p, BLOCK, k->path, f)) > 0) {
		at += (uint64_t)n;
		if (tap_write(t, p, (size_t)n, f) == -1)
			break;
	}
	free(p);
	return n != 0 ? -1 : check_same(d, at, f);
}

static int
redis_dump_run(struct bk_dump *d, bk_sink_fn *sink, void *arg,
    struct bk_fault *f)
{
	struct dump *k = d->priv;
	struct tap t = { .d = d, .sink = sink, .arg = arg };
	int rc = -1;

	if (k->aof != NULL) {
		d->proof = "marks";
		return bk_aof_read(k->aof, sink, arg, f);
	}
	if ((t.marks = bk_marks_rdb(f)) == NULL)
		return -1;
	if ((k->fd != -1 ? read_file(d, &t, f) :
	    bk_redis_sync(k->server, tap_write, &t, f)) == 0)
		rc = tap_finish(&t, f);
	else if (t.sent > 0 && f->status == BK_UNAVAILABLE)
		f->status = BK_DATA;	/* half a dump cannot be tried again */
	t.marks->free(t.marks);
	return rc;
}

static void
redis_dump_close(struct bk_dump *d)
{
	struct dump *k = d->priv;

	if (k == NULL)
		return;
	bk_redis_free(k->server);
	bk_aof_free(k->aof);
	if (k->fd != -1)
		close(k->fd);
	bk_buf_release(&k->info);
	free(k->path);
	free(k);
	d->priv = NULL;
}

static struct bk_marks *
redis_marks(const char *ext, struct bk_fault *f)
{
	if (strcmp(ext, "tar") == 0)
		return bk_marks_tar(f);
	return strcmp(ext, "rdb") == 0 ? bk_marks_rdb(f) : NULL;
}

const struct bk_engine_ops bk_engine_redis = {
	.name = "redis",
	.schemes = schemes,
	.options = options,
	.target_options = target_options,
	.flags = BK_ENGINE_NO_ARGS | BK_ENGINE_REPLICA,
	.dump_open = redis_dump_open,
	.dump_run = redis_dump_run,
	.dump_close = redis_dump_close,
	.restore_open = bk_redis_restore_open,
	.restore_write = bk_redis_restore_write,
	.restore_commit = bk_redis_restore_commit,
	.restore_close = bk_redis_restore_close,
	.marks = redis_marks,
};
