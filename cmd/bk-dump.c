/*
 * bk-dump: run an engine and write its payload as a stream.
 *
 * The header is written when the first byte comes: whatever fails before it
 * (no such server, a refused login, a tool that dies at once) leaves a failed
 * line as the only line, and its status becomes that of the whole pipeline.
 * The end line is written only when the engine has vouched for its output.
 * A signal is not caught: what follows sees an end of file without end line.
 *
 * With --unless-sha256 the payload goes to a file without a name first, since
 * its hash is known only behind its last byte.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "engine.h"
#include "hash.h"
#include "json.h"
#include "names.h"
#include "prog.h"
#include "stream.h"
#include "tags.h"
#include "ulid.h"
#include "when.h"

#define TIMEOUT_MS (10 * 60 * 60 * 1000LL)
#define EXCLUDE_MAX 256
#define STORES_MAX 16
#define BLOCK (256 * 1024)

enum {
	OPT_TIMEOUT = 256, OPT_MAX_BYTES, OPT_ALLOW_EMPTY, OPT_EXCLUDE,
	OPT_SKIP_UNREADABLE, OPT_SOURCE_ENV, OPT_AS, OPT_EXT, OPT_TRIGGER,
	OPT_RUN, OPT_GROUP, OPT_LIST, OPT_UNLESS, OPT_STORE, OPT_CHECK
};

static const struct bk_opt opts[] = {
	{ 'n', "name", "NAME", "name of the backup (from the source)", 0 },
	{ 't', "tag", "KEY=VALUE", "add this tag", BK_OPT_MANY },
	{ OPT_TIMEOUT, "timeout", "TIME", "end after so long (10h)", 0 },
	{ OPT_MAX_BYTES, "max-bytes", "N", "fail if the payload is larger", 0 },
	{ OPT_ALLOW_EMPTY, "allow-empty", NULL, "accept an empty payload", 0 },
	{ OPT_EXCLUDE, "exclude", "PATTERN", "files: leave these out",
	    BK_OPT_MANY },
	{ OPT_SKIP_UNREADABLE, "skip-unreadable", NULL,
	    "files: leave out and name what cannot be read", 0 },
	{ OPT_STORE, "store", "URL", "files: where the backups are that this may be an increment of",
	    BK_OPT_MANY },
	{ OPT_SOURCE_ENV, "source-env", "NAME",
	    "variable that holds the source's password", 0 },
	{ OPT_AS, "as", "ENGINE", "exec: what the command's output is", 0 },
	{ OPT_EXT, "ext", "EXT", "exec: extension of the payload (bin)", 0 },
	{ OPT_UNLESS, "unless-sha256", "HEX",
	    "end with 1 if this is the payload's hash", 0 },
	{ OPT_TRIGGER, "trigger", "WORD", "what started this backup", 0 },
	{ OPT_RUN, "run", "ID", "the run that this backup is part of", 0 },
	{ OPT_GROUP, "group", "NAME", "the group of that run", 0 },
	{ OPT_LIST, "list", NULL, "no dump: name what the source is made of", 0 },
	{ OPT_CHECK, "check", NULL, "no dump: look whether one could be made", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = {
	"bk-dump",
	"[OPTION]... {SOURCE [-- TOOL-OPTION...] | exec: -- COMMAND...}",
	"write a backup of SOURCE as a stream on standard output",
	opts
};

struct job {
	struct bk_dump_req req;
	const char *exclude[EXCLUDE_MAX + 1];
	size_t nexclude;
	const char *stores[STORES_MAX + 1];
	size_t nstores;
	const char *source, *name, *trigger, *run, *group;
	const char *unless;		/* a hash, or NULL */
	bool list, check;
	unsigned long long max_bytes;
	int64_t timeout, started;
	json_t *tags;

	struct bk_dump dump;
	struct bk_stream_out *out;
	struct bk_sha256 *sha;
	json_t *sent;			/* "info" as the header has it */
	uint64_t bytes;
	int spool;			/* -1: none */
};

static int
take_name(const char **to, const char *option, const char *arg,
    struct bk_fault *f)
{
	*to = arg;
	if (bk_name_ok(arg))
		return 0;
	return bk_fault_set(f, BK_USAGE,
	    "--%s '%.100s': 1 to %d of A-Z a-z 0-9 . _ -, the first a letter or digit",
	    option, arg, BK_NAME_MAX);
}

static int
take_timeout(struct job *j, const char *arg, struct bk_fault *f)
{
	if (bk_duration_parse(arg, &j->timeout, f) == -1) {
		bk_fault_context(f, "--timeout");
		return -1;
	}
	return j->timeout > 0 ? 0 :
	    bk_fault_set(f, BK_USAGE, "--timeout '%.100s': more than 0", arg);
}

