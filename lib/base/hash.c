/*
 * SHA-256 through EVP, which picks the processor's own instructions, and
 * libdeflate's CRC-32, which does the same.
 *
 * EVP's calls allocate and can therefore fail, though only then.  A caller
 * could do nothing without its digest, and a wrong one must not get out: the
 * process ends at once, which leaves nothing visible (DESIGN, 1).
 */
#include <libdeflate.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "hash.h"

struct bk_sha256 {
	EVP_MD_CTX *md;
};

static void
must(int good)
{
	if (good != 1)
		abort();
}

struct bk_sha256 *
bk_sha256_new(struct bk_fault *f)
{
	struct bk_sha256 *h;

	if ((h = calloc(1, sizeof(*h))) != NULL &&
	    (h->md = EVP_MD_CTX_new()) != NULL &&
	    EVP_DigestInit_ex(h->md, EVP_sha256(), NULL) == 1)
		return h;
	bk_sha256_free(h);
	(void)bk_fault_set(f, BK_IO, "out of memory for SHA-256");
	return NULL;
}

void
bk_sha256_add(struct bk_sha256 *h, const void *p, size_t n)
{
	must(EVP_DigestUpdate(h->md, p, n));
}

void
bk_sha256_sum(const struct bk_sha256 *h, uint8_t out[BK_SHA256_LEN])
{
	EVP_MD_CTX *copy = EVP_MD_CTX_new();

	must(copy != NULL && EVP_MD_CTX_copy_ex(copy, h->md) == 1);
	must(EVP_DigestFinal_ex(copy, out, NULL));
	EVP_MD_CTX_free(copy);
}

void
bk_sha256_hex(const struct bk_sha256 *h, char out[BK_SHA256_HEX])
{
	uint8_t sum[BK_SHA256_LEN];

	bk_sha256_sum(h, sum);
	bk_hex(sum, sizeof(sum), out);
}

void
bk_sha256_free(struct bk_sha256 *h)
{
	if (h == NULL)
		return;
	EVP_MD_CTX_free(h->md);
	free(h);
}

void
bk_sha256_of(const void *p, size_t n, uint8_t out[BK_SHA256_LEN])
{
	must(EVP_Digest(p, n, out, NULL, EVP_sha256(), NULL));
}

uint32_t
bk_crc32(uint32_t crc, const void *p, size_t n)
{
	/* libdeflate takes NULL as a request for the first value. */
	return n == 0 ? crc : libdeflate_crc32(crc, p, n);
}

uint64_t
bk_hash64(const void *p, size_t n)
{
	const uint8_t *s = p;
	uint64_t h = 0xcbf29ce484222325U;

	for (; n > 0; n--, s++)
		h = (h ^ *s) * 0x100000001b3U;
	return h != 0 ? h : 1;
}

void
bk_hex(const void *p, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *s = p;
	size_t i;

	for (i = 0; i < n; i++) {
		*out++ = digits[s[i] >> 4];
		*out++ = digits[s[i] & 15];
	}
	*out = '\0';
}

static int
nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
bk_unhex(const char *s, void *out, size_t n)
{
	uint8_t *p = out;
	int high, low;

	for (; n > 0; n--, s += 2) {
		if ((high = nibble(s[0])) == -1 || (low = nibble(s[1])) == -1)
			return -1;
		*p++ = (uint8_t)(high << 4 | low);
	}
	return *s == '\0' ? 0 : -1;
}
