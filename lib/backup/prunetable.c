/*
 * Reasons come last and are never cut: they are what the table is for.
 */
#include <string.h>

#include "json.h"
#include "prunetable.h"
#include "table.h"
#include "when.h"

static int
add_why(const json_t *why, struct bk_buf *out, struct bk_fault *f)
{
	const json_t *v;
	size_t i;

	json_array_foreach(why, i, v)
		if (bk_buf_addf(out, f, "%s%s", i > 0 ? ", " : "",
		    json_string_value(v)) == -1)
			return -1;
	return bk_buf_adds(out, "\n", f);
}

static int
add_row(const struct bk_prune *p, size_t i, int wide, struct bk_buf *out,
    struct bk_fault *f)
{
	const struct bk_prune_item *it = &p->item[i];
	struct bk_date d = bk_date_of(it->time);
	json_t *line = bk_prune_line(p, i, f);
	char size[8];
	int rc = -1;

	if (line != NULL && bk_buf_addf(out, f, "%-6s  %-*s  %04d-%02d-%02d "
	    "%02d:%02d  %5s  %s  ", it->keep ? "keep" : "delete", wide, it->name,
	    d.year, d.month, d.day, d.hour, d.minute,
	    bk_size_text(it->stored, size), it->id) == 0)
		rc = add_why(json_object_get(line, "why"), out, f);
	json_decref(line);
	return rc;
}

int
bk_prune_table(const struct bk_prune *p, bool asked, struct bk_buf *out,
    struct bk_fault *f)
{
	char kept[8], gone[8];
	int wide = 4, n;
	size_t i;

	for (i = 0; i < p->len; i++)
		if (!p->item[i].foreign &&
		    (n = (int)strlen(p->item[i].name)) > wide)
			wide = n;
	if (bk_buf_addf(out, f, "%-6s  %-*s  %-16s  %5s  %-26s  %s\n", "PLAN",
	    wide, "NAME", "TIME (UTC)", "SIZE", "ID", "WHY") == -1)
		return -1;
	for (i = 0; i < p->len; i++)
		if (!p->item[i].foreign && (!asked || p->item[i].asked) &&
		    add_row(p, i, wide, out, f) == -1)
			return -1;
	return bk_buf_addf(out, f, "keep %llu (%s), delete %llu (%s)\n",
	    (unsigned long long)p->keep, bk_size_text(p->keep_bytes, kept),
	    (unsigned long long)p->gone, bk_size_text(p->gone_bytes, gone));
}
