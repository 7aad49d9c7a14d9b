/*
 * Completeness marks of an RDB file, the dump of Redis.  Facts (redis 7.0,
 * rdb.c, crc64.c): it begins with "REDIS" and four digits, its version; it
 * ends with the opcode 0xff and, since version 5, the CRC-64 of all bytes
 * before it, little-endian.  The CRC is Jones': polynomial
 * 0xad93d23594c935a9, reflected, begun with 0 and not inverted ("123456789"
 * gives 0xe9c6d914c4b8d9ca).  With "rdbchecksum no" it is eight zeros.
 *
 * Versions: Redis 7.0 writes 10, 7.2 writes 11, 7.4 and 8 write 12.  The end
 * of a newer one that is not as expected commits on the exit status.
 *
 * Between both ends nothing is interpreted: the last nine bytes are held
 * back, the CRC runs over the others by eight bytes at a time (slicing).
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "redis.h"

#define POLY 0x95ac9329ac4bc9b5ULL	/* Jones, reflected */
#define MAGIC 9				/* "REDIS0010" */
#define KNOWN 12
#define SUMMED 5			/* first version with a CRC */
#define TAIL 9				/* opcode and CRC */
#define OPCODE_END 0xff

struct rdb_marks {
	struct bk_marks m;
	uint64_t table[8][256];
	uint64_t crc;			/* of all but the last ntail bytes */
	uint64_t bytes;
	uint8_t head[MAGIC];
	uint8_t tail[TAIL];
	size_t ntail;
	bool unsummed;
};

static void
make_table(uint64_t table[8][256])
{
	uint64_t c;
	int i, k;

	for (i = 0; i < 256; i++) {
		c = (uint64_t)i;
		for (k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ POLY : c >> 1;
		table[0][i] = c;
	}
	for (i = 0; i < 256; i++)
		for (k = 1; k < 8; k++)
			table[k][i] = table[k - 1][i] >> 8 ^
			    table[0][table[k - 1][i] & 0xff];
}

static uint64_t
le64(const uint8_t *p)
{
	uint64_t v = 0;
	int i;

	for (i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static uint64_t
crc64(const struct rdb_marks *k, uint64_t crc, const uint8_t *p, size_t n)
{
	const uint64_t (*t)[256] = k->table;

	for (; n >= 8; n -= 8, p += 8) {
		crc ^= le64(p);
		crc = t[7][crc & 0xff] ^ t[6][crc >> 8 & 0xff] ^
		    t[5][crc >> 16 & 0xff] ^ t[4][crc >> 24 & 0xff] ^
		    t[3][crc >> 32 & 0xff] ^ t[2][crc >> 40 & 0xff] ^
		    t[1][crc >> 48 & 0xff] ^ t[0][crc >> 56];
	}
	for (; n > 0; n--, p++)
		crc = crc >> 8 ^ t[0][(crc ^ *p) & 0xff];
	return crc;
}

/* The version in the header; -1 where there is none. */
static int
version(const struct rdb_marks *k)
{
	int i, v = 0;

	if (memcmp(k->head, "REDIS", 5) != 0)
		return -1;
	for (i = 5; i < MAGIC; i++) {
		if (k->head[i] < '0' || k->head[i] > '9')
			return -1;
		v = v * 10 + (k->head[i] - '0');
	}
	return v;
}

static int
rdb_write(struct bk_marks *m, const void *data, size_t n, struct bk_fault *f)
{
	struct rdb_marks *k = (struct rdb_marks *)m;
	const uint8_t *p = data;
	size_t want, out;

	if (k->bytes < MAGIC) {
		want = MAGIC - (size_t)k->bytes;
		want = want < n ? want : n;
		memcpy(k->head + k->bytes, p, want);
		if (k->bytes + want == MAGIC && version(k) == -1)
			return bk_fault_set(f, BK_DATA, "no RDB file");
	}
	k->bytes += n;
	/* What leaves the held bytes, then what passes them by. */
	out = k->ntail + n > TAIL ? k->ntail + n - TAIL : 0;
	want = out < k->ntail ? out : k->ntail;
	k->crc = crc64(k, k->crc, k->tail, want);
	k->ntail -= want;
	memmove(k->tail, k->tail + want, k->ntail);
	out -= want;
	k->crc = crc64(k, k->crc, p, out);
	memcpy(k->tail + k->ntail, p + out, n - out);
	k->ntail += n - out;
	return 0;
}

static int
rdb_finish(struct bk_marks *m, struct bk_fault *f)
{
	struct rdb_marks *k = (struct rdb_marks *)m;
	int v = k->bytes >= MAGIC ? version(k) : -1;
	uint64_t sum;

	if (v == -1)
		return bk_fault_set(f, BK_DATA, "no RDB file");
	if (v < SUMMED) {
		k->unsummed = true;
		return k->tail[TAIL - 1] == OPCODE_END && k->bytes > MAGIC ?
		    BK_MARKS_PROVEN : bk_fault_set(f, BK_DATA,
		    "RDB file without its end");
	}
	sum = le64(k->tail + 1);
	if (k->bytes >= MAGIC + TAIL && k->tail[0] == OPCODE_END) {
		k->unsummed = sum == 0;
		if (sum == 0 || crc64(k, k->crc, k->tail, 1) == sum)
			return BK_MARKS_PROVEN;
		if (v <= KNOWN)
			return bk_fault_set(f, BK_DATA,
			    "RDB file whose CRC-64 does not match: cut or damaged");
	}
	return v > KNOWN ? BK_MARKS_UNKNOWN :
	    bk_fault_set(f, BK_DATA, "RDB file without its end");
}

static void
rdb_free(struct bk_marks *m)
{
	free(m);
}

bool
bk_marks_rdb_unsummed(const struct bk_marks *m)
{
	const void *k = m;

	return ((const struct rdb_marks *)k)->unsummed;
}

struct bk_marks *
bk_marks_rdb(struct bk_fault *f)
{
	struct rdb_marks *k = calloc(1, sizeof(*k));

	if (k == NULL) {
		bk_fault_errno(f, BK_IO, ENOMEM, "redis");
		return NULL;
	}
	make_table(k->table);
	k->m = (struct bk_marks){ rdb_write, rdb_finish, rdb_free };
	return &k->m;
}
