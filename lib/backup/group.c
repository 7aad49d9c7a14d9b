/*
 * The end of a group run.
 */
#include "group.h"
#include "json.h"
#include "names.h"
#include "record.h"
#include "ulid.h"
#include "when.h"

#define OBJECT_MAX (1 << 20)

int
bk_group_key(struct bk_buf *b, const char *group, const char *run,
    struct bk_fault *f)
{
	if (!bk_name_ok(group) || !bk_ulid_ok(run))
		return bk_fault_set(f, BK_USAGE,
		    "group '%.80s', run '%.40s': want a name and a ULID", group,
		    run);
	return bk_buf_addf(b, f, ".bk/group/%s/%s.json", group, run);
}

/* Is the manifest of a member in the store? */
static int
check_member(struct bk_store *s, const json_t *m, struct bk_fault *f)
{
	const char *name = bk_json_get_text(m, "name");
	const char *id = bk_json_get_text(m, "id");
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX);
	struct bk_object o;
	int rc = -1;

	if (name == NULL || id == NULL || !bk_name_ok(name) || !bk_ulid_ok(id))
		(void)bk_fault_set(f, BK_USAGE, "a member has no name or no id");
	else if (bk_manifest_key(&key, name, id, f) == 0)
		rc = bk_store_stat(s, key.p, &o, f);
	if (rc == BK_ABSENT)
		rc = bk_fault_set(f, BK_NOINPUT,
		    "backup %s of '%s' is not in '%s'", id, name, s->url);
	bk_buf_release(&key);
	return rc;
}

static json_t *
object(const char *group, const char *run, int64_t time,
    const json_t *members, struct bk_fault *f)
{
	char when[BK_TIME_LEN];
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:O}", "bk", "group/1",
	    "group", group, "run", run, "time", bk_time_text(time, when),
	    "members", members);

	if (o == NULL)
		(void)bk_fault_set(f, BK_IO, "out of memory");
	return o;
}

/* The object is there: does it name the same members? */
static int
same(struct bk_store *s, const char *key, const json_t *members,
    struct bk_fault *f)
{
	struct bk_buf text = BK_BUF_INIT(OBJECT_MAX);
	json_t *o = NULL;
	int rc = bk_store_get_small(s, key, &text, f);

	if (rc == 0 && (o = bk_json_parse(bk_buf_text(&text), text.len, key,
	    f)) == NULL)
		rc = -1;
	if (rc == BK_ABSENT || (rc == 0 &&
	    !json_equal(json_object_get(o, "members"), members)))
		rc = bk_fault_set(f, BK_CANTCREATE,
		    "'%s' is there and names other backups", key);
	json_decref(o);
	bk_buf_release(&text);
	return rc;
}

int
bk_group_end(struct bk_store *s, const char *group, const char *run,
    int64_t time, const json_t *members, struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX);
	struct bk_buf text = BK_BUF_INIT(OBJECT_MAX);
	json_t *o = NULL;
	size_t i;
	int rc = -1;

	if (bk_group_key(&key, group, run, f) == -1)
		goto out;
	if (json_array_size(members) == 0) {
		(void)bk_fault_set(f, BK_USAGE, "a group without a member");
		goto out;
	}
	for (i = 0; i < json_array_size(members); i++)
		if (check_member(s, json_array_get(members, i), f) == -1)
			goto out;
	if ((o = object(group, run, time, members, f)) == NULL ||
	    bk_json_text(o, &text, f) == -1 || bk_buf_adds(&text, "\n", f) == -1)
		goto out;
	rc = bk_store_put_small(s, key.p, text.p, text.len, BK_PUT_NEW, f);
	if (rc == BK_EXISTS)
		rc = same(s, key.p, members, f);
out:
	json_decref(o);
	bk_buf_release(&key);
	bk_buf_release(&text);
	return rc;
}
