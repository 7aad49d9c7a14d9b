/*
 * MySQL and MariaDB: a restored server becomes a replica of the one that was
 * dumped.
 */
#ifndef BK_MYSQLREPLICA_H
#define BK_MYSQLREPLICA_H

#include "buf.h"
#include "child.h"
#include "engine.h"
#include "fault.h"
#include "mysql.h"

struct bk_mysqlreplica {
	struct bk_mysql *m;		/* of the target */
	const struct bk_uri *primary;	/* NULL: no replica is wanted */
	struct bk_mysql_pos pos;	/* where in its log to go on */
	struct bk_buf only;		/* filter: "app.%", or "" for all */
	struct bk_buf password, said;
	struct bk_child *session;
};

#define BK_MYSQLREPLICA_INIT(m) { (m), NULL, { .file = "" }, \
	BK_BUF_INIT(65536), BK_BUF_INIT(8192), BK_BUF_INIT(1048576), NULL }

/*
 * With ${req}: does the target fit, and may the login do it?  From here on
 * nothing that ${m} does gets into the target's own binary log.  Nothing
 * where no replica is asked for.  0, or -1 with ${f} set: 64, 65 the backup
 * has no position, 77, 78 the server is a replica already.
 */
int bk_mysqlreplica_open(struct bk_mysqlreplica *r,
    const struct bk_restore_req *req, struct bk_fault *f);

/*
 * Before the target is touched, when all of the record is known: take the
 * position (65 where there is none), and log in, since a restored account may
 * have another password.
 */
int bk_mysqlreplica_ready(struct bk_mysqlreplica *r, const json_t *header,
    struct bk_fault *f);

/*
 * Go on from the position, and wait until the replica does.  0, or -1 with
 * ${f} set: 65 the primary has not that position or the log does not apply,
 * 69 no primary, 77 it refuses the login, 78 both have one server id.
 */
int bk_mysqlreplica_start(struct bk_mysqlreplica *r, struct bk_fault *f);

void bk_mysqlreplica_release(struct bk_mysqlreplica *r);

#endif
