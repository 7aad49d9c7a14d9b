/*
 * Threads that share out ${n} pieces of work among themselves and the caller,
 * each taking the next one until there is none left.
 */
#ifndef BK_CREW_H
#define BK_CREW_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#define BK_CREW_MAX 32

struct bk_crew {
	size_t n, next;			/* under lock */
	pthread_mutex_t lock;		/* the workers may use it too */
	pthread_t t[BK_CREW_MAX];
	int started;
};

/*
 * Begin with ${n} pieces and up to ${threads} (at most BK_CREW_MAX) threads
 * that run ${fn}(${arg}), all signals blocked; as few as can be had.
 */
void bk_crew_start(struct bk_crew *c, size_t n, int threads,
    void *(*fn)(void *), void *arg);

/* The next piece, in *${i}; false where there is none left. */
bool bk_crew_take(struct bk_crew *c, size_t *i);

/* Wait until all threads have returned. */
void bk_crew_join(struct bk_crew *c);

#endif
