/*
 * The XML that S3, and Amazon's token service, answer with, by expat: a walk
 * over its elements.  Namespaces are ignored; a document type is refused, so
 * that no entity can be declared; depth and text are bounded.
 */
#ifndef BK_S3XML_H
#define BK_S3XML_H

#include <stddef.h>

#include "fault.h"

/*
 * Called at the end of each element: ${path} is its name and those above it,
 * "ListBucketResult/Contents/Key", ${text} its own text ("" where it has
 * elements in it only).  0, or -1 with ${f} set to stop.
 */
typedef int bk_xml_fn(void *arg, const char *path, const char *text,
    struct bk_fault *f);

/* Walk the ${n} bytes at ${p}.  0, or -1 with ${f} set: 69 for bad XML. */
int bk_xml_walk(const char *p, size_t n, bk_xml_fn *fn, void *arg,
    struct bk_fault *f);

/*
 * Text of the first element whose path is ${path}, cut to ${size}, into
 * ${out}; "" where there is none or the XML is bad.
 */
void bk_xml_text(const char *p, size_t n, const char *path, char *out,
    size_t size);

/* An XML text: append ${s} with '&', '<', '>' and quotes escaped. */
struct bk_buf;
int bk_xml_escape(struct bk_buf *b, const char *s, struct bk_fault *f);

#endif
