/*
 * Listing reads keys first and then one object for each manifest and note:
 * payloads are never listed, and what is not asked for by name or id is never
 * fetched.  Keys come in byte order, in which the notes of a backup
 * ("<id>.<ulid>.json") stand right before its manifest ("<id>.json"), in the
 * order in which they are to be merged.
 *
 * A manifest that cannot be read hides one backup, not the set: it is said,
 * counted and skipped.  A store that does not answer is a fault.
 */
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "list.h"
#include "names.h"
#include "note.h"

#define JSON ".json"
#define URL_MAX 16384

/* One backup that has a manifest. */
struct entry {
	struct bk_mkey k;
	char **notes;			/* keys, in order */
	size_t nnotes;
};

struct keys {
	const struct bk_list_req *req;
	struct entry *e;
	size_t len, size;
	struct entry next;		/* notes whose manifest is to come */
};

/* A ULID and then ${end} at ${s}? */
static bool
ulid_then(const char *s, char end, char out[BK_ULID_LEN + 1])
{
	if (strnlen(s, BK_ULID_LEN + 1) <= BK_ULID_LEN || s[BK_ULID_LEN] != end)
		return false;
	memcpy(out, s, BK_ULID_LEN);
	out[BK_ULID_LEN] = '\0';
	return bk_ulid_ok(out);
}

bool
bk_manifest_split(const char *key, struct bk_mkey *k)
{
	char ulid[BK_ULID_LEN + 1];
	const char *slash;

	if (strncmp(key, BK_MANIFESTS, sizeof(BK_MANIFESTS) - 1) != 0)
		return false;
	key += sizeof(BK_MANIFESTS) - 1;
	if ((slash = strchr(key, '/')) == NULL || slash - key > BK_NAME_MAX)
		return false;
	memcpy(k->name, key, (size_t)(slash - key));
	k->name[slash - key] = '\0';
	key = slash + 1;
	if (!bk_name_ok(k->name) || !ulid_then(key, '.', k->id))
		return false;
	key += BK_ULID_LEN;
	if ((k->note = ulid_then(key + 1, '.', ulid)))
		key += BK_ULID_LEN + 1;
	return strcmp(key, JSON) == 0;
}

static void
entry_release(struct entry *e)
{
	size_t i;

	for (i = 0; i < e->nnotes; i++)
		free(e->notes[i]);
	free(e->notes);
	*e = (struct entry){ .notes = NULL };
}

