/*
 * Reading the records of PostgreSQL's log far enough to tell when
 * transactions ended, and where restore points are.
 *
 * Bytes of a segment, and of those that follow it, are pushed in order.  A
 * record that begins before the first of them is passed over; what has not
 * ended with the last is not told.  The log ends, as it does for PostgreSQL,
 * at the first page or record that is not what must come there: a segment
 * that is still being written is zeros or an older log from there on.
 */
#ifndef BK_WALREAD_H
#define BK_WALREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "fault.h"
#include "wal.h"

enum bk_wal_what { BK_WAL_COMMIT, BK_WAL_ABORT, BK_WAL_POINT };

struct bk_wal_event {
	enum bk_wal_what what;
	uint64_t lsn;			/* of the record */
	uint64_t end;			/* behind it */
	int64_t time;			/* microseconds since 1970 */
	uint32_t xid;
	char point[64];			/* name of a BK_WAL_POINT */
};

typedef int bk_wal_event_fn(void *arg, const struct bk_wal_event *e,
    struct bk_fault *f);

struct bk_wal_reader;

/* NULL with ${f} set.  ${fn} may be NULL. */
struct bk_wal_reader *bk_wal_reader_new(bk_wal_event_fn *fn, void *arg,
    struct bk_fault *f);
void bk_wal_reader_free(struct bk_wal_reader *r);

/*
 * The next bytes; ${r} is a reader.  A bk_sink_fn: 0, or -1 with ${f} set: 65
 * where the first bytes are no segment, or one of a version whose records
 * this one does not know; ${fn}'s own.
 */
int bk_wal_reader_write(void *r, const void *p, size_t n, struct bk_fault *f);

/* Behind the last good record; 0 where there was none. */
uint64_t bk_wal_reader_end(const struct bk_wal_reader *r);

/* Did the log end within the bytes so far? */
bool bk_wal_reader_ended(const struct bk_wal_reader *r);

/*
 * The last commit of ${run}: from the growing segment behind it, unless it is
 * closed, or its last segments, of which up to ${back} are read.
 * 0, BK_ABSENT where there is none in them, -1.
 */
int bk_wal_last_commit(struct bk_store *s, const char *name,
    const struct bk_wal_run *run, unsigned int back, struct bk_wal_event *e,
    struct bk_fault *f);

#endif
