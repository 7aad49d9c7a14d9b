/* The programs that a run starts, carried out here by the libraries. */
#ifndef BK_TEST_MONTHTOOL_H
#define BK_TEST_MONTHTOOL_H

#include "ctx.h"
#include "month.h"
#include "record.h"
#include "store.h"

void tool_begin(int number);		/* a directory of its own below tap_dir() */
const char *tool_path(const char *name);	/* in it */

/* The program that ${argv} is to run, behind bk-child; "alarm" for a shell. */
const char *tool_name(char *const *argv);
const char *tool_option(char *const *argv, const char *option);

/* bk-prune, bk-report, bk-fresh, or an alarm.  A wait status. */
int tool_run(const struct bk_ctx *ctx, struct bk_store *s, bool store_up,
    int out, char *const *argv, char *const *env);

/* Commit ${content} as a backup of ${name}.  0 or -1. */
int tool_store(const struct bk_ctx *ctx, struct bk_store *s, bool store_up,
    const char *name, int64_t content, struct bk_record *rec,
    struct bk_fault *f);

/* Read the ledger from ${from} on; how far it was read. */
long tool_ledger(const struct month *m, const char *path, long from,
    struct month_out *out);

/* Prune once more, take over the alarms; how often a newest good one went. */
int tool_end(const struct bk_ctx *ctx, struct bk_store *s,
    const struct month *m, struct month_out *out);

#endif
