/*
 * Records (DESIGN, 4).  What a record says is checked here once, in full, so
 * that nothing behind has to mistrust it: above all that its key is the one
 * that follows from its other members, so that an edited record leads to no
 * other object.  Members that are not known pass through and mean nothing.
 */
#include <ctype.h>
#include <string.h>

#include "codec.h"
#include "hash.h"
#include "json.h"
#include "names.h"
#include "record.h"
#include "store.h"
#include "tags.h"
#include "ulid.h"
#include "when.h"

#define FORMAT "backup/"
#define FILTERS_MAX 16
#define VERSION_MAX 1000000

const char *
bk_filter_suffix(const json_t *filter)
{
	const char *kind = bk_json_get_text(filter, "filter");
	const json_t *own = json_object_get(filter, "ext");
	const struct bk_codec_format *fmt;
	const char *ext;

	if (kind == NULL || !bk_engine_ok(kind))
		return NULL;
	if (own != NULL)
		ext = json_string_value(own);
	else if ((fmt = bk_codec_find(kind)) != NULL)
		ext = fmt->ext;
	else
		ext = kind;
	return ext != NULL && bk_ext_ok(ext) ? ext : NULL;
}

int
bk_record_key(struct bk_buf *b, const char *name, int64_t time, const char *id,
    const char *engine, const char *ext, const json_t *filters,
    struct bk_fault *f)
{
	char when[BK_TIME_LEN];
	const char *suffix;
	size_t i, start = b->len;

	if (!bk_name_ok(name))
		return bk_fault_set(f, BK_USAGE, "'%.100s' is no name: letters, "
		    "digits, '.', '_' and '-', first a letter or digit, 1 to %d "
		    "bytes", name, BK_NAME_MAX);
	if (!bk_engine_ok(engine))
		return bk_fault_set(f, BK_USAGE, "'%.100s' is no engine: a-z, "
		    "digits and '-', first a letter, 1 to %d bytes", engine,
		    BK_ENGINE_MAX);
	if (!bk_ext_ok(ext))
		return bk_fault_set(f, BK_USAGE, "'%.100s' is no extension: a-z "
		    "and digits, 1 to %d bytes", ext, BK_EXT_MAX);
	if (!bk_ulid_ok(id))
		return bk_fault_set(f, BK_DATA, "'%.100s' is no id", id);
	if (json_array_size(filters) > FILTERS_MAX)
		return bk_fault_set(f, BK_DATA, "more than %d filters",
		    FILTERS_MAX);
	if (bk_buf_addf(b, f, "%s/%s-%s-%s.%s.%s", name, name,
	    bk_time_compact(time, when), id, engine, ext) == -1)
		return -1;
	for (i = 0; i < json_array_size(filters); i++) {
		suffix = bk_filter_suffix(json_array_get(filters, i));
		if (suffix == NULL)
			return bk_fault_set(f, BK_DATA, "'filters': entry %zu is "
			    "out of the grammar", i + 1);
		if (bk_buf_addf(b, f, ".%s", suffix) == -1)
			return -1;
	}
	if (b->len - start > BK_KEY_MAX)
		return bk_fault_set(f, BK_USAGE, "the key is longer than %d "
		    "bytes", BK_KEY_MAX);
	return 0;
}

int
bk_manifest_key(struct bk_buf *b, const char *name, const char *id,
    struct bk_fault *f)
{
	if (!bk_name_ok(name) || !bk_ulid_ok(id))
		return bk_fault_set(f, BK_DATA, "no manifest has the name "
		    "'%.100s' and the id '%.100s'", name, id);
	return bk_buf_addf(b, f, ".bk/manifest/%s/%s.json", name, id);
}

static int
bad(struct bk_fault *f, const char *member)
{
	return bk_fault_set(f, BK_DATA,
	    "a record whose '%s' is missing or out of the grammar", member);
}

static bool
ulid_ok(const char *s)
{
	return strlen(s) == BK_ULID_LEN && bk_ulid_ok(s);
}

static bool
sha256_ok(const char *s)
{
	return strlen(s) == BK_SHA256_HEX - 1 &&
	    strspn(s, "0123456789abcdef") == BK_SHA256_HEX - 1;
}

/* Texts that a record must have, or may have (then also null). */
static int
read_texts(struct bk_record *r, struct bk_fault *f)
{
	const struct {
		const char *member;
		const char **to;
		bool (*good)(const char *);
		bool must;
	} texts[] = {
		{ "id", &r->id, ulid_ok, true },
		{ "name", &r->name, bk_name_ok, true },
		{ "engine", &r->engine, bk_engine_ok, true },
		{ "ext", &r->ext, bk_ext_ok, true },
		{ "key", &r->key, bk_key_ok, true },
		{ "sha256", &r->sha256, sha256_ok, true },
		{ "parent", &r->parent, ulid_ok, false },
		{ "host", &r->host, NULL, false },
		{ "store", &r->store, NULL, false },
	};
	const json_t *v;
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		v = json_object_get(r->json, texts[i].member);
		if (!texts[i].must && (v == NULL || json_is_null(v)))
			continue;
		if (!json_is_string(v) || (texts[i].good != NULL &&
		    !texts[i].good(json_string_value(v))))
			return bad(f, texts[i].member);
		*texts[i].to = json_string_value(v);
	}
	return 0;
}

