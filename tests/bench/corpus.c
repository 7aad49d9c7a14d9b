/*
 * corpus BYTES: text like a plain dump of a database, the same at each run.
 *
 * Tables of a shop: keys that count up, words with the frequencies of
 * language (Zipf), amounts, times, addresses, hashes that do not compress.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define WORDS 4096

static uint64_t state = 0x9e3779b97f4a7c15U;
static char words[WORDS][12];

/* xorshift64* (Vigna, 2016). */
static uint32_t
rnd(uint32_t below)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (uint32_t)((state * 0x2545f4914f6cdd1dU) >> 32) % below;
}

/* Rank r comes about 1/r as often as the first. */
static const char *
word(void)
{
	return words[rnd(1 + rnd(1 + rnd(WORDS)))];
}

static void
make_words(void)
{
	static const char c[] = "bcdfghklmnprstvz", v[] = "aeiouy";
	size_t i, k, n;

	for (i = 0; i < WORDS; i++) {
		n = 2 + rnd(4) * 2;
		for (k = 0; k < n; k++)
			words[i][k] = k % 2 == 0 ? c[rnd(16)] : v[rnd(6)];
	}
}

static int
row(uint32_t table, uint32_t id)
{
	int n = 0, i, k;

	switch (table) {
	case 0:			/* orders */
		return printf("%u\t%u\t%s\t%u.%02u\t2026-%02u-%02u %02u:%02u:%02u+00\t%s\n",
		    id, 1 + rnd(50000), rnd(5) != 0 ? "shipped" : "pending",
		    rnd(900), rnd(100), 1 + rnd(12), 1 + rnd(28), rnd(24),
		    rnd(60), rnd(60), rnd(3) != 0 ? "\\N" : "gift");
	case 1:			/* customers */
		return printf("%u\t%s %s\t%s.%s@%s.example\t%s street %u\t%08x%08x\tt\n",
		    id, word(), word(), word(), word(), word(), word(),
		    1 + rnd(200), rnd(UINT32_MAX), rnd(UINT32_MAX));
	default:		/* articles */
		n = printf("%u\t", id);
		k = 20 + (int)rnd(60);
		for (i = 0; i < k; i++)
			n += printf("%s%s", word(), i % 11 == 10 ? ". " : " ");
		return n + printf("\t{\"views\": %u, \"lang\": \"en\"}\n", rnd(100000));
	}
}

int
main(int argc, char **argv)
{
	static const char *const tables[] = { "orders", "customers", "articles" };
	long long left = argc == 2 ? strtoll(argv[1], NULL, 10) : 0;
	uint32_t t, i, id = 0;

	make_words();
	for (t = 0; left > 0; t = (t + 1) % 3) {
		left -= printf("\\.\n\nCOPY public.%s FROM stdin;\n", tables[t]);
		for (i = 0; i < 20000 && left > 0; i++)
			left -= row(t, ++id);
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
