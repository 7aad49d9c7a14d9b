/*
 * A chain of links, newest filter first.  Each link counts what comes in and
 * hands it to its transformation, whose output is the next link's input; the
 * last link has no transformation, takes the SHA-256 and feeds the caller's
 * sink.  The count of a link is compared with the entry of "stages" that the
 * filter wrote when it was applied, so a damaged middle is told by its name.
 */
#include <stdlib.h>
#include <string.h>

#include "child.h"
#include "codec.h"
#include "filter.h"
#include "hash.h"
#include "json.h"
#include "names.h"
#include "record.h"
#include "undo.h"
#include "words.h"

#define FILTERS_MAX 16
#define THREADS 2

struct link {
	struct bk_undo *u;
	const struct bk_transform_ops *ops;	/* NULL: the last link */
	void *t;
	uint64_t in;
};

struct bk_undo {
	struct link *links;		/* n filters and the last link */
	size_t n;
	struct bk_sha256 *sha;
	bk_sink_fn *sink;
	void *arg;
};

/* A command as a transformation. */
struct pipe {
	struct bk_child *child;
	bk_sink_fn *sink;
	void *arg;
};

static int
pipe_write(void *t, const void *p, size_t n, struct bk_fault *f)
{
	struct pipe *pi = t;

	return bk_child_write(pi->child, p, n, pi->sink, pi->arg, f);
}

static int
pipe_finish(void *t, struct bk_fault *f)
{
	struct pipe *pi = t;

	return bk_child_finish(pi->child, pi->sink, pi->arg, f);
}

static void
pipe_free(void *t)
{
	struct pipe *pi = t;

	if (pi != NULL)
		bk_child_free(pi->child);
	free(pi);
}

static const struct bk_transform_ops pipe_ops = {
	pipe_write, pipe_finish, pipe_free
};

/* The command of an "--undo" argument and the length of its suffix. */
static const char *
undo_command(const char **suffix, size_t *len)
{
	const char *eq;

	if (**suffix == '.')
		(*suffix)++;
	if ((eq = strchr(*suffix, '=')) == NULL)
		return NULL;
	*len = (size_t)(eq - *suffix);
	return eq + 1;
}

int
bk_undo_check(const char *arg, struct bk_fault *f)
{
	struct bk_words w = BK_WORDS_INIT;
	const char *suffix = arg;
	char ext[BK_EXT_MAX + 1];
	const char *cmd;
	size_t len;

	if ((cmd = undo_command(&suffix, &len)) == NULL || len > BK_EXT_MAX)
		goto bad;
	memcpy(ext, suffix, len);
	ext[len] = '\0';
	if (!bk_ext_ok(ext))
		goto bad;
	if (bk_words_split(cmd, &w, f) == -1) {
		bk_fault_context(f, "--undo '%.100s'", arg);
		return -1;
	}
	bk_words_release(&w);
	return 0;
bad:
	return bk_fault_set(f, BK_USAGE, "--undo '%.100s': want .EXT=COMMAND, "
	    "EXT of 1 to %d letters a-z and digits", arg, BK_EXT_MAX);
}

/* The user's command for ${suffix}, or NULL. */
static const char *
command_for(const struct bk_undo_opts *opts, const char *suffix)
{
	const char *const *p;
	const char *s, *cmd;
	size_t len;

	for (p = opts->pipes; p != NULL && *p != NULL; p++) {
		s = *p;
		if ((cmd = undo_command(&s, &len)) != NULL &&
		    len == strlen(suffix) && strncmp(s, suffix, len) == 0)
			return cmd;
	}
	return NULL;
}

static void *
pipe_open(const struct bk_undo_opts *opts, const char *cmd, bk_sink_fn *sink,
    void *arg, struct bk_fault *f)
{
	struct bk_words w = BK_WORDS_INIT;
	struct bk_child_spec spec = {
		.flags = BK_CHILD_IN | BK_CHILD_OUT | BK_CHILD_FULLENV,
		.deadline = opts->deadline, .in = -1
	};
	struct pipe *pi;

	if ((pi = calloc(1, sizeof(*pi))) == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		return NULL;
	}
	pi->sink = sink;
	pi->arg = arg;
	if (bk_words_split(cmd, &w, f) == 0) {
		spec.argv = (const char *const *)w.v;
		pi->child = bk_child_start(opts->ctx, &spec, f);
	}
	bk_words_release(&w);
	if (pi->child == NULL) {
		free(pi);
		return NULL;
	}
	return pi;
}

/* What a link gets: count it, and transform or hand it out. */
static int
link_in(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	struct link *l = arg;

	l->in += n;
	if (l->ops != NULL)
		return l->ops->write(l->t, p, n, f);
	bk_sha256_add(l->u->sha, p, n);
	return l->u->sink(l->u->arg, p, n, f);
}

