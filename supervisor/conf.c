/*
 * Files, includes, and the values as libconfuse reads them.  Each file is
 * parsed by itself, so that lines are those of the file: libconfuse's own
 * include knows no directories.
 */
#include <sys/stat.h>

#include <confuse.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conflex.h"
#include "io.h"

#define FILE_MAX (1024 * 1024)
#define FILES_MAX 1000
#define DEPTH_MAX 8

struct reading {
	const struct bk_ctx *ctx;
	struct bk_conf *conf;
	const char *file;		/* the one whose includes are noted */
	char **includes;
	int *lines;
	size_t nincludes;
};

int
bk_conf_fault(struct bk_fault *f, const char *file, int line,
    const char *fmt, ...)
{
	char text[sizeof(f->text)];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	return bk_fault_set(f, BK_CONFIG, "%s:%d: %s", file, line, text);
}

const struct bk_conf_word *
bk_conf_word(const struct bk_conf_sec *s, const char *name)
{
	size_t i;

	for (i = 0; i < s->nwords; i++)
		if (strcmp(s->words[i].name, name) == 0)
			return &s->words[i];
	return NULL;
}

void
bk_conf_free(struct bk_conf *c)
{
	size_t i, w, v;

	if (c == NULL)
		return;
	for (i = 0; i < c->nsecs; i++) {
		for (w = 0; w < c->secs[i].nwords; w++) {
			for (v = 0; v < c->secs[i].words[w].n; v++)
				free(c->secs[i].words[w].v[v]);
			free(c->secs[i].words[w].v);
		}
		free(c->secs[i].words);
		free(c->secs[i].title);
	}
	for (i = 0; i < c->nfiles; i++)
		free(c->files[i]);
	free(c->files);
	free(c->secs);
	free(c);
}

static int
no_memory(struct bk_fault *f)
{
	return bk_fault_errno(f, BK_IO, ENOMEM, "the schedule");
}

/* libconfuse hands its complaint to a function without argument. */
static struct {
	const char *file;
	struct bk_fault *f;
} complaint;

static void
complain(cfg_t *cfg, const char *fmt, va_list ap)
{
	char text[512];

	if (vsnprintf(text, sizeof(text), fmt, ap) >= 0)
		(void)bk_conf_fault(complaint.f, complaint.file, cfg->line, "%s",
		    text);
}

/* The options of sections of ${kind}; ${out} has room for all and the end. */
static void
schema(enum bk_conf_kind kind, cfg_opt_t *out)
{
	static const cfg_opt_t one = CFG_STR("", NULL, CFGF_NODEFAULT);
	static const cfg_opt_t many = CFG_STR_LIST("", NULL, CFGF_NODEFAULT);
	static const cfg_opt_t end = CFG_END();
	size_t i;

	for (i = 0; i < bk_nconfwords; i++)
		if (bk_confwords[i].kinds & 1U << kind) {
			*out = bk_confwords[i].list ? many : one;
			out++->name = bk_confwords[i].name;
		}
	*out = end;
}

/* Take the values of the words of one section out of libconfuse. */
static int
take(cfg_t *cfg, struct bk_conf_sec *s, const char *file, struct bk_fault *f)
{
	struct bk_conf_word *w;
	size_t i, v;
	unsigned int n;

	for (i = 0; i < s->nwords; i++) {
		w = &s->words[i];
		if (w->file != file)
			continue;
		n = cfg_size(cfg, w->name);
		if ((w->v = calloc((size_t)n + 1, sizeof(*w->v))) == NULL)
			return no_memory(f);
		for (v = 0; v < n; v++, w->n++)
			if ((w->v[v] = strdup(cfg_getnstr(cfg, w->name,
			    (unsigned int)v))) == NULL)
				return no_memory(f);
	}
	return 0;
}

/* Let libconfuse read ${text}; sections from ${first} on are of this file. */
static int
parse(struct bk_conf *conf, size_t first, const char *file, const char *text,
    struct bk_fault *f)
{
	enum { ROOM = 128 };
	cfg_opt_t opts[BK_CONF_KINDS][ROOM];
	unsigned int count[BK_CONF_KINDS] = { 0 };
	size_t n = 0, kind, i;
	cfg_t *cfg;
	int rc = -1;

