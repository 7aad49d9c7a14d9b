/*
 * Lists of records (DESIGN, 4).  The end line is what makes a list whole: a
 * reader acts on each record as it comes and learns at the end whether the
 * writer was content; the status it then exits with is the writer's.
 *
 * A reader of one record looks at the next line before it hands the record
 * out, so that a second one is refused before anything was done.
 */
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "record.h"

struct bk_records_in {
	struct bk_rbuf *r;
	unsigned int flags;
	uint64_t count;
	bool ended;			/* the end line or end of file was read */
	struct bk_fault why;		/* what the end says, kept for the call after */
};

struct bk_records_out {
	int fd;
	uint64_t count;
	struct bk_buf line;
};

struct bk_records_in *
bk_records_reader(struct bk_rbuf *r, unsigned int flags, struct bk_fault *f)
{
	struct bk_records_in *in;

	if ((in = calloc(1, sizeof(*in))) == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		return NULL;
	}
	in->r = r;
	in->flags = flags;
	return in;
}

void
bk_records_in_free(struct bk_records_in *in)
{
	free(in);
}

/* After the end line nothing may come. */
static int
nothing_behind(struct bk_records_in *in, struct bk_fault *f)
{
	const char *p;
	size_t n;

	switch (bk_rbuf_peek_line(in->r, &p, &n, f)) {
	case BK_END:
		return 0;
	case BK_MORE:
		return bk_fault_set(f, BK_DATA, "something comes after the end "
		    "line of the list");
	default:
		return -1;
	}
}

/* What the program before said of itself. */
static int
told(struct bk_fault *f)
{
	f->upstream = true;
	return -1;
}

/* The list ended with ${end}: BK_END, or -1 with what that means. */
static int
read_end(struct bk_records_in *in, const json_t *end, struct bk_fault *f)
{
	const char *how = bk_json_get_text(end, "end");
	int64_t n = bk_json_get_int(end, "records");
	int64_t status = bk_json_get_int(end, "status");

	in->ended = true;
	if (nothing_behind(in, f) == -1)
		return -1;
	if (how == NULL || n < 0 || (uint64_t)n != in->count)
		return bk_fault_set(f, BK_DATA, "the list's end line does not "
		    "count the %llu records that came",
		    (unsigned long long)in->count);
	if (strcmp(how, "failed") == 0) {
		(void)bk_fault_set(f, status >= 1 && status <= 127 ?
		    (int)status : BK_DATA, "the program that made the list "
		    "failed with status %lld", (long long)status);
		return told(f);
	}
	if (strcmp(how, "ok") != 0)
		return bk_fault_set(f, BK_DATA, "the list ends neither ok nor "
		    "failed");
	if (bk_json_get_int(end, "unreadable") > 0) {
		(void)bk_fault_set(f, BK_NO, "%lld manifests could not be read "
		    "when the list was made",
		    (long long)bk_json_get_int(end, "unreadable"));
		return told(f);
	}
	if (in->count == 0)
		return bk_fault_set(f, BK_NOINPUT, "the list holds no record");
	return BK_END;
}

/* End of file where a line was due. */
static int
cut(struct bk_records_in *in, struct bk_fault *f)
{
	in->ended = true;
	if (in->count > 0 && (in->flags &
	    (BK_RECORDS_NO_END | BK_RECORDS_ONE)) != 0)
		return BK_END;
	if (in->count == 0 && (in->flags &
	    (BK_RECORDS_NO_END | BK_RECORDS_ONE)) != 0)
		return bk_fault_set(f, BK_NOINPUT, "no record on the input");
	return bk_fault_set(f, BK_DATA, "the list of records has no end line: "
	    "what made it was cut off");
}

/* The next line as a record, or the end. */
static int
read_line(struct bk_records_in *in, struct bk_record *rec, struct bk_fault *f)
{
	const char *p;
	size_t n;
	json_t *json;
	int rc;

	if ((rc = bk_rbuf_line(in->r, &p, &n, f)) == -1)
		return -1;
	if (rc == BK_END)
		return cut(in, f);
	if ((json = bk_json_parse(p, n, "record", f)) == NULL)
		return -1;
	if (json_object_get(json, "end") != NULL) {
		rc = read_end(in, json, f);
		json_decref(json);
		return rc;
	}
	in->count++;
	if (bk_record_from(json, rec, f) == -1) {
		bk_fault_context(f, "record %llu",
		    (unsigned long long)in->count);
		return -1;
	}
	return BK_MORE;
}

/* One record: hand it out once it is known to be the only one. */
static int
next_one(struct bk_records_in *in, struct bk_record *rec, struct bk_fault *f)
{
	struct bk_record second = BK_RECORD_INIT;
	int rc;

	if ((rc = read_line(in, rec, f)) != BK_MORE)
		return rc;
	if (in->ended)
		return rc;
	in->ended = true;
	rc = read_line(in, &second, &in->why);
	bk_record_release(&second);
	if (rc == BK_END || (rc == -1 && in->why.upstream))
		return BK_MORE;
	bk_record_release(rec);
	if (rc == BK_MORE)
		return bk_fault_set(f, BK_USAGE, "more than one record on the "
		    "input: choose one, with bk-list --id or --latest");
	*f = in->why;
	return -1;
}

int
bk_records_next(struct bk_records_in *in, struct bk_record *rec,
    struct bk_fault *f)
{
	bk_record_release(rec);
	if (in->ended) {
		if (!bk_faulty(&in->why))
			return BK_END;
		if (!bk_faulty(f))
			*f = in->why;
		return -1;
	}
	if ((in->flags & BK_RECORDS_ONE) != 0)
		return next_one(in, rec, f);
	return read_line(in, rec, f);
}

struct bk_records_out *
bk_records_writer(int fd, struct bk_fault *f)
{
	struct bk_records_out *out;

	if ((out = calloc(1, sizeof(*out))) == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		return NULL;
	}
	out->fd = fd;
	out->line = (struct bk_buf)BK_BUF_INIT(BK_LINE_MAX);
	return out;
}

void
bk_records_out_free(struct bk_records_out *out)
{
	if (out != NULL)
		bk_buf_release(&out->line);
	free(out);
}

static int
put_line(struct bk_records_out *out, const json_t *o, struct bk_fault *f)
{
	bk_buf_reset(&out->line);
	if (bk_json_text(o, &out->line, f) == -1 ||
	    bk_buf_add(&out->line, "\n", 1, f) == -1)
		return -1;
	return bk_write_all(out->fd, out->line.p, out->line.len,
	    "standard output", f);
}

int
bk_records_put(struct bk_records_out *out, const struct bk_record *rec,
    struct bk_fault *f)
{
	if (put_line(out, rec->json, f) == -1)
		return -1;
	out->count++;
	return 0;
}

int
bk_records_end(struct bk_records_out *out, const struct bk_fault *why,
    uint64_t unreadable, struct bk_fault *f)
{
	int status = why != NULL ? why->status : 0;
	json_t *end = json_object();
	int rc = -1;

	if (bk_json_set_text(end, "end", status != 0 ? "failed" : "ok", f) == 0 &&
	    (status == 0 ||
	    bk_json_set(end, "status", json_integer(status), f) == 0) &&
	    bk_json_set(end, "records", json_integer((json_int_t)out->count),
	    f) == 0 &&
	    (unreadable == 0 || bk_json_set(end, "unreadable",
	    json_integer((json_int_t)unreadable), f) == 0))
		rc = put_line(out, end, f);
	json_decref(end);
	return rc;
}
