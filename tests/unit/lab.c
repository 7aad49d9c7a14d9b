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

#define LABS 4

static char script[LABS][64], dir[LABS][4096];
static int running;
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
	while (getpid() == starter && running > 0) {
		const char *const argv[] = { script[running - 1], "stop",
		    dir[running - 1], NULL };

		running--;
		(void)lab_run(argv, "/dev/null");
	}
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
	const char *argv[] = { script[running], "start", dir[running], NULL };
	char out[4200], pid[16];
	FILE *in = NULL;
	int rc;

	if (!ok(running < LABS, "no more than %d servers", LABS))
		return false;
	starter = getpid();
	snprintf(pid, sizeof(pid), "%d", (int)starter);
	setenv("LAB_OWNER", pid, 1);
	snprintf(script[running], sizeof(script[0]), "tests/lab/%s", name);
	snprintf(dir[running], sizeof(dir[0]), "%s/%s%d", tap_dir(), name,
	    running);
	snprintf(out, sizeof(out), "%s/%s.env", tap_dir(), name);
	rc = lab_run(argv, out);
	if (rc == 3 || rc == 127) {
		tap_skip("no such server here");
		return false;
	}
	if (running++ == 0)
		atexit(stop);
	if (!ok(rc == 0 && (in = fopen(out, "re")) != NULL, "%s has started",
	    name))
		return false;
	read_env(in);
	fclose(in);
	return true;
}
