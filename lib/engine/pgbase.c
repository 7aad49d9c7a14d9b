/*
 * PostgreSQL's base backup: the server's files as the replication protocol
 * sends them, one tar, with nothing on a local disk but the manifest, which
 * must be known to its end before its size can be written.
 *
 * Facts (documentation of PostgreSQL, "Streaming Replication Protocol",
 * BASE_BACKUP): up to 14 its options are words in a fixed order, from 15 on a
 * list in parentheses; TARGET 'client' chooses the single copy of 15.  It
 * answers with the start (position, timeline), the tablespaces, the copies,
 * and the end (position, timeline).  NOWAIT: the server does not wait until
 * its log is archived; that is left to who commits the backup.
 *
 * The moment from which a restore is possible is that of the end, by the
 * server's clock.  The protocol tells no time, but backup_label carries one:
 * where the server's clock is ahead of ours, that much is added.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "json.h"
#include "names.h"
#include "pgbase.h"
#include "pgbasefeed.h"
#include "pglsn.h"
#include "pgrepl.h"

#define LABEL_MAX 1024

struct base {
	struct bk_pgrepl r;
	enum bk_pgsum sum;
	bool fast, wal;
	unsigned long long rate;	/* kB a second, 0: any */
	const char *label;
	struct bk_pgspan span;
	int64_t ahead;			/* of the server's clock, ms; -1 unknown */
	/* On the way out. */
	struct bk_pgbasetar *tar;
	struct bk_marks *marks;
	bk_sink_fn *sink;
	void *arg;
};

static const char *const schemes[] = { "postgres-base", NULL };
static const char *const options[] = { "host", "password-file", "sslmode",
	"sslrootcert", "sslcert", "sslkey", "max-rate", "checkpoint", "label",
	"checksums", "wal", NULL };
static const char *const no_options[] = { NULL };

/* One of two words; true for the first. */
static int
choice(const struct bk_uri *u, const char *name, const char *yes,
    const char *no, bool *is, struct bk_fault *f)
{
	const char *v = bk_uri_opt(u, name);

	if (v == NULL)
		return 0;
	*is = strcmp(v, yes) == 0;
	return *is || strcmp(v, no) == 0 ? 0 : bk_fault_set(f, BK_USAGE,
	    "'%s': want ?%s=%s or %s", u->text, name, yes, no);
}

static int
take_options(struct base *b, const struct bk_uri *u, struct bk_fault *f)
{
	const char *rate = bk_uri_opt(u, "max-rate");
	const char *sum = bk_uri_opt(u, "checksums");
	int which = BK_PGSUM_CRC32C;

	if (u->path[0] != '\0' && strcmp(u->path, "/") != 0)
		return bk_fault_set(f, BK_USAGE, "'%s': a base backup is of the "
		    "whole server; leave out '%s'", u->text, u->path);
	if (choice(u, "checkpoint", "fast", "spread", &b->fast, f) == -1 ||
	    choice(u, "wal", "include", "archive", &b->wal, f) == -1)
		return -1;
	if (rate != NULL) {
		if (bk_bytes_parse(rate, &b->rate, f) == -1)
			return -1;
		b->rate /= 1024;
		if (b->rate < 32 || b->rate > 1024 * 1024)
			return bk_fault_set(f, BK_USAGE, "'%s': want a max-rate "
			    "of 32K to 1G a second", u->text);
	}
	if (sum != NULL && ((which = bk_pgsum_named(sum)) == -1 ||
	    which == BK_PGSUM_NONE))
		return bk_fault_set(f, BK_USAGE, "unknown checksum '%s'; there are "
		    "crc32c, sha224, sha256, sha384, sha512", sum);
	b->sum = (enum bk_pgsum)which;
	b->label = bk_uri_opt(u, "label");
	if (b->label == NULL)
		b->label = "bk";
	return strlen(b->label) <= LABEL_MAX ? 0 : bk_fault_set(f, BK_USAGE,
	    "a label of more than %d bytes", LABEL_MAX);
}

