/* The ledger: entries, torn lines, kills, a full disk, rotation, locks. */
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "ledger.h"
#include "tap.h"

#define RUN1 "01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define RUN2 "01BX5ZZKBKACTAV9WEVGEMMVRZ"

static char dir[512], path[520];

static int
add(const char *job, enum bk_ledger_event event, int64_t slot, const char *run,
    int64_t bytes)
{
	struct bk_ledger_entry e = { .event = event, .job = job, .slot = slot,
		.run = run, .bytes = bytes, .time = 1000000000000 + slot,
		.message = event == BK_LEDGER_FAILED ? "broken" : NULL,
		.status = event == BK_LEDGER_FAILED ? 69 : 0,
		.id = event == BK_LEDGER_COMMITTED ? RUN2 : NULL };
	struct bk_fault f = BK_FAULT_INIT;

	return bk_ledger_add(&tap_ctx, dir, &e, &f) == 0 ? 0 : f.status;
}

static struct bk_ledger_state *states;
static size_t nstates, torn;

static void
look(void)
{
	struct bk_fault f = BK_FAULT_INIT;

	free(states);
	states = NULL;
	nstates = 0;
	ok(bk_ledger_read(&tap_ctx, dir, &states, &nstates, &torn, &f) == 0,
	    "read: %s", f.text);
}

static void
tear(const char *text)
{
	FILE *fp = fopen(path, "ae");

	if (fp == NULL || fputs(text, fp) == EOF || fclose(fp) == EOF)
		abort();
}

static void
test_states(void)
{
	const struct bk_ledger_state *s;

	look();
	ok_int(nstates, 0, "no ledger yet");
	ok_int(add("b", BK_LEDGER_DUE, 60000, NULL, 0), 0, "due");
	ok_int(add("b", BK_LEDGER_STARTED, 60000, RUN1, 0), 0, "started");
	look();
	s = bk_ledger_find(states, nstates, "b");
	ok(s != NULL && s->open && s->slot == 60000 &&
	    s->slot_event == BK_LEDGER_STARTED, "an open run");
	ok_text(s->run, RUN1, "its run");
	ok_int(add("b", BK_LEDGER_SKIPPED, 120000, NULL, 0), 0, "skipped");
	look();
	s = bk_ledger_find(states, nstates, "b");
	ok(s->open && s->slot == 120000, "another slot's skip leaves it open");
	ok_int(add("b", BK_LEDGER_COMMITTED, 60000, RUN1, 77), 0, "committed");
	ok_int(add("a", BK_LEDGER_FAILED, 0, RUN2, 0), 0, "failed");
	look();
	ok_int(nstates, 2, "two jobs");
	ok_text(states[0].job, "a", "by name");
	ok_text(states[0].message, "broken", "reason");
	ok_int(states[0].status, 69, "status");
	s = bk_ledger_find(states, nstates, "b");
	ok(!s->open && s->bytes == 77 && s->nrecent == 1, "the outcome closes it");
	ok(s->slot_event == BK_LEDGER_SKIPPED, "of the newest slot");
	ok_int(torn, 0, "torn");
	ok_int(add("b", BK_LEDGER_DUE, 30000, NULL, 0), 0, "set back");
	look();
	ok_int(bk_ledger_find(states, nstates, "b")->slot, 30000,
	    "what comes due later counts, be it older");
	tear("{\"time\":\"2026-11-2");
	look();
	ok_int(torn, 1, "one torn line");
	ok_int(add("a", BK_LEDGER_COMMITTED, 0, RUN1, 5), 0, "after a torn line");
	look();
	ok_int(torn, 1, "which spoils no other");
	ok_int(bk_ledger_find(states, nstates, "a")->bytes, 5, "entry behind it");
}

static long
size(void)
{
	struct stat st;

	return stat(path, &st) == 0 ? (long)st.st_size : -1;
}

static void
test_full(void)
{
	long before = size();
	struct rlimit l = { (rlim_t)before + 20, RLIM_INFINITY }, was;

	(void)getrlimit(RLIMIT_FSIZE, &was);
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)setrlimit(RLIMIT_FSIZE, &l);
	ok_int(add("a", BK_LEDGER_FAILED, 0, RUN1, 0), BK_IO, "no room");
	(void)setrlimit(RLIMIT_FSIZE, &was);
	ok_int(size(), before, "the file is as it was");
	ok_int(add("a", BK_LEDGER_UNCHANGED, 0, RUN1, 0), 0, "with room again");
}

