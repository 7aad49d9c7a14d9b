/*
 * "bk backup SOURCE STORE" composes bk-dump, bk-compress and bk-put; "bk
 * backup JOB" is bk-start.
 */
#include <sys/mman.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "names.h"
#include "pipeline.h"
#include "prog.h"
#include "record.h"
#include "uri.h"
#include "verb.h"

#define WORDS 128

enum { O_NAME = 256, O_ZSTD, O_PLAIN, O_CREATE, O_TIMEOUT, O_SOURCE_ENV,
	O_WAIT, O_VIA, O_CONFIG };

static const struct bk_opt backup_opts[] = {
	{ O_NAME, "name", "NAME", "name of the backup", 0 },
	{ 't', "tag", "KEY=VALUE", "add this tag; may be repeated", BK_OPT_MANY },
	{ O_ZSTD, "zstd", NULL, "compress with zstd instead of gzip", 0 },
	{ O_PLAIN, "plain", NULL, "do not compress", 0 },
	{ O_CREATE, "create", NULL, "make the store's directory or bucket", 0 },
	{ O_TIMEOUT, "timeout", "DURATION", "time limit of the dump (10h)", 0 },
	{ O_SOURCE_ENV, "source-env", "VARIABLE", "take the password from VARIABLE", 0 },
	{ O_WAIT, "wait", "SECONDS", "of a job: wait until it has ended, for so long", BK_OPT_OPTARG },
	{ O_VIA, "via", "STORE", "of a job: ask by way of this store", 0 },
	{ O_CONFIG, "config", "FILE", "of a job: the schedule file (/etc/bk/bk.conf)", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog bk_prog_backup = { "bk backup",
	"SOURCE STORE... [OPTION]... [-- VENDOR-OPTION...] | "
	"JOB [--wait[=SECONDS]] [--via STORE]",
	"dump, compress and store a source, or have a job run now", backup_opts };

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

/* The options; returns the name of one that is for jobs alone, or NULL. */
static const char *
backup_options(struct stage *dump, struct stage *compress, struct stage *put,
    bool *plain)
{
	const char *of_job = NULL;
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
		case O_WAIT: of_job = "wait"; break;
		case O_VIA: of_job = "via"; break;
		case O_CONFIG: of_job = "config"; break;
		default: break;
		}
	if (*plain && compress->n > 1)
		bk_usage("--plain and --zstd exclude each other");
	add_verbose(dump, before);
	add_verbose(compress, before);
	add_verbose(put, before);
	return of_job;
}

/* SOURCE and each STORE, which an increment looks for its parent in as well. */
static void
add_operands(struct stage *dump, struct stage *put, char **ops, size_t n)
{
	bool increment = bk_uri_has(ops[0], "parent");
	const char *env = bk_ctx->env("BK_STORE");
	size_t i;

	for (i = 1; i < n; i++) {
		add(put, ops[i]);
		if (increment)
			add_opt(dump, "--store", ops[i]);
	}
	if (increment && n == 1 && env != NULL)
		add_opt(dump, "--store", env);
	add(dump, ops[0]);
}

int
bk_verb_backup(int argc, char **argv)
{
	static struct stage dump, compress, put;
	static char paths[3][PATH_MAX];
	static const char *const names[] = { "bk-dump", "bk-compress", "bk-put" };
	const char *const *stages[3];
	struct bk_fault f = BK_FAULT_INIT, told = BK_FAULT_INIT;
	size_t n = 0, i;
	bool plain = false;
	const char *of_job;
	char **ops;
	int nops, after, fd;

	bk_init(&bk_prog_backup, argc, argv);
	for (i = 0; i < 3; i++)
		snprintf(paths[i], sizeof(paths[i]), "%s/%s", bk_ctx->bindir,
		    names[i]);
	add(&dump, paths[0]);
	add(&compress, paths[1]);
	add(&put, paths[2]);
	of_job = backup_options(&dump, &compress, &put, &plain);
	nops = bk_operands(&ops);
	after = bk_operands_after();
	if (nops == 1 && after == -1 && bk_name_ok(ops[0]))
		return bk_verb_become("start", argv);
	if (of_job != NULL)
		bk_usage("--%s goes with the name of one job", of_job);
	if (nops - (after > 0 ? after : 0) < 2 &&
	    !(nops - (after > 0 ? after : 0) == 1 && bk_ctx->env("BK_STORE") != NULL))
		bk_usage("want SOURCE and STORE");
	add_operands(&dump, &put, ops, (size_t)(nops - (after > 0 ? after : 0)));
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

