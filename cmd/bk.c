/*
 * bk: the friendly face.  "bk backup SOURCE STORE" composes bk-dump,
 * bk-compress and bk-put; "bk restore STORE" is bk-restore with the newest
 * backup unless another is asked for; any other word runs bk-WORD from the
 * directory of this program, else from PATH.
 */
#include <sys/mman.h>
#include <sys/wait.h>

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "pipeline.h"
#include "prog.h"
#include "record.h"

#define WORDS 128

enum { O_NAME = 256, O_ZSTD, O_PLAIN, O_CREATE, O_TIMEOUT, O_SOURCE_ENV };

static const struct bk_opt bk_opts[] = { BK_OPT_COMMON };

static const struct bk_prog bk_prog_main = { "bk", "WORD [ARGUMENT...]",
	"database backups as Unix pipelines; 'bk help' lists the words", bk_opts };

static const struct bk_opt backup_opts[] = {
	{ O_NAME, "name", "NAME", "name of the backup", 0 },
	{ 't', "tag", "KEY=VALUE", "add this tag; may be repeated", BK_OPT_MANY },
	{ O_ZSTD, "zstd", NULL, "compress with zstd instead of gzip", 0 },
	{ O_PLAIN, "plain", NULL, "do not compress", 0 },
	{ O_CREATE, "create", NULL, "make the store's directory or bucket", 0 },
	{ O_TIMEOUT, "timeout", "DURATION", "time limit of the dump (10h)", 0 },
	{ O_SOURCE_ENV, "source-env", "VARIABLE", "take the password from VARIABLE", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog bk_prog_backup = { "bk backup",
	"SOURCE STORE... [OPTION]... [-- VENDOR-OPTION...]",
	"dump, compress and store a source", backup_opts };

static const struct {
	const char *word, *does;
} words[] = {
	{ "backup SOURCE STORE", "dump, compress and store" },
	{ "restore STORE --into TARGET", "restore the newest backup, or --at, --id" },
	{ "status [JOB]", "how the jobs of the schedule file stand" },
	{ "list STORE", "what there is" },
	{ "tag", "add tags and holds to the records on standard input" },
	{ "get", "fetch a backup as a stream, or --raw" },
	{ "put STORE", "store the stream on standard input" },
	{ "dump SOURCE", "write a source as a stream" },
	{ "compress", "compress a stream, or -d" },
	{ "pipe -- COMMAND", "any command as a filter of a stream" },
	{ "help [WORD]", "this list, or the manual page of WORD" },
};

/* argv of one stage under construction. */
struct stage {
	const char *argv[WORDS + 1];
	size_t n;
};

static void
add(struct stage *s, const char *word)
{
	if (s->n == WORDS)
		bk_usage("more than %d words", WORDS);
	s->argv[s->n++] = word;
}

static void
add_opt(struct stage *s, const char *option, const char *value)
{
	add(s, option);
	add(s, value);
}

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
help(char **rest, int n)
{
	char page[128];
	size_t i;
	bool own;

	if (n == 1) {
		own = strcmp(rest[0], "bk") == 0 ||
		    strcmp(rest[0], "backup") == 0 || strcmp(rest[0], "help") == 0;
		snprintf(page, sizeof(page), "bk%s%s", own ? "" : "-",
		    own ? "" : rest[0]);
		return show_page(rest[0], page);
	}
	printf("bk: database backups as Unix pipelines\n\n");
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		printf("  bk %-28s %s\n", words[i].word, words[i].does);
	printf("\nEach word but backup and help is a program bk-WORD, with --help "
	    "and a manual page.\n");
	return fflush(stdout) == EOF ? BK_IO : 0;
}

/* Become bk-WORD with these arguments. */
static int
run_word(const char *word, char **argv)
{
	char name[64], path[PATH_MAX];

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

/* Tell what bk-put printed: lines to a program, a sentence to a person. */
static int
tell(int fd, struct bk_fault *f)
{
	struct bk_rbuf *r;
	struct bk_records_in *in = NULL;
	struct bk_record rec = BK_RECORD_INIT;
	const void *p;
	size_t n;
	int rc = -1;

	if (lseek(fd, 0, SEEK_SET) == -1)
		return bk_fault_errno(f, BK_IO, errno, "cannot read the records");
	if ((r = bk_rbuf_new(fd, "the records", f)) == NULL)
		return -1;
	if (!isatty(STDOUT_FILENO)) {
		while ((rc = bk_rbuf_bytes(r, SIZE_MAX, &p, &n, f)) == BK_MORE)
			if ((rc = bk_write_all(STDOUT_FILENO, p, n,
			    "standard output", f)) == -1)
				break;
	} else if ((in = bk_records_reader(r, 0, f)) != NULL) {
		while ((rc = bk_records_next(in, &rec, f)) == BK_MORE) {
			printf("stored '%s' as %s/%s (%llu bytes, id %s)\n",
			    rec.name, rec.store, rec.key,
			    (unsigned long long)rec.bytes, rec.id);
			bk_record_release(&rec);
		}
		if (fflush(stdout) == EOF)
			rc = bk_fault_errno(f, BK_IO, errno, "standard output");
	}
	bk_records_in_free(in);
	bk_rbuf_free(r);
	return rc;
}

/* Hand on how much is to be told: -v for each level that -v has added. */
static void
add_verbose(struct stage *s, const bool before[])
{
	int level;

	for (level = BK_LOG_INFO; level <= BK_LOG_TRACE; level++)
		if (!before[level] && bk_shown((enum bk_level)level))
			add(s, "-v");
}

static void
backup_options(struct stage *dump, struct stage *compress, struct stage *put,
    bool *plain)
{
	const char *arg;
	bool before[BK_LOG_TRACE + 1];
	int key;

	for (key = 0; key <= BK_LOG_TRACE; key++)
		before[key] = bk_shown((enum bk_level)key);
	while ((key = bk_opt_next(&arg)) != -1)
		switch (key) {
		case O_NAME: add_opt(dump, "--name", arg); break;
		case 't': add_opt(dump, "--tag", arg); break;
		case O_ZSTD: add(compress, "--zstd"); break;
		case O_PLAIN: *plain = true; break;
		case O_CREATE: add(put, "--create"); break;
		case O_TIMEOUT: add_opt(dump, "--timeout", arg); break;
		case O_SOURCE_ENV: add_opt(dump, "--source-env", arg); break;
		default: break;
		}
	if (*plain && compress->n > 1)
		bk_usage("--plain and --zstd exclude each other");
	add_verbose(dump, before);
	add_verbose(compress, before);
	add_verbose(put, before);
}

static int
backup(int argc, char **argv)
{
	static struct stage dump, compress, put;
	static char paths[3][PATH_MAX];
	static const char *const names[] = { "bk-dump", "bk-compress", "bk-put" };
	const char *const *stages[3];
	struct bk_fault f = BK_FAULT_INIT, told = BK_FAULT_INIT;
	size_t n = 0, i;
	bool plain = false;
	char **ops;
	int nops, after, fd;

	bk_init(&bk_prog_backup, argc, argv);
	for (i = 0; i < 3; i++)
		snprintf(paths[i], sizeof(paths[i]), "%s/%s", bk_ctx->bindir,
		    names[i]);
	add(&dump, paths[0]);
	add(&compress, paths[1]);
	add(&put, paths[2]);
	backup_options(&dump, &compress, &put, &plain);
	nops = bk_operands(&ops);
	after = bk_operands_after();
	if (nops - (after > 0 ? after : 0) < 2 &&
	    !(nops - (after > 0 ? after : 0) == 1 && bk_ctx->env("BK_STORE") != NULL))
		bk_usage("want SOURCE and STORE");
	add(&dump, ops[0]);
	for (i = 1; i < (size_t)(nops - (after > 0 ? after : 0)); i++)
		add(&put, ops[i]);
	if (after > 0)
		add(&dump, "--");
	for (i = (size_t)(nops - (after > 0 ? after : 0)); i < (size_t)nops; i++)
		add(&dump, ops[i]);

	stages[n++] = dump.argv;
	if (!plain)
		stages[n++] = compress.argv;
	stages[n++] = put.argv;
	/* A file, not a pipe: bk-put then draws the progress line. */
	if ((fd = memfd_create("records", MFD_CLOEXEC)) == -1) {
		(void)bk_fault_errno(&f, BK_IO, errno, "cannot make a memory file");
		return bk_exit(&f);
	}
	(void)bk_pipeline_run(bk_ctx, stages, n, -1, fd, 0, NULL, &f);
	/* What was committed is told even where another store failed. */
	(void)tell(fd, &told);
	if (close(fd) == -1)
		(void)bk_fault_errno(&told, BK_IO, errno, "the records");
	if (bk_faulty(&f))
		return f.upstream ? f.status : bk_exit(&f);
	return bk_exit(&told);
}

/* Does ${word} begin as a URL does? */
static bool
is_url(const char *word)
{
	size_t n = strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789+");

	return n > 0 && strncmp(word + n, "://", 3) == 0;
}

/* bk-restore, with the newest backup unless the words say another. */
static int
restore(int argc, char **argv)
{
	static char latest[] = "--latest";
	char **words_of;
	bool given = false;
	bool store = bk_ctx->env("BK_STORE") != NULL && isatty(STDIN_FILENO);
	int i, n;

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
	n = run_word("restore", words_of);
	free(words_of);
	return n;
}

int
main(int argc, char *argv[])
{
	const char *arg;
	char **ops;

	if (argc >= 2 && strcmp(argv[1], "backup") == 0)
		return backup(argc - 1, argv + 1);
	if (argc >= 2 && argv[1][0] != '-') {
		bk_init(&bk_prog_main, argc, argv);
		if (strcmp(argv[1], "help") == 0 && argc <= 3)
			return help(argv + 2, argc - 2);
		if (strcmp(argv[1], "restore") == 0)
			return restore(argc - 1, argv + 1);
		return run_word(argv[1], argv + 1);
	}
	bk_init(&bk_prog_main, argc, argv);
	while (bk_opt_next(&arg) != -1)
		;
	if (bk_operands(&ops) == 0)
		bk_usage("want a word; 'bk help' lists them");
	return run_word(ops[0], ops);
}
