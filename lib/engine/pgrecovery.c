/*
 * Facts (documentation of PostgreSQL 9.6 to 17, "Recovering Using a Continuous
 * Archive Backup", "Archive Recovery", "recovery.conf"; GUC file syntax in
 * "Parameter Interaction via the Configuration File"): from 12 on the settings
 * are ordinary ones and a signal file makes the server recover; before 12 a
 * file recovery.conf does both.  One kind of target may be given.  A quote in
 * a value is doubled, and a backslash too, since it escapes.  The last line of
 * a name wins, and postgresql.auto.conf wins over postgresql.conf.  From 13 on
 * a target that is not reached before the log ends is fatal.
 *
 * A timeline: a backup that recovers no further than to its own end stays on
 * its own ("current" from 12 on, the default before), any other follows the
 * newest.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "io.h"
#include "json.h"
#include "pg.h"
#include "pglsn.h"
#include "pgrecovery.h"
#include "when.h"

#define CONF_MAX (1024 * 1024)
#define AUTO_CONF "postgresql.auto.conf"
#define SIGNALS_FROM 1200		/* version from which there are signal files */

static const char *const own[] = { "restore_command",
	"archive_cleanup_command", "recovery_end_command", "recovery_target",
	"recovery_target_action", "recovery_target_inclusive",
	"recovery_target_lsn", "recovery_target_name", "recovery_target_time",
	"recovery_target_timeline", "recovery_target_xid", "primary_conninfo",
	"primary_slot_name", "promote_trigger_file", "recovery_min_apply_delay",
	NULL };

static bool
included(const json_t *header)
{
	const char *wal = bk_json_get_text(json_object_get(header, "info"),
	    "wal");

	return wal != NULL && strcmp(wal, "included") == 0;
}

static int
check_primary(const struct bk_uri *u, struct bk_fault *f)
{
	static const char *const allowed[] = { "host", "sslmode", "sslrootcert",
		"sslcert", "sslkey", "passfile", "password-file", "slot", NULL };

	if (strcmp(u->scheme, "postgres") != 0 &&
	    strcmp(u->scheme, "postgresql") != 0)
		return bk_fault_set(f, BK_USAGE,
		    "--replica-of '%s': want postgres://...", u->text);
	return bk_uri_allow(u, allowed, f);
}

int
bk_pgrecovery_check(const struct bk_recovery *r, const json_t *header,
    struct bk_fault *f)
{
	const json_t *info = json_object_get(header, "info");
	const char *time = bk_json_get_text(info, "stop-time");
	const char *lsn = bk_json_get_text(info, "stop-lsn");
	struct bk_fault bad = BK_FAULT_INIT;
	uint64_t want, end;
	int64_t at, stop;

	if (r->primary != NULL && check_primary(r->primary, f) == -1)
		return -1;
	if (r->start && r->primary != NULL)
		return bk_fault_set(f, BK_USAGE, "a replica has no end of recovery "
		    "to wait for: --start does not go with --replica-of");
	if (r->primary != NULL && r->to != BK_RECOVER_BACKUP &&
	    r->to != BK_RECOVER_LATEST)
		return bk_fault_set(f, BK_USAGE, "a replica goes on to what its "
		    "primary has now: no moment goes with --replica-of");
	if (r->restore_command == NULL && r->primary == NULL &&
	    (!included(header) || r->to != BK_RECOVER_BACKUP))
		return bk_fault_set(f, BK_USAGE, "where does the server get its log "
		    "from?  Give a store, or --restore-command");
	if (r->to == BK_RECOVER_LSN && bk_pglsn_parse(r->what, &want) == -1)
		return bk_fault_set(f, BK_USAGE, "'%.40s' is no position of the "
		    "log, such as 16/B374D848", r->what);
	if (r->to == BK_RECOVER_LSN && lsn != NULL &&
	    bk_pglsn_parse(lsn, &end) == 0 && want < end)
		return bk_fault_set(f, BK_DATA, "the backup ends at %s, after %s",
		    lsn, r->what);
	if (r->to == BK_RECOVER_TIME && time != NULL &&
	    bk_time_parse(time, &stop, &bad) == 0 &&
	    bk_time_parse(r->what, &at, &bad) == 0 && at < stop)
		return bk_fault_set(f, BK_DATA, "the backup ends at %s, after %s",
		    time, r->what);
	return 0;
}

/* ---- lines ---- */

/* name = 'value' */
static int
line(struct bk_buf *b, const char *name, const char *value, struct bk_fault *f)
{
	if (value == NULL)
		return 0;
	if (bk_buf_addf(b, f, "%s = '", name) == -1)
		return -1;
	for (; *value != '\0'; value++) {
		if (*value == '\n' || *value == '\r')
			return bk_fault_set(f, BK_USAGE,
			    "a line break in the value of %s", name);
		if (((*value == '\'' || *value == '\\') &&
		    bk_buf_add(b, value, 1, f) == -1) ||
		    bk_buf_add(b, value, 1, f) == -1)
			return -1;
	}
	return bk_buf_adds(b, "'\n", f);
}

