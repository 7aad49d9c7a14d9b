#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pipeline.h"
#include "tap.h"

static const char *const give[] = { "sh", "-c", "echo hello", NULL };
static const char *const upper[] = { "tr", "a-z", "A-Z", NULL };
static const char *const endless[] = { "yes", NULL };
static const char *const early[] = { "head", "-n", "1", NULL };
static const char *const no[] = { "sh", "-c", "cat >/dev/null; exit 69", NULL };
static const char *const bad[] = { "sh", "-c", "exit 3", NULL };
static const char *const killed[] = { "sh", "-c", "kill -9 $$", NULL };
static const char *const hang[] = { "sleep", "600", NULL };
static const char *const absent[] = { "no-such-program-here", NULL };

int
main(void)
{
	const struct {
		const char *const *stages[3];
		size_t n;
		int rc, status;
		const char *what, *text, *out;
	} cases[] = {
		{ { give, upper }, 2, 0, 0, "two good stages", "", "HELLO\n" },
		{ { give, upper, no }, 3, -1, 69, "the last fails", "sh exited 69", "" },
		{ { bad, upper }, 2, -1, 3, "the first fails", "sh exited 3", "" },
		{ { endless, early }, 2, -1, 65, "only SIGPIPE",
		    "yes was killed by signal 13", "y\n" },
		{ { endless, bad }, 2, -1, 3, "SIGPIPE is not to blame",
		    "sh exited 3", "" },
		{ { give, killed }, 2, -1, 65, "killed", "sh was killed by signal 9", "" },
		{ { give, absent }, 2, -1, 69, "not there", NULL, "" },
	};
	int status[3], fd;
	char got[64];
	struct bk_fault f;
	size_t i;
	int64_t t;

	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bk_fault_clear(&f);
		memset(got, 0, sizeof(got));
		fd = memfd_create("out", MFD_CLOEXEC);
		ok_int(bk_pipeline_run(&tap_ctx, cases[i].stages, cases[i].n, -1, fd,
		    0, status, &f), cases[i].rc, cases[i].what);
		ok_int(f.status, cases[i].status, "its status");
		if (cases[i].text != NULL)
			ok_text(f.text, cases[i].text, "its text");
		ok(pread(fd, got, sizeof(got) - 1, 0) >= 0, "read what came out");
		ok_text(got, cases[i].out, "what came out");
		close(fd);
	}
	bk_fault_clear(&f);
	t = tap_ctx.mono();
	{
		const char *const *const stages[] = { give, hang };

		ok_int(bk_pipeline_run(&tap_ctx, stages, 2, -1, -1, t + 100, NULL, &f),
		    -1, "one that hangs is stopped");
	}
	ok_text(f.text, "sleep: timeout", "named");
	ok(tap_ctx.mono() - t < 5000, "in time");
	bk_fault_clear(&f);
	t = tap_ctx.mono();
	{
		const char *const *const stages[] = { give, hang };
		struct bk_pipeline p = { .stages = stages, .n = 2, .in = -1,
			.out = -1 };
		int end[2];

		ok(pipe(end) == 0 && end[0] > 2, "a pipe");
		close(end[1]);
		p.stop = end[0];
		ok_int(bk_pipeline_exec(&tap_ctx, &p, &f), -1, "one that is stopped");
		close(end[0]);
	}
	ok(strstr(f.text, ": stopped") != NULL, "says so: %s", f.text);
	ok(tap_ctx.mono() - t < 5000, "at once");
	return done();
}
