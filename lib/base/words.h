/*
 * Splitting a command into words at blanks, with quotes, never by a shell
 * (DESIGN, 9): for options and schedule entries that hold a command.
 */
#ifndef BK_WORDS_H
#define BK_WORDS_H

#include <stddef.h>

#include "fault.h"

#define BK_WORDS_MAX 256

struct bk_words {
	char **v;			/* NULL-ended, as argv */
	size_t n;
};

#define BK_WORDS_INIT { NULL, 0 }

/*
 * Split ${text} into ${w}, which the caller releases.  Blanks, tabs and
 * newlines part words.  '…' keeps everything as it is; in "…" a backslash
 * before '"' or '\' is taken away; outside quotes a backslash keeps the next
 * byte.  Nothing is expanded.  0, or -1 with ${f} set (64): a quote that is
 * not closed, a backslash at the end, no word, more than BK_WORDS_MAX.
 */
int bk_words_split(const char *text, struct bk_words *w, struct bk_fault *f);
void bk_words_release(struct bk_words *w);

#endif
