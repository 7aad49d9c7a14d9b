/*
 * files: a directory tree as a tar archive in pax format (POSIX.1-2017, pax),
 * made by GNU tar: owners by name and number, modes, links, times below a
 * second, ACLs, extended attributes.  Entries come sorted by name and without
 * access times, so that an unchanged tree gives the same bytes.
 *
 * Facts about GNU tar 1.34 (its manual, "Return values"; src/create.c): it
 * exits 1 when a file changed, shrank (the rest is padded with zeros) or
 * vanished while it was read, 2 when one could not be read; with
 * --ignore-failed-read the latter is "Warning: …" and no failure.  Each such
 * file is one line on standard error.  Names there are escaped, so that a
 * line is a line.
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "files.h"
#include "json.h"
#include "names.h"
#include "tool.h"

#define NAMES_MAX 100			/* of each kind in the record */

static const char *const schemes[] = { "files", NULL };
static const char *const options[] = { "parent", "state", "full-every", NULL };
static const char *const target_options[] = { NULL };

static const char elsewhere[] = "the archive must go through bk";
static const char own_filter[] = "a filter of its own does that";
static const char other_mode[] = "bk decides what tar does";

static const struct bk_tool_refusal refused[] = {
	{ "file", elsewhere }, { "f", elsewhere },
	{ "to-stdout", elsewhere }, { "O", elsewhere },
	{ "to-command", elsewhere }, { "multi-volume", elsewhere },
	{ "M", elsewhere }, { "index-file", elsewhere },
	{ "gzip", own_filter }, { "z", own_filter },
	{ "bzip2", own_filter }, { "j", own_filter },
	{ "xz", own_filter }, { "J", own_filter },
	{ "zstd", own_filter }, { "compress", own_filter },
	{ "Z", own_filter }, { "lzip", own_filter },
	{ "lzma", own_filter }, { "lzop", own_filter },
	{ "use-compress-program", own_filter }, { "I", own_filter },
	{ "auto-compress", own_filter }, { "a", own_filter },
	{ "create", other_mode }, { "c", other_mode },
	{ "extract", other_mode }, { "get", other_mode },
	{ "x", other_mode }, { "list", other_mode },
	{ "t", other_mode }, { "append", other_mode },
	{ "r", other_mode }, { "update", other_mode },
	{ "u", other_mode }, { "delete", other_mode },
	{ "diff", other_mode }, { "d", other_mode },
	{ "directory", other_mode }, { "C", other_mode },
	{ "absolute-names", other_mode }, { "P", other_mode },
	{ "remove-files", "a backup does not remove its source" },
	{ "keep-directory-symlink", "links are never followed" },
	{ NULL, NULL }
};

static const struct bk_tool_opts tar_opts = { "tar", "bfCFgHIKLNTVX", "",
	refused };

struct files {
	char tool[PATH_MAX];
	char *path;
	struct bk_filesincr incr;
};

int
bk_files_args(const char *const *args, struct bk_fault *f)
{
	return bk_tool_opts_check(&tar_opts, args, f);
}

int
bk_files_tool(const struct bk_ctx *ctx, char *path, char *version,
    size_t size, struct bk_fault *f)
{
	static const char *const names[] = { "tar", "gtar", NULL };
	struct bk_buf b = BK_BUF_INIT(4096);
	unsigned int i;
	bool found = false;

	for (i = 0; !found && bk_tool_nth(ctx, names, NULL, i, path,
	    size) == 0; i++) {
		bk_buf_reset(&b);
		if (bk_tool_version(ctx, path, &b, f) == -1)
			break;
		found = strstr(bk_buf_text(&b), "GNU tar") != NULL &&
		    b.len < size;
	}
	if (found)
		memcpy(version, bk_buf_text(&b), b.len + 1);
	else
		bk_fault_set(f, BK_UNAVAILABLE, "GNU tar is not on the path");
	bk_buf_release(&b);
	return found ? 0 : -1;
}

static int
check_tree(const struct bk_uri *u, struct bk_fault *f)
{
	const char *path = u->path;
	struct stat st;

	if (bk_uri_local(u, "files:///dir", f) == -1)
		return -1;
	if (stat(path, &st) == -1)
		return bk_fault_errno(f, 0, errno, "cannot read '%s'", path);
	if (!S_ISDIR(st.st_mode))
		return bk_fault_set(f, BK_NOINPUT, "'%s' is no directory",
		    path);
	if (access(path, R_OK | X_OK) == -1)
		return bk_fault_errno(f, 0, errno, "cannot read '%s'", path);
	return 0;
}

