/*
 * Names of files in a spool directory, and the waits of a spool.
 */
#include "backoff.h"
#include "spoolname.h"
#include "tap.h"

static void
names(void)
{
	static const struct {
		const char *file, *name, *ext;
	} cases[] = {
		{ "app", "app", "bin" },
		{ "app.dump", "app", "dump" },
		{ "app.sql.gz", "app", "gz" },
		{ "app-20261121.sql.gz", "app", "gz" },
		{ "app-2026-11-21_0300.dump", "app", "dump" },
		{ "app_20261121T100000Z.rdb", "app", "rdb" },
		{ "db1-20261121.dump", "db1", "dump" },
		{ "db-1.dump", "db-1", "dump" },
		{ "site-www-2026.tar", "site-www-2026", "tar" },
		{ "20261121.tar", "20261121", "tar" },
		{ "my app!.TXT", "my-app-", "bin" },
		{ "x.toolongforasuffix1", "x", "bin" },
		{ "x.", "x", "bin" },
		{ "\xc3\xa4.sql", NULL, "sql" },
	};
	char name[BK_NAME_MAX + 1], ext[BK_EXT_MAX + 1];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bk_spool_name(cases[i].file, name);
		bk_spool_ext(cases[i].file, ext);
		if (cases[i].name != NULL)
			ok_text(name, cases[i].name, cases[i].file);
		ok(bk_name_ok(name), "'%s' is a name", name);
		ok_text(ext, cases[i].ext, cases[i].file);
	}
}

static void
waits(void)
{
	struct bk_backoff b = BK_BACKOFF_INIT(1000, 300000);
	int64_t now = 5000;
	int n = 0;

	ok_int(b.until, 0, "nothing failed, no wait");
	bk_backoff_failed(&b, now);
	ok_int(b.until, 6000, "the first wait");
	bk_backoff_failed(&b, now);
	ok_int(b.until, 7000, "twice as long");
	for (now = 0; now < 6 * 3600000; now = b.until) {
		bk_backoff_failed(&b, now);
		n++;
	}
	ok_int(b.wait, 300000, "never longer than the longest");
	ok(n < 100, "%d attempts in six hours", n);
	bk_backoff_over(&b);
	bk_backoff_failed(&b, now);
	ok_int(b.wait, 1000, "from the beginning, once it went well");
}

int
main(void)
{
	names();
	waits();
	return done();
}
