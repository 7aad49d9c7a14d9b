/* Lines are NAME='value'; export NAME, as the lab's scripts print them. */
#include "lab.h"

#include <sys/wait.h>

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tap.h"

extern char **environ;

static char script[64], dir[4096];
static pid_t starter;

int
lab_run(const char *const *argv, const char *out)
{
	posix_spawn_file_actions_t fa;
	int status = -1;
	pid_t pid;

	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, 1, out,
	    O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (posix_spawnp(&pid, argv[0], &fa, NULL, (char *const *)(uintptr_t)argv,
	    environ) != 0 || waitpid(pid, &status, 0) != pid)
		status = -1;
	posix_spawn_file_actions_destroy(&fa);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
stop(void)
{
	const char *const argv[] = { script, "stop", dir, NULL };

	if (getpid() == starter)
		(void)lab_run(argv, "/dev/null");
}

static void
read_env(FILE *in)
{
	char line[4096], *eq, *end;

	while (fgets(line, sizeof(line), in) != NULL) {
		if ((eq = strchr(line, '=')) == NULL ||
		    (end = strstr(eq, "; export")) == NULL)
			continue;
		*eq++ = *end = '\0';
		if (*eq == '\'' && end > eq + 1) {
			eq++;
			end[-1] = '\0';
		}
		setenv(line, eq, 1);
	}
}

bool
lab_start(const char *name)
{
	const char *argv[] = { script, "start", dir, NULL };
	char out[4200], pid[16];
	FILE *in;
	int rc;

	starter = getpid();
	snprintf(pid, sizeof(pid), "%d", (int)starter);
	setenv("LAB_OWNER", pid, 1);
	snprintf(script, sizeof(script), "tests/lab/%s", name);
	snprintf(dir, sizeof(dir), "%s/%s", tap_dir(), name);
	snprintf(out, sizeof(out), "%s/%s.env", tap_dir(), name);
	rc = lab_run(argv, out);
	if (rc == 3 || rc == 127) {
		tap_skip("no such server here");
		return false;
	}
	atexit(stop);
	if (!ok(rc == 0 && (in = fopen(out, "re")) != NULL, "%s has started",
	    name))
		return false;
	read_env(in);
	fclose(in);
	return true;
}
