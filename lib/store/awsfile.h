/*
 * The shared config and credentials files of the AWS tools: sections in
 * brackets, "name = value" lines, comments from '#' or ';' at the start of a
 * line or after a blank.
 */
#ifndef BK_AWSFILE_H
#define BK_AWSFILE_H

#include <stdbool.h>

#include "ctx.h"
#include "fault.h"

/* The profile in use: ${profile}, else AWS_PROFILE, else "default". */
const char *bk_awsfile_profile(const struct bk_ctx *ctx, const char *profile);

/*
 * Value of ${name} in section ${profile} of the credentials file, or, with
 * ${config}, of the config file.  A file that is not there is empty.  The
 * caller wipes and frees the result; NULL: not there, or -- ${f} set -- 77, 74.
 */
char *bk_awsfile_get(const struct bk_ctx *ctx, bool config,
    const char *profile, const char *name, struct bk_fault *f);

/* Does either file have the profile? */
bool bk_awsfile_has(const struct bk_ctx *ctx, const char *profile,
    struct bk_fault *f);

/* Read a small file whole, as text: the caller wipes and frees.  NULL, ${f}. */
char *bk_awsfile_read(const char *path, struct bk_fault *f);

#endif
