/*
 * bk-watch: wait for files to change, and say so once a change is over: as a
 * line, by a command, or by a flag that somebody else takes away.
 *
 * Events are only hints (watchset.h); what is said rests on how the file
 * looks when it has settled (settle.h), so that lost and doubled events do no
 * harm.  Timers run on CLOCK_BOOTTIME: a host that sleeps wakes up late, not
 * wrong.  Between events nothing wakes it.  Somebody who writes a large file
 * makes an event with each write, of which the kernel keeps one if nobody takes
 * it: so after each look there is a pause.
 *
 * A command or a flag makes up for what nobody saw: what is there at the
 * start counts as changed, and what failed for a reason that may pass is
 * tried again.
 */
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "io.h"
#include "json.h"
#include "prog.h"
#include "settle.h"
#include "watchact.h"
#include "watchset.h"
#include "when.h"
#include "writers.h"

#define QUIET_MS 2000
#define LONGEST 30			/* times the quiet: a change is put off */
#define PAUSE_MS INT64_C(50)		/* between two looks at events, at most */

enum { SETTLE = 256, AT_MOST, HEARTBEAT, EXEC, FLAG };

static const struct bk_opt opts[] = {
	{ SETTLE, "settle", "DURATION", "a change is over after so long without another (2s)", 0 },
	{ AT_MOST, "at-most-every", "DURATION", "tell of changes at most once in this time", 0 },
	{ HEARTBEAT, "heartbeat", "DURATION", "say that nothing changed for so long", 0 },
	{ EXEC, "exec", NULL, "run the command at each change, print nothing", 0 },
	{ FLAG, "flag", "FILE", "create FILE at each change, print nothing", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-watch",
	"[OPTION]... PATH... [--exec -- COMMAND [ARG...]]",
	"tell when files have changed and are whole again", opts };

struct unit {
	const char *path;
	struct bk_settle settle;
	bool sure;			/* changed, however it looks */
	bool unsure;			/* whether it is open: events were lost */
	struct bk_look seen;		/* as it was last told of */
};

struct watch {
	const char *flag;
	const char *const *command;
	struct bk_watchset *set;
	struct unit *units;
	size_t n;
	struct bk_settle_rule rule;
	int64_t pause, looks;		/* no look at events before ${looks} */
	int64_t heartbeat, beat;	/* beat: when something was last said */
	int64_t since;			/* wall clock: nothing changed */
	struct bk_act *act;		/* NULL: lines are printed */
	int timer, signals;
	int signal;			/* that ends us, or 0 */
	int64_t now;			/* CLOCK_BOOTTIME in ms */
};

static void
duration(const char *what, const char *arg, int64_t min, int64_t *ms)
{
	struct bk_fault f = BK_FAULT_INIT;

	if (bk_duration_parse(arg, ms, &f) == -1)
		bk_usage_fault(&f);
	if (*ms < min)
		bk_usage("%s '%s': want at least %lldms", what, arg,
		    (long long)min);
}

static void
parse(struct watch *w, char ***paths)
{
	const char *arg;
	bool exec = false;
	int key, n, rest;
	size_t i;

	while ((key = bk_opt_next(&arg)) != -1)
		switch (key) {
		case SETTLE:
			duration("--settle", arg, 0, &w->rule.quiet);
			break;
		case AT_MOST:
			duration("--at-most-every", arg, 0, &w->rule.every);
			break;
		case HEARTBEAT:
			duration("--heartbeat", arg, 100, &w->heartbeat);
			break;
		case EXEC:
			exec = true;
			break;
		case FLAG:
			w->flag = arg;
			break;
		default:
			break;
		}
	n = bk_operands(paths);
	rest = bk_operands_after();
	if (exec ? rest <= 0 : rest > 0)
		bk_usage("want --exec -- COMMAND");
	if (rest > 0)
		w->command = (const char *const *)*paths + (n - rest);
	w->n = (size_t)(n - (rest > 0 ? rest : 0));
	if (w->n == 0 || w->n > BK_WATCH_PATHS)
		bk_usage("want one path or more, up to %d", BK_WATCH_PATHS);
	for (i = 0; i < w->n; i++)
		if (*(*paths)[i] == '\0')
			bk_usage("'': want the path of a file or directory");
	if (w->flag != NULL && *w->flag == '\0')
		bk_usage("--flag '': want the name of a file");
	if ((w->flag != NULL) + exec + (w->heartbeat != 0) > 1)
		bk_usage("choose one of --exec, --flag and --heartbeat");
	w->pause = w->rule.quiet / 2 < PAUSE_MS ? w->rule.quiet / 2 : PAUSE_MS;
	w->rule.longest = w->rule.quiet * LONGEST;
	if (w->rule.longest < w->rule.every)
		w->rule.longest = w->rule.every;
}

static int64_t
boottime(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
take_signals(struct watch *w)
{
	struct signalfd_siginfo si;

	while (read(w->signals, &si, sizeof(si)) == (ssize_t)sizeof(si))
		if (si.ssi_signo != SIGCHLD)
			w->signal = (int)si.ssi_signo;
}

/*
 * Write a line; ${o} is taken.  A reader that is slow does not keep us from
 * hearing signals.
 */
static int
put_line(struct watch *w, json_t *o, struct bk_fault *f)
{
	struct pollfd p[2] = { { .fd = w->signals, .events = POLLIN },
		{ .fd = STDOUT_FILENO, .events = POLLOUT } };
	struct bk_buf b = BK_BUF_INIT(65536);
	int rc = -1;

	if (bk_json_text(o, &b, f) == 0 && bk_buf_adds(&b, "\n", f) == 0) {
		while (w->signal == 0 && p[1].revents == 0) {
			if (poll(p, 2, -1) == -1 && errno != EINTR)
				break;
			if (p[0].revents != 0)
				take_signals(w);
		}
		rc = w->signal != 0 ? 0 : bk_write_all(STDOUT_FILENO, b.p,
		    b.len, "standard output", f);
	}
	json_decref(o);
	bk_buf_release(&b);
	w->beat = w->now;
	return rc;
}

/* {"event":"settled",...} of ${u}; NULL with ${f} set. */
static json_t *
settled(const struct unit *u, struct bk_fault *f)
{
	char when[BK_TIME_LEN];
	json_t *o = json_pack("{s:s}", "event", "settled");

	if (o == NULL)
		(void)bk_fault_set(f, BK_IO, "out of memory");
	else if (bk_json_set_text(o, "path", u->path, f) == 0 &&
	    bk_json_set_text(o, "time", bk_time_text(bk_ctx->now(), when), f) ==
	    0 && bk_json_set(o, "bytes", json_integer((json_int_t)
	    u->seen.bytes), f) == 0)
		return o;
	json_decref(o);
	return NULL;
}

/* Print that ${u} has settled, or have it acted on. */
static int
tell(struct watch *w, const struct unit *u, struct bk_fault *f)
{
	json_t *o = settled(u, f);

	if (o == NULL)
		return -1;
	if (w->act == NULL)
		return put_line(w, o, f);
	bk_act_add(w->act, (size_t)(u - w->units), o);
	return 0;
}

/*
 * Events were lost, and ${u} is open for writing somewhere.  Since that cannot be
 * known on all file systems, it is waited with for a time only; a writer who
 * lives is heard of by then.
 */
static bool
still_open(const struct watch *w, struct unit *u)
{
	struct stat st;
	bool open_yet;
	int fd;

	if (!u->unsure || w->now >= u->settle.first + w->rule.longest)
		return false;
	fd = open(u->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1)
		return false;
	open_yet = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    bk_has_writers(fd);
	(void)close(fd);
	return open_yet;
}

/* ${u} is due: tell of it, if it is another one than before. */
static int
take_due(struct watch *w, struct unit *u, struct bk_fault *f)
{
	struct bk_look look;
	bool same;

	if (still_open(w, u)) {
		bk_settle_changed(&u->settle, 0, w->now);
		return 0;
	}
	u->unsure = false;
	bk_settle_done(&u->settle);
	bk_look(u->path, &look);
	same = look.there == u->seen.there && look.sum == u->seen.sum &&
	    !u->sure;
	u->sure = false;
	u->seen = look;
	if (same || !look.there)
		return 0;
	w->since = bk_ctx->now();
	w->rule.reported = w->now;
	return tell(w, u, f);
}

/* Tell of all that are due; those of one moment count as one report. */
static int
tell_due(struct watch *w, struct bk_fault *f)
{
	const struct bk_settle_rule rule = w->rule;
	size_t i;

	for (i = 0; i < w->n && w->signal == 0; i++)
		if (bk_settle_due(&w->units[i].settle, &rule) <= w->now &&
		    take_due(w, &w->units[i], f) == -1)
			return -1;
	return 0;
}

static int
put_event(struct watch *w, json_t *o, struct bk_fault *f)
{
	return o != NULL ? put_line(w, o, f) :
	    bk_fault_set(f, BK_IO, "out of memory");
}

static bool
changing(const struct watch *w)
{
	size_t i;

	for (i = 0; i < w->n; i++)
		if (w->units[i].settle.changed)
			return true;
	return false;
}

static int
tell_heartbeat(struct watch *w, struct bk_fault *f)
{
	char since[BK_TIME_LEN];

	if (w->heartbeat == 0 || w->now < w->beat + w->heartbeat)
		return 0;
	return put_event(w, json_pack("{s:s, s:s}", "event", changing(w) ?
	    "changing" : "unchanged", "since", bk_time_text(w->since, since)), f);
}

static void
hint(void *arg, size_t path, enum bk_hint hint, uint64_t what)
{
	struct watch *w = arg;
	struct unit *u = &w->units[path];

	if (hint == BK_HINT_WRITTEN)
		bk_settle_written(&u->settle, what, w->now);
	else
		bk_settle_changed(&u->settle, what, w->now);
	u->sure |= hint != BK_HINT_TOUCHED;
}

/* Watch anew, and look whether anything changed while nobody watched. */
static int
rebuild(struct watch *w, struct bk_fault *f)
{
	struct bk_look look;
	struct unit *u;
	size_t i;

	bk_say(BK_LOG_INFO, "watching anew");
	if (bk_watchset_build(w->set, false, f) == -1)
		return -1;
	for (i = 0; i < w->n; i++) {
		u = &w->units[i];
		bk_settle_lost(&u->settle);
		u->unsure = true;
		bk_look(u->path, &look);
		if (look.there != u->seen.there || look.sum != u->seen.sum)
			bk_settle_changed(&u->settle, 0, w->now);
	}
	return 0;
}

/* When is there something to do without an event?  INT64_MAX: never. */
static int64_t
next_due(const struct watch *w)
{
	int64_t due = INT64_MAX, t;
	size_t i;

	for (i = 0; i < w->n; i++) {
		t = bk_settle_due(&w->units[i].settle, &w->rule);
		due = t < due ? t : due;
	}
	if (w->heartbeat != 0 && w->beat + w->heartbeat < due)
		due = w->beat + w->heartbeat;
	t = w->act != NULL ? bk_act_due(w->act) : INT64_MAX;
	return t < due ? t : due;
}

/* Sleep until there is a reason not to.  Are there events?  1, 0, -1. */
static int
rest(struct watch *w, struct bk_fault *f)
{
	struct pollfd p[4] = { { .fd = w->signals, .events = POLLIN },
		{ .fd = w->timer, .events = POLLIN },
		{ .fd = boottime() < w->looks ? -1 : bk_watchset_fd(w->set),
		    .events = POLLIN },
		/* No event is asked for: it tells only that its reader went. */
		{ .fd = w->act == NULL ? STDOUT_FILENO : -1 } };
	struct itimerspec at = { .it_interval = { .tv_sec = 0 } };
	int64_t due = next_due(w);
	uint64_t times;

	if (p[2].fd == -1 && w->looks < due)
		due = w->looks;
	if (due != INT64_MAX) {
		due = due > 0 ? due : 1;
		at.it_value.tv_sec = (time_t)(due / 1000);
		at.it_value.tv_nsec = (long)(due % 1000) * 1000000;
	}
	if (timerfd_settime(w->timer, TFD_TIMER_ABSTIME, &at, NULL) == -1)
		return bk_fault_errno(f, BK_IO, errno, "cannot set a timer");
	if (poll(p, 4, -1) == -1 && errno != EINTR)
		return bk_fault_errno(f, BK_IO, errno, "cannot wait");
	if (p[0].revents != 0)
		take_signals(w);
	if (p[1].revents != 0)
		(void)!read(w->timer, &times, sizeof(times));
	if (p[3].revents & POLLERR)
		w->signal = SIGTERM;
	return p[2].revents != 0;
}

/* Take the events that are there. */
static int
look(struct watch *w, struct bk_fault *f)
{
	int rc = bk_watchset_read(w->set, hint, w, f);

	w->looks = w->now + w->pause;
	return rc == 1 ? rebuild(w, f) : rc;
}

static int
loop(struct watch *w, struct bk_fault *f)
{
	int news;

	while (w->signal == 0) {
		if ((news = rest(w, f)) == -1)
			return -1;
		w->now = boottime();
		if ((news && look(w, f) == -1) || tell_due(w, f) == -1 ||
		    tell_heartbeat(w, f) == -1 || (w->act != NULL &&
		    w->signal == 0 && bk_act_step(w->act, w->now, f) == -1))
			return -1;
	}
	return 0;
}

/* All watches stand: say so, or act on what is there. */
static int
begin(struct watch *w, struct bk_fault *f)
{
	struct unit *u;
	size_t i;

	w->now = boottime();
	w->since = bk_ctx->now();
	for (i = 0; i < w->n; i++) {
		u = &w->units[i];
		bk_look(u->path, &u->seen);
		if (w->act != NULL && u->seen.there && tell(w, u, f) == -1)
			return -1;
	}
	if (w->act != NULL)
		return bk_act_step(w->act, w->now, f);
	return put_event(w, json_pack("{s:s, s:I}", "event", "ready", "paths",
	    (json_int_t)w->n), f);
}

int
main(int argc, char *argv[])
{
	struct bk_fault f = BK_FAULT_INIT;
	struct watch w = { .rule = { .quiet = QUIET_MS,
		.reported = INT64_MIN }, .timer = -1, .signals = -1 };
	char **paths;
	size_t i;

	bk_init(&prog, argc, argv);
	parse(&w, &paths);
	/* A lease that somebody breaks (writers.h) is told by this. */
	(void)signal(SIGIO, SIG_IGN);
	if ((w.units = calloc(w.n, sizeof(*w.units))) == NULL)
		(void)bk_fault_set(&f, BK_IO, "out of memory");
	for (i = 0; w.units != NULL && i < w.n; i++)
		w.units[i].path = paths[i];
	if ((w.command != NULL || w.flag != NULL) && !bk_faulty(&f))
		w.act = bk_act_new(w.n, w.command, w.flag, &f);
	if (!bk_faulty(&f) &&
	    (w.set = bk_watchset_new(paths, w.n, &f)) != NULL &&
	    bk_command_waits(CLOCK_BOOTTIME, &w.signals, &w.timer, &f) == 0 &&
	    bk_watchset_build(w.set, true, &f) == 0 && begin(&w, &f) == 0)
		(void)loop(&w, &f);

	bk_act_free(w.act);
	bk_watchset_free(w.set);
	free(w.units);
	if (w.timer != -1)
		(void)close(w.timer);
	if (w.signals != -1)
		(void)close(w.signals);
	if (w.signal != 0 && w.signal != SIGTERM)
		bk_command_die(w.signal);
	/* A reader that has read enough is no failure. */
	if (f.err == EPIPE)
		return 0;
	return bk_exit(&f);
}
