/* Undoing filters: codecs, commands of the user's, counts and the proof. */
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "codec.h"
#include "hash.h"
#include "samples.h"
#include "tap.h"
#include "undo.h"
#include "words.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define PLAIN "what was dumped\n"

static int
to_buf(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	return bk_buf_add(arg, p, n, f);
}

/* Compress ${in} into ${out}. */
static void
squeeze(const char *format, const struct bk_buf *in, struct bk_buf *out)
{
	const struct bk_codec_format *fmt = bk_codec_find(format);
	struct bk_fault f = BK_FAULT_INIT;
	void *t = fmt->encode(fmt->level_default, 1, to_buf, out, &f);

	(void)fmt->encode_ops->write(t, in->p, in->len, &f);
	(void)fmt->encode_ops->finish(t, &f);
	fmt->encode_ops->free(t);
}

/* Undo ${in}: status of the fault, 0 if none. */
static int
undo(const char *filters, const char *stages, const char *const *pipes,
    const struct bk_buf *in, struct bk_buf *out, struct bk_fault *f)
{
	const struct bk_undo_opts o = { .ctx = &tap_ctx, .pipes = pipes };
	json_t *fl = quoted(filters), *st = stages != NULL ? quoted(stages) : NULL;
	struct bk_undo *u;

	*f = (struct bk_fault)BK_FAULT_INIT;
	bk_buf_reset(out);
	if ((u = bk_undo_open(&o, fl, to_buf, out, f)) != NULL &&
	    (in->len == 0 || bk_undo_write(u, in->p, in->len, f) == 0) &&
	    bk_undo_finish(u, st, f) == 0)
		ok_int(bk_undo_bytes(u), out->len, "the count of plain bytes");
	bk_undo_free(u);
	json_decref(st);
	json_decref(fl);
	return f->status;
}

static void
test_chain(void)
{
	static const char *const cat[] = { ".xz=cat", NULL };
	static const char *const tr[] = { "rot=tr 'a-z' 'b-za'", ".xz=cat", NULL };
	static const char *const fails[] = { ".xz=sh -c 'cat; exit 3'", NULL };
	static const char *const gone[] = { ".xz=no-such-tool-here", NULL };
	struct bk_buf plain = BK_BUF_INIT(65536), gz = BK_BUF_INIT(65536),
	    both = BK_BUF_INIT(65536), out = BK_BUF_INIT(65536);
	struct bk_fault f = BK_FAULT_INIT;
	char sha[BK_SHA256_HEX], st[512], bad[512];
	uint8_t sum[BK_SHA256_LEN];

	(void)bk_buf_adds(&plain, PLAIN, &f);
	squeeze("gzip", &plain, &gz);
	squeeze("zstd", &gz, &both);
	bk_sha256_of(PLAIN, strlen(PLAIN), sum);
	bk_hex(sum, sizeof(sum), sha);

	ok_int(undo("[]", NULL, NULL, &plain, &out, &f), 0, "nothing to undo");
	ok_text(bk_buf_text(&out), PLAIN, "bytes pass");
	(void)snprintf(st, sizeof(st), "[{'stage':'e','bytes':%zu,'sha256':"
	    "'%s'},{'stage':'gzip','bytes':%zu},{'stage':'zstd','bytes':%zu}]",
	    plain.len, sha, gz.len, both.len);
	ok_int(undo("[{'filter':'gzip'},{'filter':'zstd'}]", st, NULL, &both,
	    &out, &f), 0, "two codecs");
	ok_text(bk_buf_text(&out), PLAIN, "the newest first");
	ok_int(undo("[{'filter':'gzip'}]", st, NULL, &gz, &out, &f), BK_DATA,
	    "a stage too many");
	(void)snprintf(bad, sizeof(bad), "[{'stage':'e','bytes':%zu,'sha256':"
	    "'%s'},{'stage':'gzip','bytes':%zu}]", plain.len, sha, gz.len + 1);
	ok_int(undo("[{'filter':'gzip'}]", bad, NULL, &gz, &out, &f), BK_DATA,
	    "another count");
	ok(strstr(f.text, "gzip") != NULL, "by the filter's name: %s", f.text);
	sha[0] = sha[0] == '0' ? '1' : '0';
	(void)snprintf(bad, sizeof(bad), "[{'stage':'e','bytes':%zu,'sha256':"
	    "'%s'}]", plain.len, sha);
	ok_int(undo("[]", bad, NULL, &plain, &out, &f), BK_DATA, "another sum");
	gz.len -= 3;
	ok_int(undo("[{'filter':'gzip'}]", NULL, NULL, &gz, &out, &f), BK_DATA,
	    "a cut file");

#define XZ "[{'filter':'pipe','ext':'xz'}]"
	ok_int(undo(XZ, NULL, NULL, &plain, &out, &f), BK_USAGE, "no command");
	ok(strstr(f.text, "--undo '.xz=") != NULL, "the remedy: %s", f.text);
	ok_int(undo(XZ, NULL, cat, &plain, &out, &f), 0, "a command");
	ok_text(bk_buf_text(&out), PLAIN, "its output");
	ok_int(undo(XZ, NULL, fails, &plain, &out, &f), BK_DATA, "one that fails");
	ok_int(undo(XZ, NULL, gone, &plain, &out, &f), BK_UNAVAILABLE,
	    "one that is not there");
	ok_int(undo("[{'filter':'pipe','ext':'rot'},{'filter':'pipe',"
	    "'ext':'xz'}]", NULL, tr, &plain, &out, &f), 0, "two commands");
	ok_text(bk_buf_text(&out), "xibu xbt evnqfe\n", "words are kept whole");
	ok_int(undo("[{'filter':'later'}]", NULL, cat, &plain, &out, &f),
	    BK_USAGE, "a filter of a later version wants a command too");
	ok_int(undo("[{'filter':'pipe','ext':'xz','command':'id'}]", NULL, NULL,
	    &plain, &out, &f), BK_USAGE, "a record's command is not run");
	ok_int(undo("[1]", NULL, NULL, &plain, &out, &f), BK_DATA, "no filter");
	ok_int(undo("{}", NULL, NULL, &plain, &out, &f), BK_DATA, "no list");
	bk_buf_release(&plain);
	bk_buf_release(&gz);
	bk_buf_release(&both);
	bk_buf_release(&out);
}

