/*
 * Restoring a base backup: a directory that a server starts from.
 *
 * Data directory and tablespaces are filled out of sight (dirplace.h), the
 * manifest is checked on the way, the settings of recovery are written, and
 * where it is wished the server recovers right there.  Only then do they take
 * their places, the tablespaces first and PG_VERSION, without which no server
 * starts, last.
 *
 * A tablespace is a directory below pg_tblspc in the archive; here it becomes
 * what the server had, a link to its place.  tablespace_map, from which a
 * server that finds backup_label makes the links anew, gets the same places.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alive.h"
#include "dirplace.h"
#include "io.h"
#include "json.h"
#include "pgbase.h"
#include "pgrecovery.h"
#include "pgserver.h"
#include "pguntar.h"

#define SPACES_MAX 1000

struct space {
	const char *oid, *old;		/* borrowed from struct back's list */
	const char *new;		/* borrowed from the request, or old */
	struct bk_dirplace to;
};

struct back {
	struct bk_recovery recovery;
	struct bk_dirplace to;
	json_t *list;			/* of tablespaces: ours, for what the end
					   line says may replace the header's */
	struct space *spaces;
	struct bk_pgspace *trees;	/* the same for pguntar */
	size_t nspaces;
	struct bk_pguntar *untar;
	struct bk_marks *marks;		/* SHA; CRC-32C is the caller's */
	uid_t uid;
	gid_t gid;
};

static int
find_owner(struct back *b, struct bk_fault *f)
{
	const char *name = b->recovery.owner;
	const struct passwd *pw;

	b->uid = (uid_t)-1;
	b->gid = (gid_t)-1;
	if (geteuid() != 0) {
		pw = getpwuid(geteuid());
		return name == NULL || (pw != NULL && strcmp(pw->pw_name, name)
		    == 0) ? 0 : bk_fault_set(f, BK_NOPERM,
		    "only root can restore for the user '%.64s'", name);
	}
	if (name == NULL)
		name = "postgres";
	if ((pw = getpwnam(name)) == NULL)
		return bk_fault_set(f, BK_CONFIG, "there is no user '%.64s' to own "
		    "the restored cluster; --owner names another", name);
	if (pw->pw_uid == 0)
		return bk_fault_set(f, BK_USAGE,
		    "a server does not run as root: --owner names another user");
	b->uid = pw->pw_uid;
	b->gid = pw->pw_gid;
	return 0;
}

/* ---- tablespaces ---- */

/* Where ${old} is to go: "OLD=NEW", or as it was. */
static const char *
mapped(const struct back *b, const char *old)
{
	const char *const *m = b->recovery.tablespaces;
	size_t n = strlen(old);

	for (; m != NULL && *m != NULL; m++)
		if (strncmp(*m, old, n) == 0 && (*m)[n] == '=')
			return *m + n + 1;
	return old;
}

/* Every mapping must be of a tablespace that there is. */
static int
check_maps(const struct back *b, struct bk_fault *f)
{
	const char *const *m = b->recovery.tablespaces;
	const char *new;
	size_t i, n;

	for (; m != NULL && *m != NULL; m++) {
		for (i = 0; i < b->nspaces; i++) {
			n = strlen(b->spaces[i].old);
			if (strncmp(*m, b->spaces[i].old, n) == 0 &&
			    (*m)[n] == '=')
				break;
		}
		if (i == b->nspaces)
			return bk_fault_set(f, BK_USAGE, "--tablespace '%.400s': the "
			    "backup has no tablespace there", *m);
		new = b->spaces[i].new;
		if (new[0] != '/' || strpbrk(new, "\n\r\\") != NULL)
			return bk_fault_set(f, BK_USAGE, "--tablespace '%.400s': want "
			    "an absolute path without line breaks and backslashes",
			    *m);
	}
	return 0;
}

static int
open_space(struct back *b, struct space *s, unsigned int flags,
    struct bk_fault *f)
{
	const char *place = bk_buf_text(&b->to.place);

	if (strncmp(s->new, place, strlen(place)) == 0 &&
	    s->new[strlen(place)] == '/')
		return bk_fault_set(f, BK_USAGE, "the tablespace in '%.300s' lies "
		    "in the data directory; --tablespace '%.300s=NEW' puts it "
		    "elsewhere", s->new, s->old);
	if (bk_dirplace_open(&s->to, s->new, flags, f) == 0)
		return 0;
	bk_fault_context(f, "the place of a tablespace, which --tablespace "
	    "'%.300s=NEW' changes", s->old);
	return -1;
}

