/*
 * The symbolic links that were made are kept as 64-bit hashes (FNV-1a) of
 * their clean names in an open table.  Two names with one hash only make the
 * check stricter: a link is never forgotten, so a forger gains nothing.  For
 * the same reason those that a later archive of a chain replaced by a
 * directory are kept by name.
 */
#include <errno.h>
#include <search.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "hash.h"
#include "tar.h"
#include "tarcheck.h"

#define LINKS_MAX (16U * 1024 * 1024)	/* 256 MiB of hashes at worst */
#define REPLACED_MAX (1024U * 1024)

struct links {
	uint64_t *slot;			/* 0: free */
	size_t n, room;			/* room: a power of 2 */
};

struct bk_tarcheck {
	struct bk_tar *tar;
	struct links made;		/* by this archive */
	struct links older;		/* by those before it */
	void *replaced;			/* tsearch(3): names, now directories */
	size_t nreplaced;
	struct bk_buf name, link;	/* clean */
};

/* Where ${h} is or would be. */
static uint64_t *
slot(uint64_t *links, size_t room, uint64_t h)
{
	size_t i = (size_t)(h ^ h >> 32) & (room - 1);

	while (links[i] != 0 && links[i] != h)
		i = (i + 1) & (room - 1);
	return &links[i];
}

