/*
 * Where a program that takes one backup (bk-get, bk-restore) has it from: a
 * record or a stream on a descriptor, or a record found in a store.
 */
#ifndef BK_ORIGIN_H
#define BK_ORIGIN_H

#include "ctx.h"
#include "io.h"
#include "list.h"
#include "record.h"
#include "store.h"
#include "stream.h"

struct bk_origin_req {
	const struct bk_ctx *ctx;
	const char *url;		/* of the store; NULL: the record's own */
	const struct bk_store_opts *store;
	const struct bk_list_req *pick;	/* find it in ${url}; NULL: read ${fd} */
	int fd;				/* stays the caller's */
	bool streams;			/* a stream is accepted on ${fd} */
};

struct bk_origin {
	json_t *header;			/* of the stream, or made of the record; owned */
	struct bk_stream_in *stream;	/* NULL: the payload is in ${store} */
	struct bk_store *store;
	struct bk_record rec;		/* when ${store} is set */
	struct bk_rbuf *in;
	struct bk_records_in *list;
};

#define BK_ORIGIN_INIT { .rec = BK_RECORD_INIT }

/*
 * Open it: after this the header is known and nothing of the payload was
 * read.  A second record is refused here (64).  0, or -1 with ${f} set as
 * bk_pick_store, bk_pick_input, bk_stream_header and bk_store_open say; 64
 * where a record names no store and there is no ${url}.  Release ${o} after
 * either.
 */
int bk_origin_open(struct bk_origin *o, const struct bk_origin_req *req,
    struct bk_fault *f);

/*
 * The payload as it is stored, to ${sink}, and then the proof: *${end} is a
 * new reference to the end line.  0, or -1 with ${f} set as bk_fetch and
 * bk_stream_read say.
 */
int bk_origin_read(struct bk_origin *o, bk_sink_fn *sink, void *arg,
    json_t **end, struct bk_fault *f);

/*
 * When the backup is dealt with: did the program fail that made the list
 * which the record was in?  0, or -1 with its status in ${f}.
 */
int bk_origin_end(struct bk_origin *o, struct bk_fault *f);

void bk_origin_release(struct bk_origin *o);

#endif
