/* The schedule file: what it means, and what is said about each mistake. */
#include <sys/stat.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io.h"
#include "job.h"
#include "tap.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static char main_conf[512];

static const char *
vars(const char *name)
{
	if (strcmp(name, "DB") == 0)
		return "db\\1 \"x\" ${HOME} 'y'";
	return NULL;
}

static void
put(const char *name, const char *text)
{
	char path[512];
	FILE *fp;

	(void)snprintf(path, sizeof(path), "%s/%s", tap_dir(), name);
	if ((fp = fopen(path, "we")) == NULL || fputs(text, fp) == EOF ||
	    fclose(fp) == EOF)
		abort();
}

static struct bk_jobs *
load(const char *text, struct bk_fault *f)
{
	struct bk_ctx ctx = tap_ctx;

	ctx.env = vars;
	put("bk.conf", text);
	bk_fault_clear(f);
	return bk_jobs_load(&ctx, main_conf, f);
}

#define STORE "store \"s\" { url = \"file:///s\" }\n"

static const struct {
	const char *text;
	int line;
	const char *says;
} mistakes[] = {
	{ "jobb \"x\" { }\n", 1, "unknown word 'jobb'; do you mean 'job'?" },
	{ "\n\njob \"x\" {\n shedule = \"@daily\"\n}\n", 4,
	    "unknown word 'shedule' in job; do you mean 'schedule'?" },
	{ "job \"x\" {\n qqqqqqqq = 1 }\n", 2, "unknown word 'qqqqqqqq' in job" },
	{ "state = \"/a\"\n# c\nstate = \"/b\"\n", 3, "'state' stands already in" },
	{ STORE "/* c\n c */ job \"x\" {\n}\njob 'x' { }\n", 5, "job 'x' stands already in" },
	{ "state = \"/a\n\njob \"x\" { }\n", 1, "does not end on its line" },
	{ "state = '/a\n", 1, "does not end on its line" },
	{ "/* no\n end", 1, "this comment does not end" },
	{ "job \"x\" {\n name = \"y\"\n", 1, "has no closing '}'" },
	{ "job \"x\" {\n tags = { \"a=b\",\n", 2, "the list of 'tags'" },
	{ "job \"x\" {\n\n tags = { \"a=b\" \"c=d\" }\n}\n", 3, "unexpected token" },
	{ "state \"/a\"\n", 1, "want '=' after 'state'" },
	{ "state += \"/a\"\n", 1, "a word stands once" },
	{ "state = { \"/a\" }\n", 1, "takes one value" },
	{ "state = }\n", 1, "'state' has no value" },
	{ "\n}\n", 2, "'}' where a word is wanted" },
	{ "state = \"${NOPE}\"\n", 1, "variable NOPE is not set; ${NOPE:-default}" },
	{ "state = \"${NOPE\"\n", 1, "want ${NAME}" },
	{ "state = \"${}\"\n", 1, "want ${NAME}" },
	{ "state = ${DB}\n", 1, "in double quotes only" },
	{ "state = x${DB}\n", 1, "in double quotes only" },
	{ "state = \"a\\d\"\n", 1, "write '\\\\d', or the whole in single quotes" },
	{ "\ninclude(\"nowhere\")\n", 2, "nowhere': No such file" },
	{ "include nowhere\n", 1, "want include(\"PATH\")" },
	{ "include(\"x\" {\n", 1, "want ')'" },
	{ "\ninclude(\"bk.conf\")\n", 2, "is read twice" },
	{ "state = \"rel\"\n", 1, "want an absolute path" },
	{ "parallel = 0\n", 1, "parallel" },
	{ STORE "job \"x\" {\n}\n", 2, "neither 'source' nor 'run'" },
	{ STORE "job \"x\" { source = \"fake:\"\n}\n", 2, "a source and no store" },
	{ STORE "job \"x\" { source = \"fake:\"\nstore = \"t\"\n}\n", 3,
	    "no store 't'" },
	{ STORE "job \"x\" { source = \"fake:\"\nstore = { \"s\", \"@s\" }\n}\n", 3,
	    "stands there twice" },
	{ STORE "job \"x\" {\nsource = \"postgres://u:pw@h/d\"\nstore = \"s\"\n}\n", 3,
	    "source: " },
	{ STORE "job \"x\" { source = \"fake:\" store = \"s\"\ntimeout = \"5\"\n}\n", 3,
	    "timeout: " },
	{ STORE "job \"x\" { source = \"fake:\" store = \"s\"\nat-start = maybe\n}\n", 3,
	    "want yes or no" },
	{ STORE "job \"x\" { source = \"fake:\" store = \"s\"\nkeep = \"'a\"\n}\n", 3,
	    "keep: " },
	{ STORE "job \"x\" { source = \"fake:\" store = \"s\"\ntags = { \"a\" }\n}\n", 3,
	    "is no KEY=VALUE" },
	{ STORE "job \"x y\" { source = \"fake:\" store = \"s\" }\n", 2, "job 'x y'" },
	{ STORE "job \"x\" {\nsource = \"mysql://h/?each=yes\"\nstore = \"s\" }\n", 3,
	    "each=yes goes with" },
	{ STORE "job \"x\" {\nsource = { \"fake:\", \"fake:?bytes=1\" }\nstore = \"s\" }\n",
	    3, "backups of one name" },
	{ STORE "job \"x\" {\nsource = \"exec:\"\nstore = \"s\" }\n", 3, "go together" },
	{ STORE "job \"x\" {\nsource = \"fake:\"\nstore = \"s\"\nrun = \"bk-list\" }\n", 2,
	    "both 'source' and 'run'" },
	{ STORE "job \"x\" { source = \"fake:\" store = \"s\"\nkeep = \"--all --yes\"\n}\n", 3,
	    "keep: '--all' is no rule" },
	{ STORE "job \"x\" { source = \"fake:\" store = \"s\"\n"
	    "keep = \"--keep-last 3 --name y\"\n}\n", 3, "'--name' is no rule" },
	{ STORE "job \"x\" { source = \"fake:\" store = \"s\"\nkeep = \"--shared -\"\n}\n", 3,
	    "'-' is no rule" },
	{ STORE "job \"x\" { source = \"fake:\" store = \"s\"\nmax-bytes = \"-1\"\n}\n", 3,
	    "max-bytes: " },
	{ STORE "job \"x\" { source = \"fake:\" store = \"s\"\nwatch = \"a/b\"\n}\n", 3,
	    "watch 'a/b': want an absolute path" },
	{ STORE "job \"x\" { source = \"files:///a\" store = \"s\" name = \"n\" }\n"
	    "job \"y\" { source = \"files:///b\" store = \"s\" name = \"n\" }\n", 3,
	    "jobs 'x' and 'y' would give backups of one name, 'n', in store 's'" },
	{ STORE "job \"x-b\" { source = \"fake:\" store = \"s\" }\n"
	    "job \"x\" { source = { \"files:///a/b\", \"files:///c\" } store = \"s\" }\n", 3,
	    "would give backups of one name, 'x-b'" },
	{ "store \"s\" { }\n", 1, "has no url" },
	{ STORE "requests \"s\" { }\n", 2, "has no 'every'" },
	{ STORE "requests \"q\" { every = \"5m\" }\n", 2, "no store 'q'" },
	{ STORE "job \"a\" { source = \"fake:\" store = \"s\" group = \"g\" schedule = \"@daily\" }\n"
	    "job \"b\" { source = \"fake:\" store = \"s\" group = \"g\" schedule = \"@daily\" }\n",
	    3, "runs with job 'a'" },
};

