/*
 * Tags (DESIGN, 4).  The grammar of keys and values is that of names.h; here
 * are the ways by which they come in.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "names.h"
#include "tags.h"

#define ENV_PREFIX "BK_TAG_"

int
bk_tags_key(const char *key, struct bk_fault *f)
{
	if (bk_tag_key_ok(key))
		return 0;
	return bk_fault_set(f, BK_USAGE, "'%.100s' is no tag key: letters, "
	    "digits and '_', not first a digit, 1 to %d bytes, and no word "
	    "that queries know by itself (name, engine, id, host, …)", key,
	    BK_TAG_KEY_MAX);
}

static int
value_ok(const char *key, const char *value, struct bk_fault *f)
{
	if (bk_tag_value_ok(value))
		return 0;
	return bk_fault_set(f, BK_USAGE, "tag '%s': its value is not UTF-8 "
	    "without control characters of 0 to %d bytes", key,
	    BK_TAG_VALUE_MAX);
}

int
bk_tags_add(json_t *tags, const char *arg, struct bk_fault *f)
{
	const char *eq = strchr(arg, '=');
	char key[BK_TAG_KEY_MAX + 2];

	if (eq == NULL)
		return bk_fault_set(f, BK_USAGE,
		    "tag '%.100s': want KEY=VALUE", arg);
	/* One byte more than allowed, so that a key too long is seen as such. */
	(void)snprintf(key, sizeof(key), "%.*s", (int)(eq - arg < BK_TAG_KEY_MAX
	    + 1 ? eq - arg : BK_TAG_KEY_MAX + 1), arg);
	if (bk_tags_key(key, f) == -1 || value_ok(key, eq + 1, f) == -1)
		return -1;
	if (json_object_get(tags, key) != NULL)
		return bk_fault_set(f, BK_USAGE, "tag '%s' is given twice", key);
	return bk_json_set_text(tags, key, eq + 1, f);
}

int
bk_tags_env(json_t *tags, char *const *envp, struct bk_fault *f)
{
	char key[BK_TAG_KEY_MAX + 2];
	const char *name, *eq;
	size_t i;

	for (; *envp != NULL; envp++) {
		if (strncmp(*envp, ENV_PREFIX, sizeof(ENV_PREFIX) - 1) != 0)
			continue;
		name = *envp + sizeof(ENV_PREFIX) - 1;
		if ((eq = strchr(name, '=')) == NULL)
			continue;
		for (i = 0; name + i < eq && i < sizeof(key) - 1; i++)
			key[i] = (char)tolower((unsigned char)name[i]);
		key[i] = '\0';
		if (json_object_get(tags, key) != NULL)
			continue;
		if (bk_tags_key(key, f) == -1 || value_ok(key, eq + 1, f) == -1 ||
		    bk_json_set_text(tags, key, eq + 1, f) == -1) {
			bk_fault_context(f, "environment variable '%.*s'",
			    (int)(eq - *envp < 100 ? eq - *envp : 100), *envp);
			return -1;
		}
	}
	return 0;
}

int
bk_tags_merge(json_t *tags, json_t *weaker, struct bk_fault *f)
{
	if (weaker == NULL || json_object_update_missing(tags, weaker) == 0)
		return 0;
	return bk_fault_set(f, BK_IO, "tags: out of memory");
}

int
bk_tags_check(json_t *tags, struct bk_fault *f)
{
	const char *key;
	json_t *v;

	if (!json_is_object(tags))
		return bk_fault_set(f, BK_DATA, "'tags' is no object");
	json_object_foreach(tags, key, v) {
		if (!bk_tag_key_ok(key))
			return bk_fault_set(f, BK_DATA,
			    "'tags': '%.100s' is no tag key", key);
		if (!json_is_string(v) || !bk_tag_value_ok(json_string_value(v)))
			return bk_fault_set(f, BK_DATA,
			    "'tags': the value of '%s' is no tag value", key);
	}
	return 0;
}