static int
open_spaces(struct back *b, json_t *list, unsigned int flags,
    struct bk_fault *f)
{
	size_t i, n = json_array_size(list);
	struct space *s;
	const char *oid, *old;
	json_t *o;

	if (n > SPACES_MAX)
		return bk_fault_set(f, BK_DATA, "more than %d tablespaces",
		    SPACES_MAX);
	b->list = json_incref(list);
	if ((b->spaces = calloc(n + 1, sizeof(*b->spaces))) == NULL ||
	    (b->trees = calloc(n + 1, sizeof(*b->trees))) == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "tablespaces");
	json_array_foreach(list, i, o) {
		oid = bk_json_get_text(o, "oid");
		old = bk_json_get_text(o, "path");
		if (oid == NULL || old == NULL ||
		    strspn(oid, "0123456789") != strlen(oid) || oid[0] == '\0')
			return bk_fault_set(f, BK_DATA,
			    "the record has a bad tablespace");
		/* One without a place of its own stays where it is. */
		if (old[0] != '/')
			continue;
		s = &b->spaces[b->nspaces++];
		s->oid = oid;
		s->old = old;
		s->new = mapped(b, old);
	}
	if (check_maps(b, f) == -1)
		return -1;
	for (i = 0; i < b->nspaces; i++) {
		s = &b->spaces[i];
		if (open_space(b, s, flags, f) == -1)
			return -1;
		b->trees[i] = (struct bk_pgspace){ s->oid,
			bk_buf_text(&s->to.tree) };
	}
	return 0;
}

/* ---- open, write ---- */

/* A server works in its data directory; what it runs on is not moved aside. */
static int
check_idle(const struct back *b, struct bk_fault *f)
{
	static const char *const names[] = { "postgres", "postmaster", NULL };
	struct bk_alive a;

	if (!b->to.holds)
		return 0;
	if (bk_alive_in(bk_buf_text(&b->to.place), names, &a, f) == -1)
		return -1;
	return a.pid[0] == '\0' ? 0 : bk_fault_set(f, BK_BUSY,
	    "a server (process %s) runs in '%s': stop it first", a.pid,
	    bk_buf_text(&b->to.place));
}

/* The caller's marks take CRC-32C; another checksum is taken here. */
static int
open_marks(struct back *b, const json_t *info, struct bk_fault *f)
{
	const char *name = bk_json_get_text(info, "checksums");
	int sum = name != NULL ? bk_pgsum_named(name) : BK_PGSUM_CRC32C;

	if (sum == -1 || sum == BK_PGSUM_CRC32C || sum == BK_PGSUM_NONE)
		return 0;
	b->marks = bk_marks_pg_base((enum bk_pgsum)sum, f);
	return b->marks != NULL ? 0 : -1;
}

int
bk_pgbase_restore_open(struct bk_restore *r, struct bk_fault *f)
{
	const struct bk_restore_req *req = r->req;
	const json_t *info = json_object_get(req->header, "info");
	unsigned int flags = BK_DIRPLACE_INSIDE |
	    (req->replace ? BK_DIRPLACE_REPLACE : 0);
	struct back *b;

	if (bk_uri_local(req->target, "postgres-base:///dir", f) == -1)
		return -1;
	if ((r->priv = b = calloc(1, sizeof(*b))) == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "'%s'", req->target->path);
	if (req->recovery != NULL)
		b->recovery = *req->recovery;
	if (bk_pgrecovery_check(&b->recovery, req->header, f) == -1 ||
	    find_owner(b, f) == -1 ||
	    bk_dirplace_open(&b->to, req->target->path, flags, f) == -1 ||
	    check_idle(b, f) == -1 ||
	    open_spaces(b, json_object_get(info, "tablespaces"), flags, f) == -1 ||
	    open_marks(b, info, f) == -1)
		return -1;
	b->untar = bk_pguntar_new(bk_buf_text(&b->to.tree), b->trees, b->nspaces,
	    b->uid, b->gid, f);
	return b->untar != NULL ? 0 : -1;
}

int
bk_pgbase_restore_write(struct bk_restore *r, const void *p, size_t n,
    struct bk_fault *f)
{
	struct back *b = r->priv;

	if (b->marks != NULL && b->marks->write(b->marks, p, n, f) == -1)
		return -1;
	return bk_pguntar_write(b->untar, p, n, f);
}

/* ---- commit ---- */

