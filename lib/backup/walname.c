/*
 * Names of WAL files and keys.  PostgreSQL writes a file's name as timeline,
 * "log" and segment, 8 upper-case digits each; a log is 4 GiB of positions, so
 * that how many segments it has depends on their size (XLogFileName).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "names.h"
#include "wal.h"

#define DIGITS "0123456789ABCDEF"
#define HEX "0123456789abcdef"
#define SYSTEM_MAX 20			/* digits of 2^64 - 1 */

/* ${n} upper-case hexadecimal digits at ${s}, as PostgreSQL writes them. */
static bool
digits(const char *s, size_t n, uint32_t *v)
{
	const char *d;
	size_t i;

	*v = 0;
	for (i = 0; i < n; i++) {
		if (s[i] == '\0' || (d = strchr(DIGITS, s[i])) == NULL)
			return false;
		*v = *v << 4 | (uint32_t)(d - DIGITS);
	}
	return true;
}

/* What follows the 24 digits. */
static bool
tail(const char *s, enum bk_wal_kind *kind)
{
	static const char growing[] = ".partial-";
	uint32_t offset;

	if (*s == '\0')
		*kind = BK_WAL_SEGMENT;
	else if (strcmp(s, ".partial") == 0)
		*kind = BK_WAL_PARTIAL;
	else if (strncmp(s, growing, sizeof(growing) - 1) == 0 &&
	    bk_ulid_ok(s + sizeof(growing) - 1))
		*kind = BK_WAL_GROWING;
	else if (*s == '.' && digits(s + 1, 8, &offset) &&
	    strcmp(s + 9, ".backup") == 0)
		*kind = BK_WAL_BACKUP;
	else
		return false;
	return true;
}

bool
bk_wal_name_parse(const char *file, struct bk_wal_name *n)
{
	uint32_t log, segment;
	size_t len = strlen(file);

	if (len >= sizeof(n->file) || !digits(file, 8, &n->tli) || n->tli == 0)
		return false;
	if (strcmp(file + 8, ".history") == 0) {
		n->kind = BK_WAL_HISTORY;
		n->at = 0;
	} else if (digits(file + 8, 8, &log) &&
	    digits(file + 16, 8, &segment) && tail(file + 24, &n->kind))
		n->at = (uint64_t)log << 32 | segment;
	else
		return false;
	memcpy(n->file, file, len + 1);
	return true;
}

bool
bk_wal_system_parse(const char *s, uint64_t *system)
{
	uint64_t v = 0;
	size_t n = 0;

	if (*s == '0')
		return false;
	for (; *s >= '0' && *s <= '9'; s++, n++) {
		if (n == SYSTEM_MAX || v > (UINT64_MAX - (uint64_t)(*s - '0')) / 10)
			return false;
		v = v * 10 + (uint64_t)(*s - '0');
	}
	*system = v;
	return n > 0 && *s == '\0';
}

bool
bk_wal_bytes_ok(uint64_t bytes)
{
	return bytes >= BK_WAL_BYTES_MIN && bytes <= BK_WAL_BYTES_MAX &&
	    (bytes & (bytes - 1)) == 0;
}

uint64_t
bk_wal_number(const struct bk_wal_name *n, uint32_t bytes)
{
	uint64_t per_log = (UINT64_C(1) << 32) / bytes;

	return (n->at >> 32) * per_log + (n->at & UINT32_MAX);
}

void
bk_wal_segment(uint32_t tli, uint64_t number, uint32_t bytes,
    struct bk_wal_name *n)
{
	uint64_t per_log = (UINT64_C(1) << 32) / bytes;

	n->kind = BK_WAL_SEGMENT;
	n->tli = tli;
	n->at = number / per_log << 32 | number % per_log;
	(void)snprintf(n->file, sizeof(n->file), "%08" PRIX32 "%08" PRIX32
	    "%08" PRIX32, tli, (uint32_t)(n->at >> 32), (uint32_t)n->at);
}

int
bk_wal_prefix(struct bk_buf *b, const char *name, uint64_t system,
    const struct bk_wal_name *n, struct bk_fault *f)
{
	return bk_buf_addf(b, f, "%s/wal/%" PRIu64 "/%08" PRIX32 "/%s-", name,
	    system, n->tli, n->file);
}

int
bk_wal_key(struct bk_buf *b, const char *name, const struct bk_wal_key *k,
    struct bk_fault *f)
{
	if (bk_wal_prefix(b, name, k->system, &k->name, f) == -1 ||
	    bk_buf_adds(b, k->hash, f) == -1)
		return -1;
	return *k->suffix == '\0' ? 0 : bk_buf_addf(b, f, ".%s", k->suffix);
}

/* "gz", "gz.age": words of lower-case letters and digits, dots between. */
static bool
suffix_ok(const char *s)
{
	size_t n;

	if (strlen(s) >= BK_WAL_SUFFIX_MAX)
		return false;
	for (;; s += n + 1) {
		n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789");
		if (n == 0 || n > BK_EXT_MAX || (s[n] != '.' && s[n] != '\0'))
			return false;
		if (s[n] == '\0')
			return true;
	}
}

bool
bk_wal_leaf_parse(const char *s, struct bk_wal_key *k)
{
	size_t n = strcspn(s, "-");
	char file[BK_WAL_FILE_MAX];

	/* A growing file's name has one itself. */
	if (n > 8 && strncmp(s + n - 8, ".partial", 8) == 0 &&
	    strlen(s + n) > BK_ULID_LEN && s[n + 1 + BK_ULID_LEN] == '-')
		n += 1 + BK_ULID_LEN;
	if (n >= sizeof(file) || s[n] != '-')
		return false;
	memcpy(file, s, n);
	file[n] = '\0';
	s += n + 1;
	if (!bk_wal_name_parse(file, &k->name) ||
	    strspn(s, HEX) != BK_WAL_HASH_LEN)
		return false;
	memcpy(k->hash, s, BK_WAL_HASH_LEN);
	k->hash[BK_WAL_HASH_LEN] = '\0';
	s += BK_WAL_HASH_LEN;
	k->suffix[0] = '\0';
	if (*s == '\0')
		return true;
	if (*s != '.' || !suffix_ok(s + 1))
		return false;
	memcpy(k->suffix, s + 1, strlen(s));
	return true;
}

bool
bk_wal_key_parse(const char *key, const char *name, struct bk_wal_key *k)
{
	size_t n = strlen(name);
	char system[SYSTEM_MAX + 1];
	uint32_t tli;

	if (strncmp(key, name, n) != 0 || strncmp(key + n, "/wal/", 5) != 0)
		return false;
	key += n + 5;
	n = strcspn(key, "/");
	if (n > SYSTEM_MAX || key[n] != '/')
		return false;
	memcpy(system, key, n);
	system[n] = '\0';
	key += n + 1;
	return bk_wal_system_parse(system, &k->system) &&
	    digits(key, 8, &tli) && key[8] == '/' &&
	    bk_wal_leaf_parse(key + 9, k) && k->name.tli == tli;
}
