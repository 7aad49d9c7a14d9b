/*
 * Group runs in a plan.  A run is whole while all its members have manifests;
 * one that is not binds nothing any more.  The object of a run stays until
 * nothing of it can be brought back, so that --undo makes it whole again.
 */
#include <stdlib.h>
#include <string.h>

#include "prunework.h"
#include "json.h"
#include "rule.h"
#include "tomb.h"

/* A run that has just been written may be ahead of what a store lists. */
#define SETTLED_MS (7 * 24 * 3600 * INT64_C(1000))

const struct bk_policy *
bk_prune_rule(const struct bk_prune *p, const struct bk_prune_item *it)
{
	return it->by == 0 ? p->policy : p->book[it->by - 1].policy;
}

static bool
reached(const struct bk_prune *p, const char *name)
{
	return json_object_get(p->only, name) != NULL ||
	    json_object_get(p->others, name) != NULL;
}

/* Add the names that stand in a run with one that is reached. */
static int
spread(struct bk_prune *p, struct bk_fault *f)
{
	const struct bk_group_run *run;
	bool changed = true, some, all;
	size_t i, m;

	while (changed) {
		changed = false;
		for (i = 0; i < p->groups.len; i++) {
			run = &p->groups.run[i];
			some = false;
			all = true;
			for (m = 0; m < run->n; m++) {
				some = some || reached(p, run->member[m].name);
				all = all && reached(p, run->member[m].name);
			}
			if (!some || all)
				continue;
			changed = true;
			for (m = 0; m < run->n; m++)
				if (!reached(p, run->member[m].name) &&
				    bk_json_set(p->others, run->member[m].name,
				    json_integer(1 + (json_int_t)json_object_size(
				    p->others)), f) == -1)
					return -1;
		}
	}
	return 0;
}

/*
 * The rule that was last applied to ${name}.  Where there is none, or it
 * cannot be followed here, everything of the name stays.
 */
static int
read_rule(const struct bk_ctx *ctx, struct bk_store *s, struct bk_prune *p,
    const char *name, size_t i, struct bk_fault *f)
{
	struct bk_fault bad = BK_FAULT_INIT;
	struct bk_policy *rule = &p->rule[i];
	int rc = bk_rule_read(s, name, rule, &bad);

	p->rule_zone[i] = bk_zone_open(NULL, rc == 0 && rule->tz != NULL ?
	    rule->tz : "UTC", &bad);
	if (rc == 0 && (p->rule_zone[i] == NULL ||
	    bk_policy_check(rule, &bad) == -1))
		rc = -1;
	if (rc == -1 && bad.status == BK_UNAVAILABLE) {
		*f = bad;
		return -1;
	}
	if (rc == -1)
		ctx->log(BK_LOG_WARN, "without the rule of '%s' nothing goes that "
		    "is in a group run with it: %s", name, bad.text);
	p->book[i] = (struct bk_retain_book){ rc == 0 ? rule :
		&bk_prune_everything,
		p->rule_zone[i] != NULL ? p->rule_zone[i] : p->zone };
	return 0;
}

int
bk_prune_others(const struct bk_ctx *ctx, struct bk_store *s,
    struct bk_prune *p, struct bk_fault *f)
{
	const char *name;
	json_t *v;
	size_t n;