static int
own(const struct back *b, const char *path, struct bk_fault *f)
{
	if (b->uid != (uid_t)-1 && lchown(path, b->uid, b->gid) == -1)
		return bk_fault_errno(f, 0, errno, "cannot give away '%s'", path);
	return 0;
}

/* The directory itself: as the server has its own, 0700 or with the group. */
static int
own_tree(const struct back *b, const struct bk_dirplace *to, mode_t mode,
    struct bk_fault *f)
{
	const char *tree = bk_buf_text(&to->tree);

	if (chmod(tree, mode) == -1)
		return bk_fault_errno(f, 0, errno, "cannot change '%s'", tree);
	return own(b, tree, f);
}

/* Links to the places, or for now to what is to go there. */
static int
make_links(struct back *b, bool final, struct bk_fault *f)
{
	struct bk_buf link = BK_BUF_INIT(PATH_MAX);
	const struct space *s;
	size_t i;

	for (i = 0; i < b->nspaces && !bk_faulty(f); i++) {
		s = &b->spaces[i];
		bk_buf_reset(&link);
		if (bk_buf_addf(&link, f, "%s/pg_tblspc/%s",
		    bk_buf_text(&b->to.tree), s->oid) == -1)
			break;
		if (unlink(link.p) == -1 && errno != ENOENT)
			(void)bk_fault_errno(f, 0, errno, "cannot replace '%s'",
			    link.p);
		else if (symlink(final ? bk_buf_text(&s->to.place) :
		    bk_buf_text(&s->to.tree), link.p) == -1)
			(void)bk_fault_errno(f, 0, errno, "cannot create '%s'",
			    link.p);
		else
			(void)own(b, link.p, f);
	}
	bk_buf_release(&link);
	return bk_faulty(f) ? -1 : 0;
}

/* tablespace_map as the links are; left alone where no place has changed. */
static int
write_map(struct back *b, bool final, struct bk_fault *f)
{
	struct bk_buf map = BK_BUF_INIT(SPACES_MAX * (PATH_MAX + 16));
	struct bk_buf path = BK_BUF_INIT(PATH_MAX);
	bool same = final;
	int fd = -1, rc = -1;
	size_t i;

	for (i = 0; i < b->nspaces; i++) {
		same = same && strcmp(b->spaces[i].old,
		    bk_buf_text(&b->spaces[i].to.place)) == 0;
		if (bk_buf_addf(&map, f, "%s %s\n", b->spaces[i].oid, final ?
		    bk_buf_text(&b->spaces[i].to.place) :
		    bk_buf_text(&b->spaces[i].to.tree)) == -1)
			goto out;
	}
	if (b->nspaces == 0 || same) {
		rc = 0;
		goto out;
	}
	if (bk_buf_addf(&path, f, "%s/tablespace_map",
	    bk_buf_text(&b->to.tree)) == -1)
		goto out;
	fd = open(path.p, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1)
		/* It is gone once the server has read it. */
		rc = errno == ENOENT ? 0 : bk_fault_errno(f, 0, errno,
		    "cannot write '%s'", path.p);
	else
		rc = bk_write_all(fd, map.p, map.len, path.p, f);
	if (fd != -1 && bk_close(fd, path.p, f) == -1)
		rc = -1;
out:
	bk_buf_release(&map);
	bk_buf_release(&path);
	return rc;
}

/* A line of JSON for who asked that the server recover. */
static int
report(const struct back *b, const struct bk_pgreached *at,
    struct bk_fault *f)
{
	json_t *o = json_pack("{s:s, s:s}", "event", "recovered", "into",
	    bk_buf_text(&b->to.place));
	int rc = -1;

	if (o == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "report");
	if ((at->time[0] == '\0' ||
	    bk_json_set_text(o, "time", at->time, f) == 0) &&
	    (at->lsn[0] == '\0' || bk_json_set_text(o, "lsn", at->lsn, f) == 0) &&
	    (at->timeline == 0 || bk_json_set(o, "timeline",
	    json_integer(at->timeline), f) == 0) &&
	    bk_json_set_text(o, "end", at->target ? "target" : "end of the log",
	    f) == 0 && bk_json_text(o, b->recovery.report, f) == 0)
		rc = bk_buf_adds(b->recovery.report, "\n", f);
	json_decref(o);
	return rc;
}

