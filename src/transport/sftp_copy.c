/*
 * A batch of files up.
 *
 * One stream of requests, in the order of the batch: MKDIR and OPEN run ahead of the data,
 * as far as the windows allow; each HANDLE that comes back puts its file at the end of
 * the queue of files to send; the first of that queue is sent to its end, its CLOSE
 * directly behind its last WRITE.  (A server works on requests for one file in their
 * order: draft, section 6.1.)
 *
 * The first failure, in the order of the batch, is the one that is told.  After it
 * nothing new is begun, the files in the queue are closed, and what is in flight is awaited.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "transport/sftp.h"
#include "transport/sftp_codec.h"
#include "transport/sftp_copy.h"
#include "util/strbuf.h"
#include "util/xalloc.h"

enum {
	WINDOW = 4 << 20,     /* data without acknowledgement: twice what OpenSSH's channel window takes */
	MAX_IN_FLIGHT = 512,  /* requests; a small file needs three over two round trips */
	PER_FILE = 4,         /* requests sent at once for one file, at most */
	POOL = MAX_IN_FLIGHT, /* files under way: each has a request in flight or is open */
};

struct file {
	struct batch *b;
	struct sftp_put *put;
	struct file *next; /* in the queue of files to send, or free */
	unsigned char handle[SFTP_MAX_HANDLE];
	size_t handle_len;
	uint64_t offset; /* of the next WRITE */
	size_t waiting;  /* requests without an answer */
	bool closed;     /* CLOSE was sent, or there is nothing to close */
};

struct batch {
	struct sftp *s;
	const struct sftp_progress *progress;
	struct sftp_put *puts;
	size_t n, next;        /* puts[next] is the next to begin */
	bool *made;            /* made[i]: puts[i] is a directory that did not exist */
	size_t unset;          /* directories below this may still need their mode */
	struct file *files, *free, *head, **tail;
	size_t open;           /* files between OPEN and CLOSE: one whose CLOSE was sent is closed before the next OPEN */
	size_t waiting;        /* requests without an answer */
	uint64_t unacked;      /* bytes of data */
	bool failed;
	const struct sftp_put *culprit;
	struct error why;
	const char *what;      /* of a FAILURE to be looked into, or NULL */
	enum sftp_attempt attempt;
};

/* --- failure -------------------------------------------------------------- */

/* what is given for a FAILURE, which is looked into in the end. */
static void fail(struct batch *b, const struct sftp_put *put, const struct error *why, const char *what,
		 enum sftp_attempt attempt)
{
	if (b->failed && b->culprit <= put)
		return;
	b->failed = true;
	b->culprit = put;
	b->why = *why;
	b->what = what;
	b->attempt = attempt;
}

/* The STATUS of a request for put: true for OK. */
static bool is_ok(struct batch *b, const struct sftp_put *put, enum sftp_attempt attempt, const char *what,
		  struct sftp_reader *payload)
{
	struct error why = { ERROR_NONE, "" };
	uint32_t code = sftp_status_error(payload, what, put->path, &why);

	if (code != SFTP_OK)
		fail(b, put, &why, code == SFTP_FAILURE ? what : NULL, attempt);
	return code == SFTP_OK;
}

/* --- requests ------------------------------------------------------------- */

static void send_request(struct batch *b, sftp_reply_f *reply, void *arg, uint64_t tag)
{
	b->waiting++;
	sftp_send(b->s, reply, arg, tag);
}

static void send_for_file(struct file *f, sftp_reply_f *reply, uint64_t tag)
{
	f->waiting++;
	send_request(f->b, reply, f, tag);
}

/* An answer was dealt with.  The CLOSE need not be the last to be answered. */
static void answered(struct file *f)
{
	struct batch *b = f->b;

	b->waiting--;
	if (--f->waiting > 0 || !f->closed)
		return;
	f->next = b->free;
	b->free = f;
}

static struct strbuf *begin_for_handle(struct file *f, enum sftp_type type)
{
	struct strbuf *sb = sftp_begin(f->b->s, type);

