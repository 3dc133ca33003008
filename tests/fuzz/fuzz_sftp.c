/*
 * libFuzzer harness for the reply path of sftp.h: every call, against a server whose
 * answers come from the input.
 *
 * The first two bytes of the input choose the calls and how finely the answers are cut.
 * Then, for each request, a byte chooses the kind of answer and what follows is used for
 * it: what a good server says, the right type with any payload, any type, another id,
 * raw bytes, or nothing until there is nothing else.  When the input has ended the
 * server answers well, and ends lists and files.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "transport/sftp.h"
#include "transport/sftp_codec.h"
#include "transport/transport.h"
#include "util/error.h"
#include "util/strbuf.h"
#include "util/xalloc.h"

enum {
	MAX_READ = 80000, /* bytes asked of sftp_get */
	MAX_NAMES = 50,
	MAX_LATER = 64,
	FILES = 5,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* transport.c lists them */
const struct transport_ops transport_local, transport_ssh;

#define HOLDS(cond) \
	do { \
		if (!(cond)) \
			__builtin_trap(); \
	} while (0)

/* --- the server ----------------------------------------------------------- */

struct request {
	uint8_t type;
	uint32_t id, want; /* want: bytes a READ asks for */
};

struct server {
	struct channel base;
	const uint8_t *p;
	size_t left;
	size_t cut;    /* answers are read in pieces of so many bytes at most */
	size_t pieces; /* after so many of them, as they are */
	struct strbuf in, out;
	size_t out_pos;
	struct request later[MAX_LATER];
	size_t n_later;
	size_t reads; /* good answers with data so far */
};

static uint8_t take(struct server *sv)
{
	if (sv->left == 0)
		return 0;
	sv->left--;
	return *sv->p++;
}

static void add_some(struct server *sv, struct strbuf *sb, size_t n)
{
	if (n > sv->left)
		n = sv->left;
	strbuf_add(sb, sv->p, n);
	sv->p += n;
	sv->left -= n;
}

static void add_some_string(struct server *sv, struct strbuf *sb, size_t n)
{
	if (n > sv->left)
		n = sv->left;
	sftp_add_u32(sb, (uint32_t)n);
	add_some(sv, sb, n);
}

static void add_status(struct server *sv, uint32_t code)
{
	sftp_add_u32(&sv->out, code);
	add_some_string(sv, &sv->out, code ? 5 : 0);
	sftp_add_cstring(&sv->out, "");
}

static void add_names(struct server *sv)
{
	uint32_t n = 1 + take(sv) % 3;

	sftp_add_u32(&sv->out, n);
	while (n-- > 0) {
		add_some_string(sv, &sv->out, take(sv) % 8);
		sftp_add_cstring(&sv->out, "");
		sftp_add_mode(&sv->out, 0755);
	}
}

static void add_numbers(struct server *sv, size_t n)
{
	while (n-- > 0)
		sftp_add_u64(&sv->out, (uint64_t)take(sv) << (take(sv) % 64));
}

static uint8_t good_type(const struct server *sv, const struct request *rq)
{
	switch (rq->type) {
	case SFTP_OPEN:
	case SFTP_OPENDIR:
		return SFTP_HANDLE;
	case SFTP_READ:
		return sv->left > 0 && sv->reads < 1000 ? SFTP_DATA : SFTP_STATUS;
	case SFTP_READDIR:
		return sv->left > 0 ? SFTP_NAME : SFTP_STATUS;
	case SFTP_REALPATH:
		return SFTP_NAME;
	case SFTP_STAT:
	case SFTP_LSTAT:
		return SFTP_ATTRS;
	case SFTP_EXTENDED:
		return sv->left > 0 ? SFTP_EXTENDED_REPLY : SFTP_STATUS;
	default:
		return SFTP_STATUS;
	}
}

static void answer_well(struct server *sv, const struct request *rq, uint32_t id)
{
	uint8_t type = good_type(sv, rq);
	size_t start = sftp_begin_packet(&sv->out, type, id);
	size_t n;
	char *zeros;

	switch (type) {
	case SFTP_HANDLE:
		add_some_string(sv, &sv->out, 1 + take(sv) % 8);
		break;
	case SFTP_DATA:
		sv->reads++;
		n = 1 + (size_t)take(sv) * rq->want / 255;
		n = n < rq->want ? n : rq->want;
		zeros = xcalloc(1, n);
		sftp_add_string(&sv->out, zeros, n);
		free(zeros);
		break;
	case SFTP_NAME:
		add_names(sv);
		break;
	case SFTP_ATTRS:
		sftp_add_u32(&sv->out, 0x5);
		add_numbers(sv, 1);
		sftp_add_u32(&sv->out, take(sv) & 1 ? 040755 : 0100644);
		break;
	case SFTP_EXTENDED_REPLY:
		add_numbers(sv, 11);
		break;
	default:
		add_status(sv, rq->type == SFTP_READ || rq->type == SFTP_READDIR ? SFTP_EOF : SFTP_OK);
	}
	sftp_end_packet(&sv->out, start);
}

