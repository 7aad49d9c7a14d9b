/*
 * A small mutation fuzzer.  It runs each file of the corpus as it is, then
 * mutations of them until the time or the count is up.  The inputs depend on
 * the seed alone, so that a run can be repeated; the last one stands in a
 * shared mapping of a file and outlives a crash.
 *
 * usage: fuzz_X [-n RUNS] [-t SECONDS] [-s SEED] -o LAST FILE...
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

#define SIZE_MAX_INPUT 65536
#define FILES_MAX 512

struct input {
	uint8_t *p;
	size_t n;
};

/* What the last run was given: its length, then its bytes. */
struct last {
	uint64_t n;
	uint8_t p[SIZE_MAX_INPUT];
};

static struct input corpus[FILES_MAX];
static size_t ncorpus;
static uint64_t state;

void
fuzz_broken(const char *file, int line, const char *cond)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, cond);
	abort();
}

int
fuzz_fd(const uint8_t *p, size_t n)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	FUZZ_CHECK(fd != -1);
	FUZZ_CHECK(write(fd, p, n) == (ssize_t)n);
	FUZZ_CHECK(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

/* xorshift64* (Vigna, 2016). */
static uint64_t
any(uint64_t below)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return below == 0 ? 0 : (state * 0x2545f4914f6cdd1dU >> 16) % below;
}

static void
load(const char *path)
{
	struct input *in = &corpus[ncorpus];
	FILE *file = fopen(path, "re");

	FUZZ_CHECK(file != NULL && ncorpus < FILES_MAX);
	FUZZ_CHECK((in->p = malloc(SIZE_MAX_INPUT)) != NULL);
	in->n = fread(in->p, 1, SIZE_MAX_INPUT, file);
	FUZZ_CHECK(fclose(file) == 0);
	ncorpus++;
}

/* Replace ${cut} bytes at ${at} by ${n} bytes, as far as there is room. */
static void
replace(struct last *w, size_t at, size_t cut, const uint8_t *p, size_t n)
{
	size_t rest = w->n - at - cut;

	if (at + n + rest > SIZE_MAX_INPUT)
		return;
	memmove(w->p + at + n, w->p + at + cut, rest);
	memcpy(w->p + at, p, n);
	w->n = at + n + rest;
}

static void
mutate_once(struct last *w)
{
	static const char *const words[] = { "0", "-1", "4294967296",
		"9223372036854775807", "18446744073709551616", "\"", "\\", "{",
		"}", "[", "]", "\n", "\r\n", "\\u0000", "\xff", "\xed\xa0\x80",
		"../", "/", "%00", "null", "true", ",", ":", "=", "'", "`" };
	static const uint8_t odd[] = { 0, 1, 0x7f, 0x80, 0xff, '0', '9', ' ' };
	const struct input *other = &corpus[any(ncorpus)];
	const char *word = words[any(sizeof(words) / sizeof(words[0]))];
	uint8_t copy[256] = { 0 };
	size_t at = any(w->n + 1), left = w->n - at, n = any(64), from;

	n = n < left ? n : left;
	switch (any(8)) {
	case 0:
		if (left > 0)
			w->p[at] ^= (uint8_t)(1U << any(8));
		break;
	case 1:
		if (left > 0)
			w->p[at] = odd[any(sizeof(odd))];
		break;
	case 2:
		replace(w, at, n, copy, 0);
		break;
	case 3:
		memcpy(copy, w->p + at, n);
		replace(w, at, 0, copy, n);
		break;
	case 4:
		replace(w, at, any(2) ? 0 : n, (const uint8_t *)word,
		    strlen(word));
		break;
	case 5:
		from = any(other->n);
		n = any(sizeof(copy));
		n = n < other->n - from ? n : other->n - from;
		replace(w, at, n < left ? n : left, other->p + from, n);
		break;
	case 6:
		if (any(8) == 0)
			w->n = at;
		break;
	default:
		if (left > 3) {
			uint32_t v = (uint32_t)(any(2) ? 1U << any(32) :
			    (uint32_t)any(UINT32_MAX));

			memcpy(w->p + at, &v, sizeof(v));
		}
		break;
	}
}

static void
run(struct last *w)
{
	/* A copy of its very size, so that reading past it is seen. */
	uint8_t *p = malloc(w->n > 0 ? w->n : 1);

	FUZZ_CHECK(p != NULL);
	memcpy(p, w->p, w->n);
	(void)LLVMFuzzerTestOneInput(p, w->n);
	free(p);
}

static struct last *
map_last(const char *path)
{
	struct last *w;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_TRUNC, 0600);

	FUZZ_CHECK(fd != -1 && ftruncate(fd, sizeof(*w)) == 0);
	w = mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	FUZZ_CHECK(w != MAP_FAILED);
	(void)close(fd);
	return w;
}

static void
take(struct last *w, const struct input *in)
{
	memcpy(w->p, in->p, in->n);
	w->n = in->n;
}

int
main(int argc, char *argv[])
{
	unsigned long long runs = 0, i = 0, seconds = 0;
	const char *out = NULL;
	struct last *w;
	time_t end;
	size_t j;
	int c;

	state = 1;
	while ((c = getopt(argc, argv, "n:t:s:o:")) != -1)
		switch (c) {
		case 'n': runs = strtoull(optarg, NULL, 10); break;
		case 't': seconds = strtoull(optarg, NULL, 10); break;
		case 's': state = strtoull(optarg, NULL, 10) | 1; break;
		case 'o': out = optarg; break;
		default: return 64;
		}
	if (out == NULL || optind == argc)
		return 64;
	for (; optind < argc; optind++)
		load(argv[optind]);
	w = map_last(out);
	for (j = 0; j < ncorpus; j++) {
		take(w, &corpus[j]);
		run(w);
	}
	end = time(NULL) + (time_t)seconds;
	while (runs > 0 ? i < runs : time(NULL) < end) {
		take(w, &corpus[any(ncorpus)]);
		for (j = any(6) + 1; j > 0; j--)
			mutate_once(w);
		run(w);
		i++;
	}
	for (j = 0; j < ncorpus; j++)
		free(corpus[j].p);
	(void)munmap(w, sizeof(*w));
	printf("%zu files, %llu mutations\n", ncorpus, i);
	return 0;
}
