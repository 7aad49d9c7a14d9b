/*
 * Everything is done by other programs, by their command lines: bk-list tells
 * what a store has, bk-restore restores it, bk-bundle fetches a bundle, which
 * enters as "bk-dump exec:" so that its end is proven.
 *
 * The probe gives bk-restore a stream that has a header and fails at once: it
 * looks at the target before it reads on, and what it then ends with tells.
 */
#include <sys/mman.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "bootfeed.h"
#include "child.h"
#include "json.h"
#include "prog.h"
#include "stream.h"
#include "tool.h"

#define PIECE (256 * 1024)

/* A program of our own into an empty ${a}. */
static int
own(struct bk_argv *a, const char *name, struct bk_fault *f)
{
	return bk_argv_addf(a, f, "%s/%s", bk_ctx->bindir, name);
}

static int
add_two(struct bk_argv *a, const char *option, const char *value,
    struct bk_fault *f)
{
	return value == NULL ? 0 : bk_argv_add(a, option, f) == -1 ? -1 :
	    bk_argv_add(a, value, f);
}

/* Which backup of the store; ${at}: a moment for the list, or NULL. */
static int
add_which(const struct bk_bootfeed *s, struct bk_argv *a, const char *at,
    struct bk_fault *f)
{
	if (bk_argv_add(a, s->store, f) == -1 ||
	    add_two(a, "--name", s->name, f) == -1 ||
	    add_two(a, "--id", s->id, f) == -1 ||
	    add_two(a, "--at", at, f) == -1)
		return -1;
	return s->id != NULL || at != NULL ? 0 :
	    bk_argv_add(a, "--latest", f);
}

/* The status of a child that failed, by what it said. */
static int
failed(struct bk_child *c, const char *name, const struct bk_fault *why,
    struct bk_fault *f)
{
	int status = bk_child_status(c);
	char reason[512];

	if (status == -1 || !WIFEXITED(status) || WEXITSTATUS(status) == 0) {
		bk_fault_set(f, why->status, "%s", why->text);
		return why->status;
	}
	bk_child_reason(bk_child_tail(c), reason, sizeof(reason));
	status = WEXITSTATUS(status);
	if (reason[0] != '\0')
		bk_fault_set(f, status, "%s", reason);
	else
		bk_fault_set(f, status, "%s exited %d", name, status);
	return status;
}

/* The first line of a list or stream. */
static json_t *
first_line(struct bk_rbuf *r, struct bk_fault *f)
{
	const char *line;
	json_t *o = NULL;
	size_t n;
	int rc = bk_rbuf_peek_line(r, &line, &n, f);

	if (rc == BK_END)
		bk_fault_set(f, BK_DATA,
		    "standard input ended without a record or a stream");
	if (rc == BK_MORE)
		o = bk_json_parse(line, n, "standard input", f);
	return o;
}

static int
find_record(struct bk_bootfeed *s, struct bk_fault *f)
{
	struct bk_buf out = BK_BUF_INIT(16 * 1024 * 1024);
	struct bk_argv a = BK_ARGV_INIT;
	struct bk_child_spec spec = { .flags = BK_CHILD_FULLENV, .in = -1,
		.deadline = s->deadline };
	struct bk_buf tail = BK_BUF_INIT(BK_TAIL_MAX + 1);
	char reason[512];
	size_t n;
	int rc = -1;

	/* What is wanted here is only the engine that made it. */
	if (own(&a, "bk-list", f) == -1 || bk_argv_add(&a, "--json", f) == -1 ||
	    add_which(s, &a, s->at == NULL || s->id != NULL ||
	    strcmp(s->at, "latest") == 0 ? NULL : s->at, f) == -1)
		goto out;
	spec.argv = bk_argv_get(&a);
	if ((rc = bk_child_capture(bk_ctx, &spec, NULL, &out, &tail, f)) == -1)
		goto out;
	n = strcspn(bk_buf_text(&out), "\n");
	bk_child_reason(bk_buf_text(&tail), reason, sizeof(reason));
	if (rc != 0)
		rc = bk_fault_set(f, rc == BK_NO ? BK_NOINPUT : rc, "%s",
		    reason[0] != '\0' ? reason : "bk-list failed");
	else if ((s->header = bk_json_parse(bk_buf_text(&out), n, "bk-list",
	    f)) == NULL)
		rc = -1;
out:
	bk_argv_release(&a);
	bk_buf_release(&tail);
	bk_buf_release(&out);
	return rc;
}

