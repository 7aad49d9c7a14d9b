/*
 * pg_dump's custom format, versions 1.12 (pg_dump 9.0) to 1.16 (17, 18).
 *
 * Facts, from src/bin/pg_dump/pg_backup_archiver.c (WriteHead, WriteToc,
 * WriteInt, WriteStr) and pg_backup_custom.c of PostgreSQL 9.0 to 17:
 *
 *	"PGDMP", then one byte each: major, minor, revision, size of an
 *	integer, size of an offset, format (1 custom); compression (an integer,
 *	from 1.15 one byte); the date (7 integers); three strings; the number of
 *	entries; the entries; blocks of data.
 *	An integer is a sign byte and its size in bytes, low end first.  A
 *	string is an integer (-1: absent) and so many bytes.  Dependencies are
 *	strings up to an absent one.  An offset is a flag and its size in bytes.
 *	A block: type (1 data, 3 large objects), the entry's number; data are
 *	chunks, each an integer and so many bytes, ended by 0; large objects are
 *	each an OID and data, ended by OID 0.
 *
 * The format has no mark at its end.  Written into a pipe it has no offsets
 * either.  What it has is the contents, which say of each entry whether data
 * follow, and blocks that end by a zero: when the end of every promised block
 * was seen, nothing is missing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pgarchive.h"

#define VERSION_MIN 12
#define VERSION_MAX 16
#define HEAD 11			/* magic and the six bytes behind it */
#define ID_MAX (64 * 1024 * 1024)	/* a bit each: 8 MiB at most */

#define BLOCK_DATA 1
#define BLOCK_OBJECTS 3

enum kind { BYTE, INT, STR, DEPS, OFFSET };
enum keep { NOTHING, COUNT, ID, DATA, TAG, DESC, OWNER };

struct field {
	enum kind kind;
	int since, until;	/* minor versions that have it; until 0: all later */
	enum keep keep;
};

static const struct field header[] = {
	{ INT, 0, 14, NOTHING },	/* compression */
	{ BYTE, 15, 0, NOTHING },
	{ INT, 0, 0, NOTHING },		/* second, minute, hour, day, month, */
	{ INT, 0, 0, NOTHING },		/* year, daylight saving time */
	{ INT, 0, 0, NOTHING },
	{ INT, 0, 0, NOTHING },
	{ INT, 0, 0, NOTHING },
	{ INT, 0, 0, NOTHING },
	{ INT, 0, 0, NOTHING },
	{ STR, 0, 0, NOTHING },		/* database, versions of both sides */
	{ STR, 0, 0, NOTHING },
	{ STR, 0, 0, NOTHING },
	{ INT, 0, 0, COUNT },
};

static const struct field entry[] = {
	{ INT, 0, 0, ID },
	{ INT, 0, 0, DATA },
	{ STR, 0, 0, NOTHING },		/* catalogue, OID */
	{ STR, 0, 0, NOTHING },
	{ STR, 0, 0, TAG },
	{ STR, 0, 0, DESC },
	{ INT, 0, 0, NOTHING },		/* section */
	{ STR, 0, 0, NOTHING },		/* definition, drop, COPY statement */
	{ STR, 0, 0, NOTHING },
	{ STR, 0, 0, NOTHING },
	{ STR, 0, 0, NOTHING },		/* schema, tablespace, access method */
	{ STR, 0, 0, NOTHING },
	{ STR, 14, 0, NOTHING },
	{ INT, 16, 0, NOTHING },	/* relkind */
	{ STR, 0, 0, OWNER },
	{ STR, 0, 0, NOTHING },		/* WITH OIDS */
	{ DEPS, 0, 0, NOTHING },
	{ OFFSET, 0, 0, NOTHING },
};

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

enum where {
	AT_HEAD,
	AT_HEADER,		/* its fields */
	AT_ENTRY,		/* fields of an entry */
	AT_BLOCK,		/* between blocks: the only proper end */
	AT_BLOCK_ID,
	AT_OBJECT,		/* OID of a large object, or 0 */
	AT_CHUNK,		/* its length, or 0 */
	UNKNOWN
};

struct bk_pgarchive {
	bk_pgentry_fn *fn;
	void *arg;
	enum where where;
	size_t field;
	int minor;
	unsigned int intsize, offsize;
	uint8_t tok[HEAD];	/* a small token as it comes */
	unsigned int have;
	bool body;		/* in the bytes of a string */
	char *text;		/* where they go, or NULL */
	size_t textlen;
	uint64_t skip;		/* bytes of string or chunk to come */
	int64_t entries;	/* to come */
	struct bk_pgentry e;
	int64_t block;		/* number of the entry whose block this is */
	bool objects;
	uint8_t *bits;		/* entries whose block has not ended */
	size_t nbits;
	uint64_t blocks, open;	/* promised, and not ended yet */
};

struct bk_pgarchive *
bk_pgarchive_new(bk_pgentry_fn *fn, void *arg, struct bk_fault *f)
{
	struct bk_pgarchive *a;

	if ((a = calloc(1, sizeof(*a))) == NULL) {
		bk_fault_errno(f, 0, ENOMEM, "pg_dump archive");
		return NULL;
	}
	a->fn = fn;
	a->arg = arg;
	return a;
}

