/*
 * inih sees only lines that this file has checked.  It asks for them one at a time (ini_parse_stream),
 * so the line it is at is known when it calls back.  Its limits are those of how the system
 * built it (200 bytes a line, 50 a section): section headers are read here, and of a line that
 * does not fit it gets the name with a short value; the real one is cut from the line by the same rule.
 */
#include "config/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/keys.h"
#include "config/problems.h"
#include "config/text.h"
#include "util/error.h"
#include "util/strbuf.h"
#include "util/xalloc.h"

static const char bom[] = "\xef\xbb\xbf";
static const char blanks[] = " \t"; /* others are control characters */

struct reader {
	const char *file;        /* for errors */
	const char *next, *end;  /* what is left of the text */
	int line;
	int kind;
	struct strbuf section;   /* where we are; empty before the first one */
	bool deaf;               /* in a section whose header was refused: its keys are not told */
	bool asked;              /* inih has a line and has not called back yet */
	char *value;             /* of a line that was too long for it; else NULL */
	bool comment;
	json_t *seen;            /* "SECTION" and "SECTION\nNAME" to line */
	reader_f *handler;
	void *arg;
	struct problems *problems;
};

static void complain(struct reader *r, const char *why)
{
	problems_add(r->problems, r->kind, "%s:%d: %s", r->file, r->line, why);
}

static void tell(struct reader *r, const char *name, const char *value)
{
	struct reader_item item = { r->line, r->section.buf, name, value, r->comment };
	struct error why = { 0 };

	if (r->handler(r->arg, &item, &why))
		complain(r, why.text);
}

/* The line where this name was before, 0 when it is new; then it is remembered. */
static int seen_before(struct reader *r, const char *name)
{
	struct strbuf id = STRBUF_INIT;
	json_t *old;
	int line = 0;

	strbuf_addstr(&id, r->section.buf);
	if (name)
		strbuf_addf(&id, "\n%s", name);
	old = json_object_get(r->seen, id.buf);
	if (old)
		line = (int)json_integer_value(old);
	else
		json_object_set_new(r->seen, id.buf, json_integer(r->line));
	strbuf_release(&id);
	return line;
}

/* Where inih ends a name or a value: at one of `stops`, or at a ';' behind a blank. */
static const char *find_stop(const char *s, const char *stops)
{
	bool blank = false;

	for (; *s && !strchr(stops, *s) && !(blank && *s == ';'); s++)
		blank = strchr(blanks, *s);
	return s;
}

/* [from, to) without blanks at its ends; new. */
static char *trimmed(const char *from, const char *to)
{
	while (from < to && strchr(blanks, *from))
		from++;
	while (to > from && strchr(blanks, to[-1]))
		to--;
	return xstrndup(from, (size_t)(to - from));
}

/* Is the line text?  n is its length, which strlen need not agree to. */
static bool check_bytes(struct reader *r, const char *s, size_t n)
{
	struct text_quoted q;
	struct strbuf why = STRBUF_INIT;
	size_t at;
	bool ok = false;

	if (n > READER_MAX_LINE)
		strbuf_addf(&why, "the line is longer than %d bytes", READER_MAX_LINE);
	else if ((at = text_control(s, n)) < n)
		strbuf_addf(&why, "control character '%s'", text_quote_byte(&q, s[at]));
	else if ((at = text_bad_utf8(s, n)) < n)
		strbuf_addf(&why, "not UTF-8 text: byte '%s'", text_quote_byte(&q, s[at]));
	else
		ok = true;
	if (!ok)
		complain(r, why.buf);
	strbuf_release(&why);
	return ok;
}

/* The text between the brackets into r->section; false, and why, when it is no header. */
static bool parse_header(struct reader *r, const char *s)
{
	const char *close = find_stop(s + 1, "]"), *rest = close + 1;

	if (*close != ']') {
		complain(r, "']' is missing");
		return false;
	}
	rest += strspn(rest, blanks);
	if (*rest && *rest != ';') {
		complain(r, "text behind ']'");
		return false;
	}
	for (s++; s < close; ) {
		size_t word;

		s += strspn(s, blanks);
		word = strcspn(s, " \t]");
		if (word && r->section.len)
			strbuf_addch(&r->section, ' ');
		strbuf_add(&r->section, s, word);
		s += word;
	}
	if (!r->section.len)
		complain(r, "a section without a name");
	return r->section.len;
}

static void take_header(struct reader *r, const char *s)
{
	struct text_quoted q;
	int before;

	strbuf_reset(&r->section);
	r->deaf = true;
	if (!parse_header(r, s))
		return;
	before = seen_before(r, NULL);
	if (before) {
		problems_add(r->problems, r->kind, "%s:%d: section [%s] again; the first is at line %d", r->file,
			     r->line, text_quote(&q, r->section.buf), before);
		return;
	}
	r->deaf = false;
	r->comment = false;
	tell(r, NULL, "");
}

_Static_assert(READER_MAX_NAME == 128, "the message below says so");

/* Is it `name = value` as inih will read it?  Then what it cannot tell us is noted. */
static bool check_assignment(struct reader *r, const char *s, size_t n, size_t room)
{
	const char *equals = find_stop(s, "=:"), *end;
	const char *why = NULL;

	if (*equals == ':')
		why = "':' before '='; write 'name = value'";
	else if (*equals != '=')
		why = "no '='; write 'name = value'";
	else if (equals == s)
		why = "no name before '='";
	else if (equals - s > READER_MAX_NAME || (size_t)(equals - s) + sizeof "=\n" > room)
		why = "a name of more than 128 bytes";
	else if (!r->section.len && !r->deaf)
		why = "a key before the first [section]";
	if (why) {
		complain(r, why);
		return false;
	}
	if (r->deaf)
		return false;
	end = find_stop(equals + 1, "");
	r->comment = *end;
	if (n + sizeof "\n" > room)
		r->value = trimmed(equals + 1, end);
	return true;
}

