/*
 * Memory that runs out: each job of lib/base is done with the first, second,
 * third, … allocation failing, until it passes.  Every failure must be a
 * fault of 74.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buf.h"
#include "hash.h"
#include "io.h"
#include "json.h"
#include "scarce.h"
#include "tap.h"
#include "uri.h"
#include "words.h"

#if OWN_MALLOC
static int
job_buf(struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(1000000);
	static char block[100000];
	char *p = NULL;
	int rc = -1;

	if (bk_buf_adds(&b, "x", f) == 0 &&
	    bk_buf_add(&b, block, sizeof(block), f) == 0 &&
	    bk_buf_add(&b, block, sizeof(block), f) == 0 &&
	    (p = bk_buf_detach(&b, f)) != NULL) {
		free(p);
		if ((p = bk_buf_detach(&b, f)) != NULL)
			rc = 0;
	}
	free(p);
	bk_buf_wipe(&b);
	return rc;
}

static int
job_rbuf(struct bk_fault *f)
{
	struct bk_rbuf *r = bk_rbuf_new(0, "x", f);

	bk_rbuf_free(r);
	return r != NULL ? 0 : -1;
}

static int
job_sha256(struct bk_fault *f)
{
	struct bk_sha256 *h = bk_sha256_new(f);

	bk_sha256_free(h);
	return h != NULL ? 0 : -1;
}

static int
job_json(struct bk_fault *f)
{
	json_t *o = json_object();
	int rc;

	rc = bk_json_set_text(o, "bad", "\xff\xff", f);
	json_decref(o);
	return rc;
}

static int
parse(const char *text, struct bk_fault *f)
{
	struct bk_uri u;
	int rc = bk_uri_parse(text, &u, f);

	bk_uri_release(&u);
	return rc;
}

static int
job_uri(struct bk_fault *f)
{
	return parse("s3://u@h:1/p?a=b&c", f) == 0 && parse("fake:", f) == 0 &&
	    parse("x://[::1]/", f) == 0 ? 0 : -1;
}

static int
job_allow(struct bk_fault *f)
{
	static const char *const some[] = { "a", NULL };
	struct bk_uri u;
	struct bk_fault usage = BK_FAULT_INIT;
	long saved = scarce_budget;
	int rc;

	scarce_budget = -1;
	bk_uri_parse("x:?b", &u, &usage);
	scarce_budget = saved;
	(void)bk_uri_allow(&u, some, &usage);
	rc = usage.status == BK_USAGE ? 0 :
	    bk_fault_set(f, usage.status, "%s", usage.text);
	bk_uri_release(&u);
	return rc;
}

static int
job_words(struct bk_fault *f)
{
	struct bk_words w;
	int rc = bk_words_split("a b", &w, f);

	bk_words_release(&w);
	return rc;
}

/* A digest that cannot be had ends the process. */
static void
test_abort(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_sha256 *h = bk_sha256_new(&f);
	struct rlimit none = { 0, 0 };
	uint8_t sum[BK_SHA256_LEN];
	int status;
	pid_t pid;

	if ((pid = fork()) == 0) {
		setrlimit(RLIMIT_CORE, &none);
		scarce_budget = 1;
		bk_sha256_sum(h, sum);
		_exit(0);
	}
	ok(pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
	    WTERMSIG(status) == SIGABRT, "no digest, no process");
	bk_sha256_free(h);
}

static void
tests(void)
{
	scarce_torture(job_buf, 4, "buf");
	scarce_torture(job_rbuf, 3, "rbuf");
	scarce_torture(job_sha256, 3, "sha256");
	scarce_torture(job_json, 3, "json");
	scarce_torture(job_uri, 12, "uri");
	scarce_torture(job_allow, 1, "uri_allow");
	scarce_torture(job_words, 2, "words");
	test_abort();
}
#else
static void
tests(void)
{
}
#endif

int
main(void)
{
	return scarce_main(tests);
}
