/*
 * Tags as users give them (DESIGN, 4): "key=value" options, and BK_TAG_KEY in
 * the environment.  A set of tags is a JSON object of texts.
 */
#ifndef BK_TAGS_H
#define BK_TAGS_H

#include <jansson.h>

#include "fault.h"

/*
 * Add "key=value" to ${tags}.  0, or -1 with ${f} set (64): no '=', a key or
 * value out of the grammar (its bounds are named), a key given before.
 */
int bk_tags_add(json_t *tags, const char *arg, struct bk_fault *f);

/* Is ${key} a tag key?  0, or -1 with ${f} set (64), telling the grammar. */
int bk_tags_key(const char *key, struct bk_fault *f);

/*
 * Add what ${envp} (environ(7)) holds as BK_TAG_KEY=value, the key in
 * lower case, where ${tags} lacks the key: options are stronger.  0 or -1
 * (64, naming the variable).
 */
int bk_tags_env(json_t *tags, char *const *envp, struct bk_fault *f);

/* Add to ${tags} what it lacks of ${weaker}.  0 or -1. */
int bk_tags_merge(json_t *tags, json_t *weaker, struct bk_fault *f);

/* Are these tags of the grammar?  0, or -1 with ${f} set (65). */
int bk_tags_check(json_t *tags, struct bk_fault *f);

#endif
