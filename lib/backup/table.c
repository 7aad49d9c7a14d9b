/*
 * Columns are as wide as their widest cell, so the cells are made first.
 * Everything but tags is ASCII by its grammar; tags are UTF-8 and are cut
 * between characters, each taken as one column wide.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "table.h"
#include "when.h"

enum { NAME, TIME, AGE, SIZE, ENGINE, ID, COLUMNS };

#define CELL 256
#define TAGS_MAX 65536

static const char *const heads[COLUMNS] = {
	"NAME", "TIME (UTC)", "AGE", "SIZE", "ENGINE", "ID"
};

struct row {
	char cell[COLUMNS][CELL];
};

const char *
bk_size_text(uint64_t bytes, char out[8])
{
	static const char units[] = "KMGTPE";
	uint64_t unit = 1024;
	size_t u = 0;

	if (bytes < 1024) {
		(void)snprintf(out, 8, "%u", (unsigned int)bytes);
		return out;
	}
	while (u < sizeof(units) - 2 && bytes / unit >= 1024) {
		unit *= 1024;
		u++;
	}
	if (bytes / unit < 10)
		(void)snprintf(out, 8, "%u.%u%c", (unsigned int)(bytes / unit),
		    (unsigned int)(bytes % unit * 10 / unit), units[u]);
	else
		(void)snprintf(out, 8, "%u%c", (unsigned int)(bytes / unit),
		    units[u]);
	return out;
}

const char *
bk_age_text(int64_t ms, char out[24])
{
	static const struct {
		int64_t seconds, below;
		char unit;
	} steps[] = {
		{ 1, 120, 's' },
		{ 60, 120 * 60, 'm' },
		{ 3600, 48 * 3600, 'h' },
		{ 24 * 3600, 1000 * 24 * INT64_C(3600), 'd' },
		{ 365 * 24 * 3600, INT64_MAX, 'y' },
	};
	size_t i = 0;

	if (ms < 0) {
		memcpy(out, "-", 2);
		return out;
	}
	while (ms / 1000 >= steps[i].below)
		i++;
	(void)snprintf(out, 24, "%lld%c",
	    (long long)(ms / 1000 / steps[i].seconds), steps[i].unit);
	return out;
}

/* The part of ${store} below ${root} and a '/', or "". */
static int
below(const char *store, const char *root, char *out, size_t size)
{
	size_t base = strcspn(root, "?"), len = store != NULL ?
	    strcspn(store, "?") : 0;

	if (len <= base || strncmp(store, root, base) != 0)
		return snprintf(out, size, "%s", "");
	while (base < len && store[base] == '/')
		base++;
	return snprintf(out, size, "%.*s:", (int)(len - base), store + base);
}

static void
make_row(struct row *row, const struct bk_record *r, const char *root,
    int64_t now)
{
	struct bk_date d = bk_date_of(r->time);
	char size[8], age[24];
	char *cell = row->cell[NAME];
	int n = below(r->store, root, cell, CELL);

	if (n > 0 && n < CELL)
		cell += n;
	(void)snprintf(cell, (size_t)(row->cell[NAME] + CELL - cell), "%s",
	    r->name);
	(void)snprintf(row->cell[TIME], CELL, "%04d-%02d-%02d %02d:%02d",
	    d.year, d.month, d.day, d.hour, d.minute);
	(void)snprintf(row->cell[AGE], CELL, "%s",
	    bk_age_text(now - r->time, age));
	(void)snprintf(row->cell[SIZE], CELL, "%s", r->version == 1 ?
	    bk_size_text(r->bytes, size) : "?");
	if (r->version == 1)
		(void)snprintf(row->cell[ENGINE], CELL, "%s%s", r->engine,
		    r->parent != NULL ? "+" : "");
	else
		(void)snprintf(row->cell[ENGINE], CELL, "(version %u)",
		    r->version);
	(void)snprintf(row->cell[ID], CELL, "%s", r->id);
}

