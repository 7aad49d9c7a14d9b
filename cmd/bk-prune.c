/*
 * bk-prune: what goes, what stays and why.  The plan is printed before the
 * first object is touched, and exactly that is carried out: a reader that
 * goes away early, or a full disk, ends it with nothing deleted.
 *
 * Memory: about 500 bytes for each record of the names concerned, and 3 MiB.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "json.h"
#include "list.h"
#include "optargs.h"
#include "prog.h"
#include "prune.h"
#include "pruneout.h"
#include "prunetable.h"
#include "rule.h"
#include "snapshot.h"
#include "sweep.h"
#include "tomb.h"
#include "when.h"

#define TABLE_MAX (256 << 20)

enum { LAST = 256, HOURLY, DAILY, WEEKLY, MONTHLY, YEARLY, WITHIN, W_HOURLY,
	W_DAILY, W_WEEKLY, W_MONTHLY, W_YEARLY, TAG, CYCLE, TZ, SHRINK, SHARED,
	GROUP_BY, RULES_END, DRY_RUN, PLAN, MAX_DELETE, GRACE, ID, ALL, YES, UNDO,
	SWEEP, JSON, TABLE, TIMEOUT };

static const struct bk_opt opts[] = {
	{ 'n', "name", "NAME", "backups of exactly this name (all names)", BK_OPT_MANY },
	{ LAST, "keep-last", "N", "keep the newest N", 0 },
	{ HOURLY, "keep-hourly", "N", "the newest of each of the last N hours that have one", 0 },
	{ DAILY, "keep-daily", "N", "the same by days", 0 },
	{ WEEKLY, "keep-weekly", "N", "by ISO weeks", 0 },
	{ MONTHLY, "keep-monthly", "N", "by months", 0 },
	{ YEARLY, "keep-yearly", "N", "by years", 0 },
	{ WITHIN, "keep-within", "SPAN", "all within SPAN (1y2mo3w4d5h) of the newest", 0 },
	{ W_HOURLY, "keep-within-hourly", "SPAN", "one an hour within SPAN", 0 },
	{ W_DAILY, "keep-within-daily", "SPAN", "one a day", 0 },
	{ W_WEEKLY, "keep-within-weekly", "SPAN", "one a week", 0 },
	{ W_MONTHLY, "keep-within-monthly", "SPAN", "one a month", 0 },
	{ W_YEARLY, "keep-within-yearly", "SPAN", "one a year", 0 },
	{ TAG, "keep-tag", "QUERY", "what matches, such as '{tier=\"app\"}'", BK_OPT_MANY },
	{ CYCLE, "cycle", "D,W,M", "all of D days, the first of W weeks and of M months", 0 },
	{ TZ, "tz", "ZONE", "time zone of hours, days, weeks (UTC)", 0 },
	{ SHRINK, "max-shrink", "PERCENT", "suspect what shrinks by more (50)", 0 },
	{ SHARED, "shared", NULL, "several sources under one name are one history", 0 },
	{ GROUP_BY, "group-by", "source", "several sources are histories of their own", 0 },
	{ DRY_RUN, "dry-run", NULL, "print the plan and delete nothing", 0 },
	{ PLAN, "plan", "FILE", "carry out this plan, if the store is still as it was", 0 },
	{ MAX_DELETE, "max-delete", "N", "delete nothing where the plan deletes more than N", 0 },
	{ GRACE, "grace", "DURATION", "how long what is deleted now can be undone (24h)", 0 },
	{ ID, "id", "ID", "delete this backup", BK_OPT_MANY },
	{ ALL, "all", NULL, "delete all backups, or all of the names given", 0 },
	{ YES, "yes", NULL, "delete also the last good backup", 0 },
	{ UNDO, "undo", "ID", "bring back a backup that was deleted", BK_OPT_MANY },
	{ SWEEP, "sweep", NULL, "remove what interrupted uploads left", 0 },
	{ JSON, "json", NULL, "JSON lines, also on a terminal", 0 },
	{ TABLE, "table", NULL, "a table, also into a pipe", 0 },
	{ TIMEOUT, "timeout", "DURATION", "longest time for one request with its retries (10m)", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-prune",
	"[OPTION]... [STORE] [-]",
	"delete backups by a rule, after showing which and why", opts };

struct args {
	const char *url;
	bool stdin_list, dry_run, all, yes, sweep;
	int form;			/* JSON, TABLE or 0 */
	struct bk_policy policy;
	const char *plan;
	long long max_delete;
	int64_t grace;
	json_t *names, *ids, *undo;
	json_t *list;			/* ids on standard input */
	struct bk_store_opts store;
};

