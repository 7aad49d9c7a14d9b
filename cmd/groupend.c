/*
 * bk-put --group-end reads the records that bk-put printed for the members;
 * one that was stored in several places comes once for each.
 */
#include <string.h>

#include "group.h"
#include "groupend.h"
#include "json.h"
#include "prog.h"
#include "record.h"

static bool
known(const json_t *members, const char *id)
{
	size_t i;

	for (i = 0; i < json_array_size(members); i++)
		if (strcmp(bk_json_get_text(json_array_get(members, i), "id"),
		    id) == 0)
			return true;
	return false;
}

static json_t *
read_members(struct bk_rbuf *r, struct bk_fault *f)
{
	struct bk_records_in *in = bk_records_reader(r, 0, f);
	struct bk_record rec = BK_RECORD_INIT;
	json_t *members = json_array();
	int rc = -1;

	if (in != NULL && members != NULL)
		while ((rc = bk_records_next(in, &rec, f)) == BK_MORE) {
			if (bk_record_current(&rec, f) == -1 ||
			    (!known(members, rec.id) && bk_json_push(members,
			    json_pack("{s:s, s:s}", "name", rec.name, "id",
			    rec.id), f) == -1)) {
				rc = -1;
				break;
			}
			bk_record_release(&rec);
		}
	bk_record_release(&rec);
	bk_records_in_free(in);
	if (rc == BK_END)
		return members;
	(void)bk_fault_set(f, BK_IO, "out of memory");
	json_decref(members);
	return NULL;
}

int
bk_groupend(const char *group, const char *run, struct bk_rbuf *r,
    const char *const *urls, size_t n, const struct bk_store_opts *opts,
    struct bk_fault *f)
{
	json_t *members = read_members(r, f);
	const int64_t now = bk_ctx->now();
	struct bk_store *s;
	size_t i;

	for (i = 0; members != NULL && i < n; i++) {
		struct bk_fault one = BK_FAULT_INIT;

		s = bk_store_open(bk_ctx, urls[i], opts, &one);
		if (s != NULL && bk_group_end(s, group, run, now, members,
		    &one) == 0)
			bk_say(BK_LOG_INFO, "group '%s': run %s is whole in '%s'",
			    group, run, s->url);
		bk_store_close(s);
		if (bk_faulty(&one) && n > 1)
			bk_say(BK_LOG_ERROR, "%s", one.text);
		if (bk_faulty(&one))
			(void)bk_fault_set(f, one.status, "%s", one.text);
	}
	json_decref(members);
	return bk_faulty(f) ? -1 : 0;
}
