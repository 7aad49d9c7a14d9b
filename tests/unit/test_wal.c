/* WAL: names and keys, push, find, fetch, runs, on a file store. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hooked.h"
#include "segments.h"
#include "tap.h"
#include "walhead.h"

#define SYS SEGMENT_SYSTEM

static const struct {
	const char *file;
	int kind;			/* -1: none */
	uint32_t tli;
	uint64_t at;
} names[] = {
	{ "000000010000000A000000FF", BK_WAL_SEGMENT, 1, 0xa000000ffULL },
	{ "000000010000000A000000FF.partial", BK_WAL_PARTIAL, 1, 0xa000000ffULL },
	{ "000000010000000A000000FF.00000028.backup", BK_WAL_BACKUP, 1,
	    0xa000000ffULL },
	{ "000000010000000A000000FF.partial-01JD7ZAAAAAAAAAAAAAAAAAAAA",
	    BK_WAL_GROWING, 1, 0xa000000ffULL },
	{ "0000000A.history", BK_WAL_HISTORY, 10, 0 },
	{ "00000000.history", -1, 0, 0 },
	{ "000000000000000A000000FF", -1, 0, 0 },
	{ "000000010000000a000000ff", -1, 0, 0 },
	{ "000000010000000A000000F", -1, 0, 0 },
	{ "000000010000000A000000FF0", -1, 0, 0 },
	{ "000000010000000A000000FF.partial-x", -1, 0, 0 },
	{ "000000010000000A000000FF.28.backup", -1, 0, 0 },
	{ "000000010000000A000000FF.gz", -1, 0, 0 },
	{ "history", -1, 0, 0 },
	{ "", -1, 0, 0 }
};

static void
test_names(void)
{
	struct bk_wal_name n;
	uint64_t v;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		bool good = bk_wal_name_parse(names[i].file, &n);

		ok(good == (names[i].kind != -1), "'%s'", names[i].file);
		if (good)
			ok((int)n.kind == names[i].kind && n.tli == names[i].tli &&
			    n.at == names[i].at, "its parts");
	}
	(void)bk_wal_name_parse("000000010000000A000000FF", &n);
	ok_int(bk_wal_number(&n, 16U << 20), 10 * 256 + 255, "of 16 MiB");
	bk_wal_segment(1, 11 * 256, 16U << 20, &n);
	ok_text(n.file, "000000010000000B00000000", "a log is full");
	bk_wal_segment(1, 5, 1U << 30, &n);
	ok_text(n.file, "000000010000000100000001", "4 segments of 1 GiB");
	ok(!bk_wal_system_parse("0", &v) && !bk_wal_system_parse("", &v) &&
	    !bk_wal_system_parse("01", &v) && !bk_wal_system_parse("1x", &v) &&
	    !bk_wal_system_parse("18446744073709551616", &v) &&
	    bk_wal_system_parse("18446744073709551615", &v) &&
	    v == UINT64_MAX, "system identifiers");
	ok(!bk_wal_bytes_ok(0) && !bk_wal_bytes_ok(512 << 10) &&
	    bk_wal_bytes_ok(1 << 20) && bk_wal_bytes_ok(1 << 30) &&
	    !bk_wal_bytes_ok(UINT64_C(2) << 30) && !bk_wal_bytes_ok(3 << 20),
	    "sizes");
}

