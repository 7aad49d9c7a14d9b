#include <stdio.h>
#include <string.h>

#include "brief.h"
#include "json.h"
#include "when.h"

enum { BK, ID, NAME, TIME, ENGINE, EXT, KEY, BYTES, PARENT, SOURCE, STAGES,
	INFO, SUSPECT, GOOD, HOLD, MEMBERS };

static const char *const members[MEMBERS] = { "bk", "id", "name", "time",
	"engine", "ext", "key", "bytes", "parent", "source", "stages", "info",
	"suspect", "good", "hold" };

/* "<name>/<name>-<time>-<id>.<engine>.<ext>", and perhaps suffixes. */
static bool
key_follows(const struct bk_brief *b, const char *engine, const char *ext)
{
	char want[2 * BK_NAME_MAX + BK_TIME_LEN + BK_ULID_LEN + BK_ENGINE_MAX +
	    BK_EXT_MAX + 8], when[BK_TIME_LEN];
	size_t n;

	(void)snprintf(want, sizeof(want), "%s/%s-%s-%s.%s.%s", b->name, b->name,
	    bk_time_compact(b->time, when), b->id, engine, ext);
	n = strlen(want);
	return strncmp(b->key, want, n) == 0 &&
	    (b->key[n] == '\0' || b->key[n] == '.');
}

/* What the record is called, and when it was made. */
static bool
pick_identity(const struct bk_json_part *v, struct bk_brief *b)
{
	struct bk_fault none = BK_FAULT_INIT;
	char when[64], engine[BK_ENGINE_MAX + 1], ext[BK_EXT_MAX + 1];

	bool good = bk_json_part_text(&v[ID], b->id, sizeof(b->id)) &&
	    strlen(b->id) == BK_ULID_LEN && bk_ulid_ok(b->id) &&
	    bk_json_part_text(&v[NAME], b->name, sizeof(b->name)) &&
	    bk_name_ok(b->name) &&
	    bk_json_part_text(&v[TIME], when, sizeof(when)) &&
	    bk_time_parse(when, &b->time, &none) == 0 &&
	    bk_json_part_text(&v[ENGINE], engine, sizeof(engine)) &&
	    bk_engine_ok(engine) &&
	    bk_json_part_text(&v[EXT], ext, sizeof(ext)) && bk_ext_ok(ext) &&
	    bk_json_part_text(&v[KEY], b->key, sizeof(b->key)) &&
	    bk_key_ok(b->key) && key_follows(b, engine, ext);

	if (good && strcmp(engine, BK_ENGINE_BASE) == 0)
		b->flags |= BK_RETAIN_BASE;
	return good;
}

/* Bytes of the source: those of the first stage. */
static bool
pick_source_bytes(const struct bk_json_part *stages, struct bk_brief *b)
{
	static const char *const bytes[] = { "bytes" };
	const char *at = stages->p;
	struct bk_json_part first, v;
	int rc;

	b->bytes = BK_BYTES_UNKNOWN;
	if (stages->kind != '[' ||
	    (rc = bk_json_pick_next(&at, stages->p + stages->n, &first)) == -1)
		return false;
	if (rc == 0)
		return true;
	if (first.kind != '{' ||
	    bk_json_pick(first.p, first.n, bytes, 1, &v) == -1 ||
	    bk_json_part_int(&v) < 0)
		return false;
	b->bytes = (uint64_t)bk_json_part_int(&v);
	return true;
}

static bool
pick_proof(const struct bk_json_part *info, struct bk_brief *b)
{
	static const char *const proof[] = { "proof" };
	struct bk_json_part v = { NULL, 0, 0 };

	if (info->kind != 0 && (info->kind != '{' ||
	    bk_json_pick(info->p, info->n, proof, 1, &v) == -1))
		return false;
	if (!bk_json_part_is(&v, "none"))
		b->flags |= BK_RETAIN_PROVEN;
	return true;
}

