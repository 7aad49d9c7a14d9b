/*
 * Restoring PostgreSQL base backups: settings for servers of all ages, what a
 * server's log tells, and archives that no server would send.
 */
#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "io.h"
#include "json.h"
#include "pgrecovery.h"
#include "pgserver.h"
#include "pguntar.h"
#include "tap.h"
#include "tarblock.h"

static struct bk_fault nf;

/* ---- settings ---- */

static const char *
lines(const struct bk_recovery *r, int version, bool target)
{
	static struct bk_buf b = BK_BUF_INIT(65536);
	struct bk_fault f = BK_FAULT_INIT;

	bk_buf_reset(&b);
	if (bk_pgrecovery_lines(&tap_ctx, r, version, target, &b, &f) == -1) {
		bk_buf_reset(&b);
		bk_buf_adds(&b, f.text, &nf);
	}
	return bk_buf_text(&b);
}

static void
test_lines(void)
{
	struct bk_recovery r = { .restore_command = "cp '/a\\b'/%f %p" };
	struct bk_uri u = BK_URI_INIT;

	ok_text(lines(&r, 1500, true),
	    "restore_command = 'cp ''/a\\\\b''/%f %p'\n"
	    "recovery_target_timeline = 'current'\n"
	    "recovery_target = 'immediate'\n"
	    "recovery_target_action = 'promote'\n", "the backup's end, 15");
	r.restore_command = "x";
	ok_text(lines(&r, 906, true), "restore_command = 'x'\n"
	    "recovery_target = 'immediate'\n"
	    "recovery_target_action = 'promote'\n", "9.6 has no 'current'");
	r.to = BK_RECOVER_TIME;
	r.what = "2026-11-21T10:00:00.123456Z";
	ok_text(lines(&r, 1200, true), "restore_command = 'x'\n"
	    "recovery_target_timeline = 'latest'\n"
	    "recovery_target_time = '2026-11-21 10:00:00.123456+00'\n"
	    "recovery_target_action = 'promote'\n", "a time");
	ok_text(lines(&r, 1200, false), "restore_command = 'x'\n"
	    "recovery_target_timeline = 'latest'\n", "without its target");
	r.what = "2026-11-21T10:00:00+01:00";
	ok(strstr(lines(&r, 1700, true), "'2026-11-21 10:00:00+01:00'") != NULL,
	    "with an offset");
	r.to = BK_RECOVER_POINT;
	r.what = "it's";
	r.timeline = "7";
	ok_text(lines(&r, 1500, true), "restore_command = 'x'\n"
	    "recovery_target_timeline = '7'\n"
	    "recovery_target_name = 'it''s'\n"
	    "recovery_target_action = 'promote'\n", "a restore point");
	r.what = "two\nlines";
	ok(strstr(lines(&r, 1500, true), "a line break") != NULL,
	    "no line can be added");
	r = (struct bk_recovery){ .restore_command = "x", .primary = &u };
	bk_uri_parse("postgres://me@db:5433?passfile=/p&slot=s1", &u, &nf);
	ok_text(lines(&r, 1100, true), "standby_mode = 'on'\n"
	    "restore_command = 'x'\nrecovery_target_timeline = 'latest'\n"
	    "primary_conninfo = 'host=''db'' port=''5433'' user=''me'' "
	    "keepalives_idle=60 keepalives_interval=10 keepalives_count=6 "
	    "passfile=''/p'''\nprimary_slot_name = 's1'\n", "a replica, 11");
	bk_uri_release(&u);
	u = (struct bk_uri)BK_URI_INIT;
	bk_uri_parse("postgres://db?password-file=/p", &u, &nf);
	ok(strstr(lines(&r, 1500, true), "passfile=") != NULL,
	    "a password file of ours is refused, the other named");
	bk_uri_release(&u);
}

static void
put(const char *name, const char *text)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", tap_dir(), name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bk_write_all(fd, text, strlen(text), path, &nf);
	close(fd);
}