/* Make the link ${l} undo ${filter}; its output goes to the link behind. */
static int
link_open(const struct bk_undo_opts *opts, struct link *l,
    const json_t *filter, struct bk_fault *f)
{
	const char *kind = bk_json_get_text(filter, "filter");
	const char *suffix = bk_filter_suffix(filter);
	const struct bk_codec_format *fmt;
	const char *cmd;

	if (kind == NULL || suffix == NULL)
		return bk_fault_set(f, BK_DATA, "'filters' has an entry that "
		    "is out of the grammar");
	if ((fmt = bk_codec_find(kind)) != NULL) {
		l->ops = fmt->decode_ops;
		l->t = fmt->decode(opts->threads > 0 ? opts->threads : THREADS,
		    link_in, l + 1, f);
	} else if ((cmd = command_for(opts, suffix)) != NULL) {
		l->ops = &pipe_ops;
		l->t = pipe_open(opts, cmd, link_in, l + 1, f);
	} else
		return bk_fault_set(f, BK_USAGE, "the filter '%.32s' can be "
		    "undone only by a command of yours: --undo '.%s=COMMAND'",
		    kind, suffix);
	return l->t != NULL ? 0 : -1;
}

struct bk_undo *
bk_undo_open(const struct bk_undo_opts *opts, const json_t *filters,
    bk_sink_fn *sink, void *arg, struct bk_fault *f)
{
	struct bk_undo *u;
	size_t i, n = json_array_size(filters);

	if (n > FILTERS_MAX || (filters != NULL && !json_is_array(filters))) {
		(void)bk_fault_set(f, BK_DATA, "'filters' is no list of at "
		    "most %d filters", FILTERS_MAX);
		return NULL;
	}
	if ((u = calloc(1, sizeof(*u))) == NULL ||
	    (u->links = calloc(n + 1, sizeof(*u->links))) == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		goto fail;
	}
	u->sink = sink;
	u->arg = arg;
	u->n = n;
	if ((u->sha = bk_sha256_new(f)) == NULL)
		goto fail;
	for (i = 0; i <= n; i++)
		u->links[i].u = u;
	for (i = 0; i < n; i++)
		if (link_open(opts, &u->links[i],
		    json_array_get(filters, n - 1 - i), f) == -1)
			goto fail;
	return u;
fail:
	bk_undo_free(u);
	return NULL;
}

int
bk_undo_write(void *undo, const void *p, size_t n, struct bk_fault *f)
{
	struct bk_undo *u = undo;

	return link_in(&u->links[0], p, n, f);
}

/* Compare what each link took with what was told when it was made. */
static int
compare(const struct bk_undo *u, const json_t *stages, struct bk_fault *f)
{
	char hex[BK_SHA256_HEX];
	const json_t *st;
	const char *want;
	size_t i;

	if (json_array_size(stages) != u->n + 1)
		return bk_fault_set(f, BK_DATA, "%zu filters but %zu stages",
		    u->n, json_array_size(stages));
	for (i = 0; i <= u->n; i++) {
		st = json_array_get(stages, u->n - i);
		if (bk_json_get_int(st, "bytes") != (int64_t)u->links[i].in)
			return bk_fault_set(f, BK_DATA, "stage '%.32s' gave "
			    "%lld bytes, but %llu were read back",
			    bk_json_get_text(st, "stage") != NULL ?
			    bk_json_get_text(st, "stage") : "?",
			    (long long)bk_json_get_int(st, "bytes"),
			    (unsigned long long)u->links[i].in);
	}
	if ((want = bk_json_get_text(json_array_get(stages, 0),
	    "sha256")) == NULL)
		return 0;
	bk_sha256_hex(u->sha, hex);
	if (strcmp(want, hex) == 0)
		return 0;
	return bk_fault_set(f, BK_DATA, "the SHA-256 of the plain data is not "
	    "that of the source");
}

int
bk_undo_finish(struct bk_undo *u, const json_t *stages, struct bk_fault *f)
{
	size_t i;

	for (i = 0; i < u->n; i++)
		if (u->links[i].ops->finish(u->links[i].t, f) == -1)
			return -1;
	return stages != NULL ? compare(u, stages, f) : 0;
}

uint64_t
bk_undo_bytes(const struct bk_undo *u)
{
	return u->links[u->n].in;
}

void
bk_undo_free(struct bk_undo *u)
{
	size_t i;

	if (u == NULL)
		return;
	for (i = 0; i < u->n; i++)
		if (u->links[i].ops != NULL)
			u->links[i].ops->free(u->links[i].t);
	bk_sha256_free(u->sha);
	free(u->links);
	free(u);
}
