/*
 * The session and the one-answer calls against servers that lie.  What a good server
 * does is tested in tests/conformance.
 */
#include "testing.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "scripted.h"
#include "transport/sftp.h"
#include "transport/sftp_copy.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/xalloc.h"

enum { LONG_MS = 20000 };

static struct transport *far_side;
static struct sftp *s;
static struct error err;

static struct sftp *open_within(script_f *script, int ms)
{
	far_side = scripted_open(script);
	error_clear(&err);
	s = sftp_open(far_side, deadline_in_ms(ms), &err);
	return s;
}

/* A session with a script that can greet. */
static void begin(script_f *script)
{
	if (!open_within(script, LONG_MS))
		fail_msg("%s", err.text);
}

static void end(void)
{
	sftp_close(s);
	assert_true(scripted_close(far_side));
}

static void assert_said(enum error_kind kind, const char *words)
{
	if (err.kind != kind || !strstr(err.text, words))
		fail_msg("%s: %s", error_kind_name(err.kind), err.text);
}

static void assert_broken(enum error_kind kind, const char *words)
{
	struct error first = err;

	assert_said(kind, words);
	assert_int_equal(sftp_stat(s, "/later", NULL, &err), ANSWER_UNKNOWN);
	assert_int_equal(err.kind, first.kind);
	assert_non_null(strstr(err.text, words));
	assert_non_null(strstr(err.text, "/later"));
}

/* The session that could not be opened. */
static void assert_not_opened(script_f *script, enum error_kind kind, const char *words)
{
	assert_null(open_within(script, LONG_MS));
	assert_said(kind, words);
	assert_true(scripted_close(far_side));
}

/* --- before the VERSION --------------------------------------------------- */

static void send_text(int fd, const char *text)
{
	scripted_send(fd, text, strlen(text));
}

static void noisy(int fd, int errfd)
{
	(void)errfd;
	send_text(fd, "Welcome to \033[1mcluster\033[0m!\nToday: ");
	scripted_greet(fd, NULL);
	scripted_next(fd);
}

static void slightly_noisy(int fd, int errfd)
{
	(void)errfd;
	send_text(fd, "\n");
	scripted_greet(fd, NULL);
	scripted_next(fd);
}

static void text_of_a_start_up_file_is_told_as_such(void **state)
{
	(void)state;
	assert_not_opened(noisy, ERROR_REFUSED, "printed text instead of SFTP: 'Welcome to \\e[1mcluster\\e[0m!\\nToday:'");
	assert_non_null(strstr(err.text, "start-up file of the login shell"));
	assert_not_opened(slightly_noisy, ERROR_REFUSED, "start-up file of the login shell");
}

static void absent(int fd, int errfd)
{
	(void)fd;
	send_text(errfd, "sh: 1: /usr/lib/sftp-server: not found\n");
}

static void silent_end(int fd, int errfd)
{
	(void)fd;
	(void)errfd;
}

static void short_text(int fd, int errfd)
{
	(void)errfd;
	send_text(fd, "no\n");
}

static void an_absent_subsystem_is_told_with_its_last_words(void **state)
{
	(void)state;
	assert_not_opened(absent, ERROR_REFUSED, "no sftp subsystem, or one that ends at once; it said 'sh: 1: /usr/lib/sftp-server: not found'");
	assert_not_opened(silent_end, ERROR_REFUSED, "no sftp subsystem");
	assert_not_opened(short_text, ERROR_REFUSED, "no sftp subsystem, or one that ends at once; it printed 'no'");
}

static void binary_noise(int fd, int errfd)
{
	static const unsigned char noise[] = { 0x01, 0x02, 0x03, 0x04, 0x05 };

	(void)errfd;
	scripted_send(fd, noise, sizeof noise);
	scripted_next(fd);
	scripted_next(fd);
}

static void not_a_version(int fd, int errfd)
{
	(void)errfd;
	scripted_next(fd);
	scripted_status(fd, 3, SFTP_OK, "");
	scripted_next(fd);
}

static void version_two(int fd, int errfd)
{
	(void)errfd;
	scripted_next(fd);
	scripted_begin(SFTP_VERSION, 2);
	scripted_end(fd);
	scripted_next(fd);
}

