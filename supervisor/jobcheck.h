/*
 * What a schedule may not say although each of its words is right.
 */
#ifndef BK_JOBCHECK_H
#define BK_JOBCHECK_H

#include "job.h"

/*
 * Are the words of "keep" rules of bk-prune, and nothing that has it delete
 * otherwise ("--all", "--id"), elsewhere ("--name", a store) or not at all
 * ("--dry-run")?  The arguments of the rules are bk-prune's to judge.  0, or
 * -1 with ${f} set (78).
 */
int bk_job_keep_ok(const struct bk_words *keep, struct bk_fault *f);

/*
 * Have no two jobs backups of one name in one store, from two sources?
 * Restoring one of them would bring back what the other has stored.  Those
 * that say --shared or --group-by mean it.  0, or -1 with ${f} set (78).
 */
int bk_jobs_apart(const struct bk_jobs *all, struct bk_fault *f);

#endif
