/*
 * tar: end marks, and what the checker refuses.  Archives are made here, so
 * that they hold what tar(1) would never write.
 */
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "marks.h"
#include "tap.h"
#include "tarcheck.h"

#define ALL (8U * 1024 * 1024)

static struct bk_fault nf;

static void
pad(struct bk_buf *b)
{
	static const char zeros[512];

	bk_buf_add(b, zeros, (512 - b->len % 512) % 512, &nf);
}

/* Append a POSIX header. */
static void
head(struct bk_buf *b, char type, const char *name, const char *link,
    unsigned int size, const char *prefix)
{
	char h[512] = { 0 };
	unsigned int i, sum = 0;

	memcpy(h, name, strlen(name));
	snprintf(h + 100, 8, "%07o", 0644U);
	snprintf(h + 124, 12, "%011o", size);
	h[156] = type;
	memcpy(h + 157, link, strlen(link));
	memcpy(h + 257, "ustar\0" "00", 8);
	memcpy(h + 345, prefix, strlen(prefix));
	memset(h + 148, ' ', 8);
	for (i = 0; i < 512; i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	bk_buf_add(b, h, sizeof(h), &nf);
}

static void
body(struct bk_buf *b, const char *data, size_t n)
{
	bk_buf_add(b, data, n, &nf);
	pad(b);
}

static void
meta(struct bk_buf *b, char type, const char *data, size_t n)
{
	head(b, type, "././@meta", "", (unsigned int)n, "");
	body(b, data, n);
}

static void
pax(struct bk_buf *b, char type, const char *key, const char *value)
{
	char rec[512];
	size_t n = strlen(key) + strlen(value) + 3;

	n += n + 2 > 99 ? 3 : n + 1 > 9 ? 2 : 1;
	snprintf(rec, sizeof(rec), "%zu %s=%s\n", n, key, value);
	meta(b, type, rec, n);
}

static void
end(struct bk_buf *b)
{
	static const char zeros[1024];

	bk_buf_add(b, zeros, sizeof(zeros), &nf);
}

/* Feed in pieces of ${step}; the status, 0 for a good one. */
static int
check(const struct bk_buf *b, size_t step)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_tarcheck *c = bk_tarcheck_new(&f);
	size_t at, n;

	for (at = 0; at < b->len && !bk_faulty(&f); at += n) {
		n = b->len - at < step ? b->len - at : step;
		bk_tarcheck_write(c, b->p + at, n, &f);
	}
	if (!bk_faulty(&f))
		bk_tarcheck_finish(c, &f);
	bk_tarcheck_free(c);
	return f.status;
}

static int
marks(const struct bk_buf *b, size_t n)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_marks *m = bk_marks_tar(&f);
	int rc;

	if (n > 0)
		m->write(m, b->p, n, &f);
	rc = m->finish(m, &f);
	m->free(m);
	return rc == BK_MARKS_PROVEN ? 0 : f.status;
}

/* One entry, or several, and what the checker says of the whole. */
static const struct {
	const char *what;
	struct { char type; const char *name, *link; } e[4];
	int want;
} cases[] = {
	{ "a plain tree", { { '5', "./", "" }, { '0', "./a", "" },
	    { '5', "./d/", "" }, { '0', "./d/x", "" } }, 0 },
	{ "an absolute name", { { '0', "/etc/x", "" } }, BK_DATA },
	{ "a name that climbs", { { '0', "a/../../x", "" } }, BK_DATA },
	{ "a name that climbs and returns", { { '0', "../tree/x", "" } },
	    BK_DATA },
	{ "only dots", { { '5', "..", "" } }, BK_DATA },
	{ "dots in a name", { { '0', "./..a/b..", "" } }, 0 },
	{ "an absolute link", { { '2', "./l", "/etc/passwd" } }, 0 },
	{ "a link that climbs", { { '2', "./l", "../../x" } }, 0 },
	{ "below an own link", { { '2', "./l", "/tmp" },
	    { '0', "./l/x", "" } }, BK_DATA },
	{ "below an own link, spelt otherwise", { { '2', "a//l", "/tmp" },
	    { '0', "./a/./l/x", "" } }, BK_DATA },
	{ "a directory below an own link", { { '2', "l", "." },
	    { '5', "l/d/", "" } }, BK_DATA },
	{ "beside a link of like name", { { '2', "l", "/tmp" },
	    { '0', "lx/y", "" } }, 0 },
	{ "a link in the place of a directory", { { '5', "d/", "" },
	    { '2', "d", "/tmp" }, { '0', "d/x", "" } }, BK_DATA },
	{ "a directory in the place of a link", { { '2', "d", "/tmp" },
	    { '5', "d/", "" }, { '0', "d/x", "" } }, BK_DATA },
	{ "a hard link", { { '0', "a", "" }, { '1', "b", "./a" } }, 0 },
	{ "a hard link to an absolute name", { { '1', "b", "/etc/shadow" } },
	    BK_DATA },
	{ "a hard link that climbs", { { '1', "b", "../a" } }, BK_DATA },
	{ "a hard link through an own link", { { '2', "l", "/etc" },
	    { '1', "b", "l/shadow" } }, BK_DATA },
	{ "below another name of a link", { { '2', "l", "/etc" },
	    { '1', "m", "l" }, { '0', "m/x", "" } }, BK_DATA },
	{ "the tree itself as a link", { { '2', "./", "/etc" } }, BK_DATA },
	{ "an empty name", { { '0', "", "" } }, BK_DATA },
	{ "a device", { { '3', "null", "" } }, 0 },
	{ "a multi-volume part", { { 'M', "a", "" } }, BK_DATA },
	{ "an unknown type", { { 'Q', "a", "" } }, BK_DATA },
};

