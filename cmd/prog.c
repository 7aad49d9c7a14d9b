/*
 * The part of main() that is alike in all programs.  State is static: there
 * is one command line and one standard error.
 */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "io.h"
#include "json.h"
#include "prog.h"
#include "when.h"

#define STOP_SECONDS 10

static const struct bk_prog *prog;
static int status_add;			/* see bk_status_add */
static char **words, **operands;
static int nwords, next_word, noperands;
static int rest_at = -1;		/* index of the first word after "--" */
static const char *cluster;		/* rest of "-xyz" */
static unsigned char *seen;		/* how often each row of the table came */
static enum bk_level shown = BK_LOG_WARN;
static bool as_json, to_journal;
static bk_tell_fn *tell;
static char bindir[PATH_MAX], hostname[256];
static volatile sig_atomic_t caught;	/* the signal that asks us to stop */
static int wishes = -1;			/* the pipe of ctx->stop */

static int64_t
clock_ms(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts) == -1)
		abort();
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t
now(void)
{
	return clock_ms(CLOCK_REALTIME);
}

static int64_t
mono(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

static const char *
env(const char *name)
{
	const char *v = getenv(name);

	return v != NULL && *v != '\0' ? v : NULL;
}

/* Not const: bindir and the like are filled by bk_init. */
static struct bk_ctx the_ctx = { env, now, mono, bk_say, bindir, "/var/tmp",
	"/usr/local/bin:/usr/bin:/bin", hostname, NULL, 0 };
const struct bk_ctx *const bk_ctx = &the_ctx;

static void
open_std(void)
{
	int fd;

	/*
	 * A closed descriptor 0 to 2 would be taken by the next open.  What is
	 * written on a closed standard output is lost: that fails, as it should.
	 */
	do {
		if ((fd = open("/dev/null", O_RDWR)) == -1)
			_exit(BK_IO);
		if (fd == STDOUT_FILENO && (close(fd) == -1 ||
		    open("/dev/null", O_RDONLY) != fd))
			_exit(BK_IO);
	} while (fd <= STDERR_FILENO);
	close(fd);
}

static void
no_core(void)
{
	const struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
#if !defined(__SANITIZE_ADDRESS__) && !defined(BK_SANITIZED)
	/* A core_pattern with a pipe ignores the limit (core(5)). */
	(void)prctl(PR_SET_DUMPABLE, 0);
#endif
}

static void
find_places(void)
{
	struct stat st;
	const char *v;
	char *slash;
	ssize_t n;

	n = readlink("/proc/self/exe", bindir, sizeof(bindir) - 1);
	bindir[n > 0 ? n : 0] = '\0';
	if ((slash = strrchr(bindir, '/')) != NULL)
		*slash = '\0';
	if (gethostname(hostname, sizeof(hostname) - 1) == -1 ||
	    hostname[0] == '\0')
		memcpy(hostname, "localhost", sizeof("localhost"));
	the_ctx.vars = environ;
	if ((v = env("PATH")) != NULL)
		the_ctx.path = v;
	if ((v = env("TMPDIR")) != NULL)
		the_ctx.tmpdir = v;
	else if (stat(the_ctx.tmpdir, &st) == -1)
		the_ctx.tmpdir = "/tmp";
}

/*
 * Is standard error the journal?  systemd.exec(5): JOURNAL_STREAM is device
 * and inode of what the service was given.
 */
static bool
is_journal(void)
{
	const char *v = env("JOURNAL_STREAM");
	char own[64];
	struct stat st;

	if (v == NULL || fstat(STDERR_FILENO, &st) == -1)
		return false;
	snprintf(own, sizeof(own), "%llu:%llu", (unsigned long long)st.st_dev,
	    (unsigned long long)st.st_ino);
	return strcmp(v, own) == 0;
}

static void
read_level(void)
{
	static const char *const names[] = { "error", "warn", "info", "debug",
		"trace" };
	const char *v;
	size_t i;

	as_json = (v = env("BK_LOG")) != NULL && strcmp(v, "json") == 0;
	to_journal = is_journal();
	if ((v = env("BK_LOGLEVEL")) == NULL)
		return;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(v, names[i]) == 0) {
			shown = (enum bk_level)i;
			return;
		}
	bk_usage("BK_LOGLEVEL is '%s'; error, warn, info, debug or trace", v);
}

