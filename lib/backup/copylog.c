#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "copylog.h"
#include "requires.h"
#include "wal.h"

#define THREADS 2

/* What the prefix ${p} asks for.  0, or -1 (65). */
static int
wanted(const char *p, const char *name, struct bk_wal_key *k,
    struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(BK_KEY_MAX);
	int rc = bk_buf_addf(&b, f, "%s0123456789abcdef", p);

	if (rc == 0 && !bk_wal_key_parse(b.p, name, k))
		rc = bk_fault_set(f, BK_DATA, "'%.200s' is no file of the log",
		    p);
	bk_buf_release(&b);
	return rc;
}

/* ${k} in ${s}: 0 with its hash and suffix, BK_ABSENT, -1. */
static int
find(struct bk_store *s, const char *name, struct bk_wal_key *k,
    struct bk_fault *f)
{
	enum bk_wal_kind kind = k->name.kind;
	struct bk_wal_name n = k->name;
	int rc = bk_wal_find(s, name, k->system, &n, k, f);

	/* What still grows is not what was required. */
	return rc == 0 && k->name.kind != kind ? BK_ABSENT : rc;
}

/* By way of ${fd}, so that nothing is stored that was not verified. */
static int
copy(struct bk_store *from, struct bk_store *to, const char *name,
    const struct bk_wal_key *k, int fd, struct bk_wal_source *src,
    struct bk_fault *f)
{
	struct bk_wal_how how = { .name = name, .threads = THREADS,
		.new_system = true };
	struct stat st;
	size_t i;
	int rc;

	if ((rc = bk_wal_fetch(from, name, k, fd, f)) != 0)
		return rc == BK_ABSENT ? bk_fault_set(f, BK_NOINPUT,
		    "'%s' is gone from '%s'", k->name.file, from->url) : -1;
	if (fstat(fd, &st) == -1)
		return bk_fault_set(f, BK_IO, "cannot look at a temporary file");
	*src = (struct bk_wal_source){ .fd = fd, .key = *k,
		.bytes = (uint64_t)st.st_size };
	src->id.changed = (int64_t)st.st_ctim.tv_sec * 1000000000 +
	    st.st_ctim.tv_nsec;
	for (i = 0; bk_codecs[i] != NULL; i++)
		if (strcmp(bk_codecs[i]->ext, k->suffix) == 0)
			how.codec = bk_codecs[i];
	if (how.codec != NULL)
		how.level = how.codec->level_default;
	return bk_wal_push(to, &how, src, f) == -1 ? -1 : 0;
}

static int
copy_one(const struct bk_ctx *ctx, struct bk_store *from, struct bk_store *to,
    const char *name, const char *prefix, void (*progress)(uint64_t),
    struct bk_fault *f)
{
	struct bk_wal_source src = BK_WAL_SOURCE_INIT;
	struct bk_wal_key k, there;
	int fd, has, rc;

	if (wanted(prefix, name, &k, f) == -1)
		return -1;
	there = k;
	if ((has = find(to, name, &there, f)) == -1 ||
	    (rc = find(from, name, &k, f)) == -1)
		return -1;
	if (has == 0 && rc == 0 && strcmp(k.hash, there.hash) != 0)
		return bk_fault_set(f, BK_DATA, "'%s' is in '%s' with another "
		    "content (%s, not %s)", k.name.file, to->url, there.hash,
		    k.hash);
	if (has == 0)
		return 0;
	if (rc == BK_ABSENT)
		return bk_fault_set(f, BK_DATA, "the backup requires '%s*', "
		    "which is in neither store", prefix);
	if ((fd = bk_tmpfile(ctx->tmpdir, f)) == -1)
		return -1;
	if ((rc = copy(from, to, name, &k, fd, &src, f)) == 0 &&
	    progress != NULL)
		progress(src.bytes);
	(void)close(fd);
	return rc;
}

int
bk_copy_log(const struct bk_ctx *ctx, struct bk_store *from,
    struct bk_store *to, const struct bk_record *rec,
    void (*progress)(uint64_t), struct bk_fault *f)
{
	const json_t *list = json_object_get(rec->json, "requires");
	const char *p;
	size_t i;

	for (i = 0; i < json_array_size(list); i++) {
		p = json_string_value(json_array_get(list, i));
		if (copy_one(ctx, from, to, rec->name, p != NULL ? p : "",
		    progress, f) == -1) {
			bk_fault_context(f, "backup %s", rec->id);
			return -1;
		}
	}
	return 0;
}

int
bk_copy_log_check(struct bk_store *to, const struct bk_record *rec,
    struct bk_fault *f)
{
	struct bk_requires *r;
	const char *missing;
	int rc = 1;

	if (bk_requires_new(json_object_get(rec->json, "requires"), rec->name,
	    &r, f) == -1)
		return -1;
	if (r != NULL && (rc = bk_requires_look(r, to, true, &missing, f)) == 0)
		rc = bk_fault_set(f, BK_DATA, "'%s*', which backup %s requires, "
		    "went from '%s' meanwhile", missing, rec->id, to->url);
	bk_requires_free(r);
	return rc == 1 ? 0 : -1;
}