/* The row of a rule's option. */
static const char *
word_of(int key)
{
	const struct bk_opt *o = opts;

	while (o->key != key)
		o++;
	return o->name;
}

static void
form_arg(struct args *a, int form)
{
	if (a->form != 0)
		bk_usage("choose one of --json and --table");
	a->form = form;
}

static void
option(void *args, int key, const char *arg, struct bk_fault *f)
{
	struct args *a = args;

	switch (key) {
	case 'n':
		(void)bk_json_set(a->names, bk_arg_name("name", arg), json_true(),
		    f);
		break;
	case DRY_RUN:
		a->dry_run = true;
		break;
	case PLAN:
		a->plan = arg;
		break;
	case MAX_DELETE:
		(void)bk_number_parse("--max-delete", arg, 0, INT32_MAX,
		    &a->max_delete, f);
		break;
	case GRACE:
		(void)bk_duration_parse(arg, &a->grace, f);
		break;
	case ID:
		(void)bk_json_set(a->ids, bk_arg_id("id", arg), json_true(), f);
		break;
	case UNDO:
		(void)bk_json_set(a->undo, bk_arg_id("undo", arg), json_true(),
		    f);
		break;
	case ALL:
		a->all = true;
		break;
	case YES:
		a->yes = true;
		break;
	case SWEEP:
		a->sweep = true;
		break;
	case TIMEOUT:
		a->store.timeout_ms = bk_arg_duration("timeout", arg);
		break;
	case JSON:
	case TABLE:
		form_arg(a, key);
		break;
	default:
		(void)bk_policy_set(&a->policy, word_of(key), arg, f);
		break;
	}
}

/* One thing at a time, and a rule where it is a rule's. */
static void
check(struct args *a)
{
	struct bk_fault f = BK_FAULT_INIT;
	size_t ids = json_object_size(a->ids), undo = json_object_size(a->undo);
	int kinds = (a->plan != NULL) + (ids > 0) + a->all + (undo > 0) + a->sweep;
	bool rules = bk_policy_check(&a->policy, &f) == 0;

	if (kinds > 1)
		bk_usage("choose one of --plan, --id, --all, --undo and --sweep");
	if (kinds == 1 && a->policy.given != 0)
		bk_usage("a rule does not go with --plan, --id, --all, --undo or "
		    "--sweep");
	if (kinds == 0 && !rules)
		bk_usage_fault(&f);
	if (a->stdin_list && kinds == 1)
		bk_usage("a list on standard input goes with a rule");
	if (a->all && !a->yes && !a->dry_run)
		bk_usage("--all deletes everything%s: say --yes",
		    json_object_size(a->names) > 0 ? " of these names" : "");
	if (a->yes && !a->all && ids == 0 && a->plan == NULL)
		bk_usage("--yes goes with --id, --all and --plan");
	if (a->form == 0)
		a->form = isatty(STDOUT_FILENO) ? TABLE : JSON;
}

static void
parse(struct args *a)
{
	char **words;
	int i, n;

	bk_arg_options(option, a);
	n = bk_operands(&words);
	for (i = 0; i < n; i++)
		if (strcmp(words[i], "-") == 0)
			a->stdin_list = true;
		else if (a->url == NULL)
			a->url = words[i];
		else
			bk_usage("want one store; '%s' is a second one", words[i]);
	if (a->url == NULL && !a->stdin_list)
		a->url = bk_arg_env_store();
	check(a);
}

/* The whole list, before anything: of one that failed nothing is done. */
static int
read_list(struct args *a, struct bk_fault *f)
{
	struct bk_rbuf *r = bk_rbuf_new(STDIN_FILENO, "standard input", f);
	struct bk_records_in *in = r != NULL ? bk_records_reader(r, 0, f) : NULL;
	struct bk_record rec = BK_RECORD_INIT;
	bool named = json_object_size(a->names) > 0;
	static char url[4096];
	int rc = -1;

	a->list = json_object();
	while (in != NULL && (rc = bk_records_next(in, &rec, f)) == BK_MORE) {
		rc = -1;
		if (bk_record_current(&rec, f) == -1)
			break;
		if (a->url == NULL && rec.store != NULL &&
		    strlen(rec.store) < sizeof(url)) {
			memcpy(url, rec.store, strlen(rec.store) + 1);
			a->url = url;
		} else if (a->url == NULL || (a->url == url &&
		    (rec.store == NULL || strcmp(rec.store, url) != 0))) {
			(void)bk_fault_set(f, BK_USAGE, "the records are not of one "
			    "store: name it");
			break;
		}
		if (bk_json_set(a->list, rec.id, json_true(), f) == -1 ||
		    (!named && bk_json_set(a->names, rec.name, json_true(),
		    f) == -1))
			break;
	}
	bk_record_release(&rec);
	bk_records_in_free(in);
	bk_rbuf_free(r);
	return rc == BK_END ? 0 : -1;
}

