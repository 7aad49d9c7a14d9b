/*
 * What a bundle consists of, and its plan as JSON.
 */
#include <string.h>

#include "base.h"
#include "bundle.h"
#include "entry.h"
#include "json.h"
#include "list.h"
#include "when.h"

/*
 * The newest that is good and not behind the moment, into ${b}; what is
 * nearest to it on both sides.  With base backups only these.
 */
static bool
choose(const struct bk_list *l, struct bk_bundle *b)
{
	struct bk_record *best = NULL;
	bool bases = false;
	int64_t t;
	size_t i;

	b->before = INT64_MIN;
	b->after = INT64_MAX;
	for (i = 0; i < l->len; i++)
		bases = bases || (bk_base_good(&l->rec[i]) &&
		    bk_base_is(&l->rec[i]));
	for (i = 0; i < l->len; i++) {
		if (!bk_base_good(&l->rec[i]) ||
		    (bases && !bk_base_is(&l->rec[i])))
			continue;
		t = bk_base_moment(&l->rec[i]);
		if (t > b->at) {
			b->after = t < b->after ? t : b->after;
		} else if (best == NULL || t >= bk_base_moment(best))
			best = &l->rec[i];
	}
	if (best == NULL)
		return false;
	b->base = bases;
	b->rec = *best;
	*best = (struct bk_record)BK_RECORD_INIT;
	b->reach = b->before = bk_base_moment(&b->rec);
	return true;
}

/* The log behind the base backup, and how far it goes. */
static int
follow(struct bk_store *s, struct bk_bundle *b, struct bk_fault *f)
{
	bool alone = bk_base_alone(&b->rec);
	struct bk_walpath_from from;
	int64_t last;
	int rc;

	if (bk_base_place(&b->rec, &from, f) == -1)
		return -1;
	b->segment = from.segment;
	rc = bk_walpath_read(s, b->rec.name, &from, &b->wal, f);
	if (rc == BK_ABSENT && !alone)
		return bk_fault_set(f, BK_DATA,
		    "the log of %s itself is not whole in %s", b->rec.id, s->url);
	if (rc != 0)
		/* It restores to its own end, like a dump. */
		return rc == -1 ? -1 : 0;
	if (bk_walpath_to(s, b->rec.name, &b->wal, b->at, &b->segments,
	    &b->target, &last, f) == -1)
		return -1;
	if (last > b->reach)
		b->reach = b->before = last;
	if (b->at != INT64_MAX && !b->target && b->at > b->reach)
		return BK_BUNDLE_UNCOVERED;
	if (b->target)
		b->reach = b->at;
	return 0;
}

int
bk_bundle_plan(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_bundle_req *req, struct bk_bundle *b, struct bk_fault *f)
{
	struct bk_list_req lr = BK_LIST_REQ_INIT;
	struct bk_list list = BK_LIST_INIT;
	int rc = -1;

	lr.name = req->name;
	lr.query = req->query;
	b->at = req->at;
	if (bk_list_read(ctx, s, &lr, &list, f) == -1)
		goto out;
	if (choose(&list, b))
		rc = b->base ? follow(s, b, f) :
		    bk_chain_read(ctx, s, &b->rec, &b->chain, f);
	else if (b->after != INT64_MAX)
		rc = BK_BUNDLE_UNCOVERED;
	else
		rc = bk_list_none(s, &lr, BK_NOINPUT, f);
out:
	bk_list_release(&list);
	return rc;
}

void
bk_bundle_release(struct bk_bundle *b)
{
	bk_record_release(&b->rec);
	bk_chain_release(&b->chain);
	bk_walpath_release(&b->wal);
}

/* ---- JSON ---- */

struct links {
	struct bk_store *s;
	unsigned int seconds;
	bool must, none;
	uint64_t bytes;			/* of all that was linked */
};

/* Add "key", "bytes" and, where there are such, "link". */
static int
add_object(struct links *l, json_t *o, const char *key, uint64_t bytes,
    struct bk_fault *f)
{
	struct bk_buf url = BK_BUF_INIT(65536);
	int rc = bk_store_presign(l->s, key, l->seconds, &url, f);

	if (rc == BK_NOT_SUPPORTED) {
		l->none = true;
		rc = !l->must ? 0 : bk_fault_set(f, BK_CONFIG,
		    "%s gives no links; --download makes a tarball", l->s->url);
	} else if (rc == 0)
		rc = bk_json_set_text(o, "link", url.p, f);
	bk_buf_wipe(&url);
	l->bytes += bytes;
	return rc == -1 || bk_json_set_text(o, "key", key, f) == -1 ? -1 :
	    bk_json_set(o, "bytes", json_integer((json_int_t)bytes), f);
}

/* Look at ${key}, which must be there. */
static int
look(struct links *l, const char *key, struct bk_object *o, struct bk_fault *f)
{
	int rc = bk_store_stat(l->s, key, o, f);

	return rc != BK_ABSENT ? rc :
	    bk_fault_set(f, BK_NOINPUT, "'%s' is gone from %s", key, l->s->url);
}