static void
test_cases(void)
{
	struct bk_buf b = BK_BUF_INIT(ALL);
	size_t i, k;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bk_buf_reset(&b);
		for (k = 0; k < 4 && cases[i].e[k].name != NULL; k++)
			head(&b, cases[i].e[k].type, cases[i].e[k].name,
			    cases[i].e[k].link, 0, "");
		end(&b);
		ok_int(check(&b, ALL), cases[i].want, cases[i].what);
		ok_int(check(&b, 7), cases[i].want, "the same in pieces");
	}
	bk_buf_release(&b);
}

/* Long names reach the checker by every way there is. */
static void
test_names(void)
{
	struct bk_buf b = BK_BUF_INIT(ALL);

	meta(&b, 'L', "/abs/x", sizeof("/abs/x"));
	head(&b, '0', "harmless", "", 0, "");
	end(&b);
	ok_int(check(&b, ALL), BK_DATA, "GNU long name");

	bk_buf_reset(&b);
	meta(&b, 'K', "../x", sizeof("../x"));
	head(&b, '1', "b", "harmless", 0, "");
	end(&b);
	ok_int(check(&b, ALL), BK_DATA, "GNU long link");

	bk_buf_reset(&b);
	pax(&b, 'x', "path", "../x");
	head(&b, '0', "harmless", "", 0, "");
	end(&b);
	ok_int(check(&b, ALL), BK_DATA, "pax path");

	bk_buf_reset(&b);
	pax(&b, 'x', "linkpath", "/etc/shadow");
	head(&b, '1', "b", "harmless", 0, "");
	end(&b);
	ok_int(check(&b, ALL), BK_DATA, "pax linkpath");

	bk_buf_reset(&b);
	pax(&b, 'x', "GNU.sparse.name", "/x");
	head(&b, '0', "./GNUSparseFile.0/x", "", 0, "");
	end(&b);
	ok_int(check(&b, ALL), BK_DATA, "pax sparse name");

	bk_buf_reset(&b);
	head(&b, '0', "x", "", 0, "/abs");
	end(&b);
	ok_int(check(&b, ALL), BK_DATA, "ustar prefix");

	bk_buf_reset(&b);
	pax(&b, 'g', "path", "x");
	head(&b, '0', "y", "", 0, "");
	end(&b);
	ok_int(check(&b, ALL), BK_DATA, "a global header that names");

	bk_buf_reset(&b);
	pax(&b, 'g', "comment", "harmless");
	pax(&b, 'x', "path", "good");
	head(&b, '0', "y", "", 0, "");
	end(&b);
	ok_int(check(&b, ALL), 0, "a good extended header");

	bk_buf_reset(&b);
	meta(&b, 'L', "a", 2);
	pax(&b, 'x', "path", "b");
	head(&b, '0', "y", "", 0, "");
	end(&b);
	ok_int(check(&b, ALL), BK_DATA, "a name given in two ways");

	bk_buf_reset(&b);
	pax(&b, 'x', "path", "b");
	end(&b);
	ok_int(check(&b, ALL), BK_DATA, "an extended header without its file");

	bk_buf_reset(&b);
	meta(&b, 'x', "99 path=b\n", 10);
	head(&b, '0', "y", "", 0, "");
	end(&b);
	ok_int(check(&b, ALL), BK_DATA, "an extended header too long");
	bk_buf_release(&b);
}

