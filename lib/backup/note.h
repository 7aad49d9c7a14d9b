/*
 * Notes: what changes about a backup after its manifest was written (DESIGN,
 * 4).  A note is one small object under
 * .bk/manifest/<name>/<id>.<ulid>.json, created only, never changed:
 *
 *   {"bk":"note/1","id":"<backup>","time":"…","set":{"tier":"app"},
 *    "unset":["old"],"hold":"why"|null,"suspect":"why"|null,"good":true}
 *
 * Notes are merged in order of their ulid.  "set" and "unset" change tags,
 * "hold" sets or (null) releases it, "suspect" marks, "good" accepts a
 * suspect.  A merged record has "tags" changed, and members "hold",
 * "suspect", "good" where they are set.
 */
#ifndef BK_NOTE_H
#define BK_NOTE_H

#include <jansson.h>

#include "ctx.h"
#include "fault.h"
#include "record.h"
#include "store.h"

/*
 * Write ${note} (members as above without bk, id, time; borrowed) for the
 * backup of ${rec} into ${s}, and merge it into ${rec}.  The manifest must
 * exist (66).  0 or -1.
 */
int bk_note_write(const struct bk_ctx *ctx, struct bk_store *s,
    struct bk_record *rec, const json_t *note, struct bk_fault *f);

/* Merge a note that was read; unknown members are kept out.  0 or -1 (65). */
int bk_note_merge(struct bk_record *rec, const json_t *note,
    struct bk_fault *f);

#endif