/* The plan; without the records that an --id does not concern. */
static int
print_plan(const struct args *a, const struct bk_prune *p, struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(TABLE_MAX);
	bool some = json_object_size(a->ids) > 0;
	size_t i;
	int rc = 0;

	if (a->form == TABLE) {
		if ((rc = bk_prune_table(p, some, &b, f)) == 0)
			rc = bk_write_all(STDOUT_FILENO, b.p, b.len,
			    "standard output", f);
		bk_buf_release(&b);
		return rc;
	}
	for (i = 0; rc == 0 && i < p->len; i++)
		if (!p->item[i].foreign && (!some || p->item[i].asked))
			rc = bk_pruneout_line(bk_prune_line(p, i, f), f);
	return rc == 0 ? bk_pruneout_flush(f) : rc;
}

/* The names of the ids that are to be deleted.  66 for one without a name. */
static int
find_names(struct args *a, struct bk_store *s, struct bk_fault *f)
{
	struct bk_entries es;
	json_t *missing = json_copy(a->ids), *v;
	const char *id;
	size_t i;
	int rc = bk_entries_list(s, NULL, NULL, &es, f);

	for (i = 0; rc == 0 && i < es.len; i++)
		if (json_object_get(a->ids, es.e[i].k.id) != NULL) {
			(void)json_object_del(missing, es.e[i].k.id);
			rc = bk_json_set(a->names, es.e[i].k.name, json_true(), f);
		}
	if (rc == 0)
		json_object_foreach(missing, id, v)
			rc = bk_fault_set(f, BK_NOINPUT, "there is no backup %s in "
			    "%s", id, s->url);
	json_decref(missing);
	bk_entries_release(&es);
	return rc;
}

/* Rules, snapshot: what makes later work right or fast. */
static int
remember(const struct args *a, struct bk_store *s, const struct bk_prune *p,
    struct bk_fault *f)
{
	struct bk_fault why = BK_FAULT_INIT;
	const char *name;
	size_t i;
	bool refused;
	json_t *v;

	if (a->policy.given != 0)
		json_object_foreach(p->names, name, v) {
			refused = false;
			for (i = 0; i < p->verdict.nrefused; i++)
				refused = refused || strcmp(name, p->item[
				    p->verdict.refused[i].a].name) == 0;
			if (!refused && bk_rule_write(bk_ctx, s, name, &a->policy,
			    f) == -1)
				return -1;
		}
	if ((p->fetched > BK_SNAPSHOT_MIN &&
	    bk_snapshot_write(bk_ctx, s, &why) == -1) ||
	    (p->groups.fetched > BK_SNAPSHOT_MIN &&
	    bk_groups_cache(bk_ctx, s, &p->groups, &why) == -1))
		bk_say(BK_LOG_WARN, "no list snapshot: %s", why.text);
	return 0;
}

static int
purge(struct bk_store *s, const char *const *names, struct bk_fault *f)
{
	struct bk_purged sum = { 0 };
	size_t i;
	int rc = 0;

	if (names == NULL)
		rc = bk_tomb_purge(bk_ctx, s, NULL, &sum, f);
	for (i = 0; names != NULL && names[i] != NULL && rc == 0; i++)
		rc = bk_tomb_purge(bk_ctx, s, names[i], &sum, f);
	if (sum.gone > 0)
		bk_say(BK_LOG_INFO, "removed %llu payloads of %llu bytes whose "
		    "grace has passed", (unsigned long long)sum.gone,
		    (unsigned long long)sum.bytes);
	if (rc == 0 && sum.bad > 0)
		rc = bk_fault_set(f, BK_NO, "%llu tombstones cannot be read",
		    (unsigned long long)sum.bad);
	return rc;
}

static void
say_versions(const struct bk_store *s, const struct bk_prune *p)
{
	if (p->versions != BK_VERSIONS_NONE)
		bk_say(BK_LOG_WARN, "'%s' %s: deleting frees nothing of the %llu "
		    "bytes until the bucket's own rules remove old versions",
		    s->url, p->versions == BK_VERSIONS_KEPT ? "keeps versions" :
		    "has kept versions", (unsigned long long)p->gone_bytes);
}

