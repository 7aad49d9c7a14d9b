/*
 * The two forms in which BASE_BACKUP answers (pgbasefeed.h).
 */
#include <stdio.h>
#include <string.h>

#include "pgbasefeed.h"

static int
bad(const char *what, struct bk_fault *f)
{
	return bk_fault_set(f, BK_DATA, "BASE_BACKUP: %s", what);
}

static int
leave_archive(struct bk_pgbasefeed *feed, struct bk_fault *f)
{
	int rc = feed->in == BK_FEED_ARCHIVE ?
	    bk_pgbasetar_end(feed->tar, f) : 0;

	feed->in = BK_FEED_NONE;
	return rc;
}

int
bk_pgbasefeed_archive(struct bk_pgbasefeed *feed, const char *oid,
    struct bk_fault *f)
{
	if (leave_archive(feed, f) == -1)
		return -1;
	if (feed->manifest > 0)
		return bad("an archive behind the manifest", f);
	feed->in = BK_FEED_ARCHIVE;
	return bk_pgbasetar_begin(feed->tar, oid, f);
}

int
bk_pgbasefeed_manifest(struct bk_pgbasefeed *feed, struct bk_fault *f)
{
	if (leave_archive(feed, f) == -1)
		return -1;
	if (feed->fd == -1 || feed->manifest > 0)
		return bad("a manifest that was not asked for", f);
	feed->in = BK_FEED_MANIFEST;
	return 0;
}

int
bk_pgbasefeed_data(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	struct bk_pgbasefeed *feed = arg;

	switch (feed->in) {
	case BK_FEED_ARCHIVE:
		return bk_pgbasetar_data(feed->tar, p, n, f);
	case BK_FEED_MANIFEST:
		feed->manifest += n;
		return bk_write_all(feed->fd, p, n, "temporary file", f);
	default:
		return bad("data of nothing", f);
	}
}

/* "base.tar" or "16384.tar", NUL, the place, NUL. */
static int
new_archive(struct bk_pgbasefeed *feed, const char *p, size_t n,
    struct bk_fault *f)
{
	size_t len = strnlen(p, n);
	char oid[16];

	if (len == n || len < 5 || memcmp(p + len - 4, ".tar", 4) != 0 ||
	    len - 4 >= sizeof(oid) || strnlen(p + len + 1, n - len - 1) ==
	    n - len - 1)
		return bad("an archive of an unknown form", f);
	snprintf(oid, sizeof(oid), "%.*s", (int)(len - 4), p);
	return bk_pgbasefeed_archive(feed, strcmp(oid, "base") == 0 ? NULL : oid,
	    f);
}

int
bk_pgbasefeed_message(void *arg, const void *data, size_t n,
    struct bk_fault *f)
{
	const char *p = data;

	switch (p[0]) {
	case 'n':
		return new_archive(arg, p + 1, n - 1, f);
	case 'm':
		return bk_pgbasefeed_manifest(arg, f);
	case 'd':
		return n == 1 ? 0 : bk_pgbasefeed_data(arg, p + 1, n - 1, f);
	case 'p':
		return 0;
	default:
		return bad("a message of an unknown kind", f);
	}
}

int
bk_pgbasefeed_finish(struct bk_pgbasefeed *feed, struct bk_fault *f)
{
	if (leave_archive(feed, f) == -1)
		return -1;
	if (feed->fd != -1 && feed->manifest == 0)
		return bad("no manifest came", f);
	if (feed->fd != -1 && bk_pgbasetar_file(feed->tar, "backup_manifest",
	    feed->fd, feed->manifest, f) == -1)
		return -1;
	return bk_pgbasetar_finish(feed->tar, f);
}
