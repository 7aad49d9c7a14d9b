/*
 * What a Redis server says about itself (redis.io, INFO) and its saves.
 *
 * Facts (redis 7.0, rdb.c): a save writes a temporary file and renames it, so
 * that a file under its name is whole; rdb_bgsave_in_progress is 1 as soon as
 * BGSAVE has answered; rdb_last_bgsave_status is that of the last one.  SAVE
 * blocks the server and answers when it is done.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "redis.h"

#define STEP_MS 50
#define STEP_MAX_MS 1000

bool
bk_redis_field(const char *info, const char *field, char *out, size_t size)
{
	size_t n = strlen(field), len;
	const char *p;

	for (p = info; p != NULL && *p != '\0'; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, field, n) != 0 || p[n] != ':')
			continue;
		len = strcspn(p + n + 1, "\r\n");
		snprintf(out, size, "%.*s", (int)(len < size ? len : size - 1),
		    p + n + 1);
		return true;
	}
	return false;
}

static bool
is(const char *info, const char *field, const char *value)
{
	char found[64];

	return bk_redis_field(info, field, found, sizeof(found)) &&
	    strcmp(found, value) == 0;
}

int
bk_redis_look(struct bk_redis *c, bool stale, struct bk_buf *info,
    struct bk_fault *f)
{
	const char *text;

	if (bk_redis_do(c, "info", NULL, NULL, info, f) == -1)
		return -1;
	text = bk_buf_text(info);
	if (is(text, "loading", "1"))
		return bk_fault_set(f, BK_UNAVAILABLE,
		    "'%s' is still loading its data", bk_redis_name(c));
	if (!stale && is(text, "role", "slave") &&
	    !is(text, "master_link_status", "up"))
		return bk_fault_set(f, BK_UNAVAILABLE,
		    "'%s' is a replica without link to its primary: its data are of the past",
		    bk_redis_name(c));
	return 0;
}

int
bk_redis_wait(const struct bk_dump_req *req, struct bk_redis *c,
    struct bk_buf *info, struct bk_fault *f)
{
	int ms = STEP_MS;

	for (;;) {
		if (bk_redis_do(c, "info", "persistence", NULL, info, f) == -1)
			return -1;
		if (is(bk_buf_text(info), "rdb_bgsave_in_progress", "0"))
			return 0;
		if (req->deadline != 0 && req->ctx->mono() >= req->deadline)
			return bk_fault_set(f, BK_DATA, "timeout");
		(void)poll(NULL, 0, ms);
		ms = ms * 2 < STEP_MAX_MS ? ms * 2 : STEP_MAX_MS;
	}
}

/* BGSAVE, as soon as no other child of the server runs. */
static int
begin_bg(const struct bk_dump_req *req, struct bk_redis *c,
    struct bk_buf *said, struct bk_fault *f)
{
	static const char *const bgsave[] = { "BGSAVE", NULL };
	int rc;

	for (;;) {
		if (bk_redis_wait(req, c, said, f) == -1)
			return -1;
		if ((rc = bk_redis_ask(c, bgsave, said, f)) <= 0)
			return rc;
		if (strstr(bk_buf_text(said), "in progress") == NULL &&
		    strstr(bk_buf_text(said), "child process") == NULL)
			return bk_redis_refused(c, "bgsave", bk_buf_text(said),
			    f);
		(void)poll(NULL, 0, STEP_MAX_MS / 2);
		if (req->deadline != 0 && req->ctx->mono() >= req->deadline)
			return bk_fault_set(f, BK_DATA, "timeout");
	}
}

int
bk_redis_save(const struct bk_dump_req *req, struct bk_redis *c,
    const char *how, struct bk_buf *info, struct bk_fault *f)
{
	int rc;

	if (strcmp(how, "fg") == 0) {
		if (bk_redis_wait(req, c, info, f) == -1)
			return -1;
		bk_redis_patient(c, true);
		rc = bk_redis_do(c, "save", NULL, NULL, info, f);
		bk_redis_patient(c, false);
		return rc;
	}
	if (begin_bg(req, c, info, f) == -1 ||
	    bk_redis_wait(req, c, info, f) == -1)
		return -1;
	if (is(bk_buf_text(info), "rdb_last_bgsave_status", "ok"))
		return 0;
	return bk_fault_set(f, BK_DATA,
	    "'%s': its background save failed; its log tells why",
	    bk_redis_name(c));
}