static void
test_keys(void)
{
	static const char *const good[] = {
		"app/wal/7/00000001/000000010000000A000000FF-0123456789abcdef",
		"app/wal/7/00000001/000000010000000A000000FF-0123456789abcdef.gz",
		"app/wal/7/00000001/000000010000000A000000FF-0123456789abcdef.zst.age",
		"app/wal/7/00000001/000000010000000A000000FF.partial-0123456789abcdef.gz",
		"app/wal/7/00000001/000000010000000A000000FF."
		    "partial-01JD7ZAAAAAAAAAAAAAAAAAAAA-0123456789abcdef.gz",
		"app/wal/7/0000000A/0000000A.history-0123456789abcdef"
	};
	static const char *const bad[] = {
		"app/wal/7/00000002/000000010000000A000000FF-0123456789abcdef",
		"app/wal/07/00000001/000000010000000A000000FF-0123456789abcdef",
		"app/wal/7/00000001/000000010000000A000000FF-0123456789abcde",
		"app/wal/7/00000001/000000010000000A000000FF-0123456789abcdef0",
		"app/wal/7/00000001/000000010000000A000000FF-0123456789abcdef.",
		"app/wal/7/00000001/000000010000000A000000FF-0123456789abcdef.GZ",
		"app/wal/7/00000001/000000010000000A000000FF-0123456789abcdef.gz.",
		"app/wal/7/00000001/x/000000010000000A000000FF-0123456789abcdef",
		"app/wal/7/00000001/000000010000000A000000FF",
		"app2/wal/7/00000001/000000010000000A000000FF-0123456789abcdef",
		"app/wal/7", "app"
	};
	struct bk_buf b = BK_BUF_INIT(BK_KEY_MAX);
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_wal_key k;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		bk_buf_reset(&b);
		ok(bk_wal_key_parse(good[i], "app", &k) &&
		    bk_wal_key(&b, "app", &k, &f) == 0, "%s", good[i]);
		ok_text(bk_buf_text(&b), good[i], "and back");
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!bk_wal_key_parse(bad[i], "app", &k), "not %s", bad[i]);
	bk_buf_release(&b);
}

static const struct bk_wal_how plain = { .name = "app", .threads = 1 };
static struct bk_wal_how packed = { .name = "app", .threads = 1 };

static int
push(struct bk_store *s, const struct bk_wal_how *how, const char *path,
    struct bk_wal_key *k, struct bk_fault *f)
{
	struct bk_wal_source src = BK_WAL_SOURCE_INIT;
	int rc = -1;

	*f = (struct bk_fault)BK_FAULT_INIT;
	if (bk_wal_source_open(&src, path, 0, f) == 0)
		rc = bk_wal_push(s, how, &src, f);
	if (k != NULL)
		*k = src.key;
	bk_wal_source_release(&src);
	return rc;
}

static bool
same_file(const char *a, const char *b)
{
	FILE *x = fopen(a, "r"), *y = fopen(b, "r");
	int c = 0, d = 0;

	while (x != NULL && y != NULL && c == d && c != EOF) {
		c = getc(x);
		d = getc(y);
	}
	if (x != NULL)
		(void)fclose(x);
	if (y != NULL)
		(void)fclose(y);
	return c == EOF && d == EOF;
}

/* Fetch ${k} into ${path}. */
static int
fetch(struct bk_store *s, const struct bk_wal_key *k, const char *path,
    struct bk_fault *f)
{
	int rc, fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	*f = (struct bk_fault)BK_FAULT_INIT;
	rc = bk_wal_fetch(s, "app", k, fd, f);
	(void)close(fd);
	return rc;
}

/* There and back, by each codec and none. */
static void
test_round(void)
{
	static const char *const codecs[] = { NULL, "gzip", "zstd" };
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_wal_key k, found;
	char dir[4096], out[4200];
	struct bk_wal_how how = plain;
	const char *path;
	size_t i;

	for (i = 0; i < 3; i++) {
		struct bk_store *s;

		(void)snprintf(dir, sizeof(dir), "round%zu", i);
		s = hooked_open(dir);
		how.codec = codecs[i] != NULL ? bk_codec_find(codecs[i]) : NULL;
		how.level = how.codec != NULL ? how.codec->level_default : 0;
		path = segment_file(tap_dir(), 1, 5, SYS, 1, "");
		ok_int(push(s, &how, path, &k, &f), 0, "pushed");
		ok_int(push(s, &how, path, &k, &f), BK_EXISTS, "the same again");
		ok_int(push(s, &plain, path, &k, &f), BK_EXISTS,
		    "the same in another coat");
		ok_int(hooked_count(s, "app/wal/"), 1, "one object");
		ok_int(bk_wal_find(s, "app", SYS, &k.name, &found, &f), 0,
		    "found");
		ok_text(found.suffix, i == 0 ? "" : how.codec->ext, "suffix");
		(void)snprintf(out, sizeof(out), "%s/out", tap_dir());
		ok_int(fetch(s, &found, out, &f), 0, "fetched");
		ok(same_file(path, out), "the same bytes");
		bk_store_close(s);
	}
}

