/*
 * Lists of records.  The key of what is accepted must lie below its name.
 */
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "query.h"
#include "record.h"

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_record rec = BK_RECORD_INIT;
	struct bk_records_in *in = NULL;
	struct bk_query *q;
	struct bk_rbuf *r;
	int fd = fuzz_fd(p, n), rc = -1;

	q = bk_query_parse("{name=~'a.*',tier!='x',engine!~'(a|b)+'}", &f);
	FUZZ_CHECK(q != NULL);
	if ((r = bk_rbuf_new(fd, "fuzz", &f)) != NULL && n > 0 &&
	    (in = bk_records_reader(r, p[0] == '\n' ? BK_RECORDS_ONE : 0,
	    &f)) != NULL)
		while ((rc = bk_records_next(in, &rec, &f)) == BK_MORE) {
			struct bk_fault late = BK_FAULT_INIT;

			if (bk_record_current(&rec, &late) == 0) {
				FUZZ_CHECK(strncmp(rec.key, rec.name,
				    strlen(rec.name)) == 0);
				FUZZ_CHECK(strstr(rec.key, "../") == NULL);
				FUZZ_CHECK(strlen(rec.sha256) == 64);
				(void)bk_query_match(q, &rec, &late);
			}
			bk_record_release(&rec);
		}
	FUZZ_CHECK(n == 0 || (rc == -1) == bk_faulty(&f));
	bk_record_release(&rec);
	bk_records_in_free(in);
	bk_rbuf_free(r);
	bk_query_free(q);
	(void)close(fd);
	return 0;
}
