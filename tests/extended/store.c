/* store SERVER: the S3 driver on the server that tests/lab/SERVER starts. */
#include <stdio.h>

#include "s3suite.h"

int
main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: store SERVER\n");
		return 64;
	}
	return s3_suite(argv[1], 1100, 60);
}
