#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "io.h"
#include "json.h"
#include "pruneout.h"

#define PIECE 65536

static struct bk_buf pending = BK_BUF_INIT(4 << 20);

int
bk_pruneout_flush(struct bk_fault *f)
{
	int rc = pending.len == 0 ? 0 : bk_write_all(STDOUT_FILENO, pending.p,
	    pending.len, "standard output", f);

	bk_buf_reset(&pending);
	return rc;
}

int
bk_pruneout_line(json_t *o, struct bk_fault *f)
{
	int rc = -1;

	if (o != NULL && bk_json_text(o, &pending, f) == 0 &&
	    bk_buf_adds(&pending, "\n", f) == 0)
		rc = pending.len < PIECE ? 0 : bk_pruneout_flush(f);
	json_decref(o);
	return rc;
}

int
bk_pruneout_log(bool json, const struct bk_wal_gone *g, struct bk_fault *f)
{
	char system[24];

	(void)snprintf(system, sizeof(system), "%" PRIu64, g->system);
	if (json)
		return bk_pruneout_line(json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, "
		    "s:I, s:I, s:[s]}", "log", "delete", "name", g->name,
		    "system", system, "timeline", (json_int_t)g->tli, "first",
		    g->first, "last", g->last, "n", (json_int_t)g->n, "bytes",
		    (json_int_t)g->bytes, "why", "before the oldest base backup"),
		    f);
	return bk_buf_addf(&pending, f, "log     %s  %" PRIu64 " files (%" PRIu64
	    "), %s to %s, before the oldest base backup\n", g->name, g->n,
	    g->bytes, g->first, g->last);
}

void
bk_pruneout_release(void)
{
	bk_buf_release(&pending);
}
