/*
 * What it has reached is told by the server's log, which needs no login: its
 * messages (xlogrecovery.c, xlog.c and postmaster.c of PostgreSQL 9.6 to 17)
 * come in English (lc_messages) and UTC, and the moment of the last
 * transaction is among them.
 *
 * The log is standard error; a shell joins it to standard output, which is
 * the one that is read here.  Credentials of the store reach restore_command
 * through the environment.  A command that the user wrote has a guard
 * (child.h), and so has the server that runs one.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "child.h"
#include "pgserver.h"
#include "tool.h"

#define LINE_MAX_BYTES 8192
#define REASONS 600

static const char short_of[] = "recovery ended before configured recovery "
    "target was reached";
static const char unrestored[] = "could not restore file";

struct run {
	const struct bk_ctx *ctx;
	const char *dir;
	char priv[PATH_MAX];		/* socket and files of access; "" none */
	char server[PATH_MAX];
	struct stat st;			/* of dir */
	struct bk_argv a;
	struct bk_child *child;
	char why[REASONS];		/* its first FATAL */
	char said[REASONS];		/* by restore_command, last before that */
	bool ready, missed;
	struct bk_pgreached *out;
};

/* ---- the log ---- */

static const char *
behind(const char *line, const char *what)
{
	const char *p = strstr(line, what);

	return p == NULL ? NULL : p + strlen(what);
}

/* "2026-11-21 10:00:00.123456+00" as RFC 3339. */
static void
take_time(const char *p, char out[40])
{
	size_t n = strspn(p, "0123456789-: .");

	if (n < 19 || n > 30 || p[n] != '+')
		return;
	snprintf(out, 40, "%.10sT%.*sZ", p, (int)(n - 11), p + 11);
}

void
bk_pgserver_line(const char *line, struct bk_pgreached *out)
{
	const char *p;

	if ((p = behind(line, "last completed transaction was at log time ")) !=
	    NULL)
		take_time(p, out->time);
	if ((p = behind(line, "redo done at ")) != NULL)
		snprintf(out->lsn, sizeof(out->lsn), "%.*s",
		    (int)strcspn(p, " \n"), p);
	if ((p = behind(line, "selected new timeline ID: ")) != NULL)
		out->timeline = (uint32_t)strtoul(p, NULL, 10);
	if (strstr(line, "recovery stopping ") != NULL)
		out->target = true;
}

/* Not the server's "LEVEL:  text" or more of it: what restore_command says. */
static bool
command_said(const char *line)
{
	size_t n = strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");

	return line[0] != '\0' && line[0] != '\t' && (n == 0 || line[n] != ':');
}

static void
take_line(struct run *r, const char *line)
{
	const char *p;

	if (command_said(line) && r->why[0] == '\0')
		snprintf(r->said, sizeof(r->said), "%s", line);
	r->ctx->log(BK_LOG_INFO, "server: %s", line);
	bk_pgserver_line(line, r->out);
	if (strstr(line, "database system is ready to accept connections") !=
	    NULL)
		r->ready = true;
	if (strstr(line, short_of) != NULL)
		r->missed = true;
	if (r->why[0] == '\0' && (p = strstr(line, "FATAL:")) != NULL)
		snprintf(r->why, sizeof(r->why), "%s", p +
		    strspn(p, "FATAL: "));
}

/* Read its log until it is ready, or to the end. */
static int
follow(struct run *r, bool to_end, struct bk_fault *f)
{
	struct bk_buf line = BK_BUF_INIT(LINE_MAX_BYTES);
	char piece[4096];
	ssize_t i, n = 1;
	int rc = 0;

	while (rc == 0 && (to_end || !r->ready) &&
	    (n = bk_child_read(r->child, piece, sizeof(piece), f)) > 0)
		for (i = 0; rc == 0 && i < n; i++)
			if (piece[i] == '\n') {
				take_line(r, bk_buf_text(&line));
				bk_buf_reset(&line);
			} else if (line.len < LINE_MAX_BYTES)
				rc = bk_buf_add(&line, &piece[i], 1, f);
	bk_buf_release(&line);
	return n == -1 ? -1 : rc;
}

/* ---- starting ---- */