/* Data could hide headers from one reader and not from another. */
static void
test_data(void)
{
	struct bk_buf b = BK_BUF_INIT(ALL);

	head(&b, '0', "a", "", 1024, "");
	head(&b, '0', "/hidden", "", 0, "");
	head(&b, '0', "/hidden", "", 0, "");
	end(&b);
	ok_int(check(&b, ALL), 0, "headers inside a file");

	bk_buf_reset(&b);
	pax(&b, 'x', "size", "512");
	head(&b, '0', "a", "", 0, "");
	head(&b, '0', "/hidden", "", 0, "");
	end(&b);
	ok_int(check(&b, ALL), 0, "the size of an extended header counts");

	bk_buf_reset(&b);
	head(&b, '2', "l", "x", 512, "");
	head(&b, '0', "/hidden", "", 0, "");
	end(&b);
	ok_int(check(&b, ALL), BK_DATA, "a link with data");

	bk_buf_reset(&b);
	head(&b, '0', "d/", "", 512, "");
	head(&b, '0', "/hidden", "", 0, "");
	end(&b);
	ok_int(check(&b, ALL), BK_DATA, "a directory as a file with data");
	bk_buf_release(&b);
}

/* Archives on top of one another: what the second one's checker says. */
static void
test_chain(void)
{
	static const struct {
		const char *what;
		struct { char type; const char *name, *link; } e[4];
		int want;
	} second[] = {
		{ "beside the links", { { '5', "./", "" }, { '0', "x", "" } }, 0 },
		{ "below a link of the first", { { '0', "l/x", "" } }, BK_DATA },
		{ "below another name of one", { { '0', "m/x", "" } }, BK_DATA },
		{ "a hard link through one", { { '1', "x", "l/x" } }, BK_DATA },
		{ "a directory in its place", { { '5', "l/", "" },
		    { '0', "l/x", "" } }, 0 },
		{ "a directory below it", { { '5', "l/d/", "" } }, BK_DATA },
		{ "a directory, then the link again", { { '5', "l/", "" },
		    { '2', "l", "/etc" }, { '0', "l/x", "" } }, BK_DATA },
		{ "a directory that is another", { { '5', "d/", "" },
		    { '0', "l/x", "" } }, BK_DATA },
	};
	struct bk_buf a = BK_BUF_INIT(ALL), b = BK_BUF_INIT(ALL);
	struct bk_buf c = BK_BUF_INIT(ALL);
	struct bk_tarcheck *t;
	struct bk_fault f;
	size_t i, j;

	head(&a, '2', "l", "/etc", 0, "");
	head(&a, '1', "m", "l", 0, "");
	end(&a);
	head(&c, '0', "l/later", "", 0, "");
	end(&c);
	for (i = 0; i < sizeof(second) / sizeof(second[0]); i++) {
		f = (struct bk_fault)BK_FAULT_INIT;
		t = bk_tarcheck_new(&f);
		bk_buf_reset(&b);
		for (j = 0; j < 4 && second[i].e[j].type != '\0'; j++)
			head(&b, second[i].e[j].type, second[i].e[j].name,
			    second[i].e[j].link, 0, "");
		end(&b);
		if (bk_tarcheck_write(t, a.p, a.len, &f) == 0 &&
		    bk_tarcheck_finish(t, &f) == 0 &&
		    bk_tarcheck_next(t, &f) == 0 &&
		    bk_tarcheck_write(t, b.p, b.len, &f) == 0)
			(void)bk_tarcheck_finish(t, &f);
		ok_int(f.status, second[i].want, second[i].what);
		/* What became a directory stays one in the third. */
		if (f.status == 0 && bk_tarcheck_next(t, &f) == 0) {
			(void)bk_tarcheck_write(t, c.p, c.len, &f);
			ok_int(f.status, i == 0 ? BK_DATA : 0, "and later");
		}
		bk_tarcheck_free(t);
	}
	bk_buf_release(&a);
	bk_buf_release(&b);
	bk_buf_release(&c);
}

