/*
 * Numbers and checksum of a tar header (tarblock.h).
 */
#include <stdio.h>
#include <string.h>

#include "tarblock.h"

bool
bk_tarblock_number(const uint8_t *p, size_t n, uint64_t *v)
{
	size_t i = 0;

	*v = 0;
	if (p[0] & 0x80) {
		*v = p[0] & 0x7f;
		for (i = 1; i < n; i++) {
			if (*v >> 55 != 0)
				return false;
			*v = *v << 8 | p[i];
		}
		return true;
	}
	while (i < n && p[i] == ' ')
		i++;
	for (; i < n && p[i] >= '0' && p[i] <= '7'; i++)
		*v = *v << 3 | (uint64_t)(p[i] - '0');
	for (; i < n; i++)
		if (p[i] != ' ' && p[i] != '\0')
			return false;
	return true;
}

void
bk_tarblock_put(uint8_t *p, size_t n, uint64_t v)
{
	size_t i;

	if (v >> 3 * (n - 1) == 0) {
		for (i = n - 1; i > 0; i--, v >>= 3)
			p[i - 1] = (uint8_t)('0' + (v & 7));
		p[n - 1] = '\0';
		return;
	}
	for (i = n; i > 0; i--, v >>= 8)
		p[i - 1] = (uint8_t)v;
	p[0] |= 0x80;
}

/* The sum of all bytes, its own field as blanks; *${s} as old tars summed. */
static unsigned long
sum(const uint8_t *b, long *s)
{
	unsigned long u = 0;
	size_t i;
	uint8_t c;

	*s = 0;
	for (i = 0; i < BK_TAR_BLOCK; i++) {
		c = i >= BK_TAR_SUM && i < BK_TAR_SUM + 8 ? ' ' : b[i];
		u += c;
		*s += c < 128 ? c : (long)c - 256;
	}
	return u;
}

bool
bk_tarblock_ok(const uint8_t b[BK_TAR_BLOCK])
{
	unsigned long u;
	uint64_t want;
	long s;

	if (!bk_tarblock_number(b + BK_TAR_SUM, 8, &want))
		return false;
	u = sum(b, &s);
	return want == u || (s >= 0 && want == (uint64_t)s);
}

void
bk_tarblock_seal(uint8_t b[BK_TAR_BLOCK])
{
	long s;

	bk_tarblock_put(b + BK_TAR_SUM, 7, sum(b, &s));
	b[BK_TAR_SUM + 7] = ' ';
}
