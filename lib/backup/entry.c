/*
 * Keys come in byte order, in which the notes of a backup
 * ("<id>.<ulid>.json") stand right before its manifest ("<id>.json"), in the
 * order in which they are to be merged.
 *
 * A manifest that cannot be read hides one backup, not the set.
 */
#include <stdlib.h>
#include <string.h>

#include "entry.h"
#include "json.h"
#include "names.h"
#include "note.h"
#include "snapshot.h"

#define JSON ".json"

bool
bk_ulid_then(const char *s, char end, char out[BK_ULID_LEN + 1])
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
	if (!bk_name_ok(k->name) || !bk_ulid_then(key, '.', k->id))
		return false;
	key += BK_ULID_LEN;
	if ((k->note = bk_ulid_then(key + 1, '.', ulid)))
		key += BK_ULID_LEN + 1;
	return strcmp(key, JSON) == 0;
}

static void
entry_release(struct bk_entry *e)
{
	size_t i;

	for (i = 0; i < e->nnotes; i++)
		free(e->notes[i]);
	free(e->notes);
	*e = (struct bk_entry){ .notes = NULL };
}

static int
add_note(struct bk_entry *e, const char *key, struct bk_fault *f)
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


/* Move ${e} to the end of an array. */
static int
push(struct bk_entry **v, size_t *len, size_t *size, struct bk_entry *e,
    struct bk_fault *f)
{
	struct bk_entry *p;
	size_t n;

	if (*len == *size) {
		n = *size == 0 ? 64 : 2 * *size;
		if ((p = realloc(*v, n * sizeof(*p))) == NULL)
			return bk_fault_set(f, BK_IO, "out of memory");
		*v = p;
		*size = n;
	}
	(*v)[(*len)++] = *e;
	*e = (struct bk_entry){ .notes = NULL };
	return 0;
}

struct keys {
	const char *name, *id;
	struct bk_entries *out;
	struct bk_entry next;		/* notes whose manifest is to come */
};

/* Their manifest did not come. */
static int
orphans(struct keys *ks, struct bk_fault *f)
{
	struct bk_entries *out = ks->out;

	if (ks->next.nnotes == 0)
		return 0;
	return push(&out->orphan, &out->norphans, &out->orphans_size, &ks->next,
	    f);
}

static int
take_key(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	struct keys *ks = arg;
	struct bk_mkey k;

	if (!bk_manifest_split(o->key, &k) ||
	    (ks->name != NULL && strcmp(ks->name, k.name) != 0) ||
	    (ks->id != NULL && strcmp(ks->id, k.id) != 0))
		return 0;
	if ((strcmp(ks->next.k.id, k.id) != 0 ||
	    strcmp(ks->next.k.name, k.name) != 0) && orphans(ks, f) == -1)
		return -1;
	ks->next.k = k;
	if (k.note)
		return add_note(&ks->next, o->key, f);
	return push(&ks->out->e, &ks->out->len, &ks->out->size, &ks->next, f);
}

int
bk_entries_list(struct bk_store *s, const char *name, const char *id,
    struct bk_entries *out, struct bk_fault *f)
{
	struct bk_buf prefix = BK_BUF_INIT(BK_KEY_MAX);
	struct keys ks = { .name = name, .id = id, .out = out };
	int rc = -1;

	*out = (struct bk_entries)BK_ENTRIES_INIT;
	if (bk_buf_adds(&prefix, BK_MANIFESTS, f) == 0 && (name == NULL ||
	    bk_buf_addf(&prefix, f, "%s/", name) == 0) &&
	    bk_store_list(s, bk_buf_text(&prefix), "", take_key, &ks, f) == 0)
		rc = orphans(&ks, f);
	entry_release(&ks.next);
	bk_buf_release(&prefix);
	return rc;
}

void
bk_entries_release(struct bk_entries *es)
{
	while (es->len > 0)
		entry_release(&es->e[--es->len]);
	while (es->norphans > 0)
		entry_release(&es->orphan[--es->norphans]);
	free(es->e);
	free(es->orphan);
	*es = (struct bk_entries)BK_ENTRIES_INIT;
}

/* As keys are ordered, in which a '/' follows the name. */
static int
by_key(const void *va, const void *vb)
{
	const struct bk_mkey *a = va;
	const struct bk_entry *b = vb;
	size_t i = 0;
	int ca, cb;

	while (a->name[i] != '\0' && a->name[i] == b->k.name[i])
		i++;
	ca = a->name[i] != '\0' ? (unsigned char)a->name[i] : '/';
	cb = b->k.name[i] != '\0' ? (unsigned char)b->k.name[i] : '/';
	return ca != cb ? ca - cb : strcmp(a->id, b->k.id);
}

