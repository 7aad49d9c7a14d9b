#include <string.h>

#include "codec.h"

const struct bk_codec_format *const bk_codecs[] = {
	&bk_codec_gzip,
	&bk_codec_zstd,
	NULL
};

const struct bk_codec_format *
bk_codec_find(const char *name)
{
	size_t i;

	for (i = 0; bk_codecs[i] != NULL; i++)
		if (strcmp(bk_codecs[i]->name, name) == 0)
			return bk_codecs[i];
	return NULL;
}
