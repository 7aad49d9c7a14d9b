/*
 * What a base backup's record says of the log (pgbase.h).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "buf.h"
#include "json.h"
#include "pgbase.h"
#include "pglsn.h"
#include "when.h"

#define REQUIRES_MAX 4096

int
bk_pgspan_note_start(const struct bk_pgspan *s, json_t *info,
    struct bk_fault *f)
{
	char lsn[BK_PGLSN_TEXT], seg[BK_PGSEG_NAME];

	return bk_json_set(info, "timeline", json_integer(s->tli), f) == -1 ||
	    bk_json_set_text(info, "start-lsn", bk_pglsn_text(s->start, lsn),
	    f) == -1 || bk_json_set_text(info, "start-wal",
	    bk_pgseg_name(s->tli, s->start, s->segment, seg), f) == -1 ? -1 : 0;
}

int
bk_pgspan_note_end(const struct bk_pgspan *s, int64_t when, bool standby,
    json_t *info, struct bk_fault *f)
{
	char lsn[BK_PGLSN_TEXT], seg[BK_PGSEG_NAME], text[BK_TIME_LEN];

	return bk_json_set_text(info, "stop-lsn", bk_pglsn_text(s->stop, lsn),
	    f) == -1 || bk_json_set_text(info, "stop-wal",
	    bk_pgseg_name(s->end_tli, s->stop - 1, s->segment, seg), f) == -1 ||
	    bk_json_set_text(info, "stop-time", bk_time_text(when, text),
	    f) == -1 ||
	    bk_json_set(info, "from-standby", json_boolean(standby), f) == -1 ?
	    -1 : 0;
}

/* A file of the log that must be in the store. */
static int
require(json_t *list, const char *system, uint32_t tli, const char *file,
    struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(256);
	int rc = -1;

	if (bk_buf_addf(&b, f, "%s/%08" PRIX32 "/%s-", system, tli, file) == 0)
		rc = bk_json_push(list, json_string(bk_buf_text(&b)), f);
	bk_buf_release(&b);
	return rc;
}

/*
 * The segments from ${from} up to ${to}, which is not of it.  Of very many the
 * last ones: the archiver pushes them in order.
 */
static int
require_range(json_t *list, const struct bk_pgspan *s, uint32_t tli, uint64_t from,
    uint64_t to, struct bk_fault *f)
{
	char name[BK_PGSEG_NAME];
	uint64_t i = from / s->segment, last = (to - 1) / s->segment;

	if (tli > 1) {
		snprintf(name, sizeof(name), "%08" PRIX32 ".history", tli);
		if (require(list, s->system, tli, name, f) == -1)
			return -1;
	}
	if (last >= i + REQUIRES_MAX)
		i = last - REQUIRES_MAX + 1;
	for (; i <= last; i++)
		if (require(list, s->system, tli, bk_pgseg_name(tli,
		    i * s->segment, s->segment, name), f) == -1)
			return -1;
	return 0;
}

/* The range that a manifest has in one object. */
static int
require_object(json_t *list, const struct bk_pgspan *s, const json_t *o,
    struct bk_fault *f)
{
	const char *from = bk_json_get_text(o, "Start-LSN");
	const char *to = bk_json_get_text(o, "End-LSN");
	int64_t tli = bk_json_get_int(o, "Timeline");
	uint64_t start, stop;

	if (from == NULL || to == NULL || tli < 1 || tli > UINT32_MAX ||
	    bk_pglsn_parse(from, &start) == -1 ||
	    bk_pglsn_parse(to, &stop) == -1 || stop <= start)
		return bk_fault_set(f, BK_DATA,
		    "backup manifest: a bad range of the log");
	return require_range(list, s, (uint32_t)tli, start, stop, f);
}

int
bk_pgspan_requires(const struct bk_pgspan *s, const json_t *ranges,
    json_t **out, struct bk_fault *f)
{
	json_t *o, *list = json_array();
	size_t i;
	int rc = 0;

	if ((*out = list) == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "base backup");
	json_array_foreach(ranges, i, o)
		if (rc == 0)
			rc = require_object(list, s, o, f);
	if (rc == -1 || i > 0)
		return rc;
	if (s->tli == s->end_tli)
		return require_range(list, s, s->tli, s->start, s->stop, f);
	return require_range(list, s, s->tli, s->start, s->start + 1, f) == -1 ?
	    -1 : require_range(list, s, s->end_tli, s->stop - 1, s->stop, f);
}
