#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "child.h"
#include "freshwal.h"
#include "json.h"
#include "table.h"
#include "when.h"

#define YOUNG_MS 15000			/* a gap may close by itself */
#define LOOK_MS 1000

/* The interval that the newest base backup is in, of the newest timeline. */
static struct bk_cover *
newest(const struct bk_coverage *c)
{
	struct bk_cover *v, *best = NULL;
	size_t i;

	for (i = 0; i < c->covers.len; i++) {
		v = &c->covers.v[i];
		if (v->base != BK_COVER_NONE && (best == NULL ||
		    c->in.base[v->newest].time >= c->in.base[best->newest].time))
			best = v;
	}
	return best;
}

/* ---- the server's own marks ---- */

struct marks {
	const struct bk_coverage *c;
	const struct bk_cover *v;	/* or NULL */
	const char *data;
	struct bk_fresh_wal *w;
	int64_t now, since;		/* since: when the oldest began to wait */
	bool some;			/* the server archives */
};

/* Was ${n} taken by archive_command and is not in the store yet? */
static bool
on_its_way(const struct marks *m, const struct bk_wal_name *n)
{
	const struct bk_wal_run *r;
	uint64_t number;
	size_t i;

	if (n->kind != BK_WAL_SEGMENT || m->v == NULL)
		return false;
	for (i = 0; i < m->c->runs.len; i++) {
		r = &m->c->runs.v[i];
		number = bk_wal_number(n, r->segment);
		if (r->system == m->v->system && (number < m->v->end ||
		    (r->tli == n->tli && number >= bk_wal_number(&r->first,
		    r->segment) && number <= bk_wal_number(&r->last,
		    r->segment))))
			return false;
	}
	return true;
}

/* The file with a mark waits since the mark was made. */
static int
count(struct marks *m, const char *mark, const struct bk_wal_name *n,
    struct bk_fault *f)
{
	struct bk_buf path = BK_BUF_INIT(8192);
	struct stat st;
	int64_t since;
	int rc = -1;

	if (bk_buf_addf(&path, f, "%s/pg_wal/archive_status/%s", m->data,
	    mark) == -1)
		goto out;
	rc = 0;
	if (stat(path.p, &st) == -1)	/* archived while we looked */
		goto out;
	since = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	if (m->w->waiting++ == 0 || since < m->since) {
		m->since = since;
		memcpy(m->w->oldest, n->file, sizeof(m->w->oldest));
	}
	bk_buf_reset(&path);
	rc = bk_buf_addf(&path, f, "%s/pg_wal/%s", m->data, n->file);
	if (rc == 0 && stat(path.p, &st) == 0)
		m->w->bytes += (uint64_t)st.st_size;
out:
	bk_buf_release(&path);
	return rc;
}

static int
take_mark(struct marks *m, const char *mark, struct bk_fault *f)
{
	const char *tail = strrchr(mark, '.');
	char file[BK_WAL_FILE_MAX];
	struct bk_wal_name n;
	bool ready;

	if (tail == NULL || (size_t)(tail - mark) >= sizeof(file) ||
	    (strcmp(tail, ".ready") != 0 && strcmp(tail, ".done") != 0))
		return 0;
	memcpy(file, mark, (size_t)(tail - mark));
	file[tail - mark] = '\0';
	if (!bk_wal_name_parse(file, &n))
		return 0;
	m->some = true;
	ready = strcmp(tail, ".ready") == 0;
	return ready || on_its_way(m, &n) ? count(m, mark, &n, f) : 0;
}

static int
read_marks(struct marks *m, struct bk_fault *f)
{
	struct bk_buf path = BK_BUF_INIT(8192);
	struct dirent *d;
	DIR *dir = NULL;
	int rc = bk_buf_addf(&path, f, "%s/pg_wal/archive_status", m->data);

	if (rc == 0 && (dir = opendir(path.p)) == NULL)
		rc = bk_fault_errno(f, 0, errno, "cannot read '%s'", path.p);
	while (rc == 0 && (errno = 0, d = readdir(dir)) != NULL)
		rc = take_mark(m, d->d_name, f);
	if (rc == 0 && errno != 0)
		rc = bk_fault_errno(f, 0, errno, "cannot read '%s'", path.p);
	if (dir != NULL)
		(void)closedir(dir);
	bk_buf_release(&path);
	return rc;
}

/* How far behind, by what the server says. */
static int
look_local(struct marks *m, struct bk_fault *f)
{
	struct bk_fresh_wal *w = m->w;
	uint64_t system;
	int rc = bk_wal_control(m->data, &system, f);

	if (rc == BK_ABSENT)
		return bk_fault_set(f, BK_NOINPUT,
		    "'%s' is no data directory of PostgreSQL", m->data);
	if (rc == -1 || read_marks(m, f) == -1)
		return -1;
	w->foreign = m->v != NULL && m->v->system != system;
	w->local = m->some;
	if (m->some)
		w->lag = w->waiting > 0 && m->now > m->since ?
		    m->now - m->since : 0;
	return 0;
}

