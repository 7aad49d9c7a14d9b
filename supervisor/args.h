/* An argv under construction; it owns its words. */
#ifndef BK_ARGS_H
#define BK_ARGS_H

#include <stddef.h>

#include "fault.h"

#define BK_ARGS_MAX 1024

struct bk_args {
	char **v;			/* NULL-ended once something was added */
	size_t n;
};

#define BK_ARGS_INIT { NULL, 0 }

/* Append one word.  0, or -1 with ${f} set (74, 78 too many). */
int bk_args_add(struct bk_args *a, const char *word, struct bk_fault *f);

/* Append an option and its value; nothing where ${value} is NULL. */
int bk_args_opt(struct bk_args *a, const char *option, const char *value,
    struct bk_fault *f);

/* Append the words of a NULL-ended ${v}, or nothing for NULL. */
int bk_args_all(struct bk_args *a, char *const *v, struct bk_fault *f);

void bk_args_release(struct bk_args *a);

/* As the functions that start children take it. */
#define bk_args_argv(a) ((const char *const *)(a)->v)

#endif