int
bk_bootfeed_open(struct bk_bootfeed *s, struct bk_fault *f)
{
	const char *form;

	if (s->store != NULL) {
		if (find_record(s, f) == -1)
			return -1;
	} else if (s->bundle != NULL) {
		if (strstr(s->bundle, "://") == NULL &&
		    access(s->bundle, R_OK) == -1)
			return bk_fault_errno(f, 0, errno, "cannot open '%s'",
			    s->bundle);
		/* It goes into the mark: what makes a link good does not. */
		s->header = json_pack("{s:s, s:s%}", "engine", "files", "bundle",
		    s->bundle, strstr(s->bundle, "://") == NULL ?
		    strlen(s->bundle) : strcspn(s->bundle, "?#"));
		if (s->header == NULL)
			return bk_fault_set(f, BK_IO, "out of memory");
		return 0;
	} else if ((s->in = bk_rbuf_new(STDIN_FILENO, "standard input",
	    f)) == NULL || (s->header = first_line(s->in, f)) == NULL)
		return -1;
	form = bk_json_get_text(s->header, "bk");
	if (bk_json_get_text(s->header, "engine") != NULL && form != NULL &&
	    (strcmp(form, "stream/1") == 0 || strcmp(form, "backup/1") == 0))
		return 0;
	if (json_object_get(s->header, "status") == NULL)
		return bk_fault_set(f, BK_DATA,
		    "want a stream of bk-dump or a record of bk-list");
	/* The stage before has failed, and told why. */
	bk_fault_set(f, (int)bk_json_get_int(s->header, "status"), "%s",
	    bk_json_get_text(s->header, "reason") != NULL ?
	    bk_json_get_text(s->header, "reason") : "nothing came");
	if (f->status < 1 || f->status > 127)
		f->status = BK_DATA;
	return -1;
}

/* The stream of the probe, in a file without a name; -1 with ${f} set. */
static int
probe_stream(const json_t *of, struct bk_fault *f)
{
	static const char *const keys[] = { "name", "engine", "ext", "time",
		"host", "source", "tags", "filters", "info", NULL };
	struct bk_fault why = BK_FAULT_INIT;
	struct bk_stream_out *out = NULL;
	json_t *h = json_object(), *v;
	int fd = memfd_create("probe", MFD_CLOEXEC), rc = -1;
	size_t i;

	(void)bk_fault_set(&why, BK_NO, "only a look");
	if (fd == -1 || bk_json_set_text(h, "bk", "stream/1", f) == -1) {
		bk_fault_errno(f, BK_IO, errno, "cannot make a memory file");
		goto out;
	}
	for (i = 0; keys[i] != NULL; i++)
		if ((v = json_object_get(of, keys[i])) != NULL &&
		    bk_json_set(h, keys[i], json_incref(v), f) == -1)
			goto out;
	if ((out = bk_stream_writer(fd, f)) == NULL ||
	    bk_stream_put_header(out, h, f) == -1)
		goto out;
	bk_stream_put_failed(out, "bk-boot", &why, NULL);
	if (lseek(fd, 0, SEEK_SET) == 0)
		rc = 0;
out:
	bk_stream_out_free(out);
	json_decref(h);
	if (rc == -1 && fd != -1)
		close(fd);
	return rc == 0 ? fd : -1;
}

static int
add_restore(const struct bk_bootfeed *s, struct bk_argv *a,
    const char *target, bool replace, struct bk_fault *f)
{
	int64_t left = s->deadline - bk_ctx->mono();
	size_t i;

	if (own(a, "bk-restore", f) == -1 ||
	    add_two(a, "--into", target, f) == -1 ||
	    bk_argv_add(a, "--timeout", f) == -1 ||
	    bk_argv_addf(a, f, "%lldms", (long long)(left > 0 ? left : 1)) == -1 ||
	    (replace && (bk_argv_add(a, "--replace", f) == -1 ||
	    bk_argv_add(a, "--yes", f) == -1)))
		return -1;
	for (i = 0; i < s->nundo; i++)
		if (add_two(a, "--undo", s->undo[i], f) == -1)
			return -1;
	for (i = 0; i < s->nspaces; i++)
		if (add_two(a, "--tablespace", s->spaces[i], f) == -1)
			return -1;
	return 0;
}

int
bk_bootfeed_probe(struct bk_bootfeed *s, const char *target,
    struct bk_fault *f)
{
	struct bk_argv a = BK_ARGV_INIT;
	struct bk_child_spec spec = { .flags = BK_CHILD_FULLENV, .in = -1,
		.deadline = s->deadline };
	struct bk_fault why = BK_FAULT_INIT;
	struct bk_child *c = NULL;
	int rc = -1;

	if (add_restore(s, &a, target, false, f) == 0 &&
	    (spec.in = probe_stream(s->header, f)) != -1) {
		spec.argv = bk_argv_get(&a);
		c = bk_child_start(bk_ctx, &spec, f);
	}
	if (c != NULL) {
		(void)bk_child_finish(c, NULL, NULL, &why);
		rc = failed(c, "bk-restore", &why, f);
		/* It got as far as the end of the stream. */
		if (rc == BK_NO) {
			bk_fault_clear(f);
			rc = 0;
		}
	}
	bk_child_stop(c, 2000);
	bk_argv_release(&a);
	if (spec.in != -1)
		close(spec.in);
	return rc;
}

