/* The S3 driver on a real server: the suite, and what only S3 can do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab.h"
#include "store_conform.h"
#include "tap.h"

static int nth;

static struct bk_store *
open_nth(int n, bool create, struct bk_fault *f)
{
	struct bk_store_opts opts = { .create = create };
	char url[256];

	snprintf(url, sizeof(url), "s3://bucket%d/some/set", n);
	return bk_store_open(&tap_ctx, url, &opts, f);
}

static struct bk_store *
fresh(void *arg, struct bk_fault *f)
{
	(void)arg;
	return open_nth(++nth, true, f);
}

static struct bk_store *
again(void *arg, struct bk_fault *f)
{
	(void)arg;
	return open_nth(nth, false, f);
}

int
main(void)
{
	static const struct conform s3 = { "s3", fresh, again, NULL, 120, 60,
		8 << 20, 24 << 20 };

	unsetenv("AWS_CA_BUNDLE");
	setenv("LAB_S3_PAGE", "50", 1);	/* 1000 keys take a while */
	if (!lab_start("s3"))
		return done();
	store_conform(&s3);
	return done();
}
