/*
 * One file as one backup.  It counts only if it was the same file from the
 * first byte to the last: its size, inode and time are compared before the
 * commit.  What is about to be committed is noted in the directory, so that
 * after a stop between commit and removal it is known as stored, by its
 * manifest, and not stored twice.
 *
 * The store stays open from file to file, and is opened anew after a fault.
 */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "commit.h"
#include "hash.h"
#include "json.h"
#include "prog.h"
#include "raw.h"
#include "spoolname.h"
#include "spoolput.h"
#include "tags.h"
#include "writers.h"

#define BLOCK (256 * 1024)
#define THREADS 2

/* One file on its way. */
struct way {
	struct bk_spool_put *o;
	struct bk_spooldir *d;
	const struct bk_spool_file *file;
	int fd;
	json_t *header;
	struct bk_commit_plan plan;
	struct bk_commit *c;
	struct bk_sha256 *plain, *stored;
	uint64_t bytes;			/* stored */
	void *codec;
};

/* How long a file keeps its time: what is not over yet is now. */
static int64_t
time_of(const struct bk_spool_file *file)
{
	int64_t now = bk_ctx->now(), t = file->sec * 1000 +
	    file->nsec / 1000000;

	return t < now ? t : now;
}

static int
make_header(struct way *w, struct bk_fault *f)
{
	const struct bk_spool_put *o = w->o;
	char name[BK_NAME_MAX + 1], ext[BK_EXT_MAX + 1];
	struct bk_raw raw = { o->name, o->engine != NULL ? o->engine : "exec",
		o->ext, time_of(w->file), o->on_close ? "none" : "rename" };
	json_t *h;

	if (raw.name == NULL) {
		bk_spool_name(w->file->name, name);
		raw.name = name;
	}
	if (raw.ext == NULL) {
		bk_spool_ext(w->file->name, ext);
		raw.ext = ext;
	}
	if ((h = w->header = bk_raw_header(bk_ctx, &raw, f)) == NULL)
		return -1;
	if (bk_json_set_text(json_object_get(h, "source"), "path",
	    bk_spooldir_path(w->d), f) == -1 ||
	    bk_json_set_text(json_object_get(h, "info"), "file", w->file->name,
	    f) == -1 ||
	    bk_json_set(h, "tags", json_deep_copy(o->tags), f) == -1)
		return -1;
	return o->codec == NULL ? 0 : bk_json_push(json_object_get(h,
	    "filters"), json_pack("{s:s}", "filter", o->codec->name), f);
}

/* A sink: what is stored. */
static int
store(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	struct way *w = arg;

	if (w->stored != NULL)
		bk_sha256_add(w->stored, p, n);
	w->bytes += n;
	return bk_commit_write(w->c, p, n, f);
}

static int
begin(struct way *w, struct bk_fault *f)
{
	struct bk_spool_put *o = w->o;

	if (o->s == NULL)
		o->s = bk_store_open(bk_ctx, o->url, &o->store, f);
	if (o->s == NULL ||
	    bk_commit_plan(bk_ctx, o->s, w->header, false, &w->plan, f) == -1 ||
	    (w->c = bk_commit_begin(bk_ctx, o->s, &w->plan,
	    o->codec == NULL ? w->file->bytes : 0, f)) == NULL ||
	    (w->plain = bk_sha256_new(f)) == NULL)
		return -1;
	if (o->codec == NULL)
		return 0;
	if ((w->stored = bk_sha256_new(f)) == NULL)
		return -1;
	w->codec = o->codec->encode(o->level, THREADS, store, w, f);
	return w->codec == NULL ? -1 : 0;
}

