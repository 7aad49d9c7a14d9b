/*
 * Speaking to the supervisor over its socket, STATE/socket: one JSON line
 * asks, JSON lines answer.
 */
#ifndef BK_ASK_H
#define BK_ASK_H

#include <jansson.h>

#include "buf.h"
#include "ctx.h"
#include "fault.h"

#define BK_ASK_SOCKET "socket"		/* in the state directory */
#define BK_ASK_LINE 65536		/* the longest line */
#define BK_ASK_ALONE 1			/* no supervisor is there */
#define BK_ASK_TIMEOUT 2

struct bk_ask {
	int fd;
	struct bk_buf in;
};

#define BK_ASK_INIT { -1, BK_BUF_INIT(BK_ASK_LINE) }

/*
 * Connect to the supervisor whose state directory is ${state}, and ask
 * ${what}.  0; BK_ASK_ALONE where nobody listens; -1 with ${f} set (77 where
 * the socket refuses us, 69).  Release ${a} after each.
 */
int bk_ask_open(struct bk_ask *a, const char *state, const json_t *what,
    struct bk_fault *f);
void bk_ask_release(struct bk_ask *a);

/*
 * The next line, waited for until ctx->mono() is ${until} (0: for ever):
 * *${o} is a new reference.  0; BK_ASK_TIMEOUT; -1 with ${f} set (69 where the
 * supervisor went away, 65 for what is no object).
 */
int bk_ask_next(struct bk_ask *a, const struct bk_ctx *ctx, int64_t until,
    json_t **o, struct bk_fault *f);

#endif
