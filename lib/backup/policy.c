/*
 * One table says what words there are and where each goes; parsing, printing
 * and refusing a repeated one all walk it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "names.h"
#include "policy.h"

#define SPAN_MAX 100000			/* of any unit; in text still short */

enum form { COUNT, WITHIN, TAG, CYCLE, ZONE, SHRINK, SHARED, GROUP };

static const struct word {
	const char *name;
	enum form form;
	enum bk_period period;
} words[] = {
	{ "keep-last", COUNT, BK_LAST },
	{ "keep-hourly", COUNT, BK_HOURLY },
	{ "keep-daily", COUNT, BK_DAILY },
	{ "keep-weekly", COUNT, BK_WEEKLY },
	{ "keep-monthly", COUNT, BK_MONTHLY },
	{ "keep-yearly", COUNT, BK_YEARLY },
	{ "keep-within", WITHIN, BK_LAST },
	{ "keep-within-hourly", WITHIN, BK_HOURLY },
	{ "keep-within-daily", WITHIN, BK_DAILY },
	{ "keep-within-weekly", WITHIN, BK_WEEKLY },
	{ "keep-within-monthly", WITHIN, BK_MONTHLY },
	{ "keep-within-yearly", WITHIN, BK_YEARLY },
	{ "keep-tag", TAG, BK_LAST },
	{ "cycle", CYCLE, BK_LAST },
	{ "tz", ZONE, BK_LAST },
	{ "max-shrink", SHRINK, BK_LAST },
	{ "shared", SHARED, BK_LAST },
	{ "group-by", GROUP, BK_LAST }
};
#define WORDS (sizeof(words) / sizeof(words[0]))

static const struct word *
word_of(const char *option)
{
	size_t i;

	for (i = 0; i < WORDS; i++)
		if (strcmp(words[i].name, option) == 0)
			return &words[i];
	return NULL;
}

static int
count_arg(const struct word *w, const char *arg, uint32_t *out,
    struct bk_fault *f)
{
	char what[40];
	long long n = 0;

	if (strcmp(arg, "unlimited") == 0) {
		*out = BK_UNLIMITED;
		return 0;
	}
	(void)snprintf(what, sizeof(what), "--%s", w->name);
	if (bk_number_parse(what, arg, 0, BK_UNLIMITED - 1, &n, f) == -1)
		return -1;
	*out = (uint32_t)n;
	return 0;
}

/* The field of ${span} for the unit at *${s}, which is stepped over. */
static int *
unit(struct bk_span *span, const char **s, int *factor)
{
	const char *p = *s;

	*factor = 1;
	if (p[0] == 'm' && p[1] == 'o') {
		*s += 2;
		return &span->months;
	}
	(*s)++;
	switch (*p) {
	case 'y':
		return &span->years;
	case 'w':
		*factor = 7;
		return &span->days;
	case 'd':
		return &span->days;
	case 'h':
		return &span->hours;
	default:
		*s = p;
		return NULL;
	}
}

static int
span_arg(const struct word *w, const char *arg, struct bk_span *out,
    struct bk_fault *f)
{
	struct bk_span span = { 0, 0, 0, 0 };
	const char *s = arg;
	int n, factor, *field;
	const char *digits;

	do {
		for (digits = s, n = 0; *s >= '0' && *s <= '9' && n <= SPAN_MAX; s++)
			n = n * 10 + (*s - '0');
		if (s == digits || n > SPAN_MAX)
			goto bad;
		if (*s == 'm' && s[1] != 'o')
			return bk_fault_set(f, BK_USAGE, "--%s '%s': say 'mo' for "
			    "months; minutes are not known here", w->name, arg);
		if ((field = unit(&span, &s, &factor)) == NULL)
			goto bad;
		*field += n * factor;
		if (*field > SPAN_MAX)
			goto bad;
	} while (*s != '\0');
	*out = span;
	return 0;
bad:
	return bk_fault_set(f, BK_USAGE, "--%s '%s': want numbers with y, mo, w, "
	    "d or h, such as 1y6mo or 14d, each below %d", w->name, arg, SPAN_MAX);
}

static int
tag_arg(struct bk_policy *p, const char *arg, struct bk_fault *f)
{
	struct bk_query *q;
	char *text;

	if (p->ntags == BK_KEEP_TAGS_MAX)
		return bk_fault_set(f, BK_USAGE, "more than %d --keep-tag",
		    BK_KEEP_TAGS_MAX);
	if ((q = bk_query_parse(arg, f)) == NULL) {
		bk_fault_context(f, "--keep-tag");
		return -1;
	}
	if (bk_query_marks(q)) {
		bk_query_free(q);
		return bk_fault_set(f, BK_USAGE, "--keep-tag '%s': marks come of "
		    "the rules and cannot be one", arg);
	}
	if ((text = strdup(arg)) == NULL) {
		bk_query_free(q);
		return bk_fault_set(f, BK_IO, "out of memory");
	}
	p->query[p->ntags] = q;
	p->tag[p->ntags++] = text;
	return 0;
}

