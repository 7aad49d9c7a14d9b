/*
 * Reading the ledger: the lines of each job fold into one state.
 *
 * A reader takes no lock: lines are appended whole, and a rotation replaces
 * the file by one that folds to the same states.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "json.h"
#include "ledgerfile.h"
#include "when.h"

struct fold {
	struct bk_ledger_state *s;
	size_t n, torn;
};

static int
no_memory(struct bk_fault *f)
{
	return bk_fault_errno(f, BK_IO, ENOMEM, "the ledger");
}

static void
copy(char *out, size_t size, const char *s)
{
	size_t n = s != NULL ? strlen(s) : 0;

	if (n >= size)
		n = size - 1;
	if (n > 0)
		memcpy(out, s, n);
	out[n] = '\0';
}

static int64_t
get_int(const json_t *o, const char *key)
{
	int64_t n = bk_json_get_int(o, key);

	return n > 0 ? n : 0;
}

static enum bk_ledger_event
get_event(const json_t *o)
{
	const char *s = bk_json_get_text(o, "event");
	int e;

	for (e = BK_LEDGER_DUE; s != NULL && e < BK_LEDGER_EVENTS; e++)
		if (strcmp(s, bk_ledger_word((enum bk_ledger_event)e)) == 0)
			return (enum bk_ledger_event)e;
	return BK_LEDGER_NONE;
}

static struct bk_ledger_state *
state_of(struct fold *a, const char *job, struct bk_fault *f)
{
	struct bk_ledger_state *s;
	size_t lo = 0, hi = a->n, mid;
	int c;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if ((c = strcmp(job, a->s[mid].job)) == 0)
			return &a->s[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	if ((s = realloc(a->s, (a->n + 1) * sizeof(*s))) == NULL) {
		(void)no_memory(f);
		return NULL;
	}
	a->s = s;
	memmove(&s[lo + 1], &s[lo], (a->n - lo) * sizeof(*s));
	a->n++;
	memset(&s[lo], 0, sizeof(*s));
	copy(s[lo].job, sizeof(s[lo].job), job);
	return &s[lo];
}

static void
fold_commit(struct bk_ledger_state *s, const json_t *o)
{
	size_t i = s->nrecent;

	copy(s->id, sizeof(s->id), bk_json_get_text(o, "id"));
	s->bytes = get_int(o, "bytes");
	s->duration = get_int(o, "duration");
	if (i == BK_LEDGER_RECENT) {
		i--;
		memmove(s->recent_bytes, s->recent_bytes + 1,
		    i * sizeof(s->recent_bytes[0]));
		memmove(s->recent_duration, s->recent_duration + 1,
		    i * sizeof(s->recent_duration[0]));
	} else
		s->nrecent++;
	s->recent_bytes[i] = s->bytes;
	s->recent_duration[i] = s->duration;
}

/*
 * Does the supervisor say that this slot has come?  That counts whatever came
 * before, for the clock may have been set back.
 */
static bool
has_come(enum bk_ledger_event event, const char *run)
{
	return event == BK_LEDGER_DUE ||
	    (event == BK_LEDGER_SKIPPED && run == NULL);
}

/* A run that ends was counted when it began; other slots may have come. */
static bool
moves_on(const struct bk_ledger_state *s, enum bk_ledger_event event,
    const char *run, int64_t slot)
{
	return has_come(event, run) || slot == s->slot || (slot > s->slot &&
	    (event == BK_LEDGER_STARTED || run == NULL ||
	    strcmp(run, s->run) != 0));
}

static void
fold_entry(struct bk_ledger_state *s, const json_t *o,
    enum bk_ledger_event event)
{
	const char *run = bk_json_get_text(o, "run");
	int64_t time = bk_json_get_time(o, "time"), slot = bk_json_get_time(o, "slot");

	s->last = event;
	s->last_time = time;
	if (slot != 0 && moves_on(s, event, run, slot)) {
		s->slot = slot;
		s->slot_event = event;
	}
	if (event == BK_LEDGER_STARTED) {
		s->open = true;
		copy(s->run, sizeof(s->run), run);
		copy(s->trigger, sizeof(s->trigger),
		    bk_json_get_text(o, "trigger"));
		s->pid = (int)get_int(o, "pid");
		s->started = time;
	} else if (event != BK_LEDGER_DUE && run != NULL &&
	    strcmp(run, s->run) == 0)
		s->open = false;
	switch (event) {
	case BK_LEDGER_COMMITTED:
		s->committed = time;
		fold_commit(s, o);
		break;
	case BK_LEDGER_UNCHANGED:
		s->unchanged = time;
		break;
	case BK_LEDGER_FAILED:
		s->failed = time;
		copy(s->message, sizeof(s->message),
		    bk_json_get_text(o, "message"));
		break;
	default:
		return;
	}
	s->status = (int)get_int(o, "status");
}

/* The entry on a line, a new reference; NULL if the line is none. */
static json_t *
entry(const char *p, size_t n, enum bk_ledger_event *event)
{
	struct bk_fault f = BK_FAULT_INIT;
	json_t *o = bk_json_parse(p, n, "ledger", &f);
	const char *job = o != NULL ? bk_json_get_text(o, "job") : NULL;

	if (job != NULL && bk_name_ok(job) &&
	    (*event = get_event(o)) != BK_LEDGER_NONE)
		return o;
	json_decref(o);
	return NULL;
}

typedef int line_fn(void *arg, const char *p, size_t n, struct bk_fault *f);

