/*
 * The store side of bk-spool: how one file is uploaded.
 */
#ifndef BK_SPOOLPUT_H
#define BK_SPOOLPUT_H

#include "codec.h"
#include "record.h"
#include "spooldir.h"
#include "store.h"

#define BK_SPOOL_GONE 1			/* the file went: nothing to do */
#define BK_SPOOL_LEFT 2			/* it cannot be uploaded as it is */

/*
 * A way to upload.  send: 0 ${file} is durable in the store; BK_SPOOL_GONE;
 * BK_SPOOL_LEFT with ${f} set for a reason that lies in the file, so that the
 * next one is tried; -1 with ${f} set for one that lies in the store.
 */
struct bk_spool_way {
	int (*send)(void *arg, struct bk_spooldir *d,
	    const struct bk_spool_file *file, struct bk_fault *f);
	/*
	 * What is to be done besides, at the latest at *${due} (ms, by
	 * bk_ctx->mono) again.  0, or -1 with ${f} set for a reason that lies in
	 * the store.  NULL: nothing.
	 */
	int (*tick)(void *arg, struct bk_spooldir *d, int64_t *due,
	    struct bk_fault *f);
	void (*free)(void *arg);	/* accepts NULL */
};

/* Uploading as backups, each with its record. */
struct bk_spool_put {
	const char *url;
	struct bk_store_opts store;
	const char *name, *engine, *ext;	/* or NULL: by the file's name */
	json_t *tags;
	const struct bk_codec_format *codec;	/* or NULL */
	int level;
	bool on_close;			/* nothing proves that files are whole */
	struct bk_records_out *out;
	struct bk_store *s;		/* NULL until wanted */
	struct bk_fault told;		/* what became of writing to ${out} */
};

extern const struct bk_spool_way bk_spool_put;

#endif
