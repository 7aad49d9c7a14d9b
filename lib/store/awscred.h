/*
 * AWS credentials and settings as the AWS tools find them ("AWS SDKs and
 * Tools Reference Guide": standardized credential providers, shared config
 * and credentials files).  In this order: environment; web identity; shared
 * files with profiles; container role; instance role (IMDS version 2).  With
 * a profile named in the store's URL only the shared files count.
 *
 * Secrets live in memory only and are wiped.
 */
#ifndef BK_AWSCRED_H
#define BK_AWSCRED_H

#include "awssign.h"
#include "ctx.h"
#include "fault.h"
#include "http.h"

struct bk_awscred;

/*
 * ${profile} is that of the URL, or NULL; ${region} is where the token
 * service is asked, may be NULL.  ${http}, used for metadata and token
 * services, must outlive it.  Reads nothing yet.  NULL with ${f} set.
 */
struct bk_awscred *bk_awscred_new(const struct bk_ctx *ctx,
    struct bk_http *http, const char *profile, const char *region,
    struct bk_fault *f);
void bk_awscred_free(struct bk_awscred *c);

/*
 * Make sure that there are credentials with some minutes to live; may ask
 * servers.  With ${anew}, also where they look good (the server has called
 * them expired).  0 or -1: 77, no credentials, the places named; 69.
 */
int bk_awscred_ready(struct bk_awscred *c, bool anew, struct bk_fault *f);

/*
 * The credentials; valid until the next call of bk_awscred_ready, which must
 * not run while they are in use by another thread (bk_awscred_lock).
 */
struct bk_aws_key bk_awscred_key(const struct bk_awscred *c);
void bk_awscred_lock(struct bk_awscred *c);
void bk_awscred_unlock(struct bk_awscred *c);

/*
 * A setting: the environment variables ${env} and ${env2} (may be NULL),
 * else ${name} of the profile in the config file.  The caller frees the
 * result.  NULL without a fault: not set.
 */
char *bk_aws_setting(const struct bk_ctx *ctx, const char *profile,
    const char *env, const char *env2, const char *name, struct bk_fault *f);

#endif