struct bk_entry *
bk_entries_find(const struct bk_entries *es, const char *name, const char *id)
{
	struct bk_mkey k = { .note = false };

	if (es->len == 0 || !bk_name_ok(name) || strlen(id) != BK_ULID_LEN)
		return NULL;
	memcpy(k.name, name, strlen(name) + 1);
	memcpy(k.id, id, BK_ULID_LEN + 1);
	return bsearch(&k, es->e, es->len, sizeof(*es->e), by_key);
}

/* Everything that reading needs. */
struct reading {
	const struct bk_ctx *ctx;
	struct bk_store *s;
	struct bk_entries *es;
	bk_entry_fn *fn;
	void *arg;
	struct bk_entries_cost *cost;
	bk_brief_fn *brief;		/* instead of ${fn}; or NULL */
};

/* Does this fault hide one object only, or is the store in trouble? */
static bool
one_object(const struct bk_fault *f)
{
	return f->status == BK_DATA || f->status == BK_NOPERM ||
	    f->status == BK_IO;
}

static void
unreadable(const struct reading *r, const char *key, const struct bk_fault *why)
{
	r->ctx->log(BK_LOG_WARN, "cannot read '%s', skipping it: %s", key,
	    why->text);
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
merge_notes(const struct reading *r, const struct bk_entry *e,
    struct bk_record *rec, unsigned int *bad, bool *whole, struct bk_fault *f)
{
	struct bk_fault why;
	json_t *note;
	size_t i;
	int rc;

	for (i = 0; i < e->nnotes; i++) {
		why = (struct bk_fault)BK_FAULT_INIT;
		note = NULL;
		if ((rc = get_json(r->s, e->notes[i], &note, &why)) == 0)
			rc = bk_note_merge(rec, note, &why);
		json_decref(note);
		if (rc == BK_ABSENT)
			*whole = false;
		if (rc != -1)
			continue;
		if (!one_object(&why)) {
			*f = why;
			return -1;
		}
		unreadable(r, e->notes[i], &why);
		*whole = false;
		(*bad)++;
	}
	return 0;
}

/* Is ${rec} that of ${e}?  Then its store is added. */
static int
belongs(const struct reading *r, const struct bk_entry *e,
    struct bk_record *rec, struct bk_fault *f)
{
	if (rec->id == NULL || strcmp(rec->id, e->k.id) != 0 ||
	    rec->name == NULL || strcmp(rec->name, e->k.name) != 0)
		return bk_fault_set(f, BK_DATA, "its id or name is not that of "
		    "its key");
	return bk_record_set_store(rec, r->s->url, f);
}

/* Hand it over, as a whole or in brief. */
static int
give(const struct reading *r, const struct bk_entry *e, struct bk_record *rec,
    unsigned int bad, bool whole, struct bk_fault *f)
{
	struct bk_brief b;

	if (r->brief == NULL)
		return r->fn(r->arg, e, rec, bad, whole, f);
	if (rec != NULL)
		bk_brief_of(rec, &b);
	return r->brief(r->arg, e, rec != NULL ? &b : NULL, bad, f);
}

/* Read a manifest.  0, BK_ABSENT (it was deleted meanwhile), or -1. */
static int
read_manifest(const struct reading *r, const struct bk_entry *e,
    const char *key, struct bk_record *rec, struct bk_fault *f)
{
	json_t *o = NULL;
	int rc;

	if ((rc = get_json(r->s, key, &o, f)) != 0)
		return rc;
	/* One found in a manifest is dropped (DESIGN, 4). */
	(void)json_object_del(o, "store");
	if (bk_record_from(o, rec, f) == -1)
		return -1;
	return belongs(r, e, rec, f);
}

static int
fetch(const struct reading *r, const struct bk_entry *e, struct bk_fault *f)
{
	struct bk_record rec = BK_RECORD_INIT;
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX);
	struct bk_fault why = BK_FAULT_INIT;
	unsigned int bad = 0;
	bool whole = true;
	int rc;

	if ((rc = bk_manifest_key(&key, e->k.name, e->k.id, f)) == -1)
		goto out;
	if ((rc = read_manifest(r, e, bk_buf_text(&key), &rec, &why)) == 0) {
		if ((rc = merge_notes(r, e, &rec, &bad, &whole, f)) == 0)
			rc = give(r, e, &rec, bad, whole, f);
	} else if (rc == BK_ABSENT) {
		rc = 0;
	} else if (one_object(&why)) {
		unreadable(r, bk_buf_text(&key), &why);
		rc = give(r, e, NULL, 0, false, f);
	} else
		*f = why;
out:
	bk_record_release(&rec);
	bk_buf_release(&key);
	return rc;
}