static int
show_log(void *arg, const struct bk_wal_gone *g, struct bk_fault *f)
{
	const struct args *a = arg;

	return bk_pruneout_log(a->form == JSON, g, f);
}

/* Of the names that have backups; their log goes after them. */
static int
prune_logs(const struct args *a, struct bk_store *s, const struct bk_prune *p,
    struct bk_fault *f)
{
	const char *name;
	json_t *v;
	int rc = 0;

	json_object_foreach(p->names, name, v)
		if (rc == 0)
			rc = bk_wal_prune(bk_ctx, s, name, a->dry_run, show_log,
			    (void *)(uintptr_t)a, f);
	return rc == 0 ? bk_pruneout_flush(f) : rc;
}

/* After the plan was shown. */
static int
carry_out(const struct args *a, struct bk_store *s, const struct bk_prune *p,
    const char *const *names, struct bk_fault *f)
{
	uint64_t left = 0;

	if (a->max_delete >= 0 && p->gone > (uint64_t)a->max_delete)
		return bk_fault_set(f, BK_NO, "the plan deletes %llu backups, "
		    "--max-delete is %lld: nothing was deleted",
		    (unsigned long long)p->gone, a->max_delete);
	if (!a->dry_run && (bk_prune_run(bk_ctx, s, p, a->grace, &left,
	    f) == -1 || purge(s, names, f) == -1 ||
	    bk_prune_tidy(s, p, f) == -1 || remember(a, s, p, f) == -1))
		return -1;
	if ((a->policy.given != 0 || a->plan != NULL) &&
	    prune_logs(a, s, p, f) == -1)
		return -1;
	if (left > 0)
		return bk_fault_set(f, BK_NO, "%llu backups of the plan were left, "
		    "because they have changed", (unsigned long long)left);
	return 0;
}

static int
read_plan(const struct args *a, struct bk_prune_file *pf, struct bk_fault *f)
{
	int fd, rc;

	if (strcmp(a->plan, "-") == 0)
		return bk_prune_file_read(STDIN_FILENO, "standard input", pf, f);
	if ((fd = open(a->plan, O_RDONLY | O_CLOEXEC)) == -1)
		return bk_fault_errno(f, 0, errno, "cannot open '%s'", a->plan);
	rc = bk_prune_file_read(fd, a->plan, pf, f);
	(void)close(fd);
	return rc;
}

/* Names of ${o} as an array that ends with NULL; NULL for none. */
static const char **
name_list(json_t *o, struct bk_fault *f)
{
	const char **v = calloc(json_object_size(o) + 1, sizeof(*v));
	const char *name;
	size_t n = 0;
	json_t *t;

	if (v == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		return NULL;
	}
	json_object_foreach(o, name, t)
		v[n++] = name;
	return v;
}

/* The last line, by what ${f} says. */
static void
put_end(const struct bk_prune *p, struct bk_fault *f)
{
	struct bk_fault why = BK_FAULT_INIT;

	if (bk_pruneout_line(bk_prune_end(p, f->status, &why), &why) == 0)
		(void)bk_pruneout_flush(&why);
	if (!bk_faulty(f))
		*f = why;
}

static int
seen(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	(void)o;
	(void)f;
	*(bool *)arg = true;
	return BK_LIST_STOP;
}

/* A name of which the store has neither backup nor payload is a mistake. */
static int
check_names(struct bk_store *s, const struct bk_prune *p,
    const char *const *names, struct bk_fault *f)
{
	char prefix[BK_NAME_MAX + 2];
	bool found;
	size_t i;

	for (; names != NULL && *names != NULL; names++) {
		for (found = false, i = 0; i < p->len && !found; i++)
			found = strcmp(p->item[i].name, *names) == 0;
		(void)snprintf(prefix, sizeof(prefix), "%s/", *names);
		if (!found && bk_store_list(s, prefix, "", seen, &found, f) == -1)
			return -1;
		if (!found)
			return bk_fault_set(f, BK_NOINPUT, "there is no backup of "
			    "the name '%s' in %s", *names, s->url);
	}
	return 0;
}

