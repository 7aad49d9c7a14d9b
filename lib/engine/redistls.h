/*
 * TLS over a connected socket that does not block.
 */
#ifndef BK_REDISTLS_H
#define BK_REDISTLS_H

#include <sys/types.h>

#include "redis.h"

struct bk_redis_tls;

/*
 * For ${fd}, which stays the caller's, with the host and the files of ${at}.
 * NULL with ${f} set (78 for the files).
 */
struct bk_redis_tls *bk_redis_tls_new(int fd, const struct bk_redis_at *at,
    struct bk_fault *f);
void bk_redis_tls_free(struct bk_redis_tls *t);

/*
 * Handshake (> 0: done), read, write (bytes done; 0: the end).  A BK_TLS_WANT
 * answer: wait and call again; -1 with ${f} set: 77 a certificate that is not
 * accepted, 69.  ${name} is the server's in messages.
 */
#define BK_TLS_WANT_READ (-2)
#define BK_TLS_WANT_WRITE (-3)
ssize_t bk_redis_tls_begin(struct bk_redis_tls *t, const char *name,
    struct bk_fault *f);
ssize_t bk_redis_tls_read(struct bk_redis_tls *t, void *p, size_t n,
    const char *name, struct bk_fault *f);
ssize_t bk_redis_tls_write(struct bk_redis_tls *t, const void *p, size_t n,
    const char *name, struct bk_fault *f);

#endif
