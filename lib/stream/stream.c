/*
 * The stream between programs: reader.
 *
 * Every byte is read once, by the CRC, and copied by nobody but the kernel:
 * what lies in the bk_rbuf is handed out in place.
 *
 * The CRC ends where its own digits begin, so their place must be known
 * without knowing JSON: last member, eight digits, '"', '}', newline.  That
 * the line ends so and that the object's last member holds the same digits is
 * both checked; nothing else can look like it, since a quote inside a JSON
 * string has a backslash before it (RFC 8259, section 7).
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "hash.h"
#include "json.h"
#include "names.h"
#include "stream.h"
#include "when.h"

#define CRC_DIGITS 8
#define CRC_TAIL (CRC_DIGITS + 3)	/* digits, '"', '}', newline */

struct bk_stream_in {
	struct bk_rbuf *r;
	json_t *header;
	json_t *end;			/* ok or failed line, without crc32 */
	uint64_t bytes;			/* payload handed out */
	size_t left;			/* of the block being read */
	uint32_t crc;
	enum { AT_HEADER, AT_BODY, AT_END, BROKEN } state;
};

struct bk_stream_in *
bk_stream_reader(struct bk_rbuf *r, struct bk_fault *f)
{
	struct bk_stream_in *in = calloc(1, sizeof(*in));

	if (in == NULL)
		bk_fault_errno(f, BK_IO, errno, "stream reader");
	else
		in->r = r;
	return in;
}

void
bk_stream_in_free(struct bk_stream_in *in)
{
	if (in == NULL)
		return;
	json_decref(in->header);
	json_decref(in->end);
	free(in);
}

static int
no_stream(struct bk_fault *f)
{
	return bk_fault_set(f, BK_DATA, "the input is no bk stream, or cut in "
	    "its first line; plain bytes enter by 'bk-dump exec: -- COMMAND' "
	    "or 'bk-put --raw'");
}

/* Check the members of ${o}, an object of tags. */
static int
check_tags(json_t *o, struct bk_fault *f)
{
	const char *key;
	json_t *v;

	json_object_foreach(o, key, v) {
		if (!bk_tag_key_ok(key))
			return bk_fault_set(f, BK_DATA,
			    "stream header: bad tag '%s'", key);
		if (!json_is_string(v) || !bk_tag_value_ok(json_string_value(v)))
			return bk_fault_set(f, BK_DATA,
			    "stream header: bad value of tag '%s'", key);
	}
	return 0;
}

static int
check_filters(const json_t *a, struct bk_fault *f)
{
	const char *name;
	const json_t *ext, *v;
	size_t i;

	json_array_foreach(a, i, v) {
		name = bk_json_get_text(v, "filter");
		if (name == NULL || !bk_engine_ok(name))
			return bk_fault_set(f, BK_DATA,
			    "stream header: bad filter %zu", i + 1);
		ext = json_object_get(v, "ext");
		if (ext != NULL && (!json_is_string(ext) ||
		    !bk_ext_ok(json_string_value(ext))))
			return bk_fault_set(f, BK_DATA,
			    "stream header: filter '%s': bad ext", name);
	}
	return 0;
}

static int
check_header(const json_t *h, struct bk_fault *f)
{
	static const struct {
		const char *key;
		bool (*good)(const char *);
	} words[] = {
		{ "name", bk_name_ok },
		{ "engine", bk_engine_ok },
		{ "ext", bk_ext_ok },
	};
	static const char *const objects[] = { "tags", "source", "info" };
	struct bk_fault tf = BK_FAULT_INIT;
	const char *s;
	json_t *v;
	int64_t t;
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		s = bk_json_get_text(h, words[i].key);
		if (s == NULL || !words[i].good(s))
			return bk_fault_set(f, BK_DATA,
			    "stream header: %s '%s' of '%s'",
			    s == NULL ? "no" : "bad", words[i].key,
			    s == NULL ? "" : s);
	}
	s = bk_json_get_text(h, "time");
	if (s == NULL || bk_time_parse(s, &t, &tf) == -1)
		return bk_fault_set(f, BK_DATA, "stream header: bad time '%s'",
		    s == NULL ? "" : s);
	for (i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
		v = json_object_get(h, objects[i]);
		if (v != NULL && !json_is_object(v))
			return bk_fault_set(f, BK_DATA,
			    "stream header: '%s' is no object", objects[i]);
	}
	v = json_object_get(h, "filters");
	if (!json_is_array(v))
		return bk_fault_set(f, BK_DATA,
		    "stream header: no array 'filters'");
	if (check_filters(v, f) == -1)
		return -1;
	v = json_object_get(h, "tags");
	return v == NULL ? 0 : check_tags(v, f);
}

