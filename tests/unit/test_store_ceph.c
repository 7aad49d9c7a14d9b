/* The S3 driver on Ceph's gateway: in CI, or where BK_TEST_CEPH is set. */
#include <stdlib.h>

#include "s3suite.h"
#include "tap.h"

int
main(void)
{
	if (getenv("CI") == NULL && getenv("BK_TEST_CEPH") == NULL) {
		tap_skip("Ceph runs in CI, or with BK_TEST_CEPH=1");
		return done();
	}
	return s3_suite("ceph", 2500, 1100);
}
