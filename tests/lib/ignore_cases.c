/*
 * ignore_cases SEED TREES DIR PATHS VERDICTS - trees with ignore files, made up from SEED, below DIR/tN; the paths of all that is in
 * them to the file PATHS, each with a NUL, and to VERDICTS what kedge's rules say of each, as
 * `git check-ignore --no-index -v -n -z --stdin <PATHS` in DIR prints it: FILE, LINE, (the pattern: not printed,) PATH.
 *
 * What is left out: "a**" with a slash further on, where git's releases differ from each other.
 */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stage/ignore.h"
#include "stage/source.h"
#include "util/error.h"
#include "util/strbuf.h"
#include "util/strvec.h"
#include "util/xalloc.h"

static uint64_t state;

static unsigned rnd(unsigned n)
{
	state += 0x9e3779b97f4a7c15u;
	uint64_t z = state;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (unsigned)((z ^ (z >> 31)) % n);
}

static const char *const names[] = {
	"a", "b", "c", "ab", "abc", "aab", "foo", "bar", "foobar", "a.c", "b.o", "x.tar.gz", ".a", "A", "B1", "7", "a-b", "a_b",
	"a b", "a ", " a", "#a", "!a", "!", "-", "]", "[a]", "^", "a*", "**", "a?", "a\\", "\\a", "\xc3\xa9", "\xff", "a\t", "a\r",
	"build", "build1", "\001", "~", "a:b", ".gitkeep",
};

#define PICK(a) ((a)[rnd(sizeof(a) / sizeof *(a))])

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* --- trees ------------------------------------------------------------------------ */