static int
take_max(struct job *j, const char *arg, struct bk_fault *f)
{
	if (bk_bytes_parse(arg, &j->max_bytes, f) == -1) {
		bk_fault_context(f, "--max-bytes");
		return -1;
	}
	return j->max_bytes > 0 ? 0 :
	    bk_fault_set(f, BK_USAGE, "--max-bytes '%.100s': at least 1", arg);
}

static int
take_exclude(struct job *j, const char *arg, struct bk_fault *f)
{
	if (j->nexclude == EXCLUDE_MAX)
		return bk_fault_set(f, BK_USAGE, "more than %d times --exclude",
		    EXCLUDE_MAX);
	j->exclude[j->nexclude++] = arg;
	return 0;
}

static int
take_store(struct job *j, const char *arg, struct bk_fault *f)
{
	if (j->nstores == STORES_MAX)
		return bk_fault_set(f, BK_USAGE, "more than %d times --store",
		    STORES_MAX);
	j->stores[j->nstores++] = arg;
	return 0;
}

static int
take_unless(struct job *j, const char *arg, struct bk_fault *f)
{
	uint8_t sum[BK_SHA256_LEN];

	j->unless = arg;
	return bk_unhex(arg, sum, sizeof(sum)) == 0 ? 0 :
	    bk_fault_set(f, BK_USAGE,
	    "--unless-sha256 '%.100s': want 64 hexadecimal digits", arg);
}

static int
take_option(struct job *j, int key, const char *arg, struct bk_fault *f)
{
	switch (key) {
	case 'n':
		return take_name(&j->name, "name", arg, f);
	case 't':
		return bk_tags_add(j->tags, arg, f);
	case OPT_TIMEOUT:
		return take_timeout(j, arg, f);
	case OPT_MAX_BYTES:
		return take_max(j, arg, f);
	case OPT_ALLOW_EMPTY:
		j->req.allow_empty = true;
		return 0;
	case OPT_EXCLUDE:
		return take_exclude(j, arg, f);
	case OPT_SKIP_UNREADABLE:
		j->req.skip_unreadable = true;
		return 0;
	case OPT_STORE:
		return take_store(j, arg, f);
	case OPT_SOURCE_ENV:
		j->req.source_env = bk_variable_arg("--source-env", arg, f);
		return j->req.source_env != NULL ? 0 : -1;
	case OPT_AS:
		j->req.as = arg;
		return 0;
	case OPT_EXT:
		j->req.ext = arg;
		return 0;
	case OPT_UNLESS:
		return take_unless(j, arg, f);
	case OPT_TRIGGER:
		return take_name(&j->trigger, "trigger", arg, f);
	case OPT_RUN:
		j->run = arg;
		return bk_ulid_ok(arg) ? 0 : bk_fault_set(f, BK_USAGE,
		    "--run '%.100s' is no ULID", arg);
	case OPT_LIST:
		j->list = true;
		return 0;
	case OPT_CHECK:
		j->check = true;
		return 0;
	default:
		return take_name(&j->group, "group", arg, f);
	}
}

static int
parse(struct job *j, struct bk_fault *f)
{
	const char *arg;
	char **argv;
	int key, n, after;

	j->timeout = TIMEOUT_MS;
	if ((j->tags = json_object()) == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "tags");
	while ((key = bk_opt_next(&arg)) != -1)
		if (take_option(j, key, arg, f) == -1)
			return -1;
	n = bk_operands(&argv);
	after = bk_operands_after() > 0 ? bk_operands_after() : 0;
	if (n - after > 1)
		return bk_fault_set(f, BK_USAGE,
		    "'%.200s' is one operand too many; words for the tool or command follow --",
		    argv[1]);
	if (n - after == 0)
		return bk_fault_set(f, BK_USAGE, "want a SOURCE");
	j->source = argv[0];
	j->req.args = (const char *const *)(argv + 1);
	j->req.exclude = j->exclude;
	j->req.stores = j->stores;
	j->req.name = j->name;
	return bk_tags_env(j->tags, environ, f);
}