static void
test_conflict(void)
{
	struct bk_store *s = hooked_open("conflict");
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_wal_key k, found;
	char text[256];
	const char *path = segment_file(tap_dir(), 1, 5, SYS, 1, "");

	ok_int(push(s, &packed, path, &k, &f), 0, "one content");
	path = segment_file(tap_dir(), 1, 5, SYS, 2, "");
	ok_int(push(s, &packed, path, &found, &f), -1, "another content");
	ok_int(f.status, BK_DATA, "is 65");
	ok(strstr(f.text, k.hash) != NULL && strstr(f.text, found.hash) != NULL,
	    "which names both: %s", f.text);
	ok_int(hooked_count(s, "app/wal/"), 1, "and stores nothing");

	(void)snprintf(text, sizeof(text), "app/wal/%" PRIu64
	    "/00000001/%s-ffffffffffffffff.gz", SYS, k.name.file);
	hooked_put(s, text, "x");
	f = (struct bk_fault)BK_FAULT_INIT;
	ok_int(bk_wal_find(s, "app", SYS, &k.name, &found, &f), -1, "two stored");
	ok_int(f.status, BK_DATA, "are 65");
	ok(strstr(f.text, k.hash) != NULL && strstr(f.text,
	    "ffffffffffffffff") != NULL, "both named: %s", f.text);
	path = segment_file(tap_dir(), 1, 5, SYS, 1, "");
	ok_int(push(s, &packed, path, NULL, &f), -1, "for a push too");
	bk_store_close(s);
}

static void
test_systems(void)
{
	struct bk_store *s = hooked_open("systems");
	struct bk_wal_how allow = plain;
	struct bk_fault f = BK_FAULT_INIT;
	uint64_t v[8];
	const char *path = segment_file(tap_dir(), 1, 5, SYS, 1, "");

	allow.new_system = true;
	ok_int(push(s, &plain, path, NULL, &f), 0, "the first system");
	path = segment_file(tap_dir(), 1, 9, SYS, 1, "");
	ok_int(push(s, &plain, path, NULL, &f), 0, "a segment far behind it");
	path = segment_file(tap_dir(), 1, 5, SYS + 7, 1, "");
	ok_int(push(s, &plain, path, NULL, &f), -1, "another system");
	ok_int(f.status, BK_CONFIG, "is 78");
	ok(strstr(f.text, "--new-system") != NULL, "%s", f.text);
	ok_int(push(s, &allow, path, NULL, &f), 0, "unless it may be new");
	path = segment_file(tap_dir(), 1, 6, SYS + 7, 1, "");
	ok_int(push(s, &plain, path, NULL, &f), 0, "and is known then");
	ok_int(bk_wal_systems(s, "app", v, 8, &f), 2, "two systems");
	ok(v[0] == SYS && v[1] == SYS + 7, "in order");
	ok_int(bk_wal_systems(s, "ap", v, 8, &f), 0, "of this name alone");
	bk_store_close(s);
}

/* A file that is not the segment its name says. */
static void
refused(struct bk_store *s, const char *path, const char *why)
{
	struct bk_fault f;

	ok_int(push(s, &plain, path, NULL, &f), -1, "refused");
	ok_int(f.status, BK_DATA, "is 65");
	ok(strstr(f.text, why) != NULL, "'%s' says: %s", f.text, why);
}

static void
test_foreign(void)
{
	struct bk_store *s = hooked_open("foreign");
	struct bk_fault f = BK_FAULT_INIT;
	char dir[4096], control[4200];
	const uint64_t other = 42;
	const char *path;
	FILE *fp;

	path = segment_file(tap_dir(), 1, 5, SYS, 1, "");
	segment_bend(path, 1000, NULL, 0);
	refused(s, path, "has 1000 bytes, a segment of this server has 1048576");
	segment_bend(path, 10, NULL, 0);
	refused(s, path, "it ends after 10 bytes");
	path = segment_file(tap_dir(), 1, 5, SYS, 1, "");
	segment_bend(path, 8, "\0\0\x60\0\0\0\0", 8);
	refused(s, path, "is in fact segment 000000010000000000000006");
	path = segment_file(tap_dir(), 1, 5, SYS, 1, "");
	segment_bend(path, 4, "\2", 1);
	refused(s, path, "is in fact segment 000000020000000000000005");
	path = segment_file(tap_dir(), 1, 5, SYS, 1, "");
	segment_bend(path, 0, "\xd1\x10", 2);
	refused(s, path, "another byte order");
	segment_bend(path, 0, "xx", 2);
	refused(s, path, "no segment of WAL");

	(void)snprintf(dir, sizeof(dir), "%s/data", tap_dir());
	(void)mkdir(dir, 0700);
	(void)snprintf(dir, sizeof(dir), "%s/data/global", tap_dir());
	(void)mkdir(dir, 0700);
	(void)snprintf(control, sizeof(control), "%s/pg_control", dir);
	if ((fp = fopen(control, "w")) == NULL ||
	    fwrite(&other, sizeof(other), 1, fp) != 1 || fclose(fp) != 0)
		abort();
	(void)snprintf(dir, sizeof(dir), "%s/data/pg_wal", tap_dir());
	(void)mkdir(dir, 0700);
	path = segment_file(dir, 1, 5, SYS, 1, "");
	refused(s, path, "is of system 7291000000000000001, not 42");
	ok_int(push(s, &plain, "/nowhere/000000010000000000000005", NULL, &f), -1,
	    "absent");
	ok_int(f.status, BK_NOINPUT, "is 66");
	ok_int(push(s, &plain, "/etc/passwd", NULL, &f), -1, "no name of WAL");
	ok_int(f.status, BK_USAGE, "is 64");
	ok_int(hooked_count(s, ""), 0, "nothing stored");
	bk_store_close(s);
}

