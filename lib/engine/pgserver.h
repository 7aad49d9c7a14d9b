/*
 * A PostgreSQL server started for its recovery alone: on a socket in a private
 * directory, without TCP, with nobody allowed to log in; stopped when it has
 * recovered.
 */
#ifndef BK_PGSERVER_H
#define BK_PGSERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "ctx.h"
#include "fault.h"

struct bk_pgreached {
	char time[40];			/* of the last transaction, RFC 3339, or "" */
	char lsn[24];			/* end of what was replayed, or "" */
	uint32_t timeline;		/* the new one, or 0 */
	bool target;			/* it stopped at its target */
};

#define BK_PGSERVER_SHORT 1

/*
 * Run the server of ${version} (pgrecovery.h) on ${dir} until it has recovered
 * and stop it; as root it runs as the owner of ${dir}.  0 with ${out};
 * BK_PGSERVER_SHORT where the log ended before its target; -1 with ${f} set:
 * 69 no such server is installed, 65 it failed (its own reason) or is late.
 */
int bk_pgserver_recover(const struct bk_ctx *ctx, const char *dir,
    int version, int64_t deadline, struct bk_pgreached *out,
    struct bk_fault *f);

/* What one line of its log tells, into ${out}. */
void bk_pgserver_line(const char *line, struct bk_pgreached *out);

#endif
