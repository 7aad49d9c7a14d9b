/*
 * A zone is one table: from each moment on, an offset.  It is read from the
 * 64-bit half of a TZif file (RFC 8536, 3; the 32-bit half of a version 1
 * file), and then prolonged by the footer's rule through 400 years and a bit.
 * The Gregorian calendar repeats after 400 years, weekdays too, so that a
 * later time is looked up where it falls in those 400 years.
 *
 * Entries that change only a name are left out.  Files that count leap
 * seconds ("right/...") do not fit POSIX time and are refused.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "io.h"
#include "zone.h"
#include "zonerule.h"

#define ZONEINFO "/usr/share/zoneinfo"
#define LOCALTIME "/etc/localtime"
#define NAME_LEN 128
#define FILE_MAX (1 << 20)
#define HEADER_LEN 44
#define ROUND_YEARS 400
#define ROUND_MS (INT64_C(146097) * 86400 * 1000)
#define OFFSET_MAX (26 * 3600)		/* RFC 8536, 3.2: -24:59:59 to 25:59:59 */

struct change {
	int64_t at;			/* ms */
	int32_t offset;			/* s, from then on */
};

struct bk_zone {
	char name[NAME_LEN];
	struct change *c;		/* c[0].at is INT64_MIN */
	size_t n, size;
	int64_t end;			/* from here look ROUND_MS back; or INT64_MAX */
};

/* A data block of the file. */
struct block {
	const unsigned char *p;
	uint32_t utcnt, stdcnt, leapcnt, timecnt, typecnt, charcnt;
	unsigned int width;		/* of a time: 4 or 8 */
	size_t len;			/* without the header */
};

static uint32_t
get32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static int64_t
get_time(const unsigned char *p, unsigned int width)
{
	return width == 4 ? (int32_t)get32(p) :
	    (int64_t)((uint64_t)get32(p) << 32 | get32(p + 4));
}

static int
add_change(struct bk_zone *z, int64_t at, int32_t offset, struct bk_fault *f)
{
	struct change *c;

	if (z->n > 0 && z->c[z->n - 1].offset == offset)
		return 0;
	if (z->n == z->size) {
		z->size = z->size == 0 ? 64 : z->size * 2;
		if ((c = realloc(z->c, z->size * sizeof(*c))) == NULL)
			return bk_fault_set(f, BK_IO, "out of memory");
		z->c = c;
	}
	z->c[z->n++] = (struct change){ at, offset };
	return 0;
}

static bool
block_header(struct block *b, const unsigned char *p, size_t n,
    unsigned int width)
{
	if (n < HEADER_LEN || memcmp(p, "TZif", 4) != 0)
		return false;
	b->p = p + HEADER_LEN;
	b->width = width;
	b->utcnt = get32(p + 20);
	b->stdcnt = get32(p + 24);
	b->leapcnt = get32(p + 28);
	b->timecnt = get32(p + 32);
	b->typecnt = get32(p + 36);
	b->charcnt = get32(p + 40);
	if (b->timecnt > FILE_MAX || b->typecnt > 256 || b->charcnt > FILE_MAX ||
	    b->leapcnt > FILE_MAX || b->stdcnt > 256 || b->utcnt > 256)
		return false;
	b->len = (size_t)b->timecnt * (width + 1) + (size_t)b->typecnt * 6 +
	    b->charcnt + (size_t)b->leapcnt * (width + 4) + b->stdcnt + b->utcnt;
	return b->typecnt > 0 && b->len <= n - HEADER_LEN;
}

/* Take the changes of ${b}; *${last} is the last one's moment in seconds. */
static const char *
read_block(struct bk_zone *z, const struct block *b, int64_t *last,
    struct bk_fault *f)
{
	const unsigned char *index = b->p + (size_t)b->timecnt * b->width;
	const unsigned char *types = index + b->timecnt;
	int64_t at;
	int32_t offset;
	uint32_t i;

	if (b->leapcnt > 0)
		return "it counts leap seconds";
	*last = INT64_MIN / 1000;
	for (i = 0; i <= b->timecnt; i++) {
		/* Type 0 is in force before the first change (3.2). */
		if (i > 0 && index[i - 1] >= b->typecnt)
			return "a type that is not there";
		offset = (int32_t)get32(types + (i == 0 ? 0 :
		    (size_t)index[i - 1] * 6));
		if (offset <= -OFFSET_MAX || offset >= OFFSET_MAX)
			return "an offset beyond a day";
		at = i == 0 ? INT64_MIN / 1000 :
		    get_time(b->p + (size_t)(i - 1) * b->width, b->width);
		if (i > 0 && at <= *last)
			return "its times do not grow";
		if (at > INT64_MAX / 1000)
			return "a time beyond all calendars";
		*last = at;
		if (add_change(z, i == 0 ? INT64_MIN : at * 1000, offset,
		    f) == -1)
			return "";
	}
	return NULL;
}

