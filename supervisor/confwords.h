/* The words that the schedule file knows, by section. */
#ifndef BK_CONFWORDS_H
#define BK_CONFWORDS_H

#include "conf.h"

#define BK_CONF_KINDS 4

struct bk_confword {
	const char *name;
	unsigned int kinds;		/* bit 1 << enum bk_conf_kind */
	bool list;			/* several values, in braces */
};

extern const struct bk_confword bk_confwords[];
extern const size_t bk_nconfwords;

/* The word that begins a section of each kind; "" for the top. */
extern const char *const bk_conf_kinds[BK_CONF_KINDS];

/* The row of ${name} in sections of ${kind}, or NULL. */
const struct bk_confword *bk_confword_find(enum bk_conf_kind kind,
    const char *name);

/* Names of the words of ${kind}, ${max} at most; the count. */
size_t bk_confword_names(enum bk_conf_kind kind, const char **out, size_t max);

#endif
