/*
 * PostgreSQL: one database by pg_dump (custom, plain, tar) or all of them
 * with the roles by pg_dumpall; restored by pg_restore and psql.  The tools
 * are children; libpq is not linked.
 */
#include <string.h>

#include "pg.h"

static const char *const schemes[] = { "postgres", "postgresql", NULL };
static const char *const options[] = { "each", "roles", "format", "host", "password-file",
	"sslmode", "sslrootcert", "sslcert", "sslkey", NULL };
static const char *const target_options[] = { "host", "password-file",
	"sslmode", "sslrootcert", "sslcert", "sslkey", NULL };

static struct bk_marks *
marks(const char *ext, struct bk_fault *f)
{
	if (strcmp(ext, "sql") == 0)
		return bk_marks_pg_sql(f);
	if (strcmp(ext, "tar") == 0)
		return bk_marks_tar(f);
	return strcmp(ext, "dump") == 0 ? bk_marks_pg_custom(f) : NULL;
}

const struct bk_engine_ops bk_engine_postgres = {
	.name = "postgres",
	.schemes = schemes,
	.options = options,
	.target_options = target_options,
	.dump_open = bk_pg_dump_open,
	.dump_run = bk_pg_dump_run,
	.dump_close = bk_pg_dump_close,
	.dump_list = bk_pg_dump_list,
	.restore_open = bk_pg_restore_open,
	.restore_write = bk_pg_restore_write,
	.restore_commit = bk_pg_restore_commit,
	.restore_close = bk_pg_restore_close,
	.marks = marks,
};
