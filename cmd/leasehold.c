/*
 * The thread sleeps on a timer of CLOCK_BOOTTIME, which also counts while the
 * host is suspended (timerfd_create(2)).
 */
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "leasehold.h"
#include "prog.h"

struct bk_leasehold {
	struct bk_leaseio *io;		/* the thread's own */
	pthread_t thread;
	int news, wake, timer;
	pthread_mutex_t lock;		/* for what follows */
	struct bk_lease l;
	bool release, seen;
	struct bk_fault fault;
};

int64_t
bk_boot_ms(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_BOOTTIME, &ts) == -1)
		abort();
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int
bk_boot_timer(void)
{
	return timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
}

void
bk_boot_timer_set(int timer, int64_t at)
{
	struct itimerspec t = { .it_interval = { .tv_sec = 0 } };

	if (at != INT64_MAX) {
		at = at > 0 ? at : 1;	/* zero would disarm it */
		t.it_value.tv_sec = (time_t)(at / 1000);
		t.it_value.tv_nsec = (long)(at % 1000) * 1000000;
	}
	if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &t, NULL) == -1)
		abort();
}

static void
signal_fd(int fd)
{
	const uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) == -1) {
		/* Full: it is readable. */
	}
}

static void
empty_fd(int fd)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) == -1) {
		/* It was empty. */
	}
}

/* Sleep until ${at}, or until something is wanted of us. */
static void
rest(const struct bk_leasehold *h, int64_t at)
{
	struct pollfd p[2] = { { h->wake, POLLIN, 0 }, { h->timer, POLLIN, 0 } };

	bk_boot_timer_set(h->timer, at);
	(void)poll(p, 2, -1);
	empty_fd(h->wake);
}

/*
 * A request of ours failed.  The holder goes on trying; one who wants the
 * lease does so where that may help and it has worked before.
 */
static void
failed(struct bk_leasehold *h, const struct bk_fault *why)
{
	bool later = why->status == BK_UNAVAILABLE || why->status == BK_IO;

	bk_say(h->l.phase == BK_LEASE_CONTEND ? BK_LOG_INFO : BK_LOG_WARN, "%s",
	    why->text);
	if (h->l.phase != BK_LEASE_CONTEND || (later && h->seen))
		return;
	h->fault = *why;
	bk_lease_release(&h->l, bk_boot_ms());
}

static void *
run(void *arg)
{
	struct bk_leasehold *h = arg;
	struct bk_leaseio_answer r;
	struct bk_lease_act a;

	for (;;) {
		(void)pthread_mutex_lock(&h->lock);
		if (h->release)
			bk_lease_release(&h->l, bk_boot_ms());
		bk_lease_next(&h->l, bk_boot_ms(), &a);
		(void)pthread_mutex_unlock(&h->lock);
		if (a.what == BK_LEASE_END)
			break;
		if (a.what == BK_LEASE_SLEEP) {
			signal_fd(h->news);
			rest(h, a.at);
			continue;
		}
		/* Of h->l it reads what does not change. */
		bk_leaseio_do(h->io, &h->l, &a, &r);
		(void)pthread_mutex_lock(&h->lock);
		bk_leaseio_tell(&h->l, bk_boot_ms(), &a, &r);
		if (r.rc == -1)
			failed(h, &r.fault);
		else
			h->seen = true;
		(void)pthread_mutex_unlock(&h->lock);
		signal_fd(h->news);
	}
	signal_fd(h->news);
	return NULL;
}

struct bk_leasehold *
bk_leasehold_start(struct bk_leaseio *io, const struct bk_lease *l,
    struct bk_fault *f)
{
	struct bk_leasehold *h;
	int e;

	if ((h = calloc(1, sizeof(*h))) == NULL) {
		(void)bk_fault_errno(f, BK_IO, ENOMEM, "a lease");
		bk_leaseio_close(io);
		return NULL;
	}
	h->io = io;
	h->l = *l;
	h->news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	h->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	h->timer = bk_boot_timer();
	(void)pthread_mutex_init(&h->lock, NULL);
	if (h->news == -1 || h->wake == -1 || h->timer == -1)
		(void)bk_fault_errno(f, BK_IO, errno, "cannot set a timer");
	else if ((e = pthread_create(&h->thread, NULL, run, h)) != 0)
		(void)bk_fault_errno(f, BK_IO, e, "cannot start a thread");
	else
		return h;
	h->thread = pthread_self();
	bk_leasehold_free(h);
	return NULL;
}

int
bk_leasehold_news(const struct bk_leasehold *h)
{
	return h->news;
}

void
bk_leasehold_look(struct bk_leasehold *h, struct bk_leaseview *v)
{
	empty_fd(h->news);
	(void)pthread_mutex_lock(&h->lock);
	*v = (struct bk_leaseview){ .phase = h->l.phase, .end = h->l.end,
		.good = bk_lease_good(&h->l, bk_boot_ms()),
		.stop_at = bk_lease_stop_at(&h->l),
		.kill_at = bk_lease_kill_at(&h->l), .fault = h->fault };
	if (!h->l.top.free && strcmp(h->l.top.holder, h->l.holder) != 0)
		(void)snprintf(v->other, sizeof(v->other), "%s", h->l.top.host);
	(void)pthread_mutex_unlock(&h->lock);
}

int
bk_leasehold_work(struct bk_leasehold *h, struct bk_buf *env,
    struct bk_fault *f)
{
	int rc;

	(void)pthread_mutex_lock(&h->lock);
	bk_lease_work(&h->l);
	rc = bk_leaseio_env(h->io, &h->l, env, f);
	(void)pthread_mutex_unlock(&h->lock);
	return rc;
}

void
bk_leasehold_release(struct bk_leasehold *h)
{
	(void)pthread_mutex_lock(&h->lock);
	h->release = true;
	(void)pthread_mutex_unlock(&h->lock);
	signal_fd(h->wake);
}

void
bk_leasehold_free(struct bk_leasehold *h)
{
	if (h == NULL)
		return;
	if (!pthread_equal(h->thread, pthread_self()))
		(void)pthread_join(h->thread, NULL);
	bk_leaseio_close(h->io);
	if (h->news != -1)
		close(h->news);
	if (h->wake != -1)
		close(h->wake);
	if (h->timer != -1)
		close(h->timer);
	(void)pthread_mutex_destroy(&h->lock);
	free(h);
}