static void cut_version(int fd, int errfd)
{
	(void)errfd;
	scripted_next(fd);
	sftp_add_cstring(scripted_begin(SFTP_VERSION, 3), "an extension without its version");
	scripted_end(fd);
	scripted_next(fd);
}

static void a_beginning_that_is_no_version_three_is_not_accepted(void **state)
{
	(void)state;
	assert_not_opened(binary_noise, ERROR_PROTOCOL, "a packet of 16909060 bytes");
	assert_not_opened(not_a_version, ERROR_PROTOCOL, "does not begin with its SFTP version");
	assert_not_opened(version_two, ERROR_REFUSED, "version 2 of SFTP");
	assert_not_opened(cut_version, ERROR_PROTOCOL, "ends before its fields do");
}

/* --- silence and ends ----------------------------------------------------- */

static void silent(int fd, int errfd)
{
	(void)errfd;
	for (;;)
		scripted_next(fd);
}

static void greets_and_is_silent(int fd, int errfd)
{
	scripted_greet(fd, NULL);
	silent(fd, errfd);
}

static void silence_is_a_timeout_at_the_deadline(void **state)
{
	int64_t start = clock_boot_ms();

	(void)state;
	assert_null(open_within(silent, 300));
	assert_said(ERROR_TIMEOUT, "did not answer in time");
	assert_in_range(clock_boot_ms() - start, 300, 2000);
	assert_true(scripted_close(far_side));

	begin(greets_and_is_silent);
	sftp_set_deadline(s, deadline_in_ms(300));
	start = clock_boot_ms();
	assert_int_equal(sftp_mkdir(s, "/d", 0700, &err), -1);
	assert_in_range(clock_boot_ms() - start, 300, 2000);
	assert_said(ERROR_TIMEOUT, "cannot create directory '/d'");
	start = clock_boot_ms();
	sftp_set_deadline(s, deadline_in_ms(LONG_MS));
	assert_broken(ERROR_TIMEOUT, "did not answer in time");
	assert_in_range(clock_boot_ms() - start, 0, 100); /* at once */
	end();
}

/* One byte of a valid answer every few milliseconds: there is always something to read. */
static void trickling(int fd, int errfd)
{
	struct scripted_request rq;
	struct strbuf *sb;

	(void)errfd;
	scripted_greet(fd, NULL);
	rq = scripted_next(fd);
	sb = scripted_begin(SFTP_STATUS, rq.id);
	for (int i = 0; i < 1000; i++)
		sftp_add_u32(sb, 0);
	sftp_end_packet(sb, 0);
	for (size_t i = 0; i < sb->len; i++) {
		scripted_send(fd, sb->buf + i, 1);
		poll(NULL, 0, 5);
	}
}

static void a_trickle_does_not_outlive_the_deadline(void **state)
{
	int64_t start;

	(void)state;
	begin(trickling);
	sftp_set_deadline(s, deadline_in_ms(300));
	start = clock_boot_ms();
	assert_int_equal(sftp_rmdir(s, "/d", &err), -1);
	assert_in_range(clock_boot_ms() - start, 300, 2000);
	assert_broken(ERROR_TIMEOUT, "did not answer in time");
	end();
}

static void ends_in_a_packet(int fd, int errfd)
{
	(void)errfd;
	scripted_greet(fd, NULL);
	scripted_next(fd);
	scripted_send(fd, "\0\0\0\x20\x65\0", 6);
}

static void ends_with_words(int fd, int errfd)
{
	char flood[65536];

	scripted_greet(fd, NULL);
	scripted_next(fd);
	memset(flood, 'x', sizeof flood);
	for (int i = 0; i < 16; i++)
		scripted_send(errfd, flood, sizeof flood);
	send_text(errfd, "\nkilled by \033]0;root\007\n");
}

static void an_end_in_the_middle_is_network(void **state)
{
	(void)state;
	begin(ends_in_a_packet);
	assert_int_equal(sftp_remove(s, "/f", &err), -1);
	assert_broken(ERROR_NETWORK, "went away in the middle of a packet");
	end();
}