/* What a store gives back, bent. */
static void
test_damage(void)
{
	struct bk_store *s = hooked_open("damage");
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_wal_key k, k6, lie;
	struct bk_buf b = BK_BUF_INIT(4096);
	char from[8192], to[8192], out[4200];

	(void)snprintf(out, sizeof(out), "%s/out", tap_dir());
	ok_int(push(s, &packed, segment_file(tap_dir(), 1, 5, SYS, 1, ""), &k,
	    &f), 0, "pushed 5");
	ok_int(push(s, &packed, segment_file(tap_dir(), 1, 6, SYS, 1, ""), &k6,
	    &f), 0, "pushed 6");
	(void)bk_wal_key(&b, "app", &k6, &f);
	(void)snprintf(to, sizeof(to), "%s/damage/%s", tap_dir(), b.p);
	bk_buf_reset(&b);
	(void)bk_wal_key(&b, "app", &k, &f);
	(void)snprintf(from, sizeof(from), "%s/damage/%s", tap_dir(), b.p);

	segment_bend(from, 5000, "XXXX", 4);
	ok_int(fetch(s, &k, out, &f), -1, "a flipped byte");
	ok_int(f.status, BK_DATA, "is 65");
	segment_bend(from, 5000, NULL, 0);
	ok_int(fetch(s, &k, out, &f), -1, "a cut object");
	ok_int(f.status, BK_DATA, "is 65");
	ok(strstr(f.text, k.name.file) != NULL, "named: %s", f.text);
	(void)rename(to, from);
	ok_int(fetch(s, &k, out, &f), -1, "another segment under its key");
	ok_int(f.status, BK_DATA, "is 65");
	ok_int(fetch(s, &k6, out, &f), BK_ABSENT, "and where it was none");

	/* A key that tells the truth of the hash and lies of the name. */
	lie = k;
	memcpy(lie.hash, k6.hash, sizeof(lie.hash));
	bk_buf_reset(&b);
	(void)bk_wal_key(&b, "app", &lie, &f);
	(void)snprintf(to, sizeof(to), "%s/damage/%s", tap_dir(), b.p);
	(void)rename(from, to);
	ok_int(fetch(s, &lie, out, &f), -1, "the right hash under a wrong name");
	ok(strstr(f.text, "is in fact segment 000000010000000000000006") != NULL,
	    "%s", f.text);
	bk_buf_release(&b);
	bk_store_close(s);
}

