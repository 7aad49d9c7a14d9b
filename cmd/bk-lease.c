/*
 * bk-lease: hold a lease on a store while a command runs, so that of many
 * hosts one is active (lease.h tells how).
 *
 * The command runs through bk-child and dies with this program.  It is ended
 * before the lease can be another's: told at half of the term since the last
 * renewal, killed at three quarters.
 */
#include <sys/signalfd.h>
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "command.h"
#include "leasehold.h"
#include "prog.h"
#include "spawn.h"
#include "when.h"

#define TERM_MS 30000
#define REQUEST_MIN_MS 1000		/* less is not to be asked of a server */

enum { NAME = 256, TERM, WAIT, YIELD };

static const struct bk_opt opts[] = {
	{ NAME, "name", "NAME", "the lease's name on the store", 0 },
	{ TERM, "term", "DURATION", "a holder that is gone is waited for so long (30s)", 0 },
	{ WAIT, "wait", "DURATION", "give up after so long (never; 0s: one look)", 0 },
	{ YIELD, "yield", NULL, "give up once another holder is seen to live", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-lease",
	"--name NAME [OPTION]... URL -- COMMAND [ARG...]",
	"hold a lease on a store while COMMAND runs", opts };

struct args {
	const char *name, *url;
	int64_t term, wait;		/* wait: -1 for ever */
	bool yield;
	const char *const *command;
};

/* All that main waits for. */
struct lease {
	struct bk_leasehold *hold;
	struct bk_leaseview view;
	int signals, timer;
	int64_t term;
	pid_t pid;			/* of the command; 0: does not run */
	int status;			/* as a shell gives it, -1 before */
	bool told, killed;		/* the command: to end */
	int64_t kill_at;		/* once it was told */
	int signal;			/* that ends us before it runs */
	bool stuck;			/* the thread, in a request */
};

static int64_t
duration(const char *name, const char *arg, int64_t min, int64_t max)
{
	struct bk_fault f = BK_FAULT_INIT;
	int64_t ms;

	if (bk_duration_parse(arg, &ms, &f) == -1)
		bk_usage_fault(&f);
	if (ms < min || ms > max)
		bk_usage("--%s '%s': want %s", name, arg, min > 0 ?
		    "1s to 1d" : "at most 10 years");
	return ms;
}

static void
parse(struct args *a)
{
	const char *arg;
	char **words;
	int key, n, rest;

	while ((key = bk_opt_next(&arg)) != -1)
		switch (key) {
		case NAME:
			a->name = arg;
			break;
		case TERM:
			a->term = duration("term", arg, BK_LEASE_TERM_MIN,
			    BK_LEASE_TERM_MAX);
			break;
		case WAIT:
			a->wait = duration("wait", arg, 0,
			    INT64_C(3653) * 24 * 3600 * 1000);
			break;
		default:
			a->yield = true;
			break;
		}
	n = bk_operands(&words);
	rest = bk_operands_after();
	if (rest < 1)
		bk_usage("want -- COMMAND");
	a->url = n - rest > 0 ? words[0] : bk_ctx->env("BK_STORE");
	if (n - rest > 1 || a->url == NULL)
		bk_usage("want the URL of one store, or BK_STORE set");
	if (a->name == NULL || !bk_name_ok(a->name))
		bk_usage("want --name NAME: letters, digits, '.', '_' and '-', "
		    "first a letter or digit, 1 to %d bytes", BK_NAME_MAX);
	a->command = (const char *const *)words + (n - rest);
}

static int
watch(struct lease *e, struct bk_fault *f)
{
	static const int signals[] = { SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM,
		SIGUSR1, SIGUSR2 };
	sigset_t set;
	size_t i;

	(void)sigemptyset(&set);
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		(void)sigaddset(&set, signals[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) == -1 || (e->signals =
	    signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) == -1 ||
	    (e->timer = bk_boot_timer()) == -1)
		return bk_fault_errno(f, BK_IO, errno, "cannot watch for signals");
	return 0;
}

/* One signal: to the command if it runs; else it ends us. */
static void
take_signal(struct lease *e, int signo)
{
	if (signo == SIGCHLD)
		return;
	if (e->pid > 0)
		(void)kill(-e->pid, signo);
	else if (signo != SIGUSR1 && signo != SIGUSR2)
		e->signal = signo;
}

/* Sleep until ${at}, by CLOCK_BOOTTIME, or until there is something new. */
static int
rest(struct lease *e, int64_t at, struct bk_fault *f)
{
	struct pollfd p[3] = { { e->signals, POLLIN, 0 },
		{ bk_leasehold_news(e->hold), POLLIN, 0 },
		{ e->timer, POLLIN, 0 } };
	struct signalfd_siginfo si;

	bk_boot_timer_set(e->timer, at);
	if (poll(p, 3, -1) == -1 && errno != EINTR)
		return bk_fault_errno(f, BK_IO, errno, "cannot wait");
	while (read(e->signals, &si, sizeof(si)) == (ssize_t)sizeof(si))
		take_signal(e, (int)si.ssi_signo);
	bk_leasehold_look(e->hold, &e->view);
	return 0;
}

/* Wait until it is ours: 0.  -1: with ${f} set, or a signal came. */
static int
contend(struct lease *e, const char *name, struct bk_fault *f)
{
	bool said = false;

	while (!e->view.good && e->signal == 0) {
		if (e->view.phase == BK_LEASE_OVER) {
			if (bk_faulty(&e->view.fault))
				*f = e->view.fault;
			if (e->view.other[0] != '\0')
				return bk_fault_set(f, BK_BUSY, "the lease '%s' "
				    "is held by %s", name, e->view.other);
			return bk_fault_set(f, BK_BUSY, "the lease '%s' %s", name,
			    e->view.end == BK_LEASE_YIELDED ? "has just been "
			    "given back by another" : "could not be had in time");
		}
		if (!said && e->view.other[0] != '\0') {
			bk_say(BK_LOG_INFO, "the lease '%s' is held by %s: "
			    "waiting", name, e->view.other);
			said = true;
		}
		if (rest(e, INT64_MAX, f) == -1)
			return -1;
	}
	return e->signal != 0 ? -1 : 0;
}

static int
start(struct lease *e, const struct args *a, struct bk_fault *f)
{
	struct bk_buf text = BK_BUF_INIT(65536);
	const char *env[2] = { NULL, NULL };
	const struct bk_child_spec spec = { .argv = a->command, .env = env,
		.flags = BK_CHILD_FULLENV, .in = -1 };
	const int fds[3] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };
	int rc = bk_leasehold_work(e->hold, &text, f);

	if (rc == 0) {
		bk_say(BK_LOG_INFO, "the lease '%s' is ours", a->name);
		env[0] = text.p;
		(void)unsetenv("BK_LEASE");	/* of a lease around this one */
		rc = bk_spawn(bk_ctx, &spec, fds, &e->pid, f);
	}
	bk_buf_release(&text);
	return rc;
}

