/*
 * decide [RECORDS [COUNT]]: the deciding of retention alone.  Makes so many
 * records of four names, one an hour each, and decides COUNT times over them
 * in an order that is not that of their times.  Prints a line of JSON:
 * records, CPU seconds of the fastest (it is one thread, which waits for
 * nothing), seconds by the clock of that one, bytes of the peak beside the
 * records.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "retain.h"

static int64_t
clock_us(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
	return ts.tv_sec * INT64_C(1000000) + ts.tv_nsec / 1000;
}

static long
peak_kib(void)
{
	struct rusage u;

	return getrusage(RUSAGE_SELF, &u) == 0 ? u.ru_maxrss : 0;
}

/* Records come as a store lists them: by name and id, whose random end mixes times. */
static struct bk_retain_in *
make(size_t n)
{
	static const char *const names[] = { "app", "billing", "web", "users" };
	struct bk_retain_in *in = calloc(n, sizeof(*in));
	char (*id)[27] = calloc(n, sizeof(*id));
	size_t i, at;

	for (i = 0; in != NULL && id != NULL && i < n; i++) {
		/* 7919 and the count have no common divisor. */
		at = i * 7919 % n;
		(void)snprintf(id[i], sizeof(id[i]), "01KDV%021zu", i);
		in[i] = (struct bk_retain_in){ .id = id[i], .name = names[i % 4],
			.source = "{\"database\":\"app\",\"server\":\"7291\"}",
			.time = INT64_C(946684800000) + (int64_t)at * 900000,
			.bytes = 1000000 + at % 1000, .stored = 400000,
			.flags = (i % 97 == 0 ? 0 : BK_RETAIN_PROVEN) |
			    BK_RETAIN_PAYLOAD };
	}
	if (id == NULL) {
		free(in);
		return NULL;
	}
	return in;		/* both live as long as the program */
}

static int
no_tags(void *arg, const struct bk_query *q, size_t i, struct bk_fault *f)
{
	(void)arg;
	(void)q;
	(void)i;
	(void)f;
	return 0;
}

int
main(int argc, char *argv[])
{
	size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
	int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 3;
	struct bk_policy p = BK_POLICY_INIT;
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_zone *z = bk_zone_open(NULL, "Europe/Berlin", &f);
	struct bk_retain_in *in = make(n);
	struct bk_retained out = BK_RETAINED_INIT;
	int64_t start, cpu, took, best = INT64_MAX, wall = 0;
	long before = peak_kib();
	uint64_t keep = 0;

	p.count[BK_LAST] = 24;
	p.count[BK_DAILY] = 30;
	p.count[BK_WEEKLY] = 52;
	p.count[BK_MONTHLY] = 120;
	p.count[BK_YEARLY] = BK_UNLIMITED;
	if (in == NULL || z == NULL)
		return 74;
	while (rounds-- > 0) {
		start = clock_us(CLOCK_MONOTONIC);
		cpu = clock_us(CLOCK_PROCESS_CPUTIME_ID);
		if (bk_retain(in, n, &p, z, INT64_C(4102444800000), no_tags, NULL,
		    &out, &f) == -1) {
			(void)fprintf(stderr, "decide: %s\n", f.text);
			return f.status;
		}
		took = clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu;
		if (took < best) {
			best = took;
			wall = clock_us(CLOCK_MONOTONIC) - start;
		}
		keep = out.keep;
		bk_retain_release(&out);
	}
	(void)printf("{\"records\":%zu,\"kept\":%" PRIu64 ",\"seconds\":%.3f,"
	    "\"wall\":%.3f,\"bytes\":%ld}\n", n, keep, (double)best / 1e6,
	    (double)wall / 1e6, (peak_kib() - before) * 1024);
	bk_zone_free(z);
	return 0;
}
