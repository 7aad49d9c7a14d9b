/* What a backup requires, looked for in a store. */
#include <stdio.h>
#include <string.h>

#include "hooked.h"
#include "json.h"
#include "requires.h"
#include "samples.h"
#include "tap.h"

#define SEG(tli, n) "app/wal/7/0000000" #tli "/0000000" #tli \
	"000000000000000" #n "-"
#define HASH "0123456789abcdef"

static int64_t clock_ms;
static int looks;

static int64_t
mono(void)
{
	looks++;
	return clock_ms += 100;
}

int
main(void)
{
	struct bk_ctx ctx = tap_ctx;
	struct bk_store *s = hooked_open("requires");
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_requires *n;
	const char *missing = NULL;
	json_t *list = quoted("{'l':['" SEG(2, 5) "','" SEG(1, 3) "','" SEG(1, 2)
	    "','app/wal/7/00000002/00000002.history-','" SEG(1, 2) "']}");
	json_t *l = json_object_get(list, "l");

	ctx.mono = mono;
	ok(bk_requires_new(NULL, "app", &n, &f) == 0 && n == NULL, "none");
	ok(bk_requires_new(l, "other", &n, &f) == -1 && f.status == BK_DATA,
	    "another name's: %s", f.text);
	f = (struct bk_fault)BK_FAULT_INIT;
	ok(bk_requires_new(l, "app", &n, &f) == 0 && n != NULL, "five");

	hooked_put(s, "app/wal/7/00000001/000000010000000000000001-" HASH, "x");
	hooked_put(s, SEG(1, 3) HASH ".zst", "x");
	hooked_put(s, SEG(2, 5) HASH, "x");
	hooked_put(s, SEG(2, 5) "ffffffffffffffff", "x");
	hooked_put(s, "app/wal/7/00000002/00000002.history-" HASH, "x");
	hooked_put(s, "app/wal/7/00000001/000000010000000000000002."
	    "00000028.backup-" HASH, "x");
	hooked_put(s, "app/wal/7/00000001/000000010000000000000002."
	    "partial-" HASH, "x");
	ok_int(bk_requires_look(n, s, false, &missing, &f), 0, "one is missing");
	ok_text(missing, SEG(1, 2), "this one; neither .backup nor .partial do");
	ok_int(bk_requires_wait(&ctx, n, s, 500, &f), -1, "nor does it come");
	ok_int(f.status, BK_DATA, "is 65");
	ok(looks > 2, "looked more than once");
	f = (struct bk_fault)BK_FAULT_INIT;

	hooked_put(s, SEG(1, 2) HASH ".gz", "x");
	ok_int(bk_requires_wait(&ctx, n, s, 500, &f), 0, "it has come");
	(void)bk_store_remove(s, (const char *const[]){ SEG(1, 3) HASH ".zst" }, 1,
	    &f);
	ok_int(bk_requires_look(n, s, false, &missing, &f), 1,
	    "what was found is not looked for again");
	ok_int(bk_requires_look(n, s, true, &missing, &f), 0, "unless asked to");
	ok_text(missing, SEG(1, 3), "and is missed");
	bk_requires_free(n);
	json_decref(list);
	bk_store_close(s);
	return done();
}
