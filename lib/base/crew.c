#include "crew.h"

#include <signal.h>

void
bk_crew_start(struct bk_crew *c, size_t n, int threads, void *(*fn)(void *),
    void *arg)
{
	sigset_t all, old;

	c->n = n;
	c->next = 0;
	c->started = 0;
	(void)pthread_mutex_init(&c->lock, NULL);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	while (c->started < threads && c->started < BK_CREW_MAX &&
	    (size_t)c->started < n &&
	    pthread_create(&c->t[c->started], NULL, fn, arg) == 0)
		c->started++;
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
}

bool
bk_crew_take(struct bk_crew *c, size_t *i)
{
	bool left;

	(void)pthread_mutex_lock(&c->lock);
	if ((left = c->next < c->n))
		*i = c->next++;
	(void)pthread_mutex_unlock(&c->lock);
	return left;
}

void
bk_crew_join(struct bk_crew *c)
{
	while (c->started > 0)
		(void)pthread_join(c->t[--c->started], NULL);
	(void)pthread_mutex_destroy(&c->lock);
}
