/*
 * A transformation in a thread of its own.
 *
 * Two rings of buffers, one on each side of the thread, which alone touches
 * the transformation.  Both sides wait on one condition each and hold the lock
 * only to move counters: a buffer between "taken" and "put" of a ring is the
 * reader's, the next one the writer's.
 *
 * Memory: 1.1 MiB.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "behind.h"

#define BUFFERS 3
#define IN_MAX (128 * 1024)
#define OUT_MAX (256 * 1024)

struct ring {
	uint8_t *buf[BUFFERS];
	size_t len[BUFFERS];
	size_t put, taken;		/* buffers so far */
};

struct behind {
	const struct bk_transform_ops *ops;
	void *t;
	bk_sink_fn *sink;
	void *arg;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t work;		/* for the thread */
	pthread_cond_t news;		/* for the caller */
	struct ring in, out;
	bool last;			/* no more input */
	bool stop;			/* the caller gave up */
	bool done;			/* the thread ended; fault is its word */
	struct bk_fault fault;
};

static bool
full(const struct ring *r)
{
	return r->put - r->taken == BUFFERS;
}

static bool
empty(const struct ring *r)
{
	return r->put == r->taken;
}

/* The transformation's sink: into the ring.  Gives up when told to stop. */
static int
put_out(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	struct behind *b = arg;
	const uint8_t *q = p;
	size_t i, take;
	bool stop;

	while (n > 0) {
		pthread_mutex_lock(&b->lock);
		while (!b->stop && full(&b->out))
			pthread_cond_wait(&b->work, &b->lock);
		stop = b->stop;
		pthread_mutex_unlock(&b->lock);
		if (stop)
			return bk_fault_set(f, BK_IO, "stopped");
		i = b->out.put % BUFFERS;
		take = n < OUT_MAX ? n : OUT_MAX;
		memcpy(b->out.buf[i], q, take);
		b->out.len[i] = take;
		q += take;
		n -= take;
		pthread_mutex_lock(&b->lock);
		b->out.put++;
		pthread_cond_signal(&b->news);
		pthread_mutex_unlock(&b->lock);
	}
	return 0;
}

/* Wait for input.  False at its end, or when told to stop. */
static bool
next_in(struct behind *b, size_t *i)
{
	bool some;

	pthread_mutex_lock(&b->lock);
	while (!b->stop && !b->last && empty(&b->in))
		pthread_cond_wait(&b->work, &b->lock);
	some = !b->stop && !empty(&b->in);
	*i = b->in.taken % BUFFERS;
	pthread_mutex_unlock(&b->lock);
	return some;
}

static void *
run(void *arg)
{
	struct behind *b = arg;
	struct bk_fault f = BK_FAULT_INIT;
	bool stop;
	size_t i;

	while (!bk_faulty(&f) && next_in(b, &i)) {
		(void)b->ops->write(b->t, b->in.buf[i], b->in.len[i], &f);
		pthread_mutex_lock(&b->lock);
		b->in.taken++;
		pthread_cond_signal(&b->news);
		pthread_mutex_unlock(&b->lock);
	}
	pthread_mutex_lock(&b->lock);
	stop = b->stop;
	pthread_mutex_unlock(&b->lock);
	if (!bk_faulty(&f) && !stop)
		(void)b->ops->finish(b->t, &f);
	pthread_mutex_lock(&b->lock);
	b->fault = f;
	b->done = true;
	pthread_cond_signal(&b->news);
	pthread_mutex_unlock(&b->lock);
	return NULL;
}

static void
behind_free(void *t)
{
	struct behind *b = t;
	size_t i;

	if (b == NULL)
		return;
	if (b->started) {
		pthread_mutex_lock(&b->lock);
		b->stop = true;
		pthread_cond_signal(&b->work);
		pthread_mutex_unlock(&b->lock);
		pthread_join(b->thread, NULL);
	}
	pthread_cond_destroy(&b->news);
	pthread_cond_destroy(&b->work);
	pthread_mutex_destroy(&b->lock);
	for (i = 0; i < BUFFERS; i++) {
		free(b->in.buf[i]);
		free(b->out.buf[i]);
	}
	b->ops->free(b->t);
	free(b);
}

