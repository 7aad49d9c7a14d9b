/*
 * Each thread has its own stores, since a store is of one thread.  The first
 * one is opened before there are threads: where the store is down that is
 * known after one try, not after as many as there are jobs.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crew.h"
#include "walahead.h"

#define THREADS 4			/* of the codec, for one file alone */

/* PostgreSQL takes histories first, then the oldest (pgarch.c). */
static int
order(const char *a, const char *b)
{
	bool ha = strcmp(a + 8, ".history") == 0;
	bool hb = strcmp(b + 8, ".history") == 0;

	return ha != hb ? (ha ? -1 : 1) : strcmp(a, b);
}

/* Keep ${file} if it is among the first ${max}. */
static size_t
insert(char (*out)[BK_WAL_FILE_MAX], size_t n, size_t max, const char *file)
{
	size_t i = n;

	while (i > 0 && order(file, out[i - 1]) < 0)
		i--;
	if (i == max)
		return n;
	if (n == max)
		n--;
	memmove(out[i + 1], out[i], (n - i) * sizeof(out[0]));
	memcpy(out[i], file, strlen(file) + 1);
	return n + 1;
}

int
bk_wal_ready(const char *status, const char *file,
    char (*out)[BK_WAL_FILE_MAX], size_t max, struct bk_fault *f)
{
	static const char mark[] = ".ready";
	char name[BK_WAL_FILE_MAX];
	struct bk_wal_name w;
	struct dirent *d;
	size_t n = 0, len;
	DIR *dir;

	if (max == 0)
		return 0;
	if ((dir = opendir(status)) == NULL)
		return errno == ENOENT || errno == ENOTDIR ? 0 :
		    bk_fault_errno(f, 0, errno, "cannot read '%s'", status);
	while ((errno = 0, d = readdir(dir)) != NULL) {
		len = strlen(d->d_name);
		if (len < sizeof(mark) || len - sizeof(mark) + 1 >= sizeof(name) ||
		    strcmp(d->d_name + len - sizeof(mark) + 1, mark) != 0)
			continue;
		memcpy(name, d->d_name, len - sizeof(mark) + 1);
		name[len - sizeof(mark) + 1] = '\0';
		if (strcmp(name, file) != 0 && bk_wal_name_parse(name, &w))
			n = insert(out, n, max, name);
	}
	if (errno != 0) {
		(void)bk_fault_errno(f, 0, errno, "cannot read '%s'", status);
		(void)closedir(dir);
		return -1;
	}
	(void)closedir(dir);
	return (int)n;
}

struct run {
	const struct bk_wal_ahead *a;
	const char *path;		/* the one asked for */
	size_t dir;			/* length of its directory's, with '/' */
	char (*files)[BK_WAL_FILE_MAX];
	size_t n;
	struct bk_crew crew;		/* its lock is the memo's too */
};

static void
close_all(struct bk_store **s, size_t n)
{
	while (n > 0)
		bk_store_close(s[--n]);
	free(s);
}

/* The stores for one thread; NULL with ${f} set. */
static struct bk_store **
open_all(const struct bk_wal_ahead *a, struct bk_fault *f)
{
	struct bk_store **s = calloc(a->nurls, sizeof(*s));
	size_t i;

	if (s == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		return NULL;
	}
	for (i = 0; i < a->nurls; i++)
		if ((s[i] = bk_store_open(a->ctx, a->urls[i], a->opts,
		    f)) == NULL) {
			close_all(s, i);
			return NULL;
		}
	return s;
}

/* Push one file to every store; the first fault counts. */
static int
push(const struct run *r, struct bk_store **s, const char *path,
    struct bk_wal_source *src, struct bk_fault *f)
{
	struct bk_wal_how how = r->a->how;
	struct bk_fault why;
	size_t i;
	int rc;

	how.threads = r->n == 0 ? THREADS : 1;
	if (bk_wal_source_open(src, path, 0, f) == -1)
		return -1;
	for (i = 0; i < r->a->nurls; i++) {
		why = (struct bk_fault)BK_FAULT_INIT;
		rc = bk_wal_push(s[i], &how, src, &why);
		if (rc == -1) {
			bk_fault_context(&why, "%s", s[i]->url);
			if (!bk_faulty(f))
				*f = why;
		} else
			r->a->ctx->log(BK_LOG_INFO, rc == BK_EXISTS ?
			    "'%s' is in %s already" : "pushed '%s' to %s",
			    src->key.name.file, s[i]->url);
	}
	return bk_faulty(f) ? -1 : 0;
}

/* Take the others, one by one, until there are none left. */
static void
others(struct run *r, struct bk_store **s)
{
	struct bk_wal_source src = BK_WAL_SOURCE_INIT;
	struct bk_buf path = BK_BUF_INIT(4096);
	struct bk_fault f;
	size_t i;

	while (bk_crew_take(&r->crew, &i)) {
		f = (struct bk_fault)BK_FAULT_INIT;
		bk_buf_reset(&path);
		if (bk_buf_add(&path, r->path, r->dir, &f) == 0 &&
		    bk_buf_adds(&path, r->files[i], &f) == 0 &&
		    push(r, s, path.p, &src, &f) == 0) {
			(void)pthread_mutex_lock(&r->crew.lock);
			bk_wal_memo_add(r->a->memo, &src);
			(void)pthread_mutex_unlock(&r->crew.lock);
		} else
			r->a->ctx->log(BK_LOG_WARN, "not pushed ahead: %s",
			    f.text);
		bk_wal_source_release(&src);
	}
	bk_buf_release(&path);
}

static void *
helper(void *arg)
{
	struct run *r = arg;
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_store **s = open_all(r->a, &f);

	if (s != NULL) {
		others(r, s);
		close_all(s, r->a->nurls);
	} else
		r->a->ctx->log(BK_LOG_INFO, "one job less: %s", f.text);
	return NULL;
}

int
bk_wal_ahead(const struct bk_wal_ahead *a, const char *path,
    char (*files)[BK_WAL_FILE_MAX], size_t n, struct bk_fault *f)
{
	const char *slash = strrchr(path, '/');
	struct run r = { .a = a, .path = path, .files = files, .n = n,
		.dir = slash != NULL ? (size_t)(slash - path) + 1 : 0 };
	struct bk_wal_source src = BK_WAL_SOURCE_INIT;
	struct bk_store **s;

	if ((s = open_all(a, f)) == NULL)
		return -1;
	bk_crew_start(&r.crew, n, a->jobs - 1, helper, &r);
	if (push(&r, s, path, &src, f) == 0)
		others(&r, s);
	bk_wal_source_release(&src);
	close_all(s, a->nurls);
	bk_crew_join(&r.crew);
	return bk_faulty(f) ? -1 : 0;
}
