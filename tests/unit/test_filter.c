#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "filter.h"
#include "streams.h"
#include "tap.h"

/* SHA-256 of "hello", from sha256sum; passed on as it is. */
#define SHA_HELLO \
	"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

#define SOURCE "{\"stage\":\"fake\",\"bytes\":5,\"sha256\":\"" SHA_HELLO "\"}"
#define TAIL ",\"info\":{},\"later\":[1]"
#define OK_END(stages) "{\"end\":\"ok\",\"stages\":[" stages "]" TAIL "}"
#define TWICE "{\"filter\":\"twice\"}"

/* "twice": each byte twice; undone by dropping every second one. */
struct twice {
	bk_sink_fn *sink;
	void *arg;
	bool undo;
	size_t at;
};

static int live;

static int
twice_write(void *t, const void *p, size_t n, struct bk_fault *f)
{
	struct twice *w = t;
	const char *s = p;
	char two[2];
	size_t i;

	for (i = 0; i < n; i++) {
		two[0] = two[1] = s[i];
		if (s[i] == '!')
			return bk_fault_set(f, BK_DATA, "no '!' please");
		if (!w->undo || w->at++ % 2 == 0)
			if (w->sink(w->arg, two, w->undo ? 1 : 2, f) == -1)
				return -1;
	}
	return 0;
}

static int
twice_finish(void *t, struct bk_fault *f)
{
	struct twice *w = t;

	return w->at % 2 == 0 ? 0 : bk_fault_set(f, BK_DATA, "odd");
}

static void
twice_free(void *t)
{
	free(t);
	live--;
}

static const struct bk_transform_ops twice_ops = { twice_write, twice_finish,
	twice_free };

static int
twice_open(void *arg, const json_t *filter, bk_sink_fn *sink, void *sinkarg,
    const struct bk_transform_ops **ops, void **t, struct bk_fault *f)
{
	const char *name = json_string_value(json_object_get(filter, "filter"));
	struct twice *w;

	(void)arg;
	if (filter != NULL && strcmp(name, "twice") != 0)
		return bk_fault_set(f, BK_DATA, "the last filter is '%s'", name);
	if ((w = calloc(1, sizeof(*w))) == NULL)
		abort();
	w->sink = sink;
	w->arg = sinkarg;
	w->undo = filter != NULL;
	*ops = &twice_ops;
	*t = w;
	live++;
	return 0;
}

/* Run the filter over the text; the stream that it wrote, by malloc. */
static char *
filtered(const char *text, size_t n, bool undo, size_t *len, struct bk_fault *f)
{
	json_t *add = undo ? NULL : json_loads(TWICE, 0, NULL);
	struct bk_filter fl = { "twice", add, twice_open, NULL };
	struct bk_stream_out *out;
	struct bk_stream_in *in;
	struct bk_rbuf *rb;
	int fd = mem_fd(text, n), to = memfd_create("out", MFD_CLOEXEC);
	int rc;

	bk_fault_clear(f);
	if ((rb = bk_rbuf_new(fd, "test", f)) == NULL ||
	    (in = bk_stream_reader(rb, f)) == NULL ||
	    (out = bk_stream_writer(to, f)) == NULL)
		abort();
	rc = bk_filter_run(&fl, in, out, f);
	ok_int(rc, bk_faulty(f) ? -1 : 0, "answer");
	bk_stream_out_free(out);
	bk_stream_in_free(in);
	bk_rbuf_free(rb);
	json_decref(add);
	close(fd);
	ok_int(live, 0, "transformation freed");
	return mem_take(to, len);
}

struct case_ {
	const char *what, *in, *out;	/* without CRC */
	bool undo;
	int status;
};

