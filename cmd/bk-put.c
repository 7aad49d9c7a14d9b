/*
 * bk-put: store one stream, in one store or in several at once, and print a
 * record for each commit.  Nothing becomes visible before the stream's end
 * line was read and proven; a status of 0 means that every store lists it.
 *
 * Memory: the uploads' (--memory for each store) and 3 MiB.
 */
#include <string.h>
#include <unistd.h>

#include "fan.h"
#include "groupend.h"
#include "hash.h"
#include "json.h"
#include "leaseio.h"
#include "names.h"
#include "optargs.h"
#include "prog.h"
#include "raw.h"
#include "stream.h"
#include "tags.h"
#include "when.h"

enum { CREATE = 256, MAX_BYTES, MEMORY, TEMP_DIR, TIMEOUT, RAW, NAME, ENGINE,
	EXT, TIME, GROUP_END, RUN, REQUIRE_TIMEOUT, LEASE };

#define REQUIRE_MS (10 * 60 * INT64_C(1000))

static const struct bk_opt opts[] = {
	{ 't', "tag", "KEY=VALUE", "add this tag", BK_OPT_MANY },
	{ CREATE, "create", NULL, "make the directory or bucket if there is none", 0 },
	{ MAX_BYTES, "max-bytes", "N", "fail above this size (K, M, G, T)", 0 },
	{ MEMORY, "memory", "N", "buffers of each store (32M)", 0 },
	{ TEMP_DIR, "temp-dir", "DIR", "where parts go that do not fit in memory", 0 },
	{ TIMEOUT, "timeout", "DURATION", "longest time for one request with its retries (10m)", 0 },
	{ RAW, "raw", NULL, "the input is any bytes, not a stream", 0 },
	{ NAME, "name", "NAME", "of a raw input: name of the backup", 0 },
	{ ENGINE, "engine", "ENGINE", "of a raw input: what made the bytes", 0 },
	{ EXT, "ext", "EXT", "of a raw input: suffix of the stored file", 0 },
	{ TIME, "time", "TIME", "of a raw input: when it was made (now)", 0 },
	{ REQUIRE_TIMEOUT, "require-timeout", "DURATION", "wait so long for the log that a base backup requires (10m)", 0 },
	{ LEASE, "lease", NULL, "only while the lease of bk-lease is held", 0 },
	{ GROUP_END, "group-end", "GROUP", "end a run of GROUP, whose records are the input", 0 },
	{ RUN, "run", "ID", "the run that the group's end is of", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-put",
	"[-t KEY=VALUE]... [OPTION]... [URL...]",
	"store a stream and print the record of each commit", opts };

struct put {
	struct bk_store_opts store;
	uint64_t max_bytes;
	json_t *tags;
	bool raw;
	const char *name, *engine, *ext;
	int64_t time;			/* of --raw */
	bool exact;			/* --time was given */
	const char *group, *run;	/* of --group-end */
	int64_t require_ms;
	bool lease;
	struct bk_leased *leased;
};

static void
option(struct put *o, int key, const char *arg)
{
	struct bk_fault f = BK_FAULT_INIT;

	switch (key) {
	case 't':
		(void)bk_tags_add(o->tags, arg, &f);
		break;
	case CREATE:
		o->store.create = true;
		break;
	case MAX_BYTES:
		o->max_bytes = bk_arg_bytes("max-bytes", arg, 1);
		break;
	case MEMORY:
		o->store.memory = bk_arg_bytes("memory", arg, 16 << 20);
		break;
	case TEMP_DIR:
		o->store.temp_dir = arg;
		break;
	case TIMEOUT:
		o->store.timeout_ms = bk_arg_duration("timeout", arg);
		break;
	case RAW:
		o->raw = true;
		break;
	case NAME:
		o->name = bk_arg_name("name", arg);
		break;
	case ENGINE:
		o->engine = bk_arg_engine("engine", arg);
		break;
	case EXT:
		o->ext = bk_arg_ext("ext", arg);
		break;
	case REQUIRE_TIMEOUT:
		o->require_ms = bk_arg_duration("require-timeout", arg);
		break;
	case LEASE:
		o->lease = true;
		break;
	case GROUP_END:
		o->group = arg;
		break;
	case RUN:
		o->run = arg;
		break;
	case TIME:
		o->exact = true;
		(void)bk_time_parse_rel(arg, bk_ctx->now(), &o->time, &f);
		break;
	default:
		break;
	}
	if (bk_faulty(&f))
		bk_usage_fault(&f);
}

static void
check_lease(struct put *o)
{
	const char *env = bk_ctx->env("BK_LEASE");
	struct bk_fault f = BK_FAULT_INIT;

	if (!o->lease)
		return;
	if (env == NULL)
		bk_usage("--lease: no BK_LEASE is set; run this under bk-lease");
	if ((o->leased = bk_leased_new(bk_ctx, env, o->store.timeout_ms,
	    &f)) == NULL)
		bk_usage_fault(&f);
}

static void
check(const struct put *o)
{
	if ((o->group != NULL) != (o->run != NULL))
		bk_usage("--group-end and --run go together");
	if (o->group != NULL && o->lease)
		bk_usage("--group-end stores no backup: no --lease");
	if (o->group != NULL && (o->raw || json_object_size(o->tags) > 0))
		bk_usage("--group-end stores no backup: no --raw, no --tag");
	if (!o->raw && (o->name != NULL || o->engine != NULL || o->ext != NULL ||
	    o->exact))
		bk_usage("--name, --engine, --ext and --time go with --raw; a "
		    "stream tells them itself");
	if (o->raw && (o->name == NULL || o->engine == NULL || o->ext == NULL))
		bk_usage("--raw wants --name, --engine and --ext");
}

/* Our tags over the header's, and the environment's under both. */
static int
add_tags(const struct put *o, json_t *header, struct bk_fault *f)
{
	json_t *theirs = json_object_get(header, "tags");

	if (bk_tags_merge(o->tags, theirs, f) == -1 ||
	    bk_tags_env(o->tags, bk_ctx->vars, f) == -1)
		return -1;
	return bk_json_set(header, "tags", json_incref(o->tags), f);
}

/* Commit, unless the lease is gone. */
static int
finish(const struct put *o, struct bk_fan *fan, const json_t *end,
    struct bk_records_out *out, struct bk_fault *f)
{
	if (o->leased != NULL)
		bk_fan_guard(fan, bk_leased_check, o->leased);
	return bk_fan_finish(fan, end, out, f);
}

static int
put_stream(const struct put *o, struct bk_rbuf *r, struct bk_fan *fan,
    struct bk_records_out *out, struct bk_fault *f)
{
	struct bk_stream_in *in = bk_stream_reader(r, f);
	json_t *header;
	const void *p;
	size_t n;
	int rc = -1;

	if (in == NULL || bk_stream_header(in, &header, f) == -1 ||
	    add_tags(o, header, f) == -1 ||
	    bk_fan_begin(fan, header, false, o->max_bytes, f) == -1)
		goto out;
	while ((rc = bk_stream_read(in, &p, &n, f)) == BK_MORE) {
		if (bk_fan_write(fan, p, n, f) == -1) {
			rc = -1;
			goto out;
		}
		bk_progress(n);
	}
	bk_fan_require(fan, o->require_ms);
	if (rc == BK_END)
		rc = finish(o, fan, bk_stream_end(in), out, f);
out:
	bk_stream_in_free(in);
	return rc;
}

static int
raw_finish(const struct put *o, struct bk_fan *fan,
    struct bk_records_out *out, struct bk_fault *f)
{
	char hex[BK_SHA256_HEX];
	uint64_t bytes;
	json_t *end;
	int rc;

	bk_fan_sum(fan, hex, &bytes);
	if ((end = bk_raw_end(bytes, hex, f)) == NULL)
		return -1;
	rc = finish(o, fan, end, out, f);
	json_decref(end);
	return rc;
}

/* Is this the input that --raw is for? */
static int
raw_look(struct bk_rbuf *r, struct bk_fault *f)
{
	static const char stream[] = "{\"bk\":\"stream/";
	const void *p;
	size_t n;
	int rc;

	if ((rc = bk_rbuf_peek(r, &p, &n, f)) == -1)
		return -1;
	if (rc == BK_END)
		return bk_fault_set(f, BK_DATA, "the input is empty");
	if (n >= sizeof(stream) - 1 && memcmp(p, stream, sizeof(stream) - 1) == 0)
		return bk_fault_set(f, BK_DATA, "the input is a bk stream: leave "
		    "out --raw");
	return 0;
}

static int
put_raw(const struct put *o, struct bk_rbuf *r, struct bk_fan *fan,
    struct bk_records_out *out, struct bk_fault *f)
{
	const struct bk_raw raw = { o->name, o->engine, o->ext,
		o->exact ? o->time : bk_ctx->now(), "none" };
	json_t *header = bk_raw_header(bk_ctx, &raw, f);
	const void *p;
	size_t n;
	int rc = -1;

	if (header == NULL || raw_look(r, f) == -1 ||
	    add_tags(o, header, f) == -1 ||
	    bk_fan_begin(fan, header, o->exact, o->max_bytes, f) == -1)
		goto out;
	while ((rc = bk_rbuf_bytes(r, BK_BLOCK_MAX, &p, &n, f)) == BK_MORE) {
		if (bk_fan_write(fan, p, n, f) == -1) {
			rc = -1;
			goto out;
		}
		bk_progress(n);
	}
	if (rc == BK_END)
		rc = raw_finish(o, fan, out, f);
out:
	json_decref(header);
	return rc;
}

/* What the failure means for the user: was anything stored? */
static void
explain(const struct bk_fan *fan, size_t nurls, struct bk_fault *f)
{
	if (!bk_faulty(f))
		return;
	if (bk_fan_stored(fan) == 0) {
		bk_fault_context(f, "nothing stored");
		f->upstream = false;
	} else
		bk_fault_context(f, "stored in %zu of %zu stores",
		    bk_fan_stored(fan), nurls);
}

int
main(int argc, char *argv[])
{
	struct bk_fault f = BK_FAULT_INIT, why = BK_FAULT_INIT;
	struct put o = { .tags = json_object(),
		.require_ms = REQUIRE_MS };
	struct bk_records_out *out = NULL;
	struct bk_rbuf *r = NULL;
	struct bk_fan *fan = NULL;
	const char *arg, *env;
	char **urls;
	int key, n;

	bk_usage_tells(bk_tell_records);
	bk_init(&prog, argc, argv);
	while ((key = bk_opt_next(&arg)) != -1)
		option(&o, key, arg);
	check(&o);
	check_lease(&o);
	n = bk_operands(&urls);
	env = n == 0 ? bk_arg_env_store() : NULL;
	bk_refuse_tty(STDIN_FILENO);
	if (o.group != NULL) {
		if ((r = bk_rbuf_new(STDIN_FILENO, "standard input", &f)) != NULL)
			(void)bk_groupend(o.group, o.run, r, n > 0 ?
			    (const char *const *)urls : &env,
			    n > 0 ? (size_t)n : 1, &o.store, &f);
		goto out;
	}
	fan = n > 0 ? bk_fan_new(bk_ctx, (const char *const *)urls, (size_t)n,
	    &o.store, &f) : bk_fan_new(bk_ctx, &env, 1, &o.store, &f);
	if (fan == NULL)
		bk_usage_fault(&f);

	if (bk_stop_catch(&f) == 0 &&
	    (r = bk_rbuf_new(STDIN_FILENO, "standard input", &f)) != NULL &&
	    (out = bk_records_writer(STDOUT_FILENO, &f)) != NULL) {
		bk_rbuf_stop(r, bk_ctx->stop);
		(void)(o.raw ? put_raw : put_stream)(&o, r, fan, out, &f);
		why = f;
		bk_stop_clean();
		/* Frees what is unfinished before anyone learns of it. */
		explain(fan, n > 0 ? (size_t)n : 1, &f);
		bk_fan_free(fan);
		fan = NULL;
		(void)bk_records_end(out, &why, 0, &f);
	}
out:
	bk_records_out_free(out);
	bk_fan_free(fan);
	bk_rbuf_free(r);
	bk_leased_free(o.leased);
	json_decref(o.tags);
	return bk_exit(&f);
}
