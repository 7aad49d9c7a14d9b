#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

static int ran, failed, skipped;
static char dir[64];

static int64_t
clock_ms(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t
now(void)
{
	return clock_ms(CLOCK_REALTIME);
}

static int64_t
mono(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

static const char *
env(const char *name)
{
	return getenv(name);
}

static void
quiet(enum bk_level level, const char *fmt, ...)
{
	va_list ap;

	if (getenv("TAP_LOG") == NULL)
		return;
	fprintf(stderr, "# log %d: ", (int)level);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

struct bk_ctx tap_ctx = { env, now, mono, quiet, "build/bin", "/tmp",
	"/usr/local/bin:/usr/bin:/bin", "testhost", NULL, 0 };

__attribute__((constructor)) static void
start(void)
{
	static char bin[4096];
	const char *b = getenv("B");

	/* As every program does; see prog.h. */
	(void)signal(SIGPIPE, SIG_IGN);
	tap_ctx.vars = environ;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (realpath(b != NULL ? b : "build", bin) != NULL) {
		strncat(bin, "/bin", sizeof(bin) - strlen(bin) - 1);
		tap_ctx.bindir = bin;
	}
}

bool
tap_ok(bool good, const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	ran++;
	printf("%sok %d - ", good ? "" : "not ", ran);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	if (!good) {
		failed++;
		printf("# at %s:%d\n", file, line);
	}
	return good;
}

bool
tap_text(const char *got, const char *want, const char *file, int line,
    const char *what)
{
	bool good = got == want ||
	    (got != NULL && want != NULL && strcmp(got, want) == 0);

	tap_ok(good, file, line, "%s", what);
	if (!good)
		printf("#  got: %s\n# want: %s\n", got != NULL ? got : "NULL",
		    want != NULL ? want : "NULL");
	return good;
}

bool
tap_int(long long got, long long want, const char *file, int line,
    const char *what)
{
	tap_ok(got == want, file, line, "%s", what);
	if (got != want)
		printf("#  got: %lld\n# want: %lld\n", got, want);
	return got == want;
}

void
tap_skip(const char *why)
{
	ran++;
	skipped++;
	printf("ok %d # SKIP %s\n", ran, why);
}

int
done(void)
{
	printf("1..%d\n", ran);
	return failed == 0 && ran > 0 ? 0 : 1;
}

static int
rm_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st; (void)type; (void)ftw;
	return remove(path);
}

static void
rm_dir(void)
{
	nftw(dir, rm_one, 32, FTW_DEPTH | FTW_PHYS);
}

const char *
tap_dir(void)
{
	if (dir[0] == '\0') {
		memcpy(dir, "/tmp/bk-unit-XXXXXX", sizeof("/tmp/bk-unit-XXXXXX"));
		if (mkdtemp(dir) == NULL)
			abort();
		atexit(rm_dir);
	}
	return dir;
}
