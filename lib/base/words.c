/*
 * Words are cut in one pass into one allocation of the text's own length:
 * splitting only ever takes bytes away.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "words.h"

static bool
blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/*
 * Take the quoted part after *${in} up to ${quote} to *${out}.  0, or -1: it
 * is not closed.
 */
static int
quoted(const char **in, char **out, char quote)
{
	const char *s = *in;
	char *d = *out;

	for (; *s != quote; s++) {
		if (*s == '\0')
			return -1;
		if (quote == '"' && *s == '\\' && (s[1] == '"' || s[1] == '\\'))
			s++;
		*d++ = *s;
	}
	*in = s + 1;
	*out = d;
	return 0;
}

/* Take the word at *${in}, which is no blank, to *${out}, ended by a NUL. */
static int
word(const char **in, char **out, struct bk_fault *f)
{
	const char *s = *in;
	char *d = *out;

	while (*s != '\0' && !blank(*s)) {
		if (*s == '\'' || *s == '"') {
			char quote = *s++;

			if (quoted(&s, &d, quote) == -1)
				return bk_fault_set(f, BK_USAGE,
				    "a quote %c is not closed", quote);
			continue;
		}
		if (*s == '\\' && *++s == '\0')
			return bk_fault_set(f, BK_USAGE,
			    "a backslash at the end");
		*d++ = *s++;
	}
	*d++ = '\0';
	*in = s;
	*out = d;
	return 0;
}

int
bk_words_split(const char *text, struct bk_words *w, struct bk_fault *f)
{
	size_t len = strlen(text);
	char *store;

	*w = (struct bk_words)BK_WORDS_INIT;
	w->v = calloc(BK_WORDS_MAX + 1, sizeof(*w->v));
	store = malloc(len + 2);
	if (w->v == NULL || store == NULL) {
		free(store);
		(void)bk_fault_set(f, BK_IO, "out of memory");
		goto fail;
	}
	w->v[0] = store;
	while (blank(*text))
		text++;
	while (*text != '\0') {
		if (w->n == BK_WORDS_MAX) {
			(void)bk_fault_set(f, BK_USAGE,
			    "more than %d words", BK_WORDS_MAX);
			goto fail;
		}
		w->v[w->n] = store;
		if (word(&text, &store, f) == -1)
			goto fail;
		w->n++;
		while (blank(*text))
			text++;
	}
	if (w->n > 0)
		return 0;
	(void)bk_fault_set(f, BK_USAGE, "no command");
fail:
	bk_words_release(w);
	return -1;
}

void
bk_words_release(struct bk_words *w)
{
	if (w->v != NULL)
		free(w->v[0]);
	free(w->v);
	*w = (struct bk_words)BK_WORDS_INIT;
}