	for (kind = 0; kind < BK_CONF_KINDS; kind++)
		schema((enum bk_conf_kind)kind, opts[kind]);
	while (opts[BK_CONF_TOP][n].name != NULL)
		n++;
	for (kind = 1; kind < BK_CONF_KINDS; kind++) {
		const cfg_opt_t sec = CFG_SEC(bk_conf_kinds[kind], opts[kind],
		    CFGF_MULTI | CFGF_TITLE);
		const cfg_opt_t end = CFG_END();

		opts[BK_CONF_TOP][n++] = sec;
		opts[BK_CONF_TOP][n] = end;
	}
	if ((cfg = cfg_init(opts[BK_CONF_TOP], CFGF_NONE)) == NULL)
		return no_memory(f);
	complaint.file = file;
	complaint.f = f;
	(void)cfg_set_error_function(cfg, complain);
	if (cfg_parse_buf(cfg, text) != CFG_SUCCESS) {
		(void)bk_fault_set(f, BK_CONFIG, "%s: cannot be read", file);
		goto out;
	}
	rc = take(cfg, &conf->secs[0], file, f);
	for (i = first; i < conf->nsecs && rc == 0; i++) {
		kind = conf->secs[i].kind;
		rc = take(cfg_getnsec(cfg, bk_conf_kinds[kind], count[kind]++),
		    &conf->secs[i], file, f);
	}
out:
	(void)cfg_free(cfg);
	return rc;
}

/* The text of a file. */
static int
slurp(const char *path, struct bk_buf *b, struct bk_fault *f)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), rc = -1;
	ssize_t n;

	if (fd == -1)
		return bk_fault_errno(f, 0, errno, "cannot open '%s'", path);
	if (bk_buf_need(b, FILE_MAX, f) == 0 &&
	    (n = bk_read_full(fd, b->p, FILE_MAX, path, f)) != -1) {
		b->len = (size_t)n;
		b->p[n] = '\0';
		rc = n < FILE_MAX ? 0 : bk_fault_set(f, BK_CONFIG,
		    "'%s' is larger than %d bytes", path, FILE_MAX);
	}
	(void)close(fd);
	return rc;
}

static int
note_include(void *arg, const char *path, int line, struct bk_fault *f)
{
	struct reading *r = arg;
	char **p = realloc(r->includes, (r->nincludes + 1) * sizeof(*p));
	int *l = realloc(r->lines, (r->nincludes + 1) * sizeof(*l));
	struct bk_buf b = BK_BUF_INIT(65536);
	const char *slash = strrchr(r->file, '/');

	if (p != NULL)
		r->includes = p;
	if (l != NULL)
		r->lines = l;
	if (p == NULL || l == NULL)
		return no_memory(f);
	/* A relative path is beside the file that names it. */
	if ((*path != '/' && slash != NULL &&
	    bk_buf_add(&b, r->file, (size_t)(slash - r->file) + 1, f) == -1) ||
	    bk_buf_adds(&b, path, f) == -1 ||
	    (p[r->nincludes] = bk_buf_detach(&b, f)) == NULL) {
		bk_buf_release(&b);
		return -1;
	}
	l[r->nincludes++] = line;
	return 0;
}

static int read_path(const struct bk_ctx *ctx, struct bk_conf *conf,
    const char *path, int depth, struct bk_fault *f);

/* Does the fault begin with a file and a line? */
static bool
placed(const struct bk_conf *conf, const struct bk_fault *f)
{
	size_t i, n;

	for (i = 0; i < conf->nfiles; i++) {
		n = strlen(conf->files[i]);
		if (strncmp(f->text, conf->files[i], n) == 0 &&
		    f->text[n] == ':' && f->text[n + 1] >= '0' &&
		    f->text[n + 1] <= '9')
			return true;
	}
	return false;
}

