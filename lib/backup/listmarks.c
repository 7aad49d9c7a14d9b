/* Each name has its own rule and its own marks. */
#include <stdlib.h>
#include <string.h>

#include "brief.h"
#include "listmarks.h"
#include "rule.h"

static int
by_name(const void *va, const void *vb)
{
	const struct bk_record *a = va, *b = vb;

	return strcmp(a->name, b->name);
}

static int
show(struct bk_record *rec, uint8_t marks, struct bk_fault *f)
{
	json_t *list = json_array();
	int p, rc = list == NULL ? -1 : 0;

	for (p = BK_HOURLY; p < BK_PERIODS && rc == 0; p++)
		if ((marks & 1U << p) != 0)
			rc = json_array_append_new(list, json_string(bk_period_names[p]));
	if (rc == 0)
		rc = json_object_set(rec->json, "marks", list);
	json_decref(list);
	return rc == 0 ? 0 : bk_fault_set(f, BK_IO, "out of memory");
}

/* Marks do not hang on --keep-tag. */
static int
no_tags(void *arg, const struct bk_query *q, size_t i, struct bk_fault *f)
{
	(void)arg;
	(void)q;
	(void)i;
	(void)f;
	return 0;
}

/* ${n} records of one name, by ${policy} (NULL: the first of each period). */
static int
mark(const struct bk_ctx *ctx, const struct bk_policy *policy, const char *tz,
    struct bk_record *rec, size_t n, struct bk_fault *f)
{
	struct bk_zone *z = bk_zone_open(NULL, tz != NULL ? tz : "UTC", f);
	struct bk_retain_in *in = calloc(n, sizeof(*in));
	uint8_t *marks = calloc(n, 1);
	char **source = calloc(n, sizeof(*source));
	size_t i;
	int rc = -1;

	if (z == NULL)
		goto out;
	if (in == NULL || marks == NULL || source == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		goto out;
	}
	for (i = 0; i < n; i++) {
		in[i] = bk_retain_of(&rec[i]);
		if (policy == NULL || policy->sources != BK_SOURCES_GROUPED)
			continue;
		source[i] = json_dumps(json_object_get(rec[i].json, "source"),
		    JSON_COMPACT | JSON_SORT_KEYS);
		in[i].source = source[i];
	}
	rc = bk_retain_marks(in, n, policy, z, ctx->now(), no_tags, NULL,
	    marks, f);
	for (i = 0; rc == 0 && i < n; i++)
		rc = show(&rec[i], marks[i], f);
out:
	for (i = 0; source != NULL && i < n; i++)
		free(source[i]);
	free(source);
	free(in);
	free(marks);
	bk_zone_free(z);
	return rc;
}

static bool
has_periods(const struct bk_policy *p)
{
	static const struct bk_span none = { 0, 0, 0, 0 };
	int q;

	for (q = BK_HOURLY; q < BK_PERIODS; q++)
		if (p->count[q] > 0 ||
		    memcmp(&p->within[q], &none, sizeof(none)) != 0)
			return true;
	return p->cycle;
}

/*
 * One name: by the cycle that is asked for, else by the rule there is.  A rule
 * that is damaged, or whose zone is not known here, hides no backup: it is
 * said, and stands for none.
 */
static int
mark_name(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_policy *asked, struct bk_record *rec, size_t n,
    struct bk_fault *f)
{
	const struct bk_policy *by = asked != NULL && asked->cycle ? asked : NULL;
	const char *tz = asked != NULL ? asked->tz : NULL;
	struct bk_policy rule = BK_POLICY_INIT;
	struct bk_fault bad = BK_FAULT_INIT;
	struct bk_zone *z = NULL;
	int rc;

	if (by == NULL || tz == NULL) {
		rc = bk_rule_read(s, rec->name, &rule, &bad);
		if (rc == 0 && rule.tz != NULL &&
		    (z = bk_zone_open(NULL, rule.tz, &bad)) == NULL)
			rc = -1;
		if (rc == -1)
			ctx->log(BK_LOG_WARN, "marks of '%s' without its rule: %s",
			    rec->name, bad.text);
		if (rc == 0 && by == NULL && has_periods(&rule))
			by = &rule;
		if (rc == 0 && tz == NULL)
			tz = rule.tz;
	}
	rc = mark(ctx, by, tz, rec, n, f);
	bk_zone_free(z);
	bk_policy_release(&rule);
	return rc;
}

int
bk_marks_set(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_policy *policy, struct bk_list *l, struct bk_fault *f)
{
	size_t i, end;

	if (l->len > 0)
		qsort(l->rec, l->len, sizeof(*l->rec), by_name);
	for (i = 0; i < l->len; i = end) {
		for (end = i + 1; end < l->len &&
		    strcmp(l->rec[end].name, l->rec[i].name) == 0;)
			end++;
		if (mark_name(ctx, s, policy, &l->rec[i], end - i, f) == -1)
			return -1;
	}
	return 0;
}
