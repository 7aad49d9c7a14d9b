/*
 * Which backup: --id, --name, --latest, --at and a store, or standard input.
 */
#include <unistd.h>

#include "optargs.h"
#include "undo.h"
#include "when.h"
#include "which.h"

bool
bk_which_option(struct bk_which *w, int key, const char *arg)
{
	struct bk_fault f = BK_FAULT_INIT;

	switch (key) {
	case BK_WHICH_ID:
		w->pick.id = bk_arg_id("id", arg);
		return true;
	case BK_WHICH_NAME:
		w->pick.name = bk_arg_name("name", arg);
		return true;
	case BK_WHICH_LATEST:
		w->pick.latest = true;
		return true;
	case BK_WHICH_AT:
		if (bk_time_parse_rel(arg, bk_ctx->now(), &w->pick.at, &f) == -1)
			bk_usage_fault(&f);
		return true;
	case BK_WHICH_UNDO:
		if (w->nundo == BK_WHICH_UNDO_MAX)
			bk_usage("more than %d --undo", BK_WHICH_UNDO_MAX);
		if (bk_undo_check(arg, &f) == -1)
			bk_usage_fault(&f);
		w->undo[w->nundo++] = arg;
		return true;
	default:
		return false;
	}
}

void
bk_which_done(struct bk_which *w, char **words, int n)
{
	const struct bk_list_req *pick = &w->pick;
	struct bk_origin_req *o = &w->origin;
	bool chosen = pick->id != NULL || pick->latest || pick->at != INT64_MIN;

	if (n > 1)
		bk_usage("want one store at most; '%s' is a second operand",
		    words[1]);
	if (pick->name != NULL && !chosen)
		bk_usage("with --name, want --latest or --at");
	if (pick->latest && pick->at != INT64_MIN)
		bk_usage("choose one of --latest and --at");
	o->ctx = bk_ctx;
	o->fd = STDIN_FILENO;
	o->url = n == 1 ? words[0] : NULL;
	if (!chosen) {
		if (o->url != NULL && isatty(STDIN_FILENO))
			bk_usage("with a store, want --id, --latest or --at, or a record on standard input");
		bk_refuse_tty(STDIN_FILENO);
		return;
	}
	if (o->url == NULL && (o->url = bk_ctx->env("BK_STORE")) == NULL)
		bk_usage("--id, --name, --latest and --at want a store");
	o->pick = pick;
}
