/*
 * See backoff.h.
 */
#include "backoff.h"

void
bk_backoff_failed(struct bk_backoff *b, int64_t now)
{
	if (b->wait == 0)
		b->wait = b->first;
	else if (b->wait < b->max / 2)
		b->wait *= 2;
	else
		b->wait = b->max;
	b->until = now + b->wait;
}

void
bk_backoff_over(struct bk_backoff *b)
{
	b->wait = 0;
	b->until = 0;
}
