/*
 * The parts of the redis engine: what the URL means and the two kinds of dump
 * (redis.c), talking to the server (redisconn.c, redistls.c), its saves (redissave.c),
 * the replication stream (redissync.c), append-only files (redisaof.c), restores
 * (redisback.c), which want the server stopped (redisalive.c).
 */
#ifndef BK_REDIS_H
#define BK_REDIS_H

#include <sys/stat.h>

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "engine.h"

#define BK_REDIS_PORT 6379

/* Did the RDB file that ${m} (of bk_marks_rdb) has seen carry no CRC? */
bool bk_marks_rdb_unsummed(const struct bk_marks *m);

/* ---- talking to the server (redis.io, "Redis serialization protocol") ---- */

struct bk_redis_at {
	char host[256];			/* "" with a socket */
	int port;
	char socket[108];		/* path, or "" */
	char user[256];			/* ACL user, or "" */
	bool tls;			/* with these files, NULL: none */
	const char *ca, *cert, *key;
};

struct bk_redis;			/* a connection */

/*
 * Read "[USER@]HOST[:PORT]" or "/SOCKET" into ${at}.  0 or -1 (64).
 */
int bk_redis_at_parse(const char *text, struct bk_redis_at *at,
    struct bk_fault *f);

/*
 * Connect and log in with ${pw} (may be empty).  NULL with ${f} set: 69, 77.
 * ${deadline} by ctx->mono(), 0: none, holds for all that follows (65,
 * "timeout"); a server that says nothing for a minute is given up (69).
 */
struct bk_redis *bk_redis_connect(const struct bk_ctx *ctx,
    const struct bk_redis_at *at, const struct bk_buf *pw, int64_t deadline,
    struct bk_fault *f);
void bk_redis_free(struct bk_redis *c);

/* Does anybody accept connections at ${at}?  0 yes, 1 no, -1 cannot tell. */
int bk_redis_listens(const struct bk_ctx *ctx, const struct bk_redis_at *at,
    struct bk_fault *f);

/* How the server is called in messages. */
const char *bk_redis_name(const struct bk_redis *c);

/*
 * Send the words of ${argv} (NULL-ended) and read the reply into ${reply},
 * members of an array on lines.  0; BK_REDIS_REFUSED with the server's words;
 * or -1 with ${f} set.
 */
#define BK_REDIS_REFUSED 1
int bk_redis_ask(struct bk_redis *c, const char *const *argv,
    struct bk_buf *reply, struct bk_fault *f);

/* Set ${f} from the server's refusal of ${command}.  Returns -1. */
int bk_redis_refused(const struct bk_redis *c, const char *command,
    const char *said, struct bk_fault *f);

/* As bk_redis_ask for one to three words; a refusal is a fault. */
int bk_redis_do(struct bk_redis *c, const char *command, const char *a,
    const char *b, struct bk_buf *reply, struct bk_fault *f);

/* The server may think as long as it wants (but for the deadline). */
void bk_redis_patient(struct bk_redis *c, bool patient);

/* Send without waiting; read a line, or some bytes (at most ${max}). */
int bk_redis_send(struct bk_redis *c, const char *const *argv,
    struct bk_fault *f);
int bk_redis_line(struct bk_redis *c, struct bk_buf *line, struct bk_fault *f);
int bk_redis_bytes(struct bk_redis *c, uint64_t max, const void **p, size_t *n,
    struct bk_fault *f);

/* ---- dumps ---- */

/*
 * What INFO says of ${field} ("role"), into ${out}; false if it says nothing.
 */
bool bk_redis_field(const char *info, const char *field, char *out,
    size_t size);

/*
 * The answer to INFO into ${info}, looked at: a server that is loading or,
 * unless ${stale}, a replica whose link is down is refused (69).
 */
int bk_redis_look(struct bk_redis *c, bool stale, struct bk_buf *info,
    struct bk_fault *f);

/* Wait until no save runs. */
int bk_redis_wait(const struct bk_dump_req *req, struct bk_redis *c,
    struct bk_buf *info, struct bk_fault *f);

/* Have the server save, "bg" or "fg", and say that it went well. */
int bk_redis_save(const struct bk_dump_req *req, struct bk_redis *c,
    const char *how, struct bk_buf *info, struct bk_fault *f);

/* The whole replication transfer to ${sink}: an RDB file. */
int bk_redis_sync(struct bk_redis *c, bk_sink_fn *sink, void *arg,
    struct bk_fault *f);

/* Append-only files: the directory at ${path} as tar. */
struct bk_aof;

struct bk_aof *bk_aof_open(const char *path, uint64_t *estimate,
    struct bk_fault *f);
int bk_aof_read(struct bk_aof *a, bk_sink_fn *sink, void *arg,
    struct bk_fault *f);
void bk_aof_free(struct bk_aof *a);

/* ustar header of a member (POSIX.1-2017, pax, "ustar Interchange Format"). */
#define BK_AOF_BLOCK 512
void bk_aof_header(uint8_t h[BK_AOF_BLOCK], const char *name,
    const struct stat *st, uint64_t size, char type);

/* ---- restores ---- */

/*
 * Does no server run in directory ${dir}, and none where ${server} (may be
 * NULL) says?  0, or -1 with ${f} set: 75 one runs; 77 cannot be seen.
 */
int bk_redis_stopped(const struct bk_ctx *ctx, const char *dir,
    const char *server, struct bk_fault *f);

int bk_redis_restore_open(struct bk_restore *r, struct bk_fault *f);
int bk_redis_restore_write(struct bk_restore *r, const void *p, size_t n,
    struct bk_fault *f);
int bk_redis_restore_commit(struct bk_restore *r, int fd, struct bk_fault *f);
void bk_redis_restore_close(struct bk_restore *r);

#endif
