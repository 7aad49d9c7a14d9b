/*
 * What engines share that work through a vendor's client tools: finding the
 * tool, handing it a password, asking the server a question, refusing vendor
 * options that break a promise, and taking a dump from its standard output.
 *
 * A password reaches a child by a file and by nothing else (DESIGN, 6).  The
 * file is a memfd (memfd_create(2)) of mode 0600 that the child is handed as
 * descriptor 3 and opens by the name BK_SECRET_PATH: it is on no disk, no
 * other user can open it, and nothing is left to remove however this process
 * ends.  (Our own /proc/PID/fd is closed to others: PR_SET_DUMPABLE.)
 */
#ifndef BK_TOOL_H
#define BK_TOOL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "child.h"
#include "ctx.h"
#include "fault.h"
#include "io.h"
#include "marks.h"
#include "uri.h"

/* ---- finding ---- */

/*
 * The ${nth} (from 0) place where one of ${names} (NULL-ended) is installed:
 * first those on PATH, in the order of ${names}, then the directories that
 * match the glob(7) patterns ${dirs} (NULL-ended, may be NULL), those with
 * the highest version in their path first.  0 with the path in ${out}, or
 * BK_ABSENT_TOOL when there are not so many.
 */
int bk_tool_nth(const struct bk_ctx *ctx, const char *const *names,
    const char *const *dirs, unsigned int nth, char *out, size_t size);

/*
 * Append the first line of what "${path} --version" says.  0, or -1 with
 * ${f} set (69).
 */
int bk_tool_version(const struct bk_ctx *ctx, const char *path,
    struct bk_buf *out, struct bk_fault *f);

/* ---- passwords ---- */

/*
 * The password for ${uri} into ${pw}, which the caller wipes: the first line
 * of option ?password-file= (a relative name is looked for in the directory
 * $CREDENTIALS_DIRECTORY if that is set), else the variable that
 * ${source_env} names, else the vendor's variable ${vendor_env}.
 * 0 found; BK_NO_PASSWORD; -1 with ${f} set: 64 both first ways given, 78
 * the file or the named variable is not there, 77 not readable.
 */
#define BK_NO_PASSWORD 1
int bk_tool_password(const struct bk_ctx *ctx, const struct bk_uri *uri,
    const char *source_env, const char *vendor_env, struct bk_buf *pw,
    struct bk_fault *f);

/* A secret for children: set bk_child_spec's pass to ${fd}. */
struct bk_secret {
	int fd;			/* -1: none */
};

#define BK_SECRET_INIT { -1 }
#define BK_SECRET_PATH "/proc/self/fd/3"	/* its name for the child */

/* Put ${n} bytes into a new secret.  0, or -1 with ${f} set. */
int bk_secret_make(struct bk_secret *s, const void *p, size_t n,
    struct bk_fault *f);
/* Nothing where there is none; may be called twice. */
void bk_secret_drop(struct bk_secret *s);

/* ---- talking ---- */

/* What a tool's message means: the first row whose text occurs in it wins. */
struct bk_tool_msg {
	const char *text;	/* NULL ends the table */
	int status;		/* enum bk_status */
};

/* Status for the words of a tool, ${other} where no row fits. */
int bk_tool_class(const struct bk_tool_msg *msgs, const char *said, int other);

/* The last line with something on it, without leading blanks, cut to size. */
void bk_tool_last_line(const char *said, char *out, size_t size);

/*
 * Run a client tool with ${input} (a question, may be NULL) to its end and
 * append what it printed to ${out}.  0 if it exited 0; else -1 with ${f} set
 * to the class of its message (69 where ${msgs} has no row for it) and its
 * reason (bk_child_reason).  spec->flags and spec->in are not looked at.
 */
int bk_tool_ask(const struct bk_ctx *ctx, const struct bk_child_spec *spec,
    const char *input, const struct bk_tool_msg *msgs, struct bk_buf *out,
    struct bk_fault *f);

/* ---- vendor options ---- */

struct bk_tool_refusal {
	const char *option;	/* "result-file"; one letter: a short option */
	const char *why;	/* "the dump must come on standard output" */
};

struct bk_tool_opts {
	const char *tool;
	const char *shorts_arg;	/* short options that take an argument */
	/* Short options whose argument only ever stands in the same word. */
	const char *shorts_opt;
	const struct bk_tool_refusal *refused;	/* option NULL ends it */
};

/*
 * Check what the user wrote after "--" (NULL-ended, or NULL).  Refused with
 * 64: the options of the table, in clusters of short ones too; any
 * abbreviation of a long one ('_' counts as '-', and "skip-" and the like
 * before it do not count, as mysql has it); "--";
 * words that are no options ("--name=value" is the form wanted).
 */
int bk_tool_opts_check(const struct bk_tool_opts *o, const char *const *args,
    struct bk_fault *f);

/* ---- an argument list ---- */

#define BK_ARGV_MAX 256

/* An argv under way. */
struct bk_argv {
	char *v[BK_ARGV_MAX + 1];	/* NULL-ended */
	size_t n;
};

#define BK_ARGV_INIT { { NULL }, 0 }

/* Append a copy, or formatted text.  0, or -1 with ${f} set (64 too many). */
int bk_argv_add(struct bk_argv *a, const char *s, struct bk_fault *f);
int bk_argv_addf(struct bk_argv *a, struct bk_fault *f, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Append all of a NULL-ended list (or NULL). */
int bk_argv_all(struct bk_argv *a, const char *const *args, struct bk_fault *f);
/* As bk_child_spec wants it. */
const char *const *bk_argv_get(const struct bk_argv *a);
void bk_argv_release(struct bk_argv *a);

/* ---- a dump ---- */

/*
 * Give all output of ${c} to ${marks} (may be NULL) and ${sink}, and wait.
 * What the tool said on standard error becomes member "log" of ${info}.
 * BK_MARKS_PROVEN or BK_MARKS_UNKNOWN (also without ${marks}); or -1 with
 * ${f} set: before the first byte the class of the tool's message by
 * ${msgs}, after it 65.  ${c} stays the caller's.
 */
int bk_tool_dump(struct bk_child *c, struct bk_marks *marks,
    const struct bk_tool_msg *msgs, json_t *info, bk_sink_fn *sink, void *arg,
    struct bk_fault *f);

#endif
