/*
 * Backups are read in an order in which none slips through while it changes
 * hands: manifests, tombstones, and the keys of manifests again; one that
 * was brought back meanwhile makes us blind, this time.
 *
 * A history file (access/timeline.h) has a line for each timeline before:
 * its number, where it was left, and why; '#' begins a comment.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "retain.h"
#include "tomb.h"
#include "walneed.h"

#define HISTORY_MAX (1024 * 1024)

struct reading {
	struct bk_wal_needs *n;
	const char *name;
	json_t *seen;			/* ids whose manifests were read */
};

static int
add(struct bk_wal_needs *n, uint64_t system, uint32_t tli, uint64_t at,
    struct bk_fault *f)
{
	size_t size = n->size > 0 ? 2 * n->size : 16;
	struct bk_wal_need *v;

	if (n->len == n->size) {
		if ((v = realloc(n->v, size * sizeof(*v))) == NULL)
			return bk_fault_set(f, BK_IO, "out of memory");
		n->v = v;
		n->size = size;
	}
	n->v[n->len++] = (struct bk_wal_need){ system, tli, at };
	return 0;
}

/* What the end line required. */
static int
add_required(struct reading *r, const json_t *list, bool *good,
    struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX);
	struct bk_wal_key k;
	const char *p;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < json_array_size(list); i++) {
		p = json_string_value(json_array_get(list, i));
		bk_buf_reset(&key);
		if (p == NULL ||
		    bk_buf_addf(&key, f, "%s0123456789abcdef", p) == -1 ||
		    !bk_wal_key_parse(key.p, r->name, &k))
			*good = false;
		else if (k.name.kind != BK_WAL_HISTORY)
			rc = add(r->n, k.system, k.name.tli, k.name.at, f);
	}
	bk_buf_release(&key);
	return rc;
}

/* What the record of ${id} needs. */
static int
need(struct reading *r, const char *id, const json_t *rec, struct bk_fault *f)
{
	const json_t *info = json_object_get(rec, "info");
	const char *engine = bk_json_get_text(rec, "engine");
	const char *system = bk_json_get_text(info, "system");
	const char *start = bk_json_get_text(info, "start-wal");
	struct bk_wal_name n;
	uint64_t v;
	bool good = true;

	if (add_required(r, json_object_get(rec, "requires"), &good, f) == -1)
		return -1;
	if (engine != NULL && strcmp(engine, BK_ENGINE_BASE) == 0) {
		if (system == NULL || start == NULL ||
		    !bk_wal_system_parse(system, &v) ||
		    !bk_wal_name_parse(start, &n) || n.kind != BK_WAL_SEGMENT)
			good = false;
		else if (add(r->n, v, n.tli, n.at, f) == -1)
			return -1;
	}
	if (!good)
		(void)snprintf(r->n->blind, sizeof(r->n->blind), "%s", id);
	return 0;
}

static int
take_entry(void *arg, const struct bk_entry *e, struct bk_record *rec,
    unsigned int bad_notes, bool whole, struct bk_fault *f)
{
	struct reading *r = arg;

	(void)bad_notes;
	(void)whole;
	if (bk_json_set(r->seen, e->k.id, json_true(), f) == -1)
		return -1;
	if (rec != NULL && rec->version == 1)
		return need(r, e->k.id, rec->json, f);
	memcpy(r->n->blind, e->k.id, sizeof(r->n->blind));
	return 0;
}

static int
take_key(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	struct bk_mkey k;

	return bk_tomb_split(o->key, &k) ?
	    bk_json_push(arg, json_string(k.id), f) : 0;
}

static int
read_tomb(struct reading *r, struct bk_store *s, const char *id,
    struct bk_fault *f)
{
	struct bk_fault why = BK_FAULT_INIT;
	struct bk_tomb t = BK_TOMB_INIT;
	json_t *rec = NULL;
	int rc = bk_tomb_read(s, r->name, id, &t, &why);

	if (rc == 0 && (rec = bk_json_parse(t.manifest, t.manifest_len, "manifest",
	    &why)) != NULL)
		rc = need(r, id, rec, f);
	else if (rc == -1 && why.status != BK_DATA)
		*f = why;
	else if (rc != BK_ABSENT) {
		(void)snprintf(r->n->blind, sizeof(r->n->blind), "%s", id);
		rc = 0;
	}
	json_decref(rec);
	bk_tomb_release(&t);
	return rc == -1 ? -1 : 0;
}

static int
read_tombs(struct reading *r, struct bk_store *s, struct bk_fault *f)
{
	struct bk_buf prefix = BK_BUF_INIT(BK_KEY_MAX);
	json_t *ids = json_array();
	size_t i;
	int rc = -1;

	if (bk_buf_addf(&prefix, f, BK_TOMBS "%s/", r->name) == 0)
		rc = bk_store_list(s, prefix.p, "", take_key, ids, f);
	for (i = 0; rc == 0 && i < json_array_size(ids); i++)
		rc = read_tomb(r, s, json_string_value(json_array_get(ids, i)), f);
	json_decref(ids);
	bk_buf_release(&prefix);
	return rc;
}

int
bk_wal_needs(const struct bk_ctx *ctx, struct bk_store *s, const char *name,
    struct bk_wal_needs *n, struct bk_fault *f)
{
	struct reading r = { n, name, json_object() };
	struct bk_entries es = BK_ENTRIES_INIT, again = BK_ENTRIES_INIT;
	struct bk_entries_cost cost = { 0, 0 };
	size_t i;
	int rc = -1;