static void
test_words(void)
{
	static const struct {
		const char *text, *words;
	} t[] = {
		{ "xz -dc", "xz|-dc|" }, { "  a\tb \n", "a|b|" },
		{ "a 'b c' \"d e\"", "a|b c|d e|" }, { "a''b", "ab|" },
		{ "a ''", "a||" }, { "a\\ b", "a b|" },
		{ "\"a\\\"b\\\\c\\d\"", "a\"b\\c\\d|" }, { "'a\\'", "a\\|" },
		{ "$HOME *", "$HOME|*|" },
		{ "", NULL }, { "  ", NULL }, { "'a", NULL }, { "\"a", NULL },
		{ "a\\", NULL },
	};
	struct bk_words w;
	struct bk_fault f;
	char got[256];
	size_t i, k;

	for (i = 0; i < N(t); i++) {
		f = (struct bk_fault)BK_FAULT_INIT;
		if (bk_words_split(t[i].text, &w, &f) == -1) {
			ok(t[i].words == NULL && f.status == BK_USAGE,
			    "words %zu: %s", i, f.text);
			continue;
		}
		got[0] = '\0';
		for (k = 0; k < w.n; k++)
			(void)snprintf(got + strlen(got), sizeof(got) -
			    strlen(got), "%s|", w.v[k]);
		ok_text(got, t[i].words, "words");
		ok(w.v[w.n] == NULL, "ended by NULL");
		bk_words_release(&w);
	}
}

static void
test_check(void)
{
	static const char *const good[] = { ".xz=xz -dc", "xz=xz" };
	static const char *const bad[] = { "xz", ".xz=", "=xz", ".XZ=xz",
		".tar.xz=xz", "xz='", "aaaaaaaaaaaaaaaaa=x" };
	struct bk_fault f;
	size_t i;

	for (i = 0; i < N(good); i++) {
		f = (struct bk_fault)BK_FAULT_INIT;
		ok(bk_undo_check(good[i], &f) == 0, "%s", good[i]);
	}
	for (i = 0; i < N(bad); i++) {
		f = (struct bk_fault)BK_FAULT_INIT;
		ok(bk_undo_check(bad[i], &f) == -1 && f.status == BK_USAGE,
		    "%s", f.text);
	}
}

int
main(void)
{
	test_chain();
	test_words();
	test_check();
	return done();
}
