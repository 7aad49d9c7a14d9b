/* The XML walk and CRC-32C: known answers, and what is refused. */
#include <stdint.h>
#include <string.h>

#include "buf.h"
#include "crc32c.h"
#include "s3xml.h"
#include "tap.h"

static int
note(void *arg, const char *path, const char *text, struct bk_fault *f)
{
	struct bk_buf *b = arg;

	return bk_buf_addf(b, f, "%s=%s;", path, text);
}

static int
halt(void *arg, const char *path, const char *text, struct bk_fault *f)
{
	(void)path; (void)text;
	++*(int *)arg;
	return bk_fault_set(f, BK_DATA, "enough");
}

static void
refuses(const char *xml, const char *what)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_buf b = BK_BUF_INIT(65536);

	ok_int(bk_xml_walk(xml, strlen(xml), note, &b, &f), -1, what);
	ok_int(f.status, BK_UNAVAILABLE, f.text);
	bk_buf_release(&b);
}

static void
walks(void)
{
	static const char list[] = "<?xml version=\"1.0\"?>\n<x:L xmlns:x=\"u\">"
	    " <C><Key>a&amp;b&#x41;</Key><Size>3</Size></C>\n<T/></x:L>";
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_buf b = BK_BUF_INIT(65536);
	char out[8], deep[400] = "";
	int n = 0;

	ok_int(bk_xml_walk(list, strlen(list), note, &b, &f), 0, "walk");
	ok_text(bk_buf_text(&b), "L/C/Key=a&bA;L/C/Size=3;L/C=;L/T=;L=;",
	    "elements");
	ok_int(bk_xml_walk(list, strlen(list), halt, &n, &f), -1, "stopped");
	ok_int(n, 1, "at once");
	ok_int(f.status, BK_DATA, "by its own fault");
	bk_xml_text(list, strlen(list), "L/C/Size", out, sizeof(out));
	ok_text(out, "3", "one text");
	bk_xml_text("<a>123456789</a>", 16, "a", out, sizeof(out));
	ok_text(out, "1234567", "cut");
	bk_xml_text("<a>1", 4, "a", out, sizeof(out));
	ok_text(out, "", "bad XML has none");
	refuses("", "empty");
	refuses("<a><b></a>", "not nested");
	refuses("<a>", "cut");
	refuses("Service Unavailable", "text");
	refuses("<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>", "document type");
	for (int i = 0; i < 20; i++)
		memcpy(deep + 3 * i, "<a>", 4);
	refuses(deep, "too deep");
	bk_buf_reset(&b);
	ok_int(bk_xml_escape(&b, "a<b>&\"'c", &f), 0, "escape");
	ok_text(bk_buf_text(&b), "a&lt;b&gt;&amp;&quot;&#39;c", "escaped");
	bk_buf_release(&b);
}

/* Values of RFC 3720, appendix B.4. */
static void
sums(void)
{
	uint8_t p[32];
	uint32_t whole;

	memset(p, 0, sizeof(p));
	ok_int(bk_crc32c(0, p, 32), 0x8a9136aaU, "zeros");
	memset(p, 0xff, sizeof(p));
	ok_int(bk_crc32c(0, p, 32), 0x62a8ab43U, "ones");
	for (int i = 0; i < 32; i++)
		p[i] = (uint8_t)i;
	whole = bk_crc32c(0, p, 32);
	ok_int(whole, 0x46dd794eU, "rising");
	for (size_t i = 0; i <= 32; i++)
		ok(bk_crc32c(bk_crc32c(0, p, i), p + i, 32 - i) == whole,
		    "in two pieces: %zu", i);
	ok_int(bk_crc32c(0, "123456789", 9), 0xe3069283U, "check value");
	ok_int(bk_crc32c_plain(0, "123456789", 9), 0xe3069283U,
	    "check value without the instruction");
	ok_int(bk_crc32c_plain(0, p, 32), 0x46dd794eU, "rising likewise");
}

int
main(void)
{
	walks();
	sums();
	return done();
}
