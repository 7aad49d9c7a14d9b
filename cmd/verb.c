/*
 * What the words of bk share: any but these is a program.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "prog.h"
#include "verb.h"

int
bk_verb_become(const char *word, char **argv)
{
	static char name[64], path[PATH_MAX];

	if (strlen(word) > 32 || strchr(word, '/') != NULL)
		bk_usage("'%s' is no word of bk; 'bk help' lists them", word);
	snprintf(name, sizeof(name), "bk-%s", word);
	snprintf(path, sizeof(path), "%s/%s", bk_ctx->bindir, name);
	argv[0] = name;
	(void)signal(SIGPIPE, SIG_DFL);
	(void)signal(SIGXFSZ, SIG_DFL);
	execv(path, argv);
	if (errno == ENOENT)
		execvp(name, argv);
	if (errno == ENOENT)
		bk_usage("'%s' is no word of bk; 'bk help' lists them", word);
	bk_say(BK_LOG_ERROR, "cannot run '%s': %s", path, strerror(errno));
	return BK_NOPERM;
}
