/*
 * Objects of a lease are read by the rules that they are written by; anything
 * else under the prefix is no lease of ours to judge (65), since to pass it
 * over might mean to pass over a holder.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "leaseio.h"
#include "when.h"

#define LEASES ".bk/lease/"
#define DIGITS 12
#define OBJECT_MAX 65536
#define OLD_MAX 1000			/* removed at a time */
#define LOOKS 16			/* at a chain that moves on while we read */

struct bk_leaseio {
	const struct bk_ctx *ctx;
	struct bk_store *store;
	char name[BK_NAME_MAX + 1];
	uint64_t last;			/* the highest of the last listing */
	uint64_t old[OLD_MAX];		/* the lowest that are known to be there */
	size_t nold;
	bool told;			/* that old ones cannot be removed */
};

struct bk_leased {
	struct bk_leaseio io;		/* its store opened when it is wanted */
	struct bk_store_opts opts;
	char *url;
	char holder[BK_ULID_LEN + 1];
};

static int
add_key(struct bk_buf *b, const char *name, uint64_t number,
    struct bk_fault *f)
{
	return bk_buf_addf(b, f, LEASES "%s/%0*" PRIu64 ".json", name, DIGITS,
	    number);
}

/* The number in ${key}, or 0. */
static uint64_t
number_of(const char *key)
{
	const char *p = strrchr(key, '/');
	uint64_t n = 0;
	size_t i;

	p = p == NULL ? key : p + 1;
	for (i = 0; i < DIGITS; i++) {
		if (p[i] < '0' || p[i] > '9')
			return 0;
		n = n * 10 + (uint64_t)(p[i] - '0');
	}
	return strcmp(p + DIGITS, ".json") == 0 ? n : 0;
}

struct listing {
	struct bk_leaseio *io;
	uint64_t top;
};

static int
take(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	struct listing *l = arg;
	uint64_t n = number_of(o->key);

	if (n == 0)
		return bk_fault_set(f, BK_DATA, "'%s' is no object of a lease",
		    o->key);
	if (l->io->nold < OLD_MAX)
		l->io->old[l->io->nold++] = n;
	l->top = n;
	return 0;
}

/* The first listing is of all, those after it of what may be new. */
static int
list(struct bk_leaseio *io, uint64_t *top, struct bk_fault *f)
{
	struct bk_buf prefix = BK_BUF_INIT(BK_KEY_MAX);
	struct bk_buf after = BK_BUF_INIT(BK_KEY_MAX);
	struct listing l = { io, 0 };
	int rc = -1;

	io->nold = 0;
	if (bk_buf_addf(&prefix, f, LEASES "%s/", io->name) == 0 &&
	    (io->last <= BK_LEASE_KEPT + 1 || add_key(&after, io->name,
	    io->last - BK_LEASE_KEPT - 1, f) == 0))
		rc = bk_store_list(io->store, bk_buf_text(&prefix),
		    bk_buf_text(&after), take, &l, f);
	if (rc == 0)
		*top = io->last = l.top;
	bk_buf_release(&after);
	bk_buf_release(&prefix);
	return rc;
}

static int
read_entry(const json_t *o, const char *name, uint64_t number,
    struct bk_lease_entry *e)
{
	const char *form = bk_json_get_text(o, "bk");
	const char *of = bk_json_get_text(o, "name");
	const char *holder = bk_json_get_text(o, "holder");
	const char *state = bk_json_get_text(o, "state");
	const char *host = bk_json_get_text(o, "host");

	*e = (struct bk_lease_entry){ .number = number,
		.term = bk_json_get_int(o, "term") };
	if (form == NULL || strcmp(form, "lease/1") != 0 || of == NULL ||
	    strcmp(of, name) != 0 || holder == NULL || !bk_ulid_ok(holder) ||
	    state == NULL || e->term < BK_LEASE_TERM_MIN ||
	    e->term > BK_LEASE_TERM_MAX ||
	    bk_json_get_int(o, "number") != (int64_t)number)
		return -1;
	e->free = strcmp(state, "free") == 0;
	if (!e->free && strcmp(state, "held") != 0)
		return -1;
	memcpy(e->holder, holder, sizeof(e->holder));
	(void)snprintf(e->host, sizeof(e->host), "%s", host != NULL ? host : "?");
	return 0;
}

