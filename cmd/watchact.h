/*
 * What bk-watch does about a change but print it: run a command, or raise a
 * flag.  Lines wait here, one for each path at most, until that went well.
 */
#ifndef BK_WATCHACT_H
#define BK_WATCHACT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "fault.h"

struct bk_act;

/*
 * For ${paths} paths: run ${command} (argv, ended by NULL) with the lines as
 * its standard input, or else write them to the file ${flag}.  Both are
 * borrowed.  NULL with ${f} set.
 */
struct bk_act *bk_act_new(size_t paths, const char *const *command,
    const char *flag, struct bk_fault *f);

/* Path number ${path} has changed; ${line} is taken. */
void bk_act_add(struct bk_act *a, size_t path, json_t *line);

/*
 * See whether the command has ended, and act where something waits: at once
 * if it is new, else when the wait after a failure is over.  ${now} is in ms
 * of a clock that never goes back.  -1 with ${f} set: the command cannot be
 * started, or the very first flag not be raised.
 */
int bk_act_step(struct bk_act *a, int64_t now, struct bk_fault *f);

/* When to step without an event; INT64_MAX: never. */
int64_t bk_act_due(const struct bk_act *a);

/* Ends the command if it runs.  Accepts NULL. */
void bk_act_free(struct bk_act *a);

#endif