static void the_last_words_are_kept_and_made_visible(void **state)
{
	(void)state;
	begin(ends_with_words);
	assert_int_equal(sftp_remove(s, "/f", &err), -1);
	assert_broken(ERROR_NETWORK, "\\nkilled by \\e]0;root\\x07'");
	assert_true(strlen(err.text) < 500);
	end();
}

/* --- answers that do not fit ---------------------------------------------- */

static void wrong_id(int fd, int errfd)
{
	(void)errfd;
	scripted_greet(fd, NULL);
	scripted_status(fd, scripted_next(fd).id + 1, SFTP_OK, "");
	silent(fd, errfd);
}

static void answers_twice(int fd, int errfd)
{
	uint32_t id;

	scripted_greet(fd, NULL);
	id = scripted_next(fd).id;
	scripted_status(fd, id, SFTP_OK, "");
	scripted_next(fd);
	scripted_status(fd, id, SFTP_OK, "");
	silent(fd, errfd);
}

static void answers_unasked(int fd, int errfd)
{
	scripted_greet(fd, NULL);
	scripted_status(fd, 0, SFTP_OK, "");
	silent(fd, errfd);
}

static void an_answer_to_nothing_breaks_the_session(void **state)
{
	(void)state;
	begin(wrong_id);
	assert_int_equal(sftp_remove(s, "/f", &err), -1);
	assert_broken(ERROR_PROTOCOL, "a question that was not asked");
	end();
	begin(answers_twice);
	assert_int_equal(sftp_remove(s, "/f", &err), 0);
	assert_int_equal(sftp_remove(s, "/f", &err), -1);
	assert_broken(ERROR_PROTOCOL, "a question that was not asked");
	end();
	if (open_within(answers_unasked, LONG_MS)) /* the answer did not come together with the VERSION */
		assert_int_equal(sftp_pump(s, true, &err), -1);
	assert_said(ERROR_PROTOCOL, "a question that was not asked");
	end();
}

static const char *answer_bytes;
static size_t answer_len;

static void sends_bytes(int fd, int errfd)
{
	scripted_greet(fd, NULL);
	scripted_next(fd);
	scripted_send(fd, answer_bytes, answer_len);
	silent(fd, errfd);
}

