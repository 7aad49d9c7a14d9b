/*
 *   bk-wal-push/1 <hash of name and stores>
 *   <file> <device> <inode> <changed ns> <bytes> <pushed ms>
 *   ...
 *   end
 *
 * It is not synced: after a crash it is whole, or empty, or gone, and only the
 * first is believed.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "walmemo.h"

#define TEXT_MAX 16384
#define AGE_MAX (3600 * INT64_C(1000))
#define HEAD "bk-wal-push/1 "

static bool
line(const char *s, struct bk_wal_memory *e)
{
	struct bk_wal_name n;
	int used = 0;

	return sscanf(s, "%63s %" SCNu64 " %" SCNu64 " %" SCNd64 " %" SCNu64
	    " %" SCNd64 "%n", e->file, &e->dev, &e->ino, &e->changed, &e->bytes,
	    &e->pushed, &used) == 6 && s[used] == '\n' &&
	    bk_wal_name_parse(e->file, &n);
}

/* All of it, or nothing. */
static void
parse(struct bk_wal_memo *m, const char *text)
{
	struct bk_wal_memory e;
	const char *s;

	for (s = strchr(text, '\n'); s != NULL; s = strchr(s + 1, '\n')) {
		if (strcmp(s + 1, "end\n") == 0)
			return;
		if (m->len == BK_WAL_MEMO_MAX || !line(s + 1, &e))
			break;
		if (e.pushed <= m->now && m->now - e.pushed <= AGE_MAX)
			m->v[m->len++] = e;
	}
	m->len = 0;
}

int
bk_wal_memo_read(struct bk_wal_memo *m, const char *dir, const char *name,
    const char *const *urls, size_t n, int64_t now, struct bk_fault *f)
{
	struct bk_buf path = BK_BUF_INIT(4096);
	char hex[BK_WAL_HASH_LEN + 1], text[TEXT_MAX];
	struct bk_fault quiet = BK_FAULT_INIT;
	ssize_t got = -1;
	int fd;

	m->now = now;
	m->len = 0;
	if (bk_wal_place(hex, name, urls, n, f) == -1 ||
	    bk_buf_addf(&path, f, "%s/bk-wal-push.%s", dir, hex) == -1 ||
	    (m->path = bk_buf_detach(&path, f)) == NULL) {
		bk_buf_release(&path);
		return -1;
	}
	if ((fd = open(m->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) == -1)
		return 0;
	got = bk_read_full(fd, text, sizeof(text) - 1, m->path, &quiet);
	(void)close(fd);
	if (got <= 0)
		return 0;
	text[got] = '\0';
	if (strncmp(text, HEAD, sizeof(HEAD) - 1) == 0 &&
	    strncmp(text + sizeof(HEAD) - 1, hex, BK_WAL_HASH_LEN) == 0)
		parse(m, text);
	return 0;
}

bool
bk_wal_memo_has(const struct bk_wal_memo *m, const char *path)
{
	const char *file = strrchr(path, '/') != NULL ?
	    strrchr(path, '/') + 1 : path;
	const struct bk_wal_memory *e;
	struct stat st;
	size_t i;

	for (i = 0; i < m->len; i++) {
		e = &m->v[i];
		if (strcmp(e->file, file) == 0)
			return stat(path, &st) == 0 &&
			    (uint64_t)st.st_dev == e->dev &&
			    (uint64_t)st.st_ino == e->ino &&
			    (uint64_t)st.st_size == e->bytes &&
			    (int64_t)st.st_ctim.tv_sec * 1000000000 +
			    st.st_ctim.tv_nsec == e->changed;
	}
	return false;
}

void
bk_wal_memo_add(struct bk_wal_memo *m, const struct bk_wal_source *src)
{
	struct bk_wal_memory *e;
	size_t i;

	for (i = 0; i < m->len; i++)
		if (strcmp(m->v[i].file, src->key.name.file) == 0)
			break;
	if (i == m->len && m->len == BK_WAL_MEMO_MAX) {
		m->len--;
		memmove(m->v, m->v + 1, m->len * sizeof(m->v[0]));
		i = m->len;
	}
	e = &m->v[i];
	m->len += i == m->len;
	memcpy(e->file, src->key.name.file, sizeof(e->file));
	e->dev = src->id.dev;
	e->ino = src->id.ino;
	e->bytes = src->bytes;
	e->changed = src->id.changed;
	e->pushed = m->now;
	m->changed = true;
}

int
bk_wal_memo_write(const struct bk_wal_memo *m, struct bk_fault *f)
{
	struct bk_buf text = BK_BUF_INIT(TEXT_MAX - 1), tmp = BK_BUF_INIT(4200);
	const struct bk_wal_memory *e;
	int fd = -1, rc = -1;
	size_t i;

	if (bk_buf_addf(&tmp, f, "%s.tmp", m->path) == -1 ||
	    bk_buf_addf(&text, f, HEAD "%s\n", strrchr(m->path, '.') + 1) == -1)
		goto out;
	for (i = 0; i < m->len; i++) {
		e = &m->v[i];
		if (bk_buf_addf(&text, f, "%s %" PRIu64 " %" PRIu64 " %" PRId64
		    " %" PRIu64 " %" PRId64 "\n", e->file, e->dev, e->ino,
		    e->changed, e->bytes, e->pushed) == -1)
			goto out;
	}
	if (bk_buf_adds(&text, "end\n", f) == -1)
		goto out;
	if ((fd = open(tmp.p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC |
	    O_NOFOLLOW, 0600)) == -1) {
		(void)bk_fault_errno(f, 0, errno, "cannot create '%s'", tmp.p);
		goto out;
	}
	rc = bk_write_all(fd, text.p, text.len, tmp.p, f);
	if (bk_close(fd, tmp.p, f) == -1)
		rc = -1;
	if (rc == 0 && (rc = rename(tmp.p, m->path)) == -1)
		(void)bk_fault_errno(f, 0, errno, "cannot rename '%s'", tmp.p);
	if (rc == -1)
		(void)unlink(tmp.p);
out:
	bk_buf_release(&text);
	bk_buf_release(&tmp);
	return rc;
}

void
bk_wal_memo_release(struct bk_wal_memo *m)
{
	free(m->path);
	m->path = NULL;
}
