/* Group runs: read one by one, or from their cache, which nothing rests on. */
#include <stdio.h>
#include <string.h>

#include "group.h"
#include "hooked.h"
#include "samples.h"
#include "tap.h"

#define RUNS 20

static void
put(struct bk_store *s, const char *group, unsigned int n, const char *member)
{
	char key[256], text[512];

	(void)snprintf(key, sizeof(key), ".bk/group/%s/%s.json", group,
	    sample_id(n));
	(void)snprintf(text, sizeof(text), "{\"bk\":\"group/1\",\"group\":\"%s\","
	    "\"run\":\"%s\",\"time\":\"2026-01-01T10:00:%02uZ\",\"members\":[{"
	    "\"name\":\"db\",\"id\":\"%s\"}]}", group, sample_id(n), n, member);
	hooked_put(s, key, text);
}

/* Read them; are there ${n}, whose members are as they were put? */
static void
expect(struct bk_store *s, size_t n, size_t fetched, unsigned int unreadable,
    const char *what)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_groups g;
	size_t i;
	bool same;

	same = bk_groups_read(&tap_ctx, s, NULL, &g, &f) == 0;
	for (i = 0; same && i < g.len; i++)
		same = g.run[i].n == 1 && strcmp(g.run[i].member[0].name, "db") == 0 &&
		    strcmp(g.run[i].member[0].id, sample_id(77)) == 0 &&
		    g.run[i].time % 60000 == (g.run[i].run[24] - '0') * 10000 +
		    (g.run[i].run[25] - '0') * 1000;
	ok(same && g.len == n && g.fetched == fetched &&
	    g.unreadable == unreadable, "%s: %zu runs, %zu fetched, %llu not: %s",
	    what, g.len, g.fetched, (unsigned long long)g.unreadable, f.text);
	bk_groups_release(&g);
}

static void
cache(struct bk_store *s)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_groups g;

	ok(bk_groups_read(&tap_ctx, s, NULL, &g, &f) == 0 &&
	    bk_groups_cache(&tap_ctx, s, &g, &f) == 0, "cached: %s", f.text);
	bk_groups_release(&g);
}

static void
newest_cache(struct bk_store *s, const char *text)
{
	hooked_put(s, ".bk/list/group-7ZZZZZZZZZZZZZZZZZZZZZZZZZ.json", text);
}

int
main(void)
{
	struct bk_store *s = hooked_open("groups");
	const char *member = "01KDVGK7000000000000000077";
	unsigned int n;

	ok_text(sample_id(77), member, "the member");
	expect(s, 0, 0, 0, "none");
	/* Keys of "a-b" come before those of "a". */
	for (n = 10; n < 10 + RUNS; n++)
		put(s, n % 2 == 0 ? "a" : "a-b", n, member);
	expect(s, RUNS, RUNS, 0, "one by one");
	cache(s);
	expect(s, RUNS, 0, 0, "from the cache");
	put(s, "a", 40, member);
	expect(s, RUNS + 1, 1, 0, "a new one");
	cache(s);
	cache(s);
	ok_int(hooked_count(s, ".bk/list/"), 2, "the older ones are removed");
	hooked_put(s, ".bk/group/a/01KDVGK7000000000000000041.json", "{}");
	put(s, "a", 42, "nobody");
	expect(s, RUNS + 1, 2, 2, "damaged ones are left out");
	newest_cache(s, "{\"bk\":\"groups/2\"}\n");
	expect(s, RUNS + 1, RUNS + 3, 2, "a cache of another form");
	newest_cache(s, "{\"bk\":\"groups/1\"}\n{\"group\":\"a\",\"run\":\"01KDVGK7000000000"
	    "000000010\",\"bk\":\"group/1\",\"time\":\"2026-01-01T10:00:10Z\",\"members\":[{}]}\n");
	expect(s, RUNS + 1, RUNS + 3, 2, "a damaged line");
	newest_cache(s, "");
	expect(s, RUNS + 1, RUNS + 3, 2, "an empty one");
	bk_store_close(s);
	return done();
}
