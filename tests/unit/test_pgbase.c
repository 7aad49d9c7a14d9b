/*
 * PostgreSQL base backups: the archives of both protocols made into one tar,
 * the manifest compared with it, positions and segments.  The streams are
 * made up here, so that they hold what no server would send.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "crc32c.h"
#include "hash.h"
#include "json.h"
#include "pgbase.h"
#include "pgbasefeed.h"
#include "pglsn.h"
#include "tap.h"
#include "tarblock.h"

#define ALL (8U * 1024 * 1024)
#define LABEL "START WAL LOCATION: 0/2000028\nBACKUP FROM: primary\n"

static struct bk_fault nf;

/* A header as the server writes it: all in the name field. */
static void
head(struct bk_buf *b, char type, const char *name, uint64_t size)
{
	uint8_t h[BK_TAR_BLOCK] = { 0 };

	memcpy(h + BK_TAR_NAME, name, strlen(name));
	bk_tarblock_put(h + BK_TAR_MODE, 8, type == '5' ? 0700 : 0600);
	bk_tarblock_put(h + BK_TAR_SIZE, 12, size);
	bk_tarblock_put(h + BK_TAR_MTIME, 12, 1763700000);
	h[BK_TAR_TYPE] = (uint8_t)type;
	memcpy(h + BK_TAR_MAGIC, "ustar\0" "00", 8);
	bk_tarblock_seal(h);
	bk_buf_add(b, h, sizeof(h), &nf);
}

static void
file(struct bk_buf *b, const char *name, const char *data)
{
	static const char zeros[BK_TAR_BLOCK];
	size_t n = strlen(data);

	head(b, '0', name, n);
	bk_buf_add(b, data, n, &nf);
	bk_buf_add(b, zeros, (BK_TAR_BLOCK - n % BK_TAR_BLOCK) % BK_TAR_BLOCK,
	    &nf);
}

static void
zeros(struct bk_buf *b, size_t blocks)
{
	static const char zero[BK_TAR_BLOCK];

	while (blocks-- > 0)
		bk_buf_add(b, zero, sizeof(zero), &nf);
}

/* A tablespace and a data directory, as the server sends them. */
static void
space(struct bk_buf *b, bool end)
{
	head(b, '5', "PG_15_202209061/", 0);
	head(b, '5', "PG_15_202209061/5/", 0);
	file(b, "PG_15_202209061/5/16390", "in the tablespace");
	if (end)
		zeros(b, 2);
}

static void
base(struct bk_buf *b, bool end)
{
	file(b, "backup_label", LABEL);
	file(b, "tablespace_map", "16388 /srv/one\n");
	head(b, '5', "pg_tblspc/", 0);
	file(b, "PG_VERSION", "15\n");
	file(b, "pg_wal/000000010000000000000002", "log");
	head(b, '5', "empty/", 0);
	file(b, "base/1/1", "");
	file(b, "global/pg_control", "control");
	if (end)
		zeros(b, 2);
}

struct named {
	const char *name, *data;
};

static const struct named good[] = { { "backup_label", LABEL },
	{ "tablespace_map", "16388 /srv/one\n" }, { "PG_VERSION", "15\n" },
	{ "base/1/1", "" }, { "global/pg_control", "control" },
	{ "pg_tblspc/16388/PG_15_202209061/5/16390", "in the tablespace" },
	{ NULL, NULL } };

/* The manifest of these files, with CRC-32C or another kind of checksum. */
static void
manifest(struct bk_buf *b, const struct named *files, int version,
    const char *kind)
{
	char hex[BK_SHA256_HEX];
	uint8_t sum[BK_SHA256_LEN];
	uint32_t crc;
	size_t i;

	bk_buf_reset(b);
	bk_buf_addf(b, &nf, "{ \"PostgreSQL-Backup-Manifest-Version\": %d,\n",
	    version);
	if (version >= 2)
		bk_buf_adds(b, "\"System-Identifier\": 7291,\n", &nf);
	bk_buf_adds(b, "\"Files\": [", &nf);
	for (i = 0; files[i].name != NULL; i++) {
		crc = bk_crc32c(0, files[i].data, strlen(files[i].data));
		bk_hex(&crc, 4, hex);
		if (strcmp(kind, "SHA256") == 0) {
			bk_sha256_of(files[i].data, strlen(files[i].data), sum);
			bk_hex(sum, sizeof(sum), hex);
		}
		bk_buf_addf(b, &nf, "%s{ \"Path\": \"%s\", \"Size\": %zu, "
		    "\"Last-Modified\": \"2026-11-21 10:00:00 GMT\", "
		    "\"Checksum-Algorithm\": \"%s\", \"Checksum\": \"%s\" }",
		    i == 0 ? "\n" : ",\n", files[i].name, strlen(files[i].data),
		    kind, hex);
	}
	bk_buf_adds(b, "\n],\n\"WAL-Ranges\": [\n{ \"Timeline\": 3, "
	    "\"Start-LSN\": \"0/2000028\", \"End-LSN\": \"0/4000000\" }\n],\n",
	    &nf);
	bk_sha256_of(b->p, b->len, sum);
	bk_hex(sum, sizeof(sum), hex);
	bk_buf_addf(b, &nf, "\"Manifest-Checksum\": \"%s\"}\n", hex);
}

