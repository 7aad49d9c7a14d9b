/* Who gets what of the environment. */
#include <stdio.h>
#include <string.h>

#include "needs.h"
#include "tap.h"

#define BIN "/usr/bin"

static const char *const vars[] = { "PATH=/bin", "AWS_SECRET_ACCESS_KEY=s",
	"PGPASSWORD=d", "MYSQL_PWD=d", "REDISCLI_AUTH=d", "URL=u",
	"https_proxy=p", "VAULT_TOKEN=t", "BK_TAG_TIER=x", "URLS=v", NULL };

/* The names that ${program} is given, first letters. */
static const char *
given(const char *program, const char *arg, const char *secret)
{
	static char out[32];
	const char *argv[] = { program, "--name", "app", arg, NULL };
	unsigned int needs = bk_needs_of(BIN, program, argv);
	size_t n = 0, i;

	for (i = 0; vars[i] != NULL; i++)
		if (bk_needs_var(needs, vars[i], secret))
			out[n++] = strncmp(vars[i], "URLS", 4) == 0 ? 'S' :
			    vars[i][0];
	out[n] = '\0';
	return out;
}

int
main(void)
{
	ok_text(given(BIN "/bk-dump", NULL, "URL"), "PPMRUhVBS", "a dump");
	ok_text(given(BIN "/bk-dump", "--store", "URL"), "PAPMRUhVBS",
	    "a dump that looks for its parent");
	ok_text(given(BIN "/bk-dump", "--store=s3://x", NULL), "PAPMRUhVBS",
	    "the same in one word");
	ok_text(given(BIN "/bk-put", "--store", "URL"), "PAhB", "bk-put");
	ok_text(given(BIN "/bk-compress", NULL, NULL), "PB", "a filter");
	ok_text(given(BIN "/bk-pipe", NULL, "URL"), "PhVBS", "a command as a "
	    "filter");
	ok_text(given("/usr/local/bin/bk-put", NULL, "URL"), "PhVBS",
	    "another's program");
	ok_text(given(BIN "/bk-run", NULL, "URL"), "PAPMRUhVBS", "both sides");
	ok_text(given(BIN "x/bk-compress", NULL, NULL), "PUhVBS", "a directory "
	    "that begins alike");
	return done();
}