static void answer(struct server *sv, const struct request *rq)
{
	uint8_t how = take(sv);
	size_t start;

	switch (how % 8) {
	case 1: /* a no */
		start = sftp_begin_packet(&sv->out, SFTP_STATUS, rq->id);
		add_status(sv, how >> 4);
		sftp_end_packet(&sv->out, start);
		break;
	case 2: /* the right type, or any, with any payload */
	case 3:
		start = sftp_begin_packet(&sv->out, how % 8 == 2 ? good_type(sv, rq) : take(sv), rq->id);
		add_some(sv, &sv->out, (size_t)take(sv) << (how >> 6));
		sftp_end_packet(&sv->out, start);
		break;
	case 4:
		if (sv->n_later < MAX_LATER)
			sv->later[sv->n_later++] = *rq;
		break;
	case 5:
		answer_well(sv, rq, rq->id + (uint32_t)(how >> 3));
		break;
	case 6:
		add_some(sv, &sv->out, how >> 3);
		break;
	default:
		answer_well(sv, rq, rq->id);
	}
}

static void greet(struct server *sv)
{
	static const char *const extensions[] = {
		"posix-rename@openssh.com", "1", "hardlink@openssh.com", "1", "fsync@openssh.com", "1",
		"statvfs@openssh.com", "2", "limits@openssh.com", "1",
	};
	uint8_t how = take(sv);
	size_t start;

	if (how == 255) {
		add_some(sv, &sv->out, 64);
		return;
	}
	start = sftp_begin_packet(&sv->out, SFTP_VERSION, 3);
	if (how == 254)
		add_some(sv, &sv->out, 64);
	else
		for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++)
			if (!(how >> i / 2 & 1))
				sftp_add_cstring(&sv->out, extensions[i]);
	sftp_end_packet(&sv->out, start);
}

/* Answer what came in whole.  What the client sends must be well formed. */
static void serve(struct server *sv)
{
	size_t pos = 0;

	while (sv->in.len - pos >= 4) {
		struct sftp_reader r;
		struct request rq = { 0 };
		size_t len, n;

		sftp_reader_init(&r, sv->in.buf + pos, 4);
		len = sftp_read_u32(&r);
		HOLDS(len >= 5 && len <= 256 * 1024);
		if (sv->in.len - pos - 4 < len)
			break;
		sftp_reader_init(&r, sv->in.buf + pos + 4, len);
		pos += 4 + len;
		rq.type = sftp_read_u8(&r);
		rq.id = sftp_read_u32(&r);
		if (rq.type == SFTP_READ) {
			sftp_read_string(&r, &n);
			sftp_read_u64(&r);
			rq.want = sftp_read_u32(&r);
			HOLDS(!r.broken && r.left == 0 && rq.want > 0);
		}
		if (rq.type == SFTP_INIT)
			greet(sv);
		else
			answer(sv, &rq);
	}
	strbuf_remove(&sv->in, 0, pos);
}

/* --- the channel ---------------------------------------------------------- */

static ssize_t server_read(struct channel *ch, enum channel_stream stream, void *buf, size_t n, struct error *err)
{
	struct server *sv = (struct server *)ch;

	(void)err;
	if (stream == CHANNEL_STDERR)
		return CHANNEL_EOF;
	while (sv->out_pos == sv->out.len && sv->n_later > 0) {
		sv->n_later--;
		answer_well(sv, &sv->later[sv->n_later], sv->later[sv->n_later].id);
	}
	if (sv->out_pos == sv->out.len)
		return CHANNEL_EOF;
	if (sv->pieces > 0 && sv->pieces--)
		n = n < sv->cut ? n : sv->cut;
	n = n < sv->out.len - sv->out_pos ? n : sv->out.len - sv->out_pos;
	memcpy(buf, sv->out.buf + sv->out_pos, n);
	sv->out_pos += n;
	return (ssize_t)n;
}

static ssize_t server_write(struct channel *ch, const void *buf, size_t n, struct error *err)
{
	struct server *sv = (struct server *)ch;

	(void)err;
	strbuf_add(&sv->in, buf, n);
	serve(sv);
	return (ssize_t)n;
}

static int server_pollfds(struct channel *ch, bool want_write, struct pollfd *fds)
{
	(void)ch;
	(void)want_write;
	(void)fds;
	__builtin_trap(); /* there is always something to read, or the end */
}

