#include "config/value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "config/gitref.h"
#include "config/keys.h"
#include "config/text.h"
#include "util/error.h"
#include "util/fsutil.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/strtab.h"
#include "util/strvec.h"
#include "util/units.h"
#include "util/xalloc.h"

typedef int check_f(const struct key *key, const char *value, int64_t *number, struct error *err);
typedef void store_f(void *field, const char *value, int64_t number, const char *base);
typedef void show_f(int64_t n, struct strbuf *sb);

static const char letters_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/* A number outside of the row's range is told with the range as the user writes it. */
static int check_range(const struct key *key, const char *value, int64_t n, show_f *show, struct error *err)
{
	struct strbuf sb = STRBUF_INIT;
	struct text_quoted q;

	if (n >= key->min && n <= key->max)
		return 0;
	show(key->min, &sb);
	strbuf_addstr(&sb, " to ");
	show(key->max, &sb);
	error_set(err, ERROR_CONFIG, "'%s' is not within %s", text_quote(&q, value), sb.buf);
	strbuf_release(&sb);
	return -1;
}

static void show_int(int64_t n, struct strbuf *sb)
{
	strbuf_addf(sb, "%" PRId64, n);
}

static void show_duration(int64_t ms, struct strbuf *sb)
{
	static const struct { int64_t ms; const char *unit; } units[] = {
		{ 24 * 3600 * 1000, "d" }, { 3600 * 1000, "h" }, { 60 * 1000, "m" }, { 1000, "s" }, { 1, "ms" },
	};
	size_t i = 0;

	while (ms % units[i].ms)
		i++;
	if (ms)
		strbuf_addf(sb, "%" PRId64 "%s", ms / units[i].ms, units[i].unit);
	else
		strbuf_addstr(sb, "0");
}

static void show_time(int64_t seconds, struct strbuf *sb)
{
	show_duration(seconds * 1000, sb);
}

static void show_size(int64_t bytes, struct strbuf *sb)
{
	char text[UNITS_TEXT];

	units_size(bytes, text);
	strbuf_addstr(sb, text);
}

static int parse_int(const char *s, int64_t *n)
{
	const char *digits = s + (*s == '-');
	char *end;
	long long v;

	if (!isdigit((unsigned char)*digits))
		return -1;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (*end)
		return -1;
	*n = v; /* one that overflows is LLONG_MAX: out of every range */
	return 0;
}

static int check_int(const struct key *key, const char *value, int64_t *number, struct error *err)
{
	struct text_quoted q;

	if (parse_int(value, number))
		return error_set(err, ERROR_CONFIG, "'%s' is not a whole number", text_quote(&q, value));
	return check_range(key, value, *number, show_int, err);
}

static int check_bool(const struct key *key, const char *value, int64_t *number, struct error *err)
{
	static const struct strtab words[] = {
		{ 1, "yes" }, { 1, "true" }, { 1, "on" }, { 1, "1" },
		{ 0, "no" }, { 0, "false" }, { 0, "off" }, { 0, "0" },
		{ 0, NULL },
	};
	struct text_quoted q;

	(void)key;
	*number = strtab_value(words, value, -1);
	if (*number < 0)
		return error_set(err, ERROR_CONFIG, "'%s' is neither yes nor no", text_quote(&q, value));
	return 0;
}

static int check_duration(const struct key *key, const char *value, int64_t *number, struct error *err)
{
	return units_parse_duration(value, number, err) || check_range(key, value, *number, show_duration, err) ? -1 : 0;
}

static int check_time(const struct key *key, const char *value, int64_t *number, struct error *err)
{
	return units_parse_time(value, number, err) || check_range(key, value, *number, show_time, err) ? -1 : 0;
}

static int check_size(const struct key *key, const char *value, int64_t *number, struct error *err)
{
	return units_parse_size(value, number, err) || check_range(key, value, *number, show_size, err) ? -1 : 0;
}

static int check_word(const struct key *key, const char *value, int64_t *number, struct error *err)
{
	struct strbuf all = STRBUF_INIT;
	struct text_quoted q, near;

	for (size_t i = 0; key->words[i]; i++) {
		if (strcmp(key->words[i], value) == 0) {
			*number = (int64_t)i;
			strbuf_release(&all);
			return 0;
		}
		strbuf_addf(&all, "%s'%s'", i ? ", " : "", key->words[i]);
	}
	error_set(err, ERROR_CONFIG, "'%s' is not one of %s%s", text_quote(&q, value), all.buf,
		  text_near(&near, value, key->words));
	strbuf_release(&all);
	return -1;
}

