/*
 * What is read as it passes: tar, what PostgreSQL sends, completeness marks.  The
 * first byte says which.  The answer must not depend on where the bytes are
 * cut into pieces.
 */
#include "fuzz.h"
#include "marks.h"
#include "pgarchive.h"
#include "pgbase.h"
#include "pgbasefeed.h"
#include "tar.h"
#include "tarcheck.h"

static int
tar(const uint8_t *p, size_t n, size_t piece, struct bk_fault *f)
{
	struct bk_tar *t = bk_tar_new(NULL, NULL, f);
	int rc = 0;

	for (; rc == 0 && n > 0; p += piece, n -= piece)
		rc = bk_tar_write(t, p, piece = piece < n ? piece : n, f);
	rc = rc == 0 ? bk_tar_finish(t, f) : rc;
	bk_tar_free(t);
	return rc;
}

static int
tarcheck(const uint8_t *p, size_t n, size_t piece, struct bk_fault *f)
{
	struct bk_tarcheck *t = bk_tarcheck_new(f);
	int rc = 0;

	for (; rc == 0 && n > 0; p += piece, n -= piece)
		rc = bk_tarcheck_write(t, p, piece = piece < n ? piece : n, f);
	rc = rc == 0 ? bk_tarcheck_finish(t, f) : rc;
	bk_tarcheck_free(t);
	return rc;
}

static int
archive(const uint8_t *p, size_t n, size_t piece, struct bk_fault *f)
{
	struct bk_pgarchive *a = bk_pgarchive_new(NULL, NULL, f);
	int rc = 0;

	for (; rc == 0 && n > 0; p += piece, n -= piece)
		rc = bk_pgarchive_write(a, p, piece = piece < n ? piece : n, f);
	rc = rc == 0 ? bk_pgarchive_finish(a, f) : rc;
	bk_pgarchive_free(a);
	return rc;
}

static int
nowhere(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	(void)arg;
	(void)p;
	(void)n;
	(void)f;
	return 0;
}

/* An archive as PostgreSQL sends it for a tablespace. */
static int
feed(const uint8_t *p, size_t n, size_t piece, struct bk_fault *f)
{
	struct bk_pgbasefeed b = { .tar = bk_pgbasetar_new(nowhere, NULL, f),
		.fd = -1 };
	int rc = bk_pgbasefeed_archive(&b, "16384", f);

	for (; rc == 0 && n > 0; p += piece, n -= piece)
		rc = bk_pgbasefeed_data(&b, p, piece = piece < n ? piece : n, f);
	rc = rc == 0 ? bk_pgbasetar_end(b.tar, f) : rc;
	bk_pgbasetar_free(b.tar);
	return rc;
}

static int
marks(struct bk_marks *m, const uint8_t *p, size_t n, size_t piece,
    struct bk_fault *f)
{
	int rc = 0;

	for (; rc == 0 && n > 0; p += piece, n -= piece)
		rc = m->write(m, p, piece = piece < n ? piece : n, f);
	rc = rc == 0 ? m->finish(m, f) : rc;
	m->free(m);
	return rc;
}

static int
one(uint8_t kind, const uint8_t *p, size_t n, size_t piece)
{
	struct bk_fault f = BK_FAULT_INIT;
	int rc;

	switch (kind) {
	case 't': rc = tar(p, n, piece, &f); break;
	case 'T': rc = tarcheck(p, n, piece, &f); break;
	case 'a': rc = archive(p, n, piece, &f); break;
	case 'c': rc = marks(bk_marks_pg_custom(&f), p, n, piece, &f); break;
	case 'p': rc = marks(bk_marks_pg_plain(&f), p, n, piece, &f); break;
	case 'A': rc = marks(bk_marks_pg_all(&f), p, n, piece, &f); break;
	case 'B': rc = marks(bk_marks_pg_base(BK_PGSUM_CRC32C, &f), p, n,
	    piece, &f); break;
	case 'F': rc = feed(p, n, piece, &f); break;
	case 's': rc = marks(bk_marks_pg_sql(&f), p, n, piece, &f); break;
	case 'm': rc = marks(bk_marks_mysql(&f), p, n, piece, &f); break;
	case 'l': rc = marks(bk_marks_sqlite(&f), p, n, piece, &f); break;
	default: rc = marks(bk_marks_tar(&f), p, n, piece, &f); break;
	}
	FUZZ_CHECK((rc == -1) == bk_faulty(&f));
	return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	int whole;

	if (n == 0)
		return 0;
	whole = one(p[0], p + 1, n - 1, n);
	FUZZ_CHECK(one(p[0], p + 1, n - 1, 1) == whole);
	FUZZ_CHECK(one(p[0], p + 1, n - 1, 509) == whole);
	return 0;
}