static int
find_server(struct run *r, int version, struct bk_fault *f)
{
	static const char *const names[] = { "postgres", NULL };
	char dir[3][64], major[16];
	const char *const dirs[] = { dir[0], dir[1], dir[2], NULL };
	struct bk_buf said = BK_BUF_INIT(4096);
	const char *p;
	unsigned int i;
	bool found = false;

	if (version < 1000)
		snprintf(major, sizeof(major), "%d.%d", version / 100,
		    version % 100);
	else
		snprintf(major, sizeof(major), "%d", version / 100);
	snprintf(dir[0], sizeof(dir[0]), "/usr/lib/postgresql/%s/bin", major);
	snprintf(dir[1], sizeof(dir[1]), "/usr/pgsql-%s/bin", major);
	snprintf(dir[2], sizeof(dir[2]), "/usr/local/pgsql/bin");
	for (i = 0; !found && bk_tool_nth(r->ctx, names, dirs, i, r->server,
	    sizeof(r->server)) == 0; i++) {
		bk_buf_reset(&said);
		if (bk_tool_version(r->ctx, r->server, &said, f) == -1)
			break;
		p = behind(bk_buf_text(&said), "(PostgreSQL) ");
		found = p != NULL && strncmp(p, major, strlen(major)) == 0 &&
		    strchr(". \nabdr", p[strlen(major)]) != NULL;
	}
	bk_buf_release(&said);
	return found ? 0 : bk_fault_set(f, BK_UNAVAILABLE, "no server of "
	    "PostgreSQL %s is installed; Debian's package is postgresql-%s",
	    major, major);
}

static int
private_file(struct run *r, const char *name, const char *text,
    struct bk_fault *f)
{
	char path[PATH_MAX + 32];
	int fd, rc;

	snprintf(path, sizeof(path), "%s/%s", r->priv, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1 || (geteuid() == 0 &&
	    fchown(fd, r->st.st_uid, r->st.st_gid) == -1)) {
		(void)bk_fault_errno(f, 0, errno, "cannot create '%s'", path);
		if (fd != -1)
			close(fd);
		return -1;
	}
	rc = bk_write_all(fd, text, strlen(text), path, f);
	return bk_close(fd, path, f) == -1 ? -1 : rc;
}

static int
make_private(struct run *r, struct bk_fault *f)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/bk-pg-XXXXXX", r->ctx->tmpdir) >=
	    (int)sizeof(path) || mkdtemp(path) == NULL)
		return bk_fault_errno(f, 0, errno,
		    "cannot create a directory in '%s'", r->ctx->tmpdir);
	memcpy(r->priv, path, sizeof(path));
	if (private_file(r, "hba.conf", "local all all reject\n", f) == -1 ||
	    private_file(r, "ident.conf", "", f) == -1 ||
	    private_file(r, "postgresql.conf", "", f) == -1)
		return -1;
	/* Last: from then on its user may put anything in its place. */
	return geteuid() != 0 || chown(path, r->st.st_uid, r->st.st_gid) == 0 ?
	    0 : bk_fault_errno(f, 0, errno, "cannot give away '%s'", path);
}

