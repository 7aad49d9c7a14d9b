/*
 * The table of stores and what is the same for all of them: URLs and keys
 * are checked, faults name the key, listings are exactly what was asked for,
 * a put is held to its declared size.  A driver may then be careless in all
 * of this (store.h has the contracts).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "store.h"

#define MEMORY (32U * 1024 * 1024)
#define TIMEOUT_MS (10 * 60 * 1000)
#define URL_MAX (16 * 1024)
#define CLOCK_TOLERANCE (5 * 60 * 1000)

const struct bk_store_ops *const bk_store_table[] = {
	&bk_store_file,
	&bk_store_s3,
	NULL
};

bool
bk_key_ok(const char *key)
{
	const char *p, *end;
	size_t len = strlen(key);

	if (len == 0 || len > BK_KEY_MAX || !bk_utf8_ok(key, len))
		return false;
	for (p = key; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	for (p = key;; p = end + 1) {
		end = strchrnul(p, '/');
		len = (size_t)(end - p);
		if (len == 0 || (len == 1 && p[0] == '.') ||
		    (len == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		if (*end == '\0')
			return true;
	}
}

static int
check_key(const char *key, struct bk_fault *f)
{
	if (bk_key_ok(key))
		return 0;
	return bk_fault_set(f, BK_USAGE, "'%s' cannot be a key: want 1 to %d "
	    "bytes of UTF-8 without control characters, no empty, '.' or '..' "
	    "part", key, BK_KEY_MAX);
}

static int
by_name(const void *a, const void *b)
{
	const struct bk_uri_opt *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/*
 * The URL that goes into records: no final '/', options in order of their
 * names.  The user of a URL is no secret; a password was refused before.
 */
static char *
canonical(struct bk_uri *u, struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(URL_MAX);
	char *url = NULL;
	size_t i, len = strlen(u->path);

	while (len > 0 && u->path[len - 1] == '/' &&
	    (len > 1 || u->host[0] != '\0'))
		u->path[--len] = '\0';
	if (u->nopts > 1)
		qsort(u->opts, u->nopts, sizeof(u->opts[0]), by_name);

	if (bk_buf_addf(&b, f, "%s://", u->scheme) == -1)
		goto out;
	if (u->user != NULL && (bk_uri_encode(&b, u->user, false, f) == -1 ||
	    bk_buf_adds(&b, "@", f) == -1))
		goto out;
	if (strchr(u->host, ':') != NULL) {
		if (bk_buf_addf(&b, f, "[%s]", u->host) == -1)
			goto out;
	} else if (bk_uri_encode(&b, u->host, false, f) == -1)
		goto out;
	if (u->port != -1 && bk_buf_addf(&b, f, ":%d", u->port) == -1)
		goto out;
	if (bk_uri_encode(&b, u->path, true, f) == -1)
		goto out;
	for (i = 0; i < u->nopts; i++)
		if (bk_buf_adds(&b, i == 0 ? "?" : "&", f) == -1 ||
		    bk_uri_encode(&b, u->opts[i].name, false, f) == -1 ||
		    bk_buf_adds(&b, "=", f) == -1 ||
		    bk_uri_encode(&b, u->opts[i].value, true, f) == -1)
			goto out;
	url = bk_buf_detach(&b, f);
out:
	bk_buf_release(&b);
	return url;
}

static const struct bk_store_ops *
find_ops(const char *scheme, struct bk_fault *f)
{
	const struct bk_store_ops *found = NULL;
	struct bk_buf known = BK_BUF_INIT(512);
	size_t i;

	for (i = 0; bk_store_table[i] != NULL; i++) {
		if (strcmp(bk_store_table[i]->scheme, scheme) == 0) {
			found = bk_store_table[i];
			goto out;
		}
		if (bk_buf_addf(&known, f, "%s%s://", i == 0 ? "" : ", ",
		    bk_store_table[i]->scheme) == -1)
			goto out;
	}
	bk_fault_set(f, BK_USAGE, "unknown kind of store '%s://': there is %s",
	    scheme, bk_buf_text(&known));
out:
	bk_buf_release(&known);
	return found;
}

struct bk_store *
bk_store_open(const struct bk_ctx *ctx, const char *url,
    const struct bk_store_opts *opts, struct bk_fault *f)
{
	static const char *const none[] = { NULL };
	struct bk_store_opts o = { 0 };
	struct bk_uri u = BK_URI_INIT;
	const struct bk_store_ops *ops;
	struct bk_store *s = NULL;
	char *text = NULL;

	if (opts != NULL)
		o = *opts;
	if (o.memory == 0)
		o.memory = MEMORY;
	if (o.temp_dir == NULL)
		o.temp_dir = ctx->tmpdir;
	if (o.timeout_ms == 0)
		o.timeout_ms = TIMEOUT_MS;

	if (bk_uri_parse(url, &u, f) == -1 ||
	    (ops = find_ops(u.scheme, f)) == NULL ||
	    bk_uri_allow(&u, ops->options != NULL ? ops->options : none,
	    f) == -1 || (text = canonical(&u, f)) == NULL)
		goto out;
	if ((s = ops->open(ctx, &u, &o, f)) == NULL) {
		bk_fault_context(f, "store '%s'", text);
		goto out;
	}
	s->ops = ops;
	s->url = text;
	text = NULL;
out:
	free(text);
	bk_uri_release(&u);
	return s;
}