/* What is in the file, or NULL. */
static const char *
get(const char *name)
{
	static char text[8192];
	char path[512];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", tap_dir(), name);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return NULL;
	n = bk_read_full(fd, text, sizeof(text) - 1, path, &nf);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void
test_files(void)
{
	struct bk_recovery r = { .restore_command = "x" };
	struct bk_fault f = BK_FAULT_INIT;

	put("PG_VERSION", "9.6\n");
	ok_int(bk_pgrecovery_version(tap_dir(), &f), 906, "9.6");
	put("PG_VERSION", "15\n");
	ok_int(bk_pgrecovery_version(tap_dir(), &f), 1500, "15");
	put("PG_VERSION", "x\n");
	ok_int(bk_pgrecovery_version(tap_dir(), &f), -1, "no version");
	ok_int(f.status, BK_DATA, "is 65");
	bk_fault_clear(&f);

	put("postgresql.auto.conf", "# by hand\nwork_mem = '1MB'\n"
	    "recovery_target_time = '2020-01-01'\n ARCHIVE_MODE='on'\n"
	    "restore_command = 'old'\nPrimary_Conninfo = 'old'\n"
	    "archive_mode_of_mine = 1");
	put("standby.signal", "");
	ok_int(bk_pgrecovery_write(&tap_ctx, &r, tap_dir(), 1500, true, &f), 0,
	    "settings of 15");
	ok_text(get("postgresql.auto.conf"), "# by hand\nwork_mem = '1MB'\n"
	    "archive_mode_of_mine = 1\narchive_mode = 'off'\n"
	    "restore_command = 'x'\nrecovery_target_timeline = 'current'\n"
	    "recovery_target = 'immediate'\n"
	    "recovery_target_action = 'promote'\n", "take the place of others");
	ok(get("recovery.signal") != NULL && get("standby.signal") == NULL,
	    "a standby becomes one that recovers");
	ok_int(bk_pgrecovery_forget(tap_dir(), 1500, &f), 0, "after it");
	ok_text(get("postgresql.auto.conf"), "# by hand\nwork_mem = '1MB'\n"
	    "archive_mode_of_mine = 1\narchive_mode = 'off'\n", "they go");

	r.archive_keep = true;
	put("postgresql.auto.conf", "archive_mode = 'on'\n");
	ok_int(bk_pgrecovery_write(&tap_ctx, &r, tap_dir(), 1100, true, &f), 0,
	    "settings of 11");
	ok_text(get("postgresql.auto.conf"), "archive_mode = 'on'\n",
	    "archive_mode is kept");
	ok_text(get("recovery.conf"), "restore_command = 'x'\n"
	    "recovery_target = 'immediate'\n"
	    "recovery_target_action = 'promote'\n", "recovery.conf");
	ok(get("recovery.signal") == NULL, "no signal");

	r = (struct bk_recovery){ .to = BK_RECOVER_BACKUP };
	ok_int(bk_pgrecovery_write(&tap_ctx, &r, tap_dir(), 1500, true, &f), 0,
	    "with its log in it");
	ok_text(get("postgresql.auto.conf"), "archive_mode = 'off'\n",
	    "only that");
	ok(get("recovery.signal") == NULL && get("recovery.conf") == NULL,
	    "nothing to recover with");
	ok_text(f.text, "", "no fault");
}

static int
check(enum bk_recover_to to, const char *what, const char *header)
{
	struct bk_recovery r = { .to = to, .what = what, .restore_command = "x" };
	struct bk_fault f = BK_FAULT_INIT;
	json_t *h = json_loads(header, 0, NULL);
	int rc = bk_pgrecovery_check(&r, h, &f);

	json_decref(h);
	return rc == 0 ? 0 : f.status;
}

static void
test_check(void)
{
	static const char h[] = "{\"info\":{\"stop-lsn\":\"0/3000000\","
	    "\"stop-time\":\"2026-11-21T10:00:00Z\"}}";
	struct bk_recovery none = { .to = BK_RECOVER_BACKUP };
	struct bk_fault f = BK_FAULT_INIT;
	json_t *o;

	ok_int(check(BK_RECOVER_TIME, "2026-11-21T11:00:00+01:00", h), 0,
	    "a moment that is its end");
	ok_int(check(BK_RECOVER_TIME, "2026-11-21T09:59:59Z", h), BK_DATA,
	    "one before");
	ok_int(check(BK_RECOVER_LSN, "0/3000000", h), 0, "a position at its end");
	ok_int(check(BK_RECOVER_LSN, "0/2FFFFFF", h), BK_DATA, "one before");
	ok_int(check(BK_RECOVER_LSN, "x", h), BK_USAGE, "none");
	o = json_loads(h, 0, NULL);
	ok_int(bk_pgrecovery_check(&none, o, &f), -1, "no way to its log");
	ok_int(f.status, BK_USAGE, "is wrong usage");
	bk_fault_clear(&f);
	json_decref(o);
	o = json_loads("{\"info\":{\"wal\":\"included\"}}", 0, NULL);
	ok_int(bk_pgrecovery_check(&none, o, &f), 0, "needs none");
	none.to = BK_RECOVER_LATEST;
	ok_int(bk_pgrecovery_check(&none, o, &f), -1, "but to go on");
	json_decref(o);
}

static void
test_log(void)
{
	struct bk_pgreached at = { .timeline = 0 };

	bk_pgserver_line("LOG:  starting point-in-time recovery to 2026-11-21 "
	    "10:00:00+00", &at);
	ok(!at.target && at.time[0] == '\0', "begun is not reached");
	bk_pgserver_line("LOG:  recovery stopping before commit of transaction "
	    "748, time 2026-11-21 10:00:00.5+00", &at);
	ok(at.target, "stopped at the target");
	bk_pgserver_line("LOG:  redo done at 0/A0001A8 system usage: CPU: user: "
	    "0.00 s", &at);
	ok_text(at.lsn, "0/A0001A8", "where");
	bk_pgserver_line("LOG:  last completed transaction was at log time "
	    "2026-11-21 09:59:59.55097+00", &at);
	ok_text(at.time, "2026-11-21T09:59:59.55097Z", "when");
	bk_pgserver_line("LOG:  selected new timeline ID: 12", &at);
	ok_int(at.timeline, 12, "on which timeline");
	at.time[0] = '\0';
	bk_pgserver_line("LOG:  last completed transaction was at log time x", &at);
	ok_text(at.time, "", "no time");
}

/* ---- archives ---- */

static void
head(struct bk_buf *b, char type, const char *name, size_t size)
{
	uint8_t h[BK_TAR_BLOCK] = { 0 };

	memcpy(h + BK_TAR_NAME, name, strlen(name));
	bk_tarblock_put(h + BK_TAR_MODE, 8, type == '5' ? 0750 : 0640);
	bk_tarblock_put(h + BK_TAR_SIZE, 12, size);
	h[BK_TAR_TYPE] = (uint8_t)type;
	if (type == '2')
		memcpy(h + BK_TAR_LINK, "/etc", 4);
	memcpy(h + BK_TAR_MAGIC, "ustar\0" "00", 8);
	bk_tarblock_seal(h);
	bk_buf_add(b, h, sizeof(h), &nf);
	memset(h, 0, sizeof(h));
	if (size > 0) {
		memset(h, 'x', size);
		bk_buf_add(b, h, sizeof(h), &nf);
	}
}

/* Write it out into tree/ and space/; the fault's status. */
static int
untar(struct bk_buf *b, struct bk_fault *f)
{
	static const uint8_t end[2 * BK_TAR_BLOCK];
	char tree[512], one[512];
	struct bk_pgspace s = { "16388", one };
	struct bk_pguntar *u;
	size_t i;

	snprintf(tree, sizeof(tree), "%s/tree", tap_dir());
	snprintf(one, sizeof(one), "%s/space", tap_dir());
	mkdir(tree, 0700);
	mkdir(one, 0700);
	bk_fault_clear(f);
	bk_buf_add(b, end, sizeof(end), &nf);
	u = bk_pguntar_new(tree, &s, 1, (uid_t)-1, (gid_t)-1, f);
	for (i = 0; i < b->len && !bk_faulty(f); i += 100)
		bk_pguntar_write(u, b->p + i, b->len - i < 100 ? b->len - i : 100,
		    f);
	if (!bk_faulty(f))
		bk_pguntar_finish(u, f);
	bk_pguntar_free(u);
	bk_buf_reset(b);
	return f->status;
}

static void
test_untar(void)
{
	struct bk_buf b = BK_BUF_INIT(65536);
	struct bk_fault f = BK_FAULT_INIT;
	struct stat st;
	char path[600];

	head(&b, '5', "pg_tblspc/16388/", 0);
	head(&b, '5', "pg_tblspc/16388/PG_15/", 0);
	head(&b, '0', "pg_tblspc/16388/PG_15/1", 3);
	head(&b, '0', "pg_tblspc/163880", 1);
	head(&b, '5', "pg_tblspc/", 0);
	head(&b, '0', "./PG_VERSION", 2);
	ok_int(untar(&b, &f), 0, "a good one");
	ok_text(f.text, "", "its fault");
	ok_text(get("space/PG_15/1"), "xxx", "of the tablespace");
	ok_text(get("tree/pg_tblspc/163880"), "x", "not of it");
	ok_text(get("tree/PG_VERSION"), "xx", "of the data directory");
	snprintf(path, sizeof(path), "%s/tree/pg_tblspc", tap_dir());
	ok(stat(path, &st) == 0 && (st.st_mode & 07777) == 0750, "its mode");

	head(&b, '0', "PG_VERSION", 2);
	ok_int(untar(&b, &f), BK_CANTCREATE, "the same name again");
	head(&b, '0', "../out", 2);
	ok_int(untar(&b, &f), BK_DATA, "a name that leaves");
	head(&b, '0', "pg_tblspc/16388/../../out", 2);
	ok_int(untar(&b, &f), BK_DATA, "by way of a tablespace");
	head(&b, '0', "/tmp/out", 2);
	ok_int(untar(&b, &f), BK_DATA, "an absolute name");
	head(&b, '2', "link", 0);
	ok_int(untar(&b, &f), BK_DATA, "a link");
	head(&b, '3', "device", 0);
	ok_int(untar(&b, &f), BK_DATA, "a device");
	ok(get("out") == NULL, "nothing got out");
	bk_buf_release(&b);
}

int
main(void)
{
	test_lines();
	test_files();
	test_check();
	test_log();
	test_untar();
	return done();
}
