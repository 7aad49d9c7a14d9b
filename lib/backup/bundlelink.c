/*
 * A plan is read as what it says: the record by its grammar, keys by theirs,
 * and what the links give by the hashes in both.
 */
#include <stdlib.h>
#include <string.h>

#include "bundle.h"
#include "json.h"
#include "link.h"
#include "when.h"

struct links {
	struct bk_store s;
	const struct bk_ctx *ctx;
	const char *ca;
	int64_t deadline;
	json_t *by_key;			/* objects of the plan; borrowed texts */
};

static const json_t *
find(struct bk_store *s, const char *key)
{
	return json_object_get(((struct links *)s)->by_key, key);
}

static int
links_stat(struct bk_store *s, const char *key, struct bk_object *o,
    struct bk_fault *f)
{
	const json_t *l = find(s, key);
	int64_t bytes = l != NULL ? bk_json_get_int(l, "bytes") : -1;

	(void)f;
	if (bytes < 0)
		return BK_ABSENT;
	o->bytes = (uint64_t)bytes;
	return 0;
}

static int
links_get(struct bk_store *s, const char *key, uint64_t off, uint64_t len,
    bk_sink_fn *sink, void *arg, struct bk_fault *f)
{
	struct links *l = (struct links *)s;
	const json_t *o = find(s, key);
	const struct bk_link link = { o != NULL ?
		bk_json_get_text(o, "link") : NULL, l->ca, l->deadline };

	return link.url == NULL ? BK_ABSENT :
	    bk_link_get(l->ctx, &link, off, len, sink, arg, f);
}

static void
links_close(struct bk_store *s)
{
	struct links *l = (struct links *)s;

	json_decref(l->by_key);
	free(l);
}

static const struct bk_store_ops links_ops = {
	.scheme = "bundle",
	.stat = links_stat,
	.get = links_get,
	.close = links_close,
};

/* Have object ${o} of the plan found by its key, if it has a link. */
static int
add(struct links *l, json_t *o, struct bk_fault *f)
{
	const char *key = bk_json_get_text(o, "key");

	return key == NULL || bk_json_get_text(o, "link") == NULL ? 0 :
	    bk_json_set(l->by_key, key, json_incref(o), f);
}

struct bk_store *
bk_bundle_links(const struct bk_ctx *ctx, const json_t *plan, const char *ca,
    int64_t deadline, struct bk_fault *f)
{
	const json_t *wal = json_object_get(plan, "wal");
	struct links *l = calloc(1, sizeof(*l));
	json_t *o;
	size_t i;

	if (l == NULL || (l->by_key = json_object()) == NULL ||
	    (l->s.url = strdup("the bundle")) == NULL) {
		bk_fault_set(f, BK_IO, "out of memory");
		goto fail;
	}
	l->s.ops = &links_ops;
	l->ctx = ctx;
	l->ca = ca;
	l->deadline = deadline;
	if (add(l, json_object_get(plan, "backup"), f) == -1)
		goto fail;
	json_array_foreach(wal, i, o)
		if (add(l, o, f) == -1)
			goto fail;
	if (json_object_size(l->by_key) == json_array_size(wal) + 1)
		return &l->s;
	bk_fault_set(f, BK_DATA, "the plan has no links");
fail:
	if (l != NULL) {
		json_decref(l->by_key);
		free(l->s.url);
	}
	free(l);
	return NULL;
}

/* A file of the log as the plan has it. */
static int
parse_file(const json_t *o, const char *name, struct bk_walpath_file *out,
    struct bk_fault *f)
{
	const char *key = bk_json_get_text(o, "key");
	const char *file = bk_json_get_text(o, "file");
	struct bk_wal_name n;

	if (key == NULL || file == NULL || !bk_wal_name_parse(file, &n) ||
	    (n.kind != BK_WAL_SEGMENT && n.kind != BK_WAL_HISTORY) ||
	    !bk_wal_key_parse(key, name, &out->key) ||
	    out->key.name.tli != n.tli || out->key.name.at != n.at)
		return bk_fault_set(f, BK_DATA,
		    "the plan has a file of the log that is none: '%.200s'",
		    key != NULL ? key : "");
	memcpy(out->file, file, strlen(file) + 1);
	out->stored = (uint64_t)bk_json_get_int(o, "bytes");
	return 0;
}

static int
parse_log(const json_t *wal, struct bk_bundle *b, struct bk_fault *f)
{
	size_t n = json_array_size(wal), i;
	struct bk_walpath_file v;
	const json_t *o;

	if ((b->wal.v = calloc(n + 1, sizeof(v))) == NULL ||
	    (b->wal.history = calloc(n + 1, sizeof(v))) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	json_array_foreach(wal, i, o) {
		if (parse_file(o, b->rec.name, &v, f) == -1)
			return -1;
		if (v.key.name.kind == BK_WAL_HISTORY)
			b->wal.history[b->wal.nhistory++] = v;
		else
			b->wal.v[b->wal.n++] = v;
	}
	b->segments = b->wal.n;
	return 0;
}

int
bk_bundle_parse(const json_t *plan, struct bk_bundle *b, struct bk_fault *f)
{
	json_t *rec = json_object_get(json_object_get(plan, "backup"), "record");
	const char *form = bk_json_get_text(plan, "bk");
	const char *target = bk_json_get_text(plan, "recovery-target");
	int64_t bytes;

	if (form == NULL || strcmp(form, "bundle/1") != 0 || rec == NULL)
		return bk_fault_set(f, BK_DATA, "this is no plan of bk-bundle");
	if (bk_record_from(json_deep_copy(rec), &b->rec, f) == -1 ||
	    bk_record_current(&b->rec, f) == -1)
		return -1;
	b->base = strcmp(b->rec.engine, "postgres-base") == 0;
	bytes = bk_json_get_int(json_object_get(b->rec.json, "info"),
	    "wal-segment-bytes");
	if (b->base && (bytes < 1 || !bk_wal_bytes_ok((uint64_t)bytes)))
		return bk_fault_set(f, BK_DATA,
		    "the plan's record does not say how long a segment is");
	b->segment = b->base ? (uint32_t)bytes : 0;
	b->at = INT64_MAX;
	if (target != NULL && bk_time_parse(target, &b->at, f) == -1) {
		f->status = BK_DATA;
		return -1;
	}
	b->target = target != NULL;
	return parse_log(json_object_get(plan, "wal"), b, f);
}
