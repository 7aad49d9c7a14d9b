/*
 * The way of a recovery through a stored log: by names alone, as a listing
 * shows them.  Moments are tried with a real server (tests/bk-bundle.bats).
 */
#include <stdio.h>
#include <string.h>

#include "hash.h"
#include "hooked.h"
#include "tap.h"
#include "walpath.h"

#define SYSTEM UINT64_C(7291000000000000001)
#define SEGMENT (1U << 20)

/* Segment ${number} of ${tli}, or with ${tail} what is beside it. */
static void
put(struct bk_store *s, uint32_t tli, uint64_t number, const char *tail,
    const char *hash)
{
	struct bk_wal_name n;
	char key[512];

	bk_wal_segment(tli, number, SEGMENT, &n);
	(void)snprintf(key, sizeof(key), "app/wal/%llu/%08X/%s%s-%s.gz",
	    (unsigned long long)SYSTEM, tli, n.file, tail, hash);
	hooked_put(s, key, "x");
}

static void
put_history(struct bk_store *s, uint32_t tli, const char *text)
{
	uint8_t sum[BK_SHA256_LEN];
	char key[512], hex[17];

	bk_sha256_of(text, strlen(text), sum);
	bk_hex(sum, 8, hex);
	(void)snprintf(key, sizeof(key), "app/wal/%llu/%08X/%08X.history-%s",
	    (unsigned long long)SYSTEM, tli, tli, hex);
	hooked_put(s, key, text);
}

static uint32_t end_tli = 1;

/* The way as text: timeline:number for each segment. */
static int
way(struct bk_store *s, uint64_t start, uint64_t stop, char *out, size_t size,
    size_t *histories)
{
	const struct bk_walpath_from from = { SYSTEM, 1, end_tli, SEGMENT,
		start, stop };
	struct bk_walpath p = BK_WALPATH_INIT;
	struct bk_fault f = BK_FAULT_INIT;
	size_t i, n = 0;
	int rc = bk_walpath_read(s, "app", &from, &p, &f);

	out[0] = '\0';
	for (i = 0; i < p.n; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%u:%llu%s", i > 0 ?
		    " " : "", p.v[i].key.name.tli, (unsigned long long)
		    bk_wal_number(&p.v[i].key.name, SEGMENT),
		    p.v[i].key.name.kind == BK_WAL_GROWING ? "+" : "");
	*histories = p.nhistory;
	if (rc == -1)
		printf("# %s\n", f.text);
	bk_walpath_release(&p);
	return rc == -1 ? f.status : rc;
}

static const char hash[] = "0123456789abcdef", other[] = "fedcba9876543210";
static const char old[] = ".partial-01JD7ZAAAAAAAAAAAAAAAAAAAA";
static const char new[] = ".partial-01JD7ZBBBBBBBBBBBBBBBBBBBB";

static void
test_one_timeline(void)
{
	struct bk_store *s = hooked_open("one");
	uint64_t start = 3 * SEGMENT + 100, stop = 5 * SEGMENT;
	char text[512];
	size_t n, h;

	ok_int(way(s, start, stop, text, sizeof(text), &h), BK_ABSENT,
	    "nothing is there");
	put(s, 1, 3, "", hash);
	ok_int(way(s, start, stop, text, sizeof(text), &h), BK_ABSENT,
	    "not all that the backup needs");
	put(s, 1, 2, "", hash);
	put(s, 1, 4, "", hash);
	ok_int(way(s, start, stop, text, sizeof(text), &h), 0,
	    "what it needs: it ends with segment 4");
	ok_text(text, "1:3 1:4", "from its start on");
	for (n = 6; n < 9; n++)
		put(s, 1, n, "", hash);
	(void)way(s, start, stop, text, sizeof(text), &h);
	ok_text(text, "1:3 1:4", "up to a gap");
	put(s, 1, 5, "", hash);
	put(s, 1, 8, ".00000028.backup", hash);
	put(s, 1, 8, ".partial", other);
	put(s, 1, 8, new, other);
	put(s, 1, 9, old, hash);
	put(s, 1, 9, new, other);
	put(s, 1, 11, new, other);
	(void)way(s, start, stop, text, sizeof(text), &h);
	ok_text(text, "1:3 1:4 1:5 1:6 1:7 1:8 1:9+", "and what grows behind");
	ok_int(h, 0, "timeline 1 has no history");
	put(s, 1, 7, "", other);
	ok_int(way(s, start, stop, text, sizeof(text), &h), BK_DATA,
	    "two contents");
	bk_store_close(s);
}

static void
test_timelines(void)
{
	struct bk_store *s = hooked_open("more");
	uint64_t start = 3 * SEGMENT + 100, stop = 4 * SEGMENT - 100;
	char text[512];
	size_t n, h;

	for (n = 3; n < 9; n++)
		put(s, 1, n, "", hash);
	put_history(s, 2, "1\t0/3ff000\tbefore the end of the backup\n");
	put(s, 2, 3, "", hash);
	(void)way(s, start, stop, text, sizeof(text), &h);
	ok_text(text, "1:3 1:4 1:5 1:6 1:7 1:8",
	    "a branch before the backup's end is not taken");
	put_history(s, 3, "# a comment\n1\t0/680000\tno recovery target specified\n\n");
	put(s, 3, 6, "", hash);
	put(s, 3, 7, "", hash);
	ok_int(way(s, start, stop, text, sizeof(text), &h), 0, "a branch");
	ok_text(text, "1:3 1:4 1:5 3:6 3:7",
	    "the segment where it began is the younger's");
	ok_int(h, 1, "its history is on the way");
	put_history(s, 4, "1\t0/680000\tx\n3\t0/800000\ty\n");
	put(s, 4, 8, "", hash);
	(void)way(s, start, stop, text, sizeof(text), &h);
	ok_text(text, "1:3 1:4 1:5 3:6 3:7 4:8", "a branch of a branch");
	ok_int(h, 2, "with both histories");
	put_history(s, 5, "7\t0/680000\tof another\n");
	(void)way(s, start, stop, text, sizeof(text), &h);
	ok_text(text, "1:3 1:4 1:5 3:6 3:7 4:8", "one of another is not taken");
	/* A backup of a standby that followed to timeline 3 meanwhile. */
	end_tli = 3;
	ok_int(way(s, start, 7 * SEGMENT, text, sizeof(text), &h), 0,
	    "a backup over two timelines");
	ok_text(text, "1:3 1:4 1:5 3:6 3:7 4:8", "has its log on both");
	ok_int(way(s, start, 9 * SEGMENT, text, sizeof(text), &h), BK_ABSENT,
	    "one that ends behind what is there");
	end_tli = 1;
	put_history(s, 6, "1\tnowhere\n");
	ok_int(way(s, start, stop, text, sizeof(text), &h), BK_DATA,
	    "a history that cannot be read");
	bk_store_close(s);
}

int
main(void)
{
	test_one_timeline();
	test_timelines();
	return done();
}
