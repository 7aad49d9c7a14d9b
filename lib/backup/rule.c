/*
 * A rule is replaced as a whole and rarely: what is there is read first, so
 * that a nightly run with the same words writes nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "names.h"
#include "rule.h"
#include "when.h"

#define FORMAT "rule/1"
#define RULE_MAX 65536

static int
rule_key(struct bk_buf *b, const char *name, struct bk_fault *f)
{
	if (!bk_name_ok(name))
		return bk_fault_set(f, BK_DATA, "'%.100s' is no name", name);
	return bk_buf_addf(b, f, ".bk/rule/%s.json", name);
}

/* 0 with *${o} a new reference, BK_ABSENT, -1. */
static int
get(struct bk_store *s, const char *name, json_t **o, struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX), text = BK_BUF_INIT(RULE_MAX);
	const char *form;
	int rc;

	*o = NULL;
	if ((rc = rule_key(&key, name, f)) == -1 ||
	    (rc = bk_store_get_small(s, bk_buf_text(&key), &text, f)) != 0)
		goto out;
	rc = -1;
	if ((*o = bk_json_parse(bk_buf_text(&text), text.len,
	    bk_buf_text(&key), f)) == NULL)
		goto out;
	form = bk_json_get_text(*o, "bk");
	if (form != NULL && strcmp(form, FORMAT) == 0)
		rc = 0;
	else
		(void)bk_fault_set(f, BK_DATA, "'%s' is not of the form " FORMAT,
		    bk_buf_text(&key));
out:
	if (rc == -1) {
		json_decref(*o);
		*o = NULL;
	}
	bk_buf_release(&text);
	bk_buf_release(&key);
	return rc;
}

/* Is the rule that is there this one? */
static bool
same(struct bk_store *s, const char *name, const json_t *keep, const char *tz)
{
	struct bk_fault none = BK_FAULT_INIT;
	json_t *o = NULL;
	const char *t;
	bool equal = false;

	if (get(s, name, &o, &none) == 0) {
		t = bk_json_get_text(o, "tz");
		equal = t != NULL && strcmp(t, tz) == 0 &&
		    json_equal(json_object_get(o, "keep"), keep);
	}
	json_decref(o);
	return equal;
}

int
bk_rule_write(const struct bk_ctx *ctx, struct bk_store *s, const char *name,
    const struct bk_policy *policy, struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX), text = BK_BUF_INIT(RULE_MAX);
	const char *tz = policy->tz != NULL ? policy->tz : "UTC";
	json_t *keep = bk_policy_words(policy, f), *o = NULL;
	char when[BK_TIME_LEN];
	int rc = -1;

	if (keep == NULL)
		goto out;
	if (same(s, name, keep, tz)) {
		rc = 0;
		goto out;
	}
	if ((o = json_pack("{s:s, s:s, s:O, s:s, s:s}", "bk", FORMAT, "name",
	    name, "keep", keep, "tz", tz, "time",
	    bk_time_text(ctx->now(), when))) == NULL)
		(void)bk_fault_set(f, BK_IO, "out of memory");
	else if (rule_key(&key, name, f) == 0 &&
	    bk_json_text(o, &text, f) == 0 && bk_buf_adds(&text, "\n", f) == 0)
		rc = bk_store_put_small(s, bk_buf_text(&key), text.p, text.len, 0,
		    f);
out:
	json_decref(o);
	json_decref(keep);
	bk_buf_release(&text);
	bk_buf_release(&key);
	return rc;
}

int
bk_rule_read(struct bk_store *s, const char *name, struct bk_policy *policy,
    struct bk_fault *f)
{
	const char *tz, *word;
	json_t *o, *keep;
	char **words = NULL;
	size_t i, n = 0;
	int rc;

	*policy = (struct bk_policy)BK_POLICY_INIT;
	if ((rc = get(s, name, &o, f)) != 0)
		return rc;
	rc = -1;
	keep = json_object_get(o, "keep");
	if ((words = calloc(json_array_size(keep) + 1, sizeof(*words))) == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		goto out;
	}
	for (i = 0; i < json_array_size(keep); i++) {
		word = json_string_value(json_array_get(keep, i));
		if (word == NULL || (words[n] = strdup(word)) == NULL) {
			(void)bk_fault_set(f, BK_DATA, "the rule of '%s' has no "
			    "words", name);
			goto out;
		}
		n++;
	}
	tz = bk_json_get_text(o, "tz");
	if ((rc = bk_policy_parse(policy, words, n, f)) == 0 && tz != NULL)
		rc = bk_policy_set(policy, "tz", tz, f);
	if (rc == -1 && f->status == BK_USAGE) {
		f->status = BK_DATA;
		bk_fault_context(f, "the rule of '%s'", name);
	}
out:
	while (n > 0)
		free(words[--n]);
	free(words);
	json_decref(o);
	return rc;
}