	if (bk_groups_read(ctx, s, NULL, &p->groups, f) == -1 ||
	    (p->only != NULL && spread(p, f) == -1))
		return -1;
	n = json_object_size(p->others);
	p->rule = calloc(n + 1, sizeof(*p->rule));
	p->rule_zone = calloc(n + 1, sizeof(struct bk_zone *));
	p->book = calloc(n + 1, sizeof(*p->book));
	if (p->rule == NULL || p->rule_zone == NULL || p->book == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	json_object_foreach(p->others, name, v)
		if (read_rule(ctx, s, p, name,
		    (size_t)json_integer_value(v) - 1, f) == -1)
			return -1;
	p->more.book = p->book;
	p->more.nbooks = n;
	return 0;
}

int
bk_prune_runs(struct bk_prune *p, struct bk_fault *f)
{
	const struct bk_group_run *run;
	size_t i, m, at, total = 0, n = 0;

	for (i = 0; i < p->groups.len; i++)
		total += p->groups.run[i].n;
	p->run = calloc(p->groups.len + 1, sizeof(*p->run));
	p->member = calloc(total + 1, sizeof(*p->member));
	if (p->run == NULL || p->member == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	for (i = total = 0; i < p->groups.len; i++) {
		run = &p->groups.run[i];
		for (m = 0; m < run->n; m++) {
			at = bk_prune_find(p, run->member[m].id);
			if (at == p->len ||
			    strcmp(p->item[at].name, run->member[m].name) != 0)
				break;
			p->member[total + m] = (uint32_t)at;
		}
		if (m < run->n)
			continue;
		p->run[n++] = (struct bk_retain_run){ .group = run->group,
			.run = run->run, .time = run->time,
			.member = p->member + total, .n = run->n };
		total += run->n;
	}
	p->more.run = p->run;
	p->more.nruns = n;
	return 0;
}

/* Has a person reviewed that this one goes with this run? */
static bool
reviewed(const struct bk_prune *p, const struct bk_prune_item *it,
    const char *run)
{
	const json_t *why = json_object_get(json_object_get(p->reviewed, it->id),
	    "why"), *v;
	const char *text;
	size_t i;

	json_array_foreach(why, i, v)
		if ((text = json_string_value(v)) != NULL &&
		    strstr(text, run) != NULL)
			return true;
	return false;
}

/* All of ${run} that is to go stays. */
static bool
keep_run(struct bk_prune *p, const struct bk_retain_run *run, const char *why)
{
	struct bk_prune_item *it;
	bool changed = false;
	size_t m;

	for (m = 0; m < run->n; m++) {
		it = &p->item[run->member[m]];
		if (it->keep || reviewed(p, it, run->run))
			continue;
		it->keep = changed = true;
		it->why = why;
	}
	return changed;
}

/* Is ${i} the newest good run of its group? */
static bool
newest_good(const struct bk_prune *p, size_t i)
{
	const struct bk_retain_run *run = &p->run[i];
	size_t k, m;

	for (m = 0; m < run->n; m++)
		if (!p->item[run->member[m]].good)
			return false;
	for (k = 0; k < p->more.nruns; k++) {
		if (k == i || strcmp(p->run[k].group, run->group) != 0 ||
		    p->run[k].time < run->time || (p->run[k].time == run->time &&
		    strcmp(p->run[k].run, run->run) < 0))
			continue;
		for (m = 0; m < p->run[k].n; m++)
			if (!p->item[p->run[k].member[m]].good)
				break;
		if (m == p->run[k].n)
			return false;
	}
	return true;
}

bool
bk_prune_guard_runs(struct bk_prune *p)
{
	const struct bk_retain_run *run;
	size_t i, m, stay;
	bool changed = false;

	for (i = 0; i < p->more.nruns; i++) {
		run = &p->run[i];
		for (stay = m = 0; m < run->n; m++)
			stay += p->item[run->member[m]].keep;
		if (stay == run->n)
			continue;
		if (stay > 0)
			changed = keep_run(p, run, "the rest of its group run "
			    "stays: name that too, or say --yes") || changed;
		else if (newest_good(p, i))
			changed = keep_run(p, run, "newest good run of its group: "
			    "deleting it wants --yes") || changed;
	}
	return changed;
}

void
bk_prune_group_release(struct bk_prune *p)
{
	size_t i, n = p->rule != NULL ? json_object_size(p->others) : 0;

	for (i = 0; i < n; i++)
		bk_policy_release(&p->rule[i]);
	for (i = 0; p->rule_zone != NULL && i < n; i++)
		bk_zone_free(p->rule_zone[i]);
	free(p->rule);
	free(p->rule_zone);
	free(p->book);
	free(p->run);
	free(p->member);
	bk_groups_release(&p->groups);
}

/* Can anything of ${run} still be listed or brought back?  1, 0, -1. */
static int
alive(const struct bk_prune *p, struct bk_store *s,
    const struct bk_group_run *run, struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX);
	struct bk_object o;
	size_t m;
	int rc = BK_ABSENT;

	for (m = 0; m < run->n && rc == BK_ABSENT; m++) {
		bk_buf_reset(&key);
		if (bk_prune_find(p, run->member[m].id) < p->len)
			rc = 0;
		else if ((rc = bk_tomb_key(&key, run->member[m].name,
		    run->member[m].id, f)) == 0)
			rc = bk_store_stat(s, bk_buf_text(&key), &o, f);
	}
	bk_buf_release(&key);
	return rc == -1 ? -1 : rc != BK_ABSENT;
}

/* Does the plan know all there is of the names of ${run}? */
static bool
known(const struct bk_prune *p, const struct bk_group_run *run)
{
	return p->only == NULL || reached(p, run->member[0].name);
}

int
bk_prune_tidy(struct bk_store *s, const struct bk_prune *p,
    struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX);
	const struct bk_group_run *run;
	struct bk_keys dead = { 0 };
	size_t i;
	int rc = 0;

	for (i = 0; i < p->groups.len && rc != -1; i++) {
		run = &p->groups.run[i];
		if (!known(p, run) ||
		    p->now - bk_ulid_time(run->run) < SETTLED_MS ||
		    (rc = alive(p, s, run, f)) != 0)
			continue;
		bk_buf_reset(&key);
		if ((rc = bk_group_key(&key, run->group, run->run, f)) == 0)
			rc = bk_keys_add(&dead, bk_buf_text(&key), f);
	}
	if (rc != -1)
		rc = bk_keys_remove(&dead, s, f);
	bk_keys_release(&dead);
	bk_buf_release(&key);
	return rc;
}
