#include <string.h>
#include <zstd.h>

#include "codecs.h"
#include "tap.h"

#define CHUNK (4 * 1024 * 1024)

static const struct bk_codec_format *const zst = &bk_codec_zstd;

/* Each frame is as DESIGN (12) says. */
static void
frames(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bytes plain = dump_like(CHUNK + 5);
	struct bytes file = encode(zst, 3, 2, 65536, &plain, &f);
	static const unsigned long long want[] = { CHUNK, 5 };
	size_t at = 0, i, n;

	for (i = 0; i < 2; i++) {
		n = ZSTD_findFrameCompressedSize(file.p + at + 12,
		    file.len - at - 12);
		ok(memcmp(file.p + at, "\x50\x2a\x4d\x18\4\0\0\0", 8) == 0 &&
		    memcmp(file.p + at + 8, &(unsigned char[]){ n & 255,
		    n >> 8 & 255, n >> 16 & 255, n >> 24 }, 4) == 0,
		    "frame %zu: its size stands before it", i);
		ok_int(ZSTD_getFrameContentSize(file.p + at + 12,
		    file.len - at - 12), want[i], "content size");
		ok((file.p[at + 16] & 4) != 0, "checksum");
		at += 12 + n;
	}
	ok_int(at, file.len, "nothing else");
	bytes_release(&file);
	bytes_release(&plain);
}

/* Sizes before good frames that are wrong, and frames that are too large. */
static void
lying_sizes(void)
{
	static const char *const lies[] = { "\0\0\0\0", "\1\0\0\0", "\377\0\0\0",
		"\0\0\20\0", "\0\0\0\1", "\377\377\377\377" };
	struct bk_fault f = BK_FAULT_INIT;
	struct bytes plain = dump_like(2 * CHUNK);
	struct bytes file = encode(zst, 3, 2, 65536, &plain, &f);
	char was[4];
	size_t i;

	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		memcpy(was, file.p + 8, 4);
		memcpy(file.p + 8, lies[i], 4);
		ok_decodes(zst, "lying size", &file, &plain);
		memcpy(file.p + 8, was, 4);
	}
	bytes_release(&file);
	bytes_release(&plain);
}

int
main(void)
{
	static const char *const unzstd[] = { "zstd", "-dc", NULL };
	static const char *const zstd[] = { "zstd", "-c", NULL };
	static const char *const thin[] = { "zstd", "-c", "--no-check",
		"--no-content-size", NULL };
	static const char *const unpzstd[] = { "pzstd", "-dc", "-p2", NULL };
	static const char *const pzstd[] = { "pzstd", "-c", "-p2", NULL };
	static const char *const large[] = { "pzstd", "-c", "-p2", "-9", NULL };

	ok(bk_codec_find("zstd") == zst, "table");
	frames();
	ok_round_trips(zst, CHUNK);
	ok_peer(zst, unzstd, zstd, 0);
	ok_peer(zst, unzstd, zstd, CHUNK + 77);
	ok_peer(zst, NULL, thin, CHUNK + 77);
	ok_peer(zst, unpzstd, pzstd, 3 * CHUNK);
	ok_peer(zst, NULL, large, 3 * CHUNK);
	ok_corrupt(zst);
	ok_failing_sinks(zst, CHUNK, 8);
	lying_sizes();
	return done();
}
