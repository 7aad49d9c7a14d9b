/*
 * The order that carries everything (DESIGN, 5): the payload under its key,
 * then the manifest, created only.  A stop before the manifest leaves debris
 * that nobody lists.  Once the payload is committed nothing is taken back:
 * a manifest whose reply was lost may still appear, and its payload must be
 * there; bk-prune --sweep takes what stays without one.
 *
 * The manifest is made and checked by the reader's own rules before the
 * payload is committed, so that nothing is written that could not be read,
 * and written, though not visible: a disk that is full is known while all can
 * still be taken back.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "chain.h"
#include "commit.h"
#include "hash.h"
#include "json.h"
#include "requires.h"
#include "note.h"
#include "when.h"

#define CLOCK_TOLERANCE (5 * 60 * INT64_C(1000))
#define AGE_MAX (6 * 24 * 3600 * INT64_C(1000))

struct bk_commit {
	const struct bk_ctx *ctx;
	struct bk_store *store;
	const struct bk_commit_plan *plan;
	struct bk_buf key;
	struct bk_put *put;		/* NULL once committed */
	uint64_t bytes;
};

/* Our clock, corrected where the plan says so. */
static int64_t
now(const struct bk_commit *c)
{
	return c->ctx->now() + c->plan->clock_offset;
}

int
bk_commit_plan(const struct bk_ctx *ctx, struct bk_store *first,
    json_t *header, bool exact, struct bk_commit_plan *plan,
    struct bk_fault *f)
{
	const char *text = bk_json_get_text(header, "time");
	struct bk_store_facts facts = { 0 };
	int64_t off;

	*plan = (struct bk_commit_plan){ .header = header };
	if (text == NULL)
		return bk_fault_set(f, BK_DATA, "stream header: no 'time'");
	if (bk_time_parse(text, &plan->time, f) == -1) {
		f->status = BK_DATA;
		return -1;
	}
	if (bk_store_facts(first, &facts, f) == -1)
		return -1;
	off = facts.clock_known ? facts.clock_offset : 0;
	if (off > CLOCK_TOLERANCE || off < -CLOCK_TOLERANCE) {
		plan->clock_offset = off;
		plan->time += exact ? 0 : off;
		ctx->log(BK_LOG_WARN, "the clock of this host is %" PRId64
		    " seconds %s that of %s: times are corrected",
		    (off < 0 ? -off : off) / 1000, off < 0 ? "ahead of" :
		    "behind", first->url);
	}
	return bk_ulid_new(ctx->now() + plan->clock_offset, plan->id, f);
}

/* Tags as the store's interface has them; the texts stay the header's. */
static const char **
tag_list(json_t *header, struct bk_fault *f)
{
	json_t *tags = json_object_get(header, "tags");
	const char **list;
	const char *key;
	json_t *v;
	size_t n = 0;

	if ((list = calloc(2 * json_object_size(tags) + 1,
	    sizeof(*list))) == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		return NULL;
	}
	json_object_foreach(tags, key, v) {
		list[n++] = key;
		list[n++] = json_string_value(v);
	}
	return list;
}

/* Is what the backup stands on in the store?  1, 0 or -1. */
static int
has_parent(struct bk_store *s, const json_t *header, struct bk_fault *f)
{
	const char *parent = bk_json_get_text(header, "parent");

	return parent == NULL ? 1 : bk_chain_listed(s,
	    bk_json_get_text(header, "name"), parent, f);
}

static int
check_parent(struct bk_store *s, const json_t *header, struct bk_fault *f)
{
	int rc = has_parent(s, header, f);

	return rc != 0 ? rc : bk_fault_set(f, BK_DATA,
	    "the parent %s of this increment is not in %s",
	    bk_json_get_text(header, "parent"), s->url);
}