static int64_t
new_year(int year)
{
	struct bk_date d = { .year = year, .month = 1, .day = 1 };

	return bk_date_time(&d);
}

/* Prolong the table behind ${last} (ms) by ${r}. */
static int
prolong(struct bk_zone *z, const struct bk_zonerule *r, int64_t last,
    struct bk_fault *f)
{
	int64_t at[2];
	int y, first = bk_date_of(last).year, i;
	bool start_first;

	if (!r->changes)
		return 0;
	for (y = first; y <= first + ROUND_YEARS + 2; y++) {
		at[0] = bk_zonerule_start(r, y);
		at[1] = bk_zonerule_end(r, y);
		start_first = at[0] < at[1];
		for (i = 0; i < 2; i++) {
			bool start = (i == 0) == start_first;
			int64_t t = at[start ? 0 : 1];

			if (t <= last)
				continue;
			/* Where one ends as the next starts, it never ended. */
			if (t <= z->c[z->n - 1].at)
				z->n--;
			if (add_change(z, t, start ? r->dst : r->std, f) == -1)
				return -1;
		}
	}
	z->end = new_year(first + ROUND_YEARS + 1);
	return 0;
}

/* The rule behind the second block: a newline, it, a newline. */
static const char *
read_footer(struct bk_zone *z, const unsigned char *p, size_t n, int64_t last,
    struct bk_fault *f)
{
	struct bk_zonerule r;
	const unsigned char *nl;
	char text[NAME_LEN];

	if (n < 2 || p[0] != '\n' ||
	    (nl = memchr(p + 1, '\n', n - 1)) == NULL ||
	    (size_t)(nl - p) > sizeof(text))
		return "its last line is missing";
	if (nl == p + 1)
		return NULL;		/* nothing is known of later times */
	memcpy(text, p + 1, (size_t)(nl - p) - 1);
	text[nl - p - 1] = '\0';
	if (!bk_zonerule_parse(&r, text))
		return "its last line is no rule";
	/* With no change at all the rule holds for all time (3.3). */
	if (last == INT64_MIN / 1000) {
		z->n = 0;
		if (add_change(z, INT64_MIN, r.std, f) == -1)
			return "";
		last = new_year(1) / 1000;
	}
	return prolong(z, &r, last * 1000, f) == -1 ? "" : NULL;
}

static int
read_file(struct bk_zone *z, const unsigned char *p, size_t n,
    const char *path, struct bk_fault *f)
{
	const char *why = "it is no TZif file";
	struct block b;
	int64_t last;
	size_t used;

	if (!block_header(&b, p, n, 4))
		goto bad;
	if (p[4] == '\0') {
		if ((why = read_block(z, &b, &last, f)) != NULL)
			goto bad;
		return 0;
	}
	used = HEADER_LEN + b.len;
	if (!block_header(&b, p + used, n - used, 8) ||
	    (why = read_block(z, &b, &last, f)) != NULL)
		goto bad;
	used += HEADER_LEN + b.len;
	if ((why = read_footer(z, p + used, n - used, last, f)) != NULL)
		goto bad;
	return 0;
bad:
	return bk_fault_set(f, BK_DATA, "time zone '%s': %s", path, why);
}

/* All of ${path} into ${b}. */
static int
load(const char *path, const char *name, struct bk_buf *b, struct bk_fault *f)
{
	struct stat st;
	ssize_t n;
	int fd = -1, rc = -1;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) == -1 ||
	    fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		(void)bk_fault_set(f, BK_USAGE, "no time zone '%s': want a name "
		    "such as Europe/Berlin or UTC, and the system's time zone "
		    "data installed", name);
		goto out;
	}
	if (st.st_size > FILE_MAX) {
		(void)bk_fault_set(f, BK_DATA, "time zone '%s': longer than 1 MiB",
		    path);
		goto out;
	}
	if (bk_buf_need(b, (size_t)st.st_size, f) == -1 ||
	    (n = bk_read_full(fd, b->p, (size_t)st.st_size, path, f)) == -1)
		goto out;
	b->len = (size_t)n;
	rc = 0;
out:
	if (fd != -1)
		(void)close(fd);
	return rc;
}

static bool
name_ok(const char *name)
{
	const char *p;

	if (*name == '\0' || *name == '/' || strlen(name) >= NAME_LEN)
		return false;
	for (p = name; (p = strstr(p, "..")) != NULL; p += 2)
		if ((p == name || p[-1] == '/') && (p[2] == '\0' || p[2] == '/'))
			return false;
	return true;
}