static int
collect(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	return bk_buf_add(arg, p, n, f);
}

struct lab {
	struct bk_buf out, one, two, man;
	struct bk_pgbasefeed feed;
	struct bk_fault f;
};

static void
begin(struct lab *l, bool list)
{
	*l = (struct lab){ .out = BK_BUF_INIT(ALL), .one = BK_BUF_INIT(ALL),
		.two = BK_BUF_INIT(ALL), .man = BK_BUF_INIT(ALL),
		.f = BK_FAULT_INIT };
	l->feed.tar = bk_pgbasetar_new(collect, &l->out, &l->f);
	l->feed.fd = list ? bk_tmpfile("/tmp", &l->f) : -1;
}

static void
end(struct lab *l)
{
	bk_pgbasetar_free(l->feed.tar);
	if (l->feed.fd != -1)
		close(l->feed.fd);
	bk_buf_release(&l->out);
	bk_buf_release(&l->one);
	bk_buf_release(&l->two);
	bk_buf_release(&l->man);
}

/* In pieces, so that no boundary is where the sender had it. */
static int
pieces(struct lab *l, const struct bk_buf *b, size_t each)
{
	size_t at, n;

	for (at = 0; at < b->len; at += n) {
		n = b->len - at < each ? b->len - at : each;
		if (bk_pgbasefeed_data(&l->feed, b->p + at, n, &l->f) == -1)
			return -1;
	}
	return 0;
}

/* As a server up to 14 sends it. */
static int
old_copies(struct lab *l, size_t each)
{
	return bk_pgbasefeed_archive(&l->feed, "16388", &l->f) == -1 ||
	    pieces(l, &l->one, each) == -1 ||
	    bk_pgbasefeed_archive(&l->feed, NULL, &l->f) == -1 ||
	    pieces(l, &l->two, each) == -1 ||
	    (l->feed.fd != -1 && (bk_pgbasefeed_manifest(&l->feed, &l->f) == -1 ||
	    pieces(l, &l->man, each) == -1)) ? -1 :
	    bk_pgbasefeed_finish(&l->feed, &l->f);
}

static int
message(struct lab *l, char kind, const void *p, size_t n)
{
	struct bk_buf m = BK_BUF_INIT(ALL);
	int rc;

	bk_buf_add(&m, &kind, 1, &nf);
	bk_buf_add(&m, p, n, &nf);
	rc = bk_pgbasefeed_message(&l->feed, m.p, m.len, &l->f);
	bk_buf_release(&m);
	return rc;
}

/* As one from 15 on does. */
static int
new_copy(struct lab *l)
{
	return message(l, 'n', "16388.tar\0/srv/one", 19) == -1 ||
	    message(l, 'd', l->one.p, l->one.len) == -1 ||
	    message(l, 'p', "\0\0\0\0\0\0\0\1", 8) == -1 ||
	    message(l, 'n', "base.tar\0", 10) == -1 ||
	    message(l, 'd', l->two.p, l->two.len) == -1 ||
	    message(l, 'm', "", 0) == -1 ||
	    message(l, 'd', l->man.p, l->man.len) == -1 ? -1 :
	    bk_pgbasefeed_finish(&l->feed, &l->f);
}

