/*
 * bk: the friendly face.  A word that is in the table with a function of its
 * own is told about there; any other word runs bk-WORD from the directory of
 * this program, else from PATH.
 */
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "prog.h"
#include "verb.h"

static const struct bk_opt bk_opts[] = { BK_OPT_COMMON };

static const struct bk_prog bk_prog_main = { "bk", "WORD [ARGUMENT...]",
	"database backups as Unix pipelines; 'bk help' lists the words", bk_opts };

static bk_verb_fn help;

/* What a person is told of; fn is NULL where the word is its program alone. */
static const struct {
	const char *word, *args, *does;
	bk_verb_fn *fn;
} words[] = {
	{ "backup", "SOURCE STORE", "dump, compress and store", bk_verb_backup },
	{ "backup", "JOB", "have a job of the schedule file run now", bk_verb_backup },
	{ "restore", "STORE --into TARGET", "restore the newest backup, or --at, --id", bk_verb_restore },
	{ "restore", "JOB", "restore what a job has backed up", bk_verb_restore },
	{ "status", "[JOB]", "how the jobs of the schedule file stand", NULL },
	{ "doctor", "[JOB]", "is everything there that backups want?", NULL },
	{ "list", "STORE", "what there is", NULL },
	{ "tag", "", "add tags and holds to the records on standard input", NULL },
	{ "get", "", "fetch a backup as a stream, or --raw", NULL },
	{ "put", "STORE", "store the stream on standard input", NULL },
	{ "dump", "SOURCE", "write a source as a stream", NULL },
	{ "compress", "", "compress a stream, or -d", NULL },
	{ "pipe", "-- COMMAND", "any command as a filter of a stream", NULL },
	{ "help", "[WORD]", "this list, or the manual page of WORD", help },
};

/* Show a manual page; man(1) exits 16 where there is none. */
static int
show_page(const char *word, char *page)
{
	static char man[] = "man";
	char *argv[] = { man, page, NULL };
	int err, status = 0;
	pid_t pid;

	(void)signal(SIGPIPE, SIG_DFL);
	if ((err = posix_spawnp(&pid, man, NULL, NULL, argv, environ)) != 0) {
		bk_say(BK_LOG_ERROR, "cannot run 'man': %s", strerror(err));
		return BK_UNAVAILABLE;
	}
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 16)
		bk_usage("'%s' has no manual page; 'bk help' lists the words",
		    word);
	return BK_UNAVAILABLE;
}

static int
help(int argc, char **argv)
{
	char page[128], usage[64];
	const char *of;
	size_t i;
	bool own;

	bk_init(&bk_prog_main, argc, argv);
	if (argc > 2)
		bk_usage("want one word at most");
	if (argc == 2) {
		of = argv[1];
		own = strcmp(of, "bk") == 0 || strcmp(of, "backup") == 0 ||
		    strcmp(of, "help") == 0;
		(void)snprintf(page, sizeof(page), "bk%s%s", own ? "" : "-",
		    own ? "" : of);
		return show_page(of, page);
	}
	printf("bk: database backups as Unix pipelines\n\n");
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		(void)snprintf(usage, sizeof(usage), "%s %s", words[i].word,
		    words[i].args);
		printf("  bk %-28s %s\n", usage, words[i].does);
	}
	printf("\nEach word but backup and help is a program bk-WORD, with --help "
	    "and a manual page.\n");
	return fflush(stdout) == EOF ? BK_IO : 0;
}

int
main(int argc, char *argv[])
{
	const char *arg;
	char **ops;
	size_t i;

	for (i = 0; argc >= 2 && i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].fn != NULL && strcmp(argv[1], words[i].word) == 0)
			return words[i].fn(argc - 1, argv + 1);
	bk_init(&bk_prog_main, argc, argv);
	if (argc >= 2 && argv[1][0] != '-')
		return bk_verb_become(argv[1], argv + 1);
	while (bk_opt_next(&arg) != -1)
		;
	if (bk_operands(&ops) == 0)
		bk_usage("want a word; 'bk help' lists them");
	return bk_verb_become(ops[0], ops);
}