/* "16MB", as SHOW has it. */
static uint64_t
size_of(const char *s)
{
	char *end;
	uint64_t n = strtoull(s, &end, 10);

	n *= strcmp(end, "GB") == 0 ? 1 << 30 : strcmp(end, "MB") == 0 ?
	    1 << 20 : strcmp(end, "kB") == 0 ? 1 << 10 : 1;
	return n >= 1 << 20 && n <= 1 << 30 && (n & (n - 1)) == 0 ? n : 0;
}

/* A setting of the server as text of ${out}. */
static int
show(struct base *b, const char *name, char *out, size_t size,
    struct bk_fault *f)
{
	char command[80];
	PGresult *res;

	snprintf(command, sizeof(command), "SHOW %s", name);
	if ((res = bk_pgrepl_ask(&b->r, command, f)) == NULL)
		return -1;
	snprintf(out, size, "%s", PQntuples(res) == 1 && PQnfields(res) == 1 ?
	    PQgetvalue(res, 0, 0) : "");
	PQclear(res);
	return 0;
}

static int
identify(struct base *b, struct bk_fault *f)
{
	PGresult *res = bk_pgrepl_ask(&b->r, "IDENTIFY_SYSTEM", f);
	char text[32] = "16MB";
	int rc = -1;

	if (res == NULL)
		return -1;
	if (PQntuples(res) == 1 && PQnfields(res) >= 3 &&
	    strlen(PQgetvalue(res, 0, 0)) < sizeof(b->span.system)) {
		snprintf(b->span.system, sizeof(b->span.system), "%s",
		    PQgetvalue(res, 0, 0));
		b->span.tli = (uint32_t)strtoul(PQgetvalue(res, 0, 1), NULL, 10);
		rc = 0;
	}
	PQclear(res);
	if (rc == -1 || b->span.system[strspn(b->span.system, "0123456789")] != '\0')
		return bk_fault_set(f, BK_DATA, "%s: a bad answer to "
		    "IDENTIFY_SYSTEM", b->r.where);
	if (bk_pgrepl_version(&b->r) >= 100000 &&
	    show(b, "wal_segment_size", text, sizeof(text), f) == -1)
		return -1;
	if ((b->span.segment = size_of(text)) == 0)
		return bk_fault_set(f, BK_DATA, "%s: a bad wal_segment_size '%s'",
		    b->r.where, text);
	return 0;
}

/* Whether it is a standby, as far as a server of its age can say. */
static int
standby(struct base *b, bool *is, struct bk_fault *f)
{
	const char *hot = PQparameterStatus(b->r.conn, "in_hot_standby");
	char text[16] = "";

	if (hot == NULL && bk_pgrepl_version(&b->r) >= 100000 &&
	    show(b, "transaction_read_only", text, sizeof(text), f) == -1)
		return -1;
	*is = strcmp(hot != NULL ? hot : text, "on") == 0;
	return 0;
}

/* Say at once that what the backup requires may never come. */
static int
look_for_archive(const struct bk_dump *d, struct base *b, struct bk_fault *f)
{
	char mode[16] = "";

	if (b->wal || bk_pgrepl_version(&b->r) < 100000)
		return 0;
	if (show(b, "archive_mode", mode, sizeof(mode), f) == -1)
		return -1;
	if (strcmp(mode, "off") == 0)
		d->req->ctx->log(BK_LOG_WARN, "%s: archive_mode is off: unless "
		    "pg_receivewal keeps the log that the backup requires, "
		    "?wal=include puts it into the backup", b->r.where);
	return 0;
}

static int
describe(struct bk_dump *d, struct base *b, struct bk_fault *f)
{
	const char *version = bk_pgrepl_version_text(&b->r);
	bool behind;

	if (standby(b, &behind, f) == -1 || look_for_archive(d, b, f) == -1 ||
	    bk_json_set_text(d->source, "server", b->span.system, f) == -1 ||
	    bk_json_set_text(d->info, "system", b->span.system, f) == -1 ||
	    bk_json_set(d->info, "server", bk_json_string(version,
	    strcspn(version, " ")), f) == -1 ||
	    bk_json_set(d->info, "server-version",
	    json_integer(bk_pgrepl_version(&b->r)), f) == -1 ||
	    bk_json_set(d->info, "wal-segment-bytes",
	    json_integer((json_int_t)b->span.segment), f) == -1 ||
	    bk_json_set(d->info, "from-standby", json_boolean(behind), f) == -1)
		return -1;
	if (b->wal && bk_json_set_text(d->info, "wal", "included", f) == -1)
		return -1;
	return bk_pgrepl_version(&b->r) < 130000 ? 0 :
	    bk_json_set_text(d->info, "checksums", bk_pgsum_name(b->sum), f);
}

