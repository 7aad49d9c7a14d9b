#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scarce.h"
#include "tap.h"

#if OWN_MALLOC
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

volatile long scarce_budget = -1;

static bool
scarce(void)
{
	if (scarce_budget > 0)
		scarce_budget--;
	if (scarce_budget != 0)
		return false;
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t n)
{
	return scarce() ? NULL : __libc_malloc(n);
}

void *
calloc(size_t k, size_t n)
{
	return scarce() ? NULL : __libc_calloc(k, n);
}

void *
realloc(void *p, size_t n)
{
	return scarce() ? NULL : __libc_realloc(p, n);
}

void
scarce_torture(int (*job)(struct bk_fault *), int least, const char *what)
{
	struct bk_fault f;
	int n, bad = 0, rc;

	/* Once with memory, for what libraries set up at their first call. */
	memset(&f, 0, sizeof(f));
	rc = job(&f) == 0 ? -1 : 0;
	for (n = 1; n < 2000 && rc != 0; n++) {
		memset(&f, 0, sizeof(f));
		scarce_budget = n;
		rc = job(&f);
		scarce_budget = -1;
		bad += rc == 0 ? bk_faulty(&f) : f.status != 74;
	}
	ok(rc == 0 && n - 2 >= least, "%s: passes after %d failures", what, n - 2);
	ok_int(bad, 0, "each of them a fault of 74");
}

/* Is malloc ours?  Valgrind puts its own in its place. */
static bool
in_charge(void)
{
	void *volatile p;

	scarce_budget = 1;
	p = malloc(1);
	scarce_budget = -1;
	free(p);
	return p == NULL;
}
#endif

int
scarce_main(void (*tests)(void))
{
#if OWN_MALLOC
	if (in_charge())
		tests();
	else
		tap_skip("valgrind has its own malloc");
#else
	(void)tests;
	tap_skip("the sanitizer has its own malloc");
#endif
	return done();
}