/* Do these notes make up all of ${e}? */
static bool
same_notes(const struct bk_entry *e, const json_t *notes)
{
	size_t i, at = sizeof(BK_MANIFESTS) - 1 + strlen(e->k.name) + 1 +
	    BK_ULID_LEN + 1;
	const char *ulid;

	if (json_array_size(notes) != e->nnotes)
		return false;
	for (i = 0; i < e->nnotes; i++) {
		ulid = json_string_value(json_array_get(notes, i));
		if (ulid == NULL || strlen(ulid) != BK_ULID_LEN ||
		    strncmp(e->notes[i] + at, ulid, BK_ULID_LEN) != 0)
			return false;
	}
	return true;
}

static int
from_snapshot(void *arg, struct bk_record *rec, const json_t *notes,
    struct bk_fault *f)
{
	const struct reading *r = arg;
	struct bk_entry *e = NULL;

	if (rec->id != NULL && rec->name != NULL)
		e = bk_entries_find(r->es, rec->name, rec->id);
	if (e == NULL || e->done || !same_notes(e, notes)) {
		r->cost->stale++;
		return 0;
	}
	e->done = true;
	if (belongs(r, e, rec, f) == -1)
		return -1;
	return give(r, e, rec, 0, true, f);
}

/* The same of notes that were not built. */
static bool
same_notes_text(const struct bk_entry *e, const struct bk_json_part *notes)
{
	size_t i, at = sizeof(BK_MANIFESTS) - 1 + strlen(e->k.name) + 1 +
	    BK_ULID_LEN + 1;
	const char *p = notes->p;
	struct bk_json_part v;

	for (i = 0; bk_json_pick_next(&p, notes->p + notes->n, &v) == 1; i++)
		if (i == e->nnotes || v.kind != '"' || v.n != BK_ULID_LEN ||
		    strncmp(e->notes[i] + at, v.p, BK_ULID_LEN) != 0)
			return false;
	return i == e->nnotes;
}

static int
skim_line(void *arg, const char *line, size_t n, struct bk_fault *f)
{
	const struct reading *r = arg;
	struct bk_json_part notes;
	struct bk_entry *e;
	struct bk_brief b;

	if (bk_brief_pick(line, n, &b, &notes) == -1)
		return 1;
	e = bk_entries_find(r->es, b.name, b.id);
	if (e == NULL || e->done || !same_notes_text(e, &notes)) {
		r->cost->stale++;
		return 0;
	}
	e->done = true;
	return r->brief(r->arg, e, &b, 0, f);
}

static int
read_entries(struct reading *r, bool skim, struct bk_fault *f)
{
	struct bk_entry *e;
	size_t i;

	*r->cost = (struct bk_entries_cost){ 0, 0 };
	if (r->es->len > BK_SNAPSHOT_MIN && bk_snapshot_read(r->ctx, r->s,
	    from_snapshot, skim ? skim_line : NULL, r, f) == -1)
		return -1;
	for (i = 0; i < r->es->len; i++) {
		e = &r->es->e[i];
		if (e->done)
			continue;
		r->cost->fetched++;
		e->done = true;
		if (fetch(r, e, f) == -1)
			return -1;
	}
	return 0;
}

int
bk_entries_read(const struct bk_ctx *ctx, struct bk_store *s,
    struct bk_entries *es, bk_entry_fn *fn, void *arg,
    struct bk_entries_cost *cost, struct bk_fault *f)
{
	struct reading r = { ctx, s, es, fn, arg, cost, NULL };

	return read_entries(&r, false, f);
}

int
bk_entries_skim(const struct bk_ctx *ctx, struct bk_store *s,
    struct bk_entries *es, bool whole, bk_brief_fn *fn, void *arg,
    struct bk_entries_cost *cost, struct bk_fault *f)
{
	struct reading r = { ctx, s, es, NULL, arg, cost, fn };

	return read_entries(&r, !whole, f);
}
