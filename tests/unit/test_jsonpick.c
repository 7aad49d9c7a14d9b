/* What is picked out of a text is what parsing it gives, or it is left. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brief.h"
#include "json.h"
#include "jsonpick.h"
#include "samples.h"
#include "tap.h"

static void
test_pick(void)
{
	static const char *const keys[] = { "a", "b" };
	static const struct {
		const char *text;
		int rc;
		char a, b;
	} t[] = {
		{ "{}", 0, 0, 0 },
		{ " { \"a\" : 1 , \"b\" : \"x\" } \n", 0, '0', '"' },
		{ "{\"b\":null,\"c\":{\"a\":[1,{\"b\":2}]},\"a\":true}", 0, 't', 'n' },
		{ "{\"a\":[],\"b\":{}}", 0, '[', '{' },
		{ "{\"a\":\"}]\",\"b\":false}", 0, '"', 'f' },
		{ "{\"a\":1,\"a\":2}", -1, 0, 0 },
		{ "{\"a\":1,}", -1, 0, 0 },
		{ "{,\"a\":1}", -1, 0, 0 },
		{ "{\"a\" 1}", -1, 0, 0 },
		{ "{\"a\":}", -1, 0, 0 },
		{ "{\"a\":tru}", -1, 0, 0 },
		{ "{\"a\":1}x", -1, 0, 0 },
		{ "{\"a\":1", -1, 0, 0 },
		{ "{\"a\":[1}", -1, 0, 0 },
		{ "{\"a\":\"x", -1, 0, 0 },
		{ "{\"a\":\"\\n\"}", -1, 0, 0 },
		{ "{\"a\":\"\xc3\xa4\"}", -1, 0, 0 },
		{ "{\"a\":\"\t\"}", -1, 0, 0 },
		{ "[1]", -1, 0, 0 },
		{ "", -1, 0, 0 },
		{ "{\"c\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}",
		    -1, 0, 0 }
	};
	struct bk_json_part v[2];
	size_t i, n;
	char *exact;
	int rc;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		n = strlen(t[i].text);
		/* Its size to the byte, for the sanitizer. */
		exact = malloc(n + 1);
		memcpy(exact, t[i].text, n);
		exact = realloc(exact, n > 0 ? n : 1);
		rc = bk_json_pick(exact, n, keys, 2, v);
		ok(rc == t[i].rc && (rc == -1 || (v[0].kind == t[i].a &&
		    v[1].kind == t[i].b)), "%s", t[i].text);
		free(exact);
	}
}

static void
test_parts(void)
{
	static const char *const keys[] = { "n", "l", "t" };
	const char *text = "{\"n\":123456789012345678,\"l\":[1, \"x\"],\"t\":\"abc\"}";
	struct bk_json_part v[3], e;
	const char *at;
	char out[4];

	ok_int(bk_json_pick(text, strlen(text), keys, 3, v), 0, "picked");
	ok(bk_json_part_int(&v[0]) == INT64_C(123456789012345678), "number");
	ok_int(bk_json_part_int(&v[2]), -1, "no number");
	at = v[1].p;
	ok_int(bk_json_pick_next(&at, v[1].p + v[1].n, &e), 1, "first");
	ok_int(bk_json_part_int(&e), 1, "it");
	ok_int(bk_json_pick_next(&at, v[1].p + v[1].n, &e), 1, "second");
	ok(bk_json_part_is(&e, "x") && !bk_json_part_is(&e, "xx"), "it");
	ok_int(bk_json_pick_next(&at, v[1].p + v[1].n, &e), 0, "end");
	ok(bk_json_part_text(&v[2], out, 4) && strcmp(out, "abc") == 0, "text");
	ok(!bk_json_part_text(&v[2], out, 3), "too long");
	text = "{\"n\":1234567890123456789,\"l\":[1,]}";
	ok_int(bk_json_pick(text, strlen(text), keys, 3, v), 0, "picked");
	ok_int(bk_json_part_int(&v[0]), -1, "too large");
	at = v[1].p;
	ok_int(bk_json_pick_next(&at, v[1].p + v[1].n, &e), 1, "first");
	ok_int(bk_json_pick_next(&at, v[1].p + v[1].n, &e), -1, "a comma");
}

