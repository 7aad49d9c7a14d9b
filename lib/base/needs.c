/*
 * Of its own programs bk knows what they read: the variables of the stores'
 * drivers, of libcurl (its manual, ENVIRONMENT) and OpenSSL, and what changes
 * how any program runs (ld.so(8), the sanitizers).  A command of the user's
 * may read anything.
 */
#include <stddef.h>
#include <string.h>

#include "needs.h"

/* A '*' at the end: whatever begins so. */
static const char *const store[] = { "AWS_*", "AZURE_*", "BOTO_*",
	"CLOUDSDK_*", "GOOGLE_*", "OS_*", "ST_*", NULL };
static const char *const source[] = { "LIBMYSQL_*", "MARIADB_*", "MONGO*",
	"MYSQL_*", "PG*", "REDIS*", NULL };
static const char *const net[] = { "ALL_PROXY", "FTP_PROXY", "HTTPS_PROXY",
	"NO_PROXY", "SSH_AUTH_SOCK", "all_proxy", "ftp_proxy", "http_proxy",
	"https_proxy", "no_proxy", NULL };
static const char *const all[] = { "ASAN_OPTIONS", "BK_*",
	"CREDENTIALS_DIRECTORY", "CURL_CA_BUNDLE", "DONT_FAKE_*", "FAKETIME*",
	"FIU_*", "GCONV_PATH", "GLIBC_TUNABLES", "HOME", "JOURNAL_STREAM",
	"LANG", "LANGUAGE", "LC_*", "LD_*", "LOCPATH", "LOGNAME", "LSAN_OPTIONS",
	"MALLOC_*", "OPENSSL_*", "PATH", "SHELL", "SSL_CERT_DIR",
	"SSL_CERT_FILE", "TERM", "TMPDIR", "TSAN_OPTIONS", "TZ", "TZDIR",
	"UBSAN_OPTIONS", "USER", "XDG_*", NULL };

static const struct {
	const char *name;
	unsigned int needs;
} programs[] = {
	{ "bk-compress", 0 },
	{ "bk-copy", BK_NEEDS_STORE | BK_NEEDS_NET },
	{ "bk-dump", BK_NEEDS_SOURCE | BK_NEEDS_NET | BK_NEEDS_REST },
	{ "bk-fresh", BK_NEEDS_STORE | BK_NEEDS_NET },
	{ "bk-get", BK_NEEDS_STORE | BK_NEEDS_NET },
	{ "bk-hook", BK_NEEDS_NET },
	{ "bk-list", BK_NEEDS_STORE | BK_NEEDS_NET },
	{ "bk-pipe", BK_NEEDS_NET | BK_NEEDS_REST },
	{ "bk-prune", BK_NEEDS_STORE | BK_NEEDS_NET },
	{ "bk-put", BK_NEEDS_STORE | BK_NEEDS_NET },
	{ "bk-report", BK_NEEDS_STORE | BK_NEEDS_NET },
	{ "bk-request", BK_NEEDS_STORE | BK_NEEDS_NET },
	{ "bk-tag", BK_NEEDS_STORE | BK_NEEDS_NET },
	/* Any other runs programs that the user names, or both sides. */
	{ NULL, BK_NEEDS_STORE | BK_NEEDS_SOURCE | BK_NEEDS_NET | BK_NEEDS_REST }
};

static bool
among(const char *const *names, const char *var, size_t n)
{
	size_t len;

	for (; *names != NULL; names++) {
		len = strlen(*names);
		if ((*names)[len - 1] == '*' ? n >= len - 1 &&
		    memcmp(*names, var, len - 1) == 0 :
		    n == len && memcmp(*names, var, len) == 0)
			return true;
	}
	return false;
}

unsigned int
bk_needs_of(const char *bindir, const char *path, const char *const *argv)
{
	size_t n = strlen(bindir), i;

	if (strncmp(path, bindir, n) != 0 || path[n] != '/' ||
	    strchr(path + n + 1, '/') != NULL)
		return BK_NEEDS_NET | BK_NEEDS_REST;
	for (i = 0; programs[i].name != NULL; i++)
		if (strcmp(programs[i].name, path + n + 1) == 0)
			break;
	/* The parent of an increment is looked for in the stores. */
	if (programs[i].needs & BK_NEEDS_SOURCE)
		for (; *argv != NULL && strcmp(*argv, "--") != 0; argv++)
			if (strcmp(*argv, "--store") == 0 ||
			    strncmp(*argv, "--store=", 8) == 0)
				return programs[i].needs | BK_NEEDS_STORE;
	return programs[i].needs;
}

bool
bk_needs_var(unsigned int needs, const char *var, const char *secret)
{
	size_t n = strcspn(var, "=");

	if ((secret != NULL && strlen(secret) == n &&
	    memcmp(secret, var, n) == 0) || among(source, var, n))
		return needs & BK_NEEDS_SOURCE;
	if (among(store, var, n))
		return needs & BK_NEEDS_STORE;
	if (among(all, var, n))
		return true;
	return needs & (among(net, var, n) ? BK_NEEDS_NET : BK_NEEDS_REST);
}
