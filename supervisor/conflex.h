/*
 * The look over the text of a schedule file before libconfuse reads it.
 */
#ifndef BK_CONFLEX_H
#define BK_CONFLEX_H

#include "buf.h"
#include "confwords.h"

/* What is being read: one file, into one conf. */
struct bk_conflex {
	const struct bk_ctx *ctx;
	struct bk_conf *conf;		/* sections and words are added, no values */
	const char *file;		/* as long as the conf */
	const char *text;		/* of ${file}, ended by NUL */
	size_t len;
	struct bk_buf *out;		/* the same for libconfuse, line by line */
	/* Called for each include ("PATH"). */
	int (*include)(void *arg, const char *path, int line,
	    struct bk_fault *f);
	void *arg;

	const char *p;			/* the rest: of the lexer */
	int line;
	struct bk_buf value;		/* of the last token that has one */
};

/*
 * Check the text and write what libconfuse is to read: strings with ${NAME}
 * put in and every byte escaped, no comments, no includes, the lines kept.
 * Words and sections are added to the conf with their places.  0, or -1 with
 * ${f} set (78; 74 no memory).
 */
int bk_conflex_run(struct bk_conflex *x, struct bk_fault *f);

#endif