static int
read_file(const struct bk_ctx *ctx, struct bk_conf *conf, const char *path,
    int depth, struct bk_fault *f)
{
	struct bk_buf text = BK_BUF_INIT(FILE_MAX + 1);
	struct bk_buf out = BK_BUF_INIT(16 * FILE_MAX);
	struct reading r = { ctx, conf, NULL, NULL, NULL, 0 };
	size_t first = conf->nsecs, i;
	char **files;
	int rc = -1;

	for (i = 0; i < conf->nfiles; i++)
		if (strcmp(conf->files[i], path) == 0)
			return bk_fault_set(f, BK_CONFIG, "'%s' is read twice",
			    path);
	if (conf->nfiles == FILES_MAX)
		return bk_fault_set(f, BK_CONFIG, "more than %d files", FILES_MAX);
	if ((files = realloc(conf->files, (i + 1) * sizeof(*files))) == NULL)
		return no_memory(f);
	conf->files = files;
	if ((files[i] = strdup(path)) == NULL)
		return no_memory(f);
	conf->nfiles++;
	r.file = files[i];
	if (slurp(path, &text, f) == 0) {
		struct bk_conflex x = { .ctx = ctx, .conf = conf, .file = r.file,
			.text = bk_buf_text(&text), .len = text.len, .out = &out,
			.include = note_include, .arg = &r };

		rc = bk_conflex_run(&x, f);
	}
	if (rc == 0)
		rc = parse(conf, first, r.file, bk_buf_text(&out), f);
	for (i = 0; i < r.nincludes && rc == 0; i++)
		if ((rc = read_path(ctx, conf, r.includes[i], depth + 1, f)) == -1 &&
		    !placed(conf, f))
			bk_fault_context(f, "%s:%d: include", r.file, r.lines[i]);
	for (i = 0; i < r.nincludes; i++)
		free(r.includes[i]);
	free(r.includes);
	free(r.lines);
	bk_buf_release(&text);
	bk_buf_release(&out);
	return rc;
}

static int
by_name(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return d->d_name[0] != '.' && n > 5 &&
	    strcmp(d->d_name + n - 5, ".conf") == 0;
}

static int
in_order(const struct dirent **a, const struct dirent **b)
{
	/* Not alphasort: that one goes by the locale. */
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int
read_dir(const struct bk_ctx *ctx, struct bk_conf *conf, const char *path,
    int depth, struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(65536);
	struct dirent **names;
	int n, i, rc = 0;

	if ((n = scandir(path, &names, by_name, in_order)) == -1)
		return bk_fault_errno(f, 0, errno, "cannot read '%s'", path);
	for (i = 0; i < n; i++) {
		bk_buf_reset(&b);
		if (rc == 0 && (rc = bk_buf_addf(&b, f, "%s/%s", path,
		    names[i]->d_name)) == 0)
			rc = read_file(ctx, conf, b.p, depth, f);
		free(names[i]);
	}
	free(names);
	bk_buf_release(&b);
	return rc;
}

static int
read_path(const struct bk_ctx *ctx, struct bk_conf *conf, const char *path,
    int depth, struct bk_fault *f)
{
	struct stat st;

	if (depth > DEPTH_MAX)
		return bk_fault_set(f, BK_CONFIG, "more than %d includes deep",
		    DEPTH_MAX);
	if (stat(path, &st) == -1)
		return bk_fault_errno(f, 0, errno, "cannot open '%s'", path);
	return (S_ISDIR(st.st_mode) ? read_dir : read_file)(ctx, conf, path,
	    depth, f);
}

struct bk_conf *
bk_conf_read(const struct bk_ctx *ctx, const char *path, struct bk_fault *f)
{
	struct bk_conf *c = calloc(1, sizeof(*c));

	if (c == NULL || (c->secs = calloc(1, sizeof(*c->secs))) == NULL) {
		(void)no_memory(f);
		free(c);
		return NULL;
	}
	c->nsecs = 1;
	c->secs[0].file = "";
	if (read_path(ctx, c, path, 0, f) == -1) {
		bk_conf_free(c);
		return NULL;
	}
	return c;
}
