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

#define MANIFESTS ".bk/manifest/"
#define JSON ".json"

/* A key below MANIFESTS, taken apart. */
struct mkey {
	char name[BK_NAME_MAX + 1];
	char id[BK_ULID_LEN + 1];
	bool note;
};

/* One backup that has a manifest. */
struct entry {
	struct mkey k;
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

/* Take ${key} apart; false for one that is not ours. */
static bool
split(const char *key, struct mkey *k)
{
	char ulid[BK_ULID_LEN + 1];
	const char *slash;

	if (strncmp(key, MANIFESTS, sizeof(MANIFESTS) - 1) != 0)
		return false;
	key += sizeof(MANIFESTS) - 1;
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
	struct mkey k;

	if (!split(o->key, &k) ||
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
	if (bk_buf_adds(&prefix, MANIFESTS, f) == -1 || (req->name != NULL &&
	    bk_buf_addf(&prefix, f, "%s/", req->name) == -1) ||
	    bk_store_list(s, bk_buf_text(&prefix), "", take_key, &ks, f) == -1)
		goto out;
	for (i = 0; i < ks.len; i++)
		if (take_entry(ctx, s, req, &ks.e[i], out, f) == -1)
			goto out;
	bk_list_select(ctx, req, out);
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

/* Names and sets: each told once, since keys with one prefix come together. */
struct once {
	bk_list_fn *fn;
	void *arg;
	struct bk_buf last;
	bool any;
};

static int
tell(struct once *on, const char *s, size_t n, struct bk_fault *f)
{
	struct bk_object o = { .modified = -1 };

	if (on->any && on->last.len == n &&
	    memcmp(bk_buf_text(&on->last), s, n) == 0)
		return 0;
	bk_buf_reset(&on->last);
	if (bk_buf_add(&on->last, s, n, f) == -1)
		return -1;
	on->any = true;
	o.key = bk_buf_text(&on->last);
	return on->fn(on->arg, &o, f);
}

static int
name_of(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	struct mkey k;

	if (!split(o->key, &k) || k.note)
		return 0;
	return tell(arg, k.name, strlen(k.name), f);
}

int
bk_list_names(struct bk_store *s, bk_list_fn *fn, void *arg,
    struct bk_fault *f)
{
	struct once on = { fn, arg, BK_BUF_INIT(BK_KEY_MAX), false };
	int rc = bk_store_list(s, MANIFESTS, "", name_of, &on, f);

	bk_buf_release(&on.last);
	return rc;
}

static int
set_of(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	const char *at = o->key;
	struct mkey k;

	for (; (at = strstr(at, MANIFESTS)) != NULL; at++)
		if ((at == o->key || at[-1] == '/') && split(at, &k) && !k.note)
			return tell(arg, o->key, at == o->key ? 0 :
			    (size_t)(at - o->key) - 1, f);
	return 0;
}

int
bk_list_sets(struct bk_store *s, bk_list_fn *fn, void *arg,
    struct bk_fault *f)
{
	struct once on = { fn, arg, BK_BUF_INIT(BK_KEY_MAX), false };
	int rc = bk_store_list(s, "", "", set_of, &on, f);

	bk_buf_release(&on.last);
	return rc;
}
