/*
 * The order that carries deleting: tombstone, manifest, notes, and much later
 * the payload; and back: notes, manifest, tombstone.  A stop anywhere leaves
 * either a listed backup that is whole or one that is not listed.
 */
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "names.h"
#include "tomb.h"
#include "when.h"

#define FORMAT "deleted/1"
#define JSON ".json"
#define TOMB_MAX (16 << 20)
#define GRACE_MAX (INT64_C(100) * 366 * 24 * 3600)

int
bk_keys_add(struct bk_keys *k, const char *key, struct bk_fault *f)
{
	char **v;

	if (k->len == k->size) {
		if ((v = realloc(k->v, (2 * k->size + 8) * sizeof(*v))) == NULL)
			return bk_fault_set(f, BK_IO, "out of memory");
		k->v = v;
		k->size = 2 * k->size + 8;
	}
	if ((k->v[k->len] = strdup(key)) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	k->len++;
	return 0;
}

int
bk_keys_remove(struct bk_keys *k, struct bk_store *s, struct bk_fault *f)
{
	return bk_store_remove(s, (const char *const *)k->v, k->len, f);
}

void
bk_keys_release(struct bk_keys *k)
{
	while (k->len > 0)
		free(k->v[--k->len]);
	free(k->v);
	*k = (struct bk_keys){ .v = NULL };
}

int
bk_tomb_key(struct bk_buf *b, const char *name, const char *id,
    struct bk_fault *f)
{
	bk_buf_reset(b);
	return bk_buf_addf(b, f, BK_TOMBS "%s/%s" JSON, name, id);
}

bool
bk_tomb_split(const char *key, struct bk_mkey *k)
{
	const char *slash;

	if (strncmp(key, BK_TOMBS, sizeof(BK_TOMBS) - 1) != 0)
		return false;
	key += sizeof(BK_TOMBS) - 1;
	if ((slash = strchr(key, '/')) == NULL || slash - key > BK_NAME_MAX)
		return false;
	memcpy(k->name, key, (size_t)(slash - key));
	k->name[slash - key] = '\0';
	k->note = false;
	return bk_name_ok(k->name) && bk_ulid_then(slash + 1, '.', k->id) &&
	    strcmp(slash + 1 + BK_ULID_LEN, JSON) == 0;
}

void
bk_tomb_release(struct bk_tomb *t)
{
	json_decref(t->json);
	*t = (struct bk_tomb)BK_TOMB_INIT;
}

/* Is ${key} that of a note on this backup? */
static bool
own_note(const char *key, const char *name, const char *id)
{
	struct bk_mkey k;

	return bk_manifest_split(key, &k) && k.note &&
	    strcmp(k.name, name) == 0 && strcmp(k.id, id) == 0;
}

/*
 * What a tombstone says is written and removed later: nothing but the keys
 * that follow from its own place is believed.
 */
static int
check(struct bk_tomb *t, const char *name, const char *id, struct bk_fault *f)
{
	const char *form = bk_json_get_text(t->json, "bk"), *key;
	const char *when = bk_json_get_text(t->json, "deleted");
	json_t *v, *manifest = json_object_get(t->json, "manifest");
	int64_t grace = bk_json_get_int(t->json, "grace");
	struct bk_record rec = BK_RECORD_INIT;
	json_t *o;
	int rc = -1;

	if (form == NULL || strcmp(form, FORMAT) != 0 || when == NULL ||
	    !json_is_string(manifest) || grace > GRACE_MAX)
		return bk_fault_set(f, BK_DATA, "it is no tombstone");
	t->manifest = json_string_value(manifest);
	t->manifest_len = json_string_length(manifest);
	t->notes = json_object_get(t->json, "notes");
	t->grace = grace < 0 ? BK_GRACE_MS : grace * 1000;
	if (bk_time_parse(when, &t->deleted, f) == -1 ||
	    (o = bk_json_parse(t->manifest, t->manifest_len, "its manifest",
	    f)) == NULL || bk_record_from(o, &rec, f) == -1)
		return -1;
	if (rec.version == 1 && strcmp(rec.id, id) == 0 &&
	    strcmp(rec.name, name) == 0 &&
	    (key = bk_json_get_text(t->json, "key")) != NULL &&
	    strcmp(rec.key, key) == 0) {
		t->key = key;
		t->bytes = rec.bytes;
		t->id = bk_json_get_text(t->json, "id");
		t->name = bk_json_get_text(t->json, "name");
		rc = t->id != NULL && strcmp(t->id, id) == 0 &&
		    t->name != NULL && strcmp(t->name, name) == 0 ? 0 : -1;
	}
	bk_record_release(&rec);
	json_object_foreach(t->notes, key, v)
		if (!json_is_string(v) || !own_note(key, name, id))
			rc = -1;
	return rc == 0 ? 0 : bk_fault_set(f, BK_DATA, "it is not that of its "
	    "key");
}

int
bk_tomb_read(struct bk_store *s, const char *name, const char *id,
    struct bk_tomb *t, struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX), text = BK_BUF_INIT(TOMB_MAX);
	int rc;

	*t = (struct bk_tomb)BK_TOMB_INIT;
	if ((rc = bk_tomb_key(&key, name, id, f)) == -1 ||
	    (rc = bk_store_get_small(s, bk_buf_text(&key), &text, f)) != 0)
		goto out;
	rc = -1;
	if ((t->json = bk_json_parse(bk_buf_text(&text), text.len, "tombstone",
	    f)) != NULL)
		rc = check(t, name, id, f);
	if (rc == -1) {
		if (f->status == BK_USAGE)
			f->status = BK_DATA;
		bk_fault_context(f, "'%s'", bk_buf_text(&key));
		bk_tomb_release(t);
	}
out:
	bk_buf_release(&text);
	bk_buf_release(&key);
	return rc;
}

