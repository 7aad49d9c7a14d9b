/*
 * Arguments that several programs take alike.  What is wrong is wrong usage
 * and does not return.
 */
#ifndef BK_OPTARGS_H
#define BK_OPTARGS_H

#include <stdint.h>

#include "fault.h"
#include "state.h"

/*
 * Give each option of the command line to ${take}: its key and argument.  A
 * fault that it sets is wrong usage.
 */
typedef void bk_arg_fn(void *args, int key, const char *arg,
    struct bk_fault *f);
void bk_arg_options(bk_arg_fn *take, void *args);

/* ${arg} of --${option} as an id. */
const char *bk_arg_id(const char *option, const char *arg);

/* ${arg} of --${option} as the name of a backup or a group. */
const char *bk_arg_name(const char *option, const char *arg);

/* ${arg} of --${option} as an engine; as a suffix, a dot before it left out. */
const char *bk_arg_engine(const char *option, const char *arg);
const char *bk_arg_ext(const char *option, const char *arg);

/*
 * ${arg} of --${option} as CODEC[:LEVEL]: the format with *${level}, or NULL for
 * "none".
 */
struct bk_codec_format;
const struct bk_codec_format *bk_arg_codec(const char *option, const char *arg,
    int *level);

/* --outcome committed|unchanged|failed|skipped. */
enum bk_outcome bk_arg_outcome(const char *arg);

/* A number of bytes, at least ${min}. */
uint64_t bk_arg_bytes(const char *option, const char *arg, uint64_t min);

/* A duration of at least a second, in ms. */
int64_t bk_arg_duration(const char *option, const char *arg);

/* Of --wait[=SECONDS]: seconds or a duration, in ms; 0 for NULL: no limit. */
int64_t bk_arg_wait(const char *arg);

/* The only operand, else BK_STORE: the URL of a store. */
const char *bk_arg_store(void);

/* BK_STORE, which is the store where none was given. */
const char *bk_arg_env_store(void);

#endif