static int
files_dump_open(struct bk_dump *d, struct bk_fault *f)
{
	const struct bk_dump_req *req = d->req;
	char version[PATH_MAX], *end;
	struct files *k;

	if (check_tree(req->uri, f) == -1 ||
	    bk_files_args(req->args, f) == -1)
		return -1;
	if ((d->priv = k = calloc(1, sizeof(*k))) == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "'%s'", req->uri->path);
	k->incr = (struct bk_filesincr)BK_FILESINCR_INIT;
	if ((k->path = realpath(req->uri->path, NULL)) == NULL)
		return bk_fault_errno(f, 0, errno, "cannot read '%s'",
		    req->uri->path);
	if (bk_files_tool(req->ctx, k->tool, version, sizeof(version), f) == -1)
		return -1;
	memcpy(d->ext, "tar", sizeof("tar"));
	end = strrchr(k->path, '/');
	bk_name_from(end + 1, d->name);
	if (bk_json_set_text(d->source, "host", req->ctx->host, f) == -1 ||
	    bk_json_set_text(d->source, "path", k->path, f) == -1 ||
	    bk_json_set_text(d->info, "tool", version, f) == -1)
		return -1;
	return bk_filesincr_open(&k->incr, d, k->path, f);
}

static int
dump_argv(const struct bk_dump *d, struct bk_argv *a, struct bk_fault *f)
{
	static const char *const fixed[] = { "--create", "--file=-",
		"--format=posix", "--sort=name", "--acls", "--xattrs",
		"--xattrs-include=*",
		"--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime",
		NULL };
	/* The state is handed over as descriptor 3. */
	static const char *const incremental[] = {
		"--listed-incremental=/proc/self/fd/3", "--no-check-device",
		NULL };
	const struct files *k = d->priv;
	const char *const *x;

	if (bk_argv_add(a, k->tool, f) == -1 ||
	    bk_argv_all(a, fixed, f) == -1 || (k->incr.fd != -1 &&
	    bk_argv_all(a, incremental, f) == -1))
		return -1;
	if (d->req->skip_unreadable &&
	    bk_argv_add(a, "--ignore-failed-read", f) == -1)
		return -1;
	for (x = d->req->exclude; x != NULL && *x != NULL; x++)
		if (bk_argv_addf(a, f, "--exclude=%s", *x) == -1)
			return -1;
	if (bk_argv_all(a, d->req->args, f) == -1 ||
	    bk_argv_addf(a, f, "--directory=%s", k->path) == -1)
		return -1;
	return bk_argv_add(a, ".", f);
}

/* Through the marks into the sink. */
struct marked {
	struct bk_marks *marks;
	bk_sink_fn *sink;
	void *arg;
};

static int
marked_write(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	struct marked *m = arg;

	return m->marks->write(m->marks, p, n, f) == -1 ? -1 :
	    m->sink(m->arg, p, n, f);
}

/* The next line of ${p}; *${n} is its length; NULL behind the last. */
static const char *
line(const char *p, size_t *n)
{
	*n = strcspn(p, "\n");
	return *p != '\0' ? p : NULL;
}

/* Where in the line of ${n} bytes is ${mark}? */
static const char *
find(const char *p, size_t n, const char *mark)
{
	return memmem(p, n, mark, strlen(mark));
}

/* Behind "tar: ", or as it is. */
static const char *
subject(const char *p, const char *end)
{
	const char *colon = find(p, (size_t)(end - p), ": ");

	return colon != NULL ? colon + 2 : p;
}

/* Add a name to the list ${key} of ${info}, or say that there are more. */
static int
note_name(json_t *info, const char *key, const char *p, size_t n,
    struct bk_fault *f)
{
	json_t *list = json_object_get(info, key);

	if (list == NULL) {
		if (bk_json_set(info, key, json_array(), f) == -1)
			return -1;
		list = json_object_get(info, key);
	}
	if (json_array_size(list) >= NAMES_MAX)
		return bk_json_set(info, "more-names", json_true(), f);
	return bk_json_push(list, bk_json_string(p, n), f);
}

/* Name in ${info} what tar has told about single files. */
static int
note_files(const char *said, json_t *info, struct bk_fault *f)
{
	static const struct {
		const char *mark, *key;
	} kinds[] = {
		{ ": file changed as we read it", "changed" },
		{ ": File shrank by ", "changed" },
		{ ": File removed before we read it", "vanished" },
		{ ": Warning: Cannot open: ", "skipped" },
		{ ": Warning: Cannot stat: ", "skipped" },
		{ ": Warning: Cannot savedir", "skipped" },
		{ ": Warning: Cannot readlink", "skipped" },
		{ ": Warning: Read error at byte ", "skipped" },
	};
	const char *p, *end, *at;
	size_t n, i;

	/* Only the last words are kept: earlier names may be missing. */
	if (strlen(said) >= BK_TAIL_MAX - 256 &&
	    bk_json_set(info, "more-names", json_true(), f) == -1)
		return -1;
	for (p = said; (p = line(p, &n)) != NULL; p = end + (*end != '\0')) {
		end = p + n;
		for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			if ((at = find(p, n, kinds[i].mark)) != NULL) {
				p = subject(p, at);
				if (note_name(info, kinds[i].key, p,
				    (size_t)(at - p), f) == -1)
					return -1;
				break;
			}
	}
	return 0;
}

