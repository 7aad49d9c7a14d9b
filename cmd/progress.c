/*
 * The progress line: bytes, rate and, where the total is known, time left.
 */
#include <sys/stat.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "prog.h"

#define DRAW_MS 200

static uint64_t done, total;
static int64_t began, drawn;
static int wanted = -1;			/* -1: not looked yet */
static bool visible;

static int
look(void)
{
	const char *json = getenv("BK_LOG");
	struct stat st;

	return isatty(STDERR_FILENO) &&
	    (json == NULL || strcmp(json, "json") != 0) &&
	    fstat(STDOUT_FILENO, &st) == 0 && !S_ISFIFO(st.st_mode);
}

static void
size_text(char *out, size_t size, double n)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t u = 0;

	while (n >= 1024 && u + 1 < sizeof(units) / sizeof(units[0])) {
		n /= 1024;
		u++;
	}
	snprintf(out, size, u == 0 ? "%.0f %s" : "%.1f %s", n, units[u]);
}

static void
draw(int64_t t)
{
	double rate = (double)done * 1000 / (double)(t > began ? t - began : 1);
	char size[32], speed[32], left[48] = "", line[160];
	long s;
	int n;

	size_text(size, sizeof(size), (double)done);
	size_text(speed, sizeof(speed), rate);
	if (total > done && rate >= 1) {
		s = (long)((double)(total - done) / rate);
		snprintf(left, sizeof(left), ", %ld:%02ld:%02ld left", s / 3600,
		    s / 60 % 60, s % 60);
	}
	n = snprintf(line, sizeof(line), "\r%s, %s/s%s\033[K", size, speed, left);
	if (n > 0 && write(STDERR_FILENO, line, (size_t)n) > 0)
		visible = true;
}

void
bk_progress_total(uint64_t n)
{
	total = n;
}

void
bk_progress(uint64_t n)
{
	int64_t t;

	done += n;
	if (wanted == -1) {
		wanted = look();
		began = drawn = bk_ctx->mono();
	}
	if (!wanted || (t = bk_ctx->mono()) - drawn < DRAW_MS)
		return;
	drawn = t;
	draw(t);
}

void
bk_progress_end(void)
{
	if (!visible)
		return;
	visible = false;
	if (write(STDERR_FILENO, "\r\033[K", 4) == -1) {
		/* The terminal is gone. */
	}
}
