/*
 * Layout (access/xlog_internal.h, xlogrecord.h, xact.h and xlogdefs.h of
 * PostgreSQL 9.5 to 18; the parts read here are the same in all of them):
 *
 * Pages of "block" bytes begin with the short or, where XLP_LONG_HEADER is
 * set, the long header.  Records begin at multiples of 8 and go on behind the
 * headers of the pages that they cross, where xlp_rem_len tells how much is
 * left.  A record is length, transaction, address of the record before it,
 * info, resource manager and CRC-32C: 24 bytes; then headers of its blocks
 * and of its main data, then the data of the blocks, then the main data.  The
 * CRC goes over all that follows it and then over what precedes it.
 *
 * The end of a transaction (resource manager 1) begins its main data with the
 * time in microseconds since 2000-01-01; 9.5 and 9.6 built with floating point
 * times are not read.  A restore point (resource manager 0, info 0x70) is the
 * time and 64 bytes of name.  Neither has blocks.
 */
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "walhead.h"
#include "walread.h"

#define HEAD 24				/* of a record */
#define KEEP 160			/* its head, data header, time and name */
#define EPOCH INT64_C(946684800000000)	/* 2000-01-01 */

#define CONTRECORD 1			/* xlp_info */
#define LONG_HEADER 2
#define OVERWRITTEN 8

struct bk_wal_reader {
	bk_wal_event_fn *fn;
	void *arg;
	struct bk_wal_head first;	/* block 0: not read yet */
	uint64_t at;			/* address of the next byte */
	uint64_t end;
	bool ended;
	bool switched;			/* the rest of the segment is not used */

	uint8_t page[BK_WAL_HEAD_LEN];	/* header being collected */
	size_t paged;
	uint64_t skip;			/* bytes of records to pass over */

	uint64_t lsn, prev;		/* of this record, of the one before (0: ?) */
	uint32_t total;			/* 0: none begun */
	uint32_t have;
	uint32_t crc;
	uint8_t rec[KEEP];
};

static uint64_t
load(const uint8_t *p, size_t n)
{
	uint64_t v = 0;
	uint32_t v4;
	uint16_t v2;

	if (n == 8) {
		memcpy(&v, p, 8);
		return v;
	}
	if (n == 4) {
		memcpy(&v4, p, 4);
		return v4;
	}
	memcpy(&v2, p, 2);
	return v2;
}

struct bk_wal_reader *
bk_wal_reader_new(bk_wal_event_fn *fn, void *arg, struct bk_fault *f)
{
	struct bk_wal_reader *r = calloc(1, sizeof(*r));

	if (r == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		return NULL;
	}
	r->fn = fn;
	r->arg = arg;
	return r;
}

void
bk_wal_reader_free(struct bk_wal_reader *r)
{
	free(r);
}

uint64_t
bk_wal_reader_end(const struct bk_wal_reader *r)
{
	return r->end;
}

bool
bk_wal_reader_ended(const struct bk_wal_reader *r)
{
	return r->ended;
}

/* Where the main data begin in what was kept of the record; 0: not there. */
static size_t
main_data(const struct bk_wal_reader *r)
{
	size_t at = HEAD;

	while (at < KEEP - 8 && at < r->total)
		switch (r->rec[at]) {
		case 253:			/* replication origin, 16 bits */
			at += 3;
			break;
		case 252:			/* transaction above this one */
			at += 5;
			break;
		case 254:			/* 32 bits of length */
			return at + 5;
		case 255:			/* 8 bits */
			return at + 2;
		default:			/* a block */
			return 0;
		}
	return 0;
}

/* Is it one of those that we tell?  Its main data are kept from ${at} on. */
static bool
event(const struct bk_wal_reader *r, struct bk_wal_event *e)
{
	uint8_t info = r->rec[16], manager = r->rec[17];
	size_t at = main_data(r), want = sizeof(uint64_t);

	if (manager == 1 && ((info & 0x70) == 0 || (info & 0x70) == 0x30))
		e->what = BK_WAL_COMMIT;
	else if (manager == 1 && ((info & 0x70) == 0x20 || (info & 0x70) == 0x40))
		e->what = BK_WAL_ABORT;
	else if (manager == 0 && (info & 0xf0) == 0x70) {
		e->what = BK_WAL_POINT;
		want += sizeof(e->point);
	} else
		return false;
	if (at == 0 || at + want > KEEP || at + want > r->total)
		return false;
	e->lsn = r->lsn;
	e->end = r->end;
	e->xid = (uint32_t)load(r->rec + 4, 4);
	e->time = (int64_t)load(r->rec + at, 8);
	e->time = e->time > INT64_MAX - EPOCH ? INT64_MAX : e->time + EPOCH;
	memset(e->point, 0, sizeof(e->point));
	if (e->what == BK_WAL_POINT)
		memcpy(e->point, r->rec + at + 8, sizeof(e->point) - 1);
	return true;
}

/* A whole record has come. */
static int
record(struct bk_wal_reader *r, struct bk_fault *f)
{
	struct bk_wal_event e;

	r->crc = bk_crc32c(r->crc, r->rec, HEAD - 4);
	if (r->crc != (uint32_t)load(r->rec + HEAD - 4, 4)) {
		r->ended = true;
		return 0;
	}
	r->prev = r->lsn;
	r->end = r->at;
	/* XLOG_SWITCH; also where it ends a segment by itself. */
	r->switched = r->rec[17] == 0 && (r->rec[16] & 0xf0) == 0x40 &&
	    (r->at & (r->first.segment - 1)) != 0;
	return r->fn != NULL && event(r, &e) ? r->fn(r->arg, &e, f) : 0;
}

