/*
 * Facts (documentation of PostgreSQL 13 to 17, "Backup Manifest Format", and
 * what servers write): JSON with one object of "Files" or "WAL-Ranges" on
 * each line and each other member on a line of its own; "Manifest-Checksum"
 * is the last, the SHA-256 of all lines before its own.  That rule makes
 * lines part of the format, so lines are read here, each with a JSON parser.
 * Version 2 (PostgreSQL 17) adds "System-Identifier".  A name that is not
 * UTF-8 is "Encoded-Path" in hexadecimal.
 *
 * A CRC-32C is written as its four bytes lie in the server's memory: least
 * significant first nearly everywhere, so both orders are taken.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>

#include "buf.h"
#include "crc32c.h"
#include "hash.h"
#include "json.h"
#include "marks.h"
#include "pgmanifest.h"

#define LINE_MAX_BYTES (64 * 1024)
#define FILES_MAX (256U * 1024 * 1024)
#define KNOWN_VERSION 2
#define SUM_KEPT 16

struct row {
	uint64_t hash;			/* 0: free */
	uint64_t size;			/* GONE: the manifest named it */
	uint8_t sum[SUM_KEPT];
};

#define GONE UINT64_MAX

struct bk_pgmanifest {
	enum bk_pgsum sum;
	struct row *rows;
	size_t nrows, room;		/* room: a power of 2 */
	size_t unnamed;			/* rows that no line named yet */
	/* The file under way. */
	uint64_t hash, size, left;
	bool open;
	uint32_t crc;
	EVP_MD_CTX *md;
	/* The manifest. */
	struct bk_buf line;
	struct bk_sha256 *own;		/* of the lines so far */
	int64_t version;
	bool ended, unknown;
	json_t *ranges;
	char system[24];
};

static const struct {
	const char *name;
	const EVP_MD *(*md)(void);
	size_t len;
} sums[] = {
	[BK_PGSUM_NONE] = { "NONE", NULL, 0 },
	[BK_PGSUM_CRC32C] = { "CRC32C", NULL, 4 },
	[BK_PGSUM_SHA224] = { "SHA224", EVP_sha224, 28 },
	[BK_PGSUM_SHA256] = { "SHA256", EVP_sha256, 32 },
	[BK_PGSUM_SHA384] = { "SHA384", EVP_sha384, 48 },
	[BK_PGSUM_SHA512] = { "SHA512", EVP_sha512, 64 },
};

const char *
bk_pgsum_name(enum bk_pgsum sum)
{
	return sums[sum].name;
}

int
bk_pgsum_named(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(sums) / sizeof(sums[0]); i++)
		if (strcasecmp(name, sums[i].name) == 0)
			return (int)i;
	return -1;
}

struct bk_pgmanifest *
bk_pgmanifest_new(enum bk_pgsum sum, struct bk_fault *f)
{
	struct bk_pgmanifest *m = calloc(1, sizeof(*m));

	if (m == NULL || (m->own = bk_sha256_new(f)) == NULL ||
	    (m->ranges = json_array()) == NULL ||
	    (m->md = EVP_MD_CTX_new()) == NULL) {
		bk_fault_errno(f, BK_IO, ENOMEM, "backup manifest");
		bk_pgmanifest_free(m);
		return NULL;
	}
	m->sum = sum;
	m->line.max = LINE_MAX_BYTES;
	return m;
}

void
bk_pgmanifest_free(struct bk_pgmanifest *m)
{
	if (m == NULL)
		return;
	EVP_MD_CTX_free(m->md);
	bk_sha256_free(m->own);
	json_decref(m->ranges);
	bk_buf_release(&m->line);
	free(m->rows);
	free(m);
}

const json_t *
bk_pgmanifest_ranges(const struct bk_pgmanifest *m)
{
	return m->ranges;
}

const char *
bk_pgmanifest_system(const struct bk_pgmanifest *m)
{
	return m->system[0] != '\0' ? m->system : NULL;
}

/* ---- the files ---- */

static struct row *
slot(struct row *rows, size_t room, uint64_t hash)
{
	size_t i = (size_t)(hash ^ hash >> 32) & (room - 1);

	while (rows[i].hash != 0 && rows[i].hash != hash)
		i = (i + 1) & (room - 1);
	return &rows[i];
}

static int
grow(struct bk_pgmanifest *m, struct bk_fault *f)
{
	size_t i, room = m->room > 0 ? m->room * 2 : 4096;
	struct row *rows;

	if (m->nrows >= FILES_MAX)
		return bk_fault_set(f, BK_DATA,
		    "a base backup of more than %u files", FILES_MAX);
	if ((rows = calloc(room, sizeof(*rows))) == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "backup manifest");
	for (i = 0; i < m->room; i++)
		if (m->rows[i].hash != 0)
			*slot(rows, room, m->rows[i].hash) = m->rows[i];
	free(m->rows);
	m->rows = rows;
	m->room = room;
	return 0;
}

