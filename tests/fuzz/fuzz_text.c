/*
 * Texts of the command line: the first byte says which grammar.  What is
 * read from what was written must be the same.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "names.h"
#include "query.h"
#include "undo.h"
#include "uri.h"
#include "when.h"
#include "words.h"

static void
times(const char *s)
{
	struct bk_fault f = BK_FAULT_INIT;
	char text[BK_TIME_LEN];
	int64_t t, again;

	if (bk_time_parse_rel(s, INT64_C(1763719200000), &t, &f) == -1)
		return;
	if (t < INT64_C(-62135596800000) || t > INT64_C(253402300799999))
		return;
	FUZZ_CHECK(bk_time_parse(bk_time_text(t, text), &again, &f) == 0);
	FUZZ_CHECK(t == again);
}

static void
uris(const char *s)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_uri u = BK_URI_INIT;

	if (bk_uri_parse(s, &u, &f) == 0) {
		FUZZ_CHECK(u.scheme[0] != '\0');
		FUZZ_CHECK(u.port == -1 || (u.port >= 1 && u.port <= 65535));
		FUZZ_CHECK(u.path[0] == '\0' || !u.authority || u.path[0] == '/');
	} else
		FUZZ_CHECK(f.status == 64);
	bk_uri_release(&u);
}

static void
words(const char *s)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_words w = BK_WORDS_INIT;

	if (bk_words_split(s, &w, &f) == 0)
		FUZZ_CHECK(w.n > 0 && w.v[w.n] == NULL);
	bk_words_release(&w);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct bk_fault f = BK_FAULT_INIT;
	char *s, name[BK_NAME_MAX + 1];
	unsigned long long bytes;
	long long number;
	int64_t ms;

	if (n == 0 || (s = malloc(n)) == NULL)
		return 0;
	memcpy(s, p + 1, n - 1);
	s[n - 1] = '\0';
	switch (p[0]) {
	case 'q':
		bk_query_free(bk_query_parse(s, &f));
		break;
	case 'u':
		uris(s);
		break;
	case 't':
		times(s);
		break;
	case 'd':
		(void)bk_duration_parse(s, &ms, &f);
		(void)bk_bytes_parse(s, &bytes, &f);
		(void)bk_number_parse("n", s, -5, 1000, &number, &f);
		break;
	case 'w':
		words(s);
		break;
	default:
		bk_name_from(s, name);
		FUZZ_CHECK(bk_name_ok(name));
		(void)bk_undo_check(s, &f);
		break;
	}
	free(s);
	return 0;
}
