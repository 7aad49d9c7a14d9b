/*
 * The claim's name is a ULID of the store's clock: bk-prune --sweep takes its
 * age from there.
 */
#include <string.h>

#include "claim.h"
#include "json.h"
#include "ulid.h"
#include "when.h"

#define CLAIM_MAX 65536

int
bk_claim_write(const struct bk_ctx *ctx, struct bk_store *s, const char *key,
    struct bk_claim *c, struct bk_fault *f)
{
	struct bk_buf text = BK_BUF_INIT(CLAIM_MAX), name = BK_BUF_INIT(sizeof(c->key));
	char id[BK_ULID_LEN + 1], when[BK_TIME_LEN];
	json_t *o = NULL;
	int rc = -1;

	if (bk_store_now(ctx, s, &c->time, f) == -1 ||
	    bk_ulid_new(c->time, id, f) == -1 ||
	    bk_buf_addf(&name, f, ".bk/claim/%s.json", id) == -1)
		goto out;
	if ((o = json_pack("{s:s, s:s, s:s, s:[s]}", "bk", "claim/1", "time",
	    bk_time_text(c->time, when), "host", ctx->host, "keys", key)) == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		goto out;
	}
	if (bk_json_text(o, &text, f) == -1 || bk_buf_adds(&text, "\n", f) == -1)
		goto out;
	rc = bk_store_put_small(s, name.p, text.p, text.len, BK_PUT_NEW, f);
	if (rc == BK_EXISTS)
		rc = bk_fault_set(f, BK_CANTCREATE, "'%s' is there already", name.p);
	else if (rc == 0)
		memcpy(c->key, name.p, name.len + 1);
out:
	json_decref(o);
	bk_buf_release(&text);
	bk_buf_release(&name);
	return rc;
}

int
bk_claim_check(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_claim *c, struct bk_fault *f)
{
	int64_t now;

	if (bk_store_now(ctx, s, &now, f) == -1)
		return -1;
	if (now - c->time <= BK_CLAIM_MS)
		return 0;
	return bk_fault_set(f, BK_DATA,
	    "the copy was begun more than 6 days ago and can no longer be committed");
}

void
bk_claim_drop(const struct bk_ctx *ctx, struct bk_store *s,
    struct bk_claim *c)
{
	const char *keys[] = { c->key };
	struct bk_fault f = BK_FAULT_INIT;

	if (c->key[0] != '\0' && bk_store_remove(s, keys, 1, &f) == -1)
		ctx->log(BK_LOG_WARN, "the claim '%s' stays: %s", c->key, f.text);
	c->key[0] = '\0';
}
