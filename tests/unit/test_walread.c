/*
 * Reading the log.  With files of segments as arguments: show what ends in
 * them, for tests/wal-read.bats to compare with pg_waldump.  Without: records
 * made here, for what a server does not write when asked.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "hooked.h"
#include "segments.h"
#include "tap.h"
#include "walhead.h"
#include "walread.h"
#include "when.h"

static int
show(void *arg, const struct bk_wal_event *e, struct bk_fault *f)
{
	static const char *const words[] = { "COMMIT", "ABORT", "RESTORE_POINT" };
	char when[BK_TIME_LEN];

	(void)arg;
	(void)f;
	printf("%" PRIX32 "/%08" PRIX32 " %s ", (uint32_t)(e->lsn >> 32),
	    (uint32_t)e->lsn, words[e->what]);
	if (e->what == BK_WAL_POINT)
		printf("%s\n", e->point);
	else
		printf("%.19s.%06d\n", bk_time_text(e->time / 1000000 * 1000, when),
		    (int)(e->time % 1000000));
	return 0;
}

/* In pieces of ${piece} bytes. */
static int
show_files(char **files, size_t piece)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_wal_reader *r = bk_wal_reader_new(show, NULL, &f);
	uint8_t *buf = malloc(piece);
	size_t n;
	int rc = 0;

	for (; rc == 0 && *files != NULL; files++) {
		FILE *fp = fopen(*files, "r");

		while (rc == 0 && fp != NULL && (n = fread(buf, 1, piece, fp)) > 0)
			rc = bk_wal_reader_write(r, buf, n, &f);
		if (fp != NULL)
			(void)fclose(fp);
	}
	if (rc == -1)
		fprintf(stderr, "%s\n", f.text);
	fprintf(stderr, "end %" PRIX32 "/%08" PRIX32 "%s\n",
	    (uint32_t)(bk_wal_reader_end(r) >> 32),
	    (uint32_t)bk_wal_reader_end(r),
	    bk_wal_reader_ended(r) ? " ended" : "");
	bk_wal_reader_free(r);
	free(buf);
	return rc == 0 ? 0 : 65;
}

#define BLOCK 8192
static uint8_t seg[SEGMENT_BYTES];
static size_t pos;
static uint64_t prev, number = 5;	/* of the segment */

static void
put16(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, 2);
}

static void
put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, 4);
}

static void
put64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, 8);
}

static void
page(uint32_t rest)
{
	uint8_t *p = seg + pos;
	bool first = pos == 0;

	put16(p, 0xd110);
	put16(p + 2, (uint16_t)((first ? 2 : 0) | (rest > 0 ? 1 : 0)));
	put32(p + 4, 1);
	put64(p + 8, number * SEGMENT_BYTES + pos);
	put32(p + 16, rest);
	if (first) {
		put64(p + 24, SEGMENT_SYSTEM);
		put32(p + 32, SEGMENT_BYTES);
		put32(p + 36, BLOCK);
	}
	pos += first ? BK_WAL_HEAD_LEN : BK_WAL_PAGE_LEN;
}

/* A record with this main data; ${twist} is added to its CRC. */
static void
record(uint8_t manager, uint8_t info, const void *data, uint32_t n,
    uint32_t twist)
{
	static uint8_t rec[70000];
	uint32_t total = 24 + 5 + n, i, crc;

	memset(rec, 0, 24);
	put32(rec, total);
	put32(rec + 4, 777);
	put64(rec + 8, prev);
	rec[16] = info;
	rec[17] = manager;
	rec[24] = 254;
	put32(rec + 25, n);
	memcpy(rec + 29, data, n);
	crc = bk_crc32c(bk_crc32c(0, rec + 24, total - 24), rec, 20) + twist;
	put32(rec + 20, crc);
	pos = (pos + 7) / 8 * 8;
	if (pos % BLOCK == 0)
		page(0);
	prev = number * SEGMENT_BYTES + pos;
	for (i = 0; i < total; i++) {
		if (pos % BLOCK == 0)
			page(total - i);
		seg[pos++] = rec[i];
	}
}

static void
commit(int64_t seconds, uint32_t more, uint32_t twist)
{
	static uint8_t data[65536];

	put64(data, (uint64_t)seconds * 1000000);
	record(1, 0, data, 8 + more, twist);
}

static void
start(uint32_t rest)
{
	memset(seg, 0, sizeof(seg));
	pos = 0;
	prev = 4 * SEGMENT_BYTES;
	page(rest);
	pos += rest;
}

struct seen {
	int n;
	struct bk_wal_event last;
};

static int
note(void *arg, const struct bk_wal_event *e, struct bk_fault *f)
{
	struct seen *s = arg;

	(void)f;
	s->n++;
	s->last = *e;
	return 0;
}

/* Read the segment in pieces of ${piece} bytes; how many events. */
static struct seen
read_it(size_t piece, bool *ended)
{
	struct seen s = { 0 };
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_wal_reader *r = bk_wal_reader_new(note, &s, &f);
	size_t i, n;

	for (i = 0; i < sizeof(seg); i += n) {
		n = sizeof(seg) - i < piece ? sizeof(seg) - i : piece;
		if (bk_wal_reader_write(r, seg + i, n, &f) == -1)
			ok(false, "%s", f.text);
	}
	*ended = bk_wal_reader_ended(r);
	bk_wal_reader_free(r);
	return s;
}

