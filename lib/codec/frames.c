/*
 * Frames in parallel, for every format that is made of them.
 *
 * The caller's thread fills slots with input and gives finished ones to the
 * sink, in order; workers do the rest.  With a
 * slot more than there are workers, reading, work and writing overlap.
 *
 * A frame's size and kind are claims of the file.  They choose only how it is
 * read: the first frame that is not what it claims is given, with all that
 * follows it, to the serial reader, which needs no claims and decides whether
 * the file is good.  Nothing is allocated by a claim; buffers have the
 * format's maxima from the start (and only the pages used are in memory).
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "behind.h"
#include "frames.h"
#include "pool.h"

#define PIECE (256 * 1024)

struct slot {
	uint8_t *in, *out;
	size_t have;			/* bytes in "in" */
	size_t got;			/* bytes in "out" */
	bool good;
};

struct coder {
	const struct bk_frames *fmt;
	bool decode;
	bk_sink_fn *sink;
	void *arg;
	struct bk_pool *pool;
	struct slot *slots;
	size_t nslots;
	void **workers;
	int threads;
	size_t in_max, out_max;
	size_t whole;			/* decoder: size of the frame being filled */
	bool any;			/* a frame was handed in */
	void *serial;			/* decoder: set once it took over */
};

static void
work(void *arg, int worker, size_t slot)
{
	struct coder *c = arg;
	struct slot *s = &c->slots[slot];

	if (c->decode) {
		s->good = c->fmt->dec(c->workers[worker], s->in, s->have, s->out,
		    c->out_max, &s->got) == 0;
		return;
	}
	s->got = c->fmt->enc(c->workers[worker], s->in, s->have, s->out,
	    c->out_max);
	s->good = s->got > 0;
}

static void
coder_free(void *arg)
{
	struct coder *c = arg;
	size_t i;
	int t;

	if (c == NULL)
		return;
	bk_pool_free(c->pool);
	for (t = 0; c->workers != NULL && t < c->threads; t++)
		(c->decode ? c->fmt->dec_free : c->fmt->enc_free)(c->workers[t]);
	for (i = 0; c->slots != NULL && i < c->nslots; i++) {
		free(c->slots[i].in);
		free(c->slots[i].out);
	}
	bk_behind_ops.free(c->serial);
	free(c->workers);
	free(c->slots);
	free(c);
}

static int
coder_fill(struct coder *c, int level, int threads)
{
	size_t i;

	c->slots = calloc(c->nslots, sizeof(*c->slots));
	c->workers = calloc((size_t)threads, sizeof(*c->workers));
	if (c->slots == NULL || c->workers == NULL)
		return -1;
	for (i = 0; i < c->nslots; i++) {
		c->slots[i].in = malloc(c->in_max);
		c->slots[i].out = malloc(c->out_max);
		if (c->slots[i].in == NULL || c->slots[i].out == NULL)
			return -1;
	}
	for (; c->threads < threads; c->threads++) {
		c->workers[c->threads] = c->decode ? c->fmt->dec_new() :
		    c->fmt->enc_new(level);
		if (c->workers[c->threads] == NULL)
			return -1;
	}
	return 0;
}

static void *
coder_new(const struct bk_frames *fmt, bool decode, int level, int threads,
    bk_sink_fn *sink, void *arg, struct bk_fault *f)
{
	struct coder *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		bk_fault_errno(f, BK_IO, ENOMEM, "compression");
		return NULL;
	}
	c->fmt = fmt;
	c->decode = decode;
	c->sink = sink;
	c->arg = arg;
	c->nslots = (size_t)(threads + fmt->spare);
	c->in_max = decode ? fmt->frame_max : fmt->chunk;
	c->out_max = decode ? fmt->plain_max : fmt->bound;
	if (coder_fill(c, level, threads) == -1)
		bk_fault_errno(f, BK_IO, ENOMEM, "compression");
	else if ((c->pool = bk_pool_new(threads, c->nslots, work, c, f)) != NULL)
		return c;
	coder_free(c);
	return NULL;
}

/*
 * Give ${s}'s output to the sink, in pieces that stay in a processor's own
 * cache while the sink goes over them several times.
 */
static int
give(struct coder *c, const struct slot *s, struct bk_fault *f)
{
	size_t i, n;

	for (i = 0; i < s->got; i += n) {
		n = s->got - i < PIECE ? s->got - i : PIECE;
		if (c->sink(c->arg, s->out + i, n, f) == -1)
			return -1;
	}
	return 0;
}

void *
bk_frames_encode(const struct bk_frames *fmt, int level, int threads,
    bk_sink_fn *sink, void *arg, struct bk_fault *f)
{
	return coder_new(fmt, false, level, threads, sink, arg, f);
}

/* Give out what is done; with ${all}, what is under way too. */
static int
encode_drain(struct coder *c, bool all, struct bk_fault *f)
{
	size_t i;

	while (bk_pool_head(c->pool, all, &i)) {
		if (!c->slots[i].good)
			return bk_fault_set(f, BK_BUG, "the compressor failed");
		if (give(c, &c->slots[i], f) == -1)
			return -1;
		c->slots[i].have = 0;
		bk_pool_release(c->pool);
	}
	return 0;
}

/* The slot to fill; waits for the oldest job where all are in use. */
static struct slot *
encode_slot(struct coder *c, struct bk_fault *f)
{
	size_t i, oldest;

	if (!bk_pool_tail(c->pool, &i)) {
		bk_pool_head(c->pool, true, &oldest);
		if (encode_drain(c, false, f) == -1)
			return NULL;
	}
	return &c->slots[i];
}