static int
prune(struct args *a, struct bk_store *s, struct bk_fault *f)
{
	struct bk_prune_req req = { .policy = &a->policy, .list = a->list,
		.yes = a->yes };
	struct bk_prune_file pf = { NULL, NULL, NULL };
	struct bk_prune p = { .item = NULL };
	const char **names = NULL;
	int rc = -1;

	if (a->plan != NULL && read_plan(a, &pf, f) == -1)
		goto out;
	if (json_object_size(a->ids) > 0 && find_names(a, s, f) == -1)
		goto out;
	if ((names = name_list(a->plan != NULL ? pf.names : a->names, f)) == NULL)
		goto out;
	req.names = names[0] != NULL ? names : NULL;
	if (a->all || json_object_size(a->ids) > 0) {
		req.how = BK_PRUNE_ASKED;
		req.ids = a->all ? NULL : a->ids;
	} else if (a->plan != NULL) {
		req.how = BK_PRUNE_PLAN;
		req.ids = pf.ids;
		req.reviewed = pf.lines;
	}
	if (bk_prune_plan(bk_ctx, s, &req, &p, f) == -1 ||
	    (a->plan != NULL ? bk_prune_file_check(&pf, &p, f) :
	    check_names(s, &p, req.names, f)) == -1 ||
	    print_plan(a, &p, f) == -1)
		goto out;
	say_versions(s, &p);
	(void)carry_out(a, s, &p, req.names, f);
	if (a->form == JSON)
		put_end(&p, f);
	rc = bk_faulty(f) ? -1 : bk_prune_judge(&p, f);
out:
	bk_prune_release(&p);
	bk_prune_file_release(&pf);
	free(names);
	return rc;
}

/* Bring back, and print what is back. */
static int
undo(const struct args *a, struct bk_store *s, struct bk_fault *f)
{
	struct bk_records_out *out = bk_records_writer(STDOUT_FILENO, f);
	struct bk_list_req req = BK_LIST_REQ_INIT;
	struct bk_list l = BK_LIST_INIT;
	unsigned int raised = 0;
	size_t i;
	json_t *v;
	int rc = out != NULL ? 0 : -1;

	json_object_foreach(a->undo, req.id, v) {
		if (rc == -1 || (rc = bk_tomb_undo(bk_ctx, s, NULL, req.id, false,
		    &raised, f)) == -1 ||
		    (rc = bk_list_read(bk_ctx, s, &req, &l, f)) == -1)
			break;
		for (i = 0; rc == 0 && i < l.len; i++)
			rc = bk_records_put(out, &l.rec[i], f);
		bk_list_release(&l);
	}
	if (out != NULL)
		(void)bk_records_end(out, f, 0, f);
	bk_records_out_free(out);
	return rc;
}

static int
show_swept(void *arg, const struct bk_swept *o, struct bk_fault *f)
{
	char when[BK_TIME_LEN];

	(void)arg;
	return bk_pruneout_line(json_pack("{s:s, s:s, s:s, s:I, s:[s]}", "plan", "delete",
	    "key", o->key, "time", bk_time_text(o->time, when), "bytes",
	    (json_int_t)o->bytes, "why", o->why), f);
}

/* The list is out before anything goes. */
static int
swept_all(void *arg, struct bk_fault *f)
{
	(void)arg;
	return bk_pruneout_flush(f);
}

static int
sweep(const struct args *a, struct bk_store *s, struct bk_fault *f)
{
	struct bk_sweep_sum sum = { 0, 0 };
	int rc = bk_sweep(bk_ctx, s, a->dry_run, show_swept, swept_all, NULL,
	    &sum, f);

	if (rc == 0 && !a->dry_run)
		rc = purge(s, NULL, f);
	if (rc == 0 && (rc = bk_pruneout_line(json_pack("{s:s, s:{s:I, s:I}}", "end",
	    "ok", "delete", "n", (json_int_t)sum.n, "bytes",
	    (json_int_t)sum.bytes), f)) == 0)
		rc = bk_pruneout_flush(f);
	return rc;
}

int
main(int argc, char *argv[])
{
	struct bk_fault f = BK_FAULT_INIT;
	struct args a = { .policy = BK_POLICY_INIT, .max_delete = -1,
		.grace = BK_GRACE_MS, .names = json_object(),
		.ids = json_object(), .undo = json_object() };
	struct bk_store *s = NULL;

	bk_init(&prog, argc, argv);
	parse(&a);
	if ((!a.stdin_list || read_list(&a, &f) == 0) &&
	    (s = bk_store_open(bk_ctx, a.url, &a.store, &f)) != NULL)
		(void)(json_object_size(a.undo) > 0 ? undo(&a, s, &f) :
		    a.sweep ? sweep(&a, s, &f) : prune(&a, s, &f));

	bk_pruneout_release();
	bk_store_close(s);
	bk_policy_release(&a.policy);
	json_decref(a.list);
	json_decref(a.undo);
	json_decref(a.ids);
	json_decref(a.names);
	return bk_exit(&f);
}