	sftp_add_string(sb, f->handle, f->handle_len);
	return sb;
}

static int on_close(void *arg, uint64_t tag, enum sftp_type type, struct sftp_reader *payload, struct error *err)
{
	struct file *f = arg;

	(void)tag;
	if (type != SFTP_STATUS)
		return sftp_wrong_type(type, SFTP_STATUS, err);
	is_ok(f->b, f->put, SFTP_TO_WRITE, "cannot close", payload);
	answered(f);
	return 0;
}

static int on_write(void *arg, uint64_t bytes, enum sftp_type type, struct sftp_reader *payload, struct error *err)
{
	struct file *f = arg;
	struct batch *b = f->b;

	b->unacked -= bytes;
	if (type != SFTP_STATUS)
		return sftp_wrong_type(type, SFTP_STATUS, err);
	if (is_ok(b, f->put, SFTP_TO_WRITE, "cannot write", payload)) {
		f->put->bytes += bytes;
		if (b->progress && b->progress->bytes)
			b->progress->bytes(b->progress->arg, bytes);
	}
	answered(f);
	return 0;
}

static int on_fsync(void *arg, uint64_t tag, enum sftp_type type, struct sftp_reader *payload, struct error *err)
{
	struct file *f = arg;

	(void)tag;
	if (type != SFTP_STATUS)
		return sftp_wrong_type(type, SFTP_STATUS, err);
	is_ok(f->b, f->put, SFTP_TO_WRITE, "cannot sync", payload);
	answered(f);
	return 0;
}

static int on_chmod(void *arg, uint64_t tag, enum sftp_type type, struct sftp_reader *payload, struct error *err)
{
	struct batch *b = arg;

	b->waiting--;
	if (type != SFTP_STATUS)
		return sftp_wrong_type(type, SFTP_STATUS, err);
	is_ok(b, &b->puts[tag], SFTP_TO_CHANGE, "cannot set the mode of", payload);
	return 0;
}

/* --- begin a file --------------------------------------------------------- */

static int on_open(void *arg, uint64_t index, enum sftp_type type, struct sftp_reader *payload, struct error *err)
{
	struct file *f = arg;
	struct batch *b = f->b;

	if (type == SFTP_STATUS) {
		if (f->put->offset ? is_ok(b, f->put, SFTP_TO_WRITE, "cannot open", payload)
				   : is_ok(b, f->put, SFTP_TO_MAKE, "cannot create", payload))
			return sftp_wrong_type(type, SFTP_HANDLE, err);
		b->open--;
		f->closed = true;
		answered(f);
		return 0;
	}
	if (type != SFTP_HANDLE)
		return sftp_wrong_type(type, SFTP_HANDLE, err);
	if (sftp_read_handle(payload, f->handle, &f->handle_len, err) != 0)
		return -1;
	answered(f);
	if (sftp_needs_chmod(f->put->mode)) {
		sftp_add_mode(begin_for_handle(f, SFTP_FSETSTAT), f->put->mode);
		send_request(b, on_chmod, b, index);
	}
	f->next = NULL;
	*b->tail = f;
	b->tail = &f->next;
	return 0;
}

/* Was there nothing, so much the better; is it there still, the OPEN tells. */
static int on_remove(void *arg, uint64_t tag, enum sftp_type type, struct sftp_reader *payload, struct error *err)
{
	struct batch *b = arg;

	(void)tag;
	b->waiting--;
	if (type != SFTP_STATUS)
		return sftp_wrong_type(type, SFTP_STATUS, err);
	sftp_read_u32(payload);
	return 0;
}