static void
test_kill(void)
{
	size_t had = torn;
	int i, k, st;
	pid_t p[3];

	for (i = 0; i < 10; i++) {
		for (k = 0; k < 3; k++)
			if ((p[k] = fork()) == 0)
				for (;;)
					if (add("k", BK_LEDGER_DUE, 0, NULL, 0) != 0)
						_exit(1);
		(void)poll(NULL, 0, 7 + i);
		for (k = 0; k < 3; k++)
			(void)kill(p[k], SIGKILL);
		for (k = 0; k < 3; k++) {
			(void)waitpid(p[k], &st, 0);
			ok(WIFSIGNALED(st), "killed, no fault before");
		}
		ok_int(add("z", BK_LEDGER_DUE, i, NULL, 0), 0, "goes on");
	}
	look();
	ok(torn <= had + 30, "%zu torn lines", torn);
	ok(bk_ledger_find(states, nstates, "z")->slot == 9, "all is there");
}

static void
test_rotate(void)
{
	struct bk_buf b = BK_BUF_INIT(BK_LEDGER_MAX + 4096);
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_ledger_state *was;
	size_t i, n;

	for (i = 0; i < 10; i++)
		(void)add("old", BK_LEDGER_COMMITTED, (int64_t)i, RUN1, 100 + (int64_t)i);
	(void)add("run", BK_LEDGER_STARTED, 5, RUN2, 0);
	while (b.len < BK_LEDGER_MAX)
		(void)bk_buf_adds(&b, "{\"time\":\"2026-11-21T10:00:00Z\",\"job\":\"x\","
		    "\"event\":\"due\",\"slot\":\"2026-11-21T10:00:00Z\"}\n", &f);
	tear(bk_buf_text(&b));
	bk_buf_release(&b);
	look();
	was = states;
	n = nstates;
	states = NULL;
	ok_int(add("x", BK_LEDGER_DUE, 0, NULL, 0), 0, "past the size");
	ok(size() < 20000, "rotated to %ld bytes", size());
	look();
	ok_int(nstates, n, "jobs");
	for (i = 0; i < n && i < nstates; i++) {
		if (strcmp(was[i].job, "x") == 0)
			continue;
		ok(memcmp(&was[i], &states[i], sizeof(was[i])) == 0,
		    "state of '%s' as before", was[i].job);
	}
	ok_int(bk_ledger_find(states, nstates, "old")->recent_bytes[7], 109,
	    "what is remembered");
	free(was);
}

static void
test_locks(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	int fd = bk_ledger_lock(&tap_ctx, dir, "job", "a", 0, -1, &f), st;
	pid_t p;

	ok(fd != -1, "a lock: %s", f.text);
	ok_int(bk_ledger_locked(&tap_ctx, dir, "job", "a", &f), 1, "is held");
	ok_int(bk_ledger_locked(&tap_ctx, dir, "job", "b", &f), 0, "another is not");
	ok(bk_ledger_lock(&tap_ctx, dir, "job", "a", tap_ctx.mono() + 30, -1, &f) == -1 &&
	    f.status == BK_BUSY, "not had twice");
	(void)close(fd);
	if ((p = fork()) == 0) {
		bk_fault_clear(&f);
		_exit(bk_ledger_lock(&tap_ctx, dir, "job", "a", 0, -1, &f) == -1);
	}
	(void)waitpid(p, &st, 0);
	ok(WIFEXITED(st) && WEXITSTATUS(st) == 0, "taken by another");
	ok_int(bk_ledger_locked(&tap_ctx, dir, "job", "a", &f), 0,
	    "freed by its death");
}

int
main(void)
{
	(void)snprintf(dir, sizeof(dir), "%s/deep/state", tap_dir());
	(void)snprintf(path, sizeof(path), "%s/ledger", dir);
	test_states();
	test_full();
	test_kill();
	test_rotate();
	test_locks();
	free(states);
	return done();
}