static void make_tree(const char *dir, int depth)
{
	unsigned n = 2 + rnd(4);

	if (mkdir(dir, 0755) != 0)
		die(dir);
	for (unsigned i = 0; i < n; i++) {
		char *path = xasprintf("%s/%s", dir, PICK(names));
		struct stat st;

		if (lstat(path, &st) == 0) {
			free(path);
			continue;
		}
		if (depth < 4 && rnd(5) < 3) {
			make_tree(path, depth + 1);
		} else if (rnd(8) == 0) {
			if (symlink(".", path) != 0)
				die(path);
		} else {
			int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

			if (fd < 0)
				die(path);
			close(fd);
		}
		free(path);
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All paths below dir, relative to top. */
static void list_tree(const char *top, const char *dir, struct strvec *out)
{
	char *full = xasprintf("%s/%s", top, dir);
	struct strvec here = STRVEC_INIT;
	DIR *d = opendir(full);
	struct dirent *e;

	if (!d)
		die(full);
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && strcmp(e->d_name, ".git"))
			strvec_push_nodup(&here, *dir ? xasprintf("%s/%s", dir, e->d_name) : xstrdup(e->d_name));
	closedir(d);
	free(full);
	if (here.n)
		qsort(here.v, here.n, sizeof *here.v, by_name);
	for (size_t i = 0; i < here.n; i++) {
		char *path = xasprintf("%s/%s", top, here.v[i]);
		struct stat st;

		if (lstat(path, &st) != 0)
			die(path);
		strvec_push(out, here.v[i]);
		if (S_ISDIR(st.st_mode))
			list_tree(top, here.v[i], out);
		free(path);
	}
	strvec_release(&here);
}

/* --- patterns ----------------------------------------------------------------------- */

static void add_set(struct strbuf *sb)
{
	static const char *const sets[] = {
		"[a-c]", "[!a-c]", "[^a]", "[abc]", "[]a]", "[!]a]", "[a-]", "[-a]", "[[:alpha:]]", "[[:digit:]b]", "[![:alnum:]]",
		"[[:upper:][:lower:]]", "[[:space:]]", "[[:punct:]]", "[[:nope:]]", "[[:alpha:]-z]", "[[:alpha]", "[\\]a]", "[\\a-c]",
		"[a-\\c]", "[c-a]", "[a", "[", "[!", "[]", "[^]", "[[:]", "[[::]]", "[--0]", "[ -~]", "[!-~]", "[a-c-e]", "[+--]",
		"[.-0]", "[\\\\]", "[a/b]", "[!b/]", "[[:alpha:", "[\x80-\xff]", "[[.a.]]", "[[=a=]]", "[a[:digit:]]", "[#!]", "[*]", "[?]",
	};

	strbuf_addstr(sb, PICK(sets));
}

/* A byte of a name, perhaps as something else that matches it, or does not. */
static void add_byte(struct strbuf *sb, char c)
{
	switch (rnd(14)) {
	case 0: strbuf_addch(sb, '?'); break;
	case 1: strbuf_addch(sb, '*'); break;
	case 2: add_set(sb); break;
	case 3: strbuf_addf(sb, "\\%c", c); break;
	case 4: strbuf_addf(sb, "[%c]", c); break;
	case 5: strbuf_addf(sb, "%c*", c); break;
	case 6: if (rnd(3) == 0) strbuf_addch(sb, "ab*?/.\\! "[rnd(9)]); break;
	default: strbuf_addch(sb, c);
	}
}

static void add_component(struct strbuf *sb, const char *name, size_t n)
{
	static const char *const wild[] = { "*", "**", "?", "***", "*.*", "a*", "*b", "?*", "" };
	unsigned how = rnd(20);

	if (how == 0)
		strbuf_addstr(sb, PICK(wild));
	else if (how < 11)
		strbuf_add(sb, name, n);
	else
		for (size_t i = 0; i < n; i++)
			add_byte(sb, name[i]);
}

/* git takes what is before the first special byte off before it looks for "**": so "a**" is to it as "**" at the beginning. */
static bool is_disputed(const char *p)
{
	size_t n = strlen(p), at;

	if (n && p[n - 1] == '/')
		n--;
	if (n && !memchr(p, '/', n))
		return false;
	p += *p == '/';
	at = strcspn(p, "*?[\\");
	return at && p[at - 1] != '/' && p[at] == '*' && p[at + 1] == '*';
}

/* From the components of a path in the directory. */
static void add_path_pattern(struct strbuf *sb, const char *path)
{
	static const char *const between[] = { "/**/", "/**/", "/*/", "**/", "/**", "?", "*", "[!x]", "[.-0]" };
	const char *s = path;
	unsigned skip = rnd(3);

	for (const char *slash; skip && (slash = strchr(s, '/')); skip--)
		s = slash + 1;
	if (rnd(5) == 0)
		strbuf_addch(sb, '/');
	if (rnd(6) == 0)
		strbuf_addstr(sb, rnd(4) ? "**/" : "*/");
	for (bool first = true; *s; first = false) {
		size_t n = strcspn(s, "/");

		if (!first)
			strbuf_addstr(sb, rnd(5) ? "/" : PICK(between));
		add_component(sb, s, n);
		s += n + (s[n] == '/');
		if (rnd(5) == 0)
			break;
	}
	if (rnd(7) == 0)
		strbuf_addstr(sb, rnd(3) ? "/**" : rnd(2) ? "/*" : "**");
	if (rnd(4) == 0)
		strbuf_addch(sb, '/');
}

static void add_line(struct strbuf *sb, const struct strvec *paths, const char *dir)
{
	static const char *const odd[] = {
		"", "#a", "\\#a", "!", "\\!a", "!!a", "/", "//", "!/", "   ", "\\ ", "a\\", "**", "*", "**/", "/**", "/*", "*/", "a//", "./a",
		"\\", "a\\ ", "a\\  ", "a\\\\ ", " #a", "/**/", "**/**", "*/**", "**/*", "!*/", "!**/", "\\/a", "/./a", "a/../b", ("\xef\xbb\xbf" "a"),
		"**\\/a", "a/**\\/b", "\t", "a\t",
	};
	struct strbuf pattern = STRBUF_INIT;
	size_t n = strlen(dir);
	const char *path = "a";

	for (int tries = 0; tries < 50; tries++) {
		const char *p = paths->v[rnd((unsigned)paths->n)];

		if (strncmp(p, dir, n) == 0 && p[n] == '/') {
			path = p + n + 1;
			break;
		}
	}
	do {
		strbuf_reset(&pattern);
		if (rnd(30) == 0)
			strbuf_addstr(&pattern, PICK(odd));
		else
			add_path_pattern(&pattern, path);
	} while (is_disputed(pattern.buf));
	if (rnd(4) == 0)
		strbuf_addch(sb, '!');
	strbuf_add(sb, pattern.buf, pattern.len);
	if (rnd(8) == 0)
		strbuf_addstr(sb, rnd(2) ? " " : rnd(2) ? "  " : "\\ ");
	strbuf_addstr(sb, rnd(7) ? "\n" : "\r\n");
	strbuf_release(&pattern);
}

static void write_rules(const char *top, const char *file, const char *dir, const struct strvec *paths, unsigned lines)
{
	char *path = xasprintf("%s/%s", top, file);
	struct strbuf sb = STRBUF_INIT;
	FILE *f = fopen(path, "we");

	if (!f)
		die(path);
	if (rnd(10) == 0)
		strbuf_addstr(&sb, "\xef\xbb\xbf");
	for (unsigned i = 0; i < lines; i++)
		add_line(&sb, paths, dir);
	if (rnd(4) == 0) /* the last line does not end */
		strbuf_setlen(&sb, sb.len - 1);
	fwrite(sb.buf, 1, sb.len, f);
	if (fclose(f) != 0)
		die(path);
	strbuf_release(&sb);
	free(path);
}

static void make_rules(const char *top, const char *tree, const struct strvec *paths)
{
	char *file = xasprintf("%s/.gitignore", tree);

	write_rules(top, file, tree, paths, 1 + rnd(5));
	free(file);
	for (size_t i = 0; i < paths->n; i++) {
		char *full = xasprintf("%s/%s", top, paths->v[i]);
		struct stat st;

		if (lstat(full, &st) == 0 && S_ISDIR(st.st_mode) && rnd(4) == 0) {
			file = xasprintf("%s/.gitignore", paths->v[i]);
			write_rules(top, file, paths->v[i], paths, 1 + rnd(3));
			free(file);
		}
		free(full);
	}
}

/* A class each: directory cN, whose made-up names are 'x' and any byte. */
static void make_classes(const char *top)
{
	static const char *const classes[] = {
		"alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "xdigit",
	};

	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
		char *dir = xasprintf("%s/c%zu", top, i), *path = xasprintf("%s/.gitignore", dir);
		FILE *f = mkdir(dir, 0755) == 0 ? fopen(path, "we") : NULL;

		if (!f)
			die(path);
		fprintf(f, "x[[:%s:]]\n", classes[i]);
		fclose(f);
		free(dir);
		free(path);
	}
}

