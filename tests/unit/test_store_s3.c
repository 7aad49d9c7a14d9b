/* The S3 driver on Swift's S3, which refuses much that Amazon takes. */
#include <stdlib.h>

#include "s3suite.h"

int
main(void)
{
	setenv("LAB_S3_PAGE", "50", 1);	/* keys of a listing: 1000 take a while */
	return s3_suite("s3", 120, 60);
}
