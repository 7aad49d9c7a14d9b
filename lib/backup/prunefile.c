/*
 * A plan that a person has reviewed: the lines that bk-prune printed, whole
 * to their end line.  Only ids, names and the verdicts of it count; what is
 * deleted is looked for in the store again.
 */
#include <string.h>

#include "io.h"
#include "json.h"
#include "names.h"
#include "prune.h"

void
bk_prune_file_release(struct bk_prune_file *pf)
{
	json_decref(pf->lines);
	json_decref(pf->ids);
	json_decref(pf->names);
	*pf = (struct bk_prune_file){ NULL, NULL, NULL };
}

static int
take_line(struct bk_prune_file *pf, json_t *line, struct bk_fault *f)
{
	const char *plan = bk_json_get_text(line, "plan");
	const char *id = bk_json_get_text(line, "id");
	const char *name = bk_json_get_text(line, "name");

	/* What goes of a log is found anew. */
	if (bk_json_get_text(line, "log") != NULL)
		return 0;
	if (plan == NULL || id == NULL || strlen(id) != BK_ULID_LEN ||
	    !bk_ulid_ok(id) || name == NULL || !bk_name_ok(name) ||
	    !json_is_array(json_object_get(line, "why")) ||
	    (strcmp(plan, "keep") != 0 && strcmp(plan, "delete") != 0))
		return bk_fault_set(f, BK_DATA, "a line that is not of a plan");
	if (json_object_get(pf->lines, id) != NULL)
		return bk_fault_set(f, BK_DATA, "the id %s comes twice", id);
	if (bk_json_set(pf->lines, id, json_incref(line), f) == -1 ||
	    bk_json_set(pf->names, name, json_true(), f) == -1)
		return -1;
	return strcmp(plan, "keep") == 0 ? 0 :
	    bk_json_set(pf->ids, id, json_true(), f);
}

int
bk_prune_file_read(int fd, const char *what, struct bk_prune_file *pf,
    struct bk_fault *f)
{
	struct bk_rbuf *r = bk_rbuf_new(fd, what, f);
	bool ended = false;
	const char *p, *how;
	json_t *line;
	size_t n;
	int rc = -1;

	*pf = (struct bk_prune_file){ json_object(), json_object(),
		json_object() };
	while (r != NULL && (rc = bk_rbuf_line(r, &p, &n, f)) == BK_MORE) {
		rc = -1;
		if ((line = bk_json_parse(p, n, what, f)) == NULL)
			break;
		how = bk_json_get_text(line, "end");
		if (ended)
			(void)bk_fault_set(f, BK_DATA, "%s: something comes after "
			    "the end line", what);
		else if (how == NULL)
			rc = take_line(pf, line, f);
		else if (strcmp(how, "ok") == 0)
			rc = 0;
		else
			(void)bk_fault_set(f, BK_DATA, "%s: what made this plan "
			    "failed", what);
		ended = ended || how != NULL;
		json_decref(line);
		if (rc == -1)
			break;
	}
	if (rc == BK_END && !ended)
		rc = bk_fault_set(f, BK_DATA, "%s: the plan has no end line: it "
		    "was cut off", what);
	bk_rbuf_free(r);
	return rc == BK_END ? 0 : -1;
}

/* Did the plan count on it although it is bad? */
static bool
known_bad(const json_t *line)
{
	const json_t *why = json_object_get(line, "why"), *v;
	const char *text;
	size_t i;

	json_array_foreach(why, i, v)
		if ((text = json_string_value(v)) != NULL &&
		    strstr(text, "counts for nothing") != NULL)
			return true;
	return false;
}

static int
changed(struct bk_fault *f, const char *id, const char *how)
{
	return bk_fault_set(f, BK_CANTCREATE, "the store is not what the plan was "
	    "made of: %s %s; nothing was deleted", id, how);
}

/* One that the plan tells of, as it is now. */
static int
check_one(const struct bk_prune_file *pf, const struct bk_prune_item *it,
    const json_t *line, struct bk_fault *f)
{
	if (json_object_get(pf->ids, it->id) != NULL)
		return it->keep ? changed(f, it->id, it->why) : 0;
	if (!known_bad(line) && (it->flags & BK_RETAIN_UNREADABLE) == 0 &&
	    ((it->flags & BK_RETAIN_PAYLOAD) == 0 ||
	    (it->flags & (BK_RETAIN_SUSPECT | BK_RETAIN_ACCEPTED)) ==
	    BK_RETAIN_SUSPECT))
		return changed(f, it->id, "was to stay and is no longer good");
	return 0;
}

int
bk_prune_file_check(const struct bk_prune_file *pf, const struct bk_prune *p,
    struct bk_fault *f)
{
	json_t *missing = json_copy(pf->lines), *v;
	const json_t *line;
	const char *id;
	size_t i;
	int rc = missing != NULL ? 0 :
	    bk_fault_set(f, BK_IO, "out of memory");

	for (i = 0; rc == 0 && i < p->len; i++) {
		id = p->item[i].id;
		if ((line = json_object_get(missing, id)) == NULL)
			continue;
		rc = check_one(pf, &p->item[i], line, f);
		(void)json_object_del(missing, id);
	}
	/* One that was to go and is gone was deleted by an earlier try. */
	if (rc == 0)
		json_object_foreach(missing, id, v)
			if (json_object_get(pf->ids, id) == NULL) {
				rc = changed(f, id, "was to stay and is gone");
				break;
			}
	json_decref(missing);
	return rc;
}
