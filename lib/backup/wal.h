/*
 * PostgreSQL's write-ahead log in a store (DESIGN, 5).
 *
 *   <name>/wal/<system>/<timeline>/<file>-<16 hex of sha256>[.gz|.zst]
 *
 * <system> is the decimal system identifier, <timeline> the first 8 digits of
 * the file's name, the hash that of the plain file.  Each object is its own
 * commit, looked for before it is put; there is no manifest.  Two hashes for one file are a
 * fault (65) for whoever meets them, push and fetch alike; a growing file
 * (below) is the exception.
 *
 * Files are those that PostgreSQL archives (access/xlog_internal.h):
 *
 *   000000010000000A000000FF                   a segment
 *   000000010000000A000000FF.partial           the last one of an old timeline
 *   000000010000000A000000FF.00000028.backup   where a base backup began
 *   00000002.history                           where a timeline branched off
 *
 * and one of bk's own, the segment that pg_receivewal is still writing, stored
 * again and again, of which the newest counts:
 *
 *   000000010000000A000000FF.partial-<ulid>
 */
#ifndef BK_WAL_H
#define BK_WAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "codec.h"
#include "fault.h"
#include "store.h"
#include "ulid.h"

enum bk_wal_kind {
	BK_WAL_SEGMENT,
	BK_WAL_PARTIAL,
	BK_WAL_GROWING,
	BK_WAL_BACKUP,
	BK_WAL_HISTORY
};

#define BK_WAL_FILE_MAX 64		/* longest file name and a NUL */
#define BK_WAL_HASH_LEN 16
#define BK_WAL_SYSTEMS_MAX 64		/* that one name is looked at for */
#define BK_WAL_SUFFIX_MAX 24
#define BK_WAL_BYTES_MIN (UINT32_C(1) << 20)	/* of a segment */
#define BK_WAL_BYTES_MAX (UINT32_C(1) << 30)

/* The name of a file, taken apart. */
struct bk_wal_name {
	enum bk_wal_kind kind;
	uint32_t tli;
	uint64_t at;			/* as in the name: log << 32 | segment */
	char file[BK_WAL_FILE_MAX];
};

/* A key, taken apart. */
struct bk_wal_key {
	struct bk_wal_name name;
	uint64_t system;
	char hash[BK_WAL_HASH_LEN + 1];
	char suffix[BK_WAL_SUFFIX_MAX];	/* "", "gz", "zst" or unknown to us */
};

/* Take the file name ${file} apart; false where it is none of the above. */
bool bk_wal_name_parse(const char *file, struct bk_wal_name *n);

/* A system identifier: digits without leading zero, not 0.  false: none. */
bool bk_wal_system_parse(const char *s, uint64_t *system);

/*
 * Segments are counted within a timeline from 0; ${bytes} is the size of
 * each, a power of two from 1 MiB to 1 GiB.
 */
bool bk_wal_bytes_ok(uint64_t bytes);
uint64_t bk_wal_number(const struct bk_wal_name *n, uint32_t bytes);
void bk_wal_segment(uint32_t tli, uint64_t number, uint32_t bytes,
    struct bk_wal_name *n);

/* Append the prefix of all keys of ${n}, with its final '-'.  0 or -1. */
int bk_wal_prefix(struct bk_buf *b, const char *name, uint64_t system,
    const struct bk_wal_name *n, struct bk_fault *f);

/* Append the whole key; ${suffix} without dot, "" for none.  0 or -1. */
int bk_wal_key(struct bk_buf *b, const char *name,
    const struct bk_wal_key *k, struct bk_fault *f);

/* Take ${key} apart; false where it is no key of WAL of ${name}. */
bool bk_wal_key_parse(const char *key, const char *name,
    struct bk_wal_key *k);

/* The same of the last part of a key, which does not say the system. */
bool bk_wal_leaf_parse(const char *leaf, struct bk_wal_key *k);

