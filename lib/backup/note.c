/*
 * A note's ulid is made with the store's clock where that is known to be far
 * from ours, so that notes of different hosts keep their order; within one
 * process ulids grow.
 */
#include <string.h>

#include "json.h"
#include "names.h"
#include "note.h"
#include "tags.h"
#include "when.h"

#define NOTE_MAX 65536

/*
 * A mark that is text, or null to take it away; an absent one changes
 * nothing.
 */
static int
merge_mark(json_t *rec, const json_t *note, const char *mark,
    struct bk_fault *f)
{
	json_t *v = json_object_get(note, mark);

	if (v == NULL)
		return 0;
	if (json_is_null(v)) {
		(void)json_object_del(rec, mark);
		return 0;
	}
	if (!json_is_string(v))
		return bk_fault_set(f, BK_DATA, "a note whose '%s' is no text",
		    mark);
	return bk_json_set(rec, mark, json_incref(v), f);
}

static int
merge_tags(json_t *tags, const json_t *note, struct bk_fault *f)
{
	json_t *set = json_object_get(note, "set");
	const json_t *unset = json_object_get(note, "unset");
	const json_t *v;
	size_t i;

	if (unset != NULL && !json_is_array(unset))
		return bk_fault_set(f, BK_DATA, "a note whose 'unset' is no list");
	json_array_foreach(unset, i, v)
		if (json_is_string(v))
			(void)json_object_del(tags, json_string_value(v));
	if (set == NULL)
		return 0;
	if (bk_tags_check(set, f) == -1)
		return -1;
	if (json_object_update(tags, set) == -1)
		return bk_fault_set(f, BK_IO, "out of memory");
	return 0;
}

/* "good" and "suspect" are opposite answers to one question: the last counts. */
static int
merge_good(json_t *rec, const json_t *note, struct bk_fault *f)
{
	if (json_is_string(json_object_get(note, "suspect")))
		(void)json_object_del(rec, "good");
	if (!json_is_true(json_object_get(note, "good")))
		return 0;
	(void)json_object_del(rec, "suspect");
	return bk_json_set(rec, "good", json_true(), f);
}

int
bk_note_merge(struct bk_record *rec, const json_t *note, struct bk_fault *f)
{
	const char *form = bk_json_get_text(note, "bk");
	const char *id = bk_json_get_text(note, "id");
	json_t *tags;

	if (form == NULL || strcmp(form, "note/1") != 0)
		return bk_fault_set(f, BK_DATA, "this is no note: 'bk' is not "
		    "note/1");
	if (id == NULL || rec->id == NULL || strcmp(id, rec->id) != 0)
		return bk_fault_set(f, BK_DATA, "a note on another backup");
	tags = json_object_get(rec->json, "tags");
	if (!json_is_object(tags)) {
		if (bk_json_set(rec->json, "tags", json_object(), f) == -1)
			return -1;
		tags = json_object_get(rec->json, "tags");
	}
	if (merge_tags(tags, note, f) == -1 ||
	    merge_mark(rec->json, note, "hold", f) == -1 ||
	    merge_mark(rec->json, note, "suspect", f) == -1)
		return -1;
	return merge_good(rec->json, note, f);
}

/* The note as it is stored: ${members} with bk, id and time before them. */
static json_t *
note_json(const struct bk_record *rec, int64_t now, const json_t *members,
    struct bk_fault *f)
{
	char when[BK_TIME_LEN];
	json_t *o = json_object();
	const char *key;
	json_t *v;

	if (bk_json_set_text(o, "bk", "note/1", f) == -1 ||
	    bk_json_set_text(o, "id", rec->id, f) == -1 ||
	    bk_json_set_text(o, "time", bk_time_text(now, when), f) == -1)
		goto fail;
	json_object_foreach((json_t *)(uintptr_t)members, key, v)
		if (bk_json_set(o, key, json_incref(v), f) == -1)
			goto fail;
	return o;
fail:
	json_decref(o);
	return NULL;
}

int
bk_note_write(const struct bk_ctx *ctx, struct bk_store *s,
    struct bk_record *rec, const json_t *note, struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX), text = BK_BUF_INIT(NOTE_MAX);
	struct bk_object o;
	char ulid[BK_ULID_LEN + 1];
	json_t *json = NULL;
	int64_t now;
	int rc = -1;

	if (bk_record_current(rec, f) == -1 ||
	    bk_manifest_key(&key, rec->name, rec->id, f) == -1)
		goto out;
	if ((rc = bk_store_stat(s, bk_buf_text(&key), &o, f)) != 0) {
		if (rc == BK_ABSENT)
			rc = bk_fault_set(f, BK_NOINPUT, "there is no backup %s "
			    "of '%s' in %s", rec->id, rec->name, s->url);
		goto out;
	}
	rc = -1;
	if (bk_store_now(ctx, s, &now, f) == -1 || bk_ulid_new(now, ulid, f) == -1 ||
	    (json = note_json(rec, now, note, f)) == NULL ||
	    bk_json_text(json, &text, f) == -1 ||
	    bk_buf_adds(&text, "\n", f) == -1)
		goto out;
	bk_buf_reset(&key);
	if (bk_buf_addf(&key, f, ".bk/manifest/%s/%s.%s.json", rec->name,
	    rec->id, ulid) == -1)
		goto out;
	rc = bk_store_put_small(s, bk_buf_text(&key), text.p, text.len,
	    BK_PUT_NEW, f);
	if (rc == BK_EXISTS)
		rc = bk_fault_set(f, BK_CANTCREATE, "note '%s' is there already",
		    bk_buf_text(&key));
	if (rc == 0)
		rc = bk_note_merge(rec, json, f);
out:
	json_decref(json);
	bk_buf_release(&text);
	bk_buf_release(&key);
	return rc;
}
