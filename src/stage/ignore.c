#include "config.h"

#include "stage/ignore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stage/glob.h"
#include "stage/source.h"
#include "util/error.h"
#include "util/strbuf.h"
#include "util/vis.h"
#include "util/xalloc.h"

struct rule {
	struct ignore_rule shown;
	bool dirs_only; /* a slash at its end */
	bool anchored;  /* a slash before that: matched from the file's directory on, else the last component alone */
	char *literal;  /* without anything special: compared as it is; else NULL */
	struct glob *glob;
};

/* One file. */
struct ignore_scope {
	const struct ignore_scope *above; /* asked when this one has no answer */
	struct ignore_scope *next;        /* of all */
	size_t base;                      /* bytes of the directory's path with its slash */
	char *file;
	bool gits;
	struct rule *v;
	size_t n, cap;
};

struct ignore {
	struct ignore_scope *all;
};

struct ignore *ignore_new(void)
{
	return xcalloc(1, sizeof(struct ignore));
}

static void scope_free(struct ignore_scope *sc)
{
	for (size_t i = 0; i < sc->n; i++) {
		free(sc->v[i].literal);
		glob_free(sc->v[i].glob);
	}
	free(sc->v);
	free(sc->file);
	free(sc);
}

void ignore_free(struct ignore *ig)
{
	if (!ig)
		return;
	while (ig->all) {
		struct ignore_scope *next = ig->all->next;

		scope_free(ig->all);
		ig->all = next;
	}
	free(ig);
}

/* --- reading -------------------------------------------------------------------- */

/* Where the blanks at the end begin that no backslash keeps. */
static size_t without_blanks(const char *s, size_t n)
{
	size_t end = 0;

	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\\')
			i++;
		else if (s[i] == ' ')
			continue;
		end = i + 1 < n ? i + 1 : n;
	}
	return end;
}

static void add_rule(struct ignore_scope *sc, const char *s, size_t n, int line)
{
	struct rule r = { .shown = { sc->file, line, false } };

	if (n && *s == '#')
		return;
	n = without_blanks(s, n);
	if (n && *s == '!') {
		r.shown.negated = true;
		s++;
		n--;
	}
	if (n && s[n - 1] == '/') {
		r.dirs_only = true;
		n--;
	}
	r.anchored = memchr(s, '/', n) != NULL;
	if (n && *s == '/') {
		s++;
		n--;
	}
	if (!n)
		return;
	if (strcspn(s, "*?[\\") >= n)
		r.literal = xstrndup(s, n);
	else if (!(r.glob = glob_new(s, n)))
		return; /* nothing can match it */
	XGROW(sc->v, sc->cap, sc->n + 1);
	sc->v[sc->n++] = r;
}

/* A line ends before "\n" or "\r\n"; what follows a NUL in it is not seen. */
static void parse(struct ignore_scope *sc, const struct strbuf *text)
{
	const char *p = text->buf, *end = p + text->len;
	int line = 1;

	if (text->len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		p += 3;
	for (; p < end; line++) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((newline ? newline : end) - p);

		if (n)
			add_rule(sc, p, strnlen(p, n - (p[n - 1] == '\r')), line);
		p = newline ? newline + 1 : end;
	}
}

/* 1: read; 0: there is none; -1 with errno. */
static int read_file(int dirfd, const char *name, struct strbuf *text)
{
	int fd = source_openat(dirfd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY), rc = -1;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENXIO ? 0 : -1;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		rc = 0;
		goto out;
	}
	for (;;) {
		strbuf_grow(text, 4096);
		do
			n = read(fd, text->buf + text->len, 4096);
		while (n < 0 && errno == EINTR);
		if (n <= 0)
			break;
		strbuf_setlen(text, text->len + (size_t)n);
		if (text->len > IGNORE_MAX_FILE) {
			errno = EFBIG;
			goto out;
		}
	}
	rc = n < 0 ? -1 : 1;
out:
	if (rc >= 0) {
		close(fd);
	} else {
		int saved = errno;

		close(fd);
		errno = saved;
	}
	return rc;
}

static int read_scope(struct ignore *ig, const char *name, bool gits, int dirfd, const char *dir,
		      const struct ignore_scope **at, struct error *err)
{
	struct strbuf text = STRBUF_INIT;
	struct ignore_scope *sc;
	int found = read_file(dirfd, name, &text);

	if (found < 0) {
		char *shown = vis(dir);

		error_errno(err, ERROR_SPEC, errno, "the rules in '%s%s%s' cannot be read", shown, *dir ? "/" : "", name);
		free(shown);
	}
	if (found > 0) {
		sc = xcalloc(1, sizeof *sc);
		sc->file = *dir ? xasprintf("%s/%s", dir, name) : xstrdup(name);
		sc->gits = gits;
		sc->base = *dir ? strlen(dir) + 1 : 0;
		parse(sc, &text);
		if (sc->n) {
			sc->above = *at;
			sc->next = ig->all;
			ig->all = sc;
			*at = sc;
		} else {
			scope_free(sc);
		}
	}
	strbuf_release(&text);
	return found < 0 ? -1 : 0;
}

int ignore_read(struct ignore *ig, enum ignore_which which, const struct ignore_scope *above, int dirfd, const char *dir,
		const struct ignore_scope **out, struct error *err)
{
	static const char *const names[] = { ".git/info/exclude", ".gitignore", ".kedgeignore" };
	const struct ignore_scope *at = above;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		bool gits = i < 2, top_only = i == 0;

		if ((gits && which == IGNORE_KEDGE) || (top_only && *dir))
			continue;
		if (read_scope(ig, names[i], gits, dirfd, dir, &at, err) != 0)
			return -1;
	}
	*out = at;
	return 0;
}

/* --- asking ---------------------------------------------------------------------- */

static bool matches(const struct rule *r, const char *path, const char *name, bool is_directory)
{
	const char *s = r->anchored ? path : name;

	if (r->dirs_only && !is_directory)
		return false;
	return r->literal ? strcmp(r->literal, s) == 0 : glob_matches(r->glob, s);
}

const struct ignore_rule *ignore_find(const struct ignore_scope *scope, enum ignore_which which, const char *path, bool is_directory)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	for (; scope; scope = scope->above)
		for (size_t i = which == IGNORE_KEDGE && scope->gits ? 0 : scope->n; i-- > 0;)
			if (matches(&scope->v[i], path + scope->base, name, is_directory))
				return &scope->v[i].shown;
	return NULL;
}
