/*
 * Engines know no store: the records come from bk-list, run as a program.  A
 * candidate is good in every store, of the same source and with the same
 * files left out, and so is everything that it stands on.  Of several stores
 * one that cannot be read is left out of account: what it lacks, or may lack,
 * comes to it by bk-copy.  Of each record some 250 bytes are held.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buf.h"
#include "child.h"
#include "filesparent.h"
#include "filesstate.h"
#include "json.h"
#include "names.h"
#include "when.h"

#define CHAIN_MAX 4096

struct rec {
	char id[BK_ULID_LEN + 1], parent[BK_ULID_LEN + 1];
	char state[BK_SHA256_HEX];	/* "" for none */
	int64_t time;
	unsigned int stores;		/* bits: where it is good */
	const char *unfit;		/* why it is no parent, or NULL */
};

struct bk_parents {
	const struct bk_ctx *ctx;
	const json_t *source;
	const char *selection;
	struct rec *rec;		/* by id */
	struct rec **order;		/* by time */
	size_t n, size, left;
	unsigned int stores;		/* bits: those that were read */
	bool unread;			/* there are others */
	struct bk_buf first;		/* why the newest was passed over */
};

int
bk_full_every_parse(const char *s, struct bk_full_every *e,
    struct bk_fault *f)
{
	*e = (struct bk_full_every){ 0, 0 };
	if (s[0] != '\0' && s[strspn(s, "0123456789")] == '\0')
		return bk_number_parse("full-every", s, 1, CHAIN_MAX - 1, &e->n,
		    f);
	if (bk_duration_parse(s, &e->ms, f) == -1) {
		bk_fault_context(f, "full-every");
		return -1;
	}
	return e->ms > 0 ? 0 :
	    bk_fault_set(f, BK_USAGE, "full-every=%.100s: more than 0", s);
}

static int
by_id(const void *a, const void *b)
{
	return strcmp(((const struct rec *)a)->id, ((const struct rec *)b)->id);
}

static int
by_time(const void *a, const void *b)
{
	const struct rec *x = *(struct rec *const *)a;
	const struct rec *y = *(struct rec *const *)b;

	return x->time != y->time ? (x->time < y->time ? -1 : 1) :
	    strcmp(x->id, y->id);
}

static struct rec *
find(const struct bk_parents *p, const char *id)
{
	struct rec key;

	if (p->n == 0)
		return NULL;
	memcpy(key.id, id, sizeof(key.id));
	return bsearch(&key, p->rec, p->n, sizeof(key), by_id);
}

/* Why a backup with this record cannot be a parent, or NULL. */
static const char *
unfit(const struct bk_parents *p, const json_t *o)
{
	const json_t *info = json_object_get(o, "info");
	const char *selection = bk_json_get_text(info, "selection");
	const char *proof = bk_json_get_text(info, "proof");

	if (!json_equal(json_object_get(o, "source"), p->source))
		return "is of another source";
	if (proof == NULL || strcmp(proof, "none") == 0)
		return "is not proven";
	if (strcmp(selection != NULL ? selection : "", p->selection != NULL ?
	    p->selection : "") != 0)
		return "was made with other patterns or options";
	if (json_object_get(info, "skipped") != NULL ||
	    json_object_get(info, "more-names") != NULL)
		return "left files out that could not be read";
	return NULL;
}

static int
add(struct bk_parents *p, const struct rec *r, struct bk_fault *f)
{
	struct rec *new;
	size_t size;

	if (p->n == p->size) {
		size = p->size > 0 ? p->size * 2 : 64;
		if ((new = reallocarray(p->rec, size, sizeof(*new))) == NULL)
			return bk_fault_errno(f, BK_IO, ENOMEM, "records");
		p->rec = new;
		p->size = size;
	}
	p->rec[p->n++] = *r;
	return 0;
}

/* A record of the store with bit ${store}. */
static int
take(struct bk_parents *p, const json_t *o, unsigned int store,
    struct bk_fault *f)
{
	const char *id = bk_json_get_text(o, "id");
	const char *parent = bk_json_get_text(o, "parent");
	const char *time = bk_json_get_text(o, "time");
	const char *state = bk_json_get_text(json_object_get(o, "info"),
	    "state");
	struct bk_fault quiet = BK_FAULT_INIT;
	uint8_t sum[BK_SHA256_LEN];
	struct rec r = { .stores = store }, *was;
	bool suspect = json_object_get(o, "suspect") != NULL;