static bool
has(const struct links *l, uint64_t h)
{
	return l->room > 0 && *slot(l->slot, l->room, h) != 0;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Is the first ${n} bytes of clean name ${p} a link, as far as is known? */
static bool
is_link(const struct bk_tarcheck *c, const char *p, size_t n)
{
	uint64_t h = bk_hash64(p, n);
	char *name;
	bool now;

	if (has(&c->made, h))
		return true;
	if (!has(&c->older, h))
		return false;
	if (c->nreplaced == 0 || (name = strndup(p, n)) == NULL)
		return true;
	now = tfind(name, &c->replaced, by_name) == NULL;
	free(name);
	return now;
}

static int
grow(struct links *l, struct bk_fault *f)
{
	size_t i, room = l->room > 0 ? l->room * 2 : 1024;
	uint64_t *new;

	if (l->n >= LINKS_MAX)
		return bk_fault_set(f, BK_DATA,
		    "tar: more than %u symbolic links", LINKS_MAX);
	if ((new = calloc(room, sizeof(*new))) == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "tar");
	for (i = 0; i < l->room; i++)
		if (l->slot[i] != 0)
			*slot(new, room, l->slot[i]) = l->slot[i];
	free(l->slot);
	l->slot = new;
	l->room = room;
	return 0;
}

static int
add_hash(struct links *l, uint64_t h, struct bk_fault *f)
{
	uint64_t *s;

	if (l->n * 4 >= l->room * 3 && grow(l, f) == -1)
		return -1;
	s = slot(l->slot, l->room, h);
	l->n += *s == 0;
	*s = h;
	return 0;
}

static int
add_link(struct bk_tarcheck *c, struct bk_fault *f)
{
	const char *name = bk_buf_text(&c->name);
	char **node = c->nreplaced > 0 ?
	    tfind(name, &c->replaced, by_name) : NULL;
	char *was;

	if (node != NULL) {
		was = *node;
		(void)tdelete(name, &c->replaced, by_name);
		free(was);
		c->nreplaced--;
	}
	return add_hash(&c->made, bk_hash64(name, c->name.len), f);
}

/*
 * A directory comes where an earlier archive made a link: tar removes the
 * link, so that what lies below is in the tree.
 */
static int
add_directory(struct bk_tarcheck *c, struct bk_fault *f)
{
	const char *name = bk_buf_text(&c->name);
	uint64_t h = bk_hash64(name, c->name.len);
	char *copy;

	if (!has(&c->older, h) || has(&c->made, h) ||
	    tfind(name, &c->replaced, by_name) != NULL)
		return 0;
	if (c->nreplaced >= REPLACED_MAX)
		return bk_fault_set(f, BK_DATA,
		    "tar: more than %u directories in the place of links",
		    REPLACED_MAX);
	if ((copy = strdup(name)) == NULL ||
	    tsearch(copy, &c->replaced, by_name) == NULL) {
		free(copy);
		return bk_fault_errno(f, BK_IO, ENOMEM, "tar");
	}
	c->nreplaced++;
	return 0;
}

/* ${text} without "." and empty parts into ${b}; refused if it gets out. */
static int
clean(const char *text, struct bk_buf *b, const char *what, struct bk_fault *f)
{
	const char *p = text, *end;
	size_t n;

	bk_buf_reset(b);
	if (text[0] == '/')
		return bk_fault_set(f, BK_DATA, "tar: absolute %s '%.200s'",
		    what, text);
	for (; *p != '\0'; p = *end != '\0' ? end + 1 : end) {
		end = strchrnul(p, '/');
		n = (size_t)(end - p);
		if (n == 0 || (n == 1 && p[0] == '.'))
			continue;
		if (n == 2 && p[0] == '.' && p[1] == '.')
			return bk_fault_set(f, BK_DATA,
			    "tar: %s '%.200s' has '..' in it", what, text);
		if ((b->len > 0 && bk_buf_adds(b, "/", f) == -1) ||
		    bk_buf_add(b, p, n, f) == -1)
			return -1;
	}
	return 0;
}

/* Clean ${text} into ${b}, and see that no part above it is a link. */
static int
place(const struct bk_tarcheck *c, const char *text, struct bk_buf *b,
    const char *what, struct bk_fault *f)
{
	const char *p, *slash;

	if (clean(text, b, what, f) == -1)
		return -1;
	p = bk_buf_text(b);
	for (slash = strchr(p, '/'); slash != NULL;
	    slash = strchr(slash + 1, '/'))
		if (is_link(c, p, (size_t)(slash - p)))
			return bk_fault_set(f, BK_DATA,
			    "tar: %s '%.200s' lies below the link '%.*s'",
			    what, text, (int)(slash - p < 200 ? slash - p :
			    200), p);
	return 0;
}

static int
check_type(const struct bk_tar_entry *e, struct bk_fault *f)
{
	size_t n = strlen(e->name);

	if (strchr("0123456S", e->type) == NULL)
		return bk_fault_set(f, BK_DATA,
		    "tar: entry '%.200s' has the unknown type '%c'", e->name,
		    e->type);
	/*
	 * Readers differ on data behind what has none, and on a file whose
	 * name ends as a directory's: the data could be taken for headers.
	 */
	if (e->size > 0 && ((e->type >= '1' && e->type <= '6') ||
	    (n > 0 && e->name[n - 1] == '/')))
		return bk_fault_set(f, BK_DATA,
		    "tar: entry '%.200s' of type '%c' has data", e->name,
		    e->type);
	return 0;
}

static int
check_entry(void *arg, const struct bk_tar_entry *e, struct bk_fault *f)
{
	struct bk_tarcheck *c = arg;
	bool link = e->type == '2';

	if (check_type(e, f) == -1 ||
	    (e->alias != NULL &&
	    place(c, e->alias, &c->name, "name", f) == -1) ||
	    place(c, e->name, &c->name, "name", f) == -1)
		return -1;
	if (c->name.len == 0 && e->type != '5')
		return bk_fault_set(f, BK_DATA,
		    "tar: entry '%.200s' is the tree itself and no directory",
		    e->name);
	if (e->type == '1') {
		if (place(c, e->link, &c->link, "hard link to", f) == -1)
			return -1;
		/* Another name of a symbolic link is one. */
		link = is_link(c, bk_buf_text(&c->link), c->link.len);
	}
	return link ? add_link(c, f) : e->type == '5' ? add_directory(c, f) : 0;
}

int
bk_tarcheck_dumpdir(void *arg, char code, const char *name, struct bk_fault *f)
{
	(void)arg;
	if (code == 'R' || code == 'T' || code == 'X')
		return bk_fault_set(f, BK_DATA,
		    "tar: directory '%.200s' has a second name: it was renamed while it was read, or is mounted twice",
		    name);
	if (strchr("YND", code) == NULL || name[0] == '\0' ||
	    strchr(name, '/') != NULL || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return bk_fault_set(f, BK_DATA,
		    "tar: a directory's list of names has '%.200s' in it", name);
	return 0;
}

static struct bk_tar *
reader(struct bk_tarcheck *c, struct bk_fault *f)
{
	struct bk_tar *t = bk_tar_new(check_entry, c, f);

	if (t != NULL)
		bk_tar_dumpdirs(t, bk_tarcheck_dumpdir, NULL);
	return t;
}

struct bk_tarcheck *
bk_tarcheck_new(struct bk_fault *f)
{
	struct bk_tarcheck *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		bk_fault_errno(f, BK_IO, ENOMEM, "tar");
		return NULL;
	}
	c->name.max = c->link.max = 4 * 1024 * 1024;
	if ((c->tar = reader(c, f)) == NULL) {
		free(c);
		return NULL;
	}
	return c;
}

int
bk_tarcheck_write(struct bk_tarcheck *c, const void *p, size_t n,
    struct bk_fault *f)
{
	return bk_tar_write(c->tar, p, n, f);
}

int
bk_tarcheck_finish(struct bk_tarcheck *c, struct bk_fault *f)
{
	return bk_tar_finish(c->tar, f);
}

int
bk_tarcheck_next(struct bk_tarcheck *c, struct bk_fault *f)
{
	size_t i;

	for (i = 0; i < c->made.room; i++)
		if (c->made.slot[i] != 0 &&
		    add_hash(&c->older, c->made.slot[i], f) == -1)
			return -1;
	free(c->made.slot);
	c->made = (struct links){ NULL, 0, 0 };
	bk_tar_free(c->tar);
	return (c->tar = reader(c, f)) != NULL ? 0 : -1;
}

void
bk_tarcheck_free(struct bk_tarcheck *c)
{
	if (c == NULL)
		return;
	bk_tar_free(c->tar);
	bk_buf_release(&c->name);
	bk_buf_release(&c->link);
	free(c->made.slot);
	free(c->older.slot);
	tdestroy(c->replaced, free);
	free(c);
}
