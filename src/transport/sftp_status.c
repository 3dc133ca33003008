/*
 * The one place where SFTP's status codes become errors, and where a FAILURE is looked
 * into.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "transport/sftp.h"
#include "transport/sftp_codec.h"
#include "transport/sftp_copy.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/units.h"
#include "util/vis.h"

enum {
	SMALL_ROOM = 256 * 1024, /* less than one WRITE: it failed for want of space */
	SHOWN_WORDS = 200,
	SHOWN_PATH = 256, /* the reason behind it must fit into an error, too */
};

static const struct status {
	uint32_t code;
	enum error_kind kind;
	const char *ours;
	const char *usual; /* what OpenSSH says: adds nothing to ours */
} statuses[] = {
	{ SFTP_EOF, ERROR_REFUSED, "unexpected end of file", "End of file" },
	{ SFTP_NO_SUCH_FILE, ERROR_NOT_FOUND, "no such file or directory", "No such file" },
	{ SFTP_PERMISSION_DENIED, ERROR_DENIED, "permission denied", "Permission denied" },
	{ SFTP_FAILURE, ERROR_REFUSED, "the server gives no reason", "Failure" },
	{ SFTP_BAD_MESSAGE, ERROR_REFUSED, "refused as invalid (a name that is too long?)", "Bad message" },
	{ SFTP_NO_CONNECTION, ERROR_REFUSED, "the server has no connection", "No connection" },
	{ SFTP_CONNECTION_LOST, ERROR_REFUSED, "the server lost its connection", "Connection lost" },
	{ SFTP_OP_UNSUPPORTED, ERROR_REFUSED, "not supported by the server", "Operation unsupported" },
};

char *sftp_shown(const char *path)
{
	size_t n = strlen(path);
	struct strbuf sb = STRBUF_INIT;

	if (n > SHOWN_PATH) {
		path += n - SHOWN_PATH;
		strbuf_addstr(&sb, "...");
	}
	vis_add(&sb, path, strlen(path));
	return strbuf_detach(&sb, NULL);
}

int sftp_wrap(struct error *err, const char *what, const char *path)
{
	char *shown = sftp_shown(path);

	error_wrap(err, "%s '%s'", what, shown);
	free(shown);
	return -1;
}

static const struct status *find_status(uint32_t code)
{
	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
		if (statuses[i].code == code)
			return &statuses[i];
	return NULL;
}

/* Words other than the usual ones are all that is known of some servers' reasons. */
static void set_status(struct error *err, uint32_t code, const char *words, size_t n)
{
	const struct status *st = find_status(code);
	struct strbuf sb = STRBUF_INIT;

	if (st && (n == 0 || (n == strlen(st->usual) && strncasecmp(words, st->usual, n) == 0))) {
		error_set(err, st->kind, "%s", st->ours);
	} else if (n == 0) {
		error_set(err, ERROR_REFUSED, "the server gives no reason but SFTP status %u", code);
	} else {
		vis_add(&sb, words, n > SHOWN_WORDS ? SHOWN_WORDS : n);
		error_set(err, st ? st->kind : ERROR_REFUSED, "the server says '%s'", sb.buf);
	}
	strbuf_release(&sb);
}

int sftp_code_error(uint32_t code, const char *what, const char *path, struct error *err)
{
	set_status(err, code, NULL, 0);
	return sftp_wrap(err, what, path);
}

uint32_t sftp_status_error(struct sftp_reader *payload, const char *what, const char *path, struct error *err)
{
	uint32_t code = sftp_read_u32(payload);
	const char *words = NULL;
	size_t n = 0, len;

	if (payload->left > 0) { /* servers of version 2 and before say nothing */
		words = sftp_read_string(payload, &n);
		if (payload->left > 0)
			sftp_read_string(payload, &len); /* the language */
	}
	if (payload->broken) {
		error_set(err, ERROR_PROTOCOL, SFTP_SHORT_ANSWER);
		return SFTP_BAD_MESSAGE;
	}
	if (code != SFTP_OK) {
		set_status(err, code, words, n);
		sftp_wrap(err, what, path);
	}
	return code;
}

int sftp_wrong_type(enum sftp_type got, enum sftp_type asked, struct error *err)
{
	return error_set(err, ERROR_PROTOCOL, "the sftp server answered with a packet of type %d instead of %d",
			 (int)got, (int)asked);
}