/* Only bytes of [A-Za-z0-9] and `others`, and no option. */
static int check_bytes(const char *value, const char *others, const char *hint, struct error *err)
{
	struct text_quoted q, b;

	if (*value == '-')
		return error_set(err, ERROR_CONFIG, "'%s' begins with '-'", text_quote(&q, value));
	for (const char *s = value; *s; s++)
		if (!strchr(letters_digits, *s) && !strchr(others, *s))
			return error_set(err, ERROR_CONFIG, "'%s' holds '%s'%s", text_quote(&q, value),
					 text_quote_byte(&b, *s), hint);
	return 0;
}

static int check_name(const struct key *key, const char *value, int64_t *number, struct error *err)
{
	struct text_quoted q;

	(void)key, (void)number;
	if (*value == '.')
		return error_set(err, ERROR_CONFIG, "'%s' begins with '.'", text_quote(&q, value));
	return check_bytes(value, "._-", "; a name is made of letters, digits, '.', '_' and '-'", err);
}

/* Host and user become words of other programs' command lines and of the ssh protocol: what could be an
   option or shell syntax anywhere on the way is refused here. */
static int check_host(const struct key *key, const char *value, int64_t *number, struct error *err)
{
	const char *zone = strchr(value, '%');
	struct text_quoted q;

	(void)key, (void)number;
	if (strchr(value, '@'))
		return error_set(err, ERROR_CONFIG, "'%s' holds '@'; the login name has its own key, 'user'",
				 text_quote(&q, value));
	if (*value == '[')
		return error_set(err, ERROR_CONFIG, "'%s' holds '['; write an IPv6 address without brackets",
				 text_quote(&q, value));
	/* '%' is for the zone of an IPv6 address only: fe80::1%eth0 */
	return check_bytes(value, zone && memchr(value, ':', (size_t)(zone - value)) ? "._-:%" : "._-:", "", err);
}

static int check_user(const struct key *key, const char *value, int64_t *number, struct error *err)
{
	(void)key, (void)number;
	return check_bytes(value, "._-@+", "", err);
}

static bool has_dotdot(const char *path)
{
	for (const char *s = path; *s; s += strspn(s, "/")) {
		size_t n = strcspn(s, "/");

		if (n == 2 && memcmp(s, "..", 2) == 0)
			return true;
		s += n;
	}
	return false;
}

static int check_root(const struct key *key, const char *value, int64_t *number, struct error *err)
{
	struct text_quoted q;

	(void)key, (void)number;
	if (*value != '/' && strncmp(value, "~/", 2) != 0)
		return error_set(err, ERROR_CONFIG, "'%s' is neither absolute nor below '~/'", text_quote(&q, value));
	if (has_dotdot(value))
		return error_set(err, ERROR_CONFIG, "'%s' holds a '..'", text_quote(&q, value));
	return 0;
}

static int check_program(const struct key *key, const char *value, int64_t *number, struct error *err)
{
	struct text_quoted q;

	(void)key, (void)number;
	if (*value != '/' && !path_is_plain(value))
		return error_set(err, ERROR_CONFIG, "'%s' is neither a plain name nor an absolute path",
				 text_quote(&q, value));
	return 0;
}

static int check_path(const struct key *key, const char *value, int64_t *number, struct error *err)
{
	struct text_quoted q;

	(void)key, (void)number;
	if (*value == '~' && value[1] && value[1] != '/')
		return error_set(err, ERROR_CONFIG, "'%s': only '~/' is expanded; write the path out",
				 text_quote(&q, value));
	if (*value == '~' && !(getenv("HOME") && *getenv("HOME")))
		return error_set(err, ERROR_CONFIG, "'%s': HOME is not set", text_quote(&q, value));
	if (*value == '"' || *value == '\'')
		return error_set(err, ERROR_CONFIG, "'%s': quotes are part of a path here; leave them out",
				 text_quote(&q, value));
	return 0;
}

static int check_words(const struct key *key, const char *value, int64_t *number, struct error *err)
{
	struct strvec words = STRVEC_INIT;
	int rc = strvec_split_shell(&words, value, err);

	(void)key;
	if (rc == 0)
		*number = (int64_t)words.n;
	strvec_release(&words);
	return rc;
}