/* Append an extended header with the list of a directory's names. */
static void
dumpdir(struct bk_buf *b, const char *names, size_t n)
{
	static const char key[] = "GNU.dumpdir=";
	struct bk_buf rec = BK_BUF_INIT(ALL);
	size_t all = n + sizeof(key) + 8;

	bk_buf_addf(&rec, &nf, "%07zu %s", all, key);
	bk_buf_add(&rec, names, n, &nf);
	bk_buf_adds(&rec, "\n", &nf);
	meta(b, 'x', rec.p, rec.len);
	bk_buf_release(&rec);
	head(b, '5', "./", "", 0, "");
	end(b);
}

static void
test_dumpdir(void)
{
	static const struct {
		const char *what, *names;
		size_t n;
		int want;
	} lists[] = {
		{ "names in a directory", "Ya\0Nb\0Dc\0", 10, 0 },
		{ "none", "", 1, 0 },
		{ "a rename", "Ra\0Tb\0", 7, BK_DATA },
		{ "a temporary directory", "X.\0", 4, BK_DATA },
		{ "an unknown code", "Qa\0", 4, BK_DATA },
		{ "a path", "Ya/b\0", 6, BK_DATA },
		{ "dots", "D..\0", 5, BK_DATA },
		{ "no name", "Y\0", 3, BK_DATA },
		{ "no end", "Ya", 2, BK_DATA },
	};
	struct bk_buf b = BK_BUF_INIT(ALL), names = BK_BUF_INIT(ALL);
	size_t i;

	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		bk_buf_reset(&b);
		dumpdir(&b, lists[i].names, lists[i].n);
		ok_int(check(&b, ALL), lists[i].want, lists[i].what);
		ok_int(check(&b, 1), lists[i].want, "byte by byte");
		ok_int(marks(&b, b.len), lists[i].want, "and to the marks");
	}
	/* More names than any header that is held could have. */
	for (i = 0; i < 500000; i++)
		bk_buf_addf(&names, &nf, "Yfile-%06zu%c", i, '\0');
	bk_buf_add(&names, "", 1, &nf);
	bk_buf_reset(&b);
	dumpdir(&b, names.p, names.len);
	ok_int(check(&b, 65536), 0, "half a million names");
	bk_buf_release(&b);
	bk_buf_release(&names);
}

static void
test_marks(void)
{
	struct bk_buf b = BK_BUF_INIT(ALL);
	size_t n, good = 0, bad = 0;
	char zeros[2048] = { 0 };

	head(&b, '5', "./", "", 0, "");
	head(&b, '0', "zeros", "", sizeof(zeros), "");
	body(&b, zeros, sizeof(zeros));
	head(&b, '0', "x", "", 3, "");
	body(&b, "abc", 3);
	end(&b);
	ok_int(marks(&b, b.len), 0, "a whole archive");
	for (n = 0; n < b.len; n++)
		if (marks(&b, n) == BK_DATA)
			bad++;
		else
			good++;
	ok_int(good, 0, "cut anywhere it is not whole");
	ok_int(bad, b.len, "every cut was tried");
	bk_buf_add(&b, zeros, sizeof(zeros), &nf);
	ok_int(marks(&b, b.len), 0, "padded to a record");
	bk_buf_add(&b, "x", 1, &nf);
	ok_int(marks(&b, b.len), BK_DATA, "bytes behind the end");

	bk_buf_reset(&b);
	end(&b);
	ok_int(marks(&b, b.len), 0, "an archive of nothing");
	ok_int(marks(&b, 0), BK_DATA, "nothing");
	b.p[3] = 'x';
	ok_int(marks(&b, b.len), BK_DATA, "no tar at all");
	bk_buf_release(&b);
}

static void
test_many_links(void)
{
	struct bk_buf b = BK_BUF_INIT(ALL);
	char name[32];
	int i;

	for (i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "l%d", i);
		head(&b, '2', name, "/x", 0, "");
	}
	head(&b, '0', "l4999x/y", "", 0, "");
	end(&b);
	ok_int(check(&b, 65536), 0, "many links");
	b.len -= 1024;
	head(&b, '0', "l17/y", "", 0, "");
	end(&b);
	ok_int(check(&b, 65536), BK_DATA, "below one of many links");
	bk_buf_release(&b);
}

int
main(void)
{
	test_cases();
	test_names();
	test_data();
	test_chain();
	test_dumpdir();
	test_marks();
	test_many_links();
	return done();
}
