/*
 * One expat parser per document; the path of open elements is kept as text.
 */
#include "s3xml.h"

#include <expat.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "buf.h"

#define TEXT_MAX (64 * 1024)
#define PATH_MAX_BYTES 1024
#define DEPTH_MAX 16

struct walk {
	XML_Parser parser;
	struct bk_buf path, text;
	unsigned int depth;
	bk_xml_fn *fn;
	void *arg;
	struct bk_fault *f;
	bool stop;
};

static void
halt(struct walk *w)
{
	w->stop = true;
	(void)XML_StopParser(w->parser, XML_FALSE);
}

static void
on_start(void *arg, const char *name, const char **atts)
{
	struct walk *w = arg;
	const char *local = strrchr(name, ':');

	(void)atts;
	if (w->stop)
		return;
	bk_buf_reset(&w->text);
	if (++w->depth > DEPTH_MAX) {
		(void)bk_fault_set(w->f, BK_UNAVAILABLE, "XML nested too deep");
		halt(w);
	} else if ((w->path.len > 0 && bk_buf_adds(&w->path, "/", w->f) == -1) ||
	    bk_buf_adds(&w->path, local != NULL ? local + 1 : name, w->f) == -1) {
		halt(w);
	}
}

static void
on_end(void *arg, const char *name)
{
	struct walk *w = arg;
	char *slash;

	(void)name;
	if (w->stop)
		return;
	if (w->fn(w->arg, bk_buf_text(&w->path), bk_buf_text(&w->text),
	    w->f) == -1) {
		halt(w);
		return;
	}
	bk_buf_reset(&w->text);
	w->depth--;
	slash = strrchr(w->path.p, '/');
	w->path.len = slash != NULL ? (size_t)(slash - w->path.p) : 0;
	w->path.p[w->path.len] = '\0';
}

static void
on_text(void *arg, const char *s, int n)
{
	struct walk *w = arg;

	if (!w->stop && bk_buf_add(&w->text, s, (size_t)n, w->f) == -1)
		halt(w);
}

static void
on_doctype(void *arg, const char *name, const char *sys, const char *pub,
    int internal)
{
	struct walk *w = arg;

	(void)name;
	(void)sys;
	(void)pub;
	(void)internal;
	(void)bk_fault_set(w->f, BK_UNAVAILABLE, "XML with a document type");
	halt(w);
}

int
bk_xml_walk(const char *p, size_t n, bk_xml_fn *fn, void *arg,
    struct bk_fault *f)
{
	struct walk w = { .path = BK_BUF_INIT(PATH_MAX_BYTES),
	    .text = BK_BUF_INIT(TEXT_MAX), .fn = fn, .arg = arg, .f = f };
	int rc = -1;

	if (n > INT_MAX || (w.parser = XML_ParserCreate(NULL)) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory for XML");
	XML_SetUserData(w.parser, &w);
	XML_SetElementHandler(w.parser, on_start, on_end);
	XML_SetCharacterDataHandler(w.parser, on_text);
	XML_SetStartDoctypeDeclHandler(w.parser, on_doctype);
	if (XML_Parse(w.parser, p, (int)n, XML_TRUE) == XML_STATUS_OK &&
	    !w.stop)
		rc = 0;
	else
		(void)bk_fault_set(f, BK_UNAVAILABLE,
		    "the server's answer is not proper XML: %s",
		    XML_ErrorString(XML_GetErrorCode(w.parser)));
	XML_ParserFree(w.parser);
	bk_buf_release(&w.path);
	bk_buf_wipe(&w.text);
	return rc;
}

struct wanted {
	const char *path;
	char *out;
	size_t size;
	bool found;
};

static int
pick(void *arg, const char *path, const char *text, struct bk_fault *f)
{
	struct wanted *w = arg;
	size_t n;

	(void)f;
	if (w->found || strcmp(path, w->path) != 0)
		return 0;
	n = strnlen(text, w->size - 1);
	memcpy(w->out, text, n);
	w->out[n] = '\0';
	w->found = true;
	return 0;
}

void
bk_xml_text(const char *p, size_t n, const char *path, char *out, size_t size)
{
	struct wanted w = { path, out, size, false };
	struct bk_fault f = BK_FAULT_INIT;

	out[0] = '\0';
	(void)bk_xml_walk(p, n, pick, &w, &f);
}

int
bk_xml_escape(struct bk_buf *b, const char *s, struct bk_fault *f)
{
	static const char *const names[] = { "&amp;", "&lt;", "&gt;", "&quot;",
	    "&#39;" };
	static const char special[] = "&<>\"'";
	const char *at;
	size_t n;

	for (; *s != '\0'; s++) {
		n = strcspn(s, special);
		if (bk_buf_add(b, s, n, f) == -1)
			return -1;
		s += n;
		if (*s == '\0')
			break;
		at = strchr(special, *s);
		if (bk_buf_adds(b, names[at - special], f) == -1)
			return -1;
	}
	return 0;
}