/* What the marks say of a tar: their answer, the fault in ${l}. */
static int
marks(struct lab *l, enum bk_pgsum sum)
{
	struct bk_marks *m = bk_marks_pg_base(sum, &l->f);
	size_t at, n;
	int rc = 0;

	for (at = 0; rc == 0 && at < l->out.len; at += n) {
		n = l->out.len - at < 700 ? l->out.len - at : 700;
		rc = m->write(m, l->out.p + at, n, &l->f);
	}
	if (rc == 0)
		rc = m->finish(m, &l->f);
	m->free(m);
	return rc;
}

static void
test_one_tar(void)
{
	struct bk_buf old = BK_BUF_INIT(ALL);
	static const size_t steps[] = { 1, 511, 512, 513, 40000 };
	struct lab l;
	size_t i;

	begin(&l, true);
	space(&l.one, false);
	base(&l.two, false);
	manifest(&l.man, good, 1, "CRC32C");
	ok_int(old_copies(&l, 1000), 0, "an old server's copies");
	ok_text(l.f.text, "", "its fault");
	bk_buf_add(&old, l.out.p, l.out.len, &nf);
	ok_int(marks(&l, BK_PGSUM_CRC32C), BK_MARKS_PROVEN, "and its marks");
	ok_text(l.f.text, "", "their fault");
	ok_text(bk_pgbasetar_label(l.feed.tar), LABEL, "backup_label is kept");
	ok_int(bk_pgbasetar_label_time(l.feed.tar), 1763700000, "and its time");
	end(&l);

	begin(&l, true);
	space(&l.one, true);
	base(&l.two, true);
	manifest(&l.man, good, 1, "CRC32C");
	ok_int(new_copy(&l), 0, "a new server's copy");
	ok(l.out.len == old.len && memcmp(l.out.p, old.p, old.len) == 0,
	    "both give the same tar");
	end(&l);

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		begin(&l, true);
		space(&l.one, false);
		base(&l.two, false);
		manifest(&l.man, good, 1, "CRC32C");
		ok(old_copies(&l, steps[i]) == 0 && l.out.len == old.len &&
		    memcmp(l.out.p, old.p, old.len) == 0, "in pieces of %zu",
		    steps[i]);
		end(&l);
	}

	begin(&l, false);
	space(&l.one, false);
	base(&l.two, false);
	ok_int(old_copies(&l, 1000), 0, "9.6 to 12 send no manifest");
	ok_int(marks(&l, BK_PGSUM_CRC32C), BK_MARKS_PROVEN, "the tar is proof");
	end(&l);
	bk_buf_release(&old);
}

/* What ${l} makes of it is a fault with this text. */
static void
refused(struct lab *l, int rc, const char *text)
{
	ok(rc == -1 && l->f.status == BK_DATA && strstr(l->f.text, text) != NULL,
	    "refused: %s (%s)", text, l->f.text);
	end(l);
}

static void
test_bad_archives(void)
{
	struct lab l;

	begin(&l, false);
	space(&l.one, false);
	base(&l.two, false);
	l.one.len -= BK_TAR_BLOCK;
	refused(&l, old_copies(&l, 700), "it is cut");
	begin(&l, false);
	space(&l.one, false);
	base(&l.two, false);
	l.two.len -= 100;
	refused(&l, old_copies(&l, 700), "it is cut");
	begin(&l, false);
	space(&l.one, true);
	base(&l.two, true);
	file(&l.two, "more", "more");
	refused(&l, old_copies(&l, 700), "bytes behind its end");
	begin(&l, false);
	file(&l.one, "no directory", "x");
	refused(&l, old_copies(&l, 700), "begins with no directory");
	begin(&l, false);
	space(&l.one, false);
	l.one.p[5] ^= 1;
	refused(&l, old_copies(&l, 700), "no valid header");
	begin(&l, false);
	space(&l.one, false);
	head(&l.two, '3', "device", 0);
	refused(&l, old_copies(&l, 700), "no file, directory or link");
	begin(&l, false);
	space(&l.one, false);
	file(&l.two, "PG_VERSION", "15\n");
	refused(&l, old_copies(&l, 700), "it has no backup_label");
	begin(&l, true);
	space(&l.one, false);
	base(&l.two, false);
	refused(&l, old_copies(&l, 700), "no manifest came");
	begin(&l, false);
	refused(&l, bk_pgbasefeed_archive(&l.feed, "../x", &l.f),
	    "no tablespace's number");
	begin(&l, false);
	refused(&l, message(&l, 'd', "x", 1), "data of nothing");
	begin(&l, false);
	refused(&l, message(&l, 'z', "x", 1), "unknown kind");
	begin(&l, false);
	refused(&l, message(&l, 'n', "base.tar", 8), "unknown form");
	begin(&l, false);
	refused(&l, message(&l, 'm', "", 0), "not asked for");
}