static int
get(struct bk_leaseio *io, uint64_t number, struct bk_lease_entry *e,
    struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX), b = BK_BUF_INIT(OBJECT_MAX);
	json_t *o = NULL;
	int rc = -1;

	if (add_key(&key, io->name, number, f) == 0)
		rc = bk_store_get_small(io->store, key.p, &b, f);
	if (rc == 0 && ((o = bk_json_parse(bk_buf_text(&b), b.len, key.p,
	    f)) == NULL || read_entry(o, io->name, number, e) == -1))
		rc = bk_fault_set(f, BK_DATA,
		    "'%s' is no lease/1 of '%s'", key.p, io->name);
	json_decref(o);
	bk_buf_release(&b);
	bk_buf_release(&key);
	return rc;
}

static int
put(struct bk_leaseio *io, const struct bk_lease *l,
    const struct bk_lease_act *a, struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX), b = BK_BUF_INIT(OBJECT_MAX);
	char when[BK_TIME_LEN];
	json_t *o;
	int rc = -1;

	o = json_pack("{s:s, s:s, s:I, s:s, s:s, s:I, s:s, s:s}", "bk", "lease/1",
	    "name", io->name, "number", (json_int_t)a->number, "holder",
	    l->holder, "state", a->free ? "free" : "held", "term",
	    (json_int_t)l->term, "host", io->ctx->host, "time",
	    bk_time_text(io->ctx->now(), when));
	if (o == NULL)
		(void)bk_fault_set(f, BK_IO, "out of memory");
	else if (add_key(&key, io->name, a->number, f) == 0 &&
	    bk_json_text(o, &b, f) == 0 && bk_buf_adds(&b, "\n", f) == 0)
		rc = bk_store_put_small(io->store, key.p, b.p, b.len, BK_PUT_NEW,
		    f);
	json_decref(o);
	bk_buf_release(&b);
	bk_buf_release(&key);
	return rc;
}

/* Remove what the last listing has shown below ${bound}. */
static void
clean(struct bk_leaseio *io, uint64_t bound)
{
	struct bk_buf key[OLD_MAX];
	const char *keys[OLD_MAX] = { NULL };
	struct bk_fault f = BK_FAULT_INIT;
	size_t i, n = 0, made = 0;

	for (i = 0; i < io->nold && io->old[i] < bound; i++) {
		key[made] = (struct bk_buf)BK_BUF_INIT(BK_KEY_MAX);
		if (add_key(&key[made++], io->name, io->old[i], &f) == -1)
			break;
		keys[n++] = key[i].p;
	}
	if (bk_faulty(&f) || bk_store_remove(io->store, keys, n, &f) == -1) {
		io->ctx->log(io->told ? BK_LOG_DEBUG : BK_LOG_WARN,
		    "old objects of the lease '%s' stay: %s", io->name, f.text);
		io->told = true;
	}
	for (i = 0; i < made; i++)
		bk_buf_release(&key[i]);
}

struct bk_leaseio *
bk_leaseio_open(const struct bk_ctx *ctx, const char *url, const char *name,
    int64_t limit, struct bk_fault *f)
{
	const struct bk_store_opts opts = { .timeout_ms = limit };
	struct bk_store_facts facts;
	struct bk_leaseio *io;

	if ((io = calloc(1, sizeof(*io))) == NULL) {
		(void)bk_fault_errno(f, BK_IO, ENOMEM, "a lease");
		return NULL;
	}
	io->ctx = ctx;
	(void)snprintf(io->name, sizeof(io->name), "%s", name);
	if ((io->store = bk_store_open(ctx, url, &opts, f)) != NULL &&
	    bk_store_facts(io->store, &facts, f) == 0) {
		if (facts.create_only)
			return io;
		(void)bk_fault_set(f, BK_CONFIG, "no lease can be held on '%s': "
		    "it does not refuse to create an object that is there "
		    "already (or refuses us to write), so that two hosts could "
		    "not be kept apart; use another store for the lease",
		    io->store->url);
	}
	bk_leaseio_close(io);
	return NULL;
}

void
bk_leaseio_close(struct bk_leaseio *io)
{
	if (io == NULL)
		return;
	bk_store_close(io->store);
	free(io);
}

void
bk_leaseio_do(struct bk_leaseio *io, const struct bk_lease *l,
    const struct bk_lease_act *a, struct bk_leaseio_answer *r)
{
	*r = (struct bk_leaseio_answer){ .rc = 0 };
	switch (a->what) {
	case BK_LEASE_LIST:
		r->rc = list(io, &r->top, &r->fault);
		break;
	case BK_LEASE_GET:
		r->rc = get(io, a->number, &r->entry, &r->fault);
		break;
	case BK_LEASE_PUT:
		r->rc = put(io, l, a, &r->fault);
		break;
	case BK_LEASE_REMOVE:
		clean(io, a->number);
		break;
	case BK_LEASE_SLEEP:
	case BK_LEASE_END:
	default:
		break;
	}
}

