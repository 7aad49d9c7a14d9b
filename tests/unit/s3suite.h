/*
 * What is asked of the S3 driver on any server: the suite of all stores, and
 * what only S3 has.  A test of one more server calls this.
 */
#ifndef BK_S3SUITE_H
#define BK_S3SUITE_H

/* ${lab} is a script in tests/lab; keys as in struct conform. */
int s3_suite(const char *lab, unsigned int many, unsigned int doomed);

#endif
