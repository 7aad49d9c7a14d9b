/*
 * Candidates are listed first, and then whoever may name them, in an order
 * in which nothing slips through while it changes hands:
 *
 *   claims      bk-copy writes its manifest and then removes its claim;
 *   manifests   bk-prune writes a tombstone and then removes the manifest;
 *   tombstones  --undo writes the manifest and then removes the tombstone;
 *   manifests   again.
 *
 * An id that any of them has protects every key that has it.
 */
#include <stdlib.h>
#include <string.h>

#include "bundle.h"
#include "entry.h"
#include "json.h"
#include "names.h"
#include "sweep.h"
#include "tomb.h"
#include "wal.h"

#define CLAIMS ".bk/claim/"
#define AGE_MS (7 * 24 * 3600 * INT64_C(1000))
#define CLAIM_MAX (16 << 20)
#define TIME_TEXT 16			/* 20261121T100000Z */

struct candidate {
	char *key;
	char id[BK_ULID_LEN + 1];
	uint64_t bytes;
	bool unfinished, bundle;
};

struct sweeping {
	struct bk_store *s;
	int64_t now;
	struct candidate *c;
	size_t len, size;
	json_t *manifests, *tombs;	/* ids */
	json_t *claimed;		/* keys */
	json_t *claims;			/* keys of the claims: true, old ones */
};

static bool
old(const struct sweeping *w, const char *id)
{
	return w->now - bk_ulid_time(id) > AGE_MS;
}

/* The id in a key of exactly the form of a payload. */
static bool
payload_id(const char *key, char id[BK_ULID_LEN + 1])
{
	char name[BK_NAME_MAX + 1];
	const char *slash = strchr(key, '/'), *p;
	size_t n, i;

	if (slash == NULL || (n = (size_t)(slash - key)) > BK_NAME_MAX)
		return false;
	memcpy(name, key, n);
	name[n] = '\0';
	p = slash + 1;
	if (!bk_name_ok(name) || strchr(p, '/') != NULL ||
	    strncmp(p, name, n) != 0 || p[n] != '-')
		return false;
	p += n + 1;
	for (i = 0; i < TIME_TEXT; i++)
		if (i == 8 ? p[i] != 'T' : i == TIME_TEXT - 1 ? p[i] != 'Z' :
		    p[i] < '0' || p[i] > '9')
			return false;
	return p[TIME_TEXT] == '-' && bk_ulid_then(p + TIME_TEXT + 1, '.', id) &&
	    p[TIME_TEXT + 1 + BK_ULID_LEN + 1] != '\0';
}

/* The last ULID in the last part of ${key}: that of a note, not its backup's. */
static bool
last_id(const char *key, char id[BK_ULID_LEN + 1])
{
	const char *p = strrchr(key, '/');
	bool found = false;

	for (p = p != NULL ? p + 1 : key; *p != '\0'; p++)
		if (bk_ulid_then(p, '.', id))
			found = true;
	return found;
}