static void
test_runs(void)
{
	static const uint64_t numbers[] = { 4094, 4095, 4096, 4098, 4099 };
	struct bk_store *s = hooked_open("runs");
	struct bk_wal_runs r = BK_WAL_RUNS_INIT;
	struct bk_wal_how allow = packed;
	struct bk_fault f = BK_FAULT_INIT;
	size_t i;

	allow.new_system = true;
	ok_int(bk_wal_runs(s, "app", &r, &f), 0, "none");
	ok_int(r.len, 0, "at all");
	for (i = 0; i < 5; i++)
		(void)push(s, &packed, segment_file(tap_dir(), 1, numbers[i], SYS,
		    (unsigned int)i, ""), NULL, &f);
	(void)push(s, &packed, segment_file(tap_dir(), 2, 4099, SYS, 9, ""), NULL,
	    &f);
	(void)push(s, &packed, segment_file(tap_dir(), 1, 4100, SYS, 9,
	    ".partial"), NULL, &f);
	(void)push(s, &allow, segment_file(tap_dir(), 1, 4100, SYS + 1, 9, ""),
	    NULL, &f);
	hooked_put(s, "app/wal/7291000000000000001/00000001/"
	    "000000010000000100000002-ffffffffffffffff", "x");
	hooked_put(s, "app/wal/notes.txt", "x");
	ok_int(bk_wal_runs(s, "app", &r, &f), 0, "read");
	ok_int(r.len, 4, "runs");
	ok_text(r.v[0].first.file, "0000000100000000" "00000FFE", "first begins");
	ok_text(r.v[0].last.file, "000000010000000100000000", "over a log's end");
	ok_int(r.v[0].count, 3, "of three");
	ok_text(r.v[1].first.file, "000000010000000100000002", "behind the gap");
	ok_int(r.v[1].count, 2, "of two");
	ok(r.v[2].tli == 2 && r.v[2].count == 1, "the next timeline");
	ok(r.v[3].system == SYS + 1, "the next system");
	ok_int(r.v[3].segment, SEGMENT_BYTES, "size of a segment");
	ok_int(r.twice, 1, "one is there twice");
	ok_text(r.twice_file, "000000010000000100000002", "this one");
	bk_wal_runs_release(&r);
	bk_store_close(s);
}

/* pg_receivewal's file, again and again. */
static void
test_growing(void)
{
	static const char *const ids[] = { "01JD7ZAAAAAAAAAAAAAAAAAAAA",
		"01JD7ZBBBBBBBBBBBBBBBBBBBB" };
	struct bk_store *s = hooked_open("growing");
	struct bk_wal_source src = BK_WAL_SOURCE_INIT;
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_wal_name n;
	struct bk_wal_key k;
	const char *path;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		ok_int(bk_wal_source_growing(&src, segment_file(tap_dir(), 1, 5,
		    SYS, i, ".partial"), 0, ids[i], tap_dir(), &f), 0, "growing");
		ok_int(bk_wal_push(s, &packed, &src, &f), 0, "pushed");
		bk_wal_source_release(&src);
	}
	(void)bk_wal_name_parse("000000010000000000000005", &n);
	ok_int(bk_wal_find(s, "app", SYS, &n, &k, &f), 0, "stands in");
	ok_text(k.name.file, "000000010000000000000005."
	    "partial-01JD7ZBBBBBBBBBBBBBBBBBBBB", "the newest");
	ok_int(bk_wal_drop_growing(s, "app", SYS, &n, k.name.file, &f), 0,
	    "the others go");
	ok_int(hooked_count(s, "app/wal/"), 1, "one is left");
	path = segment_file(tap_dir(), 1, 5, SYS, 7, ".partial");
	segment_bend(path, 0, "\0\0", 2);
	ok_int(bk_wal_source_growing(&src, path, 0, ids[0], tap_dir(), &f),
	    BK_ABSENT, "not begun");
	bk_wal_source_release(&src);
	(void)remove(path);
	ok_int(bk_wal_source_growing(&src, path, 0, ids[0], tap_dir(), &f),
	    BK_ABSENT, "gone");
	bk_wal_source_release(&src);
	ok_int(push(s, &packed, segment_file(tap_dir(), 1, 5, SYS, 7, ""), NULL,
	    &f), 0, "the whole one");
	ok_int(bk_wal_find(s, "app", SYS, &n, &k, &f), 0, "found");
	ok_text(k.name.file, n.file, "takes its place");
	ok_int(push(s, &packed, segment_file(tap_dir(), 1, 5, SYS, 8,
	    ".partial"), NULL, &f), 0, "a .partial of the server's own");
	bk_store_close(s);
}

int
main(void)
{
	packed.codec = bk_codec_find("gzip");
	packed.level = packed.codec->level_default;
	test_names();
	test_keys();
	test_round();
	test_conflict();
	test_systems();
	test_foreign();
	test_damage();
	test_runs();
	test_growing();
	ok_text(bk_wal_version(0xd116), "17", "a version");
	ok(bk_wal_version(0xd1ff) == NULL, "one to come");
	return done();
}