/* The marks of a backup whose manifest is in ${l}. */
static int
judged(struct lab *l, enum bk_pgsum sum)
{
	space(&l->one, true);
	base(&l->two, true);
	return new_copy(l) == -1 ? -1 : marks(l, sum);
}

/* Change the first ${from} of the manifest to ${to}, of the same length. */
static void
change(struct lab *l, const char *from, const char *to)
{
	char *p = strstr(l->man.p, from);

	if (ok(p != NULL, "there is '%s' to change", from))
		memcpy(p, to, strlen(to));
}

static void
test_manifest(void)
{
	struct named files[8];
	struct lab l;

	begin(&l, true);
	manifest(&l.man, good, 2, "SHA256");
	ok_int(judged(&l, BK_PGSUM_SHA256), BK_MARKS_PROVEN, "SHA-256, version 2");
	end(&l);
	begin(&l, true);
	manifest(&l.man, good, 1, "SHA256");
	ok_int(judged(&l, BK_PGSUM_CRC32C), BK_MARKS_UNKNOWN,
	    "checksums that were not taken");
	end(&l);
	begin(&l, true);
	manifest(&l.man, good, 3, "CRC32C");
	ok_int(judged(&l, BK_PGSUM_CRC32C), BK_MARKS_UNKNOWN, "a later version");
	end(&l);

	memcpy(files, good, sizeof(good));
	files[2].data = "16\n";
	begin(&l, true);
	manifest(&l.man, files, 1, "CRC32C");
	refused(&l, judged(&l, BK_PGSUM_CRC32C),
	    "'PG_VERSION' has not the checksum");
	files[2].data = "15";
	begin(&l, true);
	manifest(&l.man, files, 1, "CRC32C");
	refused(&l, judged(&l, BK_PGSUM_CRC32C),
	    "'PG_VERSION' has 3 bytes, 2 in the backup manifest");
	files[2] = (struct named){ "PG_other", "15\n" };
	begin(&l, true);
	manifest(&l.man, files, 1, "CRC32C");
	refused(&l, judged(&l, BK_PGSUM_CRC32C),
	    "'PG_other' of the backup manifest is not in the base backup");
	files[2] = good[1];
	begin(&l, true);
	manifest(&l.man, files, 1, "CRC32C");
	refused(&l, judged(&l, BK_PGSUM_CRC32C), "names 'tablespace_map' twice");
	memcpy(files, good, sizeof(good));
	files[5].name = NULL;
	begin(&l, true);
	manifest(&l.man, files, 1, "CRC32C");
	refused(&l, judged(&l, BK_PGSUM_CRC32C), "has 1 files that");

	begin(&l, true);
	manifest(&l.man, good, 1, "CRC32C");
	change(&l, "10:00:00 GMT", "10:00:01 GMT");
	refused(&l, judged(&l, BK_PGSUM_CRC32C), "its own checksum differs");
	begin(&l, true);
	manifest(&l.man, good, 1, "CRC32C");
	l.man.len -= 10;
	refused(&l, judged(&l, BK_PGSUM_CRC32C), "it is cut");
	begin(&l, true);
	manifest(&l.man, good, 1, "CRC32C");
	bk_buf_adds(&l.man, "more\n", &nf);
	refused(&l, judged(&l, BK_PGSUM_CRC32C), "bytes behind its checksum");
	begin(&l, true);
	manifest(&l.man, good, 1, "CRC32C");
	change(&l, "\"WAL-Ranges\"", "\"WAL-Changes");
	refused(&l, judged(&l, BK_PGSUM_CRC32C), "an unknown line");
}