/* A line of a snapshot for ${rec}. */
static char *
line_of(json_t *rec)
{
	json_t *o = json_pack("{s:[s], s:O}", "notes", sample_id(51), "record",
	    rec);
	char *text = json_dumps(o, JSON_COMPACT);

	json_decref(o);
	return text;
}

/* Does the brief of ${n} bytes of ${line} say what the record in it does? */
static bool
agrees(const char *line, size_t n, int *picked)
{
	struct bk_record rec = BK_RECORD_INIT;
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_json_part notes;
	struct bk_brief b, full;
	json_t *o;
	bool same = true;

	if ((*picked = bk_brief_pick(line, n, &b, &notes)) == -1)
		return true;
	o = bk_json_parse(line, n, "line", &f);
	if (o != NULL && bk_record_from(json_incref(json_object_get(o,
	    "record")), &rec, &f) == 0) {
		bk_brief_of(&rec, &full);
		same = strcmp(b.id, full.id) == 0 &&
		    strcmp(b.name, full.name) == 0 &&
		    strcmp(b.key, full.key) == 0 &&
		    strcmp(b.parent, full.parent) == 0 && b.time == full.time &&
		    b.bytes == full.bytes && b.stored == full.stored &&
		    b.flags == full.flags && notes.kind == '[';
	}
	bk_record_release(&rec);
	json_decref(o);
	return same;
}

static void
test_brief(void)
{
	static const struct {
		const char *change;	/* ' for " */
		int picked;
	} t[] = {
		{ "{}", 0 },
		{ "{'suspect':'small'}", 0 },
		{ "{'good':true,'hold':'x'}", 0 },
		{ "{'good':false,'hold':null,'suspect':null}", 0 },
		{ "{'info':{'proof':'none'}}", 0 },
		{ "{'info':{'proof':'exit','log':'a\\nb'}}", -1 },
		{ "{'stages':[]}", 0 },
		{ "{'stages':[{'stage':'a','bytes':77},{'stage':'b','bytes':5}]}", 0 },
		{ "{'stages':[{'stage':'a'}]}", -1 },
		{ "{'parent':'01KDVGK7000000000000000009'}", 0 },
		{ "{'parent':'no'}", -1 },
		{ "{'bytes':12345678901}", 0 },
		{ "{'bytes':-1}", -1 },
		{ "{'bk':'backup/2'}", -1 },
		{ "{'tags':{'a':'\xc3\xa4'}}", -1 },
		{ "{'time':'2026-01-01T10:00:01Z'}", -1 },
		{ "{'key':'app/other'}", -1 },
		{ "{'name':'other'}", -1 },
		{ "{'source':[]}", -1 }
	};
	json_t *rec, *change;
	size_t i, n;
	int picked;
	char *line;
	bool same;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		rec = sample("app", 1, "2026-01-01T10:00:00Z", 5, NULL);
		change = quoted(t[i].change);
		json_object_update(rec, change);
		line = line_of(rec);
		n = strlen(line);
		same = agrees(line, n, &picked);
		ok(same && picked == t[i].picked, "%s", t[i].change);
		free(line);
		json_decref(change);
		json_decref(rec);
	}
}

/* A line that somebody has been at: never another answer than parsing has. */
static void
test_damage(void)
{
	static const char bytes[] = "{}[]\",:\\ 0123456789abtrue\n-.";
	json_t *rec = sample("app", 1, "2026-01-01T10:00:00Z", 5, NULL);
	char *line = line_of(rec), *cut;
	size_t n = strlen(line), i, at;
	unsigned int seed = 20261121, left = 0;
	bool same = true;
	int picked;

	for (i = 0; i < 200000 && same; i++) {
		cut = malloc(n);
		memcpy(cut, line, n);
		seed = seed * 1103515245 + 12345;
		at = seed / 65536 % n;
		seed = seed * 1103515245 + 12345;
		cut[at] = bytes[seed / 65536 % (sizeof(bytes) - 1)];
		seed = seed * 1103515245 + 12345;
		same = agrees(cut, seed % 8 == 0 ? seed / 65536 % n : n, &picked);
		left += picked == -1;
		free(cut);
	}
	ok(same && left > 1000 && left < 199000, "%zu damaged lines, %u left to "
	    "the parser", i, left);
	free(line);
	json_decref(rec);
}

int
main(void)
{
	test_pick();
	test_parts();
	test_brief();
	test_damage();
	return done();
}
