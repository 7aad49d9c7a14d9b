/*
 * MySQL and MariaDB: the dump.
 *
 * One consistent state: --single-transaction holds a snapshot of transactional
 * tables only, so that under ?lock=auto tables of other engines are looked for
 * first and the dump then holds the global read lock to its end.
 *
 * Position: "--master-data=2" (MySQL from 8.0.26 "--source-data=2") writes the
 * position of the snapshot as a comment near the head; MariaDB's own tool
 * needs no right for it, as the server keeps it with the snapshot
 * (binlog_snapshot_file), others take a short global lock.
 *
 * All databases: MariaDB's tool can write accounts as SQL (--system=users),
 * which suits any later version, where the tables of the "mysql" schema would
 * not.  It is a second run, because only with --insert-ignore accounts that
 * are there already are no error, and on data that option would hide lost
 * rows.  Accounts come last: grants name tables that must be there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "mysql.h"
#include "mysqldump.h"
#include "names.h"

static const char ours[] = "bk sets it";
static const char target[] = "the source URL says what is dumped, and from where";
static const char mark[] = "the dump's end could not be told from a cut";
static const char output[] = "the dump must come on standard output";
static const char without[] = "use ?without=routines,events,triggers,position";
static const char locks[] = "use ?lock=auto|all|none";
static const char login[] = "the URL, ?password-file=, ?socket= and ~/.my.cnf do this";

static const struct bk_tool_refusal refused[] = {
	{ "result-file", output }, { "r", output }, { "tab", output },
	{ "T", output }, { "log-error", "bk reads its messages" },
	{ "comments", mark }, { "i", mark }, { "compact", mark },
	{ "xml", mark }, { "X", mark },
	{ "all-databases", target }, { "A", target }, { "databases", target },
	{ "B", target }, { "tables", target }, { "system", target },
	{ "host", login }, { "h", login }, { "user", login }, { "u", login },
	{ "password", login }, { "p", login }, { "password1", login },
	{ "password2", login }, { "password3", login }, { "port", login },
	{ "P", login }, { "socket", login }, { "S", login },
	{ "protocol", login }, { "W", login }, { "pipe", login },
	{ "login-path", login }, { "defaults-file", login },
	{ "defaults-extra-file", login }, { "defaults-group-suffix", login },
	{ "no-defaults", login }, { "print-defaults", login },
	{ "routines", without }, { "R", without }, { "events", without },
	{ "E", without }, { "triggers", without },
	{ "master-data", without }, { "source-data", without },
	{ "dump-slave", without }, { "dump-replica", without },
	{ "set-gtid-purged", ours }, { "gtid", ours },
	{ "default-character-set", ours }, { "set-charset", ours },
	{ "no-set-names", ours }, { "N", ours }, { "compatible", ours },
	{ "quick", ours }, { "q", ours }, { "hex-blob", ours },
	{ "single-transaction", locks }, { "lock-tables", locks },
	{ "l", locks }, { "lock-all-tables", locks }, { "x", locks },
	{ "force", "an error must end the dump" },
	{ "f", "an error must end the dump" },
	{ "insert-ignore", "it would hide rows lost on restore" },
	{ "delete-master-logs", "a backup deletes nothing" },
	{ "delete-source-logs", "a backup deletes nothing" },
	{ "help", "it makes no dump" }, { "?", "it makes no dump" },
	{ "I", "it makes no dump" }, { "version", "it makes no dump" },
	{ "V", "it makes no dump" },
	{ NULL, NULL }
};

static const struct bk_tool_opts tool_opts = {
	"mysqldump", "w", "#C", refused
};

static int
parse_without(struct bk_mysqldump *p, const char *list, struct bk_fault *f)
{
	static const char *const words[] = {
		"routines", "events", "triggers", "position"
	};
	bool *const flags[] = {
		&p->routines, &p->events, &p->triggers, &p->position
	};
	size_t i, n;

	for (i = 0; i < 4; i++)
		*flags[i] = true;
	while (list != NULL && *list != '\0') {
		n = strcspn(list, ",");
		for (i = 0; i < 4; i++)
			if (strlen(words[i]) == n && memcmp(words[i], list, n) == 0)
				break;
		if (i == 4)
			return bk_fault_set(f, BK_USAGE,
			    "without='%s': want routines, events, triggers, position with ',' between",
			    list);
		*flags[i] = false;
		if (bk_json_push(p->left_out, json_string(words[i]), f) == -1)
			return -1;
		list += n + (list[n] == ',');
	}
	return 0;
}

static int
parse_options(struct bk_mysqldump *p, const struct bk_uri *u,
    struct bk_fault *f)
{
	const char *lock = bk_uri_opt(u, "lock");

	if (lock == NULL || strcmp(lock, "auto") == 0)
		p->lock = BK_MYSQL_LOCK_AUTO;
	else if (strcmp(lock, "all") == 0)
		p->lock = BK_MYSQL_LOCK_ALL;
	else if (strcmp(lock, "none") == 0)
		p->lock = BK_MYSQL_LOCK_NONE;
	else
		return bk_fault_set(f, BK_USAGE,
		    "lock='%s': want auto, all or none", lock);
	return parse_without(p, bk_uri_opt(u, "without"), f);
}

/* On a loopback address or a socket the server's own name tells it apart. */
static bool
is_local(const char *host)
{
	return host[0] == '\0' || strcmp(host, "localhost") == 0 ||
	    strcmp(host, "::1") == 0 || strncmp(host, "127.", 4) == 0;
}

