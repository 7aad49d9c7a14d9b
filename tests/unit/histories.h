/*
 * Random histories for retention: names, sources, zones, times around
 * daylight changes, suspects, holds, lost payloads, chains.
 *
 * BK_HISTORIES sets how many (100,000); BK_SEED runs one seed and no other.
 */
#ifndef BK_HISTORIES_H
#define BK_HISTORIES_H

#include "retain.h"

#define HISTORIES 100000
#define MAX 48
#define ZONES 8

extern struct bk_zone *zone[ZONES];

struct history {
	struct bk_retain_in in[MAX];
	char id[MAX][8], parent[MAX][8];
	size_t n;
	struct bk_policy policy;
	size_t zone;
	int64_t now;
};

/* Random numbers, which the seed of the history began. */
unsigned int below(unsigned int n);
bool chance(unsigned int percent);
void random_policy(struct bk_policy *p);

bool zones_open(void);
void zones_close(void);

/* What is wrong with ${h}, or NULL. */
typedef const char *history_fn(const struct history *h, void *arg);

/* Try ${fn} on all of them, as one test. */
void each_history(history_fn *fn, void *arg);

/* Are ${a} and ${b} one history to the rules? */
bool same_group(const struct history *h, size_t a, size_t b);

/* By time and id. */
bool before(const struct history *h, size_t a, size_t b);

/* The record of this id; h->n for none. */
size_t index_of(const struct history *h, const char *id);

/* A number for the period of record ${i}, from the digits of its date. */
int64_t period(const struct history *h, size_t i, int p);

/* What --keep-tag matches: one of ten, by the id.  A bk_retain_match_fn. */
int tagged(void *arg, const struct bk_query *q, size_t i, struct bk_fault *f);

#endif