/* The text of the object at ${key} as JSON text: 0, BK_ABSENT, -1. */
static int
get_text(struct bk_store *s, const char *key, json_t **text,
    struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(BK_LINE_MAX);
	int rc = bk_store_get_small(s, key, &b, f);

	if (rc == 0 && (*text = json_stringn(bk_buf_text(&b), b.len)) == NULL)
		rc = bk_fault_set(f, BK_DATA, "'%s' is no text of UTF-8", key);
	bk_buf_release(&b);
	return rc;
}

static int
get_notes(struct bk_store *s, const struct bk_entry *e, json_t *notes,
    struct bk_fault *f)
{
	json_t *text;
	size_t i;
	int rc;

	for (i = 0; i < e->nnotes; i++) {
		if ((rc = get_text(s, e->notes[i], &text, f)) == -1 ||
		    (rc == 0 && bk_json_set(notes, e->notes[i], text, f) == -1))
			return -1;
	}
	return 0;
}

/* The tombstone for ${rec}, whose manifest is ${text} (taken). */
static json_t *
make(struct bk_store *s, const struct bk_entry *e, const struct bk_record *rec,
    json_t *text, int64_t now, int64_t grace, json_t *why, struct bk_fault *f)
{
	char when[BK_TIME_LEN];
	json_t *notes = json_object(), *o = NULL;

	if (notes != NULL && get_notes(s, e, notes, f) == 0)
		o = json_pack("{s:s, s:s, s:s, s:s, s:I, s:O, s:O, s:s, s:I, s:O}",
		    "bk", FORMAT, "id", rec->id, "name", rec->name, "deleted",
		    bk_time_text(now, when), "grace", (json_int_t)(grace / 1000),
		    "manifest", text, "notes", notes, "key", rec->key, "bytes",
		    (json_int_t)rec->bytes, "why", why);
	if (o == NULL)
		(void)bk_fault_set(f, BK_IO, "out of memory");
	json_decref(notes);
	json_decref(text);
	return o;
}

int
bk_tomb_bury(struct bk_store *s, const struct bk_entry *e, int64_t now,
    int64_t grace, json_t *why, struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX), out = BK_BUF_INIT(TOMB_MAX);
	struct bk_record rec = BK_RECORD_INIT;
	json_t *text = NULL, *o, *tomb = NULL;
	int rc;

	if ((rc = bk_manifest_key(&key, e->k.name, e->k.id, f)) == -1 ||
	    (rc = get_text(s, bk_buf_text(&key), &text, f)) != 0)
		goto out;
	rc = -1;
	if ((o = bk_json_parse(json_string_value(text),
	    json_string_length(text), "manifest", f)) == NULL ||
	    bk_record_from(o, &rec, f) == -1 || bk_record_current(&rec, f) == -1)
		goto out;
	if (strcmp(rec.id, e->k.id) != 0 || strcmp(rec.name, e->k.name) != 0) {
		(void)bk_fault_set(f, BK_DATA, "'%s': its id or name is not that "
		    "of its key", bk_buf_text(&key));
		goto out;
	}
	tomb = make(s, e, &rec, text, now, grace, why, f);
	text = NULL;
	if (tomb != NULL && bk_json_text(tomb, &out, f) == 0 &&
	    bk_buf_adds(&out, "\n", f) == 0 &&
	    bk_tomb_key(&key, e->k.name, e->k.id, f) == 0)
		rc = bk_store_put_small(s, bk_buf_text(&key), out.p, out.len, 0,
		    f);
out:
	json_decref(text);
	json_decref(tomb);
	bk_record_release(&rec);
	bk_buf_release(&out);
	bk_buf_release(&key);
	return rc;
}

static int
payload_there(struct bk_store *s, const struct bk_tomb *t, struct bk_fault *f)
{
	struct bk_object o;
	int rc = bk_store_stat(s, t->key, &o, f);

	if (rc == BK_ABSENT || (rc == 0 && o.bytes != t->bytes))
		return bk_fault_set(f, BK_NOINPUT, "backup %s of '%s' cannot be "
		    "brought back: its payload is %s", t->id, t->name,
		    rc == BK_ABSENT ? "gone" : "of another size");
	return rc;
}

int
bk_tomb_raise(struct bk_store *s, const struct bk_tomb *t, struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX);
	const char *k, *one;
	json_t *v;
	int rc = -1;

	if (payload_there(s, t, f) == -1)
		goto out;
	json_object_foreach(t->notes, k, v)
		if (bk_store_put_small(s, k, json_string_value(v),
		    json_string_length(v), BK_PUT_NEW, f) == -1)
			goto out;
	if (bk_manifest_key(&key, t->name, t->id, f) == -1 ||
	    bk_store_put_small(s, bk_buf_text(&key), t->manifest,
	    t->manifest_len, BK_PUT_NEW, f) == -1 ||
	    bk_tomb_key(&key, t->name, t->id, f) == -1)
		goto out;
	one = bk_buf_text(&key);
	rc = bk_store_remove(s, &one, 1, f);
out:
	bk_buf_release(&key);
	return rc;
}
