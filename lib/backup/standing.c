#include <string.h>

#include "json.h"
#include "standing.h"

static unsigned int
flags_of(const json_t *o)
{
	const char *proof = bk_json_get_text(json_object_get(o, "info"), "proof");
	unsigned int flags = 0;

	if (bk_json_get_text(o, "suspect") != NULL)
		flags |= BK_RETAIN_SUSPECT;
	if (json_is_true(json_object_get(o, "good")))
		flags |= BK_RETAIN_ACCEPTED;
	if (proof == NULL || strcmp(proof, "none") != 0)
		flags |= BK_RETAIN_PROVEN;
	if (bk_json_get_text(o, "hold") != NULL)
		flags |= BK_RETAIN_HELD;
	return flags;
}

struct bk_retain_in
bk_standing(const struct bk_record *rec)
{
	struct bk_retain_in in = { .time = rec->time, .id = rec->id,
		.name = rec->name, .bytes = BK_BYTES_UNKNOWN };
	int64_t bytes;

	if (rec->version != 1) {
		in.flags = BK_RETAIN_UNREADABLE;
		return in;
	}
	in.parent = rec->parent;
	in.stored = rec->bytes;
	in.flags = flags_of(rec->json);
	bytes = bk_json_get_int(json_array_get(json_object_get(rec->json,
	    "stages"), 0), "bytes");
	if (bytes >= 0)
		in.bytes = (uint64_t)bytes;
	return in;
}