/* Each line of the file at ${path}, without '\n'; a torn one too. */
static int
each_line(const char *path, line_fn *fn, void *arg, struct bk_fault *f)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), rc = 0;
	struct bk_buf b = BK_BUF_INIT(4 * BK_LEDGER_MAX);
	const char *p, *end, *nl;
	ssize_t n;

	if (fd == -1)
		return errno == ENOENT ? 0 :
		    bk_fault_errno(f, 0, errno, "cannot open '%s'", path);
	do {
		if (bk_buf_need(&b, 65536, f) == -1 ||
		    (n = bk_read_full(fd, b.p + b.len, 65536, path, f)) == -1)
			rc = -1;
		else
			b.len += (size_t)n;
	} while (rc == 0 && n == 65536);
	(void)close(fd);
	end = b.p + b.len;
	for (p = b.p; rc == 0 && p < end; p = nl + 1) {
		if ((nl = memchr(p, '\n', (size_t)(end - p))) == NULL)
			nl = end;
		if (nl > p)
			rc = fn(arg, p, (size_t)(nl - p), f);
	}
	bk_buf_release(&b);
	return rc;
}

static int
fold_line(void *arg, const char *p, size_t n, struct bk_fault *f)
{
	struct fold *a = arg;
	struct bk_ledger_state *s;
	enum bk_ledger_event event;
	json_t *o = entry(p, n, &event);

	if (o == NULL) {
		a->torn++;
		return 0;
	}
	if ((s = state_of(a, bk_json_get_text(o, "job"), f)) != NULL)
		fold_entry(s, o, event);
	json_decref(o);
	return s != NULL ? 0 : -1;
}

int
bk_ledger_read(const struct bk_ctx *ctx, const char *state,
    struct bk_ledger_state **out, size_t *n, size_t *torn,
    struct bk_fault *f)
{
	struct fold a = { NULL, 0, 0 };
	char path[PATH_MAX];

	(void)ctx;
	if (bk_ledger_path(state, "ledger", path, f) == -1 ||
	    each_line(path, fold_line, &a, f) == -1) {
		free(a.s);
		return -1;
	}
	*out = a.s;
	*n = a.n;
	if (torn != NULL)
		*torn = a.torn;
	return 0;
}

const struct bk_ledger_state *
bk_ledger_find(const struct bk_ledger_state *s, size_t n, const char *job)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcmp(s[i].job, job) == 0)
			return &s[i];
	return NULL;
}

/*
 * What to keep: of each job the last line of each event, the one of the
 * newest slot, those of the last run, and the last commits.  Walked from the
 * end.
 */
struct keep {
	struct line {
		size_t at, n;
	} *lines;
	size_t n;
	struct bk_buf text;
};

static int
note_line(void *arg, const char *p, size_t n, struct bk_fault *f)
{
	struct keep *k = arg;
	struct line *l = realloc(k->lines, (k->n + 1) * sizeof(*l));

	if (l == NULL)
		return no_memory(f);
	k->lines = l;
	l[k->n].at = k->text.len;
	l[k->n++].n = n;
	return bk_buf_add(&k->text, p, n, f);
}

struct seen {
	unsigned int events[BK_LEDGER_EVENTS];
	int64_t slot;
	bool came;
};

/* Is the line wanted, given the later ones of its job? */
static bool
wanted(struct seen *s, const struct bk_ledger_state *job, const json_t *o,
    enum bk_ledger_event event)
{
	const char *run = bk_json_get_text(o, "run");
	int64_t slot = bk_json_get_time(o, "slot");
	bool newest = slot > s->slot;

	if (newest)
		s->slot = slot;
	if (!s->came && slot != 0 && has_come(event, run))
		s->came = newest = true;
	return s->events[event]++ < (event == BK_LEDGER_COMMITTED ?
	    BK_LEDGER_RECENT : 1U) || newest ||
	    (run != NULL && strcmp(run, job->run) == 0);
}

int
bk_ledger_keep(const char *path, struct bk_buf *out, struct bk_fault *f)
{
	struct keep k = { NULL, 0, BK_BUF_INIT(4 * BK_LEDGER_MAX) };
	struct fold a = { NULL, 0, 0 };
	struct seen *seen = NULL;
	enum bk_ledger_event event;
	const struct bk_ledger_state *s;
	json_t *o;
	size_t i;
	int rc = -1;

	if (each_line(path, note_line, &k, f) == -1 ||
	    each_line(path, fold_line, &a, f) == -1)
		goto out;
	if ((seen = calloc(a.n + 1, sizeof(*seen))) == NULL) {
		(void)no_memory(f);
		goto out;
	}
	for (i = k.n; i-- > 0;) {
		o = entry(k.text.p + k.lines[i].at, k.lines[i].n, &event);
		s = o != NULL ? bk_ledger_find(a.s, a.n,
		    bk_json_get_text(o, "job")) : NULL;
		if (s == NULL || !wanted(&seen[s - a.s], s, o, event))
			k.lines[i].n = 0;
		json_decref(o);
	}
	for (rc = 0, i = 0; i < k.n && rc == 0; i++)
		if (k.lines[i].n > 0 && (rc = bk_buf_add(out,
		    k.text.p + k.lines[i].at, k.lines[i].n, f)) == 0)
			rc = bk_buf_adds(out, "\n", f);
out:
	bk_buf_release(&k.text);
	free(k.lines);
	free(seen);
	free(a.s);
	return rc;
}