static int
base_dump_open(struct bk_dump *d, struct bk_fault *f)
{
	const struct bk_dump_req *req = d->req;
	struct base *b;

	if ((b = d->priv = calloc(1, sizeof(*b))) == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "postgres-base");
	memcpy(d->ext, "tar", sizeof("tar"));
	memcpy(d->name, "base", sizeof("base"));
	if (take_options(b, req->uri, f) == -1 ||
	    bk_pgrepl_open(&b->r, req->ctx, req->uri, req->source_env,
	    req->deadline, f) == -1)
		return -1;
	if (bk_pgrepl_version(&b->r) < 90600)
		return bk_fault_set(f, BK_CONFIG, "%s: PostgreSQL %s is older "
		    "than 9.6", b->r.where, bk_pgrepl_version_text(&b->r));
	return identify(b, f) == -1 ? -1 : describe(d, b, f);
}

/* ---- the command ---- */

/* An option of either syntax: "LABEL 'x'", with a comma from 15 on. */
static int
add(struct bk_buf *c, bool list, const char *word, const char *text,
    struct bk_fault *f)
{
	if (bk_buf_addf(c, f, "%s%s", c->len == 0 ? "" : list ? ", " : " ",
	    word) == -1)
		return -1;
	if (text == NULL)
		return 0;
	return bk_buf_adds(c, " ", f) == -1 ? -1 :
	    bk_pgrepl_literal(c, text, f);
}

static int
command(const struct base *b, struct bk_buf *out, struct bk_fault *f)
{
	int version = bk_pgrepl_version(&b->r);
	bool list = version >= 150000;
	struct bk_buf c = BK_BUF_INIT(8192);
	char rate[40];
	int rc = -1;

	snprintf(rate, sizeof(rate), "MAX_RATE %llu", b->rate);
	if (add(&c, list, "LABEL", b->label, f) == -1 ||
	    (list && add(&c, list, "CHECKPOINT", b->fast ? "fast" : "spread",
	    f) == -1) ||
	    (!list && b->fast && add(&c, list, "FAST", NULL, f) == -1) ||
	    (b->wal && add(&c, list, "WAL", NULL, f) == -1) ||
	    add(&c, list, list ? "WAIT 0" : "NOWAIT", NULL, f) == -1 ||
	    (b->rate != 0 && add(&c, list, rate, NULL, f) == -1) ||
	    add(&c, list, "TABLESPACE_MAP", NULL, f) == -1)
		goto out;
	if (version >= 130000 && (add(&c, list, "MANIFEST", "yes", f) == -1 ||
	    add(&c, list, "MANIFEST_CHECKSUMS", bk_pgsum_name(b->sum), f) == -1))
		goto out;
	if (list && add(&c, list, "TARGET", "client", f) == -1)
		goto out;
	rc = bk_buf_addf(out, f, list ? "BASE_BACKUP (%s)" : "BASE_BACKUP %s",
	    bk_buf_text(&c));
out:
	bk_buf_release(&c);
	return rc;
}

/* ---- its answers ---- */

/* A position and a timeline, at the start and at the end. */
static int
take_position(struct base *b, uint64_t *lsn, uint32_t *tli,
    struct bk_fault *f)
{
	PGresult *res = bk_pgrepl_result(&b->r, PGRES_TUPLES_OK, f);
	int rc = -1;