/* One line of the file, checked.  True when it is for inih. */
static bool take_line(struct reader *r, const char *s, size_t n, size_t room)
{
	const char *text = s + strspn(s, blanks);

	if (!*text || *text == ';' || *text == '#')
		return false;
	if (strncmp(s, bom, strlen(bom)) == 0) {
		complain(r, "a byte order mark inside the file");
		return false;
	}
	if (text > s) {
		complain(r, "the line begins with a blank; a value ends with its line, a name begins one");
		return false;
	}
	if (*s == '[') {
		take_header(r, s);
		return false;
	}
	return check_assignment(r, s, n, room);
}

/* The next line of the text without its end; *n is its length.  NULL at the end or when it is no text. */
static char *cut_line(struct reader *r, size_t *n)
{
	const char *s = r->next, *newline = memchr(s, '\n', (size_t)(r->end - s));

	*n = (size_t)((newline ? newline : r->end) - s);
	r->next = newline ? newline + 1 : r->end;
	r->line++;
	if (*n && s[*n - 1] == '\r')
		--*n;
	return check_bytes(r, s, *n) ? xstrndup(s, *n) : NULL;
}

/* inih took the line before but made nothing of it: its rules are not those of this file. */
static void settle(struct reader *r)
{
	if (r->asked)
		complain(r, "not understood; write 'name = value'");
	r->asked = false;
	free(r->value);
	r->value = NULL;
}

/* The fgets of inih: `room` is what its build takes. */
static char *next_line(char *out, int room, void *stream)
{
	struct reader *r = stream;
	size_t n;

	settle(r);
	while (!r->asked && r->next < r->end) {
		char *line = cut_line(r, &n);

		if (line && take_line(r, line, n, (size_t)room)) {
			if (r->value)
				n = (size_t)(strchr(line, '=') + 1 - line);
			memcpy(out, line, n);
			memcpy(out + n, "\n", 2);
			r->asked = true;
		}
		free(line);
	}
	return r->asked ? out : NULL;
}

#if INI_HANDLER_LINENO
static int take_value(void *user, const char *section, const char *name, const char *value, int lineno)
#else
static int take_value(void *user, const char *section, const char *name, const char *value)
#endif
{
	struct reader *r = user;
	struct text_quoted q, where;
	int before;

#if INI_HANDLER_LINENO
	(void)lineno;
#endif
	(void)section;
	r->asked = false;
	before = seen_before(r, name);
	if (before)
		problems_add(r->problems, r->kind, "%s:%d: '%s' again in [%s]; the first is at line %d", r->file, r->line,
			     text_quote(&q, name), text_quote(&where, r->section.buf), before);
	else
		tell(r, name, r->value ? r->value : value);
	return 1;
}

static void read_text(const struct strbuf *text, const char *name, int kind, reader_f *handler, void *arg,
		      struct problems *problems)
{
	struct reader r = {
		.file = name, .next = text->buf, .end = text->buf + text->len, .kind = kind, .section = STRBUF_INIT,
		.handler = handler, .arg = arg, .problems = problems,
	};

	if (strncmp(text->buf, bom, strlen(bom)) == 0)
		r.next += strlen(bom);
	r.seen = json_object();
	if (ini_parse_stream(next_line, &r, take_value, &r) < 0)
		problems_add(problems, kind, "%s: inih could not read it", name);
	settle(&r);
	json_decref(r.seen);
	strbuf_release(&r.section);
}

/* 0, or an errno; EFBIG past READER_MAX_FILE. */
static int read_all(int fd, struct strbuf *text)
{
	char buf[16384];
	ssize_t n;

	while (text->len <= READER_MAX_FILE) {
		n = read(fd, buf, sizeof buf);
		if (n == 0)
			return 0;
		if (n > 0)
			strbuf_add(text, buf, (size_t)n);
		else if (errno != EINTR)
			return errno;
	}
	return EFBIG;
}

void reader_fd(int fd, const char *name, int kind, reader_f *handler, void *arg, struct problems *problems)
{
	struct strbuf text = STRBUF_INIT;
	int rc = read_all(fd, &text);

	if (rc == EFBIG)
		problems_add(problems, kind, "%s: larger than 1 MiB", name);
	else if (rc)
		problems_add(problems, kind, "%s: %s", name, strerror(rc));
	else
		read_text(&text, name, kind, handler, arg, problems);
	strbuf_release(&text);
}

int reader_file(const char *path, int kind, reader_f *handler, void *arg, struct error *err)
{
	struct problems problems = PROBLEMS_INIT;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, errno == ENOENT ? ERROR_NOT_FOUND : kind, errno, "%s", path);
	reader_fd(fd, path, kind, handler, arg, &problems);
	close(fd);
	return problems_tell(&problems, err);
}

int reader_judge(const struct reader_item *item, const struct key *key, int outcome, struct error *err)
{
	bool words = key->type == KEY_WORDS || key->type == KEY_PATHS;

	if (!item->comment)
		return outcome;
	if (outcome == 0 && key->type == KEY_SHELL)
		return error_set(err, ERROR_CONFIG, "%s: ' ;' begins a comment; write ';' without a blank before it, and "
				 "comments on their own lines", key->name);
	if (outcome && words && err) {
		struct error why = *err;

		error_set(err, why.kind, "%s (' ;' begins a comment)", why.text);
	}
	return outcome;
}