struct bk_commit *
bk_commit_begin(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_commit_plan *plan, uint64_t max_bytes, struct bk_fault *f)
{
	struct bk_put_opts opts = { .flags = BK_PUT_NEW, .max_bytes = max_bytes };
	json_t *h = plan->header;
	const char **tags = NULL;
	struct bk_commit *c;

	if ((c = calloc(1, sizeof(*c))) == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		return NULL;
	}
	c->ctx = ctx;
	c->store = s;
	c->plan = plan;
	c->key = (struct bk_buf)BK_BUF_INIT(4096);
	if (check_parent(s, h, f) == 1 &&
	    bk_record_key(&c->key, bk_json_get_text(h, "name"), plan->time,
	    plan->id, bk_json_get_text(h, "engine"), bk_json_get_text(h, "ext"),
	    json_object_get(h, "filters"), f) == 0 &&
	    (tags = tag_list(h, f)) != NULL) {
		opts.tags = tags;
		c->put = bk_store_put_begin(s, bk_buf_text(&c->key), &opts, f);
	}
	free(tags);
	if (c->put == NULL) {
		bk_commit_free(c);
		return NULL;
	}
	return c;
}

int
bk_commit_write(struct bk_commit *c, const void *p, size_t n,
    struct bk_fault *f)
{
	c->bytes += n;
	return bk_store_put_write(c->put, p, n, f);
}

/* Members that only a record, or only the stream, has a use for. */
static bool
reserved(const char *key)
{
	static const char *const words[] = {
		"bk", "id", "finished", "key", "bytes", "sha256", "stages",
		"store", "link", "hold", "suspect", "good", "end", "records",
		"unreadable", "status", "data", "crc32", "requires", NULL
	};
	size_t i;

	for (i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], key) == 0)
			return true;
	return false;
}

/* The header's info, the end line's over it, and the clock's. */
static json_t *
make_info(const struct bk_commit *c, const json_t *end, struct bk_fault *f)
{
	json_t *info = json_object();
	json_t *from[] = {
		json_object_get(c->plan->header, "info"),
		json_object_get(end, "info")
	};
	size_t i;

	for (i = 0; i < 2; i++)
		if (json_is_object(from[i]) &&
		    json_object_update(info, from[i]) == -1) {
			(void)bk_fault_set(f, BK_IO, "out of memory");
			goto fail;
		}
	if (c->plan->clock_offset != 0 && bk_json_set(info, "clock-offset",
	    json_integer(c->plan->clock_offset / 1000), f) == -1)
		goto fail;
	return info;
fail:
	json_decref(info);
	return NULL;
}

/* Set ${key} to what the header has, or to ${instead} (taken). */
static int
copy(json_t *rec, const struct bk_commit *c, const char *key, json_t *instead,
    struct bk_fault *f)
{
	json_t *v = json_object_get(c->plan->header, key);

	if (v == NULL)
		return bk_json_set(rec, key, instead, f);
	json_decref(instead);
	return bk_json_set(rec, key, json_deep_copy(v), f);
}

/* What the stream's writers added and we do not know passes through. */
static int
copy_unknown(json_t *rec, json_t *from, struct bk_fault *f)
{
	const char *key;
	json_t *v;

	json_object_foreach(from, key, v)
		if (json_object_get(rec, key) == NULL && !reserved(key) &&
		    bk_json_set(rec, key, json_deep_copy(v), f) == -1)
			return -1;
	return 0;
}

static int
fill(json_t *o, const struct bk_commit *c, json_t *end, const char *sha256,
    struct bk_fault *f)
{
	char when[BK_TIME_LEN];

	if (bk_json_set_text(o, "bk", "backup/1", f) == -1 ||
	    bk_json_set_text(o, "id", c->plan->id, f) == -1 ||
	    copy(o, c, "name", NULL, f) == -1 ||
	    copy(o, c, "engine", NULL, f) == -1 ||
	    copy(o, c, "ext", NULL, f) == -1 ||
	    copy(o, c, "source", json_object(), f) == -1 ||
	    bk_json_set_text(o, "time", bk_time_text(c->plan->time, when),
	    f) == -1 ||
	    bk_json_set_text(o, "finished", bk_time_text(c->plan->finished, when),
	    f) == -1 ||
	    copy(o, c, "host", json_null(), f) == -1 ||
	    copy(o, c, "trigger", json_null(), f) == -1 ||
	    copy(o, c, "run", json_null(), f) == -1 ||
	    copy(o, c, "group", json_null(), f) == -1 ||
	    copy(o, c, "parent", json_null(), f) == -1 ||
	    bk_json_set_text(o, "key", bk_buf_text(&c->key), f) == -1 ||
	    bk_json_set(o, "bytes", json_integer((json_int_t)c->bytes),
	    f) == -1 ||
	    bk_json_set_text(o, "sha256", sha256, f) == -1 ||
	    copy(o, c, "filters", json_array(), f) == -1 ||
	    bk_json_set(o, "stages",
	    json_deep_copy(json_object_get(end, "stages")), f) == -1 ||
	    copy(o, c, "tags", json_object(), f) == -1 ||
	    bk_json_set(o, "info", make_info(c, end, f), f) == -1)
		return -1;
	if (json_object_get(end, "requires") != NULL &&
	    bk_json_set(o, "requires",
	    json_incref(json_object_get(end, "requires")), f) == -1)
		return -1;
	if (copy_unknown(o, c->plan->header, f) == -1)
		return -1;
	return copy_unknown(o, end, f);
}

