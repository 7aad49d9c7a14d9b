/*
 * The first line tells a stream from a list: a stream's header begins with
 * its "bk" member, and a failed line that took the header's place carries a
 * CRC, which no line of a list does (DESIGN, 3 and 4).
 */
#include <string.h>

#include "fetch.h"
#include "origin.h"
#include "pick.h"

static bool
is_stream(const char *line, size_t n)
{
	static const char header[] = "{\"bk\":\"stream/", crc[] = "\"crc32\":";

	return memmem(line, n, header, sizeof(header) - 1) == line ||
	    memmem(line, n, crc, sizeof(crc) - 1) != NULL;
}

static int
open_stream(struct bk_origin *o, struct bk_fault *f)
{
	json_t *h;

	if ((o->stream = bk_stream_reader(o->in, f)) == NULL ||
	    bk_stream_header(o->stream, &h, f) == -1)
		return -1;
	o->header = json_incref(h);
	return 0;
}

/* What ${fd} gives: a stream, or the record in ${o}. */
static int
open_input(struct bk_origin *o, const struct bk_origin_req *req,
    struct bk_fault *f)
{
	const char *line;
	size_t n;
	int rc;

	if ((o->in = bk_rbuf_new(req->fd, "standard input", f)) == NULL)
		return -1;
	if (req->streams) {
		if ((rc = bk_rbuf_peek_line(o->in, &line, &n, f)) == -1)
			return -1;
		if (rc == BK_END)
			return bk_fault_set(f, BK_DATA,
			    "standard input ended without a record or a stream");
		if (is_stream(line, n))
			return open_stream(o, f);
	}
	if ((o->list = bk_records_reader(o->in, BK_RECORDS_ONE, f)) == NULL)
		return -1;
	return bk_pick_input(o->list, &o->rec, f);
}

int
bk_origin_open(struct bk_origin *o, const struct bk_origin_req *req,
    struct bk_fault *f)
{
	const char *url;

	if (req->pick == NULL && open_input(o, req, f) == -1)
		return -1;
	if (o->stream != NULL)
		return 0;
	if ((url = req->url != NULL ? req->url : o->rec.store) == NULL)
		return bk_fault_set(f, BK_USAGE,
		    "the record names no store: give it as operand");
	if ((o->store = bk_store_open(req->ctx, url, req->store, f)) == NULL)
		return -1;
	if (req->pick != NULL && bk_pick_store(req->ctx, o->store, req->pick,
	    &o->rec, f) == -1)
		return -1;
	return (o->header = bk_fetch_header(&o->rec, f)) != NULL ? 0 : -1;
}

int
bk_origin_read(struct bk_origin *o, bk_sink_fn *sink, void *arg, json_t **end,
    struct bk_fault *f)
{
	const void *p;
	size_t n;
	int rc;

	*end = NULL;
	if (o->stream == NULL) {
		if (bk_fetch(o->store, &o->rec, sink, arg, f) == 0)
			*end = bk_fetch_end(&o->rec, f);
		return *end != NULL ? 0 : -1;
	}
	while ((rc = bk_stream_read(o->stream, &p, &n, f)) == BK_MORE)
		if (sink(arg, p, n, f) == -1)
			return -1;
	if (rc == -1)
		return -1;
	*end = json_incref(bk_stream_end(o->stream));
	return 0;
}

int
bk_origin_end(struct bk_origin *o, struct bk_fault *f)
{
	struct bk_record none = BK_RECORD_INIT;

	/* bk_records_next saw before the first that there is no second. */
	return o->list != NULL && bk_records_next(o->list, &none, f) == -1 ?
	    -1 : 0;
}

void
bk_origin_release(struct bk_origin *o)
{
	bk_store_close(o->store);
	bk_record_release(&o->rec);
	bk_records_in_free(o->list);
	bk_stream_in_free(o->stream);
	bk_rbuf_free(o->in);
	json_decref(o->header);
	*o = (struct bk_origin)BK_ORIGIN_INIT;
}
