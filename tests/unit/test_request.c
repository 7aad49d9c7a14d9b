/* Requests: made, claimed once, answered once; stores that lie. */
#include <stdio.h>
#include <string.h>

#include "hooked.h"
#include "json.h"
#include "request.h"
#include "tap.h"

#define RUN "01M7ZH5GN7B9F6J0HZWGCP1BYG"
#define OLD "01ARZ3NDEKTSV4RRFFQ69G5FAV"

static const char *const jobs[] = { "app", "web", NULL };
static const char *const none[] = { "other", NULL };

static int
lies(struct bk_store *s, struct bk_store_facts *facts, struct bk_fault *f)
{
	(void)s;
	(void)f;
	facts->create_only = false;
	return 0;
}

static void
test_life(struct bk_store *s)
{
	static const char *const ids[] = { RUN, NULL };
	const struct bk_answer a = { BK_COMMITTED, 0, "well", ids };
	struct bk_request one = BK_REQUEST_INIT, two = BK_REQUEST_INIT,
	    got = BK_REQUEST_INIT;
	struct bk_fault f = BK_FAULT_INIT;
	json_t *o;

	ok_int(bk_request_make(&tap_ctx, s, "app", &one, &f), 0, "a request");
	ok_int(bk_request_make(&tap_ctx, s, "web", &two, &f), 0, "another");
	ok_int(bk_request_look(s, one.id, &o, &f), BK_REQUEST_OPEN, "open");
	ok(o == NULL, "and nothing to show");
	ok_int(bk_request_claim(&tap_ctx, s, none, RUN, &got, &f), BK_ABSENT,
	    "none for these jobs");
	ok_int(bk_request_claim(&tap_ctx, s, jobs, RUN, &got, &f), 0, "claimed");
	ok_text(got.id, one.id, "the oldest");
	ok_text(got.job, "app", "its job");
	bk_request_release(&got);
	ok_int(bk_request_look(s, one.id, &o, &f), BK_REQUEST_CLAIMED, "claimed");
	ok_text(bk_json_get_text(o, "run"), RUN, "by this run");
	json_decref(o);
	ok_int(bk_request_claim(&tap_ctx, s, jobs, RUN, &got, &f), 0, "the next");
	ok_text(got.id, two.id, "is the other one");
	bk_request_release(&got);
	ok_int(bk_request_claim(&tap_ctx, s, jobs, RUN, &got, &f), BK_ABSENT,
	    "and then none");
	ok_int(bk_request_answer(&tap_ctx, s, one.id, &a, &f), 0, "answered");
	ok_int(bk_request_look(s, one.id, &o, &f), BK_REQUEST_ANSWERED,
	    "it shows");
	ok_text(json_string_value(json_array_get(json_object_get(o, "ids"), 0)),
	    RUN, "the backup");
	ok_int(bk_json_get_int(o, "status"), 0, "the status");
	json_decref(o);
	ok_int(bk_request_answer(&tap_ctx, s, one.id, &a, &f), -1, "once");
	ok_int(f.status, BK_CANTCREATE, "its status");
	bk_request_release(&one);
	bk_request_release(&two);
}

static void
test_bad(struct bk_store *s)
{
	const struct bk_answer a = { BK_FAILED, 1, NULL, NULL };
	struct bk_request r = BK_REQUEST_INIT;
	struct bk_fault f = BK_FAULT_INIT;
	int n;

	ok_int(bk_request_make(&tap_ctx, s, "a/b", &r, &f), -1, "no name");
	ok_int(f.status, BK_USAGE, "is wrong usage");
	bk_fault_clear(&f);
	ok_int(bk_request_answer(&tap_ctx, s, RUN, &a, &f), -1, "no request");
	ok_int(f.status, BK_NOINPUT, "is not there");
	bk_fault_clear(&f);
	ok_int(bk_request_answer(&tap_ctx, s, "../x", &a, &f), -1, "no id");
	ok_int(f.status, BK_USAGE, "is wrong usage");
	bk_fault_clear(&f);

	hooked_put(s, ".bk/request/" OLD ".json", "{\"bk\":\"request/1\"}");
	hooked_put(s, ".bk/request/" OLD ".answer.json", "{}");
	hooked_put(s, ".bk/request/" RUN ".json", "none");
	hooked_put(s, ".bk/request/readme.txt", "not ours");
	n = hooked_count(s, ".bk/request/");
	ok_int(bk_request_claim(&tap_ctx, s, jobs, RUN, &r, &f), BK_ABSENT,
	    "what is no request is passed over");
	ok_int(hooked_count(s, ".bk/request/"), n - 2, "old ones are removed");
	ok(hooked_has(s, ".bk/request/readme.txt"), "foreign files are not");
}

static void
test_lies(struct bk_store *s)
{
	struct bk_request r = BK_REQUEST_INIT, got = BK_REQUEST_INIT;
	const struct bk_store_ops *honest = s->ops;
	struct bk_store_ops liar = *s->ops;
	struct bk_fault f = BK_FAULT_INIT;
	json_t *o;

	ok_int(bk_request_make(&tap_ctx, s, "app", &r, &f), 0, "a request");
	liar.facts = lies;
	s->ops = &liar;
	ok_int(bk_request_claim(&tap_ctx, s, jobs, RUN, &got, &f), -1,
	    "a store that lies: no claim");
	ok_int(f.status, BK_CONFIG, "its status");
	bk_fault_clear(&f);
	ok_int(bk_request_make(&tap_ctx, s, "app", &got, &f), -1, "no request");
	ok_int(f.status, BK_CONFIG, "its status");
	bk_fault_clear(&f);
	s->ops = honest;

	hooks.fail_put = ".bk/request/";
	ok_int(bk_request_claim(&tap_ctx, s, jobs, RUN, &got, &f), -1,
	    "a claim that fails is none");
	ok_int(f.status, BK_UNAVAILABLE, "its status");
	hooks.fail_put = NULL;
	bk_fault_clear(&f);
	ok_int(bk_request_look(s, r.id, &o, &f), BK_REQUEST_OPEN, "still open");
	bk_request_release(&r);
	bk_request_release(&got);
}

int
main(void)
{
	struct bk_store *s = hooked_open("requests");

	test_life(s);
	test_bad(s);
	test_lies(s);
	bk_store_close(s);
	return done();
}