/*
 * What the stages say of the payload that came: one more than there are
 * filters, and with none the source's own count and SHA-256.
 */
static int
check_stages(const struct bk_commit *c, const json_t *end, const char *sha256,
    struct bk_fault *f)
{
	const json_t *stages = json_object_get(end, "stages");
	size_t filters = json_array_size(json_object_get(c->plan->header,
	    "filters"));
	const json_t *last;
	const char *sha;

	if (json_array_size(stages) != filters + 1)
		return bk_fault_set(f, BK_DATA, "the stream has %zu filters but "
		    "%zu stages", filters, json_array_size(stages));
	last = json_array_get(stages, filters);
	if (bk_json_get_int(last, "bytes") != (int64_t)c->bytes)
		return bk_fault_set(f, BK_DATA, "the last stage tells of %lld "
		    "bytes, %llu came", (long long)bk_json_get_int(last,
		    "bytes"), (unsigned long long)c->bytes);
	sha = bk_json_get_text(last, "sha256");
	if (filters == 0 && sha != NULL && strcmp(sha, sha256) != 0)
		return bk_fault_set(f, BK_DATA, "the SHA-256 of what came is not "
		    "that of the source");
	return 0;
}

static int
check_age(const struct bk_commit *c, struct bk_fault *f)
{
	if (now(c) - bk_ulid_time(c->plan->id) <= AGE_MAX)
		return 0;
	return bk_fault_set(f, BK_DATA, "backup %s was begun more than 6 days "
	    "ago and can no longer be committed", c->plan->id);
}

/*
 * The manifest's put came back without a clear answer: is ours there?  0 if
 * so; else the fault it came back with stands.
 */
static int
look(struct bk_commit *c, const char *key, const struct bk_buf *text)
{
	struct bk_buf there = BK_BUF_INIT(BK_LINE_MAX);
	struct bk_fault why = BK_FAULT_INIT;
	int rc = -1;

	if (bk_store_get_small(c->store, key, &there, &why) == 0 &&
	    there.len == text->len &&
	    memcmp(there.p, text->p, text->len) == 0)
		rc = 0;
	bk_buf_release(&there);
	return rc;
}

/* Write the manifest, to be committed later.  NULL with ${f} set. */
static struct bk_put *
write_manifest(struct bk_commit *c, const char *key, const struct bk_buf *text,
    struct bk_fault *f)
{
	const struct bk_put_opts opts = { .flags = BK_PUT_NEW,
		.max_bytes = text->len };
	struct bk_put *put;

	if ((put = bk_store_put_begin(c->store, key, &opts, f)) == NULL ||
	    bk_store_put_write(put, text->p, text->len, f) == 0)
		return put;
	bk_store_put_abort(put);
	return NULL;
}

static int
ask(const struct bk_commit *c, struct bk_fault *f)
{
	return c->plan->guard == NULL ? 0 :
	    c->plan->guard(c->plan->guard_arg, f);
}

static int
commit_payload(struct bk_commit *c, struct bk_fault *f)
{
	struct bk_put *put = c->put;
	int rc;

	c->put = NULL;
	if ((rc = bk_store_put_commit(put, f)) == BK_EXISTS)
		rc = bk_fault_set(f, BK_CANTCREATE, "another object '%s' is "
		    "there already", bk_buf_text(&c->key));
	return rc;
}

static int
commit_manifest(struct bk_commit *c, struct bk_put *put, const char *key,
    const struct bk_buf *text, struct bk_fault *f)
{
	struct bk_fault why = BK_FAULT_INIT;
	int rc = bk_store_put_commit(put, &why);

	if (rc != 0 && look(c, key, text) == 0)
		rc = 0;
	else if (rc == BK_EXISTS)
		rc = bk_fault_set(f, BK_CANTCREATE, "another manifest '%s' is "
		    "there already", key);
	else if (rc == -1)
		*f = why;
	return rc;
}