/* Check "bk":"stream/N". */
static int
check_version(const json_t *h, struct bk_fault *f)
{
	const char *s = bk_json_get_text(h, "bk");

	if (s == NULL || strncmp(s, "stream/", 7) != 0)
		return no_stream(f);
	if (strcmp(s + 7, "1") == 0)
		return 0;
	if (s[7] < '1' || s[7] > '9' || strspn(s + 7, "0123456789") != strlen(s + 7))
		return no_stream(f);
	return bk_fault_set(f, BK_DATA, "a stream of version '%s' was made by "
	    "a later bk than this one", s);
}

/* The input must end here. */
static int
check_eof(struct bk_stream_in *in, struct bk_fault *f)
{
	const void *p;
	size_t n;

	switch (bk_rbuf_peek(in->r, &p, &n, f)) {
	case BK_END:
		return 0;
	case BK_MORE:
		return bk_fault_set(f, BK_DATA,
		    "bytes follow the end line of the stream");
	default:
		return -1;
	}
}

/*
 * Is the line's CRC there, in its place, and right?  ${o} is the parsed line;
 * its "crc32" is removed.
 */
static int
check_crc(struct bk_stream_in *in, json_t *o, const char *line, size_t n,
    struct bk_fault *f)
{
	const char *crc = bk_json_get_text(o, "crc32");
	const char *digits;
	const char *key, *last = NULL;
	char want[CRC_DIGITS + 1];
	uint8_t be[4];
	uint32_t v;
	json_t *m;

	json_object_foreach(o, key, m)
		last = key;
	if (crc == NULL || strlen(crc) != CRC_DIGITS ||
	    strcmp(last, "crc32") != 0 || n < CRC_TAIL ||
	    memcmp(line + n - 3, "\"}\n", 3) != 0)
		return bk_fault_set(f, BK_DATA,
		    "the end line of the stream does not end in its CRC");
	digits = line + n - CRC_TAIL;
	v = bk_crc32(in->crc, line, n - CRC_TAIL);
	be[0] = (uint8_t)(v >> 24);
	be[1] = (uint8_t)(v >> 16);
	be[2] = (uint8_t)(v >> 8);
	be[3] = (uint8_t)v;
	bk_hex(be, sizeof(be), want);
	if (memcmp(digits, want, CRC_DIGITS) != 0 ||
	    memcmp(crc, want, CRC_DIGITS) != 0)
		return bk_fault_set(f, BK_DATA,
		    "the CRC of the stream does not match its bytes");
	json_object_del(o, "crc32");
	return 0;
}

/* The count of the last stage is that of the payload which was read. */
static int
check_count(const struct bk_stream_in *in, const json_t *end,
    struct bk_fault *f)
{
	const json_t *stages = json_object_get(end, "stages");
	const json_t *last;
	const char *name;
	int64_t n;

	if (json_array_size(stages) == 0)
		return bk_fault_set(f, BK_DATA,
		    "the end line of the stream names no stages");
	last = json_array_get(stages, json_array_size(stages) - 1);
	name = bk_json_get_text(last, "stage");
	n = bk_json_get_int(last, "bytes");
	if (name == NULL || n < 0)
		return bk_fault_set(f, BK_DATA,
		    "the end line of the stream has a bad stage");
	if ((uint64_t)n != in->bytes)
		return bk_fault_set(f, BK_DATA, "stage '%s' tells of %" PRId64
		    " bytes, the stream has %" PRIu64, name, n, in->bytes);
	return 0;
}

/* Make a fault of the failed line ${o}. */
static int
tell(const json_t *o, struct bk_fault *f)
{
	const char *stage = bk_json_get_text(o, "stage");
	const char *reason = bk_json_get_text(o, "reason");
	int64_t status = bk_json_get_int(o, "status");
	size_t n = stage == NULL ? 0 : strlen(stage);
	bool named = n > 0 && reason != NULL && strncmp(reason, stage, n) == 0 &&
	    strncmp(reason + n, ": ", 2) == 0;

	bk_fault_set(f, status >= 1 && status <= 127 ? (int)status : BK_DATA,
	    "%s%s%s", named ? "" : stage == NULL ? "an earlier stage" : stage,
	    named ? "" : ": ", reason == NULL ? "failed" : reason);
	f->upstream = true;
	return -1;
}

/*
 * Take an end line, whose reference in ${o} is taken.  0 for a good "ok";
 * else -1 with ${f} set.
 */
static int
take_end(struct bk_stream_in *in, json_t *o, const char *line, size_t n,
    struct bk_fault *f)
{
	const char *kind = bk_json_get_text(o, "end");
	int rc = -1;

	if (check_crc(in, o, line, n, f) == -1 || check_eof(in, f) == -1)
		goto out;
	if (kind != NULL && strcmp(kind, "failed") == 0)
		tell(in->end = json_incref(o), f);
	else if (kind == NULL || strcmp(kind, "ok") != 0)
		bk_fault_set(f, BK_DATA, "unknown end of the stream: '%s'",
		    kind == NULL ? "" : kind);
	else if (check_count(in, o, f) == 0) {
		in->end = json_incref(o);
		rc = 0;
	}
out:
	json_decref(o);
	return rc;
}