static void
test_encoded_path(void)
{
	static const struct named one[] = { { "PG_VERSION", "15\n" },
		{ NULL, NULL } };
	struct bk_pgmanifest *m = bk_pgmanifest_new(BK_PGSUM_CRC32C, &nf);
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_buf b = BK_BUF_INIT(ALL), c = BK_BUF_INIT(ALL);
	uint8_t sum[BK_SHA256_LEN];
	char hex[BK_SHA256_HEX], *p;

	manifest(&b, one, 1, "CRC32C");
	p = strstr(b.p, "\"Path\": \"PG_VERSION\"");
	bk_buf_add(&c, b.p, (size_t)(p - b.p), &nf);
	bk_buf_adds(&c, "\"Encoded-Path\": \"50475f56455253494f4e\"", &nf);
	p += strlen("\"Path\": \"PG_VERSION\"");
	bk_buf_add(&c, p, (size_t)(strstr(p, "\"Manifest-Ch") - p), &nf);
	bk_sha256_of(c.p, c.len, sum);
	bk_hex(sum, sizeof(sum), hex);
	bk_buf_addf(&c, &nf, "\"Manifest-Checksum\": \"%s\"}\n", hex);
	ok_int(bk_pgmanifest_file(m, "PG_VERSION", 3, &f), 0, "a file");
	ok_int(bk_pgmanifest_data(m, "15\n", 3, &f), 0, "its data");
	ok_int(bk_pgmanifest_file(m, "PG_VERSION", 3, &f), -1, "not twice");
	bk_fault_clear(&f);
	ok_int(bk_pgmanifest_write(m, c.p, c.len, &f), 0, "an encoded name");
	ok_int(bk_pgmanifest_finish(m, &f), BK_MARKS_PROVEN, "is found");
	ok_text(f.text, "", "its fault");
	bk_pgmanifest_free(m);
	bk_buf_release(&b);
	bk_buf_release(&c);
}

static void
test_positions(void)
{
	char text[BK_PGLSN_TEXT], seg[BK_PGSEG_NAME];
	uint64_t lsn;

	ok(bk_pglsn_parse("16/B374D848", &lsn) == 0 && lsn == 0x16b374d848,
	    "a position");
	ok_text(bk_pglsn_text(lsn, text), "16/B374D848", "and back");
	ok(bk_pglsn_parse("16", &lsn) == -1 && bk_pglsn_parse("/1", &lsn) == -1 &&
	    bk_pglsn_parse("1/", &lsn) == -1 &&
	    bk_pglsn_parse("1/123456789", &lsn) == -1 &&
	    bk_pglsn_parse("1/2x", &lsn) == -1, "no positions");
	ok_text(bk_pgseg_name(1, 0x2000028, 16 << 20, seg),
	    "000000010000000000000002", "a segment");
	ok_text(bk_pgseg_name(0xab, 0x16b374d848, 16 << 20, seg),
	    "000000AB00000016000000B3", "another");
	ok_text(bk_pgseg_name(1, 0x16b374d848, 1 << 30, seg),
	    "000000010000001600000002", "of 1 GiB");
}

static void
test_requires(void)
{
	struct bk_pgspan s = { "7291", 1, 1, 0x2000028, 0x4000000, 16 << 20 };
	json_t *list, *ranges = json_pack("[{s:i, s:s, s:s}]", "Timeline", 3,
	    "Start-LSN", "0/2000028", "End-LSN", "0/3000001");
	struct bk_fault f = BK_FAULT_INIT;

	ok_int(bk_pgspan_requires(&s, NULL, &list, &f), 0, "by start and end");
	ok_int(json_array_size(list), 2, "the end is not of it");
	ok_text(json_string_value(json_array_get(list, 1)),
	    "7291/00000001/000000010000000000000003-", "the last");
	json_decref(list);
	ok_int(bk_pgspan_requires(&s, ranges, &list, &f), 0, "by the manifest");
	ok_int(json_array_size(list), 3, "with the history");
	ok_text(json_string_value(json_array_get(list, 0)),
	    "7291/00000003/00000003.history-", "which comes first");
	ok_text(json_string_value(json_array_get(list, 2)),
	    "7291/00000003/000000030000000000000003-", "and the last");
	json_decref(list);
	s.end_tli = 2;
	ok_int(bk_pgspan_requires(&s, NULL, &list, &f), 0, "two timelines");
	ok_int(json_array_size(list), 3, "both ends");
	json_decref(list);
	s.stop = 0x10000000000;
	ok_int(bk_pgspan_requires(&s, NULL, &list, &f), 0, "very many");
	json_decref(list);
	s.end_tli = 1;
	ok_int(bk_pgspan_requires(&s, NULL, &list, &f), 0, "of one timeline");
	ok_int(json_array_size(list), 4096, "are bounded");
	json_decref(list);
	json_decref(ranges);
}

int
main(void)
{
	test_one_tar();
	test_bad_archives();
	test_manifest();
	test_encoded_path();
	test_positions();
	test_requires();
	return done();
}
