/* Known vectors: FIPS 180-4 (NIST's examples), CRC-32 of RFC 1952. */
#include <stdio.h>
#include <string.h>

#include "hash.h"
#include "tap.h"

static void
test_sha256(void)
{
	static const struct {
		const char *text, *want;
	} t[] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
		{ "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
		  "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
		  "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1" },
	};
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_sha256 *h;
	uint8_t sum[BK_SHA256_LEN];
	char hex[BK_SHA256_HEX], block[1000];
	size_t i, k;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		bk_sha256_of(t[i].text, strlen(t[i].text), sum);
		bk_hex(sum, sizeof(sum), hex);
		ok_text(hex, t[i].want, "one block");
		h = bk_sha256_new(&f);
		for (k = 0; k < strlen(t[i].text); k++)
			bk_sha256_add(h, t[i].text + k, 1);
		bk_sha256_hex(h, hex);
		ok_text(hex, t[i].want, "byte by byte");
		bk_sha256_free(h);
	}
	memset(block, 'a', sizeof(block));
	h = bk_sha256_new(&f);
	for (i = 0; i < 1000; i++)
		bk_sha256_add(h, block, sizeof(block));
	bk_sha256_hex(h, hex);
	ok_text(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
	    "a million times 'a'");
	bk_sha256_free(h);

	h = bk_sha256_new(&f);
	bk_sha256_hex(h, hex);
	ok_text(hex, t[0].want, "a sum so far, of nothing");
	bk_sha256_add(h, "a", 1);
	bk_sha256_hex(h, hex);
	bk_sha256_add(h, "bc", 2);
	bk_sha256_sum(h, sum);
	bk_hex(sum, sizeof(sum), hex);
	ok_text(hex, t[1].want, "adding goes on after a sum");
	bk_sha256_free(h);
	bk_sha256_free(NULL);
}

static void
test_crc32(void)
{
	uint32_t crc;

	ok_int(bk_crc32(0, "123456789", 9), 0xcbf43926, "check value");
	ok_int(bk_crc32(0, "", 0), 0, "of nothing");
	crc = bk_crc32(0, "1234", 4);
	crc = bk_crc32(crc, NULL, 0);
	ok_int(bk_crc32(crc, "56789", 5), 0xcbf43926, "in pieces");
	ok_int(bk_crc32(0, "\0\0\0\0", 4), 0x2144df1c, "zeros count");
}

static void
test_hex(void)
{
	static const char *const bad[] = { "", "0", "00000", "0000000",
		"000000000", "g0000000", "0000000g", "0x000000", " 0000000",
		"+1111111", "-1111111", "00000000 ", "000:0000", "000/0000",
		"000@0000", "000`0000" };
	uint8_t all[256], back[256];
	char text[513], upper[513];
	size_t i;

	for (i = 0; i < 256; i++) {
		all[i] = (uint8_t)i;
		(void)snprintf(upper + 2 * i, 3, "%02X", (unsigned int)i);
	}
	bk_hex(all, 256, text);
	ok(strlen(text) == 512 && strncmp(text + 2 * 0xab, "abac", 4) == 0,
	    "lower-case digits");
	ok(bk_unhex(text, back, 256) == 0 && memcmp(all, back, 256) == 0,
	    "and back");
	memset(back, 0, sizeof(back));
	ok(bk_unhex(upper, back, 256) == 0 && memcmp(all, back, 256) == 0,
	    "upper case too");
	bk_hex("", 0, text);
	ok_text(text, "", "no digits of no bytes");
	ok_int(bk_unhex("", back, 0), 0, "and back");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(bk_unhex(bad[i], back, 4) == -1, "'%s' is refused", bad[i]);
}

int
main(void)
{
	test_sha256();
	test_crc32();
	test_hex();
	return done();
}