/* "D,W,M" */
static int
cycle_arg(struct bk_policy *p, const char *arg, struct bk_fault *f)
{
	uint32_t n[3] = { 0, 0, 0 };
	const char *s = arg, *digits;
	int i;

	for (i = 0; i < 3; i++) {
		for (digits = s; *s >= '0' && *s <= '9' && n[i] <= SPAN_MAX; s++)
			n[i] = n[i] * 10 + (uint32_t)(*s - '0');
		if (s == digits || n[i] > SPAN_MAX || *s != (i < 2 ? ',' : '\0'))
			return bk_fault_set(f, BK_USAGE, "--cycle '%s': want "
			    "three numbers, days, weeks and months, such as "
			    "15,4,3", arg);
		s += i < 2;
	}
	if (n[0] + n[1] + n[2] == 0)
		return bk_fault_set(f, BK_USAGE, "--cycle 0,0,0 keeps nothing: "
		    "want at least one above 0");
	p->cycle = true;
	p->days = n[0];
	p->weeks = n[1];
	p->months = n[2];
	return 0;
}

static int
shrink_arg(struct bk_policy *p, const char *arg, struct bk_fault *f)
{
	char digits[4] = "";
	size_t n = strspn(arg, "0123456789");
	long long v = 0;

	if (n > 0 && n < sizeof(digits) && (arg[n] == '\0' ||
	    strcmp(arg + n, "%") == 0)) {
		memcpy(digits, arg, n);
		digits[n] = '\0';
	}
	if (digits[0] == '\0' ||
	    bk_number_parse("--max-shrink", digits, 1, 100, &v, f) == -1) {
		bk_fault_clear(f);
		return bk_fault_set(f, BK_USAGE, "--max-shrink '%s': want 1%% to "
		    "100%% (100%%: never suspect)", arg);
	}
	p->shrink = (unsigned int)v;
	return 0;
}

static int
sources_arg(struct bk_policy *p, enum bk_sources how, const char *arg,
    struct bk_fault *f)
{
	if (how == BK_SOURCES_GROUPED && strcmp(arg, "source") != 0)
		return bk_fault_set(f, BK_USAGE, "--group-by '%s': want source",
		    arg);
	if (p->sources != BK_SOURCES_ONE)
		return bk_fault_set(f, BK_USAGE, "choose one of --shared and "
		    "--group-by");
	p->sources = how;
	return 0;
}

static int
zone_arg(struct bk_policy *p, const char *arg, struct bk_fault *f)
{
	if (*arg == '\0')
		return bk_fault_set(f, BK_USAGE, "--tz: want a time zone such as "
		    "Europe/Berlin or UTC");
	return (p->tz = strdup(arg)) != NULL ? 0 :
	    bk_fault_set(f, BK_IO, "out of memory");
}

int
bk_policy_set(struct bk_policy *p, const char *option, const char *arg,
    struct bk_fault *f)
{
	const struct word *w = word_of(option);
	uint32_t bit;

	if (w == NULL)
		return bk_fault_set(f, BK_USAGE, "unknown rule '--%s'", option);
	if ((w->form == SHARED) != (arg == NULL))
		return bk_fault_set(f, BK_USAGE, w->form == SHARED ?
		    "--%s takes no argument" : "--%s wants an argument", option);
	bit = UINT32_C(1) << (w - words);
	if (w->form != TAG && (p->given & bit) != 0)
		return bk_fault_set(f, BK_USAGE, "--%s is given twice", option);
	p->given |= bit;
	switch (w->form) {
	case COUNT:
		return count_arg(w, arg, &p->count[w->period], f);
	case WITHIN:
		return span_arg(w, arg, &p->within[w->period], f);
	case TAG:
		return tag_arg(p, arg, f);
	case CYCLE:
		return cycle_arg(p, arg, f);
	case ZONE:
		return zone_arg(p, arg, f);
	case SHRINK:
		return shrink_arg(p, arg, f);
	case SHARED:
		return sources_arg(p, BK_SOURCES_SHARED, arg, f);
	case GROUP:
		return sources_arg(p, BK_SOURCES_GROUPED, arg, f);
	}
	return bk_fault_set(f, BK_BUG, "rule '--%s' has no form", option);
}