/* What the system's own zone is called: the end of where the link points. */
static void
local_name(char name[NAME_LEN])
{
	char to[512];
	const char *at;
	ssize_t n = readlink(LOCALTIME, to, sizeof(to) - 1);

	to[n > 0 ? n : 0] = '\0';
	at = strstr(to, "zoneinfo/");
	(void)snprintf(name, NAME_LEN, "%s", at != NULL && at[9] != '\0' ?
	    at + 9 : "local");
}

struct bk_zone *
bk_zone_open(const char *dir, const char *name, struct bk_fault *f)
{
	struct bk_buf path = BK_BUF_INIT(4096), data = BK_BUF_INIT(FILE_MAX);
	struct bk_zone *z;
	int rc = -1;

	if ((z = calloc(1, sizeof(*z))) == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		goto out;
	}
	z->end = INT64_MAX;
	if (name == NULL)
		local_name(z->name);
	else if (name_ok(name))
		(void)snprintf(z->name, sizeof(z->name), "%s", name);
	else {
		(void)bk_fault_set(f, BK_USAGE, "no time zone '%s': want a name "
		    "such as Europe/Berlin or UTC", name);
		goto out;
	}
	/* A system without the link is in UTC (tzset(3)). */
	if (name != NULL ? strcmp(name, "UTC") == 0 :
	    access(LOCALTIME, F_OK) == -1) {
		(void)snprintf(z->name, sizeof(z->name), "UTC");
		rc = add_change(z, INT64_MIN, 0, f);
		goto out;
	}
	rc = name == NULL ? bk_buf_adds(&path, LOCALTIME, f) :
	    bk_buf_addf(&path, f, "%s/%s", dir != NULL ? dir : ZONEINFO, name);
	if (rc == 0 && (rc = load(bk_buf_text(&path), z->name, &data, f)) == 0)
		rc = read_file(z, (const unsigned char *)bk_buf_text(&data),
		    data.len, bk_buf_text(&path), f);
out:
	bk_buf_release(&path);
	bk_buf_release(&data);
	if (rc == 0)
		return z;
	bk_zone_free(z);
	return NULL;
}

void
bk_zone_free(struct bk_zone *z)
{
	if (z == NULL)
		return;
	free(z->c);
	free(z);
}

const char *
bk_zone_name(const struct bk_zone *z)
{
	return z->name;
}

/* How far back ${t} is looked up. */
static int64_t
rounds(const struct bk_zone *z, int64_t t)
{
	return t < z->end ? 0 : ((t - z->end) / ROUND_MS + 1) * ROUND_MS;
}

/* The last change at or before ${t}. */
static size_t
find(const struct bk_zone *z, int64_t t)
{
	size_t lo = 0, hi = z->n, mid;

	while (hi - lo > 1) {
		mid = lo + (hi - lo) / 2;
		if (z->c[mid].at <= t)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

int
bk_zone_offset(const struct bk_zone *z, int64_t t)
{
	return z->c[find(z, t - rounds(z, t))].offset;
}

struct bk_date
bk_zone_date(const struct bk_zone *z, int64_t t)
{
	return bk_date_of(t + (int64_t)bk_zone_offset(z, t) * 1000);
}

int64_t
bk_zone_next_change(const struct bk_zone *z, int64_t t)
{
	int64_t back = rounds(z, t);
	size_t i = find(z, t - back) + 1;

	return i < z->n ? z->c[i].at + back : INT64_MAX;
}

int
bk_zone_times(const struct bk_zone *z, const struct bk_date *d, int64_t t[2])
{
	int64_t local = bk_date_time(d), back, at, gap = local;
	size_t i;
	int n = 0;

	back = rounds(z, local - OFFSET_MAX * INT64_C(1000));
	local -= back;
	for (i = find(z, local - OFFSET_MAX * INT64_C(1000)); i < z->n &&
	    z->c[i].at <= local + OFFSET_MAX * INT64_C(1000) && n < 2; i++) {
		at = local - (int64_t)z->c[i].offset * 1000;
		if (at >= z->c[i].at && (i + 1 == z->n || at < z->c[i + 1].at))
			t[n++] = at + back;
		/* Set forward over it. */
		if (i > 0 && z->c[i].at > INT64_MIN && at < z->c[i].at &&
		    local - (int64_t)z->c[i - 1].offset * 1000 >= z->c[i].at)
			gap = z->c[i].at + back;
	}
	if (n == 0)
		t[0] = gap;
	return n;
}
