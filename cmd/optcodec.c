/*
 * CODEC[:LEVEL]; apart from the other arguments, since it brings the codecs in.
 */
#include <stdio.h>
#include <string.h>

#include "codec.h"
#include "names.h"
#include "optargs.h"
#include "prog.h"

const struct bk_codec_format *
bk_arg_codec(const char *option, const char *arg, int *level)
{
	struct bk_fault f = BK_FAULT_INIT;
	const struct bk_codec_format *codec;
	const char *colon = strchr(arg, ':');
	char name[16] = "", what[32];
	size_t n = colon != NULL ? (size_t)(colon - arg) : strlen(arg);
	long long v;

	if (n < sizeof(name))
		memcpy(name, arg, n);
	if (strcmp(name, "none") == 0 && colon == NULL)
		return NULL;
	if ((codec = bk_codec_find(name)) == NULL)
		bk_usage("--%s '%s': want gzip, zstd or none", option, arg);
	*level = codec->level_default;
	if (colon == NULL)
		return codec;
	snprintf(what, sizeof(what), "--%s", option);
	if (bk_number_parse(what, colon + 1, codec->level_min,
	    codec->level_max, &v, &f) == -1)
		bk_usage_fault(&f);
	*level = (int)v;
	return codec;
}
