/*
 * Is a Redis server using this directory?  A server reads its files when it
 * starts and by default writes them when it stops (redis.io, SHUTDOWN), so
 * what is put beside a running one is lost.
 *
 * It changes into its directory ("dir"; redis 7.0, config.c), so that it is
 * found there (alive.h).
 */
#include "alive.h"
#include "redis.h"

/* Look at all processes: 0, or -1 with ${f} set. */
static int
look_around(const char *dir, bool asked, struct bk_fault *f)
{
	static const char *const names[] = { "redis-server",
		"valkey-server", "keydb-server", NULL };
	struct bk_alive a;
	int rc;

	if ((rc = bk_alive_in(dir, names, &a, f)) == -1)
		return -1;
	if (rc == BK_ALIVE_BLIND)
		return asked ? 0 : bk_fault_set(f, BK_NOPERM,
		    "cannot see whether a server runs; name it with ?server=");
	if (a.pid[0] != '\0')
		return bk_fault_set(f, BK_BUSY,
		    "a server (process %s) runs in '%s' and would save over it: stop it first",
		    a.pid, dir);
	if (a.hidden[0] != '\0' && !asked)
		return bk_fault_set(f, BK_NOPERM,
		    "cannot see whether the server with process id %s runs in '%s': name it with ?server=, or be its user",
		    a.hidden, dir);
	return 0;
}

int
bk_redis_stopped(const struct bk_ctx *ctx, const char *dir, const char *server,
    struct bk_fault *f)
{
	struct bk_redis_at at = { .port = BK_REDIS_PORT };
	int rc;

	if (look_around(dir, server != NULL, f) == -1)
		return -1;
	if (server == NULL)
		return 0;
	if (bk_redis_at_parse(server, &at, f) == -1 ||
	    (rc = bk_redis_listens(ctx, &at, f)) == -1)
		return -1;
	return rc == 1 ? 0 : bk_fault_set(f, BK_BUSY,
	    "the server '%s' runs and would save over the restored files: stop it first",
	    server);
}
