/* Segments of WAL for tests: 1 MiB each, a good first page, then noise. */
#ifndef BK_SEGMENTS_H
#define BK_SEGMENTS_H

#include <stdint.h>

#define SEGMENT_BYTES (1U << 20)
#define SEGMENT_SYSTEM UINT64_C(7291000000000000001)

/*
 * Write segment ${number} of ${tli} of ${system} as ${dir}/<its name>${tail};
 * ${seed} makes the content.  The path, in a buffer of its own.
 */
const char *segment_file(const char *dir, uint32_t tli, uint64_t number,
    uint64_t system, unsigned int seed, const char *tail);

/* Put ${n} bytes at ${off} of the file ${path}, or cut it there (n 0). */
void segment_bend(const char *path, long off, const void *p, unsigned int n);

#endif
