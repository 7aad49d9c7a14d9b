#include <string.h>

#include "optargs.h"
#include "names.h"
#include "prog.h"
#include "ulid.h"
#include "when.h"

void
bk_arg_options(bk_arg_fn *take, void *args)
{
	struct bk_fault f = BK_FAULT_INIT;
	const char *arg;
	int key;

	while ((key = bk_opt_next(&arg)) != -1) {
		take(args, key, arg, &f);
		if (bk_faulty(&f))
			bk_usage_fault(&f);
	}
}

const char *
bk_arg_id(const char *option, const char *arg)
{
	if (strlen(arg) != BK_ULID_LEN || !bk_ulid_ok(arg))
		bk_usage("--%s '%.40s': want the %d characters of an id", option,
		    arg, BK_ULID_LEN);
	return arg;
}

const char *
bk_arg_name(const char *option, const char *arg)
{
	if (!bk_name_ok(arg))
		bk_usage("--%s '%s': want letters, digits, '.', '_' and '-', "
		    "first a letter or digit, 1 to %d bytes", option, arg,
		    BK_NAME_MAX);
	return arg;
}

const char *
bk_arg_engine(const char *option, const char *arg)
{
	if (!bk_engine_ok(arg))
		bk_usage("--%s '%s': want a-z, digits and '-', first a letter, "
		    "1 to %d bytes", option, arg, BK_ENGINE_MAX);
	return arg;
}

const char *
bk_arg_ext(const char *option, const char *arg)
{
	arg += *arg == '.';
	if (!bk_ext_ok(arg))
		bk_usage("--%s '%s': want a-z and digits, 1 to %d bytes", option,
		    arg, BK_EXT_MAX);
	return arg;
}

uint64_t
bk_arg_bytes(const char *option, const char *arg, uint64_t min)
{
	struct bk_fault f = BK_FAULT_INIT;
	unsigned long long n;

	if (bk_bytes_parse(arg, &n, &f) == -1)
		bk_usage_fault(&f);
	if (n < min)
		bk_usage("--%s '%s': want at least %llu bytes", option, arg,
		    (unsigned long long)min);
	return n;
}

int64_t
bk_arg_duration(const char *option, const char *arg)
{
	struct bk_fault f = BK_FAULT_INIT;
	int64_t ms;

	if (bk_duration_parse(arg, &ms, &f) == -1)
		bk_usage_fault(&f);
	if (ms < 1000)
		bk_usage("--%s '%s': want at least 1s", option, arg);
	return ms;
}

int64_t
bk_arg_wait(const char *arg)
{
	struct bk_fault f = BK_FAULT_INIT;
	long long n;

	if (arg == NULL)
		return 0;
	if (*arg == '\0' || arg[strspn(arg, "0123456789")] != '\0')
		return bk_arg_duration("wait", arg);
	if (bk_number_parse("--wait", arg, 1, 366 * 86400, &n, &f) == -1)
		bk_usage_fault(&f);
	return n * 1000;
}

const char *
bk_arg_store(void)
{
	char **words;
	int n;

	if ((n = bk_operands(&words)) > 1)
		bk_usage("want one store; '%s' is a second one", words[1]);
	return n == 1 ? words[0] : bk_arg_env_store();
}

const char *
bk_arg_env_store(void)
{
	const char *url = bk_ctx->env("BK_STORE");

	if (url == NULL)
		bk_usage("want the URL of a store, or BK_STORE set");
	return url;
}