	if (r.seen == NULL)
		(void)bk_fault_set(f, BK_IO, "out of memory");
	else if (bk_entries_list(s, name, NULL, &es, f) == 0 &&
	    bk_entries_read(ctx, s, &es, take_entry, &r, &cost, f) == 0 &&
	    read_tombs(&r, s, f) == 0)
		rc = bk_entries_list(s, name, NULL, &again, f);
	for (i = 0; rc == 0 && i < again.len; i++)
		if (json_object_get(r.seen, again.e[i].k.id) == NULL)
			memcpy(n->blind, again.e[i].k.id, sizeof(n->blind));
	bk_entries_release(&again);
	bk_entries_release(&es);
	json_decref(r.seen);
	return rc;
}

void
bk_wal_needs_release(struct bk_wal_needs *n)
{
	free(n->v);
	*n = (struct bk_wal_needs)BK_WAL_NEEDS_INIT;
}

static int
to_buf(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	return bk_buf_add(arg, p, n, f);
}

/* The timelines that a history names. */
static int
parse_history(const char *text, struct bk_wal_line *l, struct bk_fault *f)
{
	unsigned long tli;
	const char *p;
	char *end;

	for (p = text; *p != '\0'; p += strcspn(p, "\n"), p += *p == '\n') {
		p += strspn(p, " \t\r");
		if (*p == '\n' || *p == '\0' || *p == '#')
			continue;
		tli = strtoul(p, &end, 10);
		if (end == p || tli == 0 || tli >= l->tli ||
		    l->nparents == BK_WAL_TIMELINES_MAX)
			return bk_fault_set(f, BK_DATA, "the history of timeline "
			    "%" PRIu32 " cannot be read", l->tli);
		l->parent[l->nparents++] = (uint32_t)tli;
	}
	return 0;
}

static int
read_history(struct bk_store *s, const char *name, uint64_t system,
    struct bk_wal_line *l, struct bk_fault *f)
{
	struct bk_buf text = BK_BUF_INIT(HISTORY_MAX);
	char file[BK_WAL_FILE_MAX];
	struct bk_wal_name n;
	struct bk_wal_key k;
	int rc;

	(void)snprintf(file, sizeof(file), "%08" PRIX32 ".history", l->tli);
	(void)bk_wal_name_parse(file, &n);
	if ((rc = bk_wal_find(s, name, system, &n, &k, f)) == 0 &&
	    (rc = bk_wal_get(s, name, &k, to_buf, &text, f)) == 0)
		rc = parse_history(bk_buf_text(&text), l, f);
	bk_buf_release(&text);
	return rc == -1 ? -1 : 0;
}

struct first {
	const char *name;
	uint32_t tli;			/* 0: none */
};

static int
first_tli(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	struct first *fi = arg;
	struct bk_wal_key k;

	(void)f;
	if (!bk_wal_key_parse(o->key, fi->name, &k))
		return 0;
	fi->tli = k.name.tli;
	return BK_LIST_STOP;
}

struct bk_wal_line *
bk_wal_lines(struct bk_store *s, const char *name, uint64_t system, size_t *n,
    struct bk_fault *f)
{
	struct bk_buf prefix = BK_BUF_INIT(BK_KEY_MAX), after = prefix;
	struct bk_wal_line *l = calloc(BK_WAL_TIMELINES_MAX, sizeof(*l));
	struct first fi = { .name = name };

	*n = 0;
	if (l == NULL)
		(void)bk_fault_set(f, BK_IO, "out of memory");
	else
		(void)bk_buf_addf(&prefix, f, "%s/wal/%" PRIu64 "/", name, system);
	while (!bk_faulty(f)) {
		fi.tli = 0;
		if (bk_store_list(s, prefix.p, bk_buf_text(&after), first_tli, &fi,
		    f) == -1 || fi.tli == 0)
			break;
		if (*n == BK_WAL_TIMELINES_MAX) {
			(void)bk_fault_set(f, BK_DATA, "system %" PRIu64 " has "
			    "more than %d timelines", system,
			    BK_WAL_TIMELINES_MAX);
			break;
		}
		/* '0' is the character behind '/'. */
		l[*n].tli = fi.tli;
		bk_buf_reset(&after);
		if (bk_buf_addf(&after, f, "%s%08" PRIX32 "0", prefix.p,
		    fi.tli) == 0 && fi.tli > 1)
			(void)read_history(s, name, system, &l[*n], f);
		(*n)++;
	}
	bk_buf_release(&prefix);
	bk_buf_release(&after);
	if (!bk_faulty(f))
		return l;
	free(l);
	return NULL;
}

/* Is ${parent} before ${tli} on its line? */
static bool
descends(const struct bk_wal_line *lines, size_t n, uint32_t tli,
    uint32_t parent)
{
	size_t i, j;

	for (i = 0; i < n; i++)
		for (j = 0; lines[i].tli == tli && j < lines[i].nparents; j++)
			if (lines[i].parent[j] == parent)
				return true;
	return false;
}

bool
bk_wal_earliest(const struct bk_wal_needs *needs, uint64_t system,
    const struct bk_wal_line *lines, size_t n, uint32_t tli, uint64_t *at)
{
	const struct bk_wal_need *ne;
	bool found = false;
	size_t i;

	for (i = 0; i < needs->len; i++) {
		ne = &needs->v[i];
		if (ne->system != system || (ne->tli != tli &&
		    !descends(lines, n, tli, ne->tli) &&
		    !descends(lines, n, ne->tli, tli)))
			continue;
		if (!found || ne->at < *at)
			*at = ne->at;
		found = true;
	}
	return found;
}