static int
add_note(struct entry *e, const char *key, struct bk_fault *f)
{
	char **v;

	/* Room grows by doubling: at 0, 1, 2, 4, … */
	if ((e->nnotes & (e->nnotes - 1)) == 0) {
		v = realloc(e->notes, (e->nnotes == 0 ? 1 : 2 * e->nnotes) *
		    sizeof(*v));
		if (v == NULL)
			return bk_fault_set(f, BK_IO, "out of memory");
		e->notes = v;
	}
	if ((e->notes[e->nnotes] = strdup(key)) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	e->nnotes++;
	return 0;
}

static int
add_entry(struct keys *ks, struct bk_fault *f)
{
	struct entry *v;
	size_t size;

	if (ks->len == ks->size) {
		size = ks->size == 0 ? 64 : 2 * ks->size;
		if ((v = realloc(ks->e, size * sizeof(*v))) == NULL)
			return bk_fault_set(f, BK_IO, "out of memory");
		ks->e = v;
		ks->size = size;
	}
	ks->e[ks->len++] = ks->next;
	ks->next = (struct entry){ .notes = NULL };
	return 0;
}

static int
take_key(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	struct keys *ks = arg;
	const struct bk_list_req *req = ks->req;
	struct bk_mkey k;

	if (!bk_manifest_split(o->key, &k) ||
	    (req->name != NULL && strcmp(req->name, k.name) != 0) ||
	    (req->id != NULL && strcmp(req->id, k.id) != 0))
		return 0;
	if (strcmp(ks->next.k.id, k.id) != 0 ||
	    strcmp(ks->next.k.name, k.name) != 0)
		entry_release(&ks->next);
	ks->next.k = k;
	return k.note ? add_note(&ks->next, o->key, f) : add_entry(ks, f);
}

static void
keys_release(struct keys *ks)
{
	while (ks->len > 0)
		entry_release(&ks->e[--ks->len]);
	free(ks->e);
	entry_release(&ks->next);
}

/* Does this fault hide one object only, or is the store in trouble? */
static bool
one_object(const struct bk_fault *f)
{
	return f->status == BK_DATA || f->status == BK_NOPERM ||
	    f->status == BK_IO;
}

static void
unreadable(const struct bk_ctx *ctx, struct bk_list *out, const char *key,
    const struct bk_fault *why)
{
	ctx->log(BK_LOG_WARN, "cannot read '%s', skipping it: %s", key,
	    why->text);
	out->unreadable++;
}

/* The object at ${key} as JSON: 0, BK_ABSENT, -1. */
static int
get_json(struct bk_store *s, const char *key, json_t **o, struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(BK_LINE_MAX);
	int rc;

	if ((rc = bk_store_get_small(s, key, &b, f)) == 0 &&
	    (*o = bk_json_parse(bk_buf_text(&b), b.len, "manifest", f)) == NULL)
		rc = -1;
	bk_buf_release(&b);
	return rc;
}

static int
merge_notes(const struct bk_ctx *ctx, struct bk_store *s,
    const struct entry *e, struct bk_record *rec, struct bk_list *out,
    struct bk_fault *f)
{
	struct bk_fault why;
	json_t *note;
	size_t i;
	int rc;

	for (i = 0; i < e->nnotes; i++) {
		why = (struct bk_fault)BK_FAULT_INIT;
		note = NULL;
		if ((rc = get_json(s, e->notes[i], &note, &why)) == 0)
			rc = bk_note_merge(rec, note, &why);
		json_decref(note);
		if (rc != -1)
			continue;
		if (!one_object(&why)) {
			*f = why;
			return -1;
		}
		unreadable(ctx, out, e->notes[i], &why);
	}
	return 0;
}

/*
 * Read the manifest of ${e} into ${rec} with its store.  0, BK_ABSENT (it was
 * deleted meanwhile), or -1.
 */
static int
read_manifest(struct bk_store *s, const struct entry *e, const char *key,
    struct bk_record *rec, struct bk_fault *f)
{
	json_t *o = NULL;
	int rc;

	if ((rc = get_json(s, key, &o, f)) != 0)
		return rc;
	/* One found in a manifest is dropped (DESIGN, 4). */
	(void)json_object_del(o, "store");
	if (bk_record_from(o, rec, f) == -1)
		return -1;
	if (rec->id == NULL || strcmp(rec->id, e->k.id) != 0 ||
	    rec->name == NULL || strcmp(rec->name, e->k.name) != 0)
		return bk_fault_set(f, BK_DATA, "its id or name is not that of "
		    "its key");
	return bk_record_set_store(rec, s->url, f);
}

static int
add_link(struct bk_store *s, struct bk_record *rec, unsigned int seconds,
    struct bk_fault *f)
{
	struct bk_buf url = BK_BUF_INIT(URL_MAX);
	int rc = bk_store_presign(s, rec->key, seconds, &url, f);

	if (rc == BK_NOT_SUPPORTED)
		rc = bk_fault_set(f, BK_CONFIG, "the store '%s' cannot give "
		    "links", s->url);
	if (rc == 0)
		rc = bk_json_set_text(rec->json, "link", bk_buf_text(&url), f);
	bk_buf_release(&url);
	return rc;
}

static int
append(struct bk_list *out, struct bk_record *rec, struct bk_fault *f)
{
	struct bk_record *v;
	size_t size;

	if (out->len == out->size) {
		size = out->size == 0 ? 64 : 2 * out->size;
		if ((v = realloc(out->rec, size * sizeof(*v))) == NULL)
			return bk_fault_set(f, BK_IO, "out of memory");
		out->rec = v;
		out->size = size;
	}
	out->rec[out->len++] = *rec;
	*rec = (struct bk_record)BK_RECORD_INIT;
	return 0;
}

static int
take_entry(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_list_req *req, const struct entry *e, struct bk_list *out,
    struct bk_fault *f)
{
	struct bk_record rec = BK_RECORD_INIT;
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX);
	struct bk_fault why = BK_FAULT_INIT;
	int rc;

	if ((rc = bk_manifest_key(&key, e->k.name, e->k.id, f)) == -1)
		goto out;
	if ((rc = read_manifest(s, e, bk_buf_text(&key), &rec, &why)) != 0) {
		if (rc == -1 && one_object(&why))
			unreadable(ctx, out, bk_buf_text(&key), &why);
		else if (rc == -1)
			*f = why;
		rc = bk_faulty(f) ? -1 : 0;
		goto out;
	}
	if ((rc = merge_notes(ctx, s, e, &rec, out, f)) == 0 &&
	    (rc = bk_list_wanted(req, &rec, f)) == 1)
		rc = append(out, &rec, f);
out:
	bk_record_release(&rec);
	bk_buf_release(&key);
	return rc;
}

int
bk_list_read(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_list_req *req, struct bk_list *out, struct bk_fault *f)
{
	struct bk_buf prefix = BK_BUF_INIT(BK_KEY_MAX);
	struct keys ks = { .req = req };
	size_t i;
	int rc = -1;

	*out = (struct bk_list)BK_LIST_INIT;
	if (bk_buf_adds(&prefix, BK_MANIFESTS, f) == -1 || (req->name != NULL &&
	    bk_buf_addf(&prefix, f, "%s/", req->name) == -1) ||
	    bk_store_list(s, bk_buf_text(&prefix), "", take_key, &ks, f) == -1)
		goto out;
	for (i = 0; i < ks.len; i++)
		if (take_entry(ctx, s, req, &ks.e[i], out, f) == -1)
			goto out;
	bk_list_select(ctx, req, out);
	for (i = 0; req->links > 0 && i < out->len; i++)
		if (out->rec[i].version == 1 &&
		    add_link(s, &out->rec[i], req->links, f) == -1)
			goto out;
	rc = 0;
out:
	if (rc == -1)
		bk_list_release(out);
	keys_release(&ks);
	bk_buf_release(&prefix);
	return rc;
}

void
bk_list_release(struct bk_list *l)
{
	while (l->len > 0)
		bk_record_release(&l->rec[--l->len]);
	free(l->rec);
	*l = (struct bk_list)BK_LIST_INIT;
}
