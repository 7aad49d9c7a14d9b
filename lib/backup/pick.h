/*
 * The one record that a program works on (bk-get, bk-restore): from its
 * standard input, or found in a store.
 */
#ifndef BK_PICK_H
#define BK_PICK_H

#include "ctx.h"
#include "io.h"
#include "list.h"
#include "record.h"
#include "store.h"

/*
 * Find exactly one backup in ${s}: ${req} has id, or name with latest or at.
 * 0 with ${rec} filled (release it); -1 with ${f} set: 66 where there is
 * none, naming what other names there are; 64 where several match; 65 where
 * the record is of a later version.
 */
int bk_pick_store(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_list_req *req, struct bk_record *rec, struct bk_fault *f);

/*
 * Read the only record of the list ${in} (opened with BK_RECORDS_ONE).
 * 0 with ${rec}; -1: as bk_records_next.  What bk_records_next says after it
 * (a failed end line) is for the caller, once the record is dealt with.
 */
int bk_pick_input(struct bk_records_in *in, struct bk_record *rec,
    struct bk_fault *f);

#endif
