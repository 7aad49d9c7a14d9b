/* An argv under construction. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"

int
bk_args_add(struct bk_args *a, const char *word, struct bk_fault *f)
{
	char **v;

	if (a->n >= BK_ARGS_MAX)
		return bk_fault_set(f, BK_CONFIG, "a command of more than %d words",
		    BK_ARGS_MAX);
	if ((v = realloc(a->v, (a->n + 2) * sizeof(*v))) == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "a command");
	a->v = v;
	if ((v[a->n] = strdup(word)) == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "a command");
	v[++a->n] = NULL;
	return 0;
}

int
bk_args_opt(struct bk_args *a, const char *option, const char *value,
    struct bk_fault *f)
{
	if (value == NULL)
		return 0;
	return bk_args_add(a, option, f) == -1 ? -1 : bk_args_add(a, value, f);
}

int
bk_args_all(struct bk_args *a, char *const *v, struct bk_fault *f)
{
	for (; v != NULL && *v != NULL; v++)
		if (bk_args_add(a, *v, f) == -1)
			return -1;
	return 0;
}

void
bk_args_release(struct bk_args *a)
{
	size_t i;

	for (i = 0; i < a->n; i++)
		free(a->v[i]);
	free(a->v);
	a->v = NULL;
	a->n = 0;
}