/* Let the server recover where the tree is now. */
static int
recover(struct bk_restore *r, struct back *b, int version, struct bk_fault *f)
{
	const struct bk_ctx *ctx = r->req->ctx;
	const char *tree = bk_buf_text(&b->to.tree);
	struct bk_pgreached at;
	size_t i;
	int rc;

	if (own(b, bk_buf_text(&b->to.tmp), f) == -1)
		return -1;
	for (i = 0; i < b->nspaces; i++)
		if (own(b, bk_buf_text(&b->spaces[i].to.tmp), f) == -1)
			return -1;
	rc = bk_pgserver_recover(ctx, tree, version, r->req->deadline, &at, f);
	if (rc == BK_PGSERVER_SHORT && b->recovery.to == BK_RECOVER_POINT)
		return bk_fault_set(f, BK_DATA, "the log has no restore point "
		    "'%.64s' after this backup", b->recovery.what);
	if (rc == BK_PGSERVER_SHORT) {
		ctx->log(BK_LOG_WARN, "the log ends before %s: recovered to its "
		    "end", b->recovery.what != NULL ? b->recovery.what :
		    "its target");
		if (bk_pgrecovery_write(ctx, &b->recovery, tree, version, false,
		    f) == -1)
			return -1;
		rc = bk_pgserver_recover(ctx, tree, version, r->req->deadline,
		    &at, f);
	}
	if (rc != 0)
		return rc == -1 ? -1 : bk_fault_set(f, BK_BUG,
		    "a server without a target missed it");
	return report(b, &at, f) == -1 ||
	    bk_pgrecovery_forget(tree, version, f) == -1 ? -1 : 0;
}

static int
take_places(struct bk_restore *r, struct back *b, struct bk_fault *f)
{
	const struct bk_ctx *ctx = r->req->ctx;
	size_t i;

	for (i = 0; i < b->nspaces; i++)
		if (bk_dirplace_sync(&b->spaces[i].to, f) == -1)
			return -1;
	if (bk_dirplace_sync(&b->to, f) == -1)
		return -1;
	for (i = 0; i < b->nspaces; i++)
		if (bk_dirplace_commit(ctx, &b->spaces[i].to, NULL, f) == -1 ||
		    own(b, bk_buf_text(&b->spaces[i].to.place), f) == -1)
			return -1;
	return bk_dirplace_commit(ctx, &b->to, "PG_VERSION", f) == -1 ? -1 :
	    own(b, bk_buf_text(&b->to.place), f);
}

int
bk_pgbase_restore_commit(struct bk_restore *r, int fd, struct bk_fault *f)
{
	struct back *b = r->priv;
	const char *tree = bk_buf_text(&b->to.tree);
	struct bk_buf base = BK_BUF_INIT(PATH_MAX);
	struct stat st = { .st_mode = 0700 };
	int version;
	size_t i;

	(void)fd;
	/* Again, now that the end of the backup is known of a stream too. */
	if (bk_pgrecovery_check(&b->recovery, r->req->header, f) == -1 ||
	    bk_pguntar_finish(b->untar, f) == -1 ||
	    (b->marks != NULL && b->marks->finish(b->marks, f) == -1) ||
	    (version = bk_pgrecovery_version(tree, f)) == -1)
		return -1;
	if (bk_buf_addf(&base, f, "%s/base", tree) == 0)
		(void)stat(base.p, &st);
	bk_buf_release(&base);
	if (own_tree(b, &b->to, st.st_mode & 0750, f) == -1)
		return -1;
	for (i = 0; i < b->nspaces; i++)
		if (own_tree(b, &b->spaces[i].to, 0700, f) == -1)
			return -1;
	if (make_links(b, !b->recovery.start, f) == -1 ||
	    write_map(b, !b->recovery.start, f) == -1 ||
	    bk_pgrecovery_write(r->req->ctx, &b->recovery, tree, version, true,
	    f) == -1)
		return -1;
	if (b->recovery.start && (recover(r, b, version, f) == -1 ||
	    make_links(b, true, f) == -1))
		return -1;
	return take_places(r, b, f);
}

void
bk_pgbase_restore_close(struct bk_restore *r)
{
	struct back *b = r->priv;
	size_t i;

	if (b == NULL)
		return;
	bk_pguntar_free(b->untar);
	if (b->marks != NULL)
		b->marks->free(b->marks);
	for (i = 0; i < b->nspaces; i++)
		bk_dirplace_close(r->req->ctx, &b->spaces[i].to);
	bk_dirplace_close(r->req->ctx, &b->to);
	free(b->spaces);
	free(b->trees);
	json_decref(b->list);
	free(b);
	r->priv = NULL;
}
