/* The schedule file of a month, and what of its world is looked up. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "due.h"
#include "list.h"
#include "monthtool.h"
#include "monthworld.h"
#include "tap.h"

void
month_conf(const struct month *m, const char *url, const char *conf,
    const char *watched)
{
	FILE *fp = fopen(conf, "we");
	const char *words, *p;
	size_t i;

	if (fp == NULL)
		abort();
	(void)fprintf(fp, "tz = '%s'\nstate = '%s'\nparallel = 30\n"
	    "store 's' { url = '%s' }\n", m->zone, tool_path("state"),
	    url);
	for (i = 0; i < m->njobs; i++) {
		words = m->jobs[i].words;
		(void)fprintf(fp, "job '%s' { source = 'fake:' store = 's' "
		    "on-stale = 'alarm'\n", m->jobs[i].title);
		if ((p = strstr(words, "WATCHED")) != NULL)
			(void)fprintf(fp, "%.*s%s%s }\n", (int)(p - words), words,
			    watched, p + strlen("WATCHED"));
		else
			(void)fprintf(fp, "%s }\n", words);
	}
	if (fclose(fp) == EOF)
		abort();
}

/* The start of a spread job is a hash of host and title: measured. */
void
month_measure(struct month *m, const struct bk_ctx *ctx,
    const struct bk_jobs *all)
{
	const struct bk_ledger_state s = { .last = BK_LEDGER_COMMITTED,
		.slot = m->begin, .slot_event = BK_LEDGER_COMMITTED };
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_due *d = bk_due_open(ctx, all, &f);
	struct bk_due_time t;
	size_t i;

	for (i = 0; d != NULL && i < m->njobs; i++)
		if (m->jobs[i].kind <= MONTH_EVERY) {
			t = bk_due_next(d, &all->jobs[i], &s, m->begin);
			m->jobs[i].shift = t.at - t.slot;
			ok(t.at - t.slot >= 0 && t.at - t.slot < (all->jobs[i].spread
			    > 0 ? all->jobs[i].spread : 1), "spread");
		}
	bk_due_free(d);
}

void
month_listed(struct month_world *world, const char *name,
    struct month_lines *out)
{
	struct bk_list_req req = BK_LIST_REQ_INIT;
	struct bk_list l = BK_LIST_INIT;
	struct bk_fault f = BK_FAULT_INIT;
	size_t i;

	req.name = name;
	if (bk_list_read(&tap_ctx, world->store, &req, &l, &f) == -1)
		ok(false, "%s", f.text);
	/* The newest first, as month_kept has them. */
	for (i = l.len; i-- > 0;)
		month_add(out, l.rec[i].time, 0, 'c');
	bk_list_release(&l);
}
