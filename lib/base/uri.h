/*
 * URLs of sources, stores and restore targets (RFC 3986, section 3):
 * scheme:[//[user@][host][:port]][/path][?name=value&…], no fragment.
 */
#ifndef BK_URI_H
#define BK_URI_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "fault.h"

struct bk_uri_opt {
	char *name;
	char *value;			/* decoded; "" for a name alone */
};

struct bk_uri {
	char *text;			/* as given */
	char *scheme;			/* lower case */
	bool authority;			/* had "//" */
	char *user;			/* decoded, or NULL */
	char *host;			/* decoded, without [] of IPv6; "" if none */
	int port;			/* 1 to 65535, or -1 */
	char *path;			/* decoded, with its leading '/'; "" if none */
	struct bk_uri_opt *opts;
	size_t nopts;
};

#define BK_URI_INIT { NULL, NULL, false, NULL, NULL, -1, NULL, NULL, 0 }

/*
 * Parse ${text} into ${u}, which the caller releases.  Refused with 64: a
 * password ("user:pw@"; the remedy is named and the password not repeated),
 * a fragment, a bad percent sign, a decoded NUL or control character, a port
 * out of range, an option given twice, more than 4096 bytes.
 * A text such as "@offsite" or one without a scheme is refused.
 */
int bk_uri_parse(const char *text, struct bk_uri *u, struct bk_fault *f);
void bk_uri_release(struct bk_uri *u);

/* Value of option ${name}, or NULL. */
const char *bk_uri_opt(const struct bk_uri *u, const char *name);

/* Has the URL ${text} the option ${name}?  False where it is no URL. */
bool bk_uri_has(const char *text, const char *name);

/*
 * Every option of ${u} must be in the NULL-terminated ${allowed}; else 64,
 * naming the option and the ones there are.
 */
int bk_uri_allow(const struct bk_uri *u, const char *const *allowed,
    struct bk_fault *f);

/*
 * Is ${u} a place on this host: an absolute path, without user or port, and
 * with no host but "localhost" (RFC 8089)?  "files://srv/app" names the host
 * "srv" and is 64, not "/app"; ${form} is what the fault asks for.
 */
int bk_uri_local(const struct bk_uri *u, const char *form, struct bk_fault *f);

/* Append ${s} percent-encoded; '/' stays if ${slash}.  Unreserved: RFC 3986. */
int bk_uri_encode(struct bk_buf *b, const char *s, bool slash,
    struct bk_fault *f);

#endif
