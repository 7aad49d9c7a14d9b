/*
 * Answers of S3 servers.
 */
#include <string.h>

#include "fuzz.h"
#include "s3xml.h"

static int
element(void *arg, const char *path, const char *text, struct bk_fault *f)
{
	size_t *n = arg;

	(void)f;
	*n += strlen(path) + strlen(text);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct bk_fault f = BK_FAULT_INIT;
	char small[8];
	size_t seen = 0;
	int rc = bk_xml_walk((const char *)p, n, element, &seen, &f);

	FUZZ_CHECK((rc == -1) == bk_faulty(&f));
	bk_xml_text((const char *)p, n, "Error/Code", small, sizeof(small));
	FUZZ_CHECK(strlen(small) < sizeof(small));
	return 0;
}