/* Why tar failed: the first file that it could not read, if one was. */
static void
unread_fault(const char *said, const struct bk_fault *other,
    struct bk_fault *f)
{
	static const char *const marks[] = { ": Cannot open: ",
		": Cannot stat: ", ": Cannot savedir", ": Cannot readlink",
		": Read error at byte " };
	const char *p, *end, *at = NULL;
	size_t n, i;

	for (p = said; (p = line(p, &n)) != NULL; p = end + (*end != '\0')) {
		end = p + n;
		for (i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
			if ((at = find(p, n, marks[i])) != NULL) {
				p = subject(p, at);
				bk_fault_set(f, find(at, (size_t)(end - at),
				    "Permission denied") != NULL ? BK_NOPERM :
				    BK_DATA,
				    "tar: %.*s; --skip-unreadable leaves out what cannot be read",
				    (int)(end - p < 600 ? end - p : 600), p);
				return;
			}
	}
	bk_fault_set(f, other->status, "%s", other->text);
}

static int
tar_ended(struct bk_dump *d, struct bk_child *c, const struct bk_fault *own,
    struct bk_fault *f)
{
	int status = bk_child_status(c);
	const char *said = bk_child_tail(c);
	bool exited = status != -1 && WIFEXITED(status);

	if (bk_faulty(own) && exited && WEXITSTATUS(status) == 2) {
		unread_fault(said, own, f);
		return -1;
	}
	if (bk_faulty(own) && !(exited && WEXITSTATUS(status) == 1)) {
		*f = *own;
		return -1;
	}
	if (said[0] == '\0')
		return 0;
	return bk_json_set_text(d->info, "log", said, f) == -1 ? -1 :
	    note_files(said, d->info, f);
}

static int
files_dump_run(struct bk_dump *d, bk_sink_fn *sink, void *arg,
    struct bk_fault *f)
{
	struct files *k = d->priv;
	struct bk_argv a = BK_ARGV_INIT;
	struct bk_child_spec spec = { .flags = BK_CHILD_OUT,
		.deadline = d->req->deadline, .in = -1, .pass = k->incr.fd };
	struct marked m = { NULL, sink, arg };
	struct bk_fault own = BK_FAULT_INIT;
	struct bk_child *c = NULL;
	int rc = -1;

	if ((m.marks = bk_marks_tar(f)) == NULL || dump_argv(d, &a, f) == -1)
		goto out;
	spec.argv = bk_argv_get(&a);
	if ((c = bk_child_start(d->req->ctx, &spec, f)) == NULL)
		goto out;
	(void)bk_tool_dump(c, NULL, NULL, d->info, marked_write, &m, &own);
	if (tar_ended(d, c, &own, f) == -1 ||
	    m.marks->finish(m.marks, f) == -1 ||
	    bk_filesincr_keep(&k->incr, d, f) == -1)
		goto out;
	d->proof = "marks";
	rc = 0;
out:
	bk_child_stop(c, 2000);
	bk_argv_release(&a);
	if (m.marks != NULL)
		m.marks->free(m.marks);
	return rc;
}

static void
files_dump_close(struct bk_dump *d)
{
	struct files *k = d->priv;

	if (k == NULL)
		return;
	bk_filesincr_close(&k->incr);
	free(k->path);
	free(k);
	d->priv = NULL;
}

static struct bk_marks *
files_marks(const char *ext, struct bk_fault *f)
{
	return strcmp(ext, "tar") == 0 ? bk_marks_tar(f) : NULL;
}

const struct bk_engine_ops bk_engine_files = {
	.name = "files",
	.schemes = schemes,
	.options = options,
	.target_options = target_options,
	.flags = BK_ENGINE_EXCLUDE | BK_ENGINE_STORES | BK_ENGINE_PATH,
	.dump_open = files_dump_open,
	.dump_run = files_dump_run,
	.dump_close = files_dump_close,
	.restore_open = bk_files_restore_open,
	.restore_write = bk_files_restore_write,
	.restore_next = bk_files_restore_next,
	.restore_commit = bk_files_restore_commit,
	.restore_close = bk_files_restore_close,
	.marks = files_marks,
};
