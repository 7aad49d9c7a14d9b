/*
 * "bk restore STORE" is bk-restore with the newest backup unless another is
 * asked for; "bk restore JOB" is bk-restore-job.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "names.h"
#include "prog.h"
#include "verb.h"

static const struct bk_opt restore_opts[] = { BK_OPT_COMMON };

static const struct bk_prog bk_prog_restore = { "bk restore",
	"STORE --into TARGET [OPTION]... | JOB [OPTION]...", "restore a backup",
	restore_opts };

/* Does ${word} begin as a URL does? */
static bool
is_url(const char *word)
{
	size_t n = strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789+");

	return n > 0 && strncmp(word + n, "://", 3) == 0;
}

/* Is ${word} an option of bk-restore whose argument is the next word? */
static bool
takes_next(const char *word)
{
	static const char *const options[] = { "--archive", "--at", "--config",
		"--group", "--id", "--into", "--jobs", "--lsn", "--name",
		"--owner", "--replica-of", "--restore-command",
		"--restore-point", "--source-env", "--spool", "--store",
		"--tablespace", "--timeline", "--timeout", "--undo", "-j", "-n" };
	size_t i;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (strcmp(options[i], word) == 0)
			return true;
	return false;
}

/* Do the words name a job or a group of the schedule file? */
static bool
of_job(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--group") == 0 ||
		    strncmp(argv[i], "--group=", 8) == 0)
			return true;
		if (takes_next(argv[i]))
			i++;
		else if (bk_name_ok(argv[i]))
			return true;
	}
	return false;
}

/*
 * bk-restore-job where a job is named, else bk-restore, with the newest backup
 * unless the words say another.
 */
int
bk_verb_restore(int argc, char **argv)
{
	static char latest[] = "--latest";
	char **words_of;
	bool given = false, store;
	int i, n;

	bk_init(&bk_prog_restore, argc, argv);
	if (of_job(argc, argv))
		return bk_verb_become("restore-job", argv);
	store = bk_ctx->env("BK_STORE") != NULL && isatty(STDIN_FILENO);
	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		given = given || strcmp(argv[i], latest) == 0 ||
		    strncmp(argv[i], "--id", 4) == 0 ||
		    strncmp(argv[i], "--at", 4) == 0;
		store = store || strncmp(argv[i], "--name", 6) == 0 ||
		    (is_url(argv[i]) && strcmp(argv[i - 1], "--into") != 0);
	}
	if ((words_of = calloc((size_t)argc + 2, sizeof(*words_of))) == NULL) {
		bk_say(BK_LOG_ERROR, "out of memory");
		return BK_IO;
	}
	words_of[0] = argv[0];
	n = 1;
	if (store && !given)
		words_of[n++] = latest;
	for (i = 1; i < argc; i++)
		words_of[n++] = argv[i];
	n = bk_verb_become("restore", words_of);
	free(words_of);
	return n;
}