/* MySQL has a UUID for each server; MariaDB has nothing that outlives a move. */
static int
describe_server(struct bk_dump *d, struct bk_mysqldump *p, struct bk_fault *f)
{
	const char *host = d->req->uri->host;
	struct bk_buf b = BK_BUF_INIT(4096);
	char *rest, *name, *port, *uuid;
	int rc = -1;

	if (bk_mysql_ask(&p->m, p->m.mariadb || p->m.version < 50600 ?
	    "SELECT @@hostname, @@port, ''" :
	    "SELECT @@hostname, @@port, @@server_uuid", &b, f) == -1)
		goto out;
	rest = b.p;
	name = strsep(&rest, "\t");
	port = strsep(&rest, "\t");
	uuid = strsep(&rest, "\n");
	if (uuid == NULL) {
		bk_fault_set(f, BK_UNAVAILABLE, "the server's answer makes no sense");
	} else if (uuid[0] != '\0') {
		rc = bk_json_set_text(d->source, "server", uuid, f);
	} else {
		rc = bk_json_set_text(d->source, "host", is_local(host) ? name :
		    host, f);
		if (rc == 0)
			rc = bk_json_set(d->source, "port",
			    json_integer(strtol(port, NULL, 10)), f);
	}
out:
	bk_buf_release(&b);
	return rc;
}

/* A dump of one database does not tell how it was made: CREATE DATABASE. */
static int
describe_charset(struct bk_dump *d, struct bk_mysqldump *p, struct bk_fault *f)
{
	struct bk_buf sql = BK_BUF_INIT(16384), b = BK_BUF_INIT(4096);
	char *rest, *charset, *collation;
	int rc = -1;

	if (bk_buf_adds(&sql, "SELECT default_character_set_name, "
	    "default_collation_name FROM information_schema.schemata WHERE "
	    "schema_name = ", f) == -1 ||
	    bk_mysql_literals(&sql, &p->m, f) == -1 ||
	    bk_mysql_ask(&p->m, sql.p, &b, f) == -1)
		goto out;
	rest = b.p;
	charset = strsep(&rest, "\t");
	collation = strsep(&rest, "\n");
	rc = collation == NULL ? 0 : bk_json_set_text(d->info, "charset",
	    charset, f);
	if (rc == 0 && collation != NULL)
		rc = bk_json_set_text(d->info, "collation", collation, f);
out:
	bk_buf_release(&sql);
	bk_buf_release(&b);
	return rc;
}