static void make_exclude(const char *top)
{
	char *path = xasprintf("%s/.git/info/exclude", top);
	FILE *f = fopen(path, "we");

	if (!f)
		die(path);
	fputs("7\n/t1/*\n!/t1/a\n!/t1/b\n*.gz\n", f);
	fclose(f);
	free(path);
}

/* --- verdicts ------------------------------------------------------------------------ */

struct verdicts {
	struct ignore *ignore;
	const char *top;
	FILE *paths, *out;
	long n, ignored;
};

static void give(struct verdicts *v, const struct ignore_rule *r, const char *path)
{
	fwrite(path, 1, strlen(path) + 1, v->paths);
	if (r)
		fprintf(v->out, "%s%c%d%c%s%c", r->file, 0, r->line, 0, path, 0);
	else
		fprintf(v->out, "%c%c%s%c", 0, 0, path, 0);
	v->n++;
	v->ignored += r && !r->negated;
}

static void judge(struct verdicts *v, const struct ignore_scope *above, const struct ignore_rule *lost, const char *dir)
{
	char *full = xasprintf("%s/%s", v->top, dir);
	int fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct ignore_scope *scope = above;
	struct strvec here = STRVEC_INIT;
	struct error err;
	struct dirent *e;
	DIR *d;

	if (fd < 0)
		die(full);
	if (!lost && ignore_read(v->ignore, IGNORE_ALL, above, fd, dir, &scope, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	d = fdopendir(fd);
	while (d && (e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && strcmp(e->d_name, ".git"))
			strvec_push_nodup(&here, *dir ? xasprintf("%s/%s", dir, e->d_name) : xstrdup(e->d_name));
	closedir(d);
	free(full);
	for (size_t i = 0; i < here.n; i++) {
		struct stat st;
		bool is_dir;

		full = xasprintf("%s/%s", v->top, here.v[i]);
		is_dir = lstat(full, &st) == 0 && S_ISDIR(st.st_mode);
		free(full);
		const struct ignore_rule *r = lost ? lost : ignore_find(scope, IGNORE_ALL, here.v[i], is_dir);

		give(v, r, here.v[i]);
		if (is_dir)
			judge(v, scope, r && !r->negated ? r : NULL, here.v[i]);
	}
	strvec_release(&here);
	for (int b = 1; *dir == 'c' && b < 256; b++) {
		char *path = xasprintf("%s/x%c", dir, b);

		if (b != '/' && b != '\n')
			give(v, ignore_find(scope, IGNORE_ALL, path, false), path);
		free(path);
	}
}

int main(int argc, char **argv)
{
	struct verdicts v = { 0 };
	struct strvec paths = STRVEC_INIT;

	if (argc != 6)
		return 2;
	state = strtoull(argv[1], NULL, 10);
	v.top = argv[3];
	for (int i = 0; i < atoi(argv[2]); i++) {
		char *tree = xasprintf("t%d", i), *full = xasprintf("%s/%s", v.top, tree);

		strvec_release(&paths);
		make_tree(full, 0);
		list_tree(v.top, tree, &paths);
		make_rules(v.top, tree, &paths);
		free(tree);
		free(full);
	}
	make_classes(v.top);
	make_exclude(v.top);
	strvec_release(&paths);
	v.ignore = ignore_new();
	v.paths = fopen(argv[4], "we");
	v.out = fopen(argv[5], "we");
	if (!v.paths || !v.out)
		die("cannot write");
	judge(&v, NULL, NULL, "");
	ignore_free(v.ignore);
	if (fclose(v.paths) != 0 || fclose(v.out) != 0)
		die("cannot write");
	printf("%ld paths, %ld ignored\n", v.n, v.ignored);
	return 0;
}