static bool
overlooked(const char *name)
{
	static const char *const names[] = { "postgresql.auto.conf",
		"recovery.signal", "standby.signal", "recovery.conf", NULL };
	size_t i;

	for (i = 0; names[i] != NULL; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return strncmp(name, "pg_wal/", 7) == 0 ||
	    strncmp(name, "pg_xlog/", 8) == 0;
}

/* The file under way is whole. */
static int
file_done(struct bk_pgmanifest *m, struct bk_fault *f)
{
	uint8_t sum[EVP_MAX_MD_SIZE] = { 0 };
	struct row *r;

	m->open = false;
	if (m->nrows * 4 >= m->room * 3 && grow(m, f) == -1)
		return -1;
	if (m->sum == BK_PGSUM_CRC32C)
		memcpy(sum, &m->crc, sizeof(m->crc));
	else if (sums[m->sum].md != NULL &&
	    EVP_DigestFinal_ex(m->md, sum, NULL) != 1)
		return bk_fault_set(f, BK_BUG, "a digest failed");
	r = slot(m->rows, m->room, m->hash);
	*r = (struct row){ .hash = m->hash, .size = m->size };
	memcpy(r->sum, sum, SUM_KEPT);
	m->nrows++;
	m->unnamed++;
	return 0;
}

int
bk_pgmanifest_file(struct bk_pgmanifest *m, const char *name, uint64_t size,
    struct bk_fault *f)
{
	m->open = !overlooked(name);
	if (!m->open)
		return 0;
	m->hash = bk_hash64(name, strlen(name));
	if (m->room > 0 && slot(m->rows, m->room, m->hash)->hash != 0)
		return bk_fault_set(f, BK_DATA,
		    "the base backup has '%.200s' twice", name);
	m->size = m->left = size;
	m->crc = 0;
	if (sums[m->sum].md != NULL &&
	    EVP_DigestInit_ex(m->md, sums[m->sum].md(), NULL) != 1)
		return bk_fault_set(f, BK_BUG, "a digest failed");
	return size == 0 ? file_done(m, f) : 0;
}

int
bk_pgmanifest_data(struct bk_pgmanifest *m, const void *p, size_t n,
    struct bk_fault *f)
{
	if (!m->open)
		return 0;
	if (m->sum == BK_PGSUM_CRC32C)
		m->crc = bk_crc32c(m->crc, p, n);
	else if (sums[m->sum].md != NULL && EVP_DigestUpdate(m->md, p, n) != 1)
		return bk_fault_set(f, BK_BUG, "a digest failed");
	m->left -= n;
	return m->left == 0 ? file_done(m, f) : 0;
}

/* ---- the manifest ---- */

static int
bad(const char *what, struct bk_fault *f)
{
	return bk_fault_set(f, BK_DATA, "backup manifest: %s", what);
}

/* The checksum of a line against that of the file. */
static int
compare_sum(struct bk_pgmanifest *m, const json_t *o, const char *name,
    const struct row *r, struct bk_fault *f)
{
	const char *kind = bk_json_get_text(o, "Checksum-Algorithm");
	const char *hex = bk_json_get_text(o, "Checksum");
	uint8_t sum[64] = { 0 }, turned[4];
	int i;

	if (kind == NULL && hex == NULL && m->sum == BK_PGSUM_NONE)
		return 0;
	if (kind == NULL || hex == NULL || bk_pgsum_named(kind) != (int)m->sum) {
		m->unknown = true;
		return 0;
	}
	if (bk_unhex(hex, sum, sums[m->sum].len) == -1)
		return bad("a bad checksum", f);
	if (m->sum == BK_PGSUM_CRC32C) {
		for (i = 0; i < 4; i++)
			turned[i] = sum[3 - i];
		if (memcmp(r->sum, sum, 4) == 0 || memcmp(r->sum, turned, 4) == 0)
			return 0;
	} else if (memcmp(r->sum, sum, SUM_KEPT) == 0)
		return 0;
	return bk_fault_set(f, BK_DATA, "'%.200s' has not the checksum that the "
	    "backup manifest gives it", name);
}

static int
compare(struct bk_pgmanifest *m, const json_t *o, const char *name,
    struct bk_fault *f)
{
	int64_t size = bk_json_get_int(o, "Size");
	struct row *r = NULL;
	uint64_t have;

	if (overlooked(name))
		return 0;
	if (m->room > 0)
		r = slot(m->rows, m->room, bk_hash64(name, strlen(name)));
	if (r == NULL || r->hash == 0)
		return bk_fault_set(f, BK_DATA, "'%.200s' of the backup manifest "
		    "is not in the base backup", name);
	if (r->size == GONE)
		return bk_fault_set(f, BK_DATA,
		    "the backup manifest names '%.200s' twice", name);
	have = r->size;
	r->size = GONE;
	m->unnamed--;
	if (size < 0 || (uint64_t)size != have)
		return bk_fault_set(f, BK_DATA, "'%.200s' has %" PRIu64 " bytes, "
		    "%" PRId64 " in the backup manifest", name, have, size);
	return compare_sum(m, o, name, r, f);
}

/* A line that is an object: a file or a range of the log. */
static int
object(struct bk_pgmanifest *m, const char *p, size_t n, struct bk_fault *f)
{
	json_t *o = bk_json_parse(p, n, "backup manifest", f);
	const char *path = bk_json_get_text(o, "Path");
	const char *hex = bk_json_get_text(o, "Encoded-Path");
	char name[LINE_MAX_BYTES / 8];
	int rc = -1;

	if (o == NULL)
		return -1;
	if (path != NULL)
		rc = compare(m, o, path, f);
	else if (hex != NULL && strlen(hex) % 2 == 0 &&
	    strlen(hex) / 2 < sizeof(name) &&
	    bk_unhex(hex, name, strlen(hex) / 2) == 0) {
		name[strlen(hex) / 2] = '\0';
		rc = compare(m, o, name, f);
	} else if (json_object_get(o, "Timeline") != NULL &&
	    json_array_size(m->ranges) < 1000)
		rc = bk_json_push(m->ranges, json_incref(o), f);
	else
		rc = bad("an object that is no file", f);
	json_decref(o);
	return rc;
}

/* Does the line begin with this?  Then what is behind it. */
static const char *
behind(const char *line, const char *what)
{
	size_t n = strlen(what);

	return strncmp(line, what, n) == 0 ? line + n : NULL;
}

static int
own_sum(struct bk_pgmanifest *m, const char *hex, struct bk_fault *f)
{
	char sum[BK_SHA256_HEX];

	bk_sha256_hex(m->own, sum);
	m->ended = true;
	return strncasecmp(hex, sum, 64) == 0 && strcmp(hex + 64, "\"}\n") == 0 ?
	    0 : bad("its own checksum differs", f);
}

static int
take_line(struct bk_pgmanifest *m, struct bk_fault *f)
{
	static const char *const frame[] = { "\"Files\": [\n",
		"\"WAL-Ranges\": [\n", "],\n", "]\n", NULL };
	const char *p = bk_buf_text(&m->line), *rest;
	size_t i, n = m->line.len;

	if (m->ended)
		return bad("bytes behind its checksum", f);
	if ((rest = behind(p, "\"Manifest-Checksum\": \"")) != NULL)
		return own_sum(m, rest, f);
	bk_sha256_add(m->own, p, n);
	if (m->version == 0) {
		if ((rest = behind(p, "{ \"PostgreSQL-Backup-Manifest-Version\": "))
		    == NULL || (m->version = strtol(rest, NULL, 10)) <= 0)
			return bad("it does not begin as one", f);
		return 0;
	}
	if (m->version > KNOWN_VERSION)
		return 0;
	if ((rest = behind(p, "\"System-Identifier\": ")) != NULL) {
		i = strspn(rest, "0123456789");
		if (i == 0 || i >= sizeof(m->system))
			return bad("a bad system identifier", f);
		memcpy(m->system, rest, i);
		return 0;
	}
	for (i = 0; frame[i] != NULL; i++)
		if (strcmp(p, frame[i]) == 0)
			return 0;
	n -= n > 1 && p[n - 2] == ',' ? 2 : 1;
	return p[0] == '{' ? object(m, p, n, f) : bad("an unknown line", f);
}

int
bk_pgmanifest_write(struct bk_pgmanifest *m, const void *data, size_t n,
    struct bk_fault *f)
{
	const char *p = data, *nl;
	size_t take;

	for (; n > 0; p += take, n -= take) {
		nl = memchr(p, '\n', n);
		take = nl != NULL ? (size_t)(nl - p) + 1 : n;
		if (m->line.len + take > LINE_MAX_BYTES)
			return bad("a line of more than 64 KiB", f);
		if (bk_buf_add(&m->line, p, take, f) == -1)
			return -1;
		if (nl == NULL)
			continue;
		if (memchr(m->line.p, '\0', m->line.len) != NULL)
			return bad("a NUL in it", f);
		if (take_line(m, f) == -1)
			return -1;
		bk_buf_reset(&m->line);
	}
	return 0;
}

int
bk_pgmanifest_finish(struct bk_pgmanifest *m, struct bk_fault *f)
{
	if (!m->ended || m->line.len > 0)
		return bad("it is cut", f);
	if (m->version > KNOWN_VERSION)
		return BK_MARKS_UNKNOWN;
	if (m->unnamed > 0)
		return bk_fault_set(f, BK_DATA, "the base backup has %zu files that "
		    "the backup manifest does not name", m->unnamed);
	return m->unknown ? BK_MARKS_UNKNOWN : BK_MARKS_PROVEN;
}
