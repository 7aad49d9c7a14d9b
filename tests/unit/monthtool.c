/*
 * The programs of a run, in this process: what their mains would call.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commit.h"
#include "fresh.h"
#include "hash.h"
#include "hooked.h"
#include "json.h"
#include "monthtool.h"
#include "prune.h"
#include "samples.h"
#include "tap.h"
#include "tomb.h"
#include "when.h"
#include "words.h"

static char dir[200];
static int lost;			/* newest good backups that were pruned */

static struct {
	char job[64];
	int64_t time;
} alarms[512];
static size_t nalarms;

void
tool_begin(int number)
{
	(void)snprintf(dir, sizeof(dir), "%s/month%d", tap_dir(), number);
	if (mkdir(dir, 0700) == -1)
		abort();
	lost = 0;
	nalarms = 0;
}

const char *
tool_path(const char *name)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

const char *
tool_name(char *const *argv)
{
	static const char *const known[] = { "bk-run", "bk-watch", "bk-prune",
		"bk-report", "bk-fresh", "alarm" };
	const char *slash;
	size_t i;

	for (; *argv != NULL; argv++) {
		slash = strrchr(*argv, '/');
		for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (strcmp(slash != NULL ? slash + 1 : *argv, known[i]) == 0)
				return known[i];
	}
	return "unknown";
}

const char *
tool_option(char *const *argv, const char *option)
{
	for (; *argv != NULL; argv++)
		if (strcmp(*argv, option) == 0)
			return argv[1];
	return NULL;
}

/* The newest that is not from the future: its manifest must still be there. */
static void
check_newest(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_prune *p)
{
	const struct bk_prune_item *best = NULL;
	struct bk_buf key = BK_BUF_INIT(1024);
	struct bk_fault f = BK_FAULT_INIT;
	size_t i;

	for (i = 0; i < p->len; i++)
		if (p->item[i].time <= ctx->now() &&
		    (best == NULL || p->item[i].time > best->time))
			best = &p->item[i];
	if (best != NULL && (bk_manifest_key(&key, best->name, best->id,
	    &f) == -1 || !hooked_has(s, key.p)))
		lost++;
	bk_buf_release(&key);
}

static int
prune(const struct bk_ctx *ctx, struct bk_store *s, const char *name,
    char *const *words, size_t n, const char *tz)
{
	struct bk_policy policy = BK_POLICY_INIT;
	const char *const names[] = { name, NULL };
	const struct bk_prune_req req = { .names = names, .policy = &policy };
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_purged sum;
	struct bk_prune p = { .item = NULL };
	uint64_t left = 0;

	if (bk_policy_parse(&policy, words, n, &f) == 0 &&
	    (tz == NULL || bk_policy_set(&policy, "tz", tz, &f) == 0) &&
	    bk_prune_plan(ctx, s, &req, &p, &f) == 0 &&
	    bk_prune_run(ctx, s, &p, DAY, &left, &f) == 0 &&
	    bk_tomb_purge(ctx, s, name, &sum, &f) == 0)
		check_newest(ctx, s, &p);
	else
		printf("# prune of %s: %s\n", name, f.text);
	bk_prune_release(&p);
	bk_policy_release(&policy);
	return f.status << 8;
}

/* The words behind the options that bk-run gives. */
static int
run_prune(const struct bk_ctx *ctx, struct bk_store *s, char *const *argv)
{
	const char *name = tool_option(argv, "--name");
	const char *tz = tool_option(argv, "--tz");
	size_t n = 0;

	while (*argv != NULL && strncmp(*argv, "--keep", 6) != 0)
		argv++;
	while (argv[n] != NULL)
		n++;
	return prune(ctx, s, name, argv, n, tz);
}

static int
run_report(const struct bk_ctx *ctx, struct bk_store *s, char *const *argv)
{
	const char *outcome = tool_option(argv, "--outcome");
	struct bk_report r = { .id = tool_option(argv, "--id"),
		.run = tool_option(argv, "--run"), .status = -1, .duration = -1 };
	struct bk_fault f = BK_FAULT_INIT;

	while (r.outcome < BK_SKIPPED &&
	    strcmp(bk_outcome_names[r.outcome], outcome) != 0)
		r.outcome++;
	(void)bk_state_report(ctx, s, tool_option(argv, "--name"), &r, &f);
	return f.status << 8;
}

static int
run_fresh(const struct bk_ctx *ctx, struct bk_store *s, bool store_up, int out,
    char *const *argv)
{
	struct bk_fresh_req req = { .name = tool_option(argv, "--name"),
		.shrink = 50 };
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_fresh fr = BK_FRESH_INIT;
	char *text;
	json_t *o;

	if (bk_duration_parse(tool_option(argv, "--max-age"), &req.max_age,
	    &f) == -1)
		abort();
	if (store_up)
		(void)bk_fresh_read(ctx, s, &req, &fr, &f);
	else {
		(void)bk_fault_set(&f, BK_UNAVAILABLE, "the store is down");
		bk_fresh_unknown(&fr, &req, ctx->now(), &f);
	}
	bk_fault_clear(&f);
	if ((o = bk_fresh_json(&fr, s->url, &f)) == NULL ||
	    (text = json_dumps(o, JSON_COMPACT)) == NULL)
		abort();
	(void)dprintf(out, "%s\n", text);
	free(text);
	json_decref(o);
	bk_fresh_release(&fr);
	return (store_up ? 0 : BK_UNAVAILABLE) << 8;
}

