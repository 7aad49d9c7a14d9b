/*
 * The end of a group run, and reading it again.
 */
#include <stdlib.h>
#include <string.h>

#include "entry.h"
#include "group.h"
#include "json.h"
#include "record.h"
#include "snapshot.h"
#include "when.h"

#define GROUPS ".bk/group/"
#define JSON ".json"
#define FORMAT "group/1"
#define OBJECT_MAX (1 << 20)

int
bk_group_key(struct bk_buf *b, const char *group, const char *run,
    struct bk_fault *f)
{
	if (!bk_name_ok(group) || !bk_ulid_ok(run))
		return bk_fault_set(f, BK_USAGE,
		    "group '%.80s', run '%.40s': want a name and a ULID", group,
		    run);
	return bk_buf_addf(b, f, GROUPS "%s/%s" JSON, group, run);
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

json_t *
bk_group_object(const char *group, const char *run, int64_t time,
    const json_t *members, struct bk_fault *f)
{
	char when[BK_TIME_LEN];
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:O}", "bk", FORMAT,
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
	if ((o = bk_group_object(group, run, time, members, f)) == NULL ||
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

/* Take the key of a run apart; false for another. */
static bool
split(const char *key, struct bk_group_run *run)
{
	const char *slash;

	if (strncmp(key, GROUPS, sizeof(GROUPS) - 1) != 0)
		return false;
	key += sizeof(GROUPS) - 1;
	if ((slash = strchr(key, '/')) == NULL || slash - key > BK_NAME_MAX)
		return false;
	memcpy(run->group, key, (size_t)(slash - key));
	run->group[slash - key] = '\0';
	return bk_name_ok(run->group) && bk_ulid_then(slash + 1, '.', run->run) &&
	    strcmp(slash + 1 + BK_ULID_LEN, JSON) == 0;
}

/* It is listed, and nothing is known of it. */
static void
forget(struct bk_group_run *run)
{
	free(run->member);
	run->member = NULL;
	run->n = 0;
}

static int
take_members(const json_t *list, struct bk_group_run *run, struct bk_fault *f)
{
	const char *name, *id;
	const json_t *m;
	size_t i, n = json_array_size(list);

	if (n == 0)
		return bk_fault_set(f, BK_DATA, "it has no members");
	if ((run->member = calloc(n, sizeof(*run->member))) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	json_array_foreach(list, i, m) {
		name = bk_json_get_text(m, "name");
		id = bk_json_get_text(m, "id");
		if (name == NULL || id == NULL || !bk_name_ok(name) ||
		    !bk_ulid_ok(id)) {
			forget(run);
			return bk_fault_set(f, BK_DATA,
			    "a member has no name or no id");
		}
		memcpy(run->member[i].name, name, strlen(name) + 1);
		memcpy(run->member[i].id, id, sizeof(run->member[i].id));
		run->n++;
	}
	return 0;
}

static int
take_run(const json_t *o, struct bk_group_run *run, struct bk_fault *f)
{
	const char *form = bk_json_get_text(o, "bk");
	const char *when = bk_json_get_text(o, "time");

	if (form == NULL || strcmp(form, FORMAT) != 0 || when == NULL)
		return bk_fault_set(f, BK_DATA, "it is not of the form " FORMAT);
	if (bk_time_parse(when, &run->time, f) == -1) {
		f->status = BK_DATA;
		return -1;
	}
	return take_members(json_object_get(o, "members"), run, f);
}

static int
by_key(const void *va, const void *vb)
{
	const struct bk_group_run *a = va, *b = vb;
	int c = strcmp(a->group, b->group);

	return c != 0 ? c : strcmp(a->run, b->run);
}

int
bk_groups_take(struct bk_groups *g, const json_t *o, struct bk_fault *f)
{
	const char *group = bk_json_get_text(o, "group");
	const char *id = bk_json_get_text(o, "run");
	struct bk_group_run want = { .member = NULL }, *run;

	if (group == NULL || id == NULL || !bk_name_ok(group) || !bk_ulid_ok(id))
		return bk_fault_set(f, BK_DATA, "a line without a run");
	memcpy(want.group, group, strlen(group) + 1);
	memcpy(want.run, id, sizeof(want.run));
	run = g->len == 0 ? NULL : bsearch(&want, g->run, g->len, sizeof(*run),
	    by_key);
	return run == NULL || run->member != NULL ? 0 : take_run(o, run, f);
}

int
bk_group_read(const struct bk_ctx *ctx, struct bk_store *s,
    struct bk_groups *g, struct bk_group_run *run, struct bk_fault *f)
{
	struct bk_buf text = BK_BUF_INIT(OBJECT_MAX);
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX);
	struct bk_fault why = BK_FAULT_INIT;
	json_t *o = NULL;
	int rc;

	if ((rc = bk_group_key(&key, run->group, run->run, f)) == -1 ||
	    (rc = bk_store_get_small(s, bk_buf_text(&key), &text, f)) != 0)
		goto out;
	o = bk_json_parse(bk_buf_text(&text), text.len, "group run", &why);
	if (o != NULL && take_run(o, run, &why) == 0)
		goto out;
	if (why.status == BK_DATA) {
		ctx->log(BK_LOG_WARN, "passing over '%s': %s",
		    bk_buf_text(&key), why.text);
		g->unreadable++;
		rc = BK_ABSENT;
	} else {
		*f = why;
		rc = -1;
	}
out:
	json_decref(o);
	bk_buf_release(&key);
	bk_buf_release(&text);
	return rc;
}

static int
take_key(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	struct bk_groups *g = arg;
	struct bk_group_run run = { .member = NULL }, *v;

	if (!split(o->key, &run))
		return 0;
	if (g->len == g->size) {
		if ((v = realloc(g->run, (2 * g->size + 8) *
		    sizeof(*v))) == NULL)
			return bk_fault_set(f, BK_IO, "out of memory");
		g->run = v;
		g->size = 2 * g->size + 8;
	}
	g->run[g->len++] = run;
	return 0;
}

int
bk_groups_list(struct bk_store *s, const char *group, struct bk_groups *out,
    struct bk_fault *f)
{
	struct bk_buf prefix = BK_BUF_INIT(BK_KEY_MAX);
	int rc = -1;

	*out = (struct bk_groups)BK_GROUPS_INIT;
	if (bk_buf_adds(&prefix, GROUPS, f) == 0 && (group == NULL ||
	    bk_buf_addf(&prefix, f, "%s/", group) == 0))
		rc = bk_store_list(s, bk_buf_text(&prefix), "", take_key, out, f);
	/* Keys come in another order: "a-b/" before "a/". */
	if (out->len > 0)
		qsort(out->run, out->len, sizeof(*out->run), by_key);
	bk_buf_release(&prefix);
	return rc;
}

int
bk_groups_read(const struct bk_ctx *ctx, struct bk_store *s,
    const char *group, struct bk_groups *out, struct bk_fault *f)
{
	size_t i, n = 0;
	int rc = bk_groups_list(s, group, out, f);

	if (rc == 0 && out->len > BK_SNAPSHOT_MIN)
		rc = bk_groups_cached(ctx, s, out, f);
	for (i = 0; rc != -1 && i < out->len; i++) {
		rc = 0;
		if (out->run[i].member == NULL) {
			out->fetched++;
			rc = bk_group_read(ctx, s, out, &out->run[i], f);
		}
		if (rc == 0 && n++ != i) {
			out->run[n - 1] = out->run[i];
			out->run[i].member = NULL;
		}
	}
	if (rc == -1)
		return -1;
	while (out->len > n)
		free(out->run[--out->len].member);
	return 0;
}

void
bk_groups_release(struct bk_groups *g)
{
	while (g->len > 0)
		free(g->run[--g->len].member);
	free(g->run);
	*g = (struct bk_groups)BK_GROUPS_INIT;
}