static int
describe_source(struct bk_dump *d, struct bk_mysqldump *p, struct bk_fault *f)
{
	json_t *list;
	size_t i;

	if (describe_server(d, p, f) == -1)
		return -1;
	if (p->m.ndbs == 1)
		return bk_json_set_text(d->source, "database", p->m.dbs[0], f) ==
		    -1 ? -1 : describe_charset(d, p, f);
	if (p->m.ndbs == 0)
		return 0;
	if ((list = json_array()) == NULL)
		return bk_fault_errno(f, 0, ENOMEM, "source");
	for (i = 0; i < p->m.ndbs; i++)
		if (bk_json_push(list, bk_json_string(p->m.dbs[i],
		    strlen(p->m.dbs[i])), f) == -1) {
			json_decref(list);
			return -1;
		}
	return bk_json_set(d->source, "databases", list, f);
}

static int
describe(struct bk_dump *d, struct bk_mysqldump *p, struct bk_fault *f)
{
	(void)snprintf(d->engine, sizeof(d->engine), "%s", d->req->uri->scheme);
	(void)snprintf(d->ext, sizeof(d->ext), "sql");
	bk_name_from(d->req->uri->path, d->name);
	if (describe_source(d, p, f) == -1 ||
	    bk_json_set_text(d->info, "server", p->m.server, f) == -1 ||
	    bk_json_set_text(d->info, "tool", p->tool_text, f) == -1 ||
	    bk_json_set_text(d->info, "lock", p->lock == BK_MYSQL_LOCK_ALL ?
	    "all" : "none", f) == -1)
		return -1;
	if (json_array_size(p->left_out) > 0 &&
	    bk_json_set(d->info, "without", json_incref(p->left_out), f) == -1)
		return -1;
	return 0;
}

int
bk_mysql_dump_open(struct bk_dump *d, struct bk_fault *f)
{
	const struct bk_dump_req *req = d->req;
	struct bk_mysqldump *p;

	if ((p = calloc(1, sizeof(*p))) == NULL)
		return bk_fault_errno(f, 0, ENOMEM, "dump");
	d->priv = p;
	p->m.secret.fd = -1;
	if ((p->left_out = json_array()) == NULL)
		return bk_fault_errno(f, 0, ENOMEM, "dump");
	if (parse_options(p, req->uri, f) == -1 ||
	    bk_tool_opts_check(&tool_opts, req->args, f) == -1 ||
	    bk_mysql_open(&p->m, req->ctx, req->uri, req->source_env,
	    req->deadline, f) == -1 ||
	    bk_mysqldump_tool(p, f) == -1 ||
	    bk_mysqldump_rights(p, f) == -1 ||
	    bk_mysqldump_lock(p, d->info, f) == -1 ||
	    bk_mysqldump_position(p, f) == -1)
		return -1;
	return describe(d, p, f);
}

void
bk_mysql_dump_close(struct bk_dump *d)
{
	struct bk_mysqldump *p = d->priv;

	if (p == NULL)
		return;
	bk_mysql_release(&p->m);
	json_decref(p->left_out);
	free(p);
	d->priv = NULL;
}

/* ---- the run ---- */

/* Between the tool and the sink. */
struct watch {
	struct bk_mysqldump *p;
	json_t *info;
	bk_sink_fn *sink;
	void *arg;
	struct bk_mysql_lines lines;
	struct bk_mysql_pos pos;
	unsigned int parts;	/* to be told at the first byte, else 0 */
	bool changed;
};

static void
watch_line(void *arg, const char *line, size_t n)
{
	struct watch *w = arg;

	(void)n;
	if (bk_mysql_pos_line(&w->pos, line))
		w->changed = true;
}