int
bk_stream_header(struct bk_stream_in *in, json_t **h, struct bk_fault *f)
{
	struct bk_fault lf = BK_FAULT_INIT;
	const char *line;
	const void *p;
	json_t *o = NULL;
	size_t n;
	int rc;

	assert(in->state == AT_HEADER);
	in->state = BROKEN;
	if ((rc = bk_rbuf_peek(in->r, &p, &n, f)) == -1)
		return -1;
	if (rc == BK_END)
		return bk_fault_set(f, BK_DATA, "the input is empty: the "
		    "program before did not start, or was stopped");
	if (*(const char *)p != '{')
		return no_stream(f);
	if (bk_rbuf_line(in->r, &line, &n, &lf) == -1 ||
	    (o = bk_json_parse(line, n, "stream", &lf)) == NULL) {
		if (lf.status == BK_DATA)
			return no_stream(f);
		return bk_fault_set(f, lf.status, "%s", lf.text);
	}
	if (json_object_get(o, "bk") == NULL && json_object_get(o, "end") != NULL) {
		if (take_end(in, o, line, n, f) == -1)
			return -1;
		return bk_fault_set(f, BK_DATA, "the stream has no header");
	}
	in->header = o;
	if (check_version(o, f) == -1 || check_header(o, f) == -1)
		return -1;
	in->crc = bk_crc32(in->crc, line, n);
	in->state = AT_BODY;
	*h = o;
	return 0;
}

/* Read a line behind the header.  BK_MORE: a block; BK_END; or -1. */
static int
next_line(struct bk_stream_in *in, struct bk_fault *f)
{
	const json_t *data;
	const char *line;
	json_int_t count;
	json_t *o;
	size_t n;
	int rc;

	if ((rc = bk_rbuf_line(in->r, &line, &n, f)) == -1) {
		bk_fault_context(f, "stream after %" PRIu64 " bytes of payload",
		    in->bytes);
		return -1;
	}
	if (rc == BK_END)
		return bk_fault_set(f, BK_DATA, "the stream ends without an end "
		    "line after %" PRIu64 " bytes of payload: the program before "
		    "was stopped", in->bytes);
	if ((o = bk_json_parse(line, n, "stream", f)) == NULL)
		return -1;
	data = json_object_get(o, "data");
	if (data == NULL && json_object_get(o, "end") != NULL)
		return take_end(in, o, line, n, f) == -1 ? -1 : BK_END;
	if (data == NULL || json_object_get(o, "end") != NULL) {
		json_decref(o);
		return bk_fault_set(f, BK_DATA, "unknown kind of line in the "
		    "stream after %" PRIu64 " bytes of payload", in->bytes);
	}
	count = json_is_integer(data) ? json_integer_value(data) : -1;
	json_decref(o);
	if (count < 1 || count > BK_BLOCK_MAX)
		return bk_fault_set(f, BK_DATA, "bad length of a block in the "
		    "stream after %" PRIu64 " bytes of payload: want 1 to %d",
		    in->bytes, BK_BLOCK_MAX);
	in->crc = bk_crc32(in->crc, line, n);
	in->left = (size_t)count;
	return BK_MORE;
}

int
bk_stream_read(struct bk_stream_in *in, const void **p, size_t *n,
    struct bk_fault *f)
{
	int rc;

	if (in->state == AT_END)
		return BK_END;
	assert(in->state == AT_BODY);
	if (in->left == 0 && (rc = next_line(in, f)) != BK_MORE) {
		in->state = rc == BK_END ? AT_END : BROKEN;
		return rc;
	}
	rc = bk_rbuf_bytes(in->r, in->left, p, n, f);
	if (rc != BK_MORE) {
		in->state = BROKEN;
		if (rc == BK_END)
			bk_fault_set(f, BK_DATA, "the stream is cut in a block "
			    "after %" PRIu64 " bytes of payload: the program "
			    "before was stopped", in->bytes);
		return -1;
	}
	in->crc = bk_crc32(in->crc, *p, *n);
	in->left -= *n;
	in->bytes += *n;
	return BK_MORE;
}

json_t *
bk_stream_end(struct bk_stream_in *in)
{
	return in->end;
}

uint64_t
bk_stream_in_bytes(const struct bk_stream_in *in)
{
	return in->bytes;
}

size_t
bk_stream_filters(const json_t *header)
{
	return json_array_size(json_object_get(header, "filters"));
}

json_t *
bk_stream_last_filter(const json_t *header)
{
	size_t n = bk_stream_filters(header);

	return n == 0 ? NULL :
	    json_array_get(json_object_get(header, "filters"), n - 1);
}