static int check_paths(const struct key *key, const char *value, int64_t *number, struct error *err)
{
	struct strvec words = STRVEC_INIT;
	int rc = strvec_split_shell(&words, value, err);

	for (size_t i = 0; rc == 0 && i < words.n; i++) {
		if (words.v[i][0])
			rc = check_path(key, words.v[i], number, err);
		else
			rc = error_set(err, ERROR_CONFIG, "an empty path");
	}
	if (rc == 0)
		*number = (int64_t)words.n;
	strvec_release(&words);
	return rc;
}

static int check_gpus(const struct key *key, const char *value, int64_t *number, struct error *err)
{
	const char *colon = strrchr(value, ':');
	const char *count = colon ? colon + 1 : value;
	struct text_quoted q;
	int rc = 0;

	if (parse_int(count, number))
		return error_set(err, ERROR_CONFIG, "'%s' is neither N nor TYPE:N", text_quote(&q, value));
	if (colon) {
		char *type = xstrndup(value, (size_t)(colon - value));

		if (strlen(type) > 64 || !path_is_plain(type))
			rc = error_set(err, ERROR_CONFIG, "'%s' is no type of GPU", text_quote(&q, type));
		free(type);
	}
	return rc ? rc : check_range(key, count, *number, show_int, err);
}

/* takes: what else may be there, for the error. */
static const char *local_of(const char *source, const char *takes, struct error *err)
{
	size_t n = strspn(source, "abcdefghijklmnopqrstuvwxyz0123456789+.-");
	const char *path = source;
	struct text_quoted q;

	if (source[n] == ':' && n && source[0] >= 'a' && source[0] <= 'z') {
		path = source + n + 1;
		if (n != 5 || memcmp(source, "local", n) != 0) {
			error_set(err, ERROR_SPEC, "'%s': this version takes %s", text_quote(&q, source), takes);
			return NULL;
		}
	}
	if (!*path) {
		error_set(err, ERROR_SPEC, "'%s' names no path", text_quote(&q, source));
		return NULL;
	}
	return path;
}

const char *value_local(const char *source, struct error *err)
{
	return local_of(source, "local:DIR only", err);
}

static int check_source(const struct key *key, const char *value, int64_t *number, struct error *err)
{
	const char *path = value_local(value, err);

	return path ? check_path(key, path, number, err) : -1;
}

static int check_code(const struct key *key, const char *value, int64_t *number, struct error *err)
{
	struct gitref ref;
	int rc = 0;

	if (!gitref_is(value)) {
		const char *path = local_of(value, "local:DIR and git:URL@REV", err);

		return path ? check_path(key, path, number, err) : -1;
	}
	if (gitref_parse(value, &ref, err) != 0)
		return -1;
	if (ref.local)
		rc = check_path(key, ref.url, number, err);
	gitref_release(&ref);
	return rc;
}

static int check_inside(const struct key *key, const char *value, int64_t *number, struct error *err)
{
	struct text_quoted q;

	(void)key, (void)number;
	if (!path_is_safe_relative(value))
		return error_set(err, ERROR_CONFIG, "'%s' is no path below code/", text_quote(&q, value));
	return 0;
}

static int check_any(const struct key *key, const char *value, int64_t *number, struct error *err)
{
	(void)key, (void)value, (void)number, (void)err;
	return 0;
}

/* Without "." components and double slashes. */
static char *tidy(const char *path)
{
	struct strbuf sb = STRBUF_INIT;

	for (const char *s = path; *s; s += strspn(s, "/")) {
		size_t n = strcspn(s, "/");

		if (n && !(n == 1 && *s == '.')) {
			strbuf_addch(&sb, '/');
			strbuf_add(&sb, s, n);
		}
		s += n;
	}
	if (!sb.len)
		strbuf_addch(&sb, '/');
	return strbuf_detach(&sb, NULL);
}

char *value_path(const char *path, const char *base)
{
	char *full = fsutil_expand(path, base), *tidied = tidy(full);

	free(full);
	return tidied;
}

char *value_base(const char *path)
{
	char *cwd = fsutil_expand("", NULL), *dir = path_dirname(path), *full = path_join(cwd, dir);
	char *base = tidy(full);

	free(full);
	free(dir);
	free(cwd);
	return base;
}

