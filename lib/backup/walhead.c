/*
 * Layout: XLogPageHeaderData is magic 16 bits, flags 16, timeline 32, address
 * 64, rest of an earlier record 32, padding 32; XLogLongPageHeaderData adds
 * the system 64, size of a segment 32 and of a page 32.  The first page of
 * each segment has the long one.  The magic goes up with each version that
 * changes the format; one that we do not know is taken, so that the archiving
 * of a new PostgreSQL does not stop for it.
 */
#include <inttypes.h>
#include <string.h>

#include "walhead.h"

#define LONG_HEADER 2			/* XLP_LONG_HEADER */
#define BLOCK_MIN 1024			/* configure --with-wal-blocksize */
#define BLOCK_MAX 65536

static const struct {
	uint16_t magic;
	const char *version;
} versions[] = {
	{ 0xd087, "9.5" }, { 0xd093, "9.6" }, { 0xd097, "10" },
	{ 0xd098, "11" }, { 0xd101, "12" }, { 0xd106, "13" },
	{ 0xd10d, "14" }, { 0xd110, "15" }, { 0xd113, "16" },
	{ 0xd116, "17" }, { 0xd118, "18" }
};

const char *
bk_wal_version(uint16_t magic)
{
	size_t i;

	for (i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		if (versions[i].magic == magic)
			return versions[i].version;
	return NULL;
}

static uint16_t
load16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint32_t
load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t
load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

int
bk_wal_head(const void *p, size_t n, struct bk_wal_head *h, struct bk_fault *f)
{
	const uint8_t *b = p;

	if (n < BK_WAL_HEAD_LEN)
		return bk_fault_set(f, BK_DATA, "no segment of WAL: it ends "
		    "after %zu bytes", n);
	h->magic = load16(b);
	h->info = load16(b + 2);
	h->tli = load32(b + 4);
	h->address = load64(b + 8);
	h->rest = load32(b + 16);
	h->system = load64(b + 24);
	h->segment = load32(b + 32);
	h->block = load32(b + 36);
	if (h->magic >> 8 != 0xd0 && h->magic >> 8 != 0xd1 &&
	    ((h->magic & 0xff) == 0xd0 || (h->magic & 0xff) == 0xd1))
		return bk_fault_set(f, BK_DATA, "WAL of a machine of another "
		    "byte order");
	if (h->magic >> 8 < 0xd0 || h->magic >> 8 > 0xdf ||
	    (h->info & LONG_HEADER) == 0 || h->system == 0 ||
	    !bk_wal_bytes_ok(h->segment) || h->block < BLOCK_MIN ||
	    h->block > BLOCK_MAX || (h->block & (h->block - 1)) != 0)
		return bk_fault_set(f, BK_DATA, "no segment of WAL: its first "
		    "page has no such header");
	return 0;
}

int
bk_wal_head_check(const struct bk_wal_head *h, const struct bk_wal_name *name,
    uint64_t bytes, uint64_t system, struct bk_fault *f)
{
	uint64_t want = (name->at >> 32 << 32) +
	    (name->at & UINT32_MAX) * h->segment;
	struct bk_wal_name is;

	if (bytes != h->segment)
		return bk_fault_set(f, BK_DATA, "has %" PRIu64 " bytes, a "
		    "segment of this server has %" PRIu32, bytes, h->segment);
	if (system != 0 && h->system != system)
		return bk_fault_set(f, BK_DATA, "is of system %" PRIu64
		    ", not %" PRIu64, h->system, system);
	/*
	 * The first segment of a timeline begins with a copy of the older
	 * one's, whose pages keep their timeline.
	 */
	if (h->address == want &&
	    (name->at & UINT32_MAX) < (UINT64_C(1) << 32) / h->segment &&
	    h->tli != 0 && h->tli <= name->tli)
		return 0;
	bk_wal_segment(h->tli, h->address / h->segment, h->segment, &is);
	return bk_fault_set(f, BK_DATA, "is in fact segment %s", is.file);
}