static int
read_time(const json_t *o, const char *member, int64_t *t, struct bk_fault *f)
{
	struct bk_fault why = BK_FAULT_INIT;
	const char *s = bk_json_get_text(o, member);

	if (s == NULL || bk_time_parse(s, t, &why) == -1)
		return bad(f, member);
	return 0;
}

/* Lists and objects: their shape, and what others rely on inside. */
static int
read_rest(struct bk_record *r, struct bk_fault *f)
{
	const json_t *stages = json_object_get(r->json, "stages");
	const json_t *source = json_object_get(r->json, "source");
	const json_t *info = json_object_get(r->json, "info");
	json_t *tags = json_object_get(r->json, "tags");
	const json_t *st;
	const char *sha;
	size_t i;

	if (!json_is_array(json_object_get(r->json, "filters")))
		return bad(f, "filters");
	if (!json_is_array(stages))
		return bad(f, "stages");
	json_array_foreach(stages, i, st) {
		sha = bk_json_get_text(st, "sha256");
		if (bk_json_get_text(st, "stage") == NULL ||
		    bk_json_get_int(st, "bytes") < 0 ||
		    (sha != NULL && !sha256_ok(sha)))
			return bad(f, "stages");
	}
	if (source != NULL && !json_is_object(source))
		return bad(f, "source");
	if (info != NULL && !json_is_object(info))
		return bad(f, "info");
	if (tags != NULL && bk_tags_check(tags, f) == -1)
		return -1;
	return 0;
}

static int
check_key(const struct bk_record *r, struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(4096);
	int rc;

	rc = bk_record_key(&key, r->name, r->time, r->id, r->engine, r->ext,
	    json_object_get(r->json, "filters"), f);
	if (rc == 0 && strcmp(bk_buf_text(&key), r->key) != 0)
		rc = bk_fault_set(f, BK_DATA, "a record whose 'key' does not "
		    "follow from it: '%.200s'", r->key);
	bk_buf_release(&key);
	return rc;
}

/* N of "backup/N", or 0. */
static unsigned int
version_of(const json_t *json)
{
	const char *s = bk_json_get_text(json, "bk");
	unsigned int n = 0;

	if (s == NULL || strncmp(s, FORMAT, sizeof(FORMAT) - 1) != 0)
		return 0;
	s += sizeof(FORMAT) - 1;
	if (*s < '1' || *s > '9')
		return 0;
	for (; isdigit((unsigned char)*s) && n < VERSION_MAX; s++)
		n = n * 10 + (unsigned int)(*s - '0');
	return *s == '\0' ? n : 0;
}

/* What can be shown of a later version: nothing of it has to be right. */
static void
read_later(struct bk_record *r)
{
	struct bk_fault why = BK_FAULT_INIT;
	const char *s;

	if ((s = bk_json_get_text(r->json, "id")) != NULL && ulid_ok(s))
		r->id = s;
	if ((s = bk_json_get_text(r->json, "name")) != NULL && bk_name_ok(s))
		r->name = s;
	r->store = bk_json_get_text(r->json, "store");
	if (read_time(r->json, "time", &r->time, &why) == -1)
		r->time = r->id != NULL ? bk_ulid_time(r->id) : 0;
}

int
bk_record_from(json_t *json, struct bk_record *r, struct bk_fault *f)
{
	int64_t bytes;

	*r = (struct bk_record)BK_RECORD_INIT;
	r->json = json;
	if ((r->version = version_of(json)) == 0) {
		(void)bk_fault_set(f, BK_DATA, "this is no record: 'bk' is not "
		    "backup/1");
		goto fail;
	}
	if (r->version > 1) {
		read_later(r);
		return 0;
	}
	if (read_texts(r, f) == -1 ||
	    read_time(json, "time", &r->time, f) == -1 ||
	    read_time(json, "finished", &r->finished, f) == -1 ||
	    read_rest(r, f) == -1)
		goto fail;
	if ((bytes = bk_json_get_int(json, "bytes")) < 0) {
		(void)bad(f, "bytes");
		goto fail;
	}
	r->bytes = (uint64_t)bytes;
	if (check_key(r, f) == -1) {
		/* What would be usage is bad data in a record that was read. */
		if (f->status == BK_USAGE)
			f->status = BK_DATA;
		goto fail;
	}
	return 0;
fail:
	bk_record_release(r);
	return -1;
}

int
bk_record_set_store(struct bk_record *r, const char *url, struct bk_fault *f)
{
	r->store = NULL;
	(void)json_object_del(r->json, "store");
	if (url == NULL)
		return 0;
	if (bk_json_set_text(r->json, "store", url, f) == -1)
		return -1;
	r->store = bk_json_get_text(r->json, "store");
	return 0;
}

int
bk_record_current(const struct bk_record *r, struct bk_fault *f)
{
	if (r->version == 1)
		return 0;
	return bk_fault_set(f, BK_DATA, "the record of backup %s is of version "
	    "%u, this bk knows version 1: use a later bk",
	    r->id != NULL ? r->id : "?", r->version);
}

void
bk_record_release(struct bk_record *r)
{
	json_decref(r->json);
	*r = (struct bk_record)BK_RECORD_INIT;
}
