#include <string.h>

#include "base.h"
#include "json.h"
#include "pglsn.h"
#include "retain.h"
#include "when.h"

bool
bk_base_is(const struct bk_record *r)
{
	return r->version == 1 && strcmp(r->engine, BK_ENGINE_BASE) == 0;
}

bool
bk_base_alone(const struct bk_record *r)
{
	const char *wal = bk_json_get_text(json_object_get(r->json, "info"),
	    "wal");

	return wal != NULL && strcmp(wal, "included") == 0;
}

bool
bk_base_good(const struct bk_record *r)
{
	const char *proof = bk_json_get_text(json_object_get(r->json, "info"),
	    "proof");

	return r->version == 1 && bk_json_get_text(r->json, "suspect") == NULL &&
	    (json_object_get(r->json, "good") != NULL ||
	    proof == NULL || strcmp(proof, "none") != 0);
}

int64_t
bk_base_moment(const struct bk_record *r)
{
	const char *stop = bk_json_get_text(json_object_get(r->json, "info"),
	    "stop-time");
	struct bk_fault quiet = BK_FAULT_INIT;
	int64_t t;

	return bk_base_is(r) && stop != NULL &&
	    bk_time_parse(stop, &t, &quiet) == 0 ? t : r->time;
}

int
bk_base_place(const struct bk_record *r, struct bk_walpath_from *from,
    struct bk_fault *f)
{
	const json_t *info = json_object_get(r->json, "info");
	const char *start = bk_json_get_text(info, "start-lsn");
	const char *stop = bk_json_get_text(info, "stop-lsn");
	const char *system = bk_json_get_text(info, "system");
	const char *last = bk_json_get_text(info, "stop-wal");
	int64_t tli = bk_json_get_int(info, "timeline");
	int64_t bytes = bk_json_get_int(info, "wal-segment-bytes");
	struct bk_wal_name n;

	if (start == NULL || stop == NULL || system == NULL || tli < 1 ||
	    tli > UINT32_MAX || bytes < 1 || !bk_wal_bytes_ok((uint64_t)bytes) ||
	    bk_pglsn_parse(start, &from->start) == -1 ||
	    bk_pglsn_parse(stop, &from->stop) == -1 ||
	    from->stop < from->start ||
	    !bk_wal_system_parse(system, &from->system))
		return bk_fault_set(f, BK_DATA,
		    "backup %s does not say where in the log it stands", r->id);
	from->tli = from->end_tli = (uint32_t)tli;
	if (last != NULL && bk_wal_name_parse(last, &n) && n.tli > from->tli)
		from->end_tli = n.tli;
	from->segment = (uint32_t)bytes;
	return 0;
}
