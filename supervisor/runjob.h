/* One job of a run. */
#ifndef BK_RUNJOB_H
#define BK_RUNJOB_H

#include "run.h"

int bk_runjob_open(struct bk_runjob *j, struct bk_run *r,
    const struct bk_job *job, struct bk_fault *f);
void bk_runjob_close(struct bk_runjob *j);

/*
 * Carry it out, whole: lock, only-if, before, hold, pipelines, always,
 * ledger, report, prune, hooks.  Returns the exit status: 0 also for
 * unchanged and skipped, 75 where a run of the job is under way, 1 where the
 * backup stands and something after it failed.
 */
int bk_runjob_run(struct bk_runjob *j);

#endif