/*
 * Every key of WAL of ${name}, in byte order of keys: by system and timeline,
 * each timeline's segments in order, a segment before its .backup and
 * .partial; with ${system} (0: all) and ${tli} (0: all) only those.  Other
 * keys are passed over.  ${fn} answers as bk_list_fn does.  0 or -1.
 */
typedef int bk_wal_fn(void *arg, const struct bk_wal_key *k,
    const struct bk_object *o, struct bk_fault *f);
int bk_wal_list(struct bk_store *s, const char *name, uint64_t system,
    uint32_t tli, bk_wal_fn *fn, void *arg, struct bk_fault *f);

/* As bk_wal_list, of one timeline and from the file ${from} on. */
int bk_wal_list_from(struct bk_store *s, const char *name, uint64_t system,
    const struct bk_wal_name *from, bk_wal_fn *fn, void *arg,
    struct bk_fault *f);

/*
 * The systems under ${name}: up to ${max} of them into ${v}, in order of
 * their text, at one request each.  Their number, or -1.
 */
int bk_wal_systems(struct bk_store *s, const char *name, uint64_t *v,
    size_t max, struct bk_fault *f);

/*
 * The size of the segments of ${system}, read from the first page of the
 * first one stored.  0, BK_ABSENT where there is no segment, -1.
 */
int bk_wal_bytes(struct bk_store *s, const char *name, uint64_t system,
    uint32_t *bytes, struct bk_fault *f);

/* Segments of a timeline with none missing between the first and the last. */
struct bk_wal_run {
	uint64_t system;
	uint32_t tli, segment;		/* bytes of a segment */
	struct bk_wal_name first, last;
	uint64_t count;
	uint64_t stored;		/* bytes in the store */
	int64_t first_modified;		/* as struct bk_object has it */
	int64_t modified;		/* of the last */
	bool closed;			/* what is behind it is none of its */
	char last_key[BK_KEY_MAX + 1];
};

/*
 * A name's WAL: runs by system, timeline and position, so that two runs in a
 * row of one system and timeline have a gap between them.
 */
struct bk_wal_runs {
	struct bk_wal_run *v;
	size_t len, size;
	uint64_t twice;			/* files stored with two contents */
	char twice_file[BK_WAL_FILE_MAX];	/* the first of them */
};

#define BK_WAL_RUNS_INIT { NULL, 0, 0, 0, "" }

/* Memory: about 1.3 KiB a run.  0 (also for none) or -1. */
int bk_wal_runs(struct bk_store *s, const char *name, struct bk_wal_runs *out,
    struct bk_fault *f);
void bk_wal_runs_release(struct bk_wal_runs *r);

/* The system identifier in ${dir}/global/pg_control.  0, BK_ABSENT, -1. */
int bk_wal_control(const char *dir, uint64_t *system, struct bk_fault *f);

/*
 * The data directory that ${path}, a file of WAL, is in: the directory above
 * the file's own, by the words of ${path} alone, since pg_wal may be a
 * symbolic link.  To be freed; NULL with ${f} set on no memory.
 */
char *bk_wal_data_dir(const char *path, struct bk_fault *f);

/* bk_wal_control of it. */
int bk_wal_control_of(const char *path, uint64_t *system, struct bk_fault *f);

/* A file to be pushed, looked at once for all stores. */
struct bk_wal_source {
	int fd;				/* -1: none */
	uint64_t bytes;
	struct bk_wal_key key;		/* suffix "": the pusher sets it */
	struct {			/* who the file is, for later calls */
		uint64_t dev, ino;
		int64_t changed;	/* ns */
	} id;
};

#define BK_WAL_SOURCE_INIT { .fd = -1 }

