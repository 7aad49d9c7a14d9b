#include "segments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "walhead.h"

static void
first_page(uint8_t *p, uint32_t tli, uint64_t number, uint64_t system)
{
	const uint16_t magic = 0xd110, info = 2;
	const uint64_t address = number * SEGMENT_BYTES;
	const uint32_t bytes = SEGMENT_BYTES, block = 8192;

	memset(p, 0, BK_WAL_HEAD_LEN);
	memcpy(p, &magic, 2);
	memcpy(p + 2, &info, 2);
	memcpy(p + 4, &tli, 4);
	memcpy(p + 8, &address, 8);
	memcpy(p + 24, &system, 8);
	memcpy(p + 32, &bytes, 4);
	memcpy(p + 36, &block, 4);
}

const char *
segment_file(const char *dir, uint32_t tli, uint64_t number, uint64_t system,
    unsigned int seed, const char *tail)
{
	static char path[4096];
	static uint8_t data[SEGMENT_BYTES];
	struct bk_wal_name n;
	size_t i;
	FILE *fp;

	bk_wal_segment(tli, number, SEGMENT_BYTES, &n);
	(void)snprintf(path, sizeof(path), "%s/%s%s", dir, n.file, tail);
	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)((seed = seed * 1103515245U + 12345U) >> 24);
	first_page(data, tli, number, system);
	if ((fp = fopen(path, "w")) == NULL ||
	    fwrite(data, sizeof(data), 1, fp) != 1 || fclose(fp) != 0)
		abort();
	return path;
}

void
segment_bend(const char *path, long off, const void *p, unsigned int n)
{
	FILE *fp;

	if (n == 0) {
		if (truncate(path, off) == -1)
			abort();
		return;
	}
	if ((fp = fopen(path, "r+")) == NULL || fseek(fp, off, SEEK_SET) != 0 ||
	    fwrite(p, n, 1, fp) != 1 || fclose(fp) != 0)
		abort();
}
