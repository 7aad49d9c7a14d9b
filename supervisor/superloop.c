/*
 * The loop: sleep until a clock, a signal, a child, a client or a bk-watch has
 * something, and turn.
 *
 * Due times are of the wall clock: a timer on CLOCK_REALTIME that the kernel
 * cancels when somebody sets the clock (timerfd_create(2),
 * TFD_TIMER_CANCEL_ON_SET), so that the next turn looks at the new time.
 * Waits are of CLOCK_BOOTTIME, which also passes while the machine sleeps.
 * Between the two nothing wakes us.
 */
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "super.h"
#include "when.h"

static int
open_signals(struct bk_sup *s, struct bk_fault *f)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) == -1 ||
	    (s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) == -1 ||
	    (s->wall_timer = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC |
	    TFD_NONBLOCK)) == -1 ||
	    (s->boot_timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC |
	    TFD_NONBLOCK)) == -1)
		return bk_fault_errno(f, BK_IO, errno, "cannot set a timer");
	return 0;
}

static int
arm(int fd, int flags, int64_t at, struct bk_fault *f)
{
	struct itimerspec t = { .it_interval = { .tv_sec = 0 } };

	/* Zero would disarm it, and that is what never means. */
	if (at != BK_DUE_NEVER) {
		at = at > 0 ? at : 1;
		t.it_value.tv_sec = (time_t)(at / 1000);
		t.it_value.tv_nsec = (long)(at % 1000) * 1000000;
	}
	/* ECANCELED: it is set, and the clock was too since the last time. */
	if (timerfd_settime(fd, flags, &t, NULL) == -1 && errno != ECANCELED)
		return bk_fault_errno(f, BK_IO, errno, "cannot set a timer");
	return 0;
}

static void
reload(struct bk_sup *s)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_buf text = BK_BUF_INIT(256);

	if (bk_buf_addf(&text, &f, "RELOADING=1\nMONOTONIC_USEC=%lld",
	    (long long)s->ctx->mono() * 1000) == 0)
		bk_sup_note(s->ctx, text.p);
	bk_buf_release(&text);
	if (bk_sup_load(s, &f) == -1)
		s->ctx->log(BK_LOG_ERROR, "%s; the schedule before stays in force",
		    f.text);
	else
		s->ctx->log(BK_LOG_INFO, "read '%s' again", s->jobs->path);
	bk_sup_note(s->ctx, "READY=1");
}

static void
take_signals(struct bk_sup *s)
{
	struct signalfd_siginfo si;

	while (read(s->signals, &si, sizeof(si)) == (ssize_t)sizeof(si))
		switch (si.ssi_signo) {
		case SIGCHLD:
			bk_sup_reap(s);
			break;
		case SIGHUP:
			if (!s->once)
				reload(s);
			break;
		default:
			s->stop = true;
			break;
		}
}

/* A timer has run out or was cancelled: the turn looks at the clock. */
static void
take_timer(const struct bk_sup *s, int fd)
{
	uint64_t times;

	if (read(fd, &times, sizeof(times)) == -1 && errno == ECANCELED)
		s->ctx->log(BK_LOG_INFO, "the clock was set");
}

static size_t
want(struct pollfd *p, size_t n, int fd, short events)
{
	p[n] = (struct pollfd){ .fd = fd, .events = events };
	return n + 1;
}

/* What poll found, in the order in which it was asked. */
static void
serve(struct bk_sup *s, const struct pollfd *p)
{
	size_t i = 4, k, njobs = s->jobs->njobs, nclients = s->nclients;

	for (k = 0; k < nclients; k++, i++)
		if (p[i].revents != 0)
			bk_sup_client(s, &s->clients[k], p[i].revents);
	for (k = 0; k < njobs; k++, i += 2) {
		if (p[i].revents != 0)
			bk_sup_watch_read(s, &s->tasks[k]);
		if (p[i + 1].revents != 0) {
			/* A run that was not ours has ended. */
			(void)close(s->tasks[k].other);
			s->tasks[k].other = -1;
			bk_sup_states(s);
		}
	}
	if (p[3].revents != 0)
		bk_sup_accept(s);
	if (p[1].revents != 0)
		take_timer(s, s->wall_timer);
	if (p[2].revents != 0)
		take_timer(s, s->boot_timer);
	/* Last: a reload makes other tasks. */
	if (p[0].revents != 0)
		take_signals(s);
}

