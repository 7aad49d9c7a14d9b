/*
 * bk-supervise: run the jobs of the schedule file when they are due.  It only
 * waits and starts bk-run (DESIGN, 9): single-threaded, no network library,
 * asleep between due times.  Runs belong to themselves: when this program
 * ends, is killed or replaced, they finish, and the next one finds them by
 * their locks and the ledger.
 */
#include <stdlib.h>
#include <unistd.h>

#include "prog.h"
#include "super.h"

enum { CONFIG = 256, ONCE, CHECK, JSON };

static const struct bk_opt opts[] = {
	{ CONFIG, "config", "FILE", "the schedule file (/etc/bk/bk.conf)", 0 },
	{ ONCE, "once", NULL, "run what is due, and end: the form for cron", 0 },
	{ CHECK, "check", NULL, "check the file, show what is due when, and end", 0 },
	{ JSON, "json", NULL, "when checking: a JSON object for each job", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-supervise", "[OPTION]...",
	"run the jobs of the schedule file when they are due", opts };

/* There is one daemon for a state directory. */
static int
only_one(struct bk_sup *s, struct bk_fault *f)
{
	struct bk_fault busy = BK_FAULT_INIT;

	s->only = bk_ledger_lock(s->ctx, s->jobs->state, "supervisor", "only", 0,
	    -1, &busy);
	if (s->only != -1)
		return 0;
	return bk_fault_set(f, busy.status, "%s%s", busy.status == BK_BUSY ?
	    "another supervisor is running: " : "", busy.text);
}

int
main(int argc, char *argv[])
{
	static struct bk_sup s = { .signals = -1, .wall_timer = -1,
		.boot_timer = -1, .listener = -1, .only = -1 };
	struct bk_fault f = BK_FAULT_INIT;
	bool check = false, json = false;
	const char *arg;
	char **words;
	int key;

	bk_init(&prog, argc, argv);
	while ((key = bk_opt_next(&arg)) != -1)
		if (key == CONFIG)
			s.config = arg;
		else if (key == ONCE)
			s.once = true;
		else if (key == CHECK)
			check = true;
		else
			json = true;
	if (bk_operands(&words) != 0)
		bk_usage("'%s' is one word too many", words[0]);
	if (check && s.once)
		bk_usage("choose one of --check and --once");
	if (json && !check)
		bk_usage("--json goes with --check");
	s.ctx = bk_ctx;
	s.since = bk_ctx->now();
	s.checking = check;
	if (!check && !s.once)
		bk_show(BK_LOG_INFO);
	if (bk_sup_load(&s, &f) == 0) {
		if (check)
			(void)bk_sup_check(&s, json, &f);
		else if (s.once || (only_one(&s, &f) == 0 &&
		    bk_sup_listen(&s, &f) == 0))
			(void)bk_sup_loop(&s, &f);
		bk_sup_unlisten(&s);
	}
	bk_sup_close(&s);
	return bk_faulty(&f) ? bk_exit(&f) : s.once ? s.worst : 0;
}
