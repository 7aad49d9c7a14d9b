#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "hooked.h"
#include "tap.h"

struct hooks hooks;

static struct bk_store_ops ops;

static bool
meant(const char *prefix, const char *key)
{
	return prefix != NULL && strncmp(prefix, key, strlen(prefix)) == 0;
}

static int
commit(struct bk_put *p, struct bk_fault *f)
{
	char key[BK_KEY_MAX + 1];
	int rc;

	(void)snprintf(key, sizeof(key), "%s", p->key);
	hooks.puts++;
	if (meant(hooks.on_put, key)) {
		struct bk_store *s = p->store;

		rc = bk_store_file.put_commit(p, f);
		assert(rc == 0 && bk_store_remove(s, &hooks.lose, 1, f) == 0);
		return rc;
	}
	if (!meant(hooks.fail_put, key))
		return bk_store_file.put_commit(p, f);
	if (hooks.after) {
		rc = bk_store_file.put_commit(p, f);
		assert(rc == 0);
	} else
		bk_store_file.put_abort(p);
	return bk_fault_set(f, hooks.status, "the reply was lost");
}

static int
get(struct bk_store *s, const char *key, uint64_t off, uint64_t len,
    bk_sink_fn *sink, void *arg, struct bk_fault *f)
{
	hooks.gets++;
	if (meant(hooks.fail_get, key) || (hooks.blind &&
	    meant(hooks.fail_put, key)))
		return bk_fault_set(f, hooks.status, "cannot read it");
	return bk_store_file.get(s, key, off, len, sink, arg, f);
}

static int
facts(struct bk_store *s, struct bk_store_facts *fa, struct bk_fault *f)
{
	(void)s;
	(void)f;
	fa->create_only = true;
	fa->clock_offset = hooks.clock_offset;
	fa->clock_known = hooks.clock_known;
	return 0;
}

struct bk_store *
hooked_open(const char *name)
{
	const struct bk_store_opts so = { .create = true };
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_store *s;
	char url[512];

	(void)snprintf(url, sizeof(url), "file://%s/%s", tap_dir(), name);
	if ((s = bk_store_open(&tap_ctx, url, &so, &f)) == NULL)
		printf("# %s\n", f.text);
	assert(s != NULL);
	hooks = (struct hooks){ .status = BK_UNAVAILABLE };
	ops = bk_store_file;
	ops.put_commit = commit;
	ops.get = get;
	ops.facts = facts;
	s->ops = &ops;
	return s;
}

bool
hooked_has(struct bk_store *s, const char *key)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_object o;

	return bk_store_stat(s, key, &o, &f) == 0;
}

static int
count(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	(void)o;
	(void)f;
	(*(int *)arg)++;
	return 0;
}

int
hooked_count(struct bk_store *s, const char *prefix)
{
	struct bk_fault f = BK_FAULT_INIT;
	int n = 0;

	return bk_store_list(s, prefix, "", count, &n, &f) == -1 ? -1 : n;
}

void
hooked_put(struct bk_store *s, const char *key, const char *text)
{
	struct bk_fault f = BK_FAULT_INIT;
	int rc = bk_store_put_small(s, key, text, strlen(text), 0, &f);

	if (rc != 0)
		printf("# put %s: %s\n", key, f.text);
	assert(rc == 0);
}
