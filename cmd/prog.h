/*
 * What the programs share: start-up, options, messages, progress, exit.
 */
#ifndef BK_PROG_H
#define BK_PROG_H

#include <stdbool.h>
#include <stdint.h>

#include "ctx.h"
#include "fault.h"


/*
 * One row per option.  ${key} is the short option, or a number from 256 for
 * one without; a row of only zeros ends the table.
 */
struct bk_opt {
	int key;
	const char *name;	/* long name, exact */
	const char *arg;	/* name of the argument in the help, or NULL */
	const char *help;	/* one line */
	unsigned int flags;
};

#define BK_OPT_MANY 1U		/* may be repeated; others: an error */
#define BK_OPT_OPTARG 2U	/* argument only as --name=ARG, may be left out */
#define BK_OPT_NUMBER 4U	/* written -N; the argument is the digits */

/* Keys of BK_OPT_COMMON are handled by bk_opt_next itself. */
#define BK_OPT_COMMON \
	{ 'v', "verbose", NULL, "tell each step; twice: more", BK_OPT_MANY }, \
	{ 'h', "help", NULL, "show this help and exit", 0 }, \
	{ 'V', "version", NULL, "show the version and exit", 0 }, \
	{ 0, NULL, NULL, NULL, 0 }

/* Describes the program for --help; one static const per program. */
struct bk_prog {
	const char *name;	/* "bk-put" */
	const char *synopsis;	/* "[OPTION]… URL…" */
	const char *purpose;	/* one line */
	const struct bk_opt *opts;
};

/*
 * Before bk_init: for a caller that gives statuses a meaning of its own, add
 * ${n} to each from 64 on.
 */
void bk_status_add(int n);

/*
 * First call of main: descriptors 0 to 2 open, SIGPIPE and SIGXFSZ ignored,
 * umask 077 or stricter, no core file, locale "C" (messages), name and log
 * level from BK_LOG, BK_LOGLEVEL.
 */
void bk_init(const struct bk_prog *p, int argc, char **argv);

/*
 * From here on SIGINT, SIGTERM and SIGHUP do not kill at once: they make
 * bk_ctx->stop readable, which ends waits for children, so that what is half
 * done can be taken back; bk_exit then dies of the signal.  A wait for
 * something else, such as input that does not come, has 10 seconds.
 */
int bk_stop_catch(struct bk_fault *f);

/* What follows cleans up: it is given its time, and not stopped. */
void bk_stop_clean(void);

/* The context that lib/ is given: real clock, environment, log. */
extern const struct bk_ctx *const bk_ctx;

/*
 * Next option of the command line: its key with *${arg}, or -1 when there is
 * none left.  Options and operands may be mixed (the command line is put in
 * order, as getopt_long(3) does); "--" ends the options; "-" is an operand;
 * long names are exact; "--name=ARG" and "--name ARG".  Wrong usage does not
 * return.
 */
int bk_opt_next(const char **arg);

/*
 * Operands after bk_opt_next has returned -1: those before "--" and behind
 * them those after it, ended by NULL.
 */
int bk_operands(char ***argv);

/*
 * How many of them stood after "--": vendor options or a command; -1 where
 * there was no "--".
 */
int bk_operands_after(void);

/*
 * Before bk_init: what writes on standard output, if that is no terminal, when
 * this program was called wrongly; one of the two below.
 */
typedef void bk_tell_fn(const char *name, const struct bk_fault *why);
void bk_usage_tells(bk_tell_fn *tell);
bk_tell_fn bk_tell_stream;	/* a stream of only a failed line */
bk_tell_fn bk_tell_records;	/* a list of only a failed end line */

/* "bk-put: TEXT", the synopsis; exits 64. */
void bk_usage(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), noreturn));

/* bk_usage with the text of ${f} if it is a usage fault, else bk_exit. */
void bk_usage_fault(const struct bk_fault *f) __attribute__((noreturn));

/* One line on standard error at this level (see bk_ctx.log). */
void bk_say(enum bk_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Show this level and those above it, unless BK_LOGLEVEL tells. */
void bk_show(enum bk_level level);

/* Is this level shown? */
bool bk_shown(enum bk_level level);

/* 64 if standard output, or input, is a terminal; for programs with streams. */
void bk_refuse_tty(int fd);

/*
 * Progress on a terminal: bk_progress adds ${n} bytes (total 0: unknown) and
 * draws at most every 200 ms; bk_progress_end removes the line.  Silent where
 * standard error is no terminal, under BK_LOG=json, and where standard output
 * is a pipe: of a pipeline only the last stage draws.
 */
void bk_progress_total(uint64_t total);
void bk_progress(uint64_t n);
void bk_progress_end(void);

/*
 * End of main: say the fault and return its status.  One that came down the
 * stream (upstream) was told by the stage that failed: with a pipe on
 * standard output it is said at info level only.  A fault with EPIPE in err
 * is standard output closed early: die of SIGPIPE, silently.
 */
int bk_exit(const struct bk_fault *f);

#endif
