/*
 * Records (DESIGN, 4): one JSON object for one backup.
 */
#ifndef BK_RECORD_H
#define BK_RECORD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "fault.h"
#include "io.h"
#include "ulid.h"

struct bk_record {
	json_t *json;			/* the object; owned */
	/* Borrowed from ${json}, checked by bk_record_from. */
	const char *id, *name, *engine, *ext, *key, *host;
	const char *sha256;		/* 64 hexadecimal digits */
	const char *store;		/* URL, or NULL inside a store */
	const char *parent;		/* id, or NULL */
	uint64_t bytes;			/* of the stored payload */
	int64_t time, finished;		/* ms */
	unsigned int version;		/* N of backup/N */
};

#define BK_RECORD_INIT { .json = NULL }

/*
 * Make a record of ${json}, whose reference is taken also on a fault.
 * Everything of the grammar is checked: id, name, engine, ext, times, bytes,
 * sha256, filters, tags, and that "key" is the one computed (DESIGN, 4).
 * backup/N with N above 1: version says N, and of the rest only id, name,
 * time and store are taken where they can be understood, for showing.
 * 0, or -1 with ${f} set (65), naming the member.
 */
int bk_record_from(json_t *json, struct bk_record *r, struct bk_fault *f);
void bk_record_release(struct bk_record *r);

/* Set "store" to ${url}, or drop it where ${url} is NULL.  0 or -1. */
int bk_record_set_store(struct bk_record *r, const char *url,
    struct bk_fault *f);

/* Can this record be acted on?  0, or -1 with ${f} set (65): a later version. */
int bk_record_current(const struct bk_record *r, struct bk_fault *f);

/*
 * Append the key of a payload: <name>/<name>-<time>-<id>.<engine>.<ext> and
 * a suffix for each of ${filters}.  0 or -1 (64, 65: a part is out of the
 * grammar, the key too long).
 */
int bk_record_key(struct bk_buf *b, const char *name, int64_t time,
    const char *id, const char *engine, const char *ext,
    const json_t *filters, struct bk_fault *f);

/*
 * The suffix (no dot) that an entry of "filters" gives to a key: its "ext",
 * else that of the codec it names, else its own name.  NULL where the entry
 * is out of the grammar.  Borrowed.
 */
const char *bk_filter_suffix(const json_t *filter);

/* Append ".bk/manifest/<name>/<id>.json". */
int bk_manifest_key(struct bk_buf *b, const char *name, const char *id,
    struct bk_fault *f);

/*
 * Lists of records on a descriptor, ended by an end line (DESIGN, 4).
 */
struct bk_records_in;
struct bk_records_out;

#define BK_RECORDS_NO_END 1U	/* accept a list without end line */
#define BK_RECORDS_ONE 2U	/* one record; no end line needed; a second: 64 */

struct bk_records_in *bk_records_reader(struct bk_rbuf *r, unsigned int flags,
    struct bk_fault *f);
/*
 * BK_MORE with ${rec} (release it); BK_END at a good end; -1 with ${f} set:
 * 66 a good end with no record at all, 65 no end line, or a line that is no
 * record; the status of a failed end line (f->upstream set).
 */
int bk_records_next(struct bk_records_in *in, struct bk_record *rec,
    struct bk_fault *f);
void bk_records_in_free(struct bk_records_in *in);

struct bk_records_out *bk_records_writer(int fd, struct bk_fault *f);
/* Write one record as a line, at once.  0 or -1 (74). */
int bk_records_put(struct bk_records_out *out, const struct bk_record *rec,
    struct bk_fault *f);
/*
 * Write the end line: "ok" where ${why} is no fault, else "failed" with its
 * status; ${unreadable} above 0 is counted in it.  0 or -1 (74).
 */
int bk_records_end(struct bk_records_out *out, const struct bk_fault *why,
    uint64_t unreadable, struct bk_fault *f);
void bk_records_out_free(struct bk_records_out *out);

#endif
