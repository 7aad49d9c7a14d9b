#include <string.h>
#include <unistd.h>

#include "cover.h"
#include "io.h"
#include "json.h"
#include "list.h"
#include "listcover.h"
#include "prog.h"

#define TEXT_MAX (16 << 20)

struct listing {
	struct bk_store *s;
	bool table;
	size_t lines, moments;
	struct bk_buf out;
	json_t *names;
};

static int
put_json(struct listing *l, const struct bk_coverage *c, const char *name,
    size_t i, struct bk_fault *f)
{
	json_t *o = bk_coverage_json(c, name, i, f);
	int rc = o == NULL ? -1 : bk_json_text(o, &l->out, f);

	json_decref(o);
	return rc;
}

static int
put_row(struct listing *l, const struct bk_coverage *c, const char *name,
    size_t i, struct bk_fault *f)
{
	if (i == 0 && bk_buf_addf(&l->out, f, "%s%s:\n%s\n",
	    l->lines > 0 ? "\n" : "", name, BK_COVERAGE_HEAD) == -1)
		return -1;
	return bk_coverage_text(c, i, &l->out, f);
}

static int
put_name(struct listing *l, const char *name, struct bk_fault *f)
{
	struct bk_coverage c = BK_COVERAGE_INIT;
	size_t i;
	int rc = bk_coverage_read(bk_ctx, l->s, name, true, &c, f);

	for (i = 0; rc == 0 && i < c.covers.len; i++) {
		rc = l->table ? put_row(l, &c, name, i, f) :
		    put_json(l, &c, name, i, f);
		if (rc == 0)
			rc = bk_buf_adds(&l->out, "\n", f);
		l->moments += c.covers.v[i].base != BK_COVER_NONE;
		l->lines++;
	}
	if (rc == 0 && c.runs.twice > 0)
		bk_say(BK_LOG_WARN, "'%s' of '%s' is stored with two contents: "
		    "what is behind it cannot be restored",
		    c.runs.twice_file, name);
	bk_coverage_release(&c);
	return rc;
}

static int
take_name(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	return bk_json_push(arg, json_string(o->key), f);
}

static int
put_names(struct listing *l, struct bk_fault *f)
{
	size_t i;
	int rc = bk_list_names(l->s, take_name, l->names, f);

	for (i = 0; rc == 0 && i < json_array_size(l->names); i++)
		rc = put_name(l, json_string_value(json_array_get(l->names, i)),
		    f);
	return rc;
}

void
bk_list_cover(struct bk_store *s, const char *name, bool table, bool end,
    struct bk_fault *f)
{
	struct listing l = { .s = s, .table = table,
		.out = BK_BUF_INIT(TEXT_MAX), .names = json_array() };

	if ((name != NULL ? put_name(&l, name, f) : put_names(&l, f)) == 0 &&
	    (!end || bk_buf_addf(&l.out, f, "{\"end\":\"ok\",\"recoverable\":"
	    "%zu}\n", l.lines) == 0) && (l.out.len == 0 ||
	    bk_write_all(STDOUT_FILENO, l.out.p, l.out.len, "standard output",
	    f) == 0) && l.moments == 0)
		(void)bk_fault_set(f, BK_NO, "no moment can be restored from "
		    "'%s': %s base backup of PostgreSQL%s%s%s with its log is "
		    "there", s->url, l.lines > 0 ? "no whole" : "no",
		    name != NULL ? " named '" : "", name != NULL ? name : "",
		    name != NULL ? "'" : "");
	json_decref(l.names);
	bk_buf_release(&l.out);
}