/*
 * Open ${path}, whose last part is the file's name, check it against its name
 * and take its SHA-256.  ${system} is that of a .history or .backup, which
 * have none of their own, and must be that of a segment; 0: from pg_control
 * above it, where there is one.  0, or -1 with ${f} set: 64 no name of WAL, 66
 * absent, 65 not the file that its name says, 78 no system to be found.
 * ${src} is released by the caller after either.
 */
int bk_wal_source_open(struct bk_wal_source *src, const char *path,
    uint64_t system, struct bk_fault *f);
void bk_wal_source_release(struct bk_wal_source *src);

/*
 * As bk_wal_source_open, of the .partial that pg_receivewal is writing: it is
 * copied to an unlinked file in ${tmpdir}, and is the growing file ${ulid}.
 * BK_ABSENT where it is not there (any more) or has no log in it yet.
 */
int bk_wal_source_growing(struct bk_wal_source *src, const char *path,
    uint64_t system, const char ulid[BK_ULID_LEN + 1], const char *tmpdir,
    struct bk_fault *f);

struct bk_wal_how {
	const char *name;
	const struct bk_codec_format *codec;	/* NULL: as it is */
	int level, threads;
	bool new_system;		/* may be the first of its system */
};

/*
 * Store ${src}.  0; BK_EXISTS: it is there with the same content; -1 with ${f}
 * set: 65 with other content (both hashes named), 78 a system that ${name}
 * does not know yet, unless it knows none or ${how} allows it.
 */
int bk_wal_push(struct bk_store *s, const struct bk_wal_how *how,
    struct bk_wal_source *src, struct bk_fault *f);

/*
 * Remove the growing files of ${segment}, but for the one named ${keep} (NULL:
 * all of them).  0 or -1.
 */
int bk_wal_drop_growing(struct bk_store *s, const char *name, uint64_t system,
    const struct bk_wal_name *segment, const char *keep, struct bk_fault *f);

/*
 * Which object has ${file} of ${system}?  Of a segment that is not there yet
 * the newest growing one.  0 with ${k} set, BK_ABSENT, -1: 65 two contents.
 */
int bk_wal_find(struct bk_store *s, const char *name, uint64_t system,
    const struct bk_wal_name *file, struct bk_wal_key *k, struct bk_fault *f);

/* The first segment behind one that is absent; file "": none. */
struct bk_wal_later {
	char file[BK_WAL_FILE_MAX];
	int64_t modified;		/* as struct bk_object has it */
};

/*
 * As bk_wal_find, and with it the keys of segments that follow ${file}, one of
 * each, ${max} in all.  How many; 0 where ${file} is absent, with ${later}
 * filled; or -1.
 */
int bk_wal_find_on(struct bk_store *s, const char *name, uint64_t system,
    const struct bk_wal_name *file, struct bk_wal_key *k, size_t max,
    struct bk_wal_later *later, struct bk_fault *f);

/*
 * Fetch ${k} into ${fd}, decompressed; it is whole there, and its hash and
 * first page those of its key, when 0 is returned.  BK_ABSENT, or -1 with ${f}
 * set (65 for any that is not what its key says).
 */
int bk_wal_fetch(struct bk_store *s, const char *name,
    const struct bk_wal_key *k, int fd, struct bk_fault *f);

/*
 * The same to a sink, which has all of it before it is known whether it is
 * good: what it made of that counts only when 0 is returned.
 */
int bk_wal_get(struct bk_store *s, const char *name,
    const struct bk_wal_key *k, bk_sink_fn *sink, void *arg,
    struct bk_fault *f);

/* Does ${fd} hold what ${k} says, from its beginning?  0 or -1 (65, 74). */
int bk_wal_verify(int fd, const struct bk_wal_key *k, struct bk_fault *f);

/*
 * 16 digits that stand for the name and the stores: for what is kept on this
 * host about them.  0 or -1.
 */
int bk_wal_place(char hex[BK_WAL_HASH_LEN + 1], const char *name,
    const char *const *urls, size_t n, struct bk_fault *f);

#endif
