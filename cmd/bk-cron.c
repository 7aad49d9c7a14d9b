/*
 * bk-cron: when is a schedule due?  Prints the times, or waits for them and
 * runs a command at each.
 *
 * It waits on a timer of the wall clock that the kernel cancels when somebody
 * sets the clock (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET); between two
 * due times nothing wakes it.  A clock set back by more than three hours was
 * wrong before, and waiting begins anew from now, as in Vixie cron.
 *
 * The command runs through bk-child and dies with this program.
 */
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "cron.h"
#include "io.h"
#include "names.h"
#include "prog.h"
#include "when.h"

#define CORRECTION (INT64_C(3) * 3600 * 1000)

enum { FROM = 256, COUNT, TZ, WAIT };

static const struct bk_opt opts[] = {
	{ FROM, "from", "TIME", "due times after TIME (now; RFC 3339, -30h)", 0 },
	{ 'n', "count", "N", "so many (1; with a command no limit)", 0 },
	{ TZ, "tz", "ZONE", "the clocks of this zone, such as Europe/Berlin", 0 },
	{ WAIT, "wait", NULL, "wait for them, and run the command at each", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-cron",
	"[OPTION]... SCHEDULE [--wait [-- COMMAND [ARG...]]]",
	"print the next times of a schedule, or wait for them", opts };

struct args {
	struct bk_cron *cron;
	struct bk_zone *zone;
	int64_t from;
	long long count;		/* 0: no limit */
	bool wait;
	const char *const *command;	/* or NULL */
};

/* Where it waits: the timer, the signals, and what is accounted for. */
struct waiting {
	int timer, signals;
	int64_t base;			/* everything due up to here is done */
	int64_t seen;			/* the clock when we last looked */
	int signal;			/* that ends us, or 0 */
};

static void
parse(struct args *a, struct bk_fault *f)
{
	const char *arg, *zone = NULL;
	char **words;
	int key, n, rest;

	while ((key = bk_opt_next(&arg)) != -1) {
		if (key == FROM)
			(void)bk_time_parse_rel(arg, bk_ctx->now(), &a->from, f);
		else if (key == 'n')
			(void)bk_number_parse("--count", arg, 1, INT32_MAX,
			    &a->count, f);
		else if (key == TZ)
			zone = arg;
		else
			a->wait = true;
		if (bk_faulty(f))
			bk_usage_fault(f);
	}
	n = bk_operands(&words);
	rest = bk_operands_after();
	if (n - (rest > 0 ? rest : 0) != 1)
		bk_usage("want one schedule, in quotes: '15 3 * * *'");
	if (rest >= 0 && (rest == 0 || !a->wait))
		bk_usage("want --wait -- COMMAND");
	if (rest > 0)
		a->command = (const char *const *)words + 1;
	if (a->count == 0 && a->command == NULL)
		a->count = 1;
	if ((a->cron = bk_cron_parse(words[0], f)) == NULL)
		bk_usage_fault(f);
	/* TZ=:Europe/Berlin is a form of POSIX. */
	if (bk_cron_zone(a->cron) != NULL)
		zone = bk_cron_zone(a->cron);
	else if (zone == NULL && (zone = bk_ctx->env("TZ")) != NULL)
		zone += *zone == ':';
	if ((a->zone = bk_zone_open(NULL, zone, f)) == NULL)
		bk_usage_fault(f);
}

static int
print(int64_t due, struct bk_fault *f)
{
	char text[BK_TIME_LEN + 1];
	size_t n = strlen(bk_time_text(due, text));

	text[n] = '\n';
	return bk_write_all(STDOUT_FILENO, text, n + 1, "standard output", f);
}

static int
never(struct bk_fault *f)
{
	return bk_fault_set(f, BK_NO, "not due again up to the year 9999");
}

static int
print_times(const struct args *a, struct bk_fault *f)
{
	int64_t t = a->from;
	long long i;

	for (i = 0; i < a->count; i++) {
		if ((t = bk_cron_next(a->cron, a->zone, t)) == INT64_MAX)
			return never(f);
		if (print(t, f) == -1)
			return -1;
	}
	return 0;
}

/* Set the timer to ${due} and look at the clock after it. */
static int
arm(struct waiting *w, int64_t due, int64_t *now, struct bk_fault *f)
{
	struct itimerspec at = { .it_interval = { .tv_sec = 0 } };

	/* Zero would disarm it. */
	due = due > 0 ? due : 1;
	at.it_value.tv_sec = (time_t)(due / 1000);
	at.it_value.tv_nsec = (long)(due % 1000) * 1000000;
	if (timerfd_settime(w->timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
	    &at, NULL) == -1)
		return bk_fault_errno(f, BK_IO, errno, "cannot set a timer");
	*now = bk_ctx->now();
	return 0;
}

/*
 * Sleep until the timer or a signal: its number in *${signo}, else 0.  A
 * timer that was cancelled is as one that has run out: the caller looks.
 */
static int
rest(struct waiting *w, bool timer, int *signo, struct bk_fault *f)
{
	struct pollfd p[2] = { { .fd = w->signals, .events = POLLIN },
		{ .fd = timer ? w->timer : -1, .events = POLLIN } };
	struct signalfd_siginfo si;
	uint64_t times;

	*signo = 0;
	if (poll(p, 2, -1) == -1 && errno != EINTR)
		return bk_fault_errno(f, BK_IO, errno, "cannot wait");
	if (p[0].revents != 0 &&
	    read(w->signals, &si, sizeof(si)) == (ssize_t)sizeof(si))
		*signo = (int)si.ssi_signo;
	else if (p[1].revents != 0 &&
	    read(w->timer, &times, sizeof(times)) == -1 &&
	    errno != ECANCELED && errno != EINTR && errno != EAGAIN)
		return bk_fault_errno(f, BK_IO, errno, "cannot wait");
	return 0;
}

/*
 * Wait until something is due after w->base: *${due} is the newest that is.
 * 0; also where a signal ends us (w->signal).  -1 with ${f} set.
 */
static int
wait_due(const struct args *a, struct waiting *w, int64_t *due,
    struct bk_fault *f)
{
	int64_t now = 0, next;
	uint64_t n;
	int signo;

	for (;;) {
		next = bk_cron_next(a->cron, a->zone, w->base);
		if (next == INT64_MAX)
			return never(f);
		if (arm(w, next, &now, f) == -1)
			return -1;
		if (now < w->seen - CORRECTION && now < w->base) {
			bk_say(BK_LOG_WARN, "the clock was set back: "
			    "waiting anew");
			w->base = w->seen = now;
			continue;
		}
		w->seen = now;
		if (next <= now)
			break;
		if (rest(w, true, &signo, f) == -1)
			return -1;
		if (signo != 0 && signo != SIGCHLD) {
			w->signal = signo;
			return 0;
		}
	}
	*due = bk_cron_last(a->cron, a->zone, w->base, now, &n);
	if (n > 1)
		bk_say(BK_LOG_WARN, "%llu due times were missed, one run makes "
		    "up for them", (unsigned long long)n - 1);
	w->base = *due;
	return 0;
}

/* Run the command: its status as a shell gives it, or -1 with ${f} set. */
static int
run(const struct args *a, struct waiting *w, struct bk_fault *f)
{
	int rc, signo, status = 0;
	pid_t pid;

	if (bk_command_start(a->command, -1, &pid, f) == -1)
		return -1;
	while ((rc = bk_command_ended(a->command, pid, &status, f)) == BK_MORE) {
		if (rest(w, false, &signo, f) == -1)
			return -1;
		if (signo == 0 || signo == SIGCHLD)
			continue;
		w->signal = signo;
		bk_command_end(pid);
		return 0;
	}
	return rc == -1 ? -1 : status;
}

/* The status of the last run, or -1 with ${f} set. */
static int
wait_times(const struct args *a, struct waiting *w, struct bk_fault *f)
{
	long long i;
	int64_t due = 0;
	int status = 0;

	for (i = 0; a->count == 0 || i < a->count; i++) {
		if (wait_due(a, w, &due, f) == -1)
			return -1;
		if (w->signal != 0)
			break;
		if (a->command == NULL)
			status = print(due, f);
		else
			status = run(a, w, f);
		if (status == -1 || w->signal != 0)
			break;
	}
	return status;
}

int
main(int argc, char *argv[])
{
	struct bk_fault f = BK_FAULT_INIT;
	struct args a = { .from = INT64_MIN };
	struct waiting w = { .timer = -1, .signals = -1 };
	int status = 0;

	bk_init(&prog, argc, argv);
	parse(&a, &f);
	if (a.from == INT64_MIN)
		a.from = bk_ctx->now();
	w.base = a.from;
	w.seen = bk_ctx->now();
	if (!a.wait)
		(void)print_times(&a, &f);
	else if (bk_command_waits(CLOCK_REALTIME, &w.signals,
	    &w.timer, &f) == 0)
		status = wait_times(&a, &w, &f);

	if (w.timer != -1)
		close(w.timer);
	if (w.signals != -1)
		close(w.signals);
	bk_cron_free(a.cron);
	bk_zone_free(a.zone);
	if (w.signal != 0)
		bk_command_die(w.signal);
	return bk_faulty(&f) ? bk_exit(&f) : status;
}