void
bk_pgarchive_free(struct bk_pgarchive *a)
{
	if (a == NULL)
		return;
	free(a->bits);
	free(a);
}

bool
bk_pgarchive_listed(const struct bk_pgarchive *a)
{
	return a->where >= AT_BLOCK;
}

bool
bk_pgarchive_unknown(const struct bk_pgarchive *a)
{
	return a->where == UNKNOWN;
}

/* Bytes that the token at hand consists of. */
static unsigned int
want(const struct bk_pgarchive *a)
{
	const struct field *fl;

	switch (a->where) {
	case AT_HEAD:
		return HEAD;
	case AT_BLOCK:
		return 1;
	case AT_HEADER:
	case AT_ENTRY:
		fl = a->where == AT_HEADER ? &header[a->field] : &entry[a->field];
		return fl->kind == BYTE ? 1 :
		    1 + (fl->kind == OFFSET ? a->offsize : a->intsize);
	default:
		return 1 + a->intsize;
	}
}

/* The integer in the token. */
static int64_t
integer(const struct bk_pgarchive *a)
{
	uint64_t v = 0;
	unsigned int i;

	for (i = a->intsize; i > 0; i--)
		v = v << 8 | a->tok[i];
	v &= INT64_MAX;
	return a->tok[0] != 0 ? -(int64_t)v : (int64_t)v;
}

/* Go to the next field of ${list} that this version has; false: none left. */
static bool
next_field(struct bk_pgarchive *a, const struct field *list, size_t n)
{
	while (++a->field < n)
		if (list[a->field].since <= a->minor &&
		    (list[a->field].until == 0 || list[a->field].until >= a->minor))
			return true;
	return false;
}

static void
begin_entry(struct bk_pgarchive *a)
{
	a->where = a->entries > 0 ? AT_ENTRY : AT_BLOCK;
	a->field = 0;
	memset(&a->e, 0, sizeof(a->e));
}

static int
promise(struct bk_pgarchive *a, int64_t id, struct bk_fault *f)
{
	size_t n = (size_t)id / 8 + 1;
	uint8_t *p;

	if (id >= ID_MAX) {
		a->where = UNKNOWN;
		return 0;
	}
	if (n > a->nbits) {
		n = n < 512 ? 512 : n * 2;
		if ((p = realloc(a->bits, n)) == NULL)
			return bk_fault_errno(f, 0, ENOMEM, "pg_dump archive");
		memset(p + a->nbits, 0, n - a->nbits);
		a->bits = p;
		a->nbits = n;
	}
	if (a->bits[id / 8] & 1U << id % 8)
		return bk_fault_set(f, BK_DATA,
		    "pg_dump archive: two entries have the number %lld",
		    (long long)id);
	a->bits[id / 8] |= (uint8_t)(1U << id % 8);
	a->blocks++;
	a->open++;
	return 0;
}

static int
end_entry(struct bk_pgarchive *a, struct bk_fault *f)
{
	if (a->e.data && promise(a, a->e.id, f) == -1)
		return -1;
	if (a->fn != NULL && a->fn(a->arg, &a->e, f) == -1)
		return -1;
	if (a->where == UNKNOWN)
		return 0;
	a->entries--;
	begin_entry(a);
	return 0;
}

/* The field at hand has been read. */
static int
end_field(struct bk_pgarchive *a, struct bk_fault *f)
{
	if (a->where == AT_HEADER) {
		if (!next_field(a, header, LEN(header)))
			begin_entry(a);
		return 0;
	}
	return next_field(a, entry, LEN(entry)) ? 0 : end_entry(a, f);
}

static int
damaged(const char *what, struct bk_fault *f)
{
	return bk_fault_set(f, BK_DATA, "damaged pg_dump archive: %s", what);
}

static char *
place(struct bk_pgarchive *a, enum keep keep)
{
	return keep == TAG ? a->e.tag : keep == DESC ? a->e.desc :
	    keep == OWNER ? a->e.owner : NULL;
}

static int
take_field(struct bk_pgarchive *a, struct bk_fault *f)
{
	const struct field *fl = a->where == AT_HEADER ? &header[a->field] :
	    &entry[a->field];
	int64_t v;

	if (fl->kind == BYTE || fl->kind == OFFSET)
		return end_field(a, f);
	v = integer(a);
	if (fl->kind == STR || fl->kind == DEPS) {
		if (v > INT32_MAX)
			return damaged("a text longer than there can be", f);
		if (v < 0)	/* absent; ends a list of dependencies */
			return end_field(a, f);
		a->skip = (uint64_t)v;
		a->text = place(a, fl->keep);
		a->textlen = 0;
		a->body = true;
		return 0;
	}
	if ((fl->keep == COUNT || fl->keep == ID) && v < 0)
		return damaged("a count or number below 0", f);
	if (fl->keep == COUNT)
		a->entries = v;
	else if (fl->keep == ID)
		a->e.id = v;
	else if (fl->keep == DATA)
		a->e.data = v != 0;
	return end_field(a, f);
}