void
bk_store_close(struct bk_store *s)
{
	char *url;

	if (s == NULL)
		return;
	url = s->url;
	s->ops->close(s);
	free(url);
}

struct bk_put *
bk_store_put_begin(struct bk_store *s, const char *key,
    const struct bk_put_opts *opts, struct bk_fault *f)
{
	static const struct bk_put_opts none = { 0 };
	struct bk_put *p;
	char *copy;

	if (opts == NULL)
		opts = &none;
	if (check_key(key, f) == -1)
		return NULL;
	if ((copy = strdup(key)) == NULL) {
		bk_fault_errno(f, 0, errno, "put '%s'", key);
		return NULL;
	}
	if ((p = s->ops->put_begin(s, key, opts, f)) == NULL) {
		bk_fault_context(f, "put '%s'", key);
		free(copy);
		return NULL;
	}
	p->key = copy;
	p->max_bytes = opts->max_bytes;
	return p;
}

int
bk_store_put_write(struct bk_put *p, const void *data, size_t n,
    struct bk_fault *f)
{
	if (n == 0)
		return 0;
	if (p->max_bytes != 0 && n > p->max_bytes - p->bytes) {
		p->failed = true;
		return bk_fault_set(f, BK_DATA,
		    "put '%s': more than the %llu bytes it was to have at most",
		    p->key, (unsigned long long)p->max_bytes);
	}
	if (p->store->ops->put_write(p, data, n, f) == -1) {
		p->failed = true;
		bk_fault_context(f, "put '%s'", p->key);
		return -1;
	}
	p->bytes += n;
	return 0;
}

int
bk_store_put_commit(struct bk_put *p, struct bk_fault *f)
{
	char *key = p->key;
	int rc = -1;

	if (p->failed) {
		bk_fault_set(f, BK_BUG, "put '%s': commit after a failed write",
		    key);
		p->store->ops->put_abort(p);
	} else if ((rc = p->store->ops->put_commit(p, f)) == -1)
		bk_fault_context(f, "put '%s'", key);
	free(key);
	return rc;
}

void
bk_store_put_abort(struct bk_put *p)
{
	char *key;

	if (p == NULL)
		return;
	key = p->key;
	p->store->ops->put_abort(p);
	free(key);
}

int
bk_store_stat(struct bk_store *s, const char *key, struct bk_object *o,
    struct bk_fault *f)
{
	int rc;

	if (check_key(key, f) == -1)
		return -1;
	o->key = key;
	if ((rc = s->ops->stat(s, key, o, f)) == -1)
		bk_fault_context(f, "look at '%s'", key);
	return rc;
}

/* No server can be asked for no bytes; they must lie inside though. */
static int
get_nothing(struct bk_store *s, const char *key, uint64_t off,
    struct bk_fault *f)
{
	struct bk_object o = { 0 };
	int rc = s->ops->stat(s, key, &o, f);

	if (rc == 0 && off > o.bytes)
		rc = bk_fault_set(f, BK_DATA, "shorter than %llu bytes",
		    (unsigned long long)off);
	return rc;
}

/* The caller's sink, and whether a fault is the sink's own. */
struct tap {
	bk_sink_fn *sink;
	void *arg;
	uint64_t bytes;
	bool failed;
};

static int
tap(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	struct tap *t = arg;

	if (t->sink(t->arg, p, n, f) == -1) {
		t->failed = true;
		return -1;
	}
	t->bytes += n;
	return 0;
}

int
bk_store_get(struct bk_store *s, const char *key, uint64_t off, uint64_t len,
    bk_sink_fn *sink, void *arg, struct bk_fault *f)
{
	struct tap t = { sink, arg, 0, false };
	int rc;

	if (check_key(key, f) == -1)
		return -1;
	if (len == 0)
		rc = get_nothing(s, key, off, f);
	else
		rc = s->ops->get(s, key, off, len, tap, &t, f);
	if (rc == 0 && len != UINT64_MAX && t.bytes != len)
		rc = bk_fault_set(f, BK_DATA,
		    "%llu bytes came where %llu were asked for",
		    (unsigned long long)t.bytes, (unsigned long long)len);
	if (rc == -1 && !t.failed)
		bk_fault_context(f, "get '%s'", key);
	return rc;
}

/* What a driver lists on its way to what was asked for. */
struct filter {
	const char *prefix;
	size_t plen;
	char last[BK_KEY_MAX + 1];	/* ${after} at first */
	bool first, failed;
	bk_list_fn *fn;
	void *arg;
};