void
bk_init(const struct bk_prog *p, int argc, char **argv)
{
	size_t n = 0;

	prog = p;
	open_std();
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);	/* a limit on files is a full disk: EFBIG */
	umask(umask(077) | 077);
	no_core();
	find_places();
	while (p->opts[n].help != NULL)
		n++;
	words = argv;
	nwords = argc;
	next_word = 1;
	seen = calloc(n + 1, 1);
	operands = calloc((size_t)argc + 1, sizeof(*operands));
	if (seen == NULL || operands == NULL)
		_exit(BK_IO);
	read_level();
}

static void
on_signal(int signo)
{
	int keep = errno;

	caught = signo;
	if (write(wishes, "", 1) == -1) {
		/* Full: there are wishes enough. */
	}
	(void)alarm(STOP_SECONDS);
	errno = keep;
}

static void
die(int signo)
{
	(void)signal(signo, SIG_DFL);
	(void)raise(signo);
}

static void
on_alarm(int signo)
{
	(void)signo;
	die(caught);
}

int
bk_stop_catch(struct bk_fault *f)
{
	static const int asks[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct sigaction old;
	size_t i;
	int p[2];

	if (pipe2(p, O_CLOEXEC | O_NONBLOCK) == -1)
		return bk_fault_errno(f, BK_IO, errno, "cannot make a pipe");
	the_ctx.stop = p[0];
	wishes = p[1];
	(void)sigaction(SIGALRM, &sa, NULL);
	sa.sa_handler = on_signal;
	/* One that is ignored, as by nohup(1), stays so. */
	for (i = 0; i < sizeof(asks) / sizeof(asks[0]); i++)
		if (sigaction(asks[i], NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN)
			(void)sigaction(asks[i], &sa, NULL);
	return 0;
}

void
bk_stop_clean(void)
{
	the_ctx.stop = 0;
	(void)alarm(0);
}

/* Standard output of --help and --version: one that fails is an error. */
static void
finish_stdout(void)
{
	if (fflush(stdout) == EOF || ferror(stdout)) {
		bk_say(BK_LOG_ERROR, "cannot write standard output: %s",
		    strerror(errno));
		exit(BK_IO);
	}
	exit(0);
}

static void
help(void)
{
	const struct bk_opt *o;
	char left[80];

	printf("usage: %s %s\n%s.\n\n", prog->name, prog->synopsis,
	    prog->purpose);
	for (o = prog->opts; o->help != NULL; o++) {
		if (o->flags & BK_OPT_NUMBER)
			snprintf(left, sizeof(left), "-%s", o->arg);
		else
			snprintf(left, sizeof(left), "%c%c%s--%s%s%s%s",
			    o->key < 256 ? '-' : ' ',
			    o->key < 256 ? o->key : ' ',
			    o->key < 256 ? ", " : "  ", o->name,
			    o->arg == NULL ? "" :
			    o->flags & BK_OPT_OPTARG ? "[=" : " ",
			    o->arg == NULL ? "" : o->arg,
			    o->arg != NULL && o->flags & BK_OPT_OPTARG ? "]" : "");
		printf("  %-26s%s%s\n", left, strlen(left) > 25 ?
		    "\n                            " : "", o->help);
	}
	finish_stdout();
}

/* Count a use of row ${o} and handle what all programs have alike. */
static int
took(const struct bk_opt *o)
{
	size_t i = (size_t)(o - prog->opts);

	if (seen[i] < UCHAR_MAX)
		seen[i]++;
	if (seen[i] > 1 && !(o->flags & BK_OPT_MANY)) {
		if (o->name == NULL)
			bk_usage("option -%s given twice", o->arg);
		bk_usage("option --%s given twice", o->name);
	}
	switch (o->key) {
	case 'h':
		help();
		break;
	case 'V':
		printf("%s (bk) %s\n", prog->name, BK_VERSION);
		finish_stdout();
		break;
	case 'v':
		if (shown < BK_LOG_INFO)
			shown = BK_LOG_INFO;
		else if (shown < BK_LOG_TRACE)
			shown++;
		break;
	default:
		break;
	}
	return o->key;
}

static int
long_option(const char *word, const char **arg)
{
	const struct bk_opt *o;
	const char *eq = strchr(word, '=');
	size_t n = eq != NULL ? (size_t)(eq - word) : strlen(word);

	for (o = prog->opts; o->help != NULL; o++)
		if (o->name != NULL && strlen(o->name) == n &&
		    memcmp(o->name, word, n) == 0)
			break;
	if (o->help == NULL)
		bk_usage("unknown option --%.*s", (int)n, word);
	*arg = eq != NULL ? eq + 1 : NULL;
	if (o->arg == NULL && eq != NULL)
		bk_usage("option --%s takes no argument", o->name);
	if (o->arg != NULL && eq == NULL && !(o->flags & BK_OPT_OPTARG)) {
		if (next_word >= nwords)
			bk_usage("option --%s wants %s", o->name, o->arg);
		*arg = words[next_word++];
	}
	return took(o);
}

static int
short_option(const char **arg)
{
	const struct bk_opt *o;
	int c = (unsigned char)*cluster;

	for (o = prog->opts; o->help != NULL; o++)
		if (o->flags & BK_OPT_NUMBER ? c >= '0' && c <= '9' :
		    o->key == c)
			break;
	if (o->help == NULL)
		bk_usage("unknown option -%c", c);
	*arg = NULL;
	if (o->flags & BK_OPT_NUMBER) {
		*arg = cluster;
		cluster = NULL;
		return took(o);
	}
	if (*++cluster == '\0')
		cluster = NULL;
	if (o->arg != NULL && !(o->flags & BK_OPT_OPTARG)) {
		if (cluster != NULL) {
			*arg = cluster;
			cluster = NULL;
		} else if (next_word < nwords)
			*arg = words[next_word++];
		else
			bk_usage("option -%c wants %s", c, o->arg);
	}
	return took(o);
}

int
bk_opt_next(const char **arg)
{
	const char *w;
	int key;

	for (;;) {
		if (cluster != NULL)
			key = short_option(arg);
		else if (next_word >= nwords)
			return -1;
		else if ((w = words[next_word++])[0] != '-' || w[1] == '\0') {
			operands[noperands++] = words[next_word - 1];
			continue;
		} else if (w[1] != '-') {
			cluster = w + 1;
			continue;
		} else if (w[2] != '\0')
			key = long_option(w + 2, arg);
		else {
			rest_at = next_word;
			while (next_word < nwords)
				operands[noperands++] = words[next_word++];
			return -1;
		}
		if (key != 'v')
			return key;
	}
}

int
bk_operands(char ***argv)
{
	*argv = operands;
	return noperands;
}

int
bk_operands_after(void)
{
	return rest_at == -1 ? -1 : nwords - rest_at;
}

void
bk_usage_tells(bk_tell_fn *fn)
{
	tell = fn;
}

void
bk_status_add(int n)
{
	status_add = n;
}

void
bk_usage(const char *fmt, ...)
{
	struct bk_fault f = BK_FAULT_INIT;
	va_list ap;

	va_start(ap, fmt);
	(void)bk_fault_vset(&f, BK_USAGE, fmt, ap);
	va_end(ap);
	bk_say(BK_LOG_ERROR, "%s", f.text);
	if (tell != NULL && !isatty(STDOUT_FILENO))
		tell(prog->name, &f);
	if (!as_json)
		dprintf(STDERR_FILENO, "usage: %s %s\n", prog->name,
		    prog->synopsis);
	exit(BK_USAGE + status_add);
}

void
bk_usage_fault(const struct bk_fault *f)
{
	if (f->status == BK_USAGE)
		bk_usage("%s", f->text);
	exit(bk_exit(f));
}

void
bk_show(enum bk_level level)
{
	if (env("BK_LOGLEVEL") == NULL && shown < level)
		shown = level;
}

bool
bk_shown(enum bk_level level)
{
	return level <= shown;
}

void
bk_refuse_tty(int fd)
{
	if (isatty(fd))
		bk_usage("standard %s is a terminal; a backup stream belongs in a pipe or a file",
		    fd == STDIN_FILENO ? "input" : "output");
}

/* One line as a JSON object; dropped where memory runs out. */
static void
say_json(enum bk_level level, const char *text, int err)
{
	static const char *const names[] = { "error", "warn", "info", "debug",
		"trace" };
	struct bk_buf b = BK_BUF_INIT(16384);
	struct bk_fault f = BK_FAULT_INIT;
	char ts[BK_TIME_LEN];
	const char *run = env("BK_RUN");
	json_t *o = json_object();

	if (o != NULL &&
	    bk_json_set_text(o, "ts", bk_time_text(now(), ts), &f) == 0 &&
	    bk_json_set_text(o, "level", names[level], &f) == 0 &&
	    bk_json_set_text(o, "prog", prog->name, &f) == 0 &&
	    bk_json_set(o, "pid", json_integer(getpid()), &f) == 0 &&
	    (run == NULL || bk_json_set_text(o, "run", run, &f) == 0) &&
	    bk_json_set_text(o, "msg", text, &f) == 0 &&
	    (err == 0 || bk_json_set(o, "errno", json_integer(err), &f) == 0) &&
	    bk_json_text(o, &b, &f) == 0 && bk_buf_adds(&b, "\n", &f) == 0)
		(void)bk_write_all(STDERR_FILENO, b.p, b.len, "log", &f);
	bk_buf_release(&b);
	json_decref(o);
}

static void
say(enum bk_level level, int err, const char *fmt, va_list ap)
{
	/* Of sd-daemon(3); the journal takes them off again. */
	static const char *const marks[] = { "<3>", "<4>", "<6>", "<7>", "<7>" };
	char text[3072], line[PIPE_BUF];
	int keep = errno, n;
	char *p;

	vsnprintf(text, sizeof(text), fmt, ap);
	for (p = text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	bk_progress_end();
	if (as_json)
		say_json(level, text, err);
	else {
		n = snprintf(line, sizeof(line), "%s%s: %s%s\n", to_journal ?
		    marks[level] : "", prog->name, level == BK_LOG_WARN ? "warning: " : "", text);
		if (n > 0 && write(STDERR_FILENO, line, (size_t)n) == -1) {
			/* Nowhere is left to say it. */
		}
	}
	errno = keep;
}

void
bk_say(enum bk_level level, const char *fmt, ...)
{
	va_list ap;

	if (level > shown)
		return;
	va_start(ap, fmt);
	say(level, 0, fmt, ap);
	va_end(ap);
}

static void
say_err(enum bk_level level, int err, const char *fmt, ...)
{
	va_list ap;

	if (level > shown)
		return;
	va_start(ap, fmt);
	say(level, err, fmt, ap);
	va_end(ap);
}

static bool
stdout_is_pipe(void)
{
	struct stat st;

	return fstat(STDOUT_FILENO, &st) == 0 && S_ISFIFO(st.st_mode);
}

int
bk_exit(const struct bk_fault *f)
{
	bk_progress_end();
	if (f->status == 0)
		return 0;
	if (caught != 0) {
		bk_say(BK_LOG_ERROR, "stopped by signal %d (%s)", (int)caught,
		    strsignal(caught));
		die(caught);
	}
	if (f->err == EPIPE) {
		(void)signal(SIGPIPE, SIG_DFL);
		(void)raise(SIGPIPE);
	}
	say_err(f->upstream && stdout_is_pipe() ? BK_LOG_INFO : BK_LOG_ERROR,
	    f->err, "%s", f->text);
	return f->status >= BK_USAGE ? f->status + status_add : f->status;
}
