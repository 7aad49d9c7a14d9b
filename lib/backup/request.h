/*
 * Requests: "back up now", asked for by way of the store (DESIGN, 9).  A
 * request names a job of the schedule file of whoever claims it and carries no
 * command; it is claimed by a create-only write, once, and answered there.
 *
 *   .bk/request/<ulid>.json         {"bk":"request/1","id","job","time","host"}
 *   .bk/request/<ulid>.claim.json   {"bk":"request-claim/1","host","run","time"}
 *   .bk/request/<ulid>.answer.json  {"bk":"request-answer/1","outcome",
 *                                    "status","message","ids":[…],"time"}
 *
 * The ULID is of the store's clock.  Requests older than a week are removed
 * by who claims.
 */
#ifndef BK_REQUEST_H
#define BK_REQUEST_H

#include <jansson.h>

#include "ctx.h"
#include "names.h"
#include "state.h"
#include "store.h"
#include "ulid.h"

#define BK_REQUEST_OLD (7 * 24 * 3600 * INT64_C(1000))

struct bk_request {
	char id[BK_ULID_LEN + 1];
	char job[BK_NAME_MAX + 1];
	json_t *json;			/* owned; members as above */
};

#define BK_REQUEST_INIT { "", "", NULL }

void bk_request_release(struct bk_request *r);

/*
 * Is the store fit for requests: is create-only honoured there?  0, or -1
 * with ${f} set (78 where it is not).  May ask the server.
 */
int bk_request_fit(struct bk_store *s, struct bk_fault *f);

/*
 * Ask for a run of ${job}; ${r} is what was written.  0, or -1 with ${f} set:
 * 64 for what is no name, 78 as above.
 */
int bk_request_make(const struct bk_ctx *ctx, struct bk_store *s,
    const char *job, struct bk_request *r, struct bk_fault *f);

/*
 * Claim the oldest open request that names one of ${jobs} (NULL-ended), for
 * run ${run} of this host.  0 with ${r} filled; BK_ABSENT where there is none;
 * -1 with ${f} set (78 as above).  What is no request is logged and passed
 * over.
 */
int bk_request_claim(const struct bk_ctx *ctx, struct bk_store *s,
    const char *const *jobs, const char *run, struct bk_request *r,
    struct bk_fault *f);

struct bk_answer {
	enum bk_outcome outcome;
	int status;			/* exit status of the run */
	const char *message;		/* or NULL */
	const char *const *ids;		/* of the backups, NULL-ended, or NULL */
};

/*
 * Answer request ${id}.  0, or -1 with ${f} set: 66 no such request, 73 it
 * was answered.
 */
int bk_request_answer(const struct bk_ctx *ctx, struct bk_store *s,
    const char *id, const struct bk_answer *a, struct bk_fault *f);

/* What became of request ${id}. */
enum bk_request_state {
	BK_REQUEST_OPEN,
	BK_REQUEST_CLAIMED,
	BK_REQUEST_ANSWERED
};

/*
 * The answer, or else the claim, as a new reference in *${o}; NULL while it is
 * open.  enum bk_request_state, or -1 with ${f} set.
 */
int bk_request_look(struct bk_store *s, const char *id, json_t **o,
    struct bk_fault *f);

#endif
