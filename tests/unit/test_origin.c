/*
 * Where a backup comes from: every kind of input, and what is refused before
 * anything of the payload is read.
 */
#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "origin.h"
#include "samples.h"
#include "streams.h"
#include "tap.h"

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static const struct bk_store_opts read_only = { .read_only = true };
static char url[400];
static int input = -1;		/* of the origin under test */

/* Open what ${text} holds: the status, the rest in ${o} and ${f}. */
static int
open_text(struct bk_origin *o, const char *text, bool streams, const char *at,
    struct bk_fault *f)
{
	struct bk_origin_req req = { .ctx = &tap_ctx, .store = &read_only,
		.streams = streams, .url = at };

	if (input != -1)
		(void)close(input);
	req.fd = input = mem_fd(text, strlen(text));
	bk_fault_clear(f);
	*o = (struct bk_origin)BK_ORIGIN_INIT;
	(void)bk_origin_open(o, &req, f);
	return f->status;
}

static int
collect(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	(void)f;
	strncat(arg, p, n);
	return 0;
}

/* A record whose payload "abc" stands in the store, as a line. */
static char *
stored(const char *store)
{
	json_t *j = sample("app", 1, "2026-11-21T10:00:00Z", 3, NULL);
	struct bk_record rec = BK_RECORD_INIT;
	struct bk_fault f = BK_FAULT_INIT;
	char path[600], *text, *line;
	size_t n;
	int fd;

	json_object_set_new(j, "sha256", json_string(ABC));
	if (store != NULL)
		json_object_set_new(j, "store", json_string(store));
	text = json_dumps(j, JSON_COMPACT);
	if (bk_record_from(j, &rec, &f) == -1)
		abort();
	snprintf(path, sizeof(path), "%s/store/app", tap_dir());
	(void)mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/store/%s", tap_dir(), rec.key);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd == -1 || write(fd, "abc", 3) != 3 || close(fd) == -1)
		abort();
	bk_record_release(&rec);
	n = strlen(text) + 2;
	if ((line = malloc(n)) == NULL)
		abort();
	snprintf(line, n, "%s\n", text);
	free(text);
	return line;
}

static void
test_refused(void)
{
	char *one = stored(NULL), *far = stored("file:///nowhere/at/all");
	char two[8192];
	const struct {
		const char *what, *text, *at;
		bool streams;
		int status;
	} cases[] = {
		{ "nothing, streams accepted", "", NULL, true, BK_DATA },
		{ "nothing", "", NULL, false, BK_NOINPUT },
		{ "no JSON", "raw\n", NULL, true, BK_DATA },
		{ "a record without a store", one, NULL, true, BK_USAGE },
		{ "a store that is not there", far, NULL, true, BK_NOINPUT },
		{ "a second record", two, url, true, BK_USAGE },
		{ "an empty list", "{\"end\":\"ok\",\"records\":0}\n", url, true,
		    BK_NOINPUT },
		{ "a failed list", "{\"end\":\"failed\",\"status\":77,\"records\":0}\n",
		    url, true, BK_NOPERM },
		{ "a stream where none is wanted", HEADER, url, false, BK_DATA },
	};
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_origin o;
	size_t i;

	snprintf(two, sizeof(two), "%s%s", one, one);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ok_int(open_text(&o, cases[i].text, cases[i].streams,
		    cases[i].at, &f), cases[i].status, cases[i].what);
		bk_origin_release(&o);
	}
	free(one);
	free(far);
}

static void
test_stream(void)
{
	static const char text[] = HEADER "{\"data\":3}\nabc{\"end\":\"ok\","
	    "\"stages\":[{\"stage\":\"fake\",\"bytes\":3,\"sha256\":\"" ABC "\"}],"
	    "\"info\":{}}";
	static const char bad[] = "{\"end\":\"failed\",\"status\":69,"
	    "\"stage\":\"x\",\"reason\":\"gone\"}";
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_origin o;
	char got[8] = "", *s;
	json_t *end;
	size_t n;

	s = with_crc(text, sizeof(text) - 1, &n);
	s = realloc(s, n + 1);
	s[n] = '\0';
	ok_int(open_text(&o, s, true, NULL, &f), 0, "a stream");
	ok_text(bk_json_get_text(o.header, "name"), "app", "its header");
	ok(bk_origin_read(&o, collect, got, &end, &f) == 0, "is read: %s", f.text);
	ok_text(got, "abc", "its payload");
	ok_text(bk_json_get_text(end, "end"), "ok", "its end line");
	ok(bk_origin_end(&o, &f) == 0, "has no list to ask");
	json_decref(end);
	bk_origin_release(&o);

	s[n - 3] ^= 1;
	got[0] = '\0';
	ok_int(open_text(&o, s, true, NULL, &f), 0, "a stream with a bad CRC");
	ok(bk_origin_read(&o, collect, got, &end, &f) == -1 &&
	    f.status == BK_DATA && end == NULL, "is refused at its end");
	bk_origin_release(&o);
	free(s);

	s = with_crc(bad, sizeof(bad) - 1, &n);
	s = realloc(s, n + 1);
	s[n] = '\0';
	ok_int(open_text(&o, s, true, NULL, &f), BK_UNAVAILABLE,
	    "a failed line in the header's place");
	ok(f.upstream, "whose stage has told why");
	bk_origin_release(&o);
	free(s);
}

static void
test_record(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_origin o;
	char *line = stored(url), list[8192], got[8] = "";
	json_t *end;

	snprintf(list, sizeof(list),
	    "%s{\"end\":\"failed\",\"status\":69,\"records\":1}\n", line);
	ok_int(open_text(&o, list, true, NULL, &f), 0,
	    "the record of a list that failed behind it");
	ok_text(bk_json_get_text(o.header, "name"), "app", "makes a header");
	ok(bk_origin_read(&o, collect, got, &end, &f) == 0, "is fetched: %s",
	    f.text);
	ok_text(got, "abc", "its payload");
	json_decref(end);
	ok(bk_origin_end(&o, &f) == -1 && f.status == BK_UNAVAILABLE,
	    "and the list's status comes last");
	bk_origin_release(&o);
	bk_origin_release(&o);
	ok(true, "released twice");
	free(line);
}

int
main(void)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/store", tap_dir());
	snprintf(url, sizeof(url), "file://%s", path);
	if (mkdir(path, 0700) == -1)
		return 1;
	test_refused();
	test_stream();
	test_record();
	return done();
}
