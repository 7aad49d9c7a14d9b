/*
 * bk-bundle: what a restore to a moment needs, as a plan with links, as a
 * tarball, or as a stored tarball with one link.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bundle.h"
#include "child.h"
#include "json.h"
#include "link.h"
#include "optargs.h"
#include "prog.h"
#include "undo.h"
#include "when.h"

#define TIMEOUT_MS (10LL * 3600 * 1000)
#define LINKS_S (24 * 3600)
#define LINKS_MAX_S (7 * 24 * 3600)	/* of S3's signature version 4 */
#define UNDO_MAX 64
#define PLAN_MAX (1 << 30)
#define PIECE 65536

enum { NAME = 256, AT, QUERY, LINKS, UPLOAD, DOWNLOAD, FETCH, CA, UNDO,
	ARCHIVE, TIMEOUT };

static const struct bk_opt opts[] = {
	{ 'n', "name", "NAME", "backups with this name (required)", 0 },
	{ AT, "at", "TIME", "to this moment (RFC 3339, -30h, now)", 0 },
	{ 'q', "query", "QUERY", "of backups that match", 0 },
	{ LINKS, "links", "DURATION", "links are good for so long (24h)", 0 },
	{ UPLOAD, "upload", NULL, "store the tarball and print a link", 0 },
	{ DOWNLOAD, "download", NULL, "write the tarball to standard output", 0 },
	{ FETCH, "fetch", "LINK|FILE", "write the tarball by its link, or by a plan", 0 },
	{ CA, "ca", "FILE", "certificates that the link's host is trusted by", 0 },
	{ UNDO, "undo", ".EXT=COMMAND", "undo a pipe filter; may be repeated", BK_OPT_MANY },
	{ ARCHIVE, "archive", "keep", "in the tarball: leave archive_mode as it was", 0 },
	{ TIMEOUT, "timeout", "DURATION", "give up after this time (10h)", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-bundle",
	"--name NAME [--upload | --download] [OPTION]... [STORE]",
	"all that a restore to a moment needs: a plan with links, or a tarball",
	opts };

struct args {
	struct bk_bundle_req req;
	struct bk_bundle_how how;
	struct bk_query *query;
	const char *url, *fetch, *ca;
	const char *undo[UNDO_MAX + 1];
	size_t nundo;
	int64_t links, timeout;		/* ms */
	bool upload, download, linked;
};

static void
option(void *arg, int key, const char *v, struct bk_fault *f)
{
	struct args *a = arg;

	switch (key) {
	case 'n': a->req.name = bk_arg_name("name", v); break;
	case AT:
		if (strcmp(v, "now") != 0 && strcmp(v, "latest") != 0)
			(void)bk_time_parse_rel(v, bk_ctx->now(), &a->req.at, f);
		break;
	case 'q': a->query = bk_query_parse(v, f); break;
	case LINKS:
		a->links = bk_arg_duration("links", v);
		if (a->links > LINKS_MAX_S * INT64_C(1000))
			bk_usage("--links '%s': at most 7d", v);
		a->linked = true;
		break;
	case UPLOAD: a->upload = true; break;
	case DOWNLOAD: a->download = true; break;
	case FETCH: a->fetch = v; break;
	case CA: a->ca = v; break;
	case UNDO:
		if (a->nundo == UNDO_MAX)
			bk_usage("more than %d --undo", UNDO_MAX);
		(void)bk_undo_check(v, f);
		a->undo[a->nundo++] = v;
		break;
	case ARCHIVE:
		if (strcmp(v, "keep") != 0)
			bk_usage("--archive '%s': want keep", v);
		a->how.archive_keep = true;
		break;
	case TIMEOUT: a->timeout = bk_arg_duration("timeout", v); break;
	default: break;
	}
}

static void
parse(struct args *a)
{
	char **words;

	bk_arg_options(option, a);
	if (a->fetch != NULL) {
		if (a->linked || a->query != NULL || a->req.at != INT64_MAX)
			bk_usage("--fetch takes what there is: no --at, --query, --links");
		if (a->req.name != NULL || a->upload || a->download ||
		    bk_operands(&words) > 0)
			bk_usage("--fetch takes only a link");
	} else {
		if (a->req.name == NULL)
			bk_usage("want --name NAME");
		if (a->upload && a->download)
			bk_usage("choose one of --upload and --download");
		if (a->ca != NULL)
			bk_usage("--ca goes with --fetch; a store has ?ca=");
		a->url = bk_arg_store();
	}
	if (a->fetch != NULL || a->download)
		bk_refuse_tty(STDOUT_FILENO);
	a->req.query = a->query;
	a->how.ctx = bk_ctx;
	a->how.undo = a->undo;
	a->how.progress = bk_progress;
	a->how.deadline = bk_ctx->mono() + a->timeout;
}

static int
print(json_t *o, struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(1 << 30);
	int rc = -1;

	if (o != NULL && bk_json_text(o, &b, f) == 0 &&
	    bk_buf_adds(&b, "\n", f) == 0)
		rc = bk_write_all(STDOUT_FILENO, b.p, b.len, "standard output",
		    f);
	json_decref(o);
	bk_buf_wipe(&b);
	return rc;
}

static int
write_out(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	(void)arg;
	if (bk_stop_take(bk_ctx))
		return bk_fault_set(f, BK_DATA, "stopped");
	return bk_write_all(STDOUT_FILENO, p, n, "standard output", f);
}

/* What a file (or "-") has: the plan, or what --upload printed. */
static json_t *
read_plan(const char *name, struct bk_fault *f)
{
	bool in = strcmp(name, "-") == 0;
	int fd = in ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
	struct bk_buf text = BK_BUF_INIT(PLAN_MAX);
	json_t *o = NULL;
	ssize_t n = -1;

	if (fd == -1) {
		bk_fault_errno(f, 0, errno, "cannot open '%s'", name);
		return NULL;
	}
	do {
		if (bk_buf_need(&text, PIECE, f) == -1)
			break;
		n = bk_read_full(fd, text.p + text.len, PIECE, name, f);
		text.len += n > 0 ? (size_t)n : 0;
		text.p[text.len] = '\0';
	} while (n == PIECE);
	if (!bk_faulty(f))
		o = bk_json_parse(bk_buf_text(&text), text.len, name, f);
	if (!in)
		close(fd);
	bk_buf_wipe(&text);
	return o;
}

static int
fetch_link(const struct args *a, const char *url, struct bk_fault *f)
{
	const struct bk_link l = { url, a->ca, a->how.deadline };

	return bk_link_get(bk_ctx, &l, 0, UINT64_MAX, write_out, NULL, f);
}

/* The tarball of a plan, by its links. */
static int
fetch_plan(const struct args *a, const json_t *plan, struct bk_fault *f)
{
	struct bk_bundle b = BK_BUNDLE_INIT;
	struct bk_store *s = NULL;
	int rc = -1;

	if (bk_bundle_parse(plan, &b, f) == 0 && (s = bk_bundle_links(bk_ctx,
	    plan, a->ca, a->how.deadline, f)) != NULL)
		rc = bk_bundle_tar(s, &b, &a->how, write_out, NULL, f);
	bk_store_close(s);
	bk_bundle_release(&b);
	return rc;
}

static int
fetch(const struct args *a, struct bk_fault *f)
{
	const char *link;
	json_t *plan;
	int rc;

	if (strstr(a->fetch, "://") != NULL)
		return fetch_link(a, a->fetch, f);
	if ((plan = read_plan(a->fetch, f)) == NULL)
		return -1;
	link = bk_json_get_text(plan, "link");
	rc = link != NULL ? fetch_link(a, link, f) : fetch_plan(a, plan, f);
	json_decref(plan);
	return rc;
}

static int
write_put(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	if (bk_stop_take(bk_ctx))
		return bk_fault_set(f, BK_DATA, "stopped");
	return bk_store_put_write(arg, p, n, f);
}

/* Store the tarball; it goes when its link is no longer good. */
static int
upload(const struct args *a, struct bk_store *s, const struct bk_bundle *b,
    struct bk_fault *f)
{
	const struct bk_put_opts po = { .flags = BK_PUT_NEW };
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX + 1);
	struct bk_buf link = BK_BUF_INIT(65536);
	unsigned int seconds = (unsigned int)(a->links / 1000);
	char when[BK_TIME_LEN], to[BK_TIME_LEN];
	struct bk_put *put = NULL;
	int64_t now;
	int rc = -1;

	if (bk_store_now(bk_ctx, s, &now, f) == -1 ||
	    bk_bundle_key(&key, b->rec.name, now + a->links, f) == -1)
		goto out;
	/* Known before the work is done. */
	if ((rc = bk_store_presign(s, key.p, seconds, &link, f)) != 0) {
		if (rc == BK_NOT_SUPPORTED)
			rc = bk_fault_set(f, BK_CONFIG,
			    "%s gives no links; --download makes a tarball", s->url);
		goto out;
	}
	rc = -1;
	if ((put = bk_store_put_begin(s, key.p, &po, f)) == NULL ||
	    bk_bundle_tar(s, b, &a->how, write_put, put, f) == -1)
		goto out;
	rc = bk_store_put_commit(put, f);
	put = NULL;
	if (rc == BK_EXISTS)
		rc = bk_fault_set(f, BK_CANTCREATE, "'%s' is there already", key.p);
	if (rc == 0)
		rc = print(json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "bk",
		    "bundle/1", "name", b->rec.name, "key", key.p, "link", link.p,
		    "links-until", bk_time_text(now + a->links, when),
		    "restores-to", bk_time_text(b->reach, to)), f);
