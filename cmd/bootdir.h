/*
 * An empty data directory that is filled exactly once (bk-boot).
 *
 * The mark DIR/.bk-boot says how far it came: "begun" is written before the
 * first byte, "whole" takes its place when all is in DIR and on disk.  What is
 * restored grows in DIR/.bk-boot.new and is moved up, since DIR may be a mount
 * point, which nothing can be renamed onto.  A lock on DIR/.bk-boot.lock keeps
 * others that start at the same time waiting, here and, where the file system
 * has locks between hosts, there.
 */
#ifndef BK_BOOTDIR_H
#define BK_BOOTDIR_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "fault.h"

enum bk_bootdir_is {
	BK_BOOTDIR_EMPTY,		/* or an earlier try was cut short */
	BK_BOOTDIR_DONE			/* holds what it is to hold */
};

/* A mark: a file that says how far it came, and the lock beside it. */
struct bk_bootmark {
	const char *path;
	int lock;
};

#define BK_BOOTMARK_INIT { NULL, -1 }

/*
 * Lock ${path}.lock, made if it is not there, waiting until ${deadline} (by
 * mono()): 75 then.  0 or -1.
 */
int bk_bootmark_lock(struct bk_bootmark *m, const char *path,
    int64_t deadline, struct bk_fault *f);

/* 0: no mark; 1 begun; 2 whole; -1 with ${f} set (65 it is something else). */
int bk_bootmark_read(const char *path, struct bk_fault *f);

/*
 * Write the mark durably: begun, or with ${of} (borrowed, what was restored)
 * whole.  It gets the owner of its lock.  0 or -1.
 */
int bk_bootmark_write(const struct bk_bootmark *m, const json_t *of,
    struct bk_fault *f);
void bk_bootmark_unlock(struct bk_bootmark *m);

struct bk_bootdir {
	const char *path;
	int fd;
	struct bk_bootmark mark;
	char real[4096];		/* its whole path */
	char place[4096];		/* of the mark */
	char fresh[4096];		/* where it is restored into */
};

#define BK_BOOTDIR_INIT { NULL, -1, BK_BOOTMARK_INIT, "", "", "" }

/*
 * Open directory ${path}, made if it is not there, lock it, and see what it
 * is: enum bk_bootdir_is, or -1 with ${f} set: 73 it holds something else.
 * One that is done is not written to.  Close ${d} after either.
 */
int bk_bootdir_open(struct bk_bootdir *d, const char *path, int64_t deadline,
    struct bk_fault *f);

/* Remove what is in it and write the mark "begun".  0 or -1. */
int bk_bootdir_begin(struct bk_bootdir *d, struct bk_fault *f);

/*
 * Move up what was restored into ${d}->fresh, give the directory its mode and
 * owner where ${tree}, and write the mark "whole".  0 or -1.
 */
int bk_bootdir_end(struct bk_bootdir *d, bool tree, const json_t *of,
    struct bk_fault *f);
void bk_bootdir_close(struct bk_bootdir *d);

#endif
