/*
 * Streams in memory, for tests of what reads and writes them.
 */
#ifndef BK_TEST_STREAMS_H
#define BK_TEST_STREAMS_H

#include <stddef.h>

#include "stream.h"

/* A descriptor from which ${n} bytes at ${p} can be read; aborts if not. */
int mem_fd(const void *p, size_t n);

/* All that was written to ${fd}, *${n} bytes, by malloc; closes ${fd}. */
char *mem_take(int fd, size_t *n);

/*
 * Append "crc32" to the stream text ${s}, which ends in an end line without
 * it and without newline ('…}').  By malloc.
 */
char *with_crc(const char *s, size_t n, size_t *len);

/* A header line; filters as given. */
#define HEADER_F(filters) "{\"bk\":\"stream/1\",\"name\":\"app\",\"engine\":\"fake\"," \
	"\"ext\":\"bin\",\"time\":\"2026-11-21T10:00:00Z\",\"host\":\"h\"," \
	"\"source\":{\"engine\":\"fake\"},\"tags\":{\"tier\":\"app\"},\"filters\":" \
	filters ",\"info\":{},\"later\":[1,2.5,null]}\n"
#define HEADER HEADER_F("[]")

/* What reading a whole stream gave. */
struct read_all {
	struct bk_fault f;
	char *data;			/* payload, by malloc */
	size_t len;
	char *header, *end;		/* as text, or NULL */
};

void read_all(const void *p, size_t n, struct read_all *r);
void read_all_release(struct read_all *r);

/* Every cut and every flipped bit of the stream must be 65. */
void ok_torture(const char *what, const char *s, size_t n);

#endif