/* Tell the command to end, or end it, when it is time. */
static void
press(struct lease *e, const char *name)
{
	const struct bk_leaseview *v = &e->view;
	int64_t now = bk_boot_ms();

	if (!e->told && (v->phase != BK_LEASE_HELD || now >= v->stop_at)) {
		e->told = true;
		e->kill_at = v->kill_at;
		if (v->phase != BK_LEASE_HELD && now + e->term / 4 < e->kill_at)
			e->kill_at = now + e->term / 4;
		bk_say(BK_LOG_ERROR, v->phase == BK_LEASE_HELD ?
		    "the lease '%s' could not be renewed in time: ending the "
		    "command" : "the lease '%s' was lost to %s: ending the "
		    "command", name, v->other);
		(void)kill(-e->pid, SIGTERM);
		(void)kill(-e->pid, SIGCONT);
	}
	if (e->told && !e->killed && now >= e->kill_at) {
		e->killed = true;
		(void)kill(-e->pid, SIGKILL);
	}
}

/* Run the command to its end. */
static int
work(struct lease *e, const struct args *a, struct bk_fault *f)
{
	int status;
	pid_t got;

	if (start(e, a, f) == -1)
		return -1;
	while ((got = waitpid(e->pid, &status, WNOHANG)) == 0) {
		press(e, a->name);
		if (rest(e, e->killed ? INT64_MAX : e->told ? e->kill_at :
		    e->view.stop_at, f) == -1)
			return -1;
	}
	if (got == -1)
		return bk_fault_errno(f, BK_BUG, errno, "cannot wait for '%s'",
		    a->command[0]);
	e->pid = 0;
	e->status = WIFEXITED(status) ? WEXITSTATUS(status) :
	    128 + WTERMSIG(status);
	if (e->told && e->status == 0)
		return bk_fault_set(f, BK_BUSY, "the lease '%s' was not ours to "
		    "the end", a->name);
	return 0;
}

/* Give it back, which is not to take longer than it would last. */
static void
give_back(struct lease *e, const char *name)
{
	struct bk_fault f = BK_FAULT_INIT;
	int64_t until = bk_boot_ms() + e->term + REQUEST_MIN_MS;

	bk_leasehold_release(e->hold);
	bk_leasehold_look(e->hold, &e->view);
	while (e->view.phase != BK_LEASE_OVER && bk_boot_ms() < until)
		if (rest(e, until, &f) == -1)
			break;
	if (e->view.phase == BK_LEASE_OVER && e->view.end != BK_LEASE_LEFT)
		return;
	bk_say(BK_LOG_WARN, "the lease '%s' could not be given back: others wait "
	    "until its term is over", name);
	e->stuck = e->view.phase != BK_LEASE_OVER;
}

int
main(int argc, char *argv[])
{
	struct bk_fault f = BK_FAULT_INIT;
	struct args a = { .term = TERM_MS, .wait = -1 };
	struct lease e = { .signals = -1, .timer = -1,
		.status = -1 };
	struct bk_leaseio *io = NULL;
	char holder[BK_ULID_LEN + 1];
	struct bk_lease l;

	bk_init(&prog, argc, argv);
	parse(&a);
	e.term = a.term;
	if (bk_ulid_new(bk_ctx->now(), holder, &f) == -1 ||
	    (io = bk_leaseio_open(bk_ctx, a.url, a.name,
	    a.term / 4 > REQUEST_MIN_MS ? a.term / 4 : REQUEST_MIN_MS,
	    &f)) == NULL)
		bk_usage_fault(&f);
	bk_lease_init(&l, holder, a.term, a.wait == -1 ? INT64_MAX :
	    bk_boot_ms() + a.wait, a.yield);
	if (watch(&e, &f) == 0 &&
	    (e.hold = bk_leasehold_start(io, &l, &f)) != NULL) {
		if (contend(&e, a.name, &f) == 0)
			(void)work(&e, &a, &f);
		give_back(&e, a.name);
	}
	/* A thread in a store that hangs is not waited for, nor unwound. */
	if (e.stuck)
		_exit(bk_faulty(&f) ? bk_exit(&f) : e.signal != 0 ?
		    128 + e.signal : e.status);
	bk_leasehold_free(e.hold);
	if (e.signals != -1)
		close(e.signals);
	if (e.timer != -1)
		close(e.timer);
	if (e.signal != 0)
		bk_command_die(e.signal);
	return bk_faulty(&f) ? bk_exit(&f) : e.status;
}