/* ---- all of it ---- */

/* 1: look again, it is too early to tell. */
static int
look(const struct bk_ctx *ctx, struct bk_store *s, const char *name,
    int64_t now, struct bk_coverage *c, struct bk_fresh_wal *w,
    struct bk_fault *f)
{
	const struct bk_cover_gap *g;

	if (bk_coverage_read(ctx, s, name, false, c, f) == -1)
		return -1;
	w->gap = (struct bk_cover_gap){ .count = 0 };
	if ((g = bk_cover_gap(&c->in, &c->covers)) != NULL)
		w->gap = *g;
	memcpy(w->twice, c->runs.twice_file, sizeof(w->twice));
	return w->gap.count > 0 && w->gap.since > now - YOUNG_MS &&
	    w->gap.since <= now + YOUNG_MS;
}

/* A while, or until somebody wants us to stop: -1. */
static int
rest(const struct bk_ctx *ctx, struct bk_fault *f)
{
	struct pollfd p = { .fd = ctx->stop > 2 ? ctx->stop : -1,
		.events = POLLIN };

	(void)poll(&p, 1, LOOK_MS);
	return bk_stop_take(ctx) ? bk_fault_set(f, BK_DATA, "stopped") : 0;
}

int
bk_fresh_wal_read(const struct bk_ctx *ctx, struct bk_store *s,
    const char *name, const char *data, int64_t now, struct bk_fresh_wal *w,
    struct bk_fault *f)
{
	struct bk_coverage c = BK_COVERAGE_INIT;
	int64_t begin = ctx->mono();
	struct bk_cover *v = NULL;
	struct marks m;
	int rc;

	while ((rc = look(ctx, s, name, now + ctx->mono() - begin, &c, w,
	    f)) == 1 && ctx->mono() - begin < YOUNG_MS) {
		bk_coverage_release(&c);
		if (rest(ctx, f) == -1)
			return -1;
	}
	if (rc != -1 && (v = newest(&c)) != NULL) {
		rc = bk_coverage_end(s, name, &c, v, f);
		w->to = v->to;
		w->lag = now > v->to ? now - v->to : 0;
	}
	if (rc != -1 && data != NULL) {
		m = (struct marks){ .c = &c, .v = v, .data = data, .w = w,
			.now = ctx->now() };
		rc = look_local(&m, f);
	}
	bk_coverage_release(&c);
	return rc == -1 ? -1 : 0;
}

/* ---- telling ---- */

int
bk_fresh_wal_gap_text(const struct bk_fresh_wal *w, struct bk_buf *out,
    struct bk_fault *f)
{
	if (w->twice[0] != '\0')
		return bk_buf_addf(out, f, "in the log %s is stored with two "
		    "contents", w->twice);
	return bk_buf_adds(out, "in the log ", f) == -1 ? -1 :
	    bk_cover_gap_text(&w->gap, out, f);
}

int
bk_fresh_wal_lag_text(const struct bk_fresh_wal *w, int64_t max,
    struct bk_buf *out, struct bk_fault *f)
{
	char age[24], size[8], limit[24];

	if (w->local ? bk_buf_addf(out, f, "%s waits for %s to be stored, with "
	    "%" PRIu64 " files of %s in all", w->oldest, bk_age_text(w->lag,
	    age), w->waiting, bk_size_text(w->bytes, size)) == -1 :
	    bk_buf_addf(out, f, "the last commit that is stored is %s old",
	    bk_age_text(w->lag, age)) == -1)
		return -1;
	return bk_buf_addf(out, f, ", the limit is %s", bk_age_text(max, limit));
}

json_t *
bk_fresh_wal_json(const struct bk_fresh_wal *w, int64_t max,
    struct bk_fault *f)
{
	json_t *o = json_object();
	char when[BK_TIME_LEN];

	if (bk_json_set(o, "gap", bk_cover_gap_json(&w->gap, f), f) == 0 &&
	    (w->twice[0] == '\0' ||
	    bk_json_set_text(o, "twice", w->twice, f) == 0) &&
	    (w->to == INT64_MIN ||
	    bk_json_set_text(o, "to", bk_time_text(w->to, when), f) == 0) &&
	    (w->lag < 0 ||
	    bk_json_set(o, "lag", json_integer(w->lag), f) == 0) &&
	    (max == 0 || bk_json_set(o, "max-lag", json_integer(max), f) == 0) &&
	    (!w->local || (bk_json_set(o, "waiting",
	    json_integer((json_int_t)w->waiting), f) == 0 &&
	    bk_json_set(o, "waiting-bytes", json_integer((json_int_t)w->bytes),
	    f) == 0 && (w->oldest[0] == '\0' ||
	    bk_json_set_text(o, "oldest", w->oldest, f) == 0))))
		return o;
	json_decref(o);
	return NULL;
}