/* As psql would name the server to the replica; a password is in no line. */
static int
primary(const struct bk_ctx *ctx, const struct bk_uri *u, struct bk_buf *b,
    struct bk_fault *f)
{
	struct bk_buf c = BK_BUF_INIT(16384);
	int rc = -1;

	if (bk_uri_opt(u, "password-file") != NULL)
		return bk_fault_set(f, BK_USAGE, "'%s': the server reads the "
		    "password itself, from a file that ?passfile= names in "
		    "the form of libpq's, or from ~/.pgpass of its user",
		    u->text);
	if (bk_pg_conninfo(ctx, u, NULL, &c, f) == 0 &&
	    bk_pg_conn_word(&c, "passfile", bk_uri_opt(u, "passfile"), f) == 0 &&
	    line(b, "primary_conninfo", bk_buf_text(&c) +
	    strspn(bk_buf_text(&c), " "), f) == 0)
		rc = line(b, "primary_slot_name", bk_uri_opt(u, "slot"), f);
	bk_buf_release(&c);
	return rc;
}

/*
 * RFC 3339 as the server takes it in a file: while it reads its settings it
 * does not know "Z" yet.
 */
static const char *
server_time(const char *text, char out[64])
{
	size_t n = strlen(text);
	char *t;
	bool z = n > 0 && (text[n - 1] == 'Z' || text[n - 1] == 'z');

	snprintf(out, 64, "%.*s%s", (int)(z ? n - 1 : n), text, z ? "+00" : "");
	if ((t = strpbrk(out, "Tt")) != NULL)
		*t = ' ';
	return out;
}

static int
target_lines(const struct bk_recovery *r, struct bk_buf *b, struct bk_fault *f)
{
	static const char *const names[] = {
		[BK_RECOVER_BACKUP] = "recovery_target",
		[BK_RECOVER_TIME] = "recovery_target_time",
		[BK_RECOVER_LSN] = "recovery_target_lsn",
		[BK_RECOVER_POINT] = "recovery_target_name",
	};

	const char *what = r->what;
	char time[64];

	if (r->to == BK_RECOVER_LATEST || r->primary != NULL)
		return 0;
	if (r->to == BK_RECOVER_BACKUP)
		what = "immediate";
	if (r->to == BK_RECOVER_TIME)
		what = server_time(what, time);
	return line(b, names[r->to], what, f) == -1 ? -1 :
	    line(b, "recovery_target_action", "promote", f);
}

int
bk_pgrecovery_lines(const struct bk_ctx *ctx, const struct bk_recovery *r,
    int version, bool target, struct bk_buf *b, struct bk_fault *f)
{
	const char *timeline = r->timeline;

	if (timeline == NULL && (r->to != BK_RECOVER_BACKUP ||
	    r->primary != NULL))
		timeline = "latest";
	else if (timeline == NULL && version >= SIGNALS_FROM)
		timeline = "current";
	if (version < SIGNALS_FROM && r->primary != NULL &&
	    line(b, "standby_mode", "on", f) == -1)
		return -1;
	return line(b, "restore_command", r->restore_command, f) == -1 ||
	    line(b, "recovery_target_timeline", timeline, f) == -1 ||
	    (target && target_lines(r, b, f) == -1) || (r->primary != NULL &&
	    primary(ctx, r->primary, b, f) == -1) ? -1 : 0;
}

/* ---- files ---- */

static int
path_of(const char *dir, const char *name, char out[PATH_MAX],
    struct bk_fault *f)
{
	return snprintf(out, PATH_MAX, "%s/%s", dir, name) < PATH_MAX ? 0 :
	    bk_fault_errno(f, 0, ENAMETOOLONG, "'%s'", dir);
}

/* Append a whole small file; nothing where there is none. */
static int
read_file(const char *dir, const char *name, struct bk_buf *b,
    struct bk_fault *f)
{
	char path[PATH_MAX];
	ssize_t n = -1;
	int fd;

	if (path_of(dir, name, path, f) == -1)
		return -1;
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) == -1)
		return errno == ENOENT ? 0 :
		    bk_fault_errno(f, 0, errno, "cannot read '%s'", path);
	if (bk_buf_need(b, CONF_MAX / 2, f) == 0 &&
	    (n = bk_read_full(fd, b->p, CONF_MAX / 2, path, f)) >= 0) {
		b->len = (size_t)n;
		b->p[n] = '\0';
	}
	close(fd);
	if (n == CONF_MAX / 2)
		return bk_fault_set(f, BK_DATA, "'%s' is too long", path);
	return n == -1 ? -1 : 0;
}

/* A file in place of another: owner as the directory's, mode 0600. */
static int
write_file(const char *dir, const char *name, const struct bk_buf *b,
    struct bk_fault *f)
{
	char path[PATH_MAX];
	struct stat st;
	int fd, rc;