static int
add(struct sweeping *w, const struct bk_object *o, const char *id,
    bool unfinished, struct bk_fault *f)
{
	struct candidate *v;
	size_t size;

	if (w->len == w->size) {
		size = 2 * w->size + 16;
		if ((v = realloc(w->c, size * sizeof(*v))) == NULL)
			return bk_fault_set(f, BK_IO, "out of memory");
		w->c = v;
		w->size = size;
	}
	v = &w->c[w->len];
	*v = (struct candidate){ .bytes = o->bytes, .unfinished = unfinished };
	memcpy(v->id, id, sizeof(v->id));
	if ((v->key = strdup(o->key)) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	w->len++;
	return 0;
}

static int
take_object(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	struct sweeping *w = arg;
	char id[BK_ULID_LEN + 1];

	if (!payload_id(o->key, id) || !old(w, id))
		return 0;
	return add(w, o, id, false, f);
}

/* The id of a bundle is of the moment when its link expires. */
static int
take_bundle(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	struct sweeping *w = arg;
	char id[BK_ULID_LEN + 1];

	if (!bk_bundle_split(o->key, id) || w->now < bk_ulid_time(id))
		return 0;
	if (add(w, o, id, false, f) == -1)
		return -1;
	w->c[w->len - 1].bundle = true;
	return 0;
}

/*
 * A file of PostgreSQL's log has no id: of what is unfinished of one the store
 * tells when it was begun or last written.
 */
static bool
log_id(const struct bk_object *o, char id[BK_ULID_LEN + 1])
{
	char name[BK_NAME_MAX + 1];
	const char *slash = strchr(o->key, '/');
	struct bk_fault quiet = BK_FAULT_INIT;
	struct bk_wal_key k;

	if (slash == NULL || slash - o->key > BK_NAME_MAX || o->modified < 0)
		return false;
	memcpy(name, o->key, (size_t)(slash - o->key));
	name[slash - o->key] = '\0';
	return bk_wal_key_parse(o->key, name, &k) &&
	    bk_ulid_new(o->modified, id, &quiet) == 0;
}

static int
take_unfinished(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	struct sweeping *w = arg;
	char id[BK_ULID_LEN + 1];

	/*
	 * What is to lie below .bk/deleted is old from the start: bk-prune
	 * may be writing it now.
	 */
	if (strncmp(o->key, BK_TOMBS, sizeof(BK_TOMBS) - 1) == 0)
		return 0;
	if ((!payload_id(o->key, id) && !log_id(o, id) &&
	    (strncmp(o->key, ".bk/", 4) != 0 || !last_id(o->key, id))) ||
	    !old(w, id))
		return 0;
	return add(w, o, id, true, f);
}

/* The keys that a claim names, for as long as it can be used. */
static int
take_claim(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	struct sweeping *w = arg;
	char id[BK_ULID_LEN + 1];

	if (!last_id(o->key, id))
		return 0;
	return bk_json_set(w->claims, o->key, json_boolean(old(w, id)), f);
}

static int
read_claim(struct sweeping *w, const char *key, struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(CLAIM_MAX);
	json_t *o = NULL;
	const json_t *keys, *v;
	const char *text;
	size_t i;
	int rc;

	if ((rc = bk_store_get_small(w->s, key, &b, f)) != 0)
		goto out;
	if ((o = bk_json_parse(bk_buf_text(&b), b.len, key, f)) == NULL ||
	    !json_is_array(keys = json_object_get(o, "keys"))) {
		rc = bk_fault_set(f, BK_DATA, "the claim '%s' cannot be read: what "
		    "it names is not known", key);
		goto out;
	}
	json_array_foreach(keys, i, v)
		if ((text = json_string_value(v)) != NULL &&
		    (rc = bk_json_set(w->claimed, text, json_true(), f)) == -1)
			break;
out:
	json_decref(o);
	bk_buf_release(&b);
	/* Gone: it was carried out, and there is a manifest. */
	return rc == -1 ? -1 : 0;
}

static int
read_claims(struct sweeping *w, struct bk_fault *f)
{
	const char *key;
	json_t *is_old;

	if (bk_store_list(w->s, CLAIMS, "", take_claim, w, f) == -1)
		return -1;
	json_object_foreach(w->claims, key, is_old)
		if (!json_is_true(is_old) && read_claim(w, key, f) == -1)
			return -1;
	return 0;
}

static int
take_manifest(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	struct sweeping *w = arg;
	struct bk_mkey k;

	if (!bk_manifest_split(o->key, &k) || k.note)
		return 0;
	return bk_json_set(w->manifests, k.id, json_true(), f);
}

static int
take_tomb(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	struct sweeping *w = arg;
	struct bk_mkey k;

	if (!bk_tomb_split(o->key, &k))
		return 0;
	return bk_json_set(w->tombs, k.id, json_true(), f);
}

static bool
wanted(const struct sweeping *w, const struct candidate *c)
{
	bool payload = strncmp(c->key, ".bk/", 4) != 0;

	if (json_object_get(w->claimed, c->key) != NULL ||
	    json_object_get(w->tombs, c->id) != NULL)
		return true;
	/*
	 * A payload is complete before its manifest is there: what is
	 * unfinished of one that is listed is a leftover.
	 */
	return json_object_get(w->manifests, c->id) != NULL &&
	    !(c->unfinished && payload);
}

static int
show(struct sweeping *w, bk_swept_fn *fn, void *arg, struct bk_sweep_sum *sum,
    struct bk_fault *f)
{
	struct candidate *c;
	struct bk_swept o;
	size_t i;

	for (i = 0; i < w->len; i++) {
		c = &w->c[i];
		if (wanted(w, c)) {
			free(c->key);
			c->key = NULL;
			continue;
		}
		o = (struct bk_swept){ c->key, c->unfinished ?
		    "unfinished upload" : c->bundle ? "its link has expired" :
		    "no manifest, tombstone or claim has it",
		    bk_ulid_time(c->id), c->bytes };
		if (fn(arg, &o, f) == -1)
			return -1;
		sum->n++;
		sum->bytes += c->bytes;
	}
	return 0;
}

static int
remove_all(struct sweeping *w, struct bk_fault *f)
{
	struct bk_keys keys = { 0 };
	const char *key;
	json_t *is_old;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < w->len; i++)
		if (w->c[i].key != NULL)
			rc = w->c[i].unfinished ?
			    bk_store_debris_remove(w->s, w->c[i].key, f) :
			    bk_keys_add(&keys, w->c[i].key, f);
	json_object_foreach(w->claims, key, is_old)
		if (rc == 0 && json_is_true(is_old))
			rc = bk_keys_add(&keys, key, f);
	if (rc == 0)
		rc = bk_keys_remove(&keys, w->s, f);
	bk_keys_release(&keys);
	return rc;
}

int
bk_sweep(const struct bk_ctx *ctx, struct bk_store *s, bool dry_run,
    bk_swept_fn *fn, bk_swept_all_fn *all, void *arg,
    struct bk_sweep_sum *sum, struct bk_fault *f)
{
	struct sweeping w = { .s = s, .manifests = json_object(),
		.tombs = json_object(), .claimed = json_object(),
		.claims = json_object() };
	int rc = -1;

	/* Everything of ours but payloads sorts before ".bk~". */
	if (bk_store_now(ctx, s, &w.now, f) == -1 ||
	    bk_store_list(s, "", ".bk~", take_object, &w, f) == -1 ||
	    bk_store_list(s, BK_BUNDLES, "", take_bundle, &w, f) == -1 ||
	    bk_store_debris(s, take_unfinished, &w, f) == -1 ||
	    read_claims(&w, f) == -1 ||
	    bk_store_list(s, BK_MANIFESTS, "", take_manifest, &w, f) == -1 ||
	    bk_store_list(s, BK_TOMBS, "", take_tomb, &w, f) == -1 ||
	    bk_store_list(s, BK_MANIFESTS, "", take_manifest, &w, f) == -1 ||
	    show(&w, fn, arg, sum, f) == -1 || all(arg, f) == -1)
		goto out;
	rc = dry_run ? 0 : remove_all(&w, f);
out:
	while (w.len > 0)
		free(w.c[--w.len].key);
	free(w.c);
	json_decref(w.manifests);
	json_decref(w.tombs);
	json_decref(w.claimed);
	json_decref(w.claims);
	return rc;
}