	if (res == NULL)
		return -1;
	if (PQntuples(res) == 1 && PQnfields(res) >= 2 &&
	    bk_pglsn_parse(PQgetvalue(res, 0, 0), lsn) == 0) {
		*tli = (uint32_t)strtoul(PQgetvalue(res, 0, 1), NULL, 10);
		rc = 0;
	}
	PQclear(res);
	return rc == 0 && *tli != 0 ? 0 : bk_fault_set(f, BK_DATA,
	    "%s: a bad position in the answer to BASE_BACKUP", b->r.where);
}

/* The tablespaces into ${info}; the result, for the copies of old servers. */
static PGresult *
take_tablespaces(struct base *b, json_t *info, struct bk_fault *f)
{
	PGresult *res = bk_pgrepl_result(&b->r, PGRES_TUPLES_OK, f);
	json_t *list = json_array();
	int i;

	for (i = 0; res != NULL && i < PQntuples(res); i++)
		if (!PQgetisnull(res, i, 0) && bk_json_push(list,
		    json_pack("{s:s, s:o}", "oid", PQgetvalue(res, i, 0), "path",
		    bk_json_string(PQgetvalue(res, i, 1),
		    strlen(PQgetvalue(res, i, 1)))), f) == -1)
			break;
	if (res != NULL && (PQnfields(res) < 2 || PQntuples(res) < 1))
		bk_fault_set(f, BK_DATA, "%s: no tablespaces in the answer to "
		    "BASE_BACKUP", b->r.where);
	if (bk_json_set(info, "tablespaces", list, f) == 0 && !bk_faulty(f))
		return res;
	PQclear(res);
	return NULL;
}

static int
take_copy(struct base *b, bk_sink_fn *fn, void *arg, struct bk_fault *f)
{
	PGresult *res = bk_pgrepl_result(&b->r, PGRES_COPY_OUT, f);

	if (res == NULL)
		return -1;
	PQclear(res);
	return bk_pgrepl_copy(&b->r, fn, arg, f);
}

static int
take_copies(struct base *b, const PGresult *spaces,
    struct bk_pgbasefeed *feed, struct bk_fault *f)
{
	int i;

	if (bk_pgrepl_version(&b->r) >= 150000)
		return take_copy(b, bk_pgbasefeed_message, feed, f);
	for (i = 0; i < PQntuples(spaces); i++)
		if (bk_pgbasefeed_archive(feed, PQgetisnull(spaces, i, 0) ? NULL :
		    PQgetvalue(spaces, i, 0), f) == -1 ||
		    take_copy(b, bk_pgbasefeed_data, feed, f) == -1)
			return -1;
	if (feed->fd == -1)
		return 0;
	return bk_pgbasefeed_manifest(feed, f) == -1 ? -1 :
	    take_copy(b, bk_pgbasefeed_data, feed, f);
}

static int
base_out(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	struct base *b = arg;
	int64_t server;

	if (b->ahead == -1 && (server =
	    (int64_t)bk_pgbasetar_label_time(b->tar) * 1000) != 0)
		b->ahead = server > b->r.ctx->now() ? server + 1000 - b->r.ctx->now() : 0;
	b->r.data = true;
	return b->marks->write(b->marks, p, n, f) == -1 ? -1 :
	    b->sink(b->arg, p, n, f);
}

/* ---- the run ---- */

static int
start(struct bk_dump *d, struct base *b, PGresult **spaces,
    struct bk_fault *f)
{
	struct bk_buf c = BK_BUF_INIT(8192 + 64);
	int rc = -1;

	d->req->ctx->log(BK_LOG_INFO, "%s: waiting for a checkpoint (%s)",
	    b->r.where, b->fast ? "fast" : "spread");
	if (command(b, &c, f) == 0 &&
	    bk_pgrepl_send(&b->r, bk_buf_text(&c), f) == 0 &&
	    take_position(b, &b->span.start, &b->span.tli, f) == 0 &&
	    (*spaces = take_tablespaces(b, d->info, f)) != NULL)
		rc = bk_pgspan_note_start(&b->span, d->info, f);
	bk_buf_release(&c);
	return rc;
}

