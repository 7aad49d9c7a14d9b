#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codecs.h"
#include "tap.h"

extern char **environ;

int
bytes_add(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	struct bytes *b = arg;

	if (n == 0)
		abort();		/* a sink never gets nothing */
	if (b->fail_at > 0 && b->len + n > b->fail_at)
		return bk_fault_set(f, BK_IO, "the sink is full");
	if (b->len + n > b->size) {
		b->size = (b->len + n) * 2;
		if ((b->p = realloc(b->p, b->size)) == NULL)
			abort();
	}
	memcpy(b->p + b->len, p, n);
	b->len += n;
	return 0;
}

void
bytes_release(struct bytes *b)
{
	free(b->p);
	memset(b, 0, sizeof(*b));
}

struct bytes
dump_like(size_t n)
{
	static const char *const words[] = { "pending", "shipped", "returned",
		"Lorem ipsum dolor", "NULL", "t", "f", "customer" };
	struct bytes b = { malloc(n + 256), 0, n + 256, 0 };
	unsigned int seed = 12345;
	unsigned int id = 0;

	if (b.p == NULL)
		abort();
	while (b.len < n) {
		seed = seed * 1103515245 + 12345;
		b.len += (size_t)snprintf(b.p + b.len, b.size - b.len,
		    "%u\t%s\t%u.%02u\t2026-%02u-%02u\t%08x\n", ++id,
		    words[seed >> 16 & 7], seed >> 20, seed >> 8 & 63,
		    1 + (seed >> 12) % 12, 1 + (seed >> 17) % 28,
		    seed * 2654435761U);
	}
	b.len = n;
	return b;
}

static int
push(const struct bk_transform_ops *ops, void *t, const struct bytes *in,
    size_t piece, struct bk_fault *f)
{
	size_t i, n;

	for (i = 0; i < in->len; i += n) {
		n = in->len - i < piece ? in->len - i : piece;
		if (ops->write(t, in->p + i, n, f) == -1)
			return -1;
	}
	return ops->finish(t, f);
}

struct bytes
encode(const struct bk_codec_format *c, int level, int threads, size_t piece,
    const struct bytes *in, struct bk_fault *f)
{
	struct bytes out = { NULL, 0, 0, 0 };
	void *t = c->encode(level, threads, bytes_add, &out, f);

	if (t == NULL)
		abort();
	push(c->encode_ops, t, in, piece, f);
	c->encode_ops->free(t);
	return out;
}

struct bytes
decode(const struct bk_codec_format *c, int threads, size_t piece,
    const struct bytes *in, struct bk_fault *f)
{
	struct bytes out = { NULL, 0, 0, 0 };
	void *t = c->decode(threads, bytes_add, &out, f);

	if (t == NULL)
		abort();
	push(c->decode_ops, t, in, piece, f);
	c->decode_ops->free(t);
	return out;
}

static bool
same(const struct bytes *a, const struct bytes *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->p, b->p, a->len) == 0);
}

void
ok_decodes(const struct bk_codec_format *c, const char *what,
    const struct bytes *file, const struct bytes *plain)
{
	static const size_t pieces[] = { 1 << 20, 65536, 777 };
	struct bk_fault f = BK_FAULT_INIT;
	struct bytes out;
	size_t i;

	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		bk_fault_clear(&f);
		out = decode(c, 1 + (int)i, pieces[i], file, &f);
		ok(f.status == 0 && same(&out, plain),
		    "%s: %s, %zu bytes, in pieces of %zu: %s", c->name, what,
		    plain->len, pieces[i], f.text);
		bytes_release(&out);
	}
}