static int
filter(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	struct filter *l = arg;
	int rc, order = strcmp(o->key, l->last);

	if (order < 0 && !l->first) {
		l->failed = true;
		return bk_fault_set(f, BK_UNAVAILABLE,
		    "the server lists out of order: '%s' after '%s'", o->key,
		    l->last);
	}
	if (order <= 0 || !bk_key_ok(o->key))
		return 0;
	if (strncmp(o->key, l->prefix, l->plen) != 0)
		return strcmp(o->key, l->prefix) < 0 ? 0 : BK_LIST_STOP;
	l->first = false;
	memcpy(l->last, o->key, strlen(o->key) + 1);
	rc = l->fn(l->arg, o, f);
	l->failed = rc == -1;
	return rc;
}

/*
 * Can a key begin so?  What stands before the last '/' must be one by itself.
 * A server need not be asked for others, and some refuse it (MinIO: 400).
 */
static bool
prefix_ok(const char *prefix)
{
	char dir[BK_KEY_MAX + 1];
	const char *end = strrchr(prefix, '/');

	if (end == NULL)
		return true;
	memcpy(dir, prefix, (size_t)(end - prefix));
	dir[end - prefix] = '\0';
	return bk_key_ok(dir);
}

int
bk_store_list(struct bk_store *s, const char *prefix, const char *after,
    bk_list_fn *fn, void *arg, struct bk_fault *f)
{
	struct filter l = { .prefix = prefix, .plen = strlen(prefix),
		.first = true, .fn = fn, .arg = arg };

	if (l.plen > BK_KEY_MAX || strlen(after) > BK_KEY_MAX)
		return bk_fault_set(f, BK_USAGE,
		    "cannot list '%s' after '%s': longer than a key can be",
		    prefix, after);
	if (!prefix_ok(prefix))
		return 0;
	memcpy(l.last, after, strlen(after) + 1);
	if (s->ops->list(s, prefix, after, filter, &l, f) == -1) {
		if (!l.failed)
			bk_fault_context(f, "list '%s'", prefix);
		return -1;
	}
	return 0;
}

int
bk_store_remove(struct bk_store *s, const char *const *keys, size_t n,
    struct bk_fault *f)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (check_key(keys[i], f) == -1)
			return -1;
	if (n == 0)
		return 0;
	if (s->ops->remove(s, keys, n, f) == -1) {
		bk_fault_context(f, n == 1 ? "remove '%s'" :
		    "remove '%s' and others", keys[0]);
		return -1;
	}
	return 0;
}

int
bk_store_debris(struct bk_store *s, bk_list_fn *fn, void *arg,
    struct bk_fault *f)
{
	return s->ops->debris(s, fn, arg, f) == -1 ? -1 : 0;
}

int
bk_store_debris_remove(struct bk_store *s, const char *key, struct bk_fault *f)
{
	if (check_key(key, f) == -1)
		return -1;
	if (s->ops->debris_remove(s, key, f) == -1) {
		bk_fault_context(f, "remove what is unfinished of '%s'", key);
		return -1;
	}
	return 0;
}

int
bk_store_presign(struct bk_store *s, const char *key, unsigned int seconds,
    struct bk_buf *url, struct bk_fault *f)
{
	int rc;

	if (check_key(key, f) == -1)
		return -1;
	if ((s->ops->features & BK_STORE_PRESIGN) == 0)
		return BK_NOT_SUPPORTED;
	if ((rc = s->ops->presign(s, key, seconds, url, f)) == -1)
		bk_fault_context(f, "link to '%s'", key);
	return rc;
}

int
bk_store_facts(struct bk_store *s, struct bk_store_facts *facts,
    struct bk_fault *f)
{
	static const struct bk_store_facts unknown;

	*facts = unknown;
	return s->ops->facts(s, facts, f);
}

enum bk_versions
bk_store_versions(struct bk_store *s)
{
	return s->ops->versions != NULL ? s->ops->versions(s) :
	    BK_VERSIONS_NONE;
}

int
bk_store_now(const struct bk_ctx *ctx, struct bk_store *s, int64_t *now,
    struct bk_fault *f)
{
	struct bk_store_facts facts;

	if (bk_store_facts(s, &facts, f) == -1)
		return -1;
	*now = ctx->now();
	if (facts.clock_known && (facts.clock_offset > CLOCK_TOLERANCE ||
	    facts.clock_offset < -CLOCK_TOLERANCE))
		*now += facts.clock_offset;
	return 0;
}

int
bk_store_put_small(struct bk_store *s, const char *key, const void *p,
    size_t n, unsigned int flags, struct bk_fault *f)
{
	struct bk_put_opts opts = { .flags = flags, .max_bytes = n };
	struct bk_put *put;

	if ((put = bk_store_put_begin(s, key, &opts, f)) == NULL)
		return -1;
	if (bk_store_put_write(put, p, n, f) == -1) {
		bk_store_put_abort(put);
		return -1;
	}
	return bk_store_put_commit(put, f);
}

static int
to_buf(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	return bk_buf_add(arg, p, n, f);
}

int
bk_store_get_small(struct bk_store *s, const char *key, struct bk_buf *out,
    struct bk_fault *f)
{
	return bk_store_get(s, key, 0, UINT64_MAX, to_buf, out, f);
}
