/*
 * bk-probe: what a store lets us do, and how it behaves: can it be read and
 * written, does it honour create-only writes, what does its clock say.  Writes
 * one small object, .bk/probe.json.
 */
#include <unistd.h>

#include "json.h"
#include "optargs.h"
#include "prog.h"
#include "store.h"

#define PROBE ".bk/probe.json"
#define TEXT "{\"bk\":\"probe/1\"}\n"

enum { READ_ONLY = 256, TIMEOUT };

static const struct bk_opt opts[] = {
	{ READ_ONLY, "read-only", NULL, "write nothing: tell only whether it can be read", 0 },
	{ TIMEOUT, "timeout", "DURATION", "longest time for one request with its retries (10m)", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-probe", "[OPTION]... [URL]",
	"tell whether a store can be read and written, and how it behaves", opts };

/* One name is enough to know that listing works. */
static int
one(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	(void)arg;
	(void)o;
	(void)f;
	return BK_LIST_STOP;
}

static int
look(struct bk_store *s, bool write, json_t *o, struct bk_fault *f)
{
	struct bk_store_facts facts = { .create_only = false };
	struct bk_fault why = BK_FAULT_INIT;
	bool readable = bk_store_list(s, ".bk/", "", one, NULL, &why) == 0;

	if (bk_json_set(o, "readable", json_boolean(readable), f) == -1)
		return -1;
	if (write) {
		bool writable = bk_store_put_small(s, PROBE, TEXT,
		    sizeof(TEXT) - 1, 0, &why) == 0;

		if (bk_json_set(o, "writable", json_boolean(writable), f) == -1 ||
		    (writable && bk_store_facts(s, &facts, &why) == 0 &&
		    bk_json_set(o, "create-only", json_boolean(facts.create_only),
		    f) == -1) || (facts.clock_known && bk_json_set(o,
		    "clock-offset", json_integer(facts.clock_offset), f) == -1))
			return -1;
	}
	if (bk_faulty(&why) && bk_json_set_text(o, "message", why.text, f) == -1)
		return -1;
	if (bk_json_write(STDOUT_FILENO, o, "standard output", f) == -1)
		return -1;
	return bk_faulty(&why) ? bk_fault_set(f, why.status, "%s", why.text) : 0;
}

int
main(int argc, char *argv[])
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_store_opts so = { .read_only = false };
	struct bk_store *s;
	const char *arg;
	json_t *o;
	int key;

	bk_init(&prog, argc, argv);
	while ((key = bk_opt_next(&arg)) != -1)
		if (key == READ_ONLY)
			so.read_only = true;
		else
			so.timeout_ms = bk_arg_duration("timeout", arg);
	if ((s = bk_store_open(bk_ctx, bk_arg_store(), &so, &f)) != NULL) {
		o = json_pack("{s:s}", "store", s->url);
		if (o == NULL)
			(void)bk_fault_set(&f, BK_IO, "out of memory");
		else
			(void)look(s, !so.read_only, o, &f);
		json_decref(o);
	}
	bk_store_close(s);
	return bk_exit(&f);
}