	if (id == NULL || !bk_ulid_ok(id) || time == NULL ||
	    bk_time_parse(time, &r.time, &quiet) == -1)
		return 0;
	memcpy(r.id, id, sizeof(r.id));
	if (p->stores != 0) {
		if ((was = find(p, id)) != NULL && !suspect)
			was->stores |= store;
		return 0;
	}
	if (parent != NULL && bk_ulid_ok(parent))
		memcpy(r.parent, parent, sizeof(r.parent));
	if (state != NULL && bk_unhex(state, sum, sizeof(sum)) == 0)
		memcpy(r.state, state, sizeof(r.state));
	r.unfit = suspect ? "is suspect" : unfit(p, o);
	return add(p, &r, f);
}

/* What bk-list printed, line by line. */
static int
take_list(struct bk_parents *p, int fd, unsigned int store, struct bk_fault *f)
{
	struct bk_rbuf *b = bk_rbuf_new(fd, "bk-list", f);
	const char *line;
	json_t *o;
	size_t n;
	int rc = b == NULL ? -1 : BK_MORE;

	while (rc == BK_MORE && (rc = bk_rbuf_line(b, &line, &n, f)) ==
	    BK_MORE) {
		if ((o = bk_json_parse(line, n, "bk-list", f)) == NULL ||
		    (json_object_get(o, "end") == NULL &&
		    take(p, o, store, f) == -1))
			rc = -1;
		json_decref(o);
	}
	bk_rbuf_free(b);
	return rc == BK_END ? 0 : -1;
}

/* bk-list answers 66 where nothing matches, and 1 where some are unreadable. */
static int
list(struct bk_parents *p, const struct bk_dump_req *req, const char *name,
    size_t store, struct bk_fault *f)
{
	struct bk_buf path = BK_BUF_INIT(PATH_MAX);
	/* Of several stores one that is down must not hold up the others. */
	const char *argv[] = { NULL, "--json", "--name", name, "--timeout",
		req->stores[1] != NULL ? "1m" : "10m", req->stores[store],
		NULL };
	struct bk_child_spec spec = { .argv = argv, .in = -1,
		.flags = BK_CHILD_OUT | BK_CHILD_NEEDENV,
		.deadline = req->deadline };
	struct bk_fault own = BK_FAULT_INIT;
	struct bk_child *c = NULL;
	int fd = -1, status, rc = -1;

	if (bk_buf_addf(&path, f, "%s/bk-list", req->ctx->bindir) == -1)
		goto out;
	argv[0] = path.p;
	if ((c = bk_child_start(req->ctx, &spec, f)) == NULL)
		goto out;
	fd = bk_child_take_out(c);
	if (take_list(p, fd, 1U << store, f) == -1)
		goto out;
	rc = bk_child_finish(c, NULL, NULL, &own);
	status = bk_child_status(c);
	status = status != -1 && WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	if (rc == -1 && (status == BK_NOINPUT || status == BK_NO))
		rc = 0;
	else if (rc == -1)
		bk_fault_set(f, status > 63 && status < 79 ? status :
		    own.status, "%s", own.text);
out:
	if (fd != -1)
		close(fd);
	bk_child_stop(c, 2000);
	bk_buf_release(&path);
	return rc;
}

