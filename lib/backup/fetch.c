/*
 * The tail of a payload is held back until its size and SHA-256 are known to
 * be right: whatever reads us then has a cut file, not a false one, and every
 * format notices the lack of its last MiB.  Memory: that MiB.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fetch.h"
#include "hash.h"
#include "json.h"

#define HOLD (1024 * 1024)
#define PIECE (256 * 1024)		/* stays in a processor's own cache */

struct fetch {
	const struct bk_record *rec;
	bk_sink_fn *sink;
	void *arg;
	struct bk_sha256 *sha;
	uint64_t seen;
	uint64_t direct;		/* bytes to pass on before holding */
	char *hold;
	size_t held;
};

static int
take_piece(struct fetch *fe, const void *p, size_t n, struct bk_fault *f)
{
	const char *s = p;
	size_t now;

	if (n > fe->rec->bytes - fe->seen)
		return bk_fault_set(f, BK_DATA, "the object is longer than the "
		    "%llu bytes of its record",
		    (unsigned long long)fe->rec->bytes);
	bk_sha256_add(fe->sha, p, n);
	if (fe->seen < fe->direct) {
		now = n < fe->direct - fe->seen ? n :
		    (size_t)(fe->direct - fe->seen);
		if (fe->sink(fe->arg, s, now, f) == -1)
			return -1;
		fe->seen += now;
		s += now;
		n -= now;
	}
	memcpy(fe->hold + fe->held, s, n);
	fe->held += n;
	fe->seen += n;
	return 0;
}

/* Of what a download hands over, each byte is gone over several times. */
static int
take(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	const char *s = p;
	size_t k;

	for (; n > 0; s += k, n -= k) {
		k = n < PIECE ? n : PIECE;
		if (take_piece(arg, s, k, f) == -1)
			return -1;
	}
	return 0;
}

/* Everything has come: is it what was committed?  Then let the rest out. */
static int
settle(struct fetch *fe, struct bk_fault *f)
{
	char hex[BK_SHA256_HEX];

	if (fe->seen != fe->rec->bytes)
		return bk_fault_set(f, BK_DATA, "the object ends after %llu of "
		    "%llu bytes", (unsigned long long)fe->seen,
		    (unsigned long long)fe->rec->bytes);
	bk_sha256_hex(fe->sha, hex);
	if (strcmp(hex, fe->rec->sha256) != 0)
		return bk_fault_set(f, BK_DATA, "the SHA-256 of the object is "
		    "not that of its record: it is damaged");
	if (fe->held == 0)
		return 0;
	return fe->sink(fe->arg, fe->hold, fe->held, f);
}

/* Look first, so that nothing is let out of an object of another size. */
static int
look(struct bk_store *s, const struct bk_record *rec, struct bk_fault *f)
{
	struct bk_object o;

	switch (bk_store_stat(s, rec->key, &o, f)) {
	case 0:
		break;
	case BK_ABSENT:
		return bk_fault_set(f, BK_NOINPUT, "the object is gone from %s",
		    s->url);
	default:
		return -1;
	}
	if (o.bytes == rec->bytes)
		return 0;
	return bk_fault_set(f, BK_DATA, "the object has %llu bytes, its record "
	    "says %llu", (unsigned long long)o.bytes,
	    (unsigned long long)rec->bytes);
}

int
bk_fetch(struct bk_store *s, const struct bk_record *rec, bk_sink_fn *sink,
    void *arg, struct bk_fault *f)
{
	struct fetch fe = { .rec = rec, .sink = sink, .arg = arg };
	int rc = -1;

	if (bk_record_current(rec, f) == -1 || look(s, rec, f) == -1)
		goto out;
	fe.direct = rec->bytes > HOLD ? rec->bytes - HOLD : 0;
	if ((fe.hold = malloc(HOLD)) == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		goto out;
	}
	if ((fe.sha = bk_sha256_new(f)) == NULL)
		goto out;
	rc = rec->bytes == 0 ? 0 :
	    bk_store_get(s, rec->key, 0, UINT64_MAX, take, &fe, f);
	if (rc == BK_ABSENT)
		rc = bk_fault_set(f, BK_NOINPUT, "the object is gone from %s",
		    s->url);
	if (rc == 0)
		rc = settle(&fe, f);
out:
	if (rc == -1 && f->err != EPIPE)
		bk_fault_context(f, "backup %s, '%s'",
		    rec->id != NULL ? rec->id : "?",
		    rec->key != NULL ? rec->key : "?");
	bk_sha256_free(fe.sha);
	free(fe.hold);
	return rc;
}

/* Members of a record that are not the header's. */
static bool
of_commit(const char *key)
{
	static const char *const own[] = {
		"bk", "id", "finished", "key", "bytes", "sha256", "stages",
		"store", "link", "hold", "suspect", "good", "requires", NULL
	};
	size_t i;

	for (i = 0; own[i] != NULL; i++)
		if (strcmp(own[i], key) == 0)
			return true;
	return false;
}

json_t *
bk_fetch_header(const struct bk_record *rec, struct bk_fault *f)
{
	json_t *h = json_object();
	const char *key;
	json_t *v;

	if (bk_json_set_text(h, "bk", "stream/1", f) == -1)
		goto fail;
	json_object_foreach(rec->json, key, v)
		if (!of_commit(key) && !json_is_null(v) &&
		    bk_json_set(h, key, json_incref(v), f) == -1)
			goto fail;
	return h;
fail:
	json_decref(h);
	return NULL;
}

json_t *
bk_fetch_end(const struct bk_record *rec, struct bk_fault *f)
{
	json_t *end = json_object();
	json_t *info = json_object_get(rec->json, "info");
	json_t *requires = json_object_get(rec->json, "requires");

	if (bk_json_set_text(end, "end", "ok", f) == 0 &&
	    bk_json_set(end, "stages",
	    json_deep_copy(json_object_get(rec->json, "stages")), f) == 0 &&
	    (info == NULL || bk_json_set(end, "info", json_deep_copy(info),
	    f) == 0) && (requires == NULL || bk_json_set(end, "requires",
	    json_deep_copy(requires), f) == 0))
		return end;
	json_decref(end);
	return NULL;
}
