/*
 * The frame of a filter: what is the same for all of them around the
 * transformation of the payload.
 *
 * "stages" has one entry for the source and one for each entry of "filters",
 * in the same order.  A filter that undoes therefore knows its entry; a
 * stream where the two do not agree was written by a filter that broke the
 * rules, and nothing can be proven about it.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "filter.h"
#include "json.h"

struct run {
	const struct bk_filter *fl;
	struct bk_stream_in *in;
	struct bk_stream_out *out;
	const struct bk_transform_ops *ops;
	void *t;
	size_t left;			/* filters that the output has */
};

static int
take_output(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	struct run *r = arg;

	return bk_stream_write(r->out, p, n, f);
}

/* Change "filters", open the transformation and write the header. */
static int
begin(struct run *r, struct bk_fault *f)
{
	json_t *filters, *h, *last;

	if (bk_stream_header(r->in, &h, f) == -1)
		return -1;
	filters = json_object_get(h, "filters");
	if (r->fl->add != NULL) {
		if (bk_json_push(filters, json_incref(r->fl->add), f) == -1 ||
		    r->fl->open(r->fl->arg, NULL, take_output, r, &r->ops, &r->t,
		    f) == -1)
			return -1;
		return bk_stream_put_header(r->out, h, f);
	}
	if ((last = bk_stream_last_filter(h)) == NULL)
		return bk_fault_set(f, BK_DATA,
		    "nothing to undo: the stream names no filter");
	r->left = bk_stream_filters(h) - 1;
	if (r->fl->open(r->fl->arg, last, take_output, r, &r->ops, &r->t, f) == -1)
		return -1;
	json_array_remove(filters, r->left);
	return bk_stream_put_header(r->out, h, f);
}

/*
 * With no undo left our output is as long as the source told.  Its SHA-256 is
 * compared by whoever takes the payload (bk-put, bk-restore): taken here as
 * well it would be a fifth of the work of undoing, for bytes whose format has
 * just checked its own sums.
 */
static int
check_source(const struct run *r, const json_t *source, struct bk_fault *f)
{
	uint64_t bytes = bk_stream_out_bytes(r->out);
	const char *name = bk_json_get_text(source, "stage");
	int64_t n = bk_json_get_int(source, "bytes");

	if (name == NULL || n < 0 ||
	    bk_json_get_text(source, "sha256") == NULL)
		return bk_fault_set(f, BK_DATA,
		    "the end line of the stream has a bad first stage");
	if ((uint64_t)n != bytes)
		return bk_fault_set(f, BK_DATA, "'%s' wrote %" PRId64
		    " bytes, undoing its filters gave %" PRIu64, name, n, bytes);
	return 0;
}

/*
 * Change "stages".  That the last entry's count is what was read has been
 * compared by the reader.
 */
static int
account(struct run *r, json_t *end, struct bk_fault *f)
{
	json_t *stages = json_object_get(end, "stages");
	json_t *own;

	if (r->fl->add == NULL) {
		if (json_array_size(stages) != r->left + 2)
			return bk_fault_set(f, BK_DATA, "the stream has %zu "
			    "filters and %zu stages", r->left + 1,
			    json_array_size(stages));
		json_array_remove(stages, json_array_size(stages) - 1);
		return r->left > 0 ? 0 :
		    check_source(r, json_array_get(stages, 0), f);
	}
	if ((own = json_object()) == NULL ||
	    bk_json_set_text(own, "stage", r->fl->stage, f) == -1 ||
	    bk_json_set(own, "bytes",
	    json_integer((json_int_t)bk_stream_out_bytes(r->out)), f) == -1) {
		json_decref(own);
		return bk_fault_set(f, BK_IO, "out of memory");
	}
	return bk_json_push(stages, own, f);
}

static int
body(struct run *r, struct bk_fault *f)
{
	const void *p;
	json_t *end;
	size_t n;
	int rc;

	while ((rc = bk_stream_read(r->in, &p, &n, f)) == BK_MORE)
		if (r->ops->write(r->t, p, n, f) == -1)
			return -1;
	if (rc == -1 || r->ops->finish(r->t, f) == -1)
		return -1;
	end = bk_stream_end(r->in);
	if (account(r, end, f) == -1)
		return -1;
	return bk_stream_put_end(r->out, end, f);
}

int
bk_filter_run(const struct bk_filter *fl, struct bk_stream_in *in,
    struct bk_stream_out *out, struct bk_fault *f)
{
	struct run r = { fl, in, out, NULL, NULL, 0 };
	int rc;

	rc = begin(&r, f);
	if (rc == 0)
		rc = body(&r, f);
	if (rc == -1)
		bk_stream_put_failed(out, fl->stage, f,
		    f->upstream ? bk_stream_end(in) : NULL);
	if (r.ops != NULL)
		r.ops->free(r.t);
	return rc;
}
