/*
 * One question, one answer; and the list of a directory.  Answers are kept and read
 * outside of the pump.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "transport/sftp.h"
#include "transport/sftp_codec.h"
#include "transport/sftp_copy.h"
#include "util/strbuf.h"
#include "util/vis.h"
#include "util/xalloc.h"

enum {
	READDIRS_AHEAD = 4, /* requests for one directory: hides most of the round trips of a long one */
};

/* --- ask ------------------------------------------------------------------ */

struct answered {
	bool done;
	enum sftp_type type;
	struct strbuf body;
};
#define ANSWERED_INIT { false, SFTP_STATUS, STRBUF_INIT }

static int keep(void *arg, uint64_t tag, enum sftp_type type, struct sftp_reader *payload, struct error *err)
{
	struct answered *a = arg;

	(void)tag;
	(void)err;
	a->type = type;
	strbuf_reset(&a->body);
	strbuf_add(&a->body, payload->p, payload->left);
	a->done = true;
	return 0;
}

static void ask(struct sftp *s, struct answered *a)
{
	a->done = false;
	sftp_send(s, keep, a, 0);
}

static int await(struct sftp *s, struct answered *a, struct error *err)
{
	while (!a->done)
		if (sftp_pump(s, true, err) != 0)
			return -1;
	return 0;
}

static int short_answer(struct sftp *s, struct error *err)
{
	return sftp_break(s, err, SFTP_SHORT_ANSWER);
}

static int wrong_type(struct sftp *s, enum sftp_type got, enum sftp_type asked, struct error *err)
{
	struct error wrong;

	sftp_wrong_type(got, asked, &wrong);
	return sftp_break(s, err, "%s", wrong.text);
}

/* The code of a STATUS that was awaited; -1 when the session broke.  err is set unless OK. */
static int64_t read_status(struct sftp *s, const struct answered *a, const char *what, const char *path,
			   struct error *err)
{
	struct sftp_reader r;
	uint32_t code;

	sftp_reader_init(&r, a->body.buf, a->body.len);
	if (a->type != SFTP_STATUS)
		return wrong_type(s, a->type, SFTP_STATUS, err);
	code = sftp_status_error(&r, what, path, err);
	return r.broken ? short_answer(s, err) : (int64_t)code;
}

/* Ask for a STATUS.  0, or -1 with err, explained. */
static int ask_status(struct sftp *s, enum sftp_attempt attempt, const char *what, const char *path,
		      struct error *err)
{
	struct answered a = ANSWERED_INIT;
	int64_t code = -1;

	ask(s, &a);
	if (await(s, &a, err) != 0)
		sftp_wrap(err, what, path);
	else
		code = read_status(s, &a, what, path, err);
	if (code == SFTP_FAILURE && err)
		sftp_explain(s, attempt, what, path, err);
	strbuf_release(&a.body);
	return code == SFTP_OK ? 0 : -1;
}

/* Ask for something else than a STATUS.  YES: a->body has it.  NO: a STATUS other than OK, told in err. */
static enum answer ask_for(struct sftp *s, enum sftp_type type, struct answered *a, int64_t *code, const char *what,
			   const char *path, struct error *err)
{
	ask(s, a);
	if (await(s, a, err) != 0) {
		sftp_wrap(err, what, path);
		return ANSWER_UNKNOWN;
	}
	if (a->type == type)
		return ANSWER_YES;
	if (a->type == SFTP_STATUS) {
		*code = read_status(s, a, what, path, err);
		if (*code > SFTP_OK)
			return ANSWER_NO;
		if (*code < 0)
			return ANSWER_UNKNOWN;
	}
	wrong_type(s, a->type, type, err);
	return ANSWER_UNKNOWN;
}

/* --- look ----------------------------------------------------------------- */

static enum answer look(struct sftp *s, enum sftp_type how, const char *path, struct sftp_attrs *attrs,
			struct error *err)
{
	struct answered a = ANSWERED_INIT;
	struct sftp_attrs found;
	struct sftp_reader r;
	int64_t code = -1;
	enum answer yes;

	sftp_add_cstring(sftp_begin(s, how), path);
	yes = ask_for(s, SFTP_ATTRS, &a, &code, "cannot look at", path, err);
	if (yes == ANSWER_YES) {
		sftp_reader_init(&r, a.body.buf, a.body.len);
		sftp_read_attrs(&r, &found);
		if (r.broken) {
			short_answer(s, err);
			yes = ANSWER_UNKNOWN;
		} else if (attrs) {
			*attrs = found;
		}
	} else if (yes == ANSWER_NO && code == SFTP_NO_SUCH_FILE) {
		error_clear(err);
	} else {
		yes = ANSWER_UNKNOWN;
	}
	strbuf_release(&a.body);
	return yes;
}