/* The head of a record has come: can it be one? */
static bool
head_ok(const struct bk_wal_reader *r)
{
	uint64_t prev = load(r->rec + 8, 8);

	return prev < r->lsn && (r->prev == 0 || prev == r->prev);
}

/* Take of ${n} bytes, all of one page, what belongs to one record. */
static size_t
part(struct bk_wal_reader *r, const uint8_t *p, size_t n)
{
	size_t k, from;

	if (r->total == 0) {
		/* Its length never crosses a page: records begin at eights. */
		r->lsn = r->at;
		r->have = 0;
		r->crc = 0;
		while (r->have < 4 && r->have < n) {
			r->rec[r->have] = p[r->have];
			r->have++;
		}
		r->at += r->have;
		return r->have;
	}
	k = r->total - r->have < n ? r->total - r->have : n;
	if (r->have < KEEP)
		memcpy(r->rec + r->have, p, k < KEEP - r->have ? k :
		    KEEP - r->have);
	from = r->have >= HEAD ? 0 : HEAD - r->have;
	if (from < k)
		r->crc = bk_crc32c(r->crc, p + from, k - from);
	r->have += (uint32_t)k;
	r->at += k;
	return k;
}

/* Bytes of a page behind its header.  How many were taken, or -1. */
static ssize_t
body(struct bk_wal_reader *r, const uint8_t *p, size_t n, struct bk_fault *f)
{
	uint64_t pad = -r->at & 7;
	size_t k;

	if (r->skip > 0) {
		k = r->skip < n ? (size_t)r->skip : n;
		r->skip -= k;
		r->at += k;
		return (ssize_t)k;
	}
	if (r->total == 0 && r->have == 0 && pad > 0) {
		k = pad < n ? (size_t)pad : n;
		r->at += k;
		return (ssize_t)k;
	}
	if (r->total == 0 && r->have > 0) {
		/* The rest of a length that came in pieces. */
		k = 4 - r->have < n ? 4 - r->have : n;
		memcpy(r->rec + r->have, p, k);
		r->have += (uint32_t)k;
		r->at += k;
	} else
		k = part(r, p, n);
	if (r->total == 0 && r->have == 4) {
		r->total = (uint32_t)load(r->rec, 4);
		r->ended = r->total < HEAD;
	} else if (r->have >= HEAD && r->have - k < HEAD && !head_ok(r))
		r->ended = true;
	if (!r->ended && r->total > 0 && r->have == r->total) {
		if (record(r, f) == -1)
			return -1;
		r->total = r->have = 0;
	}
	return (ssize_t)k;
}

/* A page's header is whole: does the log go on in it? */
static bool
page_ok(struct bk_wal_reader *r)
{
	uint16_t magic = (uint16_t)load(r->page, 2);
	uint16_t info = (uint16_t)load(r->page + 2, 2);
	uint64_t rest = load(r->page + 16, 4);

	if (magic != r->first.magic || load(r->page + 8, 8) != r->at)
		return false;
	if ((info & OVERWRITTEN) != 0) {
		/* What was left unfinished by a crash is void. */
		r->total = r->have = 0;
		r->skip = r->prev = 0;
	} else if (r->total > 0)
		return (info & CONTRECORD) != 0 && rest == r->total - r->have;
	else if ((info & CONTRECORD) != 0 && r->skip == 0)
		r->skip = rest;
	return true;
}

/* The first bytes of all. */
static int
begin(struct bk_wal_reader *r, struct bk_fault *f)
{
	if (bk_wal_head(r->page, sizeof(r->page), &r->first, f) == -1)
		return -1;
	r->at = r->first.address;
	if (bk_wal_version(r->first.magic) != NULL)
		return 0;
	return bk_fault_set(f, BK_DATA, "log of a version that this one does not "
	    "read (page magic %04x)", r->first.magic);
}

/* Collect a page's header.  How many bytes were taken, or -1. */
static ssize_t
header(struct bk_wal_reader *r, const uint8_t *p, size_t n, struct bk_fault *f)
{
	size_t want = BK_WAL_PAGE_LEN, k = 0;

	for (;;) {
		if (r->first.block == 0 || (r->paged >= 4 &&
		    (load(r->page + 2, 2) & LONG_HEADER) != 0))
			want = BK_WAL_HEAD_LEN;
		if (k == n || r->paged == want)
			break;
		r->page[r->paged++] = p[k++];
	}
	if (r->paged < want)
		return (ssize_t)k;
	if (r->first.block == 0 && begin(r, f) == -1)
		return -1;
	r->ended |= !page_ok(r);
	r->at += want;
	r->paged = 0;
	return (ssize_t)k;
}

int
bk_wal_reader_write(void *arg, const void *data, size_t n, struct bk_fault *f)
{
	struct bk_wal_reader *r = arg;
	const uint8_t *p = data;
	size_t left;
	ssize_t k;

	while (n > 0 && !r->ended) {
		if (r->switched) {
			left = (size_t)(-r->at & (r->first.segment - 1));
			k = (ssize_t)(left < n ? left : n);
			r->at += (uint64_t)k;
			r->switched = (size_t)k < left;
			p += k;
			n -= (size_t)k;
			continue;
		}
		left = r->first.block == 0 ? 0 :
		    (size_t)(-r->at & (r->first.block - 1));
		if (left == 0)
			k = header(r, p, n, f);
		else
			k = body(r, p, left < n ? left : n, f);
		if (k == -1)
			return -1;
		p += k;
		n -= (size_t)k;
	}
	return 0;
}