static json_t *
header(const struct job *j, struct bk_fault *f)
{
	const struct bk_dump *d = &j->dump;
	char when[BK_TIME_LEN];
	json_t *h = json_object();

	if (h != NULL &&
	    bk_json_set_text(h, "bk", "stream/1", f) == 0 &&
	    bk_json_set_text(h, "name", j->name != NULL ? j->name : d->name,
	    f) == 0 &&
	    bk_json_set_text(h, "engine", d->engine, f) == 0 &&
	    bk_json_set_text(h, "ext", d->ext, f) == 0 &&
	    bk_json_set_text(h, "time", bk_time_text(d->time != 0 ? d->time :
	    j->started, when), f) == 0 &&
	    bk_json_set_text(h, "host", j->req.ctx->host, f) == 0 &&
	    (j->trigger == NULL ||
	    bk_json_set_text(h, "trigger", j->trigger, f) == 0) &&
	    (j->run == NULL || bk_json_set_text(h, "run", j->run, f) == 0) &&
	    (j->group == NULL ||
	    bk_json_set_text(h, "group", j->group, f) == 0) &&
	    (d->parent[0] == '\0' ||
	    bk_json_set_text(h, "parent", d->parent, f) == 0) &&
	    bk_json_set(h, "source", json_deep_copy(d->source), f) == 0 &&
	    bk_json_set(h, "tags", json_incref(j->tags), f) == 0 &&
	    bk_json_set(h, "filters", json_array(), f) == 0 &&
	    bk_json_set(h, "info", json_deep_copy(d->info), f) == 0)
		return h;
	json_decref(h);
	bk_fault_errno(f, BK_IO, ENOMEM, "header");
	return NULL;
}

static int
put_header(struct job *j, struct bk_fault *f)
{
	json_t *h = header(j, f);
	int rc = -1;

	if (h != NULL && bk_stream_put_header(j->out, h, f) == 0) {
		j->sent = json_incref(json_object_get(h, "info"));
		rc = 0;
	}
	json_decref(h);
	return rc;
}

static int
put_payload(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	struct job *j = arg;

	if (j->sent == NULL && put_header(j, f) == -1)
		return -1;
	return bk_stream_write(j->out, p, n, f);
}

static int
take_payload(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	struct job *j = arg;

	j->bytes += n;
	if (j->max_bytes != 0 && j->bytes > j->max_bytes)
		return bk_fault_set(f, BK_DATA,
		    "the payload is larger than --max-bytes %llu",
		    j->max_bytes);
	bk_sha256_add(j->sha, p, n);
	bk_progress(n);
	if (j->spool != -1)
		return bk_write_all(j->spool, p, n, "temporary file", f);
	return put_payload(j, p, n, f);
}

/* The spooled payload, unless its hash is the one that was named. */
static int
put_changed(struct job *j, struct bk_fault *f)
{
	char sum[BK_SHA256_HEX];
	uint64_t at = 0;
	size_t n;
	uint8_t *p;

	bk_sha256_hex(j->sha, sum);
	if (strcasecmp(sum, j->unless) == 0)
		return bk_fault_set(f, BK_NO, "unchanged");
	if ((p = malloc(BLOCK)) == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "dump");
	for (; at < j->bytes; at += n) {
		n = j->bytes - at < BLOCK ? (size_t)(j->bytes - at) : BLOCK;
		if (bk_pread_all(j->spool, p, n, at, "temporary file",
		    f) == -1 || put_payload(j, p, n, f) == -1)
			break;
	}
	free(p);
	return at < j->bytes ? -1 : 0;
}

/* What became known after the header. */
static json_t *
late_info(const struct job *j, struct bk_fault *f)
{
	const char *key;
	json_t *v, *o = json_object();

	if (o == NULL)
		goto bad;
	json_object_foreach(j->dump.info, key, v)
		if (!json_equal(v, json_object_get(j->sent, key)) &&
		    bk_json_set(o, key, json_incref(v), f) == -1)
			goto bad;
	if (bk_json_set_text(o, "proof", j->dump.proof, f) == 0)
		return o;
bad:
	json_decref(o);
	bk_fault_errno(f, BK_IO, ENOMEM, "end line");
	return NULL;
}

/* What must be in the store: of the WAL of this name. */
static int
put_requires(const struct job *j, json_t *end, struct bk_fault *f)
{
	json_t *o, *list = json_array();
	struct bk_buf b = BK_BUF_INIT(1024);
	size_t i;
	int rc = 0;

	json_array_foreach(j->dump.requires, i, o) {
		bk_buf_reset(&b);
		if (rc == 0 && (bk_buf_addf(&b, f, "%s/wal/%s", j->name != NULL ?
		    j->name : j->dump.name, json_string_value(o)) == -1 ||
		    bk_json_push(list, json_string(bk_buf_text(&b)), f) == -1))
			rc = -1;
	}
	bk_buf_release(&b);
	if (rc == 0)
		return bk_json_set(end, "requires", list, f);
	json_decref(list);
	return -1;
}

static int
put_end(struct job *j, struct bk_fault *f)
{
	char sum[BK_SHA256_HEX];
	json_t *info, *end = NULL;
	int rc = -1;

	bk_sha256_hex(j->sha, sum);
	if ((info = late_info(j, f)) == NULL)
		return -1;
	end = json_pack("{s:s, s:[{s:s, s:I, s:s}], s:o}", "end", "ok",
	    "stages", "stage", j->dump.engine, "bytes", (json_int_t)j->bytes,
	    "sha256", sum, "info", info);
	if (end == NULL)
		bk_fault_errno(f, BK_IO, ENOMEM, "end line");
	else if (j->dump.requires == NULL || put_requires(j, end, f) == 0)
		rc = bk_stream_put_end(j->out, end, f);
	json_decref(end);
	return rc;
}