void
ok_round_trips(const struct bk_codec_format *c, size_t chunk)
{
	size_t sizes[] = { 0, 1, chunk - 1, chunk, chunk + 1, 3 * chunk + 4321 };
	struct bk_fault f = BK_FAULT_INIT;
	struct bytes plain, file, again;
	size_t i;
	int level;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		plain = dump_like(sizes[i]);
		file = encode(c, c->level_default, 2, 100000, &plain, &f);
		ok(f.status == 0 && file.len > 0, "%s: %zu bytes give %zu",
		    c->name, plain.len, file.len);
		ok_decodes(c, "round trip", &file, &plain);
		again = encode(c, c->level_default, 5, 7001, &plain, &f);
		ok(same(&file, &again), "the same file with other threads");
		bytes_release(&again);
		bytes_release(&file);
		bytes_release(&plain);
	}
	plain = dump_like(300000);
	for (i = 0; i < plain.len / 2; i++)	/* the half that no one compresses */
		plain.p[i] = (char)(i * i * 2654435761U >> 11 ^ i * 40503U >> 3);
	for (level = c->level_min; level <= c->level_max; level++) {
		file = encode(c, level, 2, 65536, &plain, &f);
		again = decode(c, 2, 65536, &file, &f);
		ok(f.status == 0 && same(&plain, &again), "%s: level %d",
		    c->name, level);
		bytes_release(&again);
		bytes_release(&file);
	}
	bytes_release(&plain);
}

static void
save(const char *path, const struct bytes *b)
{
	FILE *fp = fopen(path, "we");

	if (fp == NULL || fwrite(b->p, 1, b->len, fp) != b->len ||
	    fclose(fp) != 0)
		abort();
}

static struct bytes
load(const char *path)
{
	struct bytes b = { NULL, 0, 0, 0 };
	struct bk_fault f = BK_FAULT_INIT;
	FILE *fp = fopen(path, "re");
	char buf[65536];
	size_t n;

	if (fp == NULL)
		abort();
	while ((n = fread(buf, 1, sizeof(buf), fp)) > 0)
		bytes_add(&b, buf, n, &f);
	fclose(fp);
	return b;
}

/* Run a tool from one file to another; its status, -1 if there is none. */
static int
run_tool(const char *const *argv, const char *in, const char *out)
{
	posix_spawn_file_actions_t fa;
	int rc, status;
	pid_t pid;

	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, 0, in, O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&fa, 1, out,
	    O_WRONLY | O_CREAT | O_TRUNC, 0600);
	posix_spawn_file_actions_addopen(&fa, 2, "/dev/null", O_WRONLY, 0);
	rc = posix_spawnp(&pid, argv[0], &fa, NULL,
	    (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	if (rc == ENOENT)
		return -1;
	if (rc != 0 || waitpid(pid, &status, 0) != pid)
		abort();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256;
}

void
ok_peer(const struct bk_codec_format *c, const char *const *read,
    const char *const *write, size_t n)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bytes half = dump_like(n), plain = dump_like(n), file, out;
	char from[128], to[128];
	int rc;

	snprintf(from, sizeof(from), "%s/from", tap_dir());
	snprintf(to, sizeof(to), "%s/to", tap_dir());
	file = encode(c, c->level_default, 2, 65536, &plain, &f);
	save(from, &file);
	if (read != NULL && (rc = run_tool(read, from, to)) == -1)
		tap_skip(read[0]);
	else if (read != NULL) {
		out = load(to);
		ok(rc == 0 && same(&plain, &out), "%s reads %zu bytes of ours",
		    read[0], n);
		bytes_release(&out);
	}
	save(from, &plain);
	if (write != NULL && (rc = run_tool(write, from, to)) == -1)
		tap_skip(write[0]);
	else if (write != NULL) {
		ok_int(rc, 0, write[0]);
		out = load(to);
		ok_decodes(c, write[0], &out, &plain);
		bytes_add(&out, file.p, file.len, &f);
		if (n > 0)
			bytes_add(&plain, half.p, n, &f);
		ok_decodes(c, "theirs, then ours", &out, &plain);
		bytes_release(&out);
		out = load(to);
		bytes_add(&file, out.p, out.len, &f);
		ok_decodes(c, "ours, then theirs", &file, &plain);
		bytes_release(&out);
	}
	bytes_release(&half);
	bytes_release(&plain);
	bytes_release(&file);
}