/* All of standard input to ${c}. */
static int
pump(struct bk_bootfeed *s, struct bk_child *c, struct bk_fault *f)
{
	const void *p;
	size_t n;
	int rc;

	while ((rc = bk_rbuf_bytes(s->in, PIECE, &p, &n, f)) == BK_MORE) {
		bk_progress(n);
		if (bk_child_write(c, p, n, NULL, NULL, f) == -1)
			return -1;
	}
	return rc == BK_END ? 0 : -1;
}

/* Is the bundle a link, or a file that has one, and not the tarball? */
static bool
is_link(const char *bundle)
{
	char first = '\0';
	int fd;

	if (strstr(bundle, "://") != NULL)
		return true;
	if ((fd = open(bundle, O_RDONLY | O_CLOEXEC)) == -1)
		return false;
	if (read(fd, &first, 1) != 1)
		first = '\0';
	close(fd);
	return first == '{';
}

/* The tarball of the bundle as a stream; its reading end. */
static struct bk_child *
open_bundle(const struct bk_bootfeed *s, int *fd, struct bk_fault *f)
{
	static const char *const dump[] = { "exec:", "--as", "files", "--ext",
		"tar", "--", NULL };
	struct bk_argv a = BK_ARGV_INIT;
	struct bk_child_spec spec = { .in = -1, .deadline = s->deadline,
		.flags = BK_CHILD_OUT | BK_CHILD_FULLENV };
	struct bk_child *c = NULL;
	bool link = is_link(s->bundle);

	if (own(&a, "bk-dump", f) == 0 && bk_argv_all(&a, dump, f) == 0 &&
	    (link ? own(&a, "bk-bundle", f) : bk_argv_add(&a, "cat", f)) == 0 &&
	    bk_argv_add(&a, link ? "--fetch" : "--", f) == 0 &&
	    bk_argv_add(&a, s->bundle, f) == 0) {
		spec.argv = bk_argv_get(&a);
		if ((c = bk_child_start(bk_ctx, &spec, f)) != NULL)
			*fd = bk_child_take_out(c);
	}
	bk_argv_release(&a);
	return c;
}

int
bk_bootfeed_restore(struct bk_bootfeed *s, const char *target, bool replace,
    struct bk_fault *f)
{
	struct bk_argv a = BK_ARGV_INIT;
	struct bk_child_spec spec = { .flags = BK_CHILD_FULLENV, .in = -1,
		.deadline = s->deadline };
	struct bk_fault why = BK_FAULT_INIT;
	struct bk_child *c = NULL, *from = NULL;
	int rc = -1;

	if (add_restore(s, &a, target, replace, f) == -1 ||
	    add_two(&a, "--replica-of", s->replica_of, f) == -1 ||
	    (s->store != NULL ? add_which(s, &a, s->at, f) :
	    add_two(&a, "--at", s->at, f)) == -1 ||
	    (s->bundle != NULL &&
	    (from = open_bundle(s, &spec.in, f)) == NULL))
		goto out;
	spec.argv = bk_argv_get(&a);
	if (s->in != NULL)
		spec.flags |= BK_CHILD_IN;
	if ((c = bk_child_start(bk_ctx, &spec, f)) == NULL)
		goto out;
	if (s->in != NULL)
		(void)pump(s, c, &why);
	if (bk_child_finish(c, NULL, NULL, &why) == 0 && !bk_faulty(&why))
		rc = 0;
	else
		(void)failed(c, "bk-restore", &why, f);
out:
	bk_child_stop(c, 10000);
	bk_child_stop(from, 2000);
	bk_argv_release(&a);
	if (spec.in != -1)
		close(spec.in);
	return rc;
}

json_t *
bk_bootfeed_of(const struct bk_bootfeed *s, struct bk_fault *f)
{
	static const char *const keys[] = { "id", "name", "engine", "time",
		"bundle", NULL };
	json_t *o = json_object(), *v;
	size_t i;

	for (i = 0; o != NULL && keys[i] != NULL; i++)
		if ((v = json_object_get(s->header, keys[i])) != NULL &&
		    bk_json_set(o, keys[i], json_incref(v), f) == -1) {
			json_decref(o);
			return NULL;
		}
	if (o == NULL)
		bk_fault_set(f, BK_IO, "out of memory");
	return o;
}

void
bk_bootfeed_close(struct bk_bootfeed *s)
{
	json_decref(s->header);
	s->header = NULL;
	bk_rbuf_free(s->in);
	s->in = NULL;
}