/* Where ${out} is NULL only the status counts, and the output must be bad. */
static const struct case_ cases[] = {
	{ "add", HEADER "{\"data\":5}\nhello" OK_END(SOURCE),
	  HEADER_F("[" TWICE "]") "{\"data\":10}\nhheelllloo"
	  OK_END(SOURCE ",{\"stage\":\"twice\",\"bytes\":10}"), false, 0 },
	{ "add to another", HEADER_F("[{\"filter\":\"x\",\"later\":1}]")
	  "{\"data\":2}\nhe" OK_END(SOURCE ",{\"stage\":\"x\",\"bytes\":2}"),
	  HEADER_F("[{\"filter\":\"x\",\"later\":1}," TWICE "]") "{\"data\":4}\nhhee"
	  OK_END(SOURCE ",{\"stage\":\"x\",\"bytes\":2},{\"stage\":\"twice\",\"bytes\":4}"),
	  false, 0 },
	{ "undo", HEADER_F("[" TWICE "]") "{\"data\":10}\nhheelllloo"
	  OK_END(SOURCE ",{\"stage\":\"twice\",\"bytes\":10}"),
	  HEADER "{\"data\":5}\nhello" OK_END(SOURCE), true, 0 },
	{ "undo one of two", HEADER_F("[{\"filter\":\"x\"}," TWICE "]")
	  "{\"data\":4}\nhhee" OK_END(SOURCE
	  ",{\"stage\":\"x\",\"bytes\":2},{\"stage\":\"twice\",\"bytes\":4}"),
	  HEADER_F("[{\"filter\":\"x\"}]") "{\"data\":2}\nhe"
	  OK_END(SOURCE ",{\"stage\":\"x\",\"bytes\":2}"), true, 0 },
	{ "pass a failed line on", "{\"end\":\"failed\",\"status\":77,\"later\":{}}",
	  "{\"end\":\"failed\",\"status\":77,\"later\":{}}", false, 77 },
	{ "pass one on behind a header", HEADER "{\"data\":5}\nhello"
	  "{\"end\":\"failed\",\"status\":200,\"stage\":\"s\",\"reason\":\"r\"}",
	  HEADER_F("[" TWICE "]")
	  "{\"end\":\"failed\",\"status\":200,\"stage\":\"s\",\"reason\":\"r\"}",
	  false, 65 },
	{ "the transformation fails", HEADER "{\"data\":5}\nhe!lo" OK_END(SOURCE),
	  HEADER_F("[" TWICE "]") "{\"end\":\"failed\",\"status\":65,"
	  "\"stage\":\"twice\",\"reason\":\"no '!' please\"}", false, 65 },
	{ "its end fails", HEADER_F("[" TWICE "]") "{\"data\":9}\nhheellllo"
	  OK_END(SOURCE ",{\"stage\":\"twice\",\"bytes\":9}"),
	  HEADER "{\"end\":\"failed\",\"status\":65,\"stage\":\"twice\","
	  "\"reason\":\"odd\"}", true, 65 },
	{ "undo nothing", HEADER "{\"data\":5}\nhello" OK_END(SOURCE),
	  "{\"end\":\"failed\",\"status\":65,\"stage\":\"twice\","
	  "\"reason\":\"nothing to undo: the stream names no filter\"}", true, 65 },
	{ "undo another kind", HEADER_F("[" TWICE ",{\"filter\":\"x\"}]")
	  OK_END(SOURCE), "{\"end\":\"failed\",\"status\":65,\"stage\":\"twice\","
	  "\"reason\":\"the last filter is 'x'\"}", true, 65 },
	{ "bytes of the source", HEADER_F("[" TWICE "]") "{\"data\":8}\nhheellll"
	  OK_END(SOURCE ",{\"stage\":\"twice\",\"bytes\":8}"), NULL, true, 65 },
	{ "count of the filter", HEADER_F("[" TWICE "]") "{\"data\":10}\nhheelllloo"
	  OK_END(SOURCE ",{\"stage\":\"twice\",\"bytes\":9}"), NULL, true, 65 },
	{ "a source without SHA-256", HEADER_F("[" TWICE "]") "{\"data\":2}\nhh"
	  OK_END("{\"stage\":\"fake\",\"bytes\":1},{\"stage\":\"twice\",\"bytes\":2}"),
	  NULL, true, 65 },
	{ "a filter without stage", HEADER_F("[" TWICE "]") "{\"data\":10}\nhheelllloo"
	  OK_END("{\"stage\":\"fake\",\"bytes\":10}"), NULL, true, 65 },
	{ "a stage too many", HEADER_F("[" TWICE "]") "{\"data\":10}\nhheelllloo"
	  OK_END(SOURCE "," SOURCE ",{\"stage\":\"twice\",\"bytes\":10}"),
	  NULL, true, 65 },
	{ "no end line", HEADER "{\"data\":5}\nhelloX{}", NULL, false, 65 },
};

static void
run_case(const struct case_ *c)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct read_all r;
	char *in, *out, *want;
	size_t n, len, m;

	in = with_crc(c->in, strlen(c->in), &n);
	out = filtered(in, n, c->undo, &len, &f);
	ok_int(f.status, c->status, c->what);
	if (c->out != NULL) {
		want = with_crc(c->out, strlen(c->out), &m);
		ok_text(out, want, c->what);
		free(want);
	}
	read_all(out, len, &r);
	ok_int(r.f.status, c->status, "the next stage says the same");
	ok(c->status == 0 || r.f.upstream, "%s: told as a failed line: %s",
	    c->what, f.text);
	read_all_release(&r);
	free(in);
	free(out);
}

/* Whatever is cut off the input, the output is never good. */
static void
cut_anywhere(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct read_all r;
	size_t i, n, len, bad = 0;
	char *in = with_crc(cases[0].in, strlen(cases[0].in), &n), *out;

	for (i = 0; i < n; i += 7) {
		out = filtered(in, i, false, &len, &f);
		read_all(out, len, &r);
		bad += f.status != BK_DATA || r.f.status != BK_DATA;
		read_all_release(&r);
		free(out);
	}
	ok_int(bad, 0, "a cut input never gives a good output");
	free(in);
}

static void
output_full(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	json_t *add = json_loads(TWICE, 0, NULL);
	struct bk_filter fl = { "twice", add, twice_open, NULL };
	struct bk_stream_out *out;
	struct bk_stream_in *in;
	struct bk_rbuf *rb;
	size_t n;
	char *s = with_crc(cases[0].in, strlen(cases[0].in), &n);
	int fd = mem_fd(s, n), to = open("/dev/full", O_WRONLY | O_CLOEXEC);

	rb = bk_rbuf_new(fd, "test", &f);
	in = bk_stream_reader(rb, &f);
	out = bk_stream_writer(to, &f);
	ok_int(bk_filter_run(&fl, in, out, &f), -1, "output is full");
	ok_int(f.status, BK_IO, "74");
	bk_stream_out_free(out);
	bk_stream_in_free(in);
	bk_rbuf_free(rb);
	json_decref(add);
	close(fd);
	close(to);
	free(s);
}

int
main(void)
{
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		run_case(&cases[i]);
	cut_anywhere();
	output_full();
	return done();
}