struct bk_parents *
bk_parents_read(const struct bk_dump_req *req, const char *name,
    const json_t *source, const char *selection, struct bk_fault *f)
{
	struct bk_parents *p = calloc(1, sizeof(*p));
	struct bk_fault own;
	size_t i;

	if (p == NULL) {
		bk_fault_errno(f, BK_IO, ENOMEM, "records");
		return NULL;
	}
	p->ctx = req->ctx;
	p->source = source;
	p->selection = selection;
	p->first.max = 1024;
	for (i = 0; req->stores[i] != NULL; i++) {
		own = (struct bk_fault)BK_FAULT_INIT;
		if (list(p, req, name, i, &own) == -1) {
			if (req->stores[1] != NULL)
				p->ctx->log(BK_LOG_WARN, "cannot look for a parent in '%s': %s",
				    req->stores[i], own.text);
			bk_fault_set(f, own.status, "%s", own.text);
			p->n = p->stores == 0 ? 0 : p->n;
			p->unread = true;
			continue;
		}
		if (p->stores == 0 && p->n > 0)
			qsort(p->rec, p->n, sizeof(p->rec[0]), by_id);
		p->stores |= 1U << i;
	}
	if (p->stores == 0)
		goto fail;
	bk_fault_clear(f);
	if ((p->order = calloc(p->n + 1, sizeof(struct rec *))) == NULL) {
		bk_fault_errno(f, BK_IO, ENOMEM, "records");
		goto fail;
	}
	for (i = 0; i < p->n; i++)
		p->order[i] = &p->rec[i];
	qsort(p->order, p->n, sizeof(p->order[0]), by_time);
	p->left = p->n;
	return p;
fail:
	bk_parents_free(p);
	return NULL;
}

bool
bk_parents_name(const void *arg, const char *hash)
{
	const struct bk_parents *p = arg;
	size_t i;

	for (i = 0; i < p->n; i++)
		if (strcmp(p->rec[i].state, hash) == 0)
			return true;
	return p->unread;
}

size_t
bk_parents_count(const struct bk_parents *p)
{
	return p->n;
}

/* Why ${r} by itself is nothing to stand on, or NULL. */
static const char *
weak(const struct bk_parents *p, const struct rec *r)
{
	return r->unfit != NULL ? r->unfit :
	    (r->stores & p->stores) != p->stores ?
	    "is not good in every store" : NULL;
}

/*
 * Down from ${r} to its full backup: NULL with that in *${full} and how many
 * backups the chain has in *${n}, or why it does not hold.
 */
static const char *
walk(const struct bk_parents *p, const struct rec *r, const struct rec **full,
    int *n)
{
	const char *why = NULL;

	for (*n = 1; (why = weak(p, r)) == NULL && r->parent[0] != '\0'; ++*n)
		if (*n >= CHAIN_MAX || (r = find(p, r->parent)) == NULL)
			return "stands on a backup that is gone";
	*full = r;
	return why == NULL || *n == 1 ? why :
	    "stands on a backup that is not good";
}

/* The first reason counts: it is that of the newest. */
static int
pass(struct bk_parents *p, const struct rec *r, const char *why,
    struct bk_fault *f)
{
	return p->first.len > 0 ? 0 :
	    bk_buf_addf(&p->first, f, "%s %s", r->id, why);
}

int
bk_parents_next(struct bk_parents *p, const char *dir,
    const struct bk_full_every *every, char id[BK_ULID_LEN + 1],
    char hash[BK_SHA256_HEX], int *level, struct bk_buf *why,
    struct bk_fault *f)
{
	const struct rec *r, *full;
	const char *bad;

	while (p->left > 0) {
		r = p->order[--p->left];
		if ((bad = walk(p, r, &full, level)) == NULL &&
		    r->state[0] == '\0')
			bad = "left no state";
		if (bad == NULL && !bk_filesstate_held(dir, r->state))
			bad = "left its state elsewhere";
		if (bad != NULL) {
			if (pass(p, r, bad, f) == -1)
				return -1;
			continue;
		}
		if (every->n > 0 && *level > every->n)
			return bk_buf_addf(why, f, "full-every=%lld",
			    every->n) == -1 ? -1 : 1;
		if (every->ms > 0 && full->time + every->ms <= p->ctx->now())
			return bk_buf_addf(why, f, "full-every: %s is old enough",
			    full->id) == -1 ? -1 : 1;
		memcpy(id, r->id, sizeof(r->id));
		memcpy(hash, r->state, sizeof(r->state));
		return 0;
	}
	return bk_buf_adds(why, p->n == 0 ? "the first of its name" :
	    bk_buf_text(&p->first), f) == -1 ? -1 : 1;
}

void
bk_parents_free(struct bk_parents *p)
{
	if (p == NULL)
		return;
	free(p->rec);
	free(p->order);
	bk_buf_release(&p->first);
	free(p);
}