/* Marks and tags in one text. */
static int
make_tags(struct bk_buf *b, const struct bk_record *r, struct bk_fault *f)
{
	static const char *const marks[] = { "hold", "suspect", NULL };
	const char *key, *sep = "";
	json_t *v;
	size_t i;

	for (i = 0; marks[i] != NULL; i++)
		if (bk_json_get_text(r->json, marks[i]) != NULL) {
			if (bk_buf_addf(b, f, "%s[%s]", sep, marks[i]) == -1)
				return -1;
			sep = " ";
		}
	json_array_foreach(json_object_get(r->json, "marks"), i, v) {
		if (bk_buf_addf(b, f, "%s[%s]", sep, json_is_string(v) ?
		    json_string_value(v) : "?") == -1)
			return -1;
		sep = " ";
	}
	json_object_foreach(json_object_get(r->json, "tags"), key, v) {
		if (bk_buf_addf(b, f, "%s%s=%s", sep, key, json_is_string(v) ?
		    json_string_value(v) : "?") == -1)
			return -1;
		sep = " ";
	}
	return 0;
}

/* Append as much of ${s} as fits ${columns}, a cut one with "…". */
static int
add_cut(struct bk_buf *out, const char *s, size_t columns, struct bk_fault *f)
{
	size_t seen = 0, cut = 0, i;

	for (i = 0; s[i] != '\0'; i++) {
		if (((unsigned char)s[i] & 0xc0) == 0x80)
			continue;
		if (seen + 1 == columns)
			cut = i;
		if (seen == columns) {
			if (bk_buf_add(out, s, cut, f) == -1)
				return -1;
			return bk_buf_adds(out, "…", f);
		}
		seen++;
	}
	return bk_buf_adds(out, s, f);
}

static int
add_row(struct bk_buf *out, const char *const *cell, const size_t *wide,
    const char *tags, size_t room, struct bk_fault *f)
{
	int i;

	for (i = 0; i < COLUMNS; i++)
		if (bk_buf_addf(out, f, i == AGE || i == SIZE ? "%s%*s" :
		    "%s%-*s", i == 0 ? "" : "  ", (int)wide[i], cell[i]) == -1)
			return -1;
	if (*tags != '\0' && room >= 4 && (bk_buf_adds(out, "  ", f) == -1 ||
	    add_cut(out, tags, room, f) == -1))
		return -1;
	while (out->len > 0 && out->p[out->len - 1] == ' ')
		out->p[--out->len] = '\0';
	return bk_buf_adds(out, "\n", f);
}

int
bk_table(const struct bk_list *l, const char *root, int64_t now,
    unsigned int width, struct bk_buf *out, struct bk_fault *f)
{
	struct bk_buf tags = BK_BUF_INIT(TAGS_MAX);
	struct row *rows = calloc(l->len + 1, sizeof(*rows));
	const char *cell[COLUMNS];
	size_t wide[COLUMNS], i, room = 2 * COLUMNS;
	int c, rc = -1;

	if (rows == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		goto out;
	}
	for (i = 0; i < l->len; i++)
		make_row(&rows[i], &l->rec[i], root, now);
	for (c = 0; c < COLUMNS; c++) {
		wide[c] = strlen(heads[c]);
		for (i = 0; i < l->len; i++)
			if (strlen(rows[i].cell[c]) > wide[c])
				wide[c] = strlen(rows[i].cell[c]);
		room += wide[c];
	}
	room = width > room ? width - room : 0;
	if (add_row(out, heads, wide, "TAGS", room, f) == -1)
		goto out;
	for (i = 0; i < l->len; i++) {
		for (c = 0; c < COLUMNS; c++)
			cell[c] = rows[i].cell[c];
		bk_buf_reset(&tags);
		if (make_tags(&tags, &l->rec[i], f) == -1 ||
		    add_row(out, cell, wide, bk_buf_text(&tags), room, f) == -1)
			goto out;
	}
	rc = 0;
out:
	free(rows);
	bk_buf_release(&tags);
	return rc;
}
