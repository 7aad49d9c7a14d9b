/*
 * Part buffers of an upload: each is filled by the caller, then sent by the
 * background thread, then used again.  Buffers take at most the memory the
 * store was opened with; parts of which not two fit there go through unlinked
 * temporary files, two at most, whose room is reserved before they are filled.
 */
#ifndef BK_S3PART_H
#define BK_S3PART_H

#include "s3.h"

struct s3_part {			/* what completing wants to know */
	char *etag;
	char crc32c[12];
};

struct s3_slot {
	void *mem;			/* or NULL: */
	int fd;				/* a temporary file, else -1 */
	uint64_t size, used;
	struct bk_sha256 *sha;		/* of a file's content */
	uint32_t crc;
	bool flying;
	unsigned int part;		/* from 1 */
	char number[12];
	struct s3_req q;
};

#define S3_SLOTS 16

struct s3_parts {
	struct bk_s3 *s;
	const char *key;
	const char *upload;		/* the upload's id */
	bool crc;			/* CRC-32C instead of signed payloads */
	struct s3_slot slot[S3_SLOTS];
	struct s3_part *done;		/* by number, from 0 */
	unsigned int sent;		/* parts started so far */
	size_t room;			/* of done */
};

/* Size of part ${i} (from 1) under a limit of ${limit} parts (DESIGN, 5). */
uint64_t s3_part_size(unsigned int i, unsigned int limit);

/* A free buffer for ${size} bytes; waits for one to be sent.  NULL: ${f}. */
struct s3_slot *s3_slot_get(struct s3_parts *p, uint64_t size,
    struct bk_fault *f);
int s3_slot_add(struct s3_parts *p, struct s3_slot *t, const void *data,
    size_t n, struct bk_fault *f);
/* Send it as the next part. */
int s3_slot_send(struct s3_parts *p, struct s3_slot *t, struct bk_fault *f);
/* Wait for all that was sent. */
int s3_parts_wait(struct s3_parts *p, struct bk_fault *f);
/* Stop what is under way. */
void s3_parts_cancel(struct s3_parts *p);
void s3_parts_release(struct s3_parts *p);

#endif
