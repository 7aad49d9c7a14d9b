/* What a run asks of the stores, by bk-list. */
#include <string.h>

#include "json.h"
#include "run.h"

int
bk_run_list(struct bk_runjob *j, const char *name, const char *url,
    const char *option, const char *value, struct bk_buf *out,
    struct bk_fault *f)
{
	struct bk_args a = BK_ARGS_INIT;
	struct bk_run *r = j->run;
	int rc = -1;

	if (bk_run_own(r, "bk-list", &a, f) == 0 &&
	    bk_args_add(&a, "--json", f) == 0 &&
	    bk_args_opt(&a, "--name", name, f) == 0 &&
	    bk_args_add(&a, option, f) == 0 &&
	    (value == NULL || bk_args_add(&a, value, f) == 0) &&
	    bk_args_add(&a, url, f) == 0)
		rc = bk_run_program(r, &a, NULL, NULL, out, j->deadline, f);
	bk_args_release(&a);
	return rc;
}

json_t *
bk_run_first_record(const struct bk_buf *out)
{
	struct bk_fault quiet = BK_FAULT_INIT;
	const char *nl = out->len > 0 ? memchr(out->p, '\n', out->len) : NULL;
	json_t *o = nl == NULL ? NULL : bk_json_parse(out->p,
	    (size_t)(nl - out->p), "record", &quiet);

	if (o != NULL && bk_json_get_text(o, "id") != NULL)
		return o;
	json_decref(o);
	return NULL;
}
