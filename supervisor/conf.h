/*
 * The schedule file as written (DESIGN, 9; bk.conf(5)): sections, words and
 * their values, each with the file and line it stands on.  What they mean is
 * job.h.
 *
 * libconfuse reads it, after a look of our own over the text that does what
 * libconfuse 3.3 leaves open: ${NAME} (unset is an error), unterminated
 * strings named where they begin, unknown and repeated words, backslashes
 * that would vanish, include of directories.
 */
#ifndef BK_CONF_H
#define BK_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "ctx.h"
#include "fault.h"

#define BK_CONF_PATH "/etc/bk/bk.conf"	/* unless BK_CONF or --config tells */

enum bk_conf_kind {
	BK_CONF_TOP,			/* words outside any section */
	BK_CONF_STORE,			/* store "TITLE" { } */
	BK_CONF_JOB,			/* job "TITLE" { } */
	BK_CONF_REQUESTS		/* requests "STORE" { } */
};

struct bk_conf_word {
	const char *name;		/* static */
	char **v;			/* values, n of them, none NULL */
	size_t n;			/* 0 only for a list "{}" */
	const char *file;		/* as long as the conf */
	int line;			/* of the word, from 1 */
};

struct bk_conf_sec {
	enum bk_conf_kind kind;
	char *title;			/* NULL for BK_CONF_TOP */
	const char *file;
	int line;			/* of its first word */
	struct bk_conf_word *words;	/* each name at most once */
	size_t nwords;
};

struct bk_conf {
	struct bk_conf_sec *secs;	/* secs[0] is BK_CONF_TOP, always there */
	size_t nsecs;
	char **files;			/* in the order they were read */
	size_t nfiles;
};

/*
 * Read ${path} and what it includes.  NULL with ${f} set, text
 * "FILE:LINE: …": 78 for what is wrong in it; 66, 77, 74 where a file cannot
 * be read.  Environment is that of ${ctx}.
 */
struct bk_conf *bk_conf_read(const struct bk_ctx *ctx, const char *path,
    struct bk_fault *f);
void bk_conf_free(struct bk_conf *c);	/* accepts NULL */

/* The word ${name} of a section, or NULL where it is not written. */
const struct bk_conf_word *bk_conf_word(const struct bk_conf_sec *s,
    const char *name);

/* Set ${f} to 78 "FILE:LINE: " and the text.  Returns -1. */
int bk_conf_fault(struct bk_fault *f, const char *file, int line,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/*
 * The nearest of the ${n} words at ${known} to ${word} by edit distance, for
 * "did you mean"; NULL where none is near.
 */
const char *bk_conf_nearest(const char *word, const char *const *known,
    size_t n);

#endif