static void open_file(struct batch *b, size_t index)
{
	struct sftp_put *put = &b->puts[index];
	struct file *f = b->free;
	struct strbuf *sb;

	if (put->replace) {
		sftp_add_cstring(sftp_begin(b->s, SFTP_REMOVE), put->path);
		send_request(b, on_remove, b, index);
	}
	b->free = f->next;
	b->open++;
	f->put = put;
	f->offset = put->offset;
	f->closed = false;
	sb = sftp_begin(b->s, SFTP_OPEN);
	sftp_add_cstring(sb, f->put->path);
	sftp_add_u32(sb, put->offset ? SFTP_FOR_WRITE : SFTP_FOR_WRITE | SFTP_CREATE | SFTP_EXCLUSIVE);
	sftp_add_mode(sb, f->put->mode);
	send_for_file(f, on_open, index);
}

/* --- directories ---------------------------------------------------------- */

enum { TAG_CODE_SHIFT = 48 }; /* the tag of an LSTAT: what MKDIR said, and the index */

static int on_lstat(void *arg, uint64_t tag, enum sftp_type type, struct sftp_reader *payload, struct error *err)
{
	static const char what[] = "cannot create directory";
	struct batch *b = arg;
	const struct sftp_put *put = &b->puts[tag & ((UINT64_C(1) << TAG_CODE_SHIFT) - 1)];
	uint32_t code = (uint32_t)(tag >> TAG_CODE_SHIFT);
	struct sftp_attrs attrs = { 0 };
	struct error why = { ERROR_NONE, "" };

	b->waiting--;
	if (type == SFTP_ATTRS)
		sftp_read_attrs(payload, &attrs);
	else if (type != SFTP_STATUS)
		return sftp_wrong_type(type, SFTP_ATTRS, err);
	if (attrs.has_mode && S_ISDIR(attrs.mode))
		return 0;
	sftp_code_error(code, what, put->path, &why);
	fail(b, put, &why, code == SFTP_FAILURE ? what : NULL, SFTP_TO_MAKE_DIR);
	return 0;
}

/* An existing directory answers FAILURE, or DENIED where nothing may be made. */
static int on_mkdir(void *arg, uint64_t index, enum sftp_type type, struct sftp_reader *payload, struct error *err)
{
	struct batch *b = arg;
	uint32_t code;

	b->waiting--;
	if (type != SFTP_STATUS)
		return sftp_wrong_type(type, SFTP_STATUS, err);
	code = sftp_read_u32(payload);
	if (payload->broken)
		return 0; /* the pump tells */
	if (code == SFTP_OK) {
		b->made[index] = true;
		return 0;
	}
	sftp_add_cstring(sftp_begin(b->s, SFTP_LSTAT), b->puts[index].path);
	send_request(b, on_lstat, b, (uint64_t)(code & 0xffff) << TAG_CODE_SHIFT | index);
	return 0;
}

/* Its owner may enter and write until all is there: its own mode comes last. */
static void make_dir(struct batch *b, size_t index)
{
	struct strbuf *sb = sftp_begin(b->s, SFTP_MKDIR);

	sftp_add_cstring(sb, b->puts[index].path);
	sftp_add_mode(sb, b->puts[index].mode | S_IRWXU);
	send_request(b, on_mkdir, b, index);
}

/* From the last to the first, so that a directory is closed after what is in it. */
static void set_dir_mode(struct batch *b)
{
	const struct sftp_put *put = &b->puts[--b->unset];
	struct strbuf *sb;

	if (!b->made[b->unset] || (!sftp_needs_chmod(put->mode) && (put->mode & S_IRWXU) == S_IRWXU))
		return;
	sb = sftp_begin(b->s, SFTP_SETSTAT);
	sftp_add_cstring(sb, put->path);
	sftp_add_mode(sb, put->mode);
	send_request(b, on_chmod, b, b->unset);
}

/* --- send ----------------------------------------------------------------- */

ssize_t sftp_read_chunk(const struct sftp_put *put, char *buf, size_t n, bool *end, struct error *err)
{
	size_t have = 0;

	*end = false;
	while (have < n) {
		ssize_t got = put->read(put->arg, buf + have, n - have, err);

		if (got < 0)
			return -1;
		if (got == 0) {
			*end = true;
			break;
		}
		have += (size_t)got;
	}
	return (ssize_t)have;
}