static void store_int(void *field, const char *value, int64_t number, const char *base)
{
	(void)value, (void)base;
	*(int *)field = (int)number;
}

static void store_int64(void *field, const char *value, int64_t number, const char *base)
{
	(void)value, (void)base;
	*(int64_t *)field = number;
}

static void replace(char **field, char *s)
{
	free(*field);
	*field = s;
}

static void store_string(void *field, const char *value, int64_t number, const char *base)
{
	(void)number, (void)base;
	replace(field, xstrdup(value));
}

static void store_path(void *field, const char *value, int64_t number, const char *base)
{
	(void)number;
	replace(field, value_path(value, base));
}

static void store_source(void *field, const char *value, int64_t number, const char *base)
{
	char *path = value_path(value_local(value, NULL), base);

	(void)number;
	replace(field, xasprintf("local:%s", path));
	free(path);
}

static void store_code(void *field, const char *value, int64_t number, const char *base)
{
	struct gitref ref;

	if (!gitref_is(value)) {
		store_source(field, value, number, base);
		return;
	}
	if (gitref_parse(value, &ref, NULL) != 0)
		return; /* it was checked */
	if (ref.local)
		replace(&ref.url, value_path(ref.url, base));
	replace(field, gitref_text(&ref));
	gitref_release(&ref);
}

static void store_words(void *field, const char *value, int64_t number, const char *base)
{
	struct strvec words = STRVEC_INIT;

	(void)number, (void)base;
	strvec_split_shell(&words, value, NULL); /* it was checked */
	strvec_release(field);
	*(struct strvec *)field = words;
}

static void store_paths(void *field, const char *value, int64_t number, const char *base)
{
	struct strvec *words = field;

	store_words(field, value, number, base);
	for (size_t i = 0; i < words->n; i++)
		replace(&words->v[i], value_path(words->v[i], base));
}

static const struct type {
	check_f *check;
	store_f *store;
	bool number; /* min and max are of the number, not of the text's length */
} types[] = {
	[KEY_STRING] = { check_any, store_string },
	[KEY_NAME] = { check_name, store_string },
	[KEY_INT] = { check_int, store_int, true },
	[KEY_BOOL] = { check_bool, store_int, true },
	[KEY_DURATION] = { check_duration, store_int64, true },
	[KEY_TIME] = { check_time, store_int64, true },
	[KEY_SIZE] = { check_size, store_int64, true },
	[KEY_WORD] = { check_word, store_string },
	[KEY_PATH] = { check_path, store_path },
	[KEY_WORDS] = { check_words, store_words },
	[KEY_PATHS] = { check_paths, store_paths },
	[KEY_SHELL] = { check_any, store_string },
	[KEY_HOST] = { check_host, store_string },
	[KEY_USER] = { check_user, store_string },
	[KEY_ROOT] = { check_root, store_string },
	[KEY_PROGRAM] = { check_program, store_string },
	[KEY_GPUS] = { check_gpus, store_int, true },
	[KEY_SOURCE] = { check_source, store_source },
	[KEY_CODE] = { check_code, store_code },
	[KEY_INSIDE] = { check_inside, store_string },
};

/* What holds for every type: text of one line, of bounded length. */
static int check_text(const struct key *key, const char *value, struct error *err)
{
	size_t n = strlen(value), at;
	struct text_quoted q;

	if (!n && key->type != KEY_WORDS)
		return error_set(err, ERROR_CONFIG, "no value");
	if ((at = text_control(value, n)) < n)
		return error_set(err, ERROR_CONFIG, "control character '%s' in the value", text_quote_byte(&q, value[at]));
	if ((at = text_bad_utf8(value, n)) < n)
		return error_set(err, ERROR_CONFIG, "not UTF-8 text: byte '%s'", text_quote_byte(&q, value[at]));
	if (!types[key->type].number && key->max && n > (size_t)key->max)
		return error_set(err, ERROR_CONFIG, "'%s' is longer than %" PRId64 " bytes", text_quote(&q, value),
				 key->max);
	return 0;
}

int value_check(const struct key *key, const char *value, int64_t *number, struct error *err)
{
	return check_text(key, value, err) || types[key->type].check(key, value, number, err) ? -1 : 0;
}

int value_store(const struct key *key, const char *value, const char *base, void *field, struct error *err)
{
	int64_t n;

	if (keys_check(key, value, &n, err))
		return -1;
	types[key->type].store(field, value, n, base);
	return 0;
}
