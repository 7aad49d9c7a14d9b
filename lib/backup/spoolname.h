/*
 * What a file put into a spool directory is a backup of, by its name alone.
 */
#ifndef BK_SPOOLNAME_H
#define BK_SPOOLNAME_H

#include "names.h"

/*
 * ${name}: what stands before the first dot of ${file}, without a date or a
 * time at its end ("app-2026-11-21_0300.sql.gz" gives "app"), as
 * bk_name_from makes it.
 */
void bk_spool_name(const char *file, char name[BK_NAME_MAX + 1]);

/* ${ext}: what stands behind the last dot, if it can be one, else "bin". */
void bk_spool_ext(const char *file, char ext[BK_EXT_MAX + 1]);

#endif