/* The bytes of a string or chunk have all come. */
static int
end_body(struct bk_pgarchive *a, struct bk_fault *f)
{
	const struct field *fl;

	a->body = false;
	a->text = NULL;
	if (a->where == AT_CHUNK)
		return 0;
	fl = a->where == AT_HEADER ? &header[a->field] : &entry[a->field];
	return fl->kind == DEPS ? 0 : end_field(a, f);
}

static int
take_head(struct bk_pgarchive *a, struct bk_fault *f)
{
	if (memcmp(a->tok, "PGDMP", 5) != 0)
		return bk_fault_set(f, BK_DATA,
		    "not a pg_dump archive: it begins otherwise");
	a->minor = a->tok[6];
	a->intsize = a->tok[8];
	a->offsize = a->tok[9];
	if (a->tok[5] != 1 || a->minor < VERSION_MIN || a->minor > VERSION_MAX) {
		a->where = UNKNOWN;
		return 0;
	}
	if (a->tok[10] != 1)
		return bk_fault_set(f, BK_DATA,
		    "not a pg_dump archive in custom format");
	if ((a->intsize != 4 && a->intsize != 8) ||
	    (a->offsize != 4 && a->offsize != 8))
		return damaged("sizes that no machine has", f);
	a->where = AT_HEADER;
	a->field = (size_t)-1;
	(void)next_field(a, header, LEN(header));
	return 0;
}

static int
end_block(struct bk_pgarchive *a)
{
	a->bits[a->block / 8] &= (uint8_t)~(1U << a->block % 8);
	a->open--;
	a->where = AT_BLOCK;
	return 0;
}

static int
take_block(struct bk_pgarchive *a, struct bk_fault *f)
{
	int64_t v;

	if (a->where == AT_BLOCK) {
		if (a->tok[0] != BLOCK_DATA && a->tok[0] != BLOCK_OBJECTS)
			return damaged("a block of an unknown kind", f);
		a->objects = a->tok[0] == BLOCK_OBJECTS;
		a->where = AT_BLOCK_ID;
		return 0;
	}
	v = integer(a);
	if (v < 0)
		return damaged("a length or number below 0", f);
	switch (a->where) {
	case AT_BLOCK_ID:
		if ((size_t)v / 8 >= a->nbits ||
		    !(a->bits[v / 8] & 1U << v % 8))
			return damaged("a block that the contents do not "
			    "name, or a second one", f);
		a->block = v;
		a->where = a->objects ? AT_OBJECT : AT_CHUNK;
		return 0;
	case AT_OBJECT:
		if (v == 0)
			return end_block(a);
		a->where = AT_CHUNK;
		return 0;
	default:
		if (v > 0) {
			a->skip = (uint64_t)v;
			a->body = true;
			return 0;
		}
		if (!a->objects)
			return end_block(a);
		a->where = AT_OBJECT;
		return 0;
	}
}

static int
take_token(struct bk_pgarchive *a, struct bk_fault *f)
{
	a->have = 0;
	switch (a->where) {
	case AT_HEAD:
		return take_head(a, f);
	case AT_HEADER:
	case AT_ENTRY:
		return take_field(a, f);
	default:
		return take_block(a, f);
	}
}

/* Part of a string or chunk: up to ${n} bytes; returns how many. */
static size_t
take_body(struct bk_pgarchive *a, const uint8_t *p, size_t n)
{
	size_t k;

	if (n > a->skip)
		n = (size_t)a->skip;
	if (a->text != NULL && n > 0 && a->textlen < BK_PG_TEXT - 1) {
		k = BK_PG_TEXT - 1 - a->textlen;
		if (k > n)
			k = n;
		memcpy(a->text + a->textlen, p, k);
		a->textlen += k;
	}
	a->skip -= n;
	return n;
}

int
bk_pgarchive_write(struct bk_pgarchive *a, const void *data, size_t n,
    struct bk_fault *f)
{
	const uint8_t *p = data;
	size_t k;

	while (a->where != UNKNOWN && (n > 0 || (a->body && a->skip == 0))) {
		if (a->body) {
			k = take_body(a, p, n);
			p += k;
			n -= k;
			if (a->skip == 0 && end_body(a, f) == -1)
				return -1;
			continue;
		}
		k = want(a) - a->have;
		if (k > n)
			k = n;
		memcpy(a->tok + a->have, p, k);
		a->have += (unsigned int)k;
		p += k;
		n -= k;
		if (a->have == want(a) && take_token(a, f) == -1)
			return -1;
	}
	return 0;
}

int
bk_pgarchive_finish(const struct bk_pgarchive *a, struct bk_fault *f)
{
	if (a->where == UNKNOWN)
		return 0;
	if (a->where < AT_BLOCK)
		return bk_fault_set(f, BK_DATA,
		    "pg_dump archive is cut within its contents");
	if (a->where != AT_BLOCK || a->open > 0)
		return bk_fault_set(f, BK_DATA,
		    "pg_dump archive is cut: the data of %llu of %llu entries "
		    "did not end", (unsigned long long)a->open,
		    (unsigned long long)a->blocks);
	return 0;
}