void
bk_leaseio_tell(struct bk_lease *l, int64_t now, const struct bk_lease_act *a,
    const struct bk_leaseio_answer *r)
{
	int status = r->fault.status;

	if (r->rc == -1)
		bk_lease_failed(l, now, status == BK_UNAVAILABLE ||
		    status == BK_IO || status == BK_DATA);
	else if (a->what == BK_LEASE_LIST)
		bk_lease_listed(l, now, r->top);
	else if (a->what == BK_LEASE_GET)
		bk_lease_got(l, now, r->rc == 0 ? &r->entry : NULL);
	else if (a->what == BK_LEASE_PUT)
		bk_lease_put(l, now, r->rc == 0);
	else if (a->what == BK_LEASE_REMOVE)
		bk_lease_removed(l);
}

int
bk_leaseio_env(const struct bk_leaseio *io, const struct bk_lease *l,
    struct bk_buf *out, struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX);
	json_t *o = NULL;
	int rc = -1;

	if (add_key(&key, io->name, l->mine, f) == 0 &&
	    (o = json_pack("{s:s, s:s, s:s, s:I, s:s}", "store",
	    io->store->url, "name", io->name, "key", key.p, "number",
	    (json_int_t)l->mine, "holder", l->holder)) == NULL)
		(void)bk_fault_set(f, BK_IO, "out of memory");
	if (o != NULL && bk_buf_adds(out, "BK_LEASE=", f) == 0)
		rc = bk_json_text(o, out, f);
	json_decref(o);
	bk_buf_release(&key);
	return rc;
}

struct bk_leased *
bk_leased_new(const struct bk_ctx *ctx, const char *text, int64_t limit,
    struct bk_fault *f)
{
	const char *url, *name, *holder;
	struct bk_fault why = BK_FAULT_INIT;
	json_t *o = bk_json_parse(text, strlen(text), "BK_LEASE", &why);
	struct bk_leased *h = NULL;

	url = bk_json_get_text(o, "store");
	name = bk_json_get_text(o, "name");
	holder = bk_json_get_text(o, "holder");
	if (url == NULL || name == NULL || !bk_name_ok(name) ||
	    holder == NULL || !bk_ulid_ok(holder)) {
		(void)bk_fault_set(f, BK_USAGE, "what BK_LEASE holds is none of "
		    "bk-lease's");
	} else if ((h = calloc(1, sizeof(*h))) == NULL ||
	    (h->url = strdup(url)) == NULL) {
		(void)bk_fault_errno(f, BK_IO, ENOMEM, "a lease");
		free(h);
		h = NULL;
	} else {
		h->io.ctx = ctx;
		h->opts = (struct bk_store_opts){ .read_only = true,
			.timeout_ms = limit };
		memcpy(h->io.name, name, strlen(name) + 1);
		memcpy(h->holder, holder, sizeof(h->holder));
	}
	json_decref(o);
	return h;
}

int
bk_leased_check(void *arg, struct bk_fault *f)
{
	struct bk_lease_entry e = { .number = 0 };
	struct bk_leased *h = arg;
	uint64_t top = 0;
	int rc = BK_ABSENT, i;

	if (h->io.store == NULL && (h->io.store = bk_store_open(h->io.ctx,
	    h->url, &h->opts, f)) == NULL)
		rc = -1;
	/* One that is cleaned away while we read was not the highest. */
	for (i = 0; i < LOOKS && rc == BK_ABSENT; i++)
		if ((rc = list(&h->io, &top, f)) == 0 && top != 0)
			rc = get(&h->io, top, &e, f);
	if (rc == BK_ABSENT)
		(void)bk_fault_set(f, BK_UNAVAILABLE, "it changes too fast to "
		    "be read");
	if (rc != 0) {
		bk_fault_context(f, "lease '%s'", h->io.name);
		return -1;
	}
	if (top != 0 && !e.free && strcmp(e.holder, h->holder) == 0)
		return 0;
	return bk_fault_set(f, BK_BUSY, "the lease '%s' is ours no more: %s%s",
	    h->io.name, top == 0 || e.free ? "nobody holds it" :
	    "it is now held by ", top == 0 || e.free ? "" : e.host);
}

void
bk_leased_free(struct bk_leased *h)
{
	if (h == NULL)
		return;
	bk_store_close(h->io.store);
	free(h->url);
	free(h);
}