int
bk_policy_parse(struct bk_policy *p, char *const *v, size_t n,
    struct bk_fault *f)
{
	char name[32];
	const struct word *w;
	const char *arg;
	size_t i, len;

	for (i = 0; i < n; i++) {
		len = strcspn(v[i], "=");
		if (strncmp(v[i], "--", 2) != 0 || len - 2 >= sizeof(name))
			return bk_fault_set(f, BK_USAGE, "'%s': want a rule such "
			    "as --keep-daily 7", v[i]);
		memcpy(name, v[i] + 2, len - 2);
		name[len - 2] = '\0';
		arg = v[i][len] == '=' ? v[i] + len + 1 : NULL;
		if (arg == NULL && (w = word_of(name)) != NULL &&
		    w->form != SHARED && i + 1 < n)
			arg = v[++i];
		if (bk_policy_set(p, name, arg, f) == -1)
			return -1;
	}
	return 0;
}

static bool
span_empty(const struct bk_span *s)
{
	return s->years == 0 && s->months == 0 && s->days == 0 && s->hours == 0;
}

int
bk_policy_check(const struct bk_policy *p, struct bk_fault *f)
{
	int i;

	if (p->cycle || p->ntags > 0)
		return 0;
	for (i = 0; i < BK_PERIODS; i++)
		if (p->count[i] > 0 || !span_empty(&p->within[i]))
			return 0;
	return bk_fault_set(f, BK_USAGE, "an empty policy keeps nothing: want a "
	    "rule such as --keep-daily 7");
}

void
bk_span_text(const struct bk_span *s, char out[BK_SPAN_LEN])
{
	const struct {
		int n;
		const char *unit;
	} part[] = { { s->years, "y" }, { s->months, "mo" }, { s->days, "d" },
		{ s->hours, "h" } };
	size_t i, at = 0;

	out[0] = '\0';
	for (i = 0; i < sizeof(part) / sizeof(part[0]); i++)
		if (part[i].n != 0)
			at += (size_t)snprintf(out + at, BK_SPAN_LEN - at, "%d%s",
			    part[i].n, part[i].unit);
}

/* The argument of ${w} in ${p} as text; NULL where it is not in force. */
static const char *
arg_text(const struct bk_policy *p, const struct word *w, char out[BK_SPAN_LEN])
{
	uint32_t n = p->count[w->period];

	switch (w->form) {
	case COUNT:
		if (n == BK_UNLIMITED)
			return "unlimited";
		(void)snprintf(out, BK_SPAN_LEN, "%lu", (unsigned long)n);
		return n > 0 ? out : NULL;
	case WITHIN:
		bk_span_text(&p->within[w->period], out);
		return *out != '\0' ? out : NULL;
	case CYCLE:
		(void)snprintf(out, BK_SPAN_LEN, "%lu,%lu,%lu",
		    (unsigned long)p->days, (unsigned long)p->weeks,
		    (unsigned long)p->months);
		return p->cycle ? out : NULL;
	case SHRINK:
		(void)snprintf(out, BK_SPAN_LEN, "%u%%", p->shrink);
		return p->shrink != 50 ? out : NULL;
	case SHARED:
		return p->sources == BK_SOURCES_SHARED ? "" : NULL;
	case GROUP:
		return p->sources == BK_SOURCES_GROUPED ? "source" : NULL;
	case TAG:
	case ZONE:
		break;
	}
	return NULL;
}

static int
add_word(json_t *list, const char *name, const char *arg)
{
	if (json_array_append_new(list, json_sprintf("--%s", name)) == -1)
		return -1;
	return *arg == '\0' ? 0 :
	    json_array_append_new(list, json_string(arg));
}

json_t *
bk_policy_words(const struct bk_policy *p, struct bk_fault *f)
{
	json_t *list = json_array();
	char text[BK_SPAN_LEN];
	const char *arg;
	size_t i, t;
	int rc = list == NULL ? -1 : 0;

	for (i = 0; rc == 0 && i < WORDS; i++) {
		for (t = 0; words[i].form == TAG && rc == 0 && t < p->ntags; t++)
			rc = add_word(list, words[i].name, p->tag[t]);
		if (rc == 0 && (arg = arg_text(p, &words[i], text)) != NULL)
			rc = add_word(list, words[i].name, arg);
	}
	if (rc == 0)
		return list;
	json_decref(list);
	(void)bk_fault_set(f, BK_IO, "out of memory");
	return NULL;
}

void
bk_policy_release(struct bk_policy *p)
{
	size_t i;

	for (i = 0; i < p->ntags; i++) {
		free(p->tag[i]);
		bk_query_free(p->query[i]);
	}
	free(p->tz);
	*p = (struct bk_policy)BK_POLICY_INIT;
}
