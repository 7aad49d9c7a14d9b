/*
 * What the next program of a pipeline is told when this one was called
 * wrongly: otherwise it would see an empty input, and the status of the
 * pipeline would be its complaint about that instead of the first cause.
 */
#include <unistd.h>

#include "prog.h"
#include "record.h"
#include "stream.h"

void
bk_tell_stream(const char *name, const struct bk_fault *why)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_stream_out *out = bk_stream_writer(STDOUT_FILENO, &f);

	if (out != NULL)
		bk_stream_put_failed(out, name, why, NULL);
	bk_stream_out_free(out);
}

void
bk_tell_records(const char *name, const struct bk_fault *why)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_records_out *out = bk_records_writer(STDOUT_FILENO, &f);

	(void)name;
	if (out != NULL)
		(void)bk_records_end(out, why, 0, &f);
	bk_records_out_free(out);
}
