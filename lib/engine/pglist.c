/*
 * What a PostgreSQL server is made of: each database that takes connections
 * and is no template, and the roles with the tablespaces.  Together their
 * dumps are what pg_dumpall makes, but each can be restored by itself.
 */
#include <string.h>

#include "json.h"
#include "pg.h"

#define URL_MAX 16384

static const char question[] =
	"SELECT json_build_object('databases', json_agg(datname::text ORDER BY "
	"datname)) FROM pg_database WHERE datallowconn AND NOT datistemplate;\n";

/* The URL with another path, without "each", and with ${option}. */
static int
url_of(const struct bk_uri *u, const char *db, const char *option,
    struct bk_buf *b, struct bk_fault *f)
{
	const bool v6 = strchr(u->host, ':') != NULL;
	char sep = '?';
	size_t i;

	bk_buf_reset(b);
	if (bk_buf_addf(b, f, "%s://", u->scheme) == -1 ||
	    (u->user != NULL && (bk_uri_encode(b, u->user, false, f) == -1 ||
	    bk_buf_adds(b, "@", f) == -1)) ||
	    (v6 ? bk_buf_addf(b, f, "[%s]", u->host) :
	    bk_uri_encode(b, u->host, false, f)) == -1 ||
	    (u->port != -1 && bk_buf_addf(b, f, ":%d", u->port) == -1) ||
	    bk_buf_adds(b, "/", f) == -1 ||
	    bk_uri_encode(b, db, false, f) == -1)
		return -1;
	for (i = 0; i < u->nopts; i++) {
		if (strcmp(u->opts[i].name, "each") == 0)
			continue;
		if (bk_buf_addf(b, f, "%c%s=", sep, u->opts[i].name) == -1 ||
		    bk_uri_encode(b, u->opts[i].value, true, f) == -1)
			return -1;
		sep = '&';
	}
	return option == NULL ? 0 : bk_buf_addf(b, f, "%c%s", sep, option);
}

static int
put(json_t *out, const char *name, const char *url, struct bk_fault *f)
{
	return bk_json_push(out, json_pack("{s:s, s:s}", "name", name, "source",
	    url), f);
}

int
bk_pg_dump_list(const struct bk_dump_req *req, json_t *out,
    struct bk_fault *f)
{
	struct bk_buf url = BK_BUF_INIT(URL_MAX);
	struct bk_pg pg = { .ctx = NULL };
	json_t *server = NULL, *dbs;
	const char *name;
	char db[16];
	size_t i;
	int rc = -1;

	if (bk_pg_open(&pg, req->ctx, req->uri, req->source_env, req->deadline,
	    f) == -1)
		goto out;
	if (pg.db != NULL) {
		(void)bk_fault_set(f, BK_USAGE, "'%s' is one database; leave "
		    "'/%s' out to list those of the server", req->uri->text, pg.db);
		goto out;
	}
	if ((server = bk_pg_ask_any(&pg, NULL, question, db, f)) == NULL)
		goto out;
	dbs = json_object_get(server, "databases");
	for (i = 0; i < json_array_size(dbs); i++) {
		name = json_string_value(json_array_get(dbs, i));
		if (name == NULL || url_of(req->uri, name, NULL, &url, f) == -1 ||
		    put(out, name, url.p, f) == -1)
			goto out;
	}
	if (url_of(req->uri, "", "roles=yes", &url, f) == 0)
		rc = put(out, ".roles", url.p, f);
out:
	json_decref(server);
	bk_pg_close(&pg);
	bk_buf_release(&url);
	return rc;
}