/* The end, after the last copy. */
static int
finish(struct bk_dump *d, struct base *b, struct bk_pgbasefeed *feed,
    struct bk_fault *f)
{
	const struct bk_pgmanifest *m;
	PGresult *res;
	int rc;

	if (take_position(b, &b->span.stop, &b->span.end_tli, f) == -1 ||
	    (res = bk_pgrepl_result(&b->r, PGRES_COMMAND_OK, f)) == NULL)
		return -1;
	PQclear(res);
	if (b->span.stop <= b->span.start)
		return bk_fault_set(f, BK_DATA, "%s: the end lies before the start",
		    b->r.where);
	if (bk_pgrepl_done(&b->r, f) == -1 || bk_pgbasefeed_finish(feed, f) == -1 ||
	    (rc = b->marks->finish(b->marks, f)) == -1)
		return -1;
	m = bk_marks_pg_manifest(b->marks);
	if (m != NULL && bk_pgmanifest_system(m) != NULL &&
	    strcmp(bk_pgmanifest_system(m), b->span.system) != 0)
		return bk_fault_set(f, BK_DATA,
		    "backup manifest: it is of another server");
	if (rc == BK_MARKS_UNKNOWN)
		d->req->ctx->log(BK_LOG_WARN, "the backup manifest is newer than "
		    "what is known here; the server's word is the only proof");
	d->proof = rc == BK_MARKS_PROVEN ? "marks" : "exit";
	if (bk_pgspan_note_end(&b->span, d->req->ctx->now() + b->ahead,
	    strstr(bk_pgbasetar_label(feed->tar), "BACKUP FROM: standby") != NULL,
	    d->info, f) == -1)
		return -1;
	return b->wal ? 0 : bk_pgspan_requires(&b->span,
	    m != NULL ? bk_pgmanifest_ranges(m) : NULL, &d->requires, f);
}

static int
base_dump_run(struct bk_dump *d, bk_sink_fn *sink, void *arg,
    struct bk_fault *f)
{
	struct base *b = d->priv;
	const struct bk_ctx *ctx = d->req->ctx;
	struct bk_pgbasefeed feed = { .fd = -1 };
	PGresult *spaces = NULL;
	int rc = -1;

	b->ahead = -1;
	b->sink = sink;
	b->arg = arg;
	if ((b->marks = bk_marks_pg_base(b->sum, f)) == NULL ||
	    (feed.tar = bk_pgbasetar_new(base_out, b, f)) == NULL ||
	    (bk_pgrepl_version(&b->r) >= 130000 &&
	    (feed.fd = bk_tmpfile(ctx->tmpdir, f)) == -1))
		goto out;
	b->tar = feed.tar;
	if (start(d, b, &spaces, f) == 0 &&
	    take_copies(b, spaces, &feed, f) == 0)
		rc = finish(d, b, &feed, f);
out:
	PQclear(spaces);
	bk_pgbasetar_free(feed.tar);
	if (feed.fd != -1)
		close(feed.fd);
	return rc;
}

static void
base_dump_close(struct bk_dump *d)
{
	struct base *b = d->priv;

	if (b == NULL)
		return;
	bk_pgrepl_close(&b->r);
	if (b->marks != NULL)
		b->marks->free(b->marks);
	free(b);
	d->priv = NULL;
}

static struct bk_marks *
base_marks(const char *ext, struct bk_fault *f)
{
	return strcmp(ext, "tar") == 0 ?
	    bk_marks_pg_base(BK_PGSUM_CRC32C, f) : NULL;
}

const struct bk_engine_ops bk_engine_postgres_base = {
	.name = "postgres-base",
	.schemes = schemes,
	.options = options,
	.target_options = no_options,
	.flags = BK_ENGINE_NO_ARGS | BK_ENGINE_RECOVERS | BK_ENGINE_PATH,
	.dump_open = base_dump_open,
	.dump_run = base_dump_run,
	.dump_close = base_dump_close,
	.restore_open = bk_pgbase_restore_open,
	.restore_write = bk_pgbase_restore_write,
	.restore_commit = bk_pgbase_restore_commit,
	.restore_close = bk_pgbase_restore_close,
	.marks = base_marks,
};