static void
submit(struct coder *c)
{
	c->any = true;
	c->whole = 0;
	bk_pool_submit(c->pool);
}

static int
encode_write(void *t, const void *p, size_t n, struct bk_fault *f)
{
	struct coder *c = t;
	const uint8_t *q = p;
	struct slot *s;
	size_t take;

	while (n > 0) {
		if ((s = encode_slot(c, f)) == NULL)
			return -1;
		take = c->in_max - s->have;
		if (take > n)
			take = n;
		memcpy(s->in + s->have, q, take);
		s->have += take;
		q += take;
		n -= take;
		if (s->have < c->in_max)
			break;
		submit(c);
		if (encode_drain(c, false, f) == -1)
			return -1;
	}
	return 0;
}

static int
encode_finish(void *t, struct bk_fault *f)
{
	struct coder *c = t;
	struct slot *s;

	if ((s = encode_slot(c, f)) == NULL)
		return -1;
	if (s->have > 0 || !c->any)
		submit(c);
	return encode_drain(c, true, f);
}

void *
bk_frames_decode(const struct bk_frames *fmt, int threads, bk_sink_fn *sink,
    void *arg, struct bk_fault *f)
{
	return coder_new(fmt, true, 0, threads, sink, arg, f);
}

/* Hand the file over to the serial reader, from the oldest job's frame on. */
static int
decode_serially(struct coder *c, struct bk_fault *f)
{
	size_t i;
	struct slot *s;

	if ((c->serial = bk_behind_new(c->fmt->serial_new,
	    &c->fmt->serial, c->sink, c->arg, f)) == NULL)
		return -1;
	while (bk_pool_head(c->pool, true, &i)) {
		s = &c->slots[i];
		if (bk_behind_ops.write(c->serial, s->in, s->have, f) == -1)
			return -1;
		s->have = 0;
		bk_pool_release(c->pool);
	}
	bk_pool_tail(c->pool, &i);
	s = &c->slots[i];
	if (s->have > 0 &&
	    bk_behind_ops.write(c->serial, s->in, s->have, f) == -1)
		return -1;
	s->have = 0;
	return 0;
}

/* As encode_drain; a bad frame is for the serial reader. */
static int
decode_drain(struct coder *c, bool all, struct bk_fault *f)
{
	struct slot *s;
	size_t i;

	while (bk_pool_head(c->pool, all, &i)) {
		s = &c->slots[i];
		if (!s->good)
			return decode_serially(c, f);
		if (give(c, s, f) == -1)
			return -1;
		s->have = 0;
		bk_pool_release(c->pool);
	}
	return 0;
}

/* Fill ${s} up to ${want} bytes from *${p}. */
static void
fill(struct slot *s, size_t want, const uint8_t **p, size_t *n)
{
	size_t take = want - s->have;

	if (take > *n)
		take = *n;
	memcpy(s->in + s->have, *p, take);
	s->have += take;
	*p += take;
	*n -= take;
}

/* The slot to fill, or NULL where the serial reader took over or a fault. */
static struct slot *
decode_slot(struct coder *c, struct bk_fault *f)
{
	size_t i, oldest;

	if (!bk_pool_tail(c->pool, &i)) {
		bk_pool_head(c->pool, true, &oldest);
		if (decode_drain(c, false, f) == -1 || c->serial != NULL)
			return NULL;
	}
	return &c->slots[i];
}

static int
decode_write(void *t, const void *p, size_t n, struct bk_fault *f)
{
	struct coder *c = t;
	const uint8_t *q = p;
	struct slot *s;

	while (n > 0 && c->serial == NULL) {
		if ((s = decode_slot(c, f)) == NULL) {
			if (c->serial == NULL)
				return -1;
			break;
		}
		fill(s, c->whole > 0 ? c->whole : c->fmt->head, &q, &n);
		if (c->whole == 0 && s->have == c->fmt->head) {
			c->whole = c->fmt->judge(s->in);
			assert(c->whole <= c->in_max);
			if (c->whole <= c->fmt->head &&
			    decode_serially(c, f) == -1)
				return -1;
		} else if (s->have == c->whole) {
			submit(c);
			if (decode_drain(c, false, f) == -1)
				return -1;
		}
	}
	return n == 0 ? 0 : bk_behind_ops.write(c->serial, q, n, f);
}

static int
decode_finish(void *t, struct bk_fault *f)
{
	struct coder *c = t;
	size_t i;

	if (c->serial == NULL && decode_drain(c, true, f) == -1)
		return -1;
	bk_pool_tail(c->pool, &i);
	/* Where a head is a frame by itself, the serial reader would miss it. */
	if (c->serial == NULL && c->whole > 0 && c->slots[i].have == c->fmt->head)
		return bk_fault_set(f, BK_DATA, "bad compressed data: cut short");
	if (c->serial == NULL && (c->slots[i].have > 0 || !c->any) &&
	    decode_serially(c, f) == -1)
		return -1;
	return c->serial == NULL ? 0 : bk_behind_ops.finish(c->serial, f);
}

const struct bk_transform_ops bk_frames_encode_ops = { encode_write,
	encode_finish, coder_free };
const struct bk_transform_ops bk_frames_decode_ops = { decode_write,
	decode_finish, coder_free };
