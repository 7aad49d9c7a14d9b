/*
 * Small things remembered of jobs.  See remember.h.
 *
 * The digest takes what a change of a file cannot leave alone: a write moves
 * its times, a rename onto it changes its inode.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "json.h"
#include "ledgerfile.h"
#include "remember.h"
#include "replace.h"
#include "when.h"

static int
path_of(const char *state, const char *what, const char *job,
    char out[PATH_MAX], struct bk_fault *f)
{
	struct bk_buf name = BK_BUF_INIT(512);
	int rc = bk_buf_addf(&name, f, "%s/%s.json", what, job);

	if (rc == 0)
		rc = bk_ledger_path(state, name.p, out, f);
	bk_buf_release(&name);
	return rc;
}

json_t *
bk_remember_read(const char *state, const char *what, const char *job,
    struct bk_fault *f)
{
	struct bk_fault spoilt = BK_FAULT_INIT;
	char path[PATH_MAX], text[4096];
	json_t *o = NULL;
	ssize_t n;
	int fd;

	if (path_of(state, what, job, path, f) == -1)
		return NULL;
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) == -1) {
		if (errno != ENOENT)
			(void)bk_fault_errno(f, 0, errno, "cannot open '%s'", path);
		return NULL;
	}
	if ((n = bk_read_full(fd, text, sizeof(text), path, f)) != -1)
		o = bk_json_parse(text, (size_t)n, path, &spoilt);
	(void)close(fd);
	return o;
}

int
bk_remember_write(const char *state, const char *what, const char *job,
    const json_t *o, struct bk_fault *f)
{
	char path[PATH_MAX];
	struct bk_buf b = BK_BUF_INIT(4096);
	int rc = -1;

	if (bk_json_text(o, &b, f) == 0 && bk_buf_adds(&b, "\n", f) == 0 &&
	    bk_ledger_path(state, what, path, f) == 0) {
		if (mkdir(state, 0700) == -1 && errno != EEXIST)
			(void)bk_fault_errno(f, BK_CANTCREATE, errno,
			    "cannot make '%s'", state);
		else if (mkdir(path, 0700) == -1 && errno != EEXIST)
			(void)bk_fault_errno(f, BK_CANTCREATE, errno,
			    "cannot make '%s'", path);
		else if (path_of(state, what, job, path, f) == 0)
			rc = bk_file_replace(path, b.p, b.len, 0600, f);
	}
	bk_buf_release(&b);
	return rc;
}

int
bk_remember_age(const char *state, const char *job, int64_t now,
    struct bk_due_age *age, struct bk_fault *f)
{
	json_t *o = bk_remember_read(state, "age", job, f);

	*age = (struct bk_due_age){ .since = bk_json_get_time(o, "since"),
		.good = bk_json_get_time(o, "good"), .told = bk_json_get_time(o, "told") };
	json_decref(o);
	if (bk_due_ahead(age->good, now))
		age->good = 0;
	if (bk_due_ahead(age->told, now))
		age->told = 0;
	if (age->since != 0 && age->since <= now)
		return bk_faulty(f) ? -1 : 0;
	age->since = now;
	return bk_faulty(f) ? -1 : bk_remember_age_set(state, job, age, f);
}

int
bk_remember_age_set(const char *state, const char *job,
    const struct bk_due_age *age, struct bk_fault *f)
{
	json_t *o = json_object();
	int rc = -1;

	if (o == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "the age of a job");
	if (bk_json_set_time(o, "since", age->since, f) == 0 &&
	    bk_json_set_time(o, "good", age->good, f) == 0 &&
	    bk_json_set_time(o, "told", age->told, f) == 0)
		rc = bk_remember_write(state, "age", job, o, f);
	json_decref(o);
	return rc;
}

static uint64_t
mix(uint64_t h, const void *p, size_t n)
{
	const unsigned char *b = p;

	while (n-- > 0)
		h = (h ^ *b++) * UINT64_C(1099511628211);
	return h;
}

/* One name in directory ${dir}; *${there} where it is. */
static uint64_t
digest_one(int dir, const char *name, uint64_t h, bool *there, bool *is_dir)
{
	struct stat st;
	int64_t v[6];

	h = mix(h, name, strlen(name) + 1);
	*is_dir = false;
	if (fstatat(dir, name, &st, 0) == -1)
		return h;
	*there = true;
	*is_dir = S_ISDIR(st.st_mode);
	v[0] = (int64_t)st.st_ino;
	v[1] = *is_dir ? 0 : (int64_t)st.st_size;
	v[2] = (int64_t)st.st_mtim.tv_sec;
	v[3] = (int64_t)st.st_mtim.tv_nsec;
	v[4] = (int64_t)st.st_ctim.tv_sec;
	v[5] = (int64_t)st.st_ctim.tv_nsec;
	return mix(h, v, sizeof(v));
}

uint64_t
bk_remember_digest(char *const *paths)
{
	uint64_t h = UINT64_C(14695981039346656037), sum;
	const struct dirent *d;
	bool there = false, is_dir, below;
	DIR *dir;

	for (; paths != NULL && *paths != NULL; paths++) {
		h = digest_one(AT_FDCWD, *paths, h, &there, &is_dir);
		if (!is_dir || (dir = opendir(*paths)) == NULL)
			continue;
		/* In whatever order they come. */
		for (sum = 0; (d = readdir(dir)) != NULL;)
			if (strcmp(d->d_name, "..") != 0)
				sum += digest_one(dirfd(dir), d->d_name, 1, &below,
				    &is_dir);
		(void)closedir(dir);
		h = mix(h, &sum, sizeof(sum));
	}
	return there ? h | 1 : 0;
}

uint64_t
bk_remember_watched(const char *state, const char *job)
{
	struct bk_fault quiet = BK_FAULT_INIT;
	json_t *o = bk_remember_read(state, "watch", job, &quiet);
	const char *s = bk_json_get_text(o, "digest");
	uint64_t h = s != NULL ? strtoull(s, NULL, 16) : 0;

	json_decref(o);
	return h;
}

int
bk_remember_watched_set(const char *state, const char *job,
    uint64_t digest, struct bk_fault *f)
{
	json_t *o = json_object();
	char text[17];
	int rc = -1;

	(void)snprintf(text, sizeof(text), "%016llx",
	    (unsigned long long)digest);
	if (o == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "what a job watches");
	if (bk_json_set_text(o, "digest", text, f) == 0)
		rc = bk_remember_write(state, "watch", job, o, f);
	json_decref(o);
	return rc;
}
