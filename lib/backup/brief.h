/*
 * What retention wants to know of a record, without the record: from a line
 * of a list snapshot it is picked out of the text, which is ten times as fast
 * as building the object.  A line that is not plain, or of a later version,
 * is read as a whole.
 */
#ifndef BK_BRIEF_H
#define BK_BRIEF_H

#include "jsonpick.h"
#include "names.h"
#include "record.h"
#include "retain.h"
#include "store.h"
#include "ulid.h"

struct bk_brief {
	char id[BK_ULID_LEN + 1];
	char parent[BK_ULID_LEN + 1];	/* "" for none */
	char name[BK_NAME_MAX + 1];
	char key[BK_KEY_MAX + 1];	/* "" where it is not known */
	int64_t time;			/* ms */
	uint64_t bytes, stored;		/* of the source, of the payload */
	unsigned int flags;		/* BK_RETAIN_* of retain.h */
	const char *source;		/* JSON text of an object, or NULL */
	size_t source_len;
	const struct bk_record *rec;	/* as a whole; NULL: it was not built */
};

/*
 * Pick ${b}, and the array of notes, out of a line of a snapshot.  Its texts
 * are checked as those of a record are, and that its key follows from them up
 * to the suffixes.  0, or -1: read it as a whole.
 */
int bk_brief_pick(const char *line, size_t n, struct bk_brief *b,
    struct bk_json_part *notes);

/*
 * What retention wants to know of a whole ${rec}; borrows its texts.  The
 * payload is taken to be there, and "source" is left out.
 */
struct bk_retain_in bk_retain_of(const struct bk_record *rec);

/* The same from a whole record, which is borrowed; source is left out. */
void bk_brief_of(const struct bk_record *rec, struct bk_brief *b);

#endif