static void
test_mistakes(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	char want[600];
	size_t i;

	for (i = 0; i < N(mistakes); i++) {
		ok(load(mistakes[i].text, &f) == NULL, "case %zu", i);
		ok(strstr(f.text, mistakes[i].says) != NULL, "'%s' in: %s", mistakes[i].says, f.text);
		(void)snprintf(want, sizeof(want), "%s:%d: ", main_conf, mistakes[i].line);
		ok(strncmp(f.text, want, strlen(want)) == 0, "line %d of: %s",
		    mistakes[i].line, f.text);
		ok(f.status == BK_CONFIG || f.status == BK_NOINPUT, "status %d", f.status);
	}
}

static void
test_values(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_jobs *j = load(
	    "state = '/st\\d'\r\n"
	    "timeout = \"2h\"  // for all\n"
	    "on-failure = \"echo ${DB} ${NOPE:-it's}\"\n"
	    STORE "store t { url = 's3://b/p' }\n"
	    "job app {\n"
	    "  source = 'postgres://u@DB.example/app'\n"
	    "  pipeline = { \"bk-compress --zstd\", 'bk-pipe --ext \"x y\" -- cat' }\n"
	    "  store = { \"t\", @s, }\n"
	    "  before = \"line one\\n\\\n  two\"\n"
	    "  keep = \"--keep-last 3\"\n"
	    "  tags = { \"tier=app\" }\n"
	    "  max-age = \"26h\" retry = 0\n"
	    "}\n"
	    "job 'two' { source = { 'fake:', 'files:///srv/www' } store = s pipeline = {}\n"
	    "  timeout = 1m watch = '/x' hosts = { 'nobody' } }\n"
	    "job r { run = { 'bk-list \"a b\"', 'true' } schedule = '@daily' }\n"
	    "requests t { every = '5m' }\n", &f);
	const struct bk_job *a;
	char name[BK_NAME_MAX + 1];

	if (!ok(j != NULL, "a good file: %s", f.text))
		return;
	ok_text(j->state, "/st\\d", "single quotes keep a backslash");
	ok_int(j->njobs, 3, "jobs");
	a = bk_jobs_find(j, "app", &f);
	ok_text(a->hooks[BK_HOOK_FAILURE][0],
	    "echo db\\1 \"x\" ${HOME} 'y' it's", "a variable's value is not read again");
	ok_text(a->sources[0], "postgres://u@DB.example/app", "source");
	ok_text(a->lock, "postgres-DB.example", "lock");
	ok_text(a->before, "line one\n  two", "a continued string");
	ok_int(a->npipeline, 2, "filters");
	ok_text(a->pipeline[1].v[2], "x y", "a quoted word");
	ok_text(a->stores[0]->url, "s3://b/p", "first store");
	ok_text(a->stores[1]->name, "s", "second store");
	ok_text(a->keep.v[1], "3", "keep");
	ok_int(a->timeout, 7200000, "timeout of the top");
	ok_int(a->max_age, 26 * 3600000, "max-age");
	ok_int(a->retry, 0, "retry = 0");
	ok(!a->unless_unchanged && bk_job_here(&tap_ctx, a), "defaults");
	bk_job_name(a, 0, name);
	ok_text(name, "app", "name of one source");
	a = bk_jobs_find(j, "two", &f);
	ok_int(a->npipeline, 0, "pipeline = {}");
	ok_int(a->timeout, 60000, "its own timeout");
	ok(a->unless_unchanged && !bk_job_here(&tap_ctx, a), "watch, hosts");
	bk_job_name(a, 0, name);
	ok_text(name, "two-fake", "name by engine");
	bk_job_name(a, 1, name);
	ok_text(name, "two-www", "name by path");
	a = bk_jobs_find(j, "r", &f);
	ok_int(a->nruns, 2, "run");
	ok_text(a->runs[0].v[1], "a b", "words of run");
	ok_int(j->requests[0].every, 300000, "requests");
	ok(bk_jobs_find(j, "ap", &f) == NULL && strstr(f.text, "do you mean 'app'") != NULL,
	    "%s", f.text);
	bk_jobs_free(j);
}