static int
start(struct behind *b, bk_behind_make *make, struct bk_fault *f)
{
	sigset_t all, old;
	size_t i;
	int rc;

	for (i = 0; i < BUFFERS; i++) {
		b->in.buf[i] = malloc(IN_MAX);
		b->out.buf[i] = malloc(OUT_MAX);
		if (b->in.buf[i] == NULL || b->out.buf[i] == NULL)
			return bk_fault_errno(f, BK_IO, ENOMEM, "worker thread");
	}
	if ((b->t = make(put_out, b, f)) == NULL)
		return -1;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&b->thread, NULL, run, b);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc != 0)
		return bk_fault_errno(f, BK_IO, rc, "cannot start a thread");
	b->started = true;
	return 0;
}

void *
bk_behind_new(bk_behind_make *make, const struct bk_transform_ops *ops,
    bk_sink_fn *sink, void *arg, struct bk_fault *f)
{
	struct behind *b = calloc(1, sizeof(*b));

	if (b == NULL) {
		bk_fault_errno(f, BK_IO, ENOMEM, "worker thread");
		return NULL;
	}
	b->ops = ops;
	b->sink = sink;
	b->arg = arg;
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->work, NULL);
	pthread_cond_init(&b->news, NULL);
	if (start(b, make, f) == 0)
		return b;
	behind_free(b);
	return NULL;
}

enum news { ROOM, OUTPUT, DONE };

/* What the caller can do: give output, else end, else (if it wants) put input. */
static enum news
wait_news(struct behind *b, bool want_room)
{
	enum news what;

	pthread_mutex_lock(&b->lock);
	while (empty(&b->out) && !b->done && !(want_room && !full(&b->in)))
		pthread_cond_wait(&b->news, &b->lock);
	what = !empty(&b->out) ? OUTPUT : b->done ? DONE : ROOM;
	pthread_mutex_unlock(&b->lock);
	return what;
}

static int
give_out(struct behind *b, struct bk_fault *f)
{
	size_t i = b->out.taken % BUFFERS;
	int rc = b->sink(b->arg, b->out.buf[i], b->out.len[i], f);

	pthread_mutex_lock(&b->lock);
	b->out.taken++;
	pthread_cond_signal(&b->work);
	pthread_mutex_unlock(&b->lock);
	return rc;
}

/* The thread has ended: its fault, if it had one. */
static int
ended(const struct behind *b, struct bk_fault *f)
{
	if (!bk_faulty(&b->fault))
		return 0;
	return bk_fault_set(f, b->fault.status, "%s", b->fault.text);
}

static int
behind_write(void *t, const void *p, size_t n, struct bk_fault *f)
{
	struct behind *b = t;
	const uint8_t *q = p;
	enum news what;
	size_t i, take;

	while (n > 0) {
		if ((what = wait_news(b, true)) == DONE)
			return ended(b, f);
		if (what == OUTPUT) {
			if (give_out(b, f) == -1)
				return -1;
			continue;
		}
		i = b->in.put % BUFFERS;
		take = n < IN_MAX ? n : IN_MAX;
		memcpy(b->in.buf[i], q, take);
		b->in.len[i] = take;
		q += take;
		n -= take;
		pthread_mutex_lock(&b->lock);
		b->in.put++;
		pthread_cond_signal(&b->work);
		pthread_mutex_unlock(&b->lock);
	}
	return 0;
}

static int
behind_finish(void *t, struct bk_fault *f)
{
	struct behind *b = t;

	pthread_mutex_lock(&b->lock);
	b->last = true;
	pthread_cond_signal(&b->work);
	pthread_mutex_unlock(&b->lock);
	while (wait_news(b, false) == OUTPUT)
		if (give_out(b, f) == -1)
			return -1;
	return ended(b, f);
}

const struct bk_transform_ops bk_behind_ops = { behind_write, behind_finish,
	behind_free };