static void
test_shapes(void)
{
	static const uint8_t point[72] = "\0\0\0\0\0\0\0\0before";
	struct seen s;
	bool ended;
	int i;

	start(1001);
	commit(10, 0, 0);
	commit(20, 30000, 0);
	commit(30, 8000, 0);
	record(1, 0x20, "\0\0\0\0\0\0\0\0", 8, 0);
	record(1, 0x10, "\0\0\0\0\0\0\0\0", 8, 0);
	record(0, 0x70, point, sizeof(point), 0);
	s = read_it(sizeof(seg), &ended);
	ok_int(s.n, 5, "behind what another segment began, over pages");
	ok(s.last.what == BK_WAL_POINT && strcmp(s.last.point, "before") == 0 &&
	    s.last.time == INT64_C(946684800000000), "the restore point");
	ok(ended, "and zeros end it");
	for (i = 1; i < 9000; i += 1237) {
		s = read_it((size_t)i, &ended);
		ok_int(s.n, 5, "the same in pieces");
	}

	start(0);
	commit(10, 0, 0);
	commit(20, 0, 1);
	commit(30, 0, 0);
	s = read_it(4096, &ended);
	ok(s.n == 1 && ended, "a wrong CRC ends it");
	start(0);
	commit(10, 0, 0);
	prev = 4711;
	commit(20, 0, 0);
	s = read_it(4096, &ended);
	ok(s.n == 1 && ended, "a record that follows another one ends it");

	/* What is left of an older use of the file. */
	start(0);
	commit(10, 0, 0);
	commit(20, 20000, 0);
	put64(seg + 2 * BLOCK + 8, BLOCK);
	s = read_it(4096, &ended);
	ok(s.n == 1 && ended, "a page of another place ends it");
	start(0);
	commit(10, 0, 0);
	commit(20, 20000, 0);
	put32(seg + 2 * BLOCK + 16, 17);
	s = read_it(4096, &ended);
	ok(s.n == 1 && ended, "and one that goes on with another record");

	/* A crash left a record unfinished: PostgreSQL 15's mark for it. */
	start(0);
	commit(10, 0, 0);
	commit(20, 20000, 0);
	pos = 2 * BLOCK;
	memset(seg + pos, 0, 2 * BLOCK);
	page(0);
	put16(seg + 2 * BLOCK + 2, 8);
	prev = 1;
	commit(30, 0, 0);
	s = read_it(4096, &ended);
	ok(s.n == 2 && s.last.time == INT64_C(946684830000000), "overwritten");
}

static void
test_refused(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_wal_reader *r = bk_wal_reader_new(NULL, NULL, &f);

	ok(bk_wal_reader_write(r, "no segment of WAL at all, but 40 bytes  ", 40,
	    &f) == -1 && f.status == BK_DATA, "no segment: %s", f.text);
	bk_wal_reader_free(r);
	f = (struct bk_fault)BK_FAULT_INIT;
	r = bk_wal_reader_new(NULL, NULL, &f);
	start(0);
	put16(seg, 0xd1ff);
	ok(bk_wal_reader_write(r, seg, sizeof(seg), &f) == -1 &&
	    f.status == BK_DATA, "a version to come: %s", f.text);
	bk_wal_reader_free(r);
}

/* The segment as made here into the store. */
static void
store_it(struct bk_store *s, const char *ulid)
{
	struct bk_wal_source src = BK_WAL_SOURCE_INIT;
	const struct bk_wal_how how = { .name = "app", .threads = 1 };
	struct bk_fault f = BK_FAULT_INIT;
	const char *path = segment_file(tap_dir(), 1, number, SEGMENT_SYSTEM, 1,
	    ulid != NULL ? ".partial" : "");

	segment_bend(path, 0, seg, sizeof(seg));
	ok((ulid == NULL ? bk_wal_source_open(&src, path, 0, &f) :
	    bk_wal_source_growing(&src, path, 0, ulid, tap_dir(), &f)) == 0 &&
	    bk_wal_push(s, &how, &src, &f) == 0, "stored: %s", f.text);
	bk_wal_source_release(&src);
}

static void
test_last(void)
{
	struct bk_store *s = hooked_open("last");
	struct bk_wal_runs runs = BK_WAL_RUNS_INIT;
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_wal_event e;
	uint64_t last;

	start(0);
	commit(10, 0, 0);
	commit(11, 0, 0);
	record(0, 0x40, "", 0, 0);	/* the rest is not used */
	store_it(s, NULL);
	for (number = 6; number < 10; number++) {
		last = prev;
		start(0);
		prev = last;
		record(0, 0x40, "", 0, 0);
		store_it(s, NULL);
	}
	ok(bk_wal_runs(s, "app", &runs, &f) == 0 && runs.len == 1, "a run");
	ok_int(bk_wal_last_commit(s, "app", &runs.v[0], 3, &e, &f), BK_ABSENT,
	    "none in the last three");
	ok_int(bk_wal_last_commit(s, "app", &runs.v[0], 8, &e, &f), 0, "further");
	ok(e.time == INT64_C(946684811000000), "the last of them");
	last = prev;
	start(0);
	prev = last;
	commit(12, 0, 0);
	store_it(s, "01JD7ZAAAAAAAAAAAAAAAAAAAA");
	ok_int(bk_wal_last_commit(s, "app", &runs.v[0], 1, &e, &f), 0,
	    "in what grows behind it");
	ok(e.time == INT64_C(946684812000000), "later");
	bk_wal_runs_release(&runs);
	bk_store_close(s);
}

int
main(int argc, char **argv)
{
	if (argc > 2)
		return show_files(argv + 2, (size_t)strtoul(argv[1], NULL, 10));
	test_shapes();
	test_refused();
	test_last();
	return done();
}
