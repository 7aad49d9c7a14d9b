#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "samples.h"
#include "when.h"

#define ZEROS "00000000000000000000000000000000"

const char *
sample_id(unsigned int n)
{
	static char id[4][BK_ULID_LEN + 1];
	static unsigned int next;
	char *s = id[next++ % 4];

	(void)snprintf(s, BK_ULID_LEN + 1, "01KDVGK7000000000000000%c%02u", '0',
	    n % 100);
	return s;
}

json_t *
quoted(const char *text)
{
	char copy[8192];
	size_t i, n = strlen(text);
	json_t *o;

	assert(n < sizeof(copy));
	for (i = 0; i < n; i++)
		copy[i] = text[i] == '\'' ? '"' : text[i];
	o = json_loadb(copy, n, JSON_DECODE_ANY, NULL);
	assert(o != NULL);
	return o;
}

json_t *
sample(const char *name, unsigned int n, const char *time, uint64_t bytes,
    const char *tags)
{
	struct bk_fault f = BK_FAULT_INIT;
	char compact[BK_TIME_LEN], key[512];
	int64_t t = 0;
	json_t *o;

	(void)bk_time_parse(time, &t, &f);
	(void)snprintf(key, sizeof(key), "%s/%s-%s-%s.fake.bin", name, name,
	    bk_time_compact(t, compact), sample_id(n));
	o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:{s:s}, s:s, s:s, s:s, s:n, "
	    "s:n, s:n, s:n, s:s, s:I, s:s, s:[], s:[{s:s, s:I}], s:o, s:{}}",
	    "bk", "backup/1", "id", sample_id(n), "name", name, "engine", "fake",
	    "ext", "bin", "source", "engine", "fake", "time", time, "finished",
	    time, "host", "db1", "trigger", "run", "group", "parent", "key", key,
	    "bytes", (json_int_t)bytes, "sha256", ZEROS ZEROS, "filters",
	    "stages", "stage", "fake", "bytes", (json_int_t)bytes, "tags",
	    quoted(tags != NULL ? tags : "{}"), "info");
	assert(o != NULL);
	return o;
}

struct bk_record
sample_rec(const char *name, unsigned int n, const char *time, uint64_t bytes,
    const char *tags)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_record r = BK_RECORD_INIT;
	int rc = bk_record_from(sample(name, n, time, bytes, tags), &r, &f);

	if (rc == -1)
		printf("# sample: %s\n", f.text);
	assert(rc == 0);
	return r;
}