void
ok_corrupt(const struct bk_codec_format *c)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bytes plain = dump_like(2000);
	struct bytes file = encode(c, c->level_default, 1, 65536, &plain, &f), out;
	size_t i, wrong = 0, bad = 0, whole = file.len;
	int bit;

	for (file.len = 0; file.len < whole; file.len++) {
		bk_fault_clear(&f);
		out = decode(c, 1, 65536, &file, &f);
		wrong += f.status != BK_DATA;
		bytes_release(&out);
	}
	ok(wrong == 0, "%s: cut at any byte is 65", c->name);
	for (wrong = i = 0; i < whole; i++)
		for (bit = 0; bit < 8; bit++) {
			file.p[i] = (char)(file.p[i] ^ (1 << bit));
			bk_fault_clear(&f);
			out = decode(c, 1, 65536, &file, &f);
			wrong += f.status == 0 && !same(&out, &plain);
			bad += f.status != 0 && f.status != BK_DATA;
			bytes_release(&out);
			file.p[i] = (char)(file.p[i] ^ (1 << bit));
		}
	ok(wrong == 0, "%s: no flipped bit gives wrong bytes", c->name);
	ok(bad == 0, "%s: a flipped bit is 65 if anything", c->name);
	bytes_add(&file, "x", 1, &f);
	bk_fault_clear(&f);
	out = decode(c, 2, 65536, &file, &f);
	ok_int(f.status, BK_DATA, "a byte behind the file is 65");
	bytes_release(&out);
	bytes_release(&plain);
	bytes_release(&file);
}

static int
threads_now(void)
{
	DIR *d = opendir("/proc/self/task");
	int n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/* A decoder of ${file} whose sink fails, and one that is left early. */
static void
ok_failing_decoder(const struct bk_codec_format *c, const struct bytes *file,
    size_t plain)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bytes out = { NULL, 0, 0, plain / 2 };
	void *t = c->decode(3, bytes_add, &out, &f);

	ok_int(push(c->decode_ops, t, file, 65536, &f), -1, "decoding");
	ok_int(f.status, BK_IO, "the sink's own fault");
	c->decode_ops->free(t);
	bytes_release(&out);
	bk_fault_clear(&f);

	t = c->decode(3, bytes_add, &out, &f);
	c->decode_ops->write(t, file->p, file->len - 1, &f);
	c->decode_ops->free(t);
	ok_int(f.status, 0, "left without finish");
	bytes_release(&out);
}

void
ok_failing_sinks(const struct bk_codec_format *c, size_t chunk, size_t claim)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bytes plain = dump_like(5 * chunk), out = { NULL, 0, 0, 0 };
	struct bytes file = encode(c, c->level_default, 3, 65536, &plain, &f);
	int before = threads_now();
	void *t;

	out.fail_at = file.len / 2;
	t = c->encode(c->level_default, 3, bytes_add, &out, &f);
	ok_int(push(c->encode_ops, t, &plain, 65536, &f), -1, "encoding");
	ok_int(f.status, BK_IO, "the sink's own fault");
	c->encode_ops->free(t);
	bytes_release(&out);
	bk_fault_clear(&f);

	t = c->encode(c->level_default, 3, bytes_add, &out, &f);
	c->encode_ops->write(t, plain.p, plain.len - 1, &f);
	c->encode_ops->free(t);
	ok_int(f.status, 0, "left without finish");
	ok_failing_decoder(c, &file, plain.len);
	file.p[claim] ^= 1;
	ok_decodes(c, "read serially", &file, &plain);
	ok_failing_decoder(c, &file, plain.len);
	ok_int(threads_now(), before, "no thread left");
	c->encode_ops->free(NULL);
	c->decode_ops->free(NULL);
	bytes_release(&out);
	bytes_release(&plain);
	bytes_release(&file);
}