/* Whoever waits for the next file takes the wish away. */
static bool
stopped(void)
{
	struct pollfd p = { .fd = bk_ctx->stop, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

/* 0, BK_SPOOL_LEFT, -1. */
static int
copy(struct way *w, struct bk_fault *f)
{
	const struct bk_codec_format *codec = w->o->codec;
	static char block[BLOCK];
	uint64_t left;
	ssize_t n;
	size_t want;
	int rc;

	for (left = w->file->bytes; left > 0; left -= (size_t)n) {
		if (stopped())
			return bk_fault_set(f, BK_DATA, "stopped");
		want = left < BLOCK ? (size_t)left : BLOCK;
		n = bk_read_full(w->fd, block, want, w->file->name, f);
		if (n == -1)
			return BK_SPOOL_LEFT;
		if ((size_t)n < want)
			break;
		bk_sha256_add(w->plain, block, want);
		rc = codec != NULL ? codec->encode_ops->write(w->codec, block,
		    want, f) : store(w, block, want, f);
		if (rc == -1)
			return -1;
		bk_progress(want);
	}
	if (left > 0 || !bk_spooldir_same(w->file, w->fd) ||
	    (w->o->on_close && bk_has_writers(w->fd))) {
		(void)bk_fault_set(f, BK_DATA, "'%s' changed while it was read",
		    w->file->name);
		return BK_SPOOL_LEFT;
	}
	return codec != NULL ? codec->encode_ops->finish(w->codec, f) : 0;
}

static json_t *
make_end(struct way *w, char stored[BK_SHA256_HEX], struct bk_fault *f)
{
	char plain[BK_SHA256_HEX];
	json_t *end;

	bk_sha256_hex(w->plain, plain);
	memcpy(stored, plain, sizeof(plain));
	end = bk_raw_end(w->file->bytes, plain, f);
	if (end == NULL || w->o->codec == NULL)
		return end;
	bk_sha256_hex(w->stored, stored);
	if (bk_json_push(json_object_get(end, "stages"), json_pack("{s:s, s:I}",
	    "stage", w->o->codec->name, "bytes", (json_int_t)w->bytes),
	    f) == 0)
		return end;
	json_decref(end);
	return NULL;
}

/* A reader of records that went away is heard of when the file is removed. */
static void
tell(struct bk_spool_put *o, struct bk_record *rec)
{
	(void)bk_records_put(o->out, rec, &o->told);
	bk_say(BK_LOG_INFO, "stored %s in '%s'", rec->id, rec->store);
	bk_record_release(rec);
}

static int
commit(struct way *w, struct bk_fault *f)
{
	struct bk_record rec = BK_RECORD_INIT;
	struct bk_fault why = BK_FAULT_INIT;
	char sha256[BK_SHA256_HEX];
	json_t *end = make_end(w, sha256, f);
	int rc = -1;

	if (end == NULL)
		return -1;
	if (bk_spooldir_note(w->d, w->file, bk_json_get_text(w->header, "name"),
	    w->plan.id, &why) == -1)
		bk_say(BK_LOG_WARN, "%s: if this is stopped now, '%s' is stored "
		    "twice", why.text, w->file->name);
	w->plan.finished = bk_ctx->now() + w->plan.clock_offset;
	if (bk_commit_finish(w->c, end, sha256, &rec, f) == 0) {
		tell(w->o, &rec);
		rc = 0;
	}
	json_decref(end);
	return rc;
}

/*
 * Is ${file}, which was noted as backup ${id}, stored?  1, 0, or -1 with ${f}
 * set.
 */
static int
stored(struct bk_spool_put *o, const struct bk_spool_file *file,
    const char *name, const char *id, struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX + 1);
	struct bk_buf text = BK_BUF_INIT(BK_LINE_MAX);
	struct bk_record rec = BK_RECORD_INIT;
	struct bk_object payload;
	json_t *o1;
	int rc = -1;

	if (o->s == NULL)
		o->s = bk_store_open(bk_ctx, o->url, &o->store, f);
	if (o->s == NULL || bk_manifest_key(&key, name, id, f) == -1 ||
	    (rc = bk_store_get_small(o->s, key.p, &text, f)) != 0)
		goto out;
	rc = -1;
	if ((o1 = bk_json_parse(text.p, text.len, key.p, f)) == NULL ||
	    bk_record_from(o1, &rec, f) == -1)
		goto out;
	/* The note may be of another store, the payload may be lost. */
	rc = bk_store_stat(o->s, rec.key, &payload, f);
	if (rc == 0 && (payload.bytes != rec.bytes ||
	    bk_json_get_int(json_array_get(json_object_get(rec.json, "stages"),
	    0), "bytes") != (int64_t)file->bytes))
		rc = BK_ABSENT;
	if (rc == 0 && bk_record_set_store(&rec, o->s->url, f) == 0)
		tell(o, &rec);
out:
	bk_record_release(&rec);
	bk_buf_release(&text);
	bk_buf_release(&key);
	return rc == -1 || bk_faulty(f) ? -1 : rc == 0;
}

static int
send_open(struct way *w, struct bk_fault *f)
{
	int rc;

	if (w->file->bytes == 0) {
		(void)bk_fault_set(f, BK_DATA, "'%s' is empty", w->file->name);
		return BK_SPOOL_LEFT;
	}
	if (w->o->on_close && bk_has_writers(w->fd)) {
		(void)bk_fault_set(f, BK_BUSY, "'%s' is open for writing",
		    w->file->name);
		return BK_SPOOL_LEFT;
	}
	if (make_header(w, f) == -1 || begin(w, f) == -1)
		return -1;
	if ((rc = copy(w, f)) == 0)
		rc = commit(w, f);
	return rc;
}

static int
put_send(void *arg, struct bk_spooldir *d, const struct bk_spool_file *file,
    struct bk_fault *f)
{
	struct way w = { .o = arg, .d = d, .file = file };
	const char *name, *id;
	int rc = 0;

	if (bk_spooldir_noted(d, file, &name, &id))
		rc = stored(w.o, file, name, id, f);
	if (rc == 0) {
		w.fd = bk_spooldir_file(d, file, f);
		if (w.fd == -1)
			return bk_faulty(f) ? BK_SPOOL_LEFT : BK_SPOOL_GONE;
		rc = send_open(&w, f);
		bk_progress_end();
		(void)close(w.fd);
	} else if (rc == 1)
		rc = 0;
	if (w.codec != NULL)
		w.o->codec->encode_ops->free(w.codec);
	bk_commit_free(w.c);
	bk_sha256_free(w.plain);
	bk_sha256_free(w.stored);
	json_decref(w.header);
	if (rc == -1) {
		bk_store_close(w.o->s);
		w.o->s = NULL;
	}
	return rc;
}

static void
put_free(void *arg)
{
	struct bk_spool_put *o = arg;

	if (o == NULL)
		return;
	bk_store_close(o->s);
	json_decref(o->tags);
}

const struct bk_spool_way bk_spool_put = { put_send, NULL, put_free };
