/*
 * jansson with the flags that make it strict: it keeps the order of members
 * (since 2.8), refuses what follows the value, integers beyond 63 bits, bad
 * UTF-8 and, without JSON_ALLOW_NUL, "\u0000"; duplicate members only with
 * JSON_REJECT_DUPLICATES (jansson.readthedocs.io, API reference).
 */
#include <string.h>

#include "io.h"
#include "json.h"
#include "names.h"
#include "when.h"

struct dump {
	struct bk_buf *b;
	struct bk_fault *f;
};

static int
out_of_memory(struct bk_fault *f)
{
	return bk_fault_set(f, BK_IO, "out of memory for JSON");
}

json_t *
bk_json_parse(const char *p, size_t n, const char *what, struct bk_fault *f)
{
	json_error_t e;
	json_t *o;

	if ((o = json_loadb(p, n, JSON_REJECT_DUPLICATES, &e)) == NULL) {
		/* Where memory ran out jansson gives mostly no reason at all. */
		if (e.text[0] == '\0' ||
		    json_error_code(&e) == json_error_out_of_memory)
			(void)out_of_memory(f);
		else
			(void)bk_fault_set(f, BK_DATA,
			    "%s: not a JSON object: %s", what, e.text);
		return NULL;
	}
	if (!json_is_object(o)) {
		(void)bk_fault_set(f, BK_DATA,
		    "%s: not a JSON object: it is an array", what);
		json_decref(o);
		return NULL;
	}
	return o;
}

static int
add(const char *p, size_t n, void *arg)
{
	struct dump *d = arg;

	return bk_buf_add(d->b, p, n, d->f);
}

int
bk_json_text(const json_t *o, struct bk_buf *b, struct bk_fault *f)
{
	struct dump d = { b, f };
	size_t len = b->len;

	if (json_dump_callback(o, add, &d, JSON_COMPACT | JSON_ENCODE_ANY) == 0)
		return 0;
	if (b->p != NULL) {
		b->len = len;
		b->p[len] = '\0';
	}
	return out_of_memory(f);	/* unless add has set it */
}

int
bk_json_set(json_t *o, const char *key, json_t *v, struct bk_fault *f)
{
	return json_object_set_new(o, key, v) == 0 ? 0 : out_of_memory(f);
}

int
bk_json_set_text(json_t *o, const char *key, const char *s, struct bk_fault *f)
{
	return bk_json_set(o, key, bk_json_string(s, strlen(s)), f);
}

int
bk_json_push(json_t *a, json_t *v, struct bk_fault *f)
{
	return json_array_append_new(a, v) == 0 ? 0 : out_of_memory(f);
}

/* A NUL counts as bad: no reader of ours accepts it. */
json_t *
bk_json_string(const char *s, size_t n)
{
	static const char bad[] = "\xef\xbf\xbd";
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_buf b = BK_BUF_INIT(SIZE_MAX);
	json_t *v = NULL;
	size_t k;

	if (bk_utf8_ok(s, n) && memchr(s, '\0', n) == NULL)
		return json_stringn_nocheck(s, n);
	for (; n > 0; s += k, n -= k) {
		bool good = (k = bk_utf8_char(s, n)) > 0 && *s != '\0';

		if (k == 0)
			k = 1;
		if (bk_buf_add(&b, good ? s : bad, good ? k : 3, &f) == -1)
			goto out;
	}
	v = json_stringn_nocheck(b.p, b.len);
out:
	bk_buf_release(&b);
	return v;
}

const char *
bk_json_get_text(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

int64_t
bk_json_get_int(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_integer(v) ? (int64_t)json_integer_value(v) : -1;
}

int64_t
bk_json_get_time(const json_t *o, const char *key)
{
	struct bk_fault quiet = BK_FAULT_INIT;
	const char *s = bk_json_get_text(o, key);
	int64_t t = 0;

	return s != NULL && bk_time_parse(s, &t, &quiet) == 0 ? t : 0;
}

int
bk_json_set_time(json_t *o, const char *key, int64_t t, struct bk_fault *f)
{
	char text[BK_TIME_LEN];

	return t == 0 ? 0 : bk_json_set_text(o, key, bk_time_text(t, text), f);
}

int
bk_json_write(int fd, const json_t *o, const char *what, struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(BK_LINE_MAX);
	int rc = -1;

	if (bk_json_text(o, &b, f) == 0 && bk_buf_adds(&b, "\n", f) == 0)
		rc = bk_write_all(fd, b.p, b.len, what, f);
	bk_buf_release(&b);
	return rc;
}