static void server_close(struct channel *ch)
{
	(void)ch;
}

static const struct channel_ops server_ops = {
	.read = server_read,
	.write = server_write,
	.pollfds = server_pollfds,
	.close = server_close,
};

static struct server *the_server;

static struct channel *open_channel(struct transport *t, enum channel_kind kind, const char *command, struct error *err)
{
	(void)kind;
	(void)command;
	(void)err;
	the_server->base.transport = t;
	return &the_server->base;
}

/* --- the calls ------------------------------------------------------------ */

static int entry(void *arg, const char *name, const struct sftp_attrs *attrs, struct error *err)
{
	(void)attrs;
	(void)err;
	HOLDS(*name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
	HOLDS(++*(size_t *)arg <= MAX_NAMES);
	return 0;
}

static int sink(void *arg, const void *data, size_t n, struct error *err)
{
	const unsigned char *c = data;

	(void)err;
	HOLDS(n > 0 && c[0] + c[n - 1] >= 0);
	HOLDS((*(uint64_t *)arg += n) <= MAX_READ);
	return 0;
}

static ssize_t source(void *arg, void *buf, size_t n, struct error *err)
{
	size_t *left = arg;

	(void)err;
	n = n < *left ? n : *left;
	memset(buf, 'x', n);
	*left -= n;
	return (ssize_t)n;
}

static void put_some(struct sftp *s, struct error *err)
{
	size_t left[FILES] = { 0, 1, 33000, 70000, 7 };
	struct sftp_put puts[FILES + 2] = {
		{ .path = "/a", .mode = 0755, .is_dir = true },
		{ .path = "/a/b", .mode = 0500, .is_dir = true },
	};
	struct sftp_put *files = puts + 2;

	for (size_t i = 0; i < FILES; i++)
		files[i] = (struct sftp_put){
			.path = "/a/f", .mode = i & 1 ? 0600 : 0644, .read = source, .arg = &left[i], .fsync = i & 2,
		};
	if (sftp_put_all(s, puts, FILES + 2, NULL, err) == 0)
		HOLDS(files[3].bytes == 70000 && files[2].bytes == 33000 && files[0].bytes == 0);
}

static void get_some(struct sftp *s, struct error *err)
{
	uint64_t given = 0, size = 0;

	if (sftp_get(s, "/f", 5, MAX_READ, sink, &given, &size, err) == 0)
		HOLDS(size == given);
}

static void list_some(struct sftp *s, struct error *err)
{
	size_t n = 0;

	sftp_readdir(s, "/d", MAX_NAMES, entry, &n, err);
}

static void look_around(struct sftp *s, struct error *err)
{
	struct strbuf sb = STRBUF_INIT;
	struct sftp_attrs attrs;
	struct sftp_statvfs fs;

	sftp_stat(s, "/f", &attrs, err);
	sftp_lstat(s, "/f", &attrs, err);
	sftp_statvfs(s, "/f", &fs, err);
	if (sftp_realpath(s, ".", &sb, err) == 0)
		HOLDS(sb.len > 0 && strlen(sb.buf) == sb.len);
	else
		HOLDS(sb.len == 0);
	strbuf_release(&sb);
}

static void change_some(struct sftp *s, struct error *err)
{
	sftp_mkdir(s, "/d", 0755, err);
	sftp_mkdir_p(s, "/a//b/c", 0700, err);
	sftp_rename(s, "/a", "/b", err);
	sftp_posix_rename(s, "/a", "/b", err);
	sftp_hardlink(s, "/a", "/b", err);
	sftp_remove(s, "/f", err);
	sftp_rmdir(s, "/d", NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const calls[])(struct sftp *, struct error *) = {
		put_some, get_some, list_some, look_around, change_some,
	};
	static const size_t cuts[] = { SIZE_MAX, 1, 5, 1000 };
	static const struct transport_ops ops = { .name = "fuzz", .channel = open_channel };
	struct server sv = { .base.ops = &server_ops, .in = STRBUF_INIT, .out = STRBUF_INIT };
	struct transport transport = { .ops = &ops };
	struct error err = { ERROR_NONE, "" };
	uint8_t chosen;
	struct sftp *s;

	sv.p = data;
	sv.left = size;
	chosen = take(&sv);
	sv.cut = cuts[take(&sv) % 4];
	sv.pieces = 1000;
	the_server = &sv;
	s = sftp_open(&transport, DEADLINE_NONE, &err);
	HOLDS(s || err.kind != ERROR_NONE);
	for (size_t i = 0; s && i < sizeof calls / sizeof *calls; i++)
		if (!(chosen >> i & 1))
			calls[i](s, &err);
	sftp_close(s);
	strbuf_release(&sv.in);
	strbuf_release(&sv.out);
	return 0;
}