static int
rest(struct bk_sup *s, struct bk_fault *f)
{
	struct pollfd *p = calloc(4 + s->nclients + 2 * s->jobs->njobs,
	    sizeof(*p));
	struct bk_sup_client *c;
	size_t n = 0, i;
	int rc = 0;

	if (p == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "cannot wait");
	n = want(p, n, s->signals, POLLIN);
	n = want(p, n, s->wall_timer, POLLIN);
	n = want(p, n, s->boot_timer, POLLIN);
	n = want(p, n, s->deaf > bk_sup_boot() ? -1 : s->listener, POLLIN);
	for (c = s->clients; c < s->clients + s->nclients; c++)
		n = want(p, n, c->fd, (short)((c->in.max > 0 ? POLLIN : 0) |
		    (c->out.len > 0 ? POLLOUT : 0)));
	for (i = 0; i < s->jobs->njobs; i++) {
		n = want(p, n, s->tasks[i].watch.fd, POLLIN);
		n = want(p, n, s->tasks[i].other, POLLIN);
	}
	if (poll(p, (nfds_t)n, -1) == -1) {
		if (errno != EINTR)
			rc = bk_fault_errno(f, BK_IO, errno, "cannot wait");
	} else
		serve(s, p);
	free(p);
	return rc;
}

/* One line for systemctl status. */
static void
note_status(const struct bk_sup *s)
{
	struct bk_buf text = BK_BUF_INIT(256);
	struct bk_fault f = BK_FAULT_INIT;
	char when[BK_TIME_LEN];

	if (bk_buf_addf(&text, &f, "STATUS=%zu job%s, %d running%s%s",
	    s->jobs->njobs, s->jobs->njobs == 1 ? "" : "s", s->nrun,
	    s->wall != BK_DUE_NEVER ? ", next at " : "",
	    s->wall != BK_DUE_NEVER ? bk_time_text(s->wall, when) : "") == 0)
		bk_sup_note(s->ctx, text.p);
	bk_buf_release(&text);
}

/* --once is done when nothing runs and nothing is left to start. */
static bool
idle(const struct bk_sup *s)
{
	size_t i;

	for (i = 0; i < s->jobs->njobs; i++)
		if (s->tasks[i].queued)
			return false;
	return s->children == NULL;
}

int
bk_sup_loop(struct bk_sup *s, struct bk_fault *f)
{
	int64_t beat = 0;
	size_t i;

	/* What a turn takes goes back: we sleep for hours. */
	(void)mallopt(M_MMAP_THRESHOLD, 65536);
	(void)mallopt(M_TRIM_THRESHOLD, 65536);
	if (open_signals(s, f) == -1)
		return -1;
	if (!s->once) {
		for (i = 0; i < s->jobs->njobs; i++)
			s->tasks[i].at_start = bk_due_at_start(s->due,
			    s->tasks[i].job);
		s->beat = bk_sup_beat(s->ctx);
		bk_sup_note(s->ctx, "READY=1");
		s->ctx->log(s->jobs->njobs > 0 ? BK_LOG_INFO : BK_LOG_WARN,
		    "%zu job%s of '%s', zone %s",
		    s->jobs->njobs, s->jobs->njobs == 1 ? "" : "s", s->jobs->path,
		    bk_due_zone(s->due));
	}
	while (!s->stop) {
		bk_sup_turn(s);
		if (s->once && idle(s))
			break;
		if (s->beat != 0 && bk_sup_boot() >= beat) {
			bk_sup_note(s->ctx, "WATCHDOG=1");
			beat = bk_sup_boot() + s->beat;
		}
		if (s->beat != 0 && beat < s->boot)
			s->boot = beat;
		if (!s->once)
			note_status(s);
		(void)malloc_trim(0);
		if (arm(s->wall_timer, TFD_TIMER_ABSTIME |
		    TFD_TIMER_CANCEL_ON_SET, s->once ? BK_DUE_NEVER : s->wall,
		    f) == -1 ||
		    arm(s->boot_timer, TFD_TIMER_ABSTIME, s->once ?
		    BK_DUE_NEVER : s->boot, f) == -1 || rest(s, f) == -1)
			return -1;
	}
	if (!s->once)
		bk_sup_note(s->ctx, "STOPPING=1");
	return 0;
}