static int
tell_position(struct watch *w, struct bk_fault *f)
{
	json_t *o = json_object();

	w->changed = false;
	if (w->pos.file[0] == '\0') {
		json_decref(o);
		return 0;
	}
	if (o == NULL || bk_json_set_text(o, "file", w->pos.file, f) == -1 ||
	    bk_json_set(o, "pos", json_integer((json_int_t)w->pos.pos), f) == -1 ||
	    (w->pos.gtid[0] != '\0' &&
	    bk_json_set_text(o, "gtid", w->pos.gtid, f) == -1)) {
		json_decref(o);
		return bk_fault_errno(f, 0, ENOMEM, "position");
	}
	return bk_json_set(w->info, "position", o, f);
}

static int
watch_sink(void *arg, const void *bytes, size_t n, struct bk_fault *f)
{
	struct watch *w = arg;
	char line[128];
	int len;

	if (w->parts > 0) {
		len = snprintf(line, sizeof(line), BK_MYSQL_PARTS, w->parts);
		w->parts = 0;
		if (w->sink(w->arg, line, (size_t)len, f) == -1)
			return -1;
	}
	if (w->p->position) {
		bk_mysql_lines(&w->lines, bytes, n, watch_line, w);
		if (w->changed && tell_position(w, f) == -1)
			return -1;
	}
	return w->sink(w->arg, bytes, n, f);
}

/* What the tool takes for worth a word but not for a failure of its own. */
static int
check_words(const char *said, struct bk_fault *f)
{
	static const char *const bad[] = {
		"Got error:", ": Error", "Couldn't ", "insufficient privileges"
	};
	char line[512];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (strstr(said, bad[i]) != NULL) {
			bk_child_reason(said, line, sizeof(line));
			return bk_fault_set(f, BK_DATA,
			    "the dump tool exited 0 after an error: %s", line);
		}
	return 0;
}

/* Run the tool once. */
static int
run(struct watch *w, const struct bk_argv *a, const char **proof,
    struct bk_fault *f)
{
	struct bk_mysqldump *p = w->p;
	const struct bk_child_spec spec = {
		.argv = bk_argv_get(a), .env = p->m.env,
		.flags = BK_CHILD_OUT, .deadline = p->m.deadline, .in = -1,
		.pass = p->m.secret.fd
	};
	struct bk_marks *marks = NULL;
	struct bk_child *c = NULL;
	int seen = -1, rc = -1;

	if ((marks = bk_marks_mysql(f)) == NULL ||
	    (c = bk_child_start(p->m.ctx, &spec, f)) == NULL)
		goto out;
	seen = bk_tool_dump(c, marks, bk_mysql_msgs, w->info, watch_sink, w, f);
	if (seen == -1 || check_words(bk_child_tail(c), f) == -1)
		goto out;
	if (seen == BK_MARKS_UNKNOWN)
		*proof = "exit";
	rc = 0;
out:
	bk_child_stop(c, 2000);
	if (marks != NULL)
		marks->free(marks);
	return rc;
}

int
bk_mysql_dump_run(struct bk_dump *d, bk_sink_fn *sink, void *arg,
    struct bk_fault *f)
{
	struct bk_mysqldump *p = d->priv;
	struct watch w = { .p = p, .info = d->info, .sink = sink, .arg = arg,
	    .parts = p->accounts ? 2 : 0 };
	struct bk_argv a = BK_ARGV_INIT;
	const char *proof = "marks";
	int rc = -1;

	if (bk_mysqldump_args(p, d->req->args, &a, f) == -1 ||
	    run(&w, &a, &proof, f) == -1)
		goto out;
	if (p->accounts) {
		bk_argv_release(&a);
		if (bk_mysqldump_account_args(p, &a, f) == -1 ||
		    run(&w, &a, &proof, f) == -1)
			goto out;
	}
	d->proof = proof;
	rc = 0;
out:
	bk_argv_release(&a);
	return rc;
}