/* One name twice is well where it is one source, one history, or two stores. */
static void
test_one_name(void)
{
	static const char *const t[] = {
		STORE "job a { source = 'files:///a' store = s name = n }\n"
		    "job b { source = 'files:///a?x=1' store = s name = n }\n",
		STORE "job a { source = 'files:///a' store = s name = n keep = '--keep-last 3 --shared' }\n"
		    "job b { source = 'files:///b' store = s name = n keep = '--keep-last=3 --shared' }\n",
		STORE "store t { url = 'file:///t' }\n"
		    "job a { source = 'files:///a' store = s name = n }\n"
		    "job b { source = 'files:///b' store = t name = n }\n",
	};
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_jobs *j;
	size_t i;

	for (i = 0; i < N(t); i++) {
		ok((j = load(t[i], &f)) != NULL, "one name, case %zu: %s", i, f.text);
		bk_jobs_free(j);
	}
}

static void
test_include(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	char dir[512], want[600];
	struct bk_jobs *j;

	(void)snprintf(dir, sizeof(dir), "%s/d", tap_dir());
	(void)mkdir(dir, 0700);
	put("d/b.conf", "job b { source = 'fake:' store = s group = g }\n");
	put("d/a.conf", "job a { source = 'fake:' store = s group = g at-start = yes }\n");
	put("d/.hidden.conf", "nonsense");
	put("d/a.conf~", "nonsense");
	put("one", STORE "max-age = '3h'\n");
	j = load("include(\"d\")\ninclude('one')\n", &f);
	if (ok(j != NULL, "a directory and a file: %s", f.text)) {
		ok_int(j->njobs, 2, "jobs of the directory");
		ok_text(j->jobs[0].title, "a", "in order of names");
		ok_int(j->jobs[1].max_age, 3 * 3600000, "a default from another file");
		ok(j->jobs[1].leader == &j->jobs[0], "group led by the one with a time");
		bk_jobs_free(j);
	}
	put("d/c.conf", "\n\njob c { sorce = 'fake:' }\n");
	ok(load("include(\"d\")\ninclude('one')\n", &f) == NULL, "a fault in a file");
	(void)snprintf(want, sizeof(want), "%s/d/c.conf:3: unknown word 'sorce'",
	    tap_dir());
	ok(strncmp(f.text, want, strlen(want)) == 0, "named where it is: %s", f.text);
}

int
main(void)
{
	(void)snprintf(main_conf, sizeof(main_conf), "%s/bk.conf", tap_dir());
	test_mistakes();
	test_values();
	test_one_name();
	test_include();
	return done();
}