out:
	bk_store_put_abort(put);
	bk_buf_release(&key);
	bk_buf_wipe(&link);
	return rc;
}

/* The moment is not covered: say so, and what is nearest. */
static int
uncovered(const struct args *a, const struct bk_bundle *b, struct bk_fault *f)
{
	char at[BK_TIME_LEN], before[BK_TIME_LEN], after[BK_TIME_LEN];

	if (!a->upload && !a->download &&
	    print(bk_bundle_uncovered(b, a->req.name, f), f) == -1)
		return -1;
	return bk_fault_set(f, BK_NO,
	    "%s is not covered; nearest before: %s, after: %s",
	    bk_time_text(b->at, at), b->before == INT64_MIN ? "none" :
	    bk_time_text(b->before, before), b->after == INT64_MAX ? "none" :
	    bk_time_text(b->after, after));
}

static int
run(const struct args *a, struct bk_fault *f)
{
	const struct bk_store_opts so = { .read_only = !a->upload };
	struct bk_store *s = bk_store_open(bk_ctx, a->url, &so, f);
	struct bk_bundle b = BK_BUNDLE_INIT;
	int64_t now;
	int rc = -1;

	if (s == NULL || bk_store_now(bk_ctx, s, &now, f) == -1)
		goto out;
	rc = bk_bundle_plan(bk_ctx, s, &a->req, &b, f);
	if (rc == BK_BUNDLE_UNCOVERED)
		rc = uncovered(a, &b, f);
	else if (rc == 0 && a->download)
		rc = bk_bundle_tar(s, &b, &a->how, write_out, NULL, f);
	else if (rc == 0 && a->upload)
		rc = upload(a, s, &b, f);
	else if (rc == 0)
		rc = print(bk_bundle_json(s, &b, now, (unsigned int)(a->links /
		    1000), a->linked, f), f);
out:
	bk_bundle_release(&b);
	bk_store_close(s);
	return rc;
}

int
main(int argc, char *argv[])
{
	struct bk_fault f = BK_FAULT_INIT;
	struct args a = { .req = { .at = INT64_MAX }, .links = LINKS_S * 1000LL,
		.timeout = TIMEOUT_MS };

	bk_init(&prog, argc, argv);
	parse(&a);
	if (bk_stop_catch(&f) == 0)
		(void)(a.fetch != NULL ? fetch(&a, &f) : run(&a, &f));
	bk_query_free(a.query);
	return bk_exit(&f);
}