enum answer sftp_stat(struct sftp *s, const char *path, struct sftp_attrs *attrs, struct error *err)
{
	return look(s, SFTP_STAT, path, attrs, err);
}

enum answer sftp_lstat(struct sftp *s, const char *path, struct sftp_attrs *attrs, struct error *err)
{
	return look(s, SFTP_LSTAT, path, attrs, err);
}

static const uint64_t STATVFS_READ_ONLY = 1;

static uint64_t saturated(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static void read_statvfs(struct sftp_reader *r, struct sftp_statvfs *out)
{
	uint64_t unit;

	sftp_read_u64(r); /* preferred block size */
	unit = sftp_read_u64(r);
	out->bytes_total = saturated(sftp_read_u64(r), unit);
	sftp_read_u64(r); /* free, for root */
	out->bytes_avail = saturated(sftp_read_u64(r), unit);
	out->files_total = sftp_read_u64(r);
	sftp_read_u64(r);
	out->files_avail = sftp_read_u64(r);
	sftp_read_u64(r); /* file system id */
	out->read_only = sftp_read_u64(r) & STATVFS_READ_ONLY;
	sftp_read_u64(r); /* longest name */
}

static int need(const struct sftp *s, enum sftp_extension bit, const char *name, const char *what, const char *path,
		struct error *err)
{
	if (sftp_extensions(s) & bit)
		return 0;
	error_set(err, ERROR_REFUSED, "the sftp server has no %s", name);
	return sftp_wrap(err, what, path);
}

int sftp_statvfs(struct sftp *s, const char *path, struct sftp_statvfs *out, struct error *err)
{
	static const char what[] = "cannot ask for the file system of";
	struct answered a = ANSWERED_INIT;
	struct sftp_statvfs found;
	struct sftp_reader r;
	int64_t code;
	int rc = -1;

	if (need(s, SFTP_STATVFS, "statvfs@openssh.com", what, path, err) != 0)
		return -1;
	sftp_add_cstring(sftp_begin_extended(s, "statvfs@openssh.com"), path);
	if (ask_for(s, SFTP_EXTENDED_REPLY, &a, &code, what, path, err) != ANSWER_YES)
		goto out;
	sftp_reader_init(&r, a.body.buf, a.body.len);
	read_statvfs(&r, &found);
	if (r.broken) {
		short_answer(s, err);
		goto out;
	}
	*out = found;
	rc = 0;
out:
	strbuf_release(&a.body);
	return rc;
}

/* The one name of a NAME answer, not empty and without NUL, appended to out. */
static bool read_one_name(struct sftp_reader *r, struct strbuf *out)
{
	uint32_t count = sftp_read_u32(r);
	size_t len;
	const char *name = sftp_read_string(r, &len);

	if (r->broken || count != 1 || len == 0 || memchr(name, '\0', len))
		return false;
	strbuf_add(out, name, len);
	return true;
}

int sftp_realpath(struct sftp *s, const char *path, struct strbuf *out, struct error *err)
{
	struct answered a = ANSWERED_INIT;
	struct sftp_reader r;
	int64_t code;
	int rc = -1;

	sftp_add_cstring(sftp_begin(s, SFTP_REALPATH), path);
	if (ask_for(s, SFTP_NAME, &a, &code, "cannot resolve", path, err) != ANSWER_YES)
		goto out;
	sftp_reader_init(&r, a.body.buf, a.body.len);
	if (!read_one_name(&r, out)) {
		sftp_break(s, err, "the sftp server resolves a path to something that is not one");
		goto out;
	}
	rc = 0;
out:
	strbuf_release(&a.body);
	return rc;
}

/* --- change --------------------------------------------------------------- */

int sftp_mkdir(struct sftp *s, const char *path, mode_t mode, struct error *err)
{
	static const char what[] = "cannot create directory";
	struct strbuf *sb = sftp_begin(s, SFTP_MKDIR);

	sftp_add_cstring(sb, path);
	sftp_add_mode(sb, mode);
	if (ask_status(s, SFTP_TO_MAKE_DIR, what, path, err) != 0)
		return -1;
	if (!sftp_needs_chmod(mode))
		return 0;
	sb = sftp_begin(s, SFTP_SETSTAT);
	sftp_add_cstring(sb, path);
	sftp_add_mode(sb, mode);
	return ask_status(s, SFTP_TO_CHANGE, "cannot set the mode of", path, err);
}

int sftp_rmdir(struct sftp *s, const char *path, struct error *err)
{
	sftp_add_cstring(sftp_begin(s, SFTP_RMDIR), path);
	return ask_status(s, SFTP_TO_REMOVE_DIR, "cannot remove directory", path, err);
}

int sftp_remove(struct sftp *s, const char *path, struct error *err)
{
	sftp_add_cstring(sftp_begin(s, SFTP_REMOVE), path);
	return ask_status(s, SFTP_TO_REMOVE, "cannot remove", path, err);
}

/* "VERB 'FROM' to", for messages.  New string. */
static char *from_to(const char *verb, const char *from)
{
	char *shown = sftp_shown(from);
	char *what = xasprintf("%s '%s' to", verb, shown);

	free(shown);
	return what;
}

static int ask_move(struct sftp *s, struct strbuf *sb, enum sftp_attempt attempt, const char *verb, const char *from,
		    const char *to, struct error *err)
{
	char *what = from_to(verb, from);
	int rc;

	sftp_add_cstring(sb, from);
	sftp_add_cstring(sb, to);
	rc = ask_status(s, attempt, what, to, err);
	free(what);
	return rc;
}

int sftp_rename(struct sftp *s, const char *from, const char *to, struct error *err)
{
	return ask_move(s, sftp_begin(s, SFTP_RENAME), SFTP_TO_MOVE, "cannot rename", from, to, err);
}

int sftp_posix_rename(struct sftp *s, const char *from, const char *to, struct error *err)
{
	if (need(s, SFTP_POSIX_RENAME, "posix-rename@openssh.com", "cannot rename over", to, err) != 0)
		return -1;
	return ask_move(s, sftp_begin_extended(s, "posix-rename@openssh.com"), SFTP_TO_REPLACE, "cannot rename", from,
			to, err);
}

int sftp_hardlink(struct sftp *s, const char *from, const char *to, struct error *err)
{
	if (need(s, SFTP_HARDLINK, "hardlink@openssh.com", "cannot link to", to, err) != 0)
		return -1;
	return ask_move(s, sftp_begin_extended(s, "hardlink@openssh.com"), SFTP_TO_MOVE, "cannot link", from, to,
			err);
}

/* The end of the parent's path in path[0..end): 0 when there is none to make. */
static size_t parent_end(const char *path, size_t end)
{
	while (end > 0 && path[end - 1] != '/')
		end--;
	while (end > 0 && path[end - 1] == '/')
		end--;
	return end;
}

static size_t child_end(const char *path, size_t end)
{
	end += strspn(path + end, "/");
	return end + strcspn(path + end, "/");
}

/* Is path a directory?  Something else there is told as UNKNOWN with REFUSED. */
static enum answer is_dir(struct sftp *s, const char *path, struct error *err)
{
	struct sftp_attrs attrs;
	enum answer there = sftp_stat(s, path, &attrs, err);

	if (there != ANSWER_YES || (attrs.has_mode && S_ISDIR(attrs.mode)))
		return there;
	error_set(err, ERROR_REFUSED, "something that is not a directory is there");
	sftp_wrap(err, "cannot create directory", path);
	return ANSWER_UNKNOWN;
}

int sftp_mkdir_p(struct sftp *s, const char *path, mode_t mode, struct error *err)
{
	size_t len = strlen(path), end;
	char *part = xstrdup(path);
	struct error why = { ERROR_NONE, "" };
	enum answer there = ANSWER_NO;
	int rc = -1;

	while (len > 1 && path[len - 1] == '/')
		len--;
	for (end = len; end > 0; end = parent_end(path, end)) { /* up to the first that is there */
		part[end] = '\0';
		there = is_dir(s, part, err);
		if (there != ANSWER_NO)
			break;
	}
	if (there == ANSWER_UNKNOWN)
		goto out;
	while (end < len) { /* and down again */
		memcpy(part, path, len);
		end = child_end(path, end);
		part[end] = '\0';
		if (sftp_mkdir(s, part, mode, &why) != 0 && why.kind != ERROR_EXISTS) {
			error_set(err, why.kind, "%s", why.text);
			goto out;
		}
	}
	rc = 0;
out:
	free(part);
	return rc;
}

/* --- list ----------------------------------------------------------------- */

struct listing {
	struct sftp *s;
	const char *path;
	size_t cap, given, dots;
	sftp_entry_f *entry;
	void *arg;
	unsigned char handle[SFTP_MAX_HANDLE];
	size_t handle_len;
	struct strbuf name;
};

static int take_entry(struct listing *l, const char *name, size_t len, const struct sftp_attrs *attrs,
		      struct error *err)
{
	bool dot = (len == 1 && name[0] == '.') || (len == 2 && memcmp(name, "..", 2) == 0);

	strbuf_reset(&l->name);
	if (dot && ++l->dots <= 2)
		return 0;
	if (dot || len == 0 || memchr(name, '/', len) || memchr(name, '\0', len)) {
		vis_add(&l->name, name, len);
		error_set(err, ERROR_PROTOCOL, "the server lists the impossible name '%s'", l->name.buf);
	} else if (++l->given > l->cap) {
		error_set(err, ERROR_PROTOCOL, "more than %zu entries", l->cap);
	} else {
		strbuf_add(&l->name, name, len);
		return l->entry(l->arg, l->name.buf, attrs, err);
	}
	return sftp_wrap(err, "cannot list", l->path);
}

static int take_names(struct listing *l, const struct answered *a, struct error *err)
{
	struct sftp_reader r;
	uint32_t count;

	sftp_reader_init(&r, a->body.buf, a->body.len);
	count = sftp_read_u32(&r);
	if (count == 0) /* would go on for ever; a short answer too */
		return sftp_break(l->s, err, "the sftp server lists nothing and does not say that it is the end");
	for (; count > 0; count--) {
		struct sftp_attrs attrs;
		size_t len, long_len;
		const char *name = sftp_read_string(&r, &len);

		sftp_read_string(&r, &long_len);
		sftp_read_attrs(&r, &attrs);
		if (r.broken)
			return short_answer(l->s, err);
		if (take_entry(l, name, len, &attrs, err) != 0)
			return -1;
	}
	return 0;
}

static void ask_names(struct listing *l, struct answered *a)
{
	sftp_add_string(sftp_begin(l->s, SFTP_READDIR), l->handle, l->handle_len);
	ask(l->s, a);
}

/* The answers are taken outside of the pump, so that an entry's function may use the session. */
static int take_all(struct listing *l, struct answered *ahead, struct error *err)
{
	for (size_t i = 0; i < READDIRS_AHEAD; i++)
		ask_names(l, &ahead[i]);
	for (size_t i = 0;; i = (i + 1) % READDIRS_AHEAD) {
		int64_t code;

		if (await(l->s, &ahead[i], err) != 0)
			return -1;
		if (ahead[i].type == SFTP_NAME) {
			if (take_names(l, &ahead[i], err) != 0)
				return -1;
			ask_names(l, &ahead[i]);
			continue;
		}
		code = read_status(l->s, &ahead[i], "cannot list", l->path, err);
		if (code == SFTP_EOF)
			error_clear(err);
		if (code == SFTP_OK)
			return wrong_type(l->s, SFTP_STATUS, SFTP_NAME, err);
		return code == SFTP_EOF ? 0 : -1;
	}
}

static int open_listing(struct listing *l, struct error *err)
{
	struct answered a = ANSWERED_INIT;
	struct error wrong = { ERROR_NONE, "" };
	struct sftp_reader r;
	int64_t code;
	int rc = -1;

	sftp_add_cstring(sftp_begin(l->s, SFTP_OPENDIR), l->path);
	if (ask_for(l->s, SFTP_HANDLE, &a, &code, "cannot list", l->path, err) != ANSWER_YES)
		goto out;
	sftp_reader_init(&r, a.body.buf, a.body.len);
	if (sftp_read_handle(&r, l->handle, &l->handle_len, &wrong) != 0) {
		sftp_break(l->s, err, "%s", wrong.text);
		goto out;
	}
	rc = 0;
out:
	strbuf_release(&a.body);
	return rc;
}

int sftp_readdir(struct sftp *s, const char *path, size_t cap, sftp_entry_f *entry, void *arg, struct error *err)
{
	struct answered ahead[READDIRS_AHEAD];
	struct listing l = {
		.s = s, .path = path, .cap = cap, .entry = entry, .arg = arg,
		.name = STRBUF_INIT,
	};
	int rc;

	if (open_listing(&l, err) != 0)
		return -1;
	for (size_t i = 0; i < READDIRS_AHEAD; i++)
		ahead[i] = (struct answered)ANSWERED_INIT;
	rc = take_all(&l, ahead, err);
	for (size_t i = 0; i < READDIRS_AHEAD; i++) {
		await(s, &ahead[i], NULL);
		strbuf_release(&ahead[i].body);
	}
	sftp_close_handle(s, l.handle, l.handle_len);
	strbuf_release(&l.name);
	return rc;
}