/* A backup with its payload and its manifest. */
static json_t *
backup_json(struct links *l, const struct bk_record *r, struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX + 1);
	json_t *o = json_object(), *m = json_object();
	struct bk_object at, payload;
	int rc = 0;

	if (bk_manifest_key(&key, r->name, r->id, f) == -1 ||
	    look(l, key.p, &at, f) == -1 ||
	    look(l, r->key, &payload, f) == -1)
		rc = -1;
	else if (payload.bytes != r->bytes)
		rc = bk_fault_set(f, BK_DATA, "'%s' has not the size of its record",
		    r->key);
	else if (bk_json_set(o, "record", json_incref(r->json), f) == -1 ||
	    add_object(l, o, r->key, r->bytes, f) == -1 ||
	    bk_json_set_text(o, "sha256", r->sha256, f) == -1 ||
	    add_object(l, m, key.p, at.bytes, f) == -1)
		rc = -1;
	bk_buf_release(&key);
	if (rc == -1 || bk_json_set(o, "manifest", json_incref(m), f) == -1) {
		json_decref(o);
		o = NULL;
	}
	json_decref(m);
	return o;
}

static json_t *
file_json(struct links *l, const char *name, const struct bk_walpath_file *w,
    struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX + 1);
	json_t *o = json_object();

	if (bk_wal_key(&key, name, &w->key, f) == -1 ||
	    bk_json_set_text(o, "file", w->file, f) == -1 ||
	    add_object(l, o, key.p, w->stored, f) == -1 ||
	    bk_json_set_text(o, "sha256-16", w->key.hash, f) == -1) {
		json_decref(o);
		o = NULL;
	}
	bk_buf_release(&key);
	return o;
}

static int
set_time(json_t *o, const char *key, int64_t t, struct bk_fault *f)
{
	char when[BK_TIME_LEN];

	return bk_json_set_text(o, key, bk_time_text(t, when), f);
}

/* The lists of what is behind the backup: "parents", "wal". */
static int
add_lists(struct links *l, const struct bk_bundle *b, json_t *o,
    struct bk_fault *f)
{
	json_t *parents = json_array(), *wal = json_array();
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < b->chain.len; i++)
		rc = bk_json_push(parents, backup_json(l, &b->chain.rec[i], f), f);
	for (i = 0; rc == 0 && i < b->wal.nhistory; i++)
		rc = bk_json_push(wal, file_json(l, b->rec.name,
		    &b->wal.history[i], f), f);
	for (i = 0; rc == 0 && i < b->segments; i++)
		rc = bk_json_push(wal, file_json(l, b->rec.name, &b->wal.v[i],
		    f), f);
	if (rc == 0)
		rc = bk_json_set(o, "parents", json_incref(parents), f);
	if (rc == 0)
		rc = bk_json_set(o, "wal", json_incref(wal), f);
	json_decref(parents);
	json_decref(wal);
	return rc;
}

json_t *
bk_bundle_json(struct bk_store *s, const struct bk_bundle *b, int64_t now,
    unsigned int seconds, bool must, struct bk_fault *f)
{
	struct links l = { .s = s, .seconds = seconds, .must = must };
	json_t *o = json_object();

	if (bk_json_set_text(o, "bk", "bundle/1", f) == 0 &&
	    bk_json_set_text(o, "name", b->rec.name, f) == 0 &&
	    bk_json_set_text(o, "store", s->url, f) == 0 &&
	    (b->at == INT64_MAX ? bk_json_set_text(o, "at", "latest", f) :
	    set_time(o, "at", b->at, f)) == 0 &&
	    set_time(o, "restores-to", b->reach, f) == 0 &&
	    (b->target ? set_time(o, "recovery-target", b->at, f) :
	    bk_json_set(o, "recovery-target", json_null(), f)) == 0 &&
	    bk_json_set(o, "backup", backup_json(&l, &b->rec, f), f) == 0 &&
	    add_lists(&l, b, o, f) == 0 &&
	    bk_json_set(o, "bytes", json_integer((json_int_t)l.bytes), f) == 0 &&
	    (l.none || set_time(o, "links-until", now +
	    (int64_t)seconds * 1000, f) == 0))
		return o;
	json_decref(o);
	return NULL;
}

json_t *
bk_bundle_uncovered(const struct bk_bundle *b, const char *name,
    struct bk_fault *f)
{
	json_t *o = json_object();

	if (bk_json_set_text(o, "bk", "bundle/1", f) == 0 &&
	    bk_json_set_text(o, "name", name, f) == 0 &&
	    set_time(o, "at", b->at, f) == 0 &&
	    bk_json_set(o, "covered", json_false(), f) == 0 &&
	    (b->before == INT64_MIN ? bk_json_set(o, "before", json_null(), f) :
	    set_time(o, "before", b->before, f)) == 0 &&
	    (b->after == INT64_MAX ? bk_json_set(o, "after", json_null(), f) :
	    set_time(o, "after", b->after, f)) == 0)
		return o;
	json_decref(o);
	return NULL;
}

/* ---- keys ---- */

int
bk_bundle_key(struct bk_buf *b, const char *name, int64_t until,
    struct bk_fault *f)
{
	char id[BK_ULID_LEN + 1];

	return bk_ulid_new(until, id, f) == -1 ? -1 :
	    bk_buf_addf(b, f, BK_BUNDLES "%s/%s.tar", name, id);
}

bool
bk_bundle_split(const char *key, char id[BK_ULID_LEN + 1])
{
	const char *p;

	if (strncmp(key, BK_BUNDLES, sizeof(BK_BUNDLES) - 1) != 0)
		return false;
	p = strchr(key + sizeof(BK_BUNDLES) - 1, '/');
	return p != NULL && bk_ulid_then(p + 1, '.', id) &&
	    strcmp(p + 1 + BK_ULID_LEN, ".tar") == 0;
}