static int
run_alarm(const struct bk_ctx *ctx, char *const *env)
{
	for (; *env != NULL; env++)
		if (strncmp(*env, "BK_JOB=", 7) == 0 && nalarms <
		    sizeof(alarms) / sizeof(alarms[0])) {
			(void)snprintf(alarms[nalarms].job, sizeof(alarms[0].job),
			    "%s", *env + 7);
			alarms[nalarms++].time = ctx->now();
		}
	return 0;
}

int
tool_run(const struct bk_ctx *ctx, struct bk_store *s, bool store_up, int out,
    char *const *argv, char *const *env)
{
	const char *what = tool_name(argv);

	if (strcmp(what, "alarm") == 0)
		return run_alarm(ctx, env);
	if (strcmp(what, "bk-fresh") == 0)
		return run_fresh(ctx, s, store_up, out, argv);
	if (!store_up)
		return BK_UNAVAILABLE << 8;
	if (strcmp(what, "bk-prune") == 0)
		return run_prune(ctx, s, argv);
	/* One job tells how it went; for all it would take too long. */
	if (strcmp(what, "bk-report") == 0)
		return strcmp(tool_option(argv, "--name"), "night") == 0 ?
		    run_report(ctx, s, argv) : 0;
	printf("# who is %s?\n", argv[0]);
	return 127 << 8;
}

int
tool_store(const struct bk_ctx *ctx, struct bk_store *s, bool store_up,
    const char *name, int64_t content, struct bk_record *rec,
    struct bk_fault *f)
{
	char text[32], when[BK_TIME_LEN], hex[BK_SHA256_HEX], json[512];
	uint8_t sum[BK_SHA256_LEN];
	struct bk_commit_plan plan;
	struct bk_commit *c = NULL;
	json_t *header, *end;
	int n, rc = -1;

	n = snprintf(text, sizeof(text), "%020lld\n", (long long)content);
	bk_sha256_of(text, (size_t)n, sum);
	bk_hex(sum, sizeof(sum), hex);
	(void)snprintf(json, sizeof(json), "{'bk':'stream/1','name':'%s',"
	    "'engine':'fake','ext':'bin','time':'%s','host':'db1','source':"
	    "{'engine':'fake'},'tags':{},'filters':[],'info':{}}", name,
	    bk_time_text(ctx->now(), when));
	header = quoted(json);
	(void)snprintf(json, sizeof(json), "{'end':'ok','stages':[{'stage':"
	    "'fake','bytes':%d,'sha256':'%s'}],'info':{}}", n, hex);
	end = quoted(json);
	hooks.fail_put = store_up ? NULL : name;
	if (bk_commit_plan(ctx, s, header, false, &plan, f) == 0 &&
	    (c = bk_commit_begin(ctx, s, &plan, 0, f)) != NULL &&
	    bk_commit_write(c, text, (size_t)n, f) == 0) {
		plan.finished = ctx->now();
		rc = bk_commit_finish(c, end, hex, rec, f);
	}
	bk_commit_free(c);
	hooks.fail_put = NULL;
	json_decref(header);
	json_decref(end);
	return rc;
}

static void
take(const struct month *m, const char *text, size_t n, struct month_out *out)
{
	struct bk_fault f = BK_FAULT_INIT;
	json_t *o = bk_json_parse(text, n, "ledger", &f);
	const char *job = bk_json_get_text(o, "job");
	const char *event = bk_json_get_text(o, "event");
	const char *slot = bk_json_get_text(o, "slot");
	int64_t time = 0, t = 0;
	size_t i;

	assert(job != NULL && event != NULL);
	(void)bk_time_parse(bk_json_get_text(o, "time"), &time, &f);
	if (slot != NULL)
		(void)bk_time_parse(slot, &t, &f);
	for (i = 0; i < m->njobs; i++)
		if (strcmp(m->jobs[i].title, job) == 0)
			month_add(&out->ledger[i], time, t,
			    strcmp(event, "started") == 0 ? 'S' : event[0]);
	json_decref(o);
}

long
tool_ledger(const struct month *m, const char *path, long from,
    struct month_out *out)
{
	FILE *fp = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	if (fp == NULL || fseek(fp, from, SEEK_SET) == -1)
		abort();
	while ((n = getline(&line, &size, fp)) > 0) {
		take(m, line, (size_t)n - 1, out);
		from += n;
	}
	free(line);
	(void)fclose(fp);
	return from;
}

int
tool_end(const struct bk_ctx *ctx, struct bk_store *s, const struct month *m,
    struct month_out *out)
{
	char last[8], daily[8];
	char *words[] = { (char[]){ "--keep-last" }, last,
		(char[]){ "--keep-daily" }, daily };
	size_t i, k;

	for (i = 0; i < m->njobs; i++) {
		for (k = 0; k < nalarms; k++)
			if (strcmp(alarms[k].job, m->jobs[i].title) == 0)
				month_add(&out->alarm[i], alarms[k].time, 0, '!');
		if (m->jobs[i].last == 0)
			continue;
		(void)snprintf(last, sizeof(last), "%d", m->jobs[i].last);
		(void)snprintf(daily, sizeof(daily), "%d", m->jobs[i].daily);
		(void)prune(ctx, s, m->jobs[i].title, words, 4, m->zone);
	}
	return lost;
}