static void finish_file(struct file *f)
{
	struct batch *b = f->b;

	b->head = f->next;
	if (!b->head)
		b->tail = &b->head;
	if (!b->failed && f->put->fsync && (sftp_extensions(b->s) & SFTP_FSYNC)) {
		sftp_add_string(sftp_begin_extended(b->s, "fsync@openssh.com"), f->handle, f->handle_len);
		send_for_file(f, on_fsync, 0);
	}
	begin_for_handle(f, SFTP_CLOSE);
	send_for_file(f, on_close, 0);
	f->closed = true;
	b->open--;
}

/* The next chunk, read straight into the packet. */
static void send_chunk(struct file *f)
{
	struct batch *b = f->b;
	size_t room = sftp_max_write(b->s);
	struct strbuf *sb = begin_for_handle(f, SFTP_WRITE);
	struct error why = { ERROR_NONE, "" };
	size_t start;
	ssize_t n;
	bool end;

	sftp_add_u64(sb, f->offset);
	start = sb->len;
	sftp_add_u32(sb, 0);
	strbuf_grow(sb, room);
	n = sftp_read_chunk(f->put, sb->buf + sb->len, room, &end, &why);
	if (n <= 0) {
		sftp_cancel(b->s);
	} else {
		strbuf_setlen(sb, sb->len + (size_t)n);
		sftp_set_u32(sb, start, (uint32_t)n);
		f->offset += (uint64_t)n;
		b->unacked += (uint64_t)n;
		send_for_file(f, on_write, (uint64_t)n);
	}
	if (n < 0)
		fail(b, f->put, &why, NULL, SFTP_TO_WRITE);
	else if (end)
		finish_file(f);
}

static void begin_ahead(struct batch *b)
{
	while (b->next < b->n && b->waiting + PER_FILE <= MAX_IN_FLIGHT) {
		if (b->puts[b->next].is_dir)
			make_dir(b, b->next++);
		else if (b->free && b->open < sftp_max_handles(b->s))
			open_file(b, b->next++);
		else
			return;
	}
}

/* Queue what the windows allow.  False when nothing more is to be queued, ever. */
static bool advance(struct batch *b)
{
	if (!b->failed)
		begin_ahead(b);
	while (!b->failed && b->head && b->waiting + PER_FILE <= MAX_IN_FLIGHT &&
	       b->unacked + sftp_max_write(b->s) <= WINDOW)
		send_chunk(b->head);
	if (b->failed) {
		while (b->head)
			finish_file(b->head);
		return false;
	}
	if (b->next < b->n || b->open > 0 || (b->unset == b->n && b->waiting > 0))
		return true;
	while (b->unset > 0 && b->waiting < MAX_IN_FLIGHT)
		set_dir_mode(b);
	return b->unset > 0;
}

static void init(struct batch *b)
{
	b->unset = b->n;
	b->tail = &b->head;
	b->made = xcalloc(b->n, sizeof *b->made);
	b->files = xcalloc(POOL, sizeof *b->files);
	for (size_t i = 0; i < POOL; i++) {
		b->files[i].b = b;
		b->files[i].next = b->free;
		b->free = &b->files[i];
	}
	for (size_t i = 0; i < b->n; i++)
		b->puts[i].bytes = 0;
}

int sftp_put_all(struct sftp *s, struct sftp_put *puts, size_t n, const struct sftp_progress *progress,
		 struct error *err)
{
	struct batch b = { .s = s, .progress = progress, .puts = puts, .n = n };
	int rc = -1;

	init(&b);
	while (advance(&b) || b.waiting > 0)
		if (sftp_pump(s, true, err) != 0) {
			if (b.head)
				sftp_wrap(err, "cannot write", b.head->put->path);
			goto out;
		}
	if (b.failed) {
		if (b.what)
			sftp_explain(s, b.attempt, b.what, b.culprit->path, &b.why);
		error_set(err, b.why.kind, "%s", b.why.text);
		goto out;
	}
	rc = 0;
out:
	free(b.files);
	free(b.made);
	return rc;
}