/* Payload, then manifest. */
static int
commit_both(struct bk_commit *c, const struct bk_record *rec,
    const struct bk_buf *text, struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX);
	struct bk_put *put = NULL;
	int rc = -1;

	if (bk_manifest_key(&key, rec->name, rec->id, f) == -1 ||
	    (put = write_manifest(c, bk_buf_text(&key), text, f)) == NULL ||
	    ask(c, f) == -1 || commit_payload(c, f) == -1)
		goto out;
	/* That may have waited long: look again. */
	if (check_age(c, f) == -1 || ask(c, f) == -1)
		goto out;
	rc = commit_manifest(c, put, bk_buf_text(&key), text, f);
	put = NULL;
out:
	bk_store_put_abort(put);
	bk_buf_release(&key);
	return rc;
}

/* ${rec} is listed, yet has lost what it stands on: say so to whoever reads. */
static int
orphan(const struct bk_commit *c, struct bk_record *rec, const char *what,
    const char *which, struct bk_fault *f)
{
	struct bk_fault why = BK_FAULT_INIT;
	json_t *note = json_pack("{s:s+++}", "suspect", what, " ", which,
	    " went while it was stored");

	if (note == NULL || bk_note_write(c->ctx, c->store, rec, note,
	    &why) == -1)
		c->ctx->log(BK_LOG_ERROR, "cannot mark %s as suspect: %s", rec->id,
		    note == NULL ? "out of memory" : why.text);
	json_decref(note);
	bk_fault_set(f, BK_DATA, "%s is suspect: %s %s went while it was stored",
	    rec->id, what, which);
	return BK_COMMIT_ORPHAN;
}

/*
 * The manifest is there: a prune that took the parent, or the log that it
 * requires, before it could see this backup has left it with nothing to stand
 * on.
 */
static int
look_again(const struct bk_commit *c, struct bk_requires *needs,
    struct bk_record *rec, struct bk_fault *f)
{
	const char *missing;
	int rc = has_parent(c->store, c->plan->header, f);

	if (rc == 0)
		return orphan(c, rec, "its parent", rec->parent, f);
	if (rc == 1 && needs != NULL && (rc = bk_requires_look(needs, c->store,
	    true, &missing, f)) == 0)
		return orphan(c, rec, "the log that it requires", missing, f);
	if (rc == 1)
		return 0;
	bk_fault_context(f, "%s is stored; whether what it stands on is still there",
	    rec->id);
	return BK_COMMIT_ORPHAN;
}

int
bk_commit_finish(struct bk_commit *c, const json_t *end, const char *sha256,
    struct bk_record *rec, struct bk_fault *f)
{
	struct bk_buf text = BK_BUF_INIT(BK_LINE_MAX);
	json_t *o = json_object(), *e = json_deep_copy(end);
	struct bk_requires *needs = NULL;
	int rc = -1;

	if (check_age(c, f) == -1 || check_stages(c, end, sha256, f) == -1 ||
	    check_parent(c->store, c->plan->header, f) == -1 ||
	    bk_requires_new(json_object_get(e, "requires"),
	    bk_json_get_text(c->plan->header, "name"), &needs, f) == -1 ||
	    (needs != NULL && bk_requires_wait(c->ctx, needs, c->store,
	    c->plan->require_ms, f) == -1) ||
	    fill(o, c, e, sha256, f) == -1 ||
	    bk_record_from(json_incref(o), rec, f) == -1 ||
	    bk_json_text(o, &text, f) == -1 ||
	    bk_buf_adds(&text, "\n", f) == -1 ||
	    commit_both(c, rec, &text, f) == -1)
		goto out;
	if ((rc = look_again(c, needs, rec, f)) == 0)
		rc = bk_record_set_store(rec, c->store->url, f);
out:
	if (rc != 0)
		bk_record_release(rec);
	bk_requires_free(needs);
	json_decref(e);
	json_decref(o);
	bk_buf_release(&text);
	return rc;
}

void
bk_commit_free(struct bk_commit *c)
{
	if (c == NULL)
		return;
	bk_store_put_abort(c->put);
	bk_buf_release(&c->key);
	free(c);
}