int
bk_brief_pick(const char *line, size_t n, struct bk_brief *b,
    struct bk_json_part *notes)
{
	static const char *const halves[] = { "notes", "record" };
	struct bk_json_part half[2], v[MEMBERS];

	b->parent[0] = '\0';
	b->flags = BK_RETAIN_PAYLOAD;
	b->source = NULL;
	b->source_len = 0;
	b->rec = NULL;
	if (bk_json_pick(line, n, halves, 2, half) == -1 ||
	    half[0].kind != '[' || half[1].kind != '{' ||
	    bk_json_pick(half[1].p, half[1].n, members, MEMBERS, v) == -1 ||
	    !bk_json_part_is(&v[BK], "backup/1") || !pick_identity(v, b) ||
	    bk_json_part_int(&v[BYTES]) < 0 ||
	    !pick_source_bytes(&v[STAGES], b) || !pick_proof(&v[INFO], b))
		return -1;
	b->stored = (uint64_t)bk_json_part_int(&v[BYTES]);
	if (v[PARENT].kind != 0 && v[PARENT].kind != 'n' &&
	    (!bk_json_part_text(&v[PARENT], b->parent, sizeof(b->parent)) ||
	    strlen(b->parent) != BK_ULID_LEN || !bk_ulid_ok(b->parent)))
		return -1;
	if (v[SOURCE].kind == '{') {
		b->source = v[SOURCE].p;
		b->source_len = v[SOURCE].n;
	} else if (v[SOURCE].kind != 0)
		return -1;
	if (v[SUSPECT].kind == '"')
		b->flags |= BK_RETAIN_SUSPECT;
	if (v[GOOD].kind == 't')
		b->flags |= BK_RETAIN_ACCEPTED;
	if (v[HOLD].kind == '"')
		b->flags |= BK_RETAIN_HELD;
	*notes = half[0];
	return 0;
}

struct bk_retain_in
bk_retain_of(const struct bk_record *rec)
{
	struct bk_retain_in in = { .time = rec->time, .id = rec->id,
		.name = rec->name, .bytes = BK_BYTES_UNKNOWN };
	json_t *first = json_array_get(json_object_get(rec->json, "stages"), 0);
	int64_t bytes = bk_json_get_int(first, "bytes");
	const char *proof = bk_json_get_text(json_object_get(rec->json, "info"),
	    "proof");

	if (rec->version != 1) {
		in.flags = BK_RETAIN_UNREADABLE;
		return in;
	}
	in.parent = rec->parent;
	in.stored = rec->bytes;
	if (bytes >= 0)
		in.bytes = (uint64_t)bytes;
	in.flags = BK_RETAIN_PAYLOAD;
	if (bk_json_get_text(rec->json, "suspect") != NULL)
		in.flags |= BK_RETAIN_SUSPECT;
	if (json_is_true(json_object_get(rec->json, "good")))
		in.flags |= BK_RETAIN_ACCEPTED;
	if (proof == NULL || strcmp(proof, "none") != 0)
		in.flags |= BK_RETAIN_PROVEN;
	if (strcmp(rec->engine, BK_ENGINE_BASE) == 0)
		in.flags |= BK_RETAIN_BASE;
	if (bk_json_get_text(rec->json, "hold") != NULL)
		in.flags |= BK_RETAIN_HELD;
	return in;
}

void
bk_brief_of(const struct bk_record *rec, struct bk_brief *b)
{
	struct bk_retain_in in = bk_retain_of(rec);

	*b = (struct bk_brief){ .time = in.time, .bytes = in.bytes,
		.stored = in.stored, .flags = in.flags, .rec = rec };
	(void)snprintf(b->id, sizeof(b->id), "%s", rec->id);
	(void)snprintf(b->name, sizeof(b->name), "%s", rec->name);
	if (rec->parent != NULL)
		(void)snprintf(b->parent, sizeof(b->parent), "%s", rec->parent);
	if (rec->key != NULL)
		(void)snprintf(b->key, sizeof(b->key), "%s", rec->key);
}
