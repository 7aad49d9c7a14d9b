/* What is remembered of jobs, and the digest of what they watch. */
#include <sys/stat.h>
#include <sys/wait.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "remember.h"
#include "tap.h"

static char state[512], path[600], other[600];

static void
put(const char *to, const char *text)
{
	FILE *fp = fopen(to, "we");

	if (fp == NULL || fputs(text, fp) == EOF || fclose(fp) == EOF)
		abort();
}

static void
test_age(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_due_age age;

	ok_int(bk_remember_age(state, "app", 5000000, &age, &f), 0, "none yet");
	ok(age.since == 5000000 && age.good == 0 && age.told == 0, "seen now");
	ok_int(bk_remember_age(state, "app", 9000000, &age, &f), 0, "again");
	ok_int(age.since, 5000000, "since the first time");
	age.good = 6000000;
	age.told = 19000000;
	ok_int(bk_remember_age_set(state, "app", &age, &f), 0, "set");
	ok_int(bk_remember_age(state, "app", 9000000, &age, &f), 0, "read");
	ok(age.good == 6000000 && age.told == 19000000, "as set: a little ahead");
	ok_int(bk_remember_age(state, "app", 6500000, &age, &f), 0, "set back");
	ok(age.good == 6000000 && age.told == 0, "the future does not count");
	ok_int(bk_remember_age(state, "app", 4000000, &age, &f), 0, "far back");
	ok(age.since == 4000000, "since now");
	ok_int(bk_remember_age(state, "more", 1000, &age, &f), 0, "another");
	ok_int(age.since, 1000, "has its own");
	(void)snprintf(path, sizeof(path), "%s/age/app.json", state);
	put(path, "{\"since\":");
	ok_int(bk_remember_age(state, "app", 8000000, &age, &f), 0, "spoilt");
	ok_int(age.since, 8000000, "is as none");
	ok(bk_remember_age("/dev/null/x", "app", 8000, &age, &f) == -1 &&
	    bk_faulty(&f) && age.since == 8000, "%s", f.text);
}

static void
test_watched(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	char dir[520];
	char *paths[] = { path, NULL }, *dirs[] = { dir, NULL };
	uint64_t a, b;

	(void)snprintf(path, sizeof(path), "%s/file", tap_dir());
	(void)snprintf(other, sizeof(other), "%s/new", tap_dir());
	ok(bk_remember_digest(paths) == 0, "not there");
	ok(bk_remember_digest(NULL) == 0, "nothing to watch");
	ok(bk_remember_watched(state, "app") == 0, "nothing remembered");
	put(path, "one");
	a = bk_remember_digest(paths);
	ok(a != 0 && a == bk_remember_digest(paths), "the same");
	put(path, "three");
	b = bk_remember_digest(paths);
	ok(b != a, "written");
	put(other, "three");
	ok(rename(other, path) == 0 && bk_remember_digest(paths) != b,
	    "replaced by what is as long");
	ok_int(bk_remember_watched_set(state, "app", b, &f), 0, "set");
	ok(bk_remember_watched(state, "app") == b, "read");

	(void)snprintf(dir, sizeof(dir), "%s/dir", tap_dir());
	(void)snprintf(path, sizeof(path), "%s/in", dir);
	(void)snprintf(other, sizeof(other), "%s/more", dir);
	if (mkdir(dir, 0700) == -1)
		abort();
	put(path, "x");
	a = bk_remember_digest(dirs);
	put(path, "xy");
	b = bk_remember_digest(dirs);
	ok(a != b, "a file in a directory");
	put(other, "");
	ok(bk_remember_digest(dirs) != b, "one more");
	ok(unlink(other) == 0 && unlink(path) == 0 &&
	    bk_remember_digest(dirs) != b, "one less");
	(void)rmdir(dir);
}

/* A look and the supervisor may note a job at one moment. */
static void
test_two_writers(void)
{
	struct bk_due_age age = { .since = 1000, .good = 2000, .told = 3000 };
	struct bk_fault f = BK_FAULT_INIT;
	int i, w, status, bad = 0;
	pid_t pid;

	for (w = 0; w < 2; w++)
		if ((pid = fork()) == 0) {
			for (i = 0; i < 100; i++)
				if (bk_remember_age_set(state, "two", &age, &f) == -1)
					_exit(1);
			_exit(0);
		}
	for (w = 0; w < 2; w++) {
		pid = wait(&status);
		bad += pid == -1 || status != 0;
	}
	ok_int(bad, 0, "neither fails for the other");
	ok_int(bk_remember_age(state, "two", 9000, &age, &f), 0, "read");
	ok(age.since == 1000 && age.good == 2000 && age.told == 3000, "whole");
}

int
main(void)
{
	(void)snprintf(state, sizeof(state), "%s/state", tap_dir());
	test_age();
	test_watched();
	test_two_writers();
	return done();
}