static void
drop_private(struct run *r)
{
	static const char *const names[] = { "hba.conf", "ident.conf",
		"postgresql.conf", "pid", ".s.PGSQL.5432", ".s.PGSQL.5432.lock", NULL };
	char path[PATH_MAX + 32];
	size_t i;

	if (r->priv[0] == '\0')
		return;
	/* The options that it was started with are of no more use. */
	snprintf(path, sizeof(path), "%s/postmaster.opts", r->dir);
	(void)unlink(path);
	for (i = 0; names[i] != NULL; i++) {
		snprintf(path, sizeof(path), "%s/%s", r->priv, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(r->priv);
}

/* As root: by setpriv, which keeps the death signal over the change. */
static int
add_user(struct run *r, struct bk_fault *f)
{
	const struct passwd *pw;

	if (geteuid() != 0)
		return 0;
	if (r->st.st_uid == 0 || (pw = getpwuid(r->st.st_uid)) == NULL)
		return bk_fault_set(f, BK_CONFIG, "the owner of '%s' is not a user "
		    "that a server can run as", r->dir);
	return bk_argv_add(&r->a, "setpriv", f) == -1 ||
	    bk_argv_addf(&r->a, f, "--reuid=%ju", (uintmax_t)pw->pw_uid) == -1 ||
	    bk_argv_addf(&r->a, f, "--regid=%ju", (uintmax_t)pw->pw_gid) == -1 ||
	    bk_argv_add(&r->a, "--init-groups", f) == -1 ||
	    bk_argv_add(&r->a, "--pdeathsig=keep", f) == -1 ||
	    bk_argv_add(&r->a, "--", f) == -1 ? -1 : 0;
}

/*
 * Settings that make it private, small and talk as is wanted here.  From 15 on
 * it would read ahead of where it stops, and so fail for a segment that is bad
 * or missing behind the moment.
 */
static int
arguments(struct run *r, int version, struct bk_fault *f)
{
	static const char *const fixed[] = { "listen_addresses=", "port=5432",
		"unix_socket_permissions=0700", "hot_standby=off", "ssl=off",
		"logging_collector=off", "log_destination=stderr",
		"log_line_prefix=", "log_min_messages=info", "log_timezone=UTC",
		"timezone=UTC", "lc_messages=C",
		"autovacuum=off", "shared_buffers=128MB", "huge_pages=off",
		"synchronous_standby_names=", NULL };
	char conf[PATH_MAX];
	size_t i;

	if (bk_argv_add(&r->a, "/bin/sh", f) == -1 ||
	    bk_argv_add(&r->a, "-c", f) == -1 ||
	    bk_argv_add(&r->a, "exec \"$0\" \"$@\" 2>&1", f) == -1 ||
	    add_user(r, f) == -1 || bk_argv_add(&r->a, r->server, f) == -1 ||
	    bk_argv_add(&r->a, "-D", f) == -1 ||
	    bk_argv_add(&r->a, r->dir, f) == -1)
		return -1;
	for (i = 0; fixed[i] != NULL; i++)
		if (bk_argv_add(&r->a, "-c", f) == -1 ||
		    bk_argv_add(&r->a, fixed[i], f) == -1)
			return -1;
	if (version >= 1500 &&
	    bk_argv_add(&r->a, "--recovery_prefetch=off", f) == -1)
		return -1;
	if (bk_argv_addf(&r->a, f, "--data_directory=%s", r->dir) == -1 ||
	    bk_argv_addf(&r->a, f, "--unix_socket_directories=%s", r->priv)
	    == -1 ||
	    bk_argv_addf(&r->a, f, "--hba_file=%s/hba.conf", r->priv) == -1 ||
	    bk_argv_addf(&r->a, f, "--external_pid_file=%s/pid", r->priv) == -1 ||
	    bk_argv_addf(&r->a, f, "--ident_file=%s/ident.conf", r->priv) == -1)
		return -1;
	/* Debian keeps it elsewhere; what matters is in postgresql.auto.conf. */
	if (snprintf(conf, sizeof(conf), "%s/postgresql.conf", r->dir) <
	    (int)sizeof(conf) && access(conf, F_OK) == -1 &&
	    bk_argv_addf(&r->a, f, "--config_file=%s/postgresql.conf",
	    r->priv) == -1)
		return -1;
	return 0;
}

/* Fast shutdown: INT to the postmaster, which a guard is the parent of. */
static int
interrupt(const struct run *r, struct bk_fault *f)
{
	char path[PATH_MAX + 32], text[32];
	struct bk_fault bad = BK_FAULT_INIT;
	struct stat st;
	ssize_t n = -1;
	long pid = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/pid", r->priv);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) != -1) {
		n = bk_read_full(fd, text, sizeof(text) - 1, path, &bad);
		close(fd);
	}
	if (n > 0) {
		text[n] = '\0';
		pid = strtol(text, NULL, 10);
	}
	/* The file is the server's user's: so must be what is ended by it. */
	snprintf(path, sizeof(path), "/proc/%ld", pid);
	return pid > 1 && stat(path, &st) == 0 && st.st_uid == r->st.st_uid &&
	    kill((pid_t)pid, SIGINT) == 0 ? 0 : bk_fault_set(f, BK_IO, "cannot stop the server");
}

/* It is to end by itself, cleanly. */
static int
stop(struct run *r, struct bk_fault *f)
{
	if (interrupt(r, f) == -1)
		return -1;
	return follow(r, true, f) == -1 ? -1 :
	    bk_child_finish(r->child, NULL, NULL, f);
}

static int
run(struct run *r, int64_t deadline, struct bk_fault *f)
{
	const struct bk_child_spec spec = { .argv = bk_argv_get(&r->a),
		.cwd = "/", .flags = BK_CHILD_OUT | BK_CHILD_FULLENV,
		.deadline = deadline, .in = -1 };
	bool said;

	if ((r->child = bk_child_start(r->ctx, &spec, f)) == NULL ||
	    follow(r, false, f) == -1)
		return -1;
	if (r->ready)
		return stop(r, f);
	if (r->missed)
		return BK_PGSERVER_SHORT;
	said = r->said[0] != '\0' && strncmp(r->why, unrestored,
	    strlen(unrestored)) == 0;
	return bk_fault_set(f, BK_DATA, "the server ended before it had "
	    "recovered: %s%s%s", r->why[0] != '\0' ? r->why :
	    "without a reason", said ? ": " : "", said ? r->said : "");
}

int
bk_pgserver_recover(const struct bk_ctx *ctx, const char *dir, int version,
    int64_t deadline, struct bk_pgreached *out, struct bk_fault *f)
{
	struct run *r = calloc(1, sizeof(*r));
	struct bk_fault ignored = BK_FAULT_INIT;
	int rc = -1;

	if (r == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "'%s'", dir);
	*out = (struct bk_pgreached){ .timeline = 0 };
	r->ctx = ctx;
	r->dir = dir;
	r->out = out;
	if (stat(dir, &r->st) == -1)
		(void)bk_fault_errno(f, 0, errno, "cannot read '%s'", dir);
	else if (find_server(r, version, f) == 0 && make_private(r, f) == 0 &&
	    arguments(r, version, f) == 0)
		rc = run(r, deadline, f);
	/* INT first, so that it leaves no shared memory. */
	if (r->child != NULL && bk_child_status(r->child) == -1)
		(void)interrupt(r, &ignored);
	bk_child_stop(r->child, 30000);
	drop_private(r);
	bk_argv_release(&r->a);
	free(r);
	return rc;
}
