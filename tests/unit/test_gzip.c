#include <stdlib.h>
#include <string.h>

#include "codecs.h"
#include "tap.h"

#define CHUNK (512 * 1024)

static const struct bk_codec_format *const gz = &bk_codec_gzip;

static size_t
le32(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (size_t)u[0] | (size_t)u[1] << 8 | (size_t)u[2] << 16 |
	    (size_t)u[3] << 24;
}

/* Each member is as DESIGN (12) says. */
static void
members(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bytes plain = dump_like(2 * CHUNK + 5);
	struct bytes file = encode(gz, 5, 2, 65536, &plain, &f);
	static const size_t want[] = { CHUNK, CHUNK, 5 };
	size_t at = 0, i;

	for (i = 0; i < 3; i++) {
		ok(at + 24 < file.len && memcmp(file.p + at,
		    "\037\213\010\004", 4) == 0 && memcmp(file.p + at + 10,
		    "\014\0BK\010\0", 6) == 0, "member %zu: header", i);
		ok_int(le32(file.p + at + 20), want[i], "plain size");
		at += le32(file.p + at + 16);
	}
	ok_int(at, file.len, "the sizes of the members add up");
	bytes_release(&file);
	plain.len = 0;
	file = encode(gz, 5, 2, 65536, &plain, &f);
	ok_int(le32(file.p + 16), file.len, "an empty payload is one member");
	ok_int(le32(file.p + 20), 0, "of nothing");
	bytes_release(&file);
	bytes_release(&plain);
}

/* Hints that lie about a good file: it is read all the same. */
static void
lying_hints(void)
{
	static const char *const lies[] = {
		"\0\0\0\0", "\1\0\0\0", "\41\0\0\0", "\0\1\0\0", "\0\0\2\0",
		"\377\377\17\0", "\0\0\20\0", "\1\0\20\0", "\0\0\0\1",
		"\377\377\377\177", "\377\377\377\377",
	};
	struct bk_fault f = BK_FAULT_INIT;
	struct bytes plain = dump_like(3 * CHUNK + 99);
	struct bytes file = encode(gz, 5, 2, 65536, &plain, &f);
	size_t second = le32(file.p + 16), at, i, k;
	char was[4];

	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
		for (k = 0; k < 4; k++) {
			at = (k < 2 ? 0 : second) + 16 + 4 * (k % 2);
			memcpy(was, file.p + at, 4);
			memcpy(file.p + at, lies[i], 4);
			ok_decodes(gz, "lying hints", &file, &plain);
			memcpy(file.p + at, was, 4);
		}
	bytes_release(&file);
	bytes_release(&plain);
}

/* The bad byte is in a member that a worker reads, with others behind. */
static void
corrupt_member(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bytes plain = dump_like(4 * CHUNK);
	struct bytes file = encode(gz, 5, 2, 65536, &plain, &f), out;

	file.p[le32(file.p + 16) + 1000] ^= 0x10;
	out = decode(gz, 2, 65536, &file, &f);
	ok_int(f.status, BK_DATA, "a corrupt member");
	ok(out.len < plain.len && memcmp(out.p, plain.p, CHUNK) == 0,
	    "what was good before it was given: %s", f.text);
	bytes_release(&out);
	bytes_release(&file);
	bytes_release(&plain);
}

int
main(void)
{
	static const char *const gunzip[] = { "gzip", "-dc", NULL };
	static const char *const gzip[] = { "gzip", "-c", NULL };
	static const char *const unpigz[] = { "pigz", "-dc", NULL };
	static const char *const pigz[] = { "pigz", "-c", "-p2", NULL };

	ok(bk_codec_find("gzip") == gz && bk_codec_find("rar") == NULL, "table");
	members();
	ok_round_trips(gz, CHUNK);
	ok_peer(gz, gunzip, gzip, 0);
	ok_peer(gz, gunzip, gzip, 3 * CHUNK + 77);
	ok_peer(gz, unpigz, pigz, 3 * CHUNK + 77);
	ok_corrupt(gz);
	ok_failing_sinks(gz, CHUNK, 12);
	lying_hints();
	corrupt_member();
	return done();
}