static int
dump(struct job *j, struct bk_fault *f)
{
	struct bk_uri uri = BK_URI_INIT;
	int rc = -1;

	j->started = bk_ctx->now();
	j->spool = -1;
	j->req.ctx = bk_ctx;
	j->req.deadline = bk_ctx->mono() + j->timeout;
	if (bk_uri_parse(j->source, &uri, f) == -1)
		goto out;
	j->req.uri = &uri;
	if (bk_dump_open(&j->dump, &j->req, f) == -1 ||
	    (j->sha = bk_sha256_new(f)) == NULL || (j->unless != NULL &&
	    (j->spool = bk_tmpfile(bk_ctx->tmpdir, f)) == -1))
		goto out;
	bk_progress_total(j->dump.estimate);
	if (bk_dump_run(&j->dump, take_payload, j, f) == -1 ||
	    (j->spool != -1 && put_changed(j, f) == -1) ||
	    (j->sent == NULL && put_header(j, f) == -1) ||
	    put_end(j, f) == -1)
		goto out;
	rc = 0;
out:
	if (j->spool != -1)
		close(j->spool);
	bk_dump_close(&j->dump);
	bk_uri_release(&uri);
	return rc;
}

/* Open the source and close it: an object tells what would be dumped. */
static int
look(struct job *j, struct bk_fault *f)
{
	const struct bk_dump *d = &j->dump;
	struct bk_uri uri = BK_URI_INIT;
	json_t *o = NULL;
	int rc = -1;

	j->req.ctx = bk_ctx;
	j->req.deadline = bk_ctx->mono() + j->timeout;
	j->req.uri = &uri;
	j->req.check = true;
	if (bk_uri_parse(j->source, &uri, f) == 0 &&
	    bk_dump_open(&j->dump, &j->req, f) == 0 &&
	    (o = json_pack("{s:s, s:s, s:s, s:s, s:O, s:O}", "check", "ok",
	    "name", j->name != NULL ? j->name : d->name, "engine", d->engine,
	    "ext", d->ext, "source", d->source, "info", d->info)) != NULL)
		rc = bk_json_write(STDOUT_FILENO, o, "standard output", f);
	if (rc == -1)
		(void)bk_fault_set(f, BK_IO, "out of memory");
	json_decref(o);
	bk_dump_close(&j->dump);
	bk_uri_release(&uri);
	return rc;
}

/* A line of JSON for each part of the source. */
static int
list(struct job *j, struct bk_fault *f)
{
	struct bk_uri uri = BK_URI_INIT;
	struct bk_buf b = BK_BUF_INIT(1 << 26);
	json_t *o, *all = NULL;
	int rc = -1;
	size_t i;

	j->req.ctx = bk_ctx;
	j->req.deadline = bk_ctx->mono() + j->timeout;
	j->req.uri = &uri;
	if (bk_uri_parse(j->source, &uri, f) == 0 &&
	    (all = bk_dump_list(&j->req, f)) != NULL)
		rc = 0;
	json_array_foreach(all, i, o)
		if (rc == 0 && (bk_json_text(o, &b, f) == -1 ||
		    bk_buf_adds(&b, "\n", f) == -1))
			rc = -1;
	if (rc == 0 && b.len > 0)
		rc = bk_write_all(STDOUT_FILENO, b.p, b.len, "standard output", f);
	json_decref(all);
	bk_buf_release(&b);
	bk_uri_release(&uri);
	return rc;
}

int
main(int argc, char *argv[])
{
	static struct job j;
	struct bk_fault f = BK_FAULT_INIT;

	bk_usage_tells(bk_tell_stream);
	bk_init(&prog, argc, argv);
	if (parse(&j, &f) == -1)
		bk_usage_fault(&f);
	if (j.list || j.check) {
		(void)(j.list ? list(&j, &f) : look(&j, &f));
		json_decref(j.tags);
		return bk_exit(&f);
	}
	bk_refuse_tty(STDOUT_FILENO);
	j.out = bk_stream_writer(STDOUT_FILENO, &f);
	if (j.out != NULL && dump(&j, &f) == -1)
		bk_stream_put_failed(j.out, j.dump.engine[0] != '\0' ?
		    j.dump.engine : "bk-dump", &f, NULL);

	bk_stream_out_free(j.out);
	bk_sha256_free(j.sha);
	json_decref(j.sent);
	json_decref(j.tags);
	return bk_exit(&f);
}