	if (path_of(dir, name, path, f) == -1)
		return -1;
	if (stat(dir, &st) == -1)
		return bk_fault_errno(f, 0, errno, "cannot read '%s'", dir);
	if (unlink(path) == -1 && errno != ENOENT)
		return bk_fault_errno(f, 0, errno, "cannot replace '%s'", path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1)
		return bk_fault_errno(f, 0, errno, "cannot create '%s'", path);
	rc = geteuid() != 0 || fchown(fd, st.st_uid, st.st_gid) == 0 ? 0 :
	    bk_fault_errno(f, 0, errno, "cannot give away '%s'", path);
	if (rc == 0 && b->len > 0)
		rc = bk_write_all(fd, b->p, b->len, path, f);
	if (rc == 0)
		rc = bk_fsync(fd, path, f);
	return bk_close(fd, path, f) == -1 ? -1 : rc;
}

/* Is the line one that a recovery left, or archive_mode? */
static bool
ours(const char *p, size_t n, bool archive)
{
	size_t i, len;

	while (n > 0 && (*p == ' ' || *p == '\t'))
		p++, n--;
	for (len = 0; len < n && strchr(" \t='", p[len]) == NULL; len++)
		;
	if (archive && len == 12 && strncasecmp(p, "archive_mode", 12) == 0)
		return true;
	for (i = 0; own[i] != NULL; i++)
		if (strlen(own[i]) == len && strncasecmp(p, own[i], len) == 0)
			return true;
	return false;
}

/* postgresql.auto.conf without such lines, and with ${more}. */
static int
change_auto(const char *dir, bool archive, const char *more,
    struct bk_fault *f)
{
	struct bk_buf old = BK_BUF_INIT(CONF_MAX), new = BK_BUF_INIT(CONF_MAX);
	const char *p;
	size_t n;
	int rc = -1;

	if (read_file(dir, AUTO_CONF, &old, f) == -1)
		goto out;
	for (p = bk_buf_text(&old); *p != '\0'; p += n + (p[n] != '\0')) {
		n = strcspn(p, "\n");
		if (!ours(p, n, archive) && (bk_buf_add(&new, p, n, f) == -1 ||
		    bk_buf_adds(&new, "\n", f) == -1))
			goto out;
	}
	if (bk_buf_adds(&new, more, f) == 0)
		rc = write_file(dir, AUTO_CONF, &new, f);
out:
	bk_buf_release(&old);
	bk_buf_release(&new);
	return rc;
}

int
bk_pgrecovery_version(const char *dir, struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(CONF_MAX);
	char *end;
	long major = 0, minor = 0;

	if (read_file(dir, "PG_VERSION", &b, f) == -1)
		return -1;
	if (b.len > 0) {
		major = strtol(b.p, &end, 10);
		if (*end == '.')
			minor = strtol(end + 1, NULL, 10);
	}
	bk_buf_release(&b);
	return major >= 9 && major < 1000 ? (int)(major * 100 + minor) :
	    bk_fault_set(f, BK_DATA, "'%s' is no PostgreSQL cluster: its "
	    "PG_VERSION names none", dir);
}

/* The backup of a standby has the signal that made it one. */
static int
drop_signals(const char *dir, struct bk_fault *f)
{
	static const char *const names[] = { "standby.signal",
		"recovery.signal", "recovery.conf", NULL };
	char path[PATH_MAX];
	size_t i;

	for (i = 0; names[i] != NULL; i++) {
		if (path_of(dir, names[i], path, f) == -1)
			return -1;
		if (unlink(path) == -1 && errno != ENOENT)
			return bk_fault_errno(f, 0, errno, "cannot remove '%s'",
			    path);
	}
	return 0;
}

int
bk_pgrecovery_write(const struct bk_ctx *ctx, const struct bk_recovery *r,
    const char *dir, int version, bool target, struct bk_fault *f)
{
	bool recovers = r->restore_command != NULL || r->primary != NULL;
	struct bk_buf lines = BK_BUF_INIT(CONF_MAX), empty = BK_BUF_INIT(1);
	struct bk_buf conf = BK_BUF_INIT(CONF_MAX);
	int rc = -1;

	if (drop_signals(dir, f) == -1 || (recovers &&
	    bk_pgrecovery_lines(ctx, r, version, target, &lines, f) == -1) ||
	    (!r->archive_keep &&
	    line(&conf, "archive_mode", "off", f) == -1) ||
	    (version >= SIGNALS_FROM &&
	    bk_buf_adds(&conf, bk_buf_text(&lines), f) == -1) ||
	    change_auto(dir, !r->archive_keep, bk_buf_text(&conf), f) == -1)
		goto out;
	if (!recovers)
		rc = 0;
	else if (version < SIGNALS_FROM)
		rc = write_file(dir, "recovery.conf", &lines, f);
	else
		rc = write_file(dir, r->primary != NULL ? "standby.signal" :
		    "recovery.signal", &empty, f);
out:
	bk_buf_release(&lines);
	bk_buf_release(&conf);
	return rc;
}

int
bk_pgrecovery_forget(const char *dir, int version, struct bk_fault *f)
{
	/* Before 12 the server has renamed recovery.conf itself. */
	return version < SIGNALS_FROM ? 0 : change_auto(dir, false, "", f);
}
