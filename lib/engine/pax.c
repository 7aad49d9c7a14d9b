/*
 * A state machine over the bytes of one header (pax.h).
 */
#include <string.h>

#include "pax.h"

#define KEY_MAX (64 * 1024)		/* names of attributes are in it */
#define DIGITS_MAX 8

void
bk_pax_init(struct bk_pax *x, const struct bk_pax_ops *ops, void *arg)
{
	*x = (struct bk_pax){ .ops = ops, .arg = arg,
		.key = BK_BUF_INIT(KEY_MAX),
		.value = BK_BUF_INIT(BK_PAX_VALUE_MAX) };
}

void
bk_pax_release(struct bk_pax *x)
{
	bk_buf_release(&x->key);
	bk_buf_release(&x->value);
}

static void
next_record(struct bk_pax *x)
{
	x->state = BK_PAX_LENGTH;
	x->digits = 0;
	x->rec = 0;
	bk_buf_reset(&x->key);
	bk_buf_reset(&x->value);
}

void
bk_pax_begin(struct bk_pax *x, uint64_t size)
{
	next_record(x);
	x->left = size;
}

/* A digit of the length, or the blank behind it. */
static int
take_length(struct bk_pax *x, char c)
{
	x->left--;
	if (c >= '0' && c <= '9' && x->digits < DIGITS_MAX) {
		x->digits++;
		x->rec = x->rec * 10 + (uint64_t)(c - '0');
		return 0;
	}
	if (c != ' ' || x->digits == 0 || x->rec < x->digits + 3)
		return BK_PAX_BAD;
	x->rec -= x->digits + 1;
	x->state = BK_PAX_KEY;
	return x->rec > x->left ? BK_PAX_BAD : 0;
}

/* Up to ${n} bytes of the key; how many in *${m}. */
static int
take_key(struct bk_pax *x, const char *p, size_t n, size_t *m,
    struct bk_fault *f)
{
	const char *eq;
	size_t k;

	if (x->rec <= 1)
		return BK_PAX_BAD;
	k = x->rec - 1 < n ? (size_t)(x->rec - 1) : n;
	eq = memchr(p, '=', k);
	if (eq != NULL)
		k = (size_t)(eq - p);
	if (memchr(p, '\0', k) != NULL)
		return BK_PAX_BAD;
	if (bk_buf_add(&x->key, p, k, f) == -1)
		return -1;
	*m = k + (eq != NULL);
	x->rec -= *m;
	x->left -= *m;
	if (eq == NULL)
		return 0;
	x->state = BK_PAX_VALUE;
	x->want = x->ops->want(x->arg, bk_buf_text(&x->key), f);
	return x->want == -1 ? -1 : 0;
}

static int
give(struct bk_pax *x, struct bk_fault *f)
{
	return x->ops->value(x->arg, bk_buf_text(&x->key),
	    bk_buf_text(&x->value), x->value.len, f);
}

/* Bytes of a value that is a row of strings. */
static int
take_strings(struct bk_pax *x, const char *p, size_t n, struct bk_fault *f)
{
	const char *end;
	size_t k;

	for (; n > 0; p += k, n -= k) {
		end = memchr(p, '\0', n);
		k = end != NULL ? (size_t)(end - p) : n;
		if (bk_buf_add(&x->value, p, k, f) == -1)
			return -1;
		if (end == NULL)
			break;
		k++;
		if (x->value.len > 0 && give(x, f) == -1)
			return -1;
		bk_buf_reset(&x->value);
	}
	return 0;
}

/* The newline that ends a record. */
static int
end_record(struct bk_pax *x, char c, struct bk_fault *f)
{
	x->left--;
	if (c != '\n' || (x->want == BK_PAX_SPLIT && x->value.len > 0))
		return BK_PAX_BAD;
	if (x->want == BK_PAX_HOLD && give(x, f) == -1)
		return -1;
	next_record(x);
	return 0;
}

static int
take_value(struct bk_pax *x, const char *p, size_t n, size_t *m,
    struct bk_fault *f)
{
	int rc = 0;

	if (x->rec == 1) {
		*m = 1;
		return end_record(x, *p, f);
	}
	*m = x->rec - 1 < n ? (size_t)(x->rec - 1) : n;
	if (x->want == BK_PAX_HOLD)
		rc = bk_buf_add(&x->value, p, *m, f);
	else if (x->want == BK_PAX_SPLIT)
		rc = take_strings(x, p, *m, f);
	x->rec -= *m;
	x->left -= *m;
	return rc;
}

int
bk_pax_write(struct bk_pax *x, const void *data, size_t n, struct bk_fault *f)
{
	const char *p = data;
	size_t m = 0;
	int rc;

	for (; n > 0; p += m, n -= m) {
		m = 1;
		rc = x->state == BK_PAX_LENGTH ? take_length(x, *p) :
		    x->state == BK_PAX_KEY ? take_key(x, p, n, &m, f) :
		    take_value(x, p, n, &m, f);
		if (rc != 0)
			return rc;
	}
	return x->left == 0 && (x->state != BK_PAX_LENGTH || x->digits > 0) ?
	    BK_PAX_BAD : 0;
}