int sftp_read_handle(struct sftp_reader *payload, unsigned char *handle, size_t *len, struct error *err)
{
	size_t n;
	const void *p = sftp_read_string(payload, &n);

	if (!p || n > SFTP_MAX_HANDLE)
		return error_set(err, ERROR_PROTOCOL, "the sftp server gives a handle that is not one");
	memcpy(handle, p, n);
	*len = n;
	return 0;
}

/* --- explain -------------------------------------------------------------- */

static const struct {
	bool must_be_free; /* EXISTS when something is there */
	bool takes_room;
	const char *guess;
} attempts[] = {
	[SFTP_TO_MAKE] = { true, true, "a quota?" },
	[SFTP_TO_MAKE_DIR] = { true, true, "a quota?" },
	[SFTP_TO_MOVE] = { true, true, "are both on one file system?" },
	[SFTP_TO_REPLACE] = { false, true, "are both on one file system, and both files or both directories?" },
	[SFTP_TO_WRITE] = { false, true, "a quota, or a limit on file size?" },
	[SFTP_TO_CHANGE] = { false, false, "is it yours?" },
	[SFTP_TO_REMOVE] = { false, false, "is it in use?" },
	[SFTP_TO_REMOVE_DIR] = { false, false, "is it empty?" },
	[SFTP_TO_READ] = { false, false, "an input/output error?" },
};

/* What stands at path.  True when that explains it. */
static bool explain_by_path(struct sftp *s, enum sftp_attempt attempt, const char *path, struct error *why)
{
	struct sftp_attrs attrs;
	bool is_dir;

	if (sftp_lstat(s, path, &attrs, NULL) != ANSWER_YES)
		return false;
	is_dir = attrs.has_mode && S_ISDIR(attrs.mode);
	if (attempt == SFTP_TO_MAKE_DIR && !is_dir)
		error_set(why, ERROR_REFUSED, "something that is not a directory is there");
	else if (attempts[attempt].must_be_free)
		error_set(why, ERROR_EXISTS, "it exists already");
	else if ((attempt == SFTP_TO_REMOVE || attempt == SFTP_TO_READ) && is_dir)
		error_set(why, ERROR_REFUSED, "it is a directory");
	else
		return false;
	return true;
}

static bool explain_by_room(struct sftp *s, enum sftp_attempt attempt, const char *path, struct error *why)
{
	char *dir = path_dirname(path);
	char *shown = sftp_shown(dir);
	char avail[UNITS_TEXT], total[UNITS_TEXT];
	struct sftp_statvfs fs;
	bool explained = true;
	bool takes_room = attempts[attempt].takes_room;

	if (sftp_statvfs(s, dir, &fs, NULL) != 0) {
		explained = false;
	} else if (fs.read_only) {
		error_set(why, ERROR_DENIED, "'%s' is on a read-only file system", shown);
	} else if (takes_room && fs.bytes_avail < SMALL_ROOM) {
		units_size((int64_t)fs.bytes_avail, avail);
		units_size(fs.bytes_total > INT64_MAX ? INT64_MAX : (int64_t)fs.bytes_total, total);
		error_set(why, ERROR_NO_SPACE, "no space left in '%s' (%s free of %s)", shown, avail, total);
	} else if (takes_room && fs.files_avail == 0 && fs.files_total > 0) {
		error_set(why, ERROR_NO_SPACE, "no inodes left in '%s' (0 free of %llu)", shown,
			  (unsigned long long)fs.files_total);
	} else {
		explained = false;
	}
	free(shown);
	free(dir);
	return explained;
}

void sftp_explain(struct sftp *s, enum sftp_attempt attempt, const char *what, const char *path, struct error *err)
{
	struct error why = { ERROR_NONE, "" };

	if (explain_by_path(s, attempt, path, &why) || explain_by_room(s, attempt, path, &why)) {
		sftp_wrap(&why, what, path);
		*err = why;
	} else {
		why = *err;
		error_set(err, why.kind, "%s (%s)", why.text, attempts[attempt].guess);
	}
}

bool sftp_needs_chmod(mode_t mode)
{
	return mode & 07077;
}
