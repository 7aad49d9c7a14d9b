/*
 * Small files that others read at any moment: flags, metrics.
 */
#ifndef BK_REPLACE_H
#define BK_REPLACE_H

#include <stddef.h>
#include <sys/types.h>

#include "fault.h"

/*
 * Write ${n} bytes as the file ${path} with ${mode}: beside it under a hidden
 * name, made durable, renamed into place, the directory made durable.  A
 * reader finds the old file or the whole new one.  0, or -1 with ${f} set and
 * the old file as it was (73, 74, 77).
 */
int bk_file_replace(const char *path, const void *p, size_t n, mode_t mode,
    struct bk_fault *f);

#endif