static void a_length_that_cannot_be_breaks_the_session(void **state)
{
	static const struct { const char *bytes, *words; } cases[] = {
		{ "\xff\xff\xff\xff", "4294967295 bytes" },
		{ "\0\x04\x04\x01", "263169 bytes" }, /* one past the cap */
		{ "\0\0\0\x04", "4 bytes" },
		{ "\0\0\0\0", "0 bytes" },
		{ "text", "1952807028 bytes" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		answer_bytes = cases[i].bytes;
		answer_len = 4;
		begin(sends_bytes);
		assert_int_equal(sftp_remove(s, "/f", &err), -1);
		assert_broken(ERROR_PROTOCOL, cases[i].words);
		end();
	}
}

/* Answers every request with one type and the same payload. */
static enum sftp_type fixed_type;
static struct strbuf fixed = STRBUF_INIT;

static void answers_fixed(int fd, int errfd)
{
	static const char *const all[] = {
		"posix-rename@openssh.com", "1", "hardlink@openssh.com", "1", "statvfs@openssh.com", "2",
		"fsync@openssh.com", "1", "unknown@example.com", "9", "", "", NULL,
	};

	(void)errfd;
	scripted_greet(fd, all);
	for (;;) {
		struct scripted_request rq = scripted_next(fd);

		strbuf_add(scripted_begin(fixed_type, rq.id), fixed.buf, fixed.len);
		scripted_end(fd);
	}
}

static int any_entry(void *arg, const char *name, const struct sftp_attrs *attrs, struct error *e)
{
	(void)name;
	(void)attrs;
	(void)e;
	++*(size_t *)arg;
	return 0;
}

static int any_sink(void *arg, const void *data, size_t n, struct error *e)
{
	(void)arg;
	(void)data;
	(void)n;
	(void)e;
	return 0;
}

static ssize_t no_bytes(void *arg, void *buf, size_t n, struct error *e)
{
	(void)arg;
	(void)buf;
	(void)n;
	(void)e;
	return 0;
}

static int call_status(void) { return sftp_remove(s, "/f", &err); }
static int call_stat(void) { return sftp_stat(s, "/f", NULL, &err); }
static int call_realpath(void)
{
	struct strbuf sb = STRBUF_INIT;
	int rc = sftp_realpath(s, "/f", &sb, &err);

	assert_int_equal(sb.len, 0);
	strbuf_release(&sb);
	return rc;
}
static int call_statvfs(void)
{
	struct sftp_statvfs fs;

	return sftp_statvfs(s, "/f", &fs, &err);
}
static int call_readdir(void)
{
	size_t n = 0;

	return sftp_readdir(s, "/d", 1000, any_entry, &n, &err);
}
static int call_get(void) { return sftp_get(s, "/f", 0, 100, any_sink, NULL, NULL, &err); }
static int call_put(void)
{
	struct sftp_put put = { .path = "/f", .mode = 0644, .read = no_bytes };

	return sftp_put_all(s, &put, 1, NULL, &err);
}
static int call_mkdir(void)
{
	struct sftp_put put = { .path = "/d", .mode = 0755, .is_dir = true };

	return sftp_put_all(s, &put, 1, NULL, &err);
}

static int (*const calls[])(void) = {
	call_status, call_stat, call_realpath, call_statvfs, call_readdir, call_get, call_put, call_mkdir,
};

/* Every call, every type: an empty payload is short for all of them but those of the wrong type. */
static void a_short_or_wrong_answer_breaks_the_session(void **state)
{
	static const enum sftp_type types[] = {
		SFTP_STATUS, SFTP_HANDLE, SFTP_DATA, SFTP_NAME, SFTP_ATTRS, SFTP_EXTENDED_REPLY, 0, 255,
	};

	(void)state;
	strbuf_reset(&fixed);
	for (size_t t = 0; t < COUNT(types); t++)
		for (size_t c = 0; c < COUNT(calls); c++) {
			fixed_type = types[t];
			begin(answers_fixed);
			assert_int_equal(calls[c](), -1);
			if (err.kind != ERROR_PROTOCOL)
				fail_msg("type %d, call %zu: %s: %s", (int)types[t], c, error_kind_name(err.kind),
					 err.text);
			assert_broken(ERROR_PROTOCOL, "");
			end();
		}
}

/* Every length of a good answer, short of its own. */
static void assert_every_cut_breaks(enum sftp_type type, int (*call)(void))
{
	char *whole = xmemdup(fixed.buf, fixed.len);
	size_t len = fixed.len;

	fixed_type = type;
	for (size_t n = 0; n < len; n++) {
		strbuf_reset(&fixed);
		strbuf_add(&fixed, whole, n);
		begin(answers_fixed);
		assert_int_equal(call(), -1);
		assert_broken(ERROR_PROTOCOL, "");
		end();
	}
	free(whole);
}

static void an_answer_cut_anywhere_breaks_the_session(void **state)
{
	(void)state;
	strbuf_reset(&fixed);
	for (int i = 0; i < 11; i++)
		sftp_add_u64(&fixed, 1);
	assert_every_cut_breaks(SFTP_EXTENDED_REPLY, call_statvfs);

	strbuf_reset(&fixed);
	sftp_add_u32(&fixed, 1);
	sftp_add_cstring(&fixed, "/x");
	assert_every_cut_breaks(SFTP_NAME, call_realpath);

	strbuf_reset(&fixed);
	sftp_add_u32(&fixed, 0xd);
	sftp_add_u64(&fixed, 5);
	sftp_add_u32(&fixed, 0100644);
	sftp_add_u64(&fixed, 5);
	assert_every_cut_breaks(SFTP_ATTRS, call_stat);
}

static void a_path_that_is_not_one_breaks_the_session(void **state)
{
	static const struct { uint32_t count; const char *name; size_t len; } answers[] = {
		{ 2, "/x", 2 }, { 0, "/x", 2 }, { 1, "", 0 }, { 1, "/x\0y", 4 },
	};

	(void)state;
	fixed_type = SFTP_NAME;
	for (size_t i = 0; i < COUNT(answers); i++) {
		strbuf_reset(&fixed);
		sftp_add_u32(&fixed, answers[i].count);
		sftp_add_string(&fixed, answers[i].name, answers[i].len);
		begin(answers_fixed);
		assert_int_equal(call_realpath(), -1);
		assert_broken(ERROR_PROTOCOL, "resolves a path to something that is not one");
		end();
	}
}

static void a_status_that_is_ok_is_not_a_handle(void **state)
{
	static int (*const want_more[])(void) = { call_stat, call_realpath, call_statvfs, call_readdir, call_get, call_put };

	(void)state;
	fixed_type = SFTP_STATUS;
	strbuf_reset(&fixed);
	sftp_add_u32(&fixed, SFTP_OK);
	sftp_add_u64(&fixed, 0); /* two empty strings */
	for (size_t i = 0; i < COUNT(want_more); i++) {
		begin(answers_fixed);
		assert_int_equal(want_more[i](), -1);
		assert_broken(ERROR_PROTOCOL, "of type 101");
		end();
	}
}

static void a_handle_past_its_limit_breaks_the_session(void **state)
{
	char handle[257];
	int (*const callers[])(void) = { call_readdir, call_get, call_put };

	(void)state;
	memset(handle, 'h', sizeof handle);
	strbuf_reset(&fixed);
	sftp_add_string(&fixed, handle, sizeof handle);
	for (size_t i = 0; i < COUNT(callers); i++) {
		fixed_type = SFTP_HANDLE;
		begin(answers_fixed);
		assert_int_equal(callers[i](), -1);
		assert_said(ERROR_PROTOCOL, "");
		end();
	}
	strbuf_setlen(&fixed, 4 + 256); /* a handle of 256 would be fine */
	sftp_set_u32(&fixed, 0, 256);
	begin(answers_fixed);
	assert_int_equal(call_readdir(), -1);
	assert_broken(ERROR_PROTOCOL, "of type 102"); /* taken, and then told instead of names */
	end();
}

/* --- statuses ------------------------------------------------------------- */

static void statuses_become_kinds_with_the_servers_words(void **state)
{
	static const struct { uint32_t code; const char *words; enum error_kind kind; const char *want; } cases[] = {
		{ SFTP_NO_SUCH_FILE, "No such file", ERROR_NOT_FOUND, "cannot remove '/f': no such file or directory" },
		{ SFTP_PERMISSION_DENIED, "", ERROR_DENIED, "'/f': permission denied" },
		{ SFTP_PERMISSION_DENIED, "ask \033the admin", ERROR_DENIED, "says 'ask \\ethe admin'" },
		{ SFTP_OP_UNSUPPORTED, "Operation unsupported", ERROR_REFUSED, "not supported by the server" },
		{ SFTP_BAD_MESSAGE, "Bad message", ERROR_REFUSED, "refused as invalid" },
		{ SFTP_EOF, "End of file", ERROR_REFUSED, "unexpected end of file" },
		{ 4711, "", ERROR_REFUSED, "SFTP status 4711" },
		{ 14, "Disk quota exceeded", ERROR_REFUSED, "the server says 'Disk quota exceeded'" },
	};

	(void)state;
	fixed_type = SFTP_STATUS;
	for (size_t i = 0; i < COUNT(cases); i++) {
		strbuf_reset(&fixed);
		sftp_add_u32(&fixed, cases[i].code);
		sftp_add_cstring(&fixed, cases[i].words);
		sftp_add_cstring(&fixed, "en");
		begin(answers_fixed);
		assert_int_equal(call_status(), -1);
		assert_said(cases[i].kind, cases[i].want);
		error_clear(&err);
		assert_int_equal(call_status(), -1); /* a no leaves the session whole */
		assert_said(cases[i].kind, cases[i].want);
		end();
	}
}

static void a_status_without_words_is_accepted(void **state)
{
	(void)state;
	fixed_type = SFTP_STATUS;
	strbuf_reset(&fixed);
	sftp_add_u32(&fixed, SFTP_OK);
	begin(answers_fixed);
	assert_int_equal(call_status(), 0);
	end();
}

static void a_failure_that_cannot_be_looked_into_keeps_the_words_and_a_guess(void **state)
{
	(void)state;
	fixed_type = SFTP_STATUS;
	strbuf_reset(&fixed);
	sftp_add_u32(&fixed, SFTP_FAILURE);
	sftp_add_cstring(&fixed, "Directory not empty");
	sftp_add_cstring(&fixed, "");
	begin(answers_fixed);
	assert_int_equal(sftp_rmdir(s, "/d", &err), -1);
	assert_said(ERROR_REFUSED, "cannot remove directory '/d': the server says 'Directory not empty' (is it empty?)");
	assert_int_equal(sftp_rmdir(s, "/d", NULL), -1); /* without an error nothing is asked */
	end();
}

static void an_extension_the_server_has_not_is_not_asked_for(void **state)
{
	struct sftp_statvfs fs;

	(void)state;
	begin(greets_and_is_silent);
	assert_int_equal(sftp_extensions(s), 0);
	assert_int_equal(sftp_posix_rename(s, "/a", "/b", &err), -1);
	assert_said(ERROR_REFUSED, "cannot rename over '/b': the sftp server has no posix-rename@openssh.com");
	assert_int_equal(sftp_hardlink(s, "/a", "/b", &err), -1);
	assert_said(ERROR_REFUSED, "hardlink@openssh.com");
	assert_int_equal(sftp_statvfs(s, "/a", &fs, &err), -1);
	assert_said(ERROR_REFUSED, "statvfs@openssh.com");
	assert_int_equal(sftp_in_flight(s), 0);
	end();
}

static void an_extension_of_another_version_is_not_the_extension(void **state)
{
	(void)state;
	begin(answers_fixed);
	assert_int_equal(sftp_extensions(s), SFTP_POSIX_RENAME | SFTP_HARDLINK | SFTP_FSYNC | SFTP_STATVFS);
	end();
}

/* --- limits --------------------------------------------------------------- */

static uint64_t told[4]; /* packet, read, write, handles */

static void tells_limits(int fd, int errfd)
{
	static const char *const limits[] = { "limits@openssh.com", "1", "posix-rename@openssh.com", "2", NULL };
	struct scripted_request rq;
	struct strbuf *sb;
	size_t len;
	const char *name;

	scripted_greet(fd, limits);
	rq = scripted_next(fd);
	name = sftp_read_string(&rq.payload, &len);
	scripted_need(rq.type == SFTP_EXTENDED && len == 18 && memcmp(name, "limits@openssh.com", 18) == 0);
	scripted_need(rq.payload.left == 0);
	sb = scripted_begin(SFTP_EXTENDED_REPLY, rq.id);
	for (size_t i = 0; i < COUNT(told); i++)
		sftp_add_u64(sb, told[i]);
	scripted_end(fd);
	scripted_status(fd, scripted_next(fd).id, SFTP_OK, "");
	silent(fd, errfd);
}

static void limits_are_taken_between_what_all_take_and_what_openssh_takes(void **state)
{
	static const struct { uint64_t told[4]; size_t read, write, handles; } cases[] = {
		{ { 262144, 261120, 261120, 1019 }, 261120, 261120, 256 },
		{ { 0, 0, 0, 0 }, 32768, 32768, 64 },
		{ { 1, 1, 1, 1 }, 32768, 32768, 1 },
		{ { 1, 65536, 40000, 20 }, 65536, 40000, 10 },
		{ { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX }, 261120, 261120, 256 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		memcpy(told, cases[i].told, sizeof told);
		begin(tells_limits);
		assert_int_equal(sftp_extensions(s), SFTP_LIMITS);
		assert_int_equal(sftp_max_write(s), 32768); /* nothing waited for the answer */
		assert_int_equal(sftp_remove(s, "/f", &err), 0);
		assert_int_equal(sftp_max_read(s), cases[i].read);
		assert_int_equal(sftp_max_write(s), cases[i].write);
		assert_int_equal(sftp_max_handles(s), cases[i].handles);
		end();
	}
}

/* --- names ---------------------------------------------------------------- */

static struct strbuf listed = STRBUF_INIT; /* one entry: name, long name, attributes */
static uint32_t entries_each;
static uint32_t lists_before_eof;

static void lists(int fd, int errfd)
{
	(void)errfd;
	scripted_greet(fd, NULL);
	scripted_handle(fd, scripted_next(fd).id, "h");
	for (uint32_t n = 0;; n++) {
		struct scripted_request rq = scripted_next(fd);
		struct strbuf *sb;

		if (rq.type == SFTP_CLOSE || rq.type == SFTP_LSTAT || n >= lists_before_eof) {
			scripted_status(fd, rq.id, rq.type == SFTP_READDIR ? SFTP_EOF : SFTP_OK, "");
			continue;
		}
		sb = scripted_begin(SFTP_NAME, rq.id);
		sftp_add_u32(sb, entries_each);
		for (uint32_t i = 0; i < entries_each; i++)
			strbuf_add(sb, listed.buf, listed.len);
		scripted_end(fd);
	}
}

static void set_listed(const char *name, size_t len)
{
	strbuf_reset(&listed);
	sftp_add_string(&listed, name, len);
	sftp_add_cstring(&listed, "-rw-r--r-- 1 root root 0 Jan 1 1970 it");
	sftp_add_u32(&listed, 0);
}

static void names_that_lead_out_of_the_directory_are_not_handed_on(void **state)
{
	static const struct { const char *name; size_t len; } names[] = {
		{ "../x", 4 }, { "a/b", 3 }, { "/etc/passwd", 11 }, { "", 0 }, { "a\0b", 3 }, { "/", 1 }, { "..\0", 3 },
	};

	(void)state;
	entries_each = lists_before_eof = 1;
	for (size_t i = 0; i < COUNT(names); i++) {
		size_t n = 0;

		set_listed(names[i].name, names[i].len);
		begin(lists);
		assert_int_equal(sftp_readdir(s, "/d", 10, any_entry, &n, &err), -1);
		assert_said(ERROR_PROTOCOL, "cannot list '/d': the server lists the impossible name");
		assert_int_equal(n, 0);
		end();
	}
}

static void dots_are_left_out_but_not_for_ever(void **state)
{
	size_t n = 0;

	(void)state;
	entries_each = 2;
	lists_before_eof = 1;
	set_listed("..", 2);
	begin(lists);
	assert_int_equal(sftp_readdir(s, "/d", 0, any_entry, &n, &err), 0);
	assert_int_equal(n, 0);
	end();
	lists_before_eof = UINT32_MAX;
	begin(lists);
	assert_int_equal(sftp_readdir(s, "/d", 0, any_entry, &n, &err), -1);
	assert_said(ERROR_PROTOCOL, "impossible name '..'");
	end();
}

static void an_endless_list_ends_at_the_cap(void **state)
{
	size_t n = 0;

	(void)state;
	entries_each = 100;
	lists_before_eof = UINT32_MAX;
	set_listed("name", 4);
	begin(lists);
	assert_int_equal(sftp_readdir(s, "/d", 100000, any_entry, &n, &err), -1);
	assert_said(ERROR_PROTOCOL, "more than 100000 entries");
	assert_int_equal(n, 100000);
	assert_int_equal(sftp_in_flight(s), 1); /* only the CLOSE: what was asked ahead was awaited */
	end();
	entries_each = 0;
	begin(lists);
	assert_int_equal(sftp_readdir(s, "/d", 100000, any_entry, &n, &err), -1);
	assert_broken(ERROR_PROTOCOL, "lists nothing");
	end();
}

static void more_entries_told_than_sent_break_the_session(void **state)
{
	size_t n = 0;

	(void)state;
	strbuf_reset(&fixed);
	sftp_add_u32(&fixed, UINT32_MAX);
	sftp_add_cstring(&fixed, "name");
	sftp_add_cstring(&fixed, "long");
	sftp_add_u32(&fixed, 0);
	strbuf_reset(&listed);
	strbuf_add(&listed, fixed.buf + 4, fixed.len - 5); /* the last byte is missing */
	entries_each = 1;
	lists_before_eof = 1;
	begin(lists);
	assert_int_equal(sftp_readdir(s, "/d", 10, any_entry, &n, &err), -1);
	assert_broken(ERROR_PROTOCOL, SFTP_SHORT_ANSWER);
	assert_int_equal(n, 0);
	end();
}

/* --- writing while nobody reads ------------------------------------------- */

static void floods_stderr_first(int fd, int errfd)
{
	char flood[65536];

	scripted_greet(fd, NULL);
	memset(flood, 'y', sizeof flood);
	for (int i = 0; i < 64; i++)
		scripted_send(errfd, flood, sizeof flood);
	scripted_status(fd, scripted_next(fd).id, SFTP_OK, "");
	silent(fd, errfd);
}

static void a_flood_on_stderr_does_not_stop_the_answers(void **state)
{
	(void)state;
	begin(floods_stderr_first);
	assert_int_equal(sftp_remove(s, "/f", &err), 0);
	end();
}

static int ignore_status(void *arg, uint64_t tag, enum sftp_type type, struct sftp_reader *payload, struct error *e)
{
	(void)tag;
	(void)type;
	(void)payload;
	(void)e;
	++*(size_t *)arg;
	return 0;
}

static void requests_nobody_answers_are_bounded(void **state)
{
	size_t answered = 0;
	int rc = 0;

	(void)state;
	begin(greets_and_is_silent);
	for (int i = 0; i < 2000 && rc == 0; i++) {
		sftp_add_cstring(sftp_begin(s, SFTP_REMOVE), "/f");
		sftp_send(s, ignore_status, &answered, 0);
		rc = sftp_pump(s, false, &err);
	}
	assert_int_equal(rc, -1);
	assert_int_equal(sftp_in_flight(s), 1024);
	assert_broken(ERROR_PROTOCOL, "too many requests without answer");
	assert_int_equal(answered, 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_of_a_start_up_file_is_told_as_such),
		cmocka_unit_test(an_absent_subsystem_is_told_with_its_last_words),
		cmocka_unit_test(a_beginning_that_is_no_version_three_is_not_accepted),
		cmocka_unit_test(silence_is_a_timeout_at_the_deadline),
		cmocka_unit_test(a_trickle_does_not_outlive_the_deadline),
		cmocka_unit_test(an_end_in_the_middle_is_network),
		cmocka_unit_test(the_last_words_are_kept_and_made_visible),
		cmocka_unit_test(an_answer_to_nothing_breaks_the_session),
		cmocka_unit_test(a_length_that_cannot_be_breaks_the_session),
		cmocka_unit_test(a_short_or_wrong_answer_breaks_the_session),
		cmocka_unit_test(an_answer_cut_anywhere_breaks_the_session),
		cmocka_unit_test(a_path_that_is_not_one_breaks_the_session),
		cmocka_unit_test(a_status_that_is_ok_is_not_a_handle),
		cmocka_unit_test(a_handle_past_its_limit_breaks_the_session),
		cmocka_unit_test(statuses_become_kinds_with_the_servers_words),
		cmocka_unit_test(a_status_without_words_is_accepted),
		cmocka_unit_test(a_failure_that_cannot_be_looked_into_keeps_the_words_and_a_guess),
		cmocka_unit_test(an_extension_the_server_has_not_is_not_asked_for),
		cmocka_unit_test(an_extension_of_another_version_is_not_the_extension),
		cmocka_unit_test(limits_are_taken_between_what_all_take_and_what_openssh_takes),
		cmocka_unit_test(names_that_lead_out_of_the_directory_are_not_handed_on),
		cmocka_unit_test(dots_are_left_out_but_not_for_ever),
		cmocka_unit_test(an_endless_list_ends_at_the_cap),
		cmocka_unit_test(more_entries_told_than_sent_break_the_session),
		cmocka_unit_test(a_flood_on_stderr_does_not_stop_the_answers),
		cmocka_unit_test(requests_nobody_answers_are_bounded),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	strbuf_release(&fixed);
	strbuf_release(&listed);
	return failed;
}
