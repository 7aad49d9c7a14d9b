/*
 * Worker threads over a ring of slots.
 *
 * Three counters that only grow order everything: jobs handed in, begun and
 * taken out; a job's slot is its number modulo the slots.  Only "begun" and
 * the done marks are shared with the workers, so the caller reads its own two
 * without the lock.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "pool.h"

struct worker {
	struct bk_pool *pool;
	int number;
	pthread_t thread;
};

struct bk_pool {
	pthread_mutex_t lock;
	pthread_cond_t work;		/* a job came, or stop */
	pthread_cond_t finished;	/* a job is done */
	bk_pool_fn *fn;
	void *arg;
	struct worker *workers;
	int threads;			/* running */
	bool *done;			/* one for each slot */
	size_t slots;
	size_t in, begun, out;		/* jobs so far */
	bool stop;
};

static void *
run(void *arg)
{
	struct worker *w = arg;
	struct bk_pool *p = w->pool;
	size_t slot;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (!p->stop && p->begun == p->in)
			pthread_cond_wait(&p->work, &p->lock);
		if (p->stop)
			break;
		slot = p->begun++ % p->slots;
		pthread_mutex_unlock(&p->lock);
		p->fn(p->arg, w->number, slot);
		pthread_mutex_lock(&p->lock);
		p->done[slot] = true;
		pthread_cond_signal(&p->finished);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Start the workers with all signals blocked: they are the caller's. */
static int
start(struct bk_pool *p, int threads, struct bk_fault *f)
{
	struct worker *w;
	sigset_t all, old;
	int rc = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (rc == 0 && p->threads < threads) {
		w = &p->workers[p->threads];
		w->pool = p;
		w->number = p->threads;
		if ((rc = pthread_create(&w->thread, NULL, run, w)) == 0)
			p->threads++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc == 0 ? 0 : bk_fault_errno(f, BK_IO, rc,
	    "cannot start a thread");
}

struct bk_pool *
bk_pool_new(int threads, size_t slots, bk_pool_fn *fn, void *arg,
    struct bk_fault *f)
{
	struct bk_pool *p = calloc(1, sizeof(*p));

	assert(threads >= 1 && slots >= 1);
	if (p == NULL) {
		bk_fault_errno(f, BK_IO, ENOMEM, "worker threads");
		return NULL;
	}
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->finished, NULL);
	p->fn = fn;
	p->arg = arg;
	p->slots = slots;
	p->workers = calloc((size_t)threads, sizeof(*p->workers));
	p->done = calloc(slots, sizeof(*p->done));
	if (p->workers == NULL || p->done == NULL)
		bk_fault_errno(f, BK_IO, ENOMEM, "worker threads");
	else if (start(p, threads, f) == 0)
		return p;
	bk_pool_free(p);
	return NULL;
}

bool
bk_pool_tail(const struct bk_pool *p, size_t *slot)
{
	*slot = p->in % p->slots;
	return p->in - p->out < p->slots;
}

void
bk_pool_submit(struct bk_pool *p)
{
	pthread_mutex_lock(&p->lock);
	assert(p->in - p->out < p->slots);
	p->done[p->in % p->slots] = false;
	p->in++;
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
}

bool
bk_pool_head(struct bk_pool *p, bool wait, size_t *slot)
{
	bool done;

	if (p->in == p->out)
		return false;
	*slot = p->out % p->slots;
	pthread_mutex_lock(&p->lock);
	while (!p->done[*slot] && wait)
		pthread_cond_wait(&p->finished, &p->lock);
	done = p->done[*slot];
	pthread_mutex_unlock(&p->lock);
	return done;
}

void
bk_pool_release(struct bk_pool *p)
{
	assert(p->in != p->out);
	p->out++;
}

void
bk_pool_free(struct bk_pool *p)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	while (p->threads > 0)
		pthread_join(p->workers[--p->threads].thread, NULL);
	pthread_cond_destroy(&p->finished);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	free(p->workers);
	free(p->done);
	free(p);
}
