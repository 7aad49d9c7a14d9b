/* Apart from optargs.c: it brings in what reads a store. */
#include <string.h>

#include "optargs.h"
#include "prog.h"

enum bk_outcome
bk_arg_outcome(const char *arg)
{
	int i;

	for (i = 0; i < BK_OUTCOMES; i++)
		if (strcmp(arg, bk_outcome_names[i]) == 0)
			return (enum bk_outcome)i;
	bk_usage("--outcome '%s': want committed, unchanged, failed or skipped",
	    arg);
}
