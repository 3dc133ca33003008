/*
 * The pipelined copies against servers that are slow, stingy, out of order or lying.
 * What a good server does is tested in tests/conformance.
 */
#include "testing.h"

#include <sys/stat.h>

#include "scripted.h"
#include "transport/sftp.h"
#include "transport/sftp_copy.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/xalloc.h"

enum {
	LONG_MS = 20000,
	QUIET_MS = 200,
	CHUNK = 32768,
	MiB = 1 << 20,
};

static struct transport *far_side;
static struct sftp *s;
static struct error err;

static void begin(script_f *script)
{
	far_side = scripted_open(script);
	error_clear(&err);
	s = sftp_open(far_side, deadline_in_ms(LONG_MS), &err);
	if (!s)
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

/* --- down ----------------------------------------------------------------- */

/* The file of the script: its size, what STAT says of it, and how READs are answered. */
static struct {
	uint64_t size, told;
	size_t most;        /* bytes per answer, 0: what was asked */
	size_t hold;        /* answer in reverse order, when so many wait or no more come */
	size_t crowd;       /* so many must have waited at once, before the end */
	int delay;          /* ms before an answer, beside the 5 in which more is waited for */
	uint64_t fail_at;   /* READs that reach it are DENIED */
	uint64_t ghost;     /* from here on there is data again, behind the end */
} file;

static unsigned char byte_at(uint64_t offset)
{
	return (unsigned char)((offset * 2654435761u) >> 11);
}

struct read_request {
	uint32_t id;
	uint64_t offset;
	uint32_t len;
};

static void answer_read(int fd, const struct read_request *rd)
{
	unsigned char data[CHUNK];
	size_t n = rd->len;

	scripted_need(n <= sizeof data);
	if (file.fail_at && rd->offset + n > file.fail_at) {
		scripted_status(fd, rd->id, SFTP_PERMISSION_DENIED, "enough");
		return;
	}
	if (rd->offset >= file.size && !(file.ghost && rd->offset >= file.ghost)) {
		scripted_status(fd, rd->id, SFTP_EOF, "End of file");
		return;
	}
	if (rd->offset < file.size && n > file.size - rd->offset)
		n = (size_t)(file.size - rd->offset);
	if (file.most && n > file.most)
		n = file.most;
	for (size_t i = 0; i < n; i++)
		data[i] = byte_at(rd->offset + i);
	sftp_add_string(scripted_begin(SFTP_DATA, rd->id), data, n);
	scripted_end(fd);
}

static struct read_request parse_read(struct scripted_request *rq)
{
	struct read_request rd = { .id = rq->id };
	size_t len;

	sftp_read_string(&rq->payload, &len);
	rd.offset = sftp_read_u64(&rq->payload);
	rd.len = sftp_read_u32(&rq->payload);
	scripted_need(!rq->payload.broken && rd.len > 0);
	return rd;
}

static void answer_stat(int fd, uint32_t id)
{
	struct strbuf *sb = scripted_begin(SFTP_ATTRS, id);

	sftp_add_u32(sb, 1);
	sftp_add_u64(sb, file.told);
	scripted_end(fd);
}

static void serves_a_file(int fd, int errfd)
{
	struct read_request held[512];
	size_t n = 0, most = 0;
	bool open = false;

	(void)errfd;
	scripted_greet(fd, NULL);
	for (;;) {
		struct scripted_request rq;

		if (n > 0 && (n >= file.hold || scripted_is_quiet(fd, 5 + file.delay))) {
			while (n > 0)
				answer_read(fd, &held[--n]);
			continue;
		}
		rq = scripted_next(fd);
		if (rq.type == SFTP_STAT) {
			poll(NULL, 0, file.delay);
			answer_stat(fd, rq.id);
		} else if (rq.type == SFTP_OPEN) {
			open = true;
			scripted_handle(fd, rq.id, "handle");
		} else if (rq.type == SFTP_CLOSE) {
			scripted_need(open && most >= file.crowd);
			open = false;
			scripted_status(fd, rq.id, SFTP_OK, "");
		} else {
			scripted_need(open && rq.type == SFTP_READ && n < COUNT(held));
			held[n++] = parse_read(&rq);
			most = n > most ? n : most;
		}
	}
}

struct sink {
	uint64_t offset; /* of the next byte */
	bool bad;
};

static int check_bytes(void *arg, const void *data, size_t n, struct error *e)
{
	struct sink *sink = arg;
	const unsigned char *c = data;

	(void)e;
	for (size_t i = 0; i < n; i++)
		if (c[i] != byte_at(sink->offset++))
			sink->bad = true;
	return 0;
}

static void assert_gets(uint64_t offset, uint64_t max, uint64_t want)
{
	struct sink sink = { .offset = offset };
	uint64_t size = 0;

	begin(serves_a_file);
	if (sftp_get(s, "/f", offset, max, check_bytes, &sink, &size, &err) != 0)
		fail_msg("%s", err.text);
	assert_true(size == want && sink.offset == offset + want);
	assert_false(sink.bad);
	assert_true(sftp_get(s, "/f", 0, 10, check_bytes, &(struct sink){ 0 }, NULL, &err) == 0); /* the CLOSE was fine */
	end();
}

static void answers_out_of_order_are_given_in_order(void **state)
{
	static const size_t holds[] = { 1, 2, 7, 64, 512 };

	(void)state;
	for (size_t i = 0; i < COUNT(holds); i++) {
		memset(&file, 0, sizeof file);
		file.size = file.told = 4 * MiB + 12345;
		file.hold = holds[i];
		assert_gets(0, UINT64_MAX, file.size);
		assert_gets(1000, 3 * MiB, 3 * MiB);
	}
}

static void short_answers_leave_no_gaps(void **state)
{
	static const size_t mosts[] = { 1000, CHUNK - 1, CHUNK / 2 + 1 };
	static const size_t holds[] = { 1, 5, 512 };

	(void)state;
	for (size_t i = 0; i < COUNT(mosts); i++)
		for (size_t j = 0; j < COUNT(holds); j++) {
			memset(&file, 0, sizeof file);
			file.size = file.told = 300000;
			file.most = mosts[i];
			file.hold = holds[j];
			assert_gets(0, UINT64_MAX, 300000);
			assert_gets(77777, 100001, 100001);
		}
}

static void the_size_that_stat_tells_is_only_a_hint(void **state)
{
	static const uint64_t lies[] = { 0, 1, CHUNK, 500000, 1000001, 99 * MiB, UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < COUNT(lies); i++)
		for (size_t hold = 1; hold <= 100; hold += 99) {
			memset(&file, 0, sizeof file);
			file.size = 1000000;
			file.told = lies[i];
			file.hold = hold;
			assert_gets(0, UINT64_MAX, 1000000);
			assert_gets(0, 600000, 600000);
			assert_gets(999999, UINT64_MAX, 1);
			assert_gets(1000000, UINT64_MAX, 0);
		}
}

/* As when it grows between two READs. */
static void data_behind_the_end_is_not_given(void **state)
{
	(void)state;
	for (size_t hold = 1; hold <= 100; hold += 33) {
		memset(&file, 0, sizeof file);
		file.size = 100000;
		file.told = MiB;
		file.ghost = 150000;
		file.hold = hold;
		assert_gets(0, UINT64_MAX, 100000);
	}
}

static void past_the_hint_the_window_grows(void **state)
{
	(void)state;
	memset(&file, 0, sizeof file);
	file.size = 8 * MiB;
	file.hold = 512;
	file.crowd = 64;
	assert_gets(0, UINT64_MAX, file.size);
}

static void the_window_grows_with_the_round_trip(void **state)
{
	(void)state;
	memset(&file, 0, sizeof file);
	file.size = file.told = 24 * MiB;
	file.hold = 512;
	file.delay = 100;
	file.crowd = 80; /* of 32 KiB: more than the 2 MiB it begins with */
	assert_gets(0, UINT64_MAX, file.size);
}

static void a_read_that_is_refused_ends_it_and_the_session_lives(void **state)
{
	struct sink sink = { 0 };

	(void)state;
	memset(&file, 0, sizeof file);
	file.size = file.told = 4 * MiB;
	file.fail_at = 2 * MiB;
	file.hold = 3;
	begin(serves_a_file);
	assert_int_equal(sftp_get(s, "/f", 0, UINT64_MAX, check_bytes, &sink, NULL, &err), -1);
	assert_said(ERROR_DENIED, "cannot read '/f': the server says 'enough'");
	assert_false(sink.bad);
	assert_true(sink.offset <= 2 * MiB);
	assert_int_equal(sftp_get(s, "/f", 0, 10, check_bytes, &(struct sink){ 0 }, NULL, &err), 0);
	end();
}

/* A file of any size whose READs are answered with so many bytes more than asked, or with none. */
static int too_many;

static void sends_too_much(int fd, int errfd)
{
	struct scripted_request rq;
	struct read_request rd;
	struct strbuf *sb;
	uint32_t n;

	(void)errfd;
	scripted_greet(fd, NULL);
	answer_stat(fd, scripted_next(fd).id);
	scripted_handle(fd, scripted_next(fd).id, "h");
	rq = scripted_next(fd);
	rd = parse_read(&rq);
	sb = scripted_begin(SFTP_DATA, rd.id);
	n = too_many ? rd.len + (uint32_t)too_many : 0;
	sftp_add_u32(sb, n);
	while (n-- > 0)
		sftp_add_u8(sb, 0);
	scripted_end(fd);
	for (;;)
		scripted_next(fd);
}

static void more_data_than_asked_and_no_data_break_the_session(void **state)
{
	static const int extras[] = { 1, 100, 65536, 0 };

	(void)state;
	file.told = 100;
	for (size_t i = 0; i < COUNT(extras); i++) {
		too_many = extras[i];
		begin(sends_too_much);
		assert_int_equal(sftp_get(s, "/f", 0, 50, check_bytes, &(struct sink){ 0 }, NULL, &err), -1);
		assert_said(ERROR_PROTOCOL, "a read of 50 bytes with");
		assert_int_equal(sftp_remove(s, "/f", &err), -1);
		assert_said(ERROR_PROTOCOL, "");
		end();
	}
}

static const char *const *script_extensions;

static void counts_reads_and_goes(int fd, int errfd)
{
	uint64_t bytes = 0, furthest = 0;
	size_t reads = 0;
	struct strbuf *sb;

	(void)errfd;
	scripted_greet(fd, script_extensions);
	if (script_extensions) {
		sb = scripted_begin(SFTP_EXTENDED_REPLY, scripted_next(fd).id);
		for (int i = 0; i < 4; i++)
			sftp_add_u64(sb, UINT64_MAX);
		scripted_end(fd);
	}
	answer_stat(fd, scripted_next(fd).id);
	scripted_handle(fd, scripted_next(fd).id, "h");
	while (!scripted_is_quiet(fd, QUIET_MS)) {
		struct scripted_request rq = scripted_next(fd);
		struct read_request rd = parse_read(&rq);

		bytes += rd.len;
		reads++;
		if (rd.offset + rd.len > furthest)
			furthest = rd.offset + rd.len;
	}
	scripted_need(bytes == furthest);
	scripted_need(bytes > 7 * MiB / 4 && bytes <= 2 * MiB);
	scripted_need(reads <= 64);
}

static void reading_ahead_is_bounded(void **state)
{
	static const char *const limits[] = { "limits@openssh.com", "1", NULL };

	(void)state;
	file.told = UINT64_MAX;
	for (int i = 0; i < 2; i++) {
		script_extensions = i ? limits : NULL;
		begin(counts_reads_and_goes);
		assert_int_equal(sftp_get(s, "/f", 0, UINT64_MAX, check_bytes, &(struct sink){ 0 }, NULL, &err), -1);
		assert_said(ERROR_NETWORK, "cannot read '/f': the sftp server went away");
		end();
	}
}

/* --- up ------------------------------------------------------------------- */

struct source {
	uint64_t left;
};

static ssize_t zeros(void *arg, void *buf, size_t n, struct error *e)
{
	struct source *src = arg;

	(void)e;
	if (n > src->left)
		n = (size_t)src->left;
	memset(buf, 0, n);
	src->left -= n;
	return (ssize_t)n;
}

static struct sftp_put file_of(const char *path, mode_t mode, struct source *src)
{
	return (struct sftp_put){ .path = path, .mode = mode, .read = zeros, .arg = src };
}

static bool expect_window; /* that data fills its window; otherwise, requests theirs */

static void answers_open_only(int fd, int errfd)
{
	uint64_t bytes = 0;
	size_t open = 0, most = 0, others = 0;

	(void)errfd;
	scripted_greet(fd, NULL);
	while (!scripted_is_quiet(fd, QUIET_MS)) {
		struct scripted_request rq = scripted_next(fd);
		size_t len;

		if (rq.type == SFTP_OPEN) {
			most = ++open > most ? open : most;
			scripted_handle(fd, rq.id, "h");
			continue;
		}
		others++;
		open -= rq.type == SFTP_CLOSE;
		if (rq.type == SFTP_WRITE) {
			sftp_read_string(&rq.payload, &len);
			sftp_read_u64(&rq.payload);
			sftp_read_string(&rq.payload, &len);
			scripted_need(!rq.payload.broken && len <= CHUNK);
			bytes += len;
		}
	}
	scripted_need(most == 64);
	scripted_need(bytes <= 4 * MiB && others <= 512);
	scripted_need(expect_window ? bytes == 4 * MiB : others > 500);
}

static void writing_ahead_is_bounded(void **state)
{
	enum { N = 600 };
	static const uint64_t sizes[] = { 100 * MiB, 10 };
	struct source src[N];
	struct sftp_put puts[N];

	(void)state;
	script_extensions = NULL;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		for (size_t j = 0; j < N; j++) {
			src[j].left = sizes[i];
			puts[j] = file_of("/some/file", 0644, &src[j]);
		}
		expect_window = i == 0;
		begin(answers_open_only);
		assert_int_equal(sftp_put_all(s, puts, N, NULL, &err), -1);
		assert_said(ERROR_NETWORK, "the sftp server went away");
		end();
	}
}

static void counts_mkdirs(int fd, int errfd)
{
	size_t n = 0;

	(void)errfd;
	scripted_greet(fd, NULL);
	for (; !scripted_is_quiet(fd, QUIET_MS); n++)
		scripted_need(scripted_next(fd).type == SFTP_MKDIR);
	scripted_need(n > 400 && n <= 512);
}

static void asking_ahead_is_bounded(void **state)
{
	enum { N = 3000 };
	struct sftp_put *puts = xcalloc(N, sizeof *puts);

	(void)state;
	for (size_t i = 0; i < N; i++)
		puts[i] = (struct sftp_put){ .path = "/d", .mode = 0755, .is_dir = true };
	begin(counts_mkdirs);
	assert_int_equal(sftp_put_all(s, puts, N, NULL, &err), -1);
	assert_said(ERROR_NETWORK, "went away");
	end();
	free(puts);
}

/* One request after the other must be of these types.  Its answer: H(andle), k (OK), f(ailure), d(enied), n(o such
   file), a directory's A(ttributes), L(imits of one); "." none yet, "!" to this and all that wait, well, the last first. */
struct step {
	enum sftp_type type;
	char answer;
};
static const struct step *steps;

static void answer_step(int fd, uint32_t id, char answer)
{
	struct strbuf *sb;

	switch (answer) {
	case 'H':
		scripted_handle(fd, id, "h");
		break;
	case 'k':
		scripted_status(fd, id, SFTP_OK, "");
		break;
	case 'f':
		scripted_status(fd, id, SFTP_FAILURE, "Failure");
		break;
	case 'd':
		scripted_status(fd, id, SFTP_PERMISSION_DENIED, "Permission denied");
		break;
	case 'n':
		scripted_status(fd, id, SFTP_NO_SUCH_FILE, "No such file");
		break;
	case 'L':
		sb = scripted_begin(SFTP_EXTENDED_REPLY, id);
		for (int i = 0; i < 4; i++)
			sftp_add_u64(sb, 1);
		scripted_end(fd);
		break;
	case 'A':
		sb = scripted_begin(SFTP_ATTRS, id);
		sftp_add_u32(sb, 4);
		sftp_add_u32(sb, 040755);
		scripted_end(fd);
		break;
	default:
		scripted_need(!"a known answer");
	}
}

/* Is it a MKDIR whose owner may write into the directory? */
static bool may_be_filled(struct scripted_request *rq)
{
	struct sftp_attrs attrs;
	size_t len;

	sftp_read_string(&rq->payload, &len);
	sftp_read_attrs(&rq->payload, &attrs);
	return attrs.has_mode && (attrs.mode & 0700) == 0700;
}

static void follows_steps(int fd, int errfd)
{
	struct scripted_request later[16];
	size_t n = 0;

	(void)errfd;
	scripted_greet(fd, script_extensions);
	scripted_expect_more(true);
	for (const struct step *st = steps; st->type; st++) {
		struct scripted_request rq = scripted_next(fd);

		if (rq.type != st->type)
			fprintf(stderr, "# step %zu: type %d\n", (size_t)(st - steps), (int)rq.type);
		scripted_need(rq.type == st->type);
		scripted_need(rq.type != SFTP_MKDIR || may_be_filled(&rq));
		if (st->answer == '.' || st->answer == '!')
			later[n++] = rq;
		else
			answer_step(fd, rq.id, st->answer);
		for (; st->answer == '!' && n > 0; n--)
			answer_step(fd, later[n - 1].id, later[n - 1].type == SFTP_OPEN ? 'H' : 'k');
	}
	scripted_need(n == 0);
	scripted_need(scripted_is_quiet(fd, 50)); /* and nothing else */
}

static void start_steps(const struct step *list, const char *const *extensions)
{
	steps = list;
	script_extensions = extensions;
	begin(follows_steps);
}

/* Nothing of the batch is left behind: the script has seen all its steps and nothing else. */
static void end_steps(void)
{
	assert_int_equal(sftp_in_flight(s), 0);
	end();
}

static void a_small_file_is_two_round_trips(void **state)
{
	static const struct step list[] = {
		{ SFTP_OPEN, 'H' }, { SFTP_WRITE, '.' }, { SFTP_CLOSE, '!' }, { 0 },
	};
	struct source src = { 10 };
	struct sftp_put put = file_of("/f", 0600, &src);

	(void)state;
	start_steps(list, NULL);
	assert_int_equal(sftp_put_all(s, &put, 1, NULL, &err), 0);
	assert_true(put.bytes == 10);
	end_steps();
}

static void files_are_opened_ahead_and_their_modes_set_where_a_umask_could_take(void **state)
{
	static const struct step list[] = {
		{ SFTP_OPEN, '.' }, { SFTP_OPEN, 'H' }, { SFTP_FSETSTAT, 'k' }, { SFTP_WRITE, 'k' }, { SFTP_CLOSE, '!' },
		{ SFTP_CLOSE, 'k' }, { 0 },
	};
	struct source src[2] = { { 0 }, { 10 } };
	struct sftp_put puts[] = { file_of("/a", 0600, &src[0]), file_of("/b", 0640, &src[1]) };

	(void)state;
	start_steps(list, NULL); /* the first OPEN is answered last */
	assert_int_equal(sftp_put_all(s, puts, 2, NULL, &err), 0);
	assert_true(puts[0].bytes == 0 && puts[1].bytes == 10);
	end_steps();
}

static const char *const fsync_extension[] = { "fsync@openssh.com", "1", NULL };

static void fsync_is_asked_for_before_the_close_where_there_is_one(void **state)
{
	static const struct step with[] = {
		{ SFTP_OPEN, 'H' }, { SFTP_WRITE, '.' }, { SFTP_EXTENDED, '.' }, { SFTP_CLOSE, '!' }, { 0 },
	};
	static const struct step without[] = {
		{ SFTP_OPEN, 'H' }, { SFTP_WRITE, '.' }, { SFTP_CLOSE, '!' }, { 0 },
	};
	static const struct step failing[] = {
		{ SFTP_OPEN, 'H' }, { SFTP_WRITE, 'k' }, { SFTP_EXTENDED, 'd' }, { SFTP_CLOSE, 'k' }, { 0 },
	};
	struct source src = { 10 };
	struct sftp_put put = file_of("/f", 0600, &src);

	(void)state;
	put.fsync = true;
	start_steps(with, fsync_extension);
	assert_int_equal(sftp_put_all(s, &put, 1, NULL, &err), 0);
	end_steps();
	src.left = 10;
	start_steps(without, NULL);
	assert_int_equal(sftp_put_all(s, &put, 1, NULL, &err), 0);
	end_steps();
	src.left = 10;
	start_steps(failing, fsync_extension);
	assert_int_equal(sftp_put_all(s, &put, 1, NULL, &err), -1);
	assert_said(ERROR_DENIED, "cannot sync '/f'");
	end_steps();
}

static void a_close_that_fails_is_a_failure_and_is_looked_into(void **state)
{
	static const struct step list[] = {
		{ SFTP_OPEN, 'H' }, { SFTP_WRITE, 'k' }, { SFTP_CLOSE, 'f' }, { SFTP_LSTAT, 'n' }, { 0 },
	};
	struct source src = { 10 };
	struct sftp_put put = file_of("/f", 0600, &src);

	(void)state;
	start_steps(list, NULL);
	assert_int_equal(sftp_put_all(s, &put, 1, NULL, &err), -1);
	assert_said(ERROR_REFUSED, "cannot close '/f': the server gives no reason (a quota, or a limit on file size?)");
	end_steps();
}

static void after_a_failure_what_is_open_is_closed_and_nothing_is_begun(void **state)
{
	static const struct step list[] = {
		{ SFTP_OPEN, 'd' }, { SFTP_OPEN, 'H' }, { SFTP_OPEN, 'H' }, { SFTP_CLOSE, 'k' }, { SFTP_CLOSE, 'k' }, { 0 },
	};
	struct source src[3] = { { 10 }, { 10 }, { 10 } };
	struct sftp_put puts[] = {
		file_of("/a", 0600, &src[0]), file_of("/b", 0600, &src[1]), file_of("/c", 0600, &src[2]),
	};

	(void)state;
	puts[1].fsync = true;
	start_steps(list, fsync_extension);
	assert_int_equal(sftp_put_all(s, puts, 3, NULL, &err), -1);
	assert_said(ERROR_DENIED, "cannot create '/a': permission denied");
	end_steps();
}

/* The failure of the second comes first. */
static void the_first_failure_in_the_order_of_the_batch_is_told(void **state)
{
	static const struct step list[] = {
		{ SFTP_MKDIR, 'f' }, { SFTP_OPEN, 'd' }, { SFTP_LSTAT, 'n' }, { SFTP_LSTAT, 'n' }, { 0 },
	};
	struct source src = { 10 };
	struct sftp_put puts[] = {
		{ .path = "/d", .mode = 0700, .is_dir = true },
		file_of("/d/f", 0600, &src),
	};

	(void)state;
	start_steps(list, NULL);
	assert_int_equal(sftp_put_all(s, puts, 2, NULL, &err), -1);
	assert_said(ERROR_REFUSED, "cannot create directory '/d': the server gives no reason (a quota?)");
	end_steps();
}

static void a_directory_that_may_not_be_made_but_is_there_is_fine(void **state)
{
	static const struct step list[] = { { SFTP_MKDIR, 'd' }, { SFTP_LSTAT, 'A' }, { 0 } };
	static const struct step not_there[] = { { SFTP_MKDIR, 'd' }, { SFTP_LSTAT, 'n' }, { 0 } };
	struct sftp_put put = { .path = "/home", .mode = 0755, .is_dir = true };

	(void)state;
	start_steps(list, NULL);
	assert_int_equal(sftp_put_all(s, &put, 1, NULL, &err), 0);
	end_steps();
	start_steps(not_there, NULL);
	assert_int_equal(sftp_put_all(s, &put, 1, NULL, &err), -1);
	assert_said(ERROR_DENIED, "cannot create directory '/home': permission denied");
	end_steps();
}

static void an_answer_that_comes_after_that_to_the_close_counts_for_its_own_file(void **state)
{
	static const char *const limits[] = { "limits@openssh.com", "1", NULL };
	static const struct step list[] = { /* one handle at a time */
		{ SFTP_EXTENDED, 'L' },
		{ SFTP_OPEN, 'H' }, { SFTP_WRITE, '.' }, { SFTP_CLOSE, 'k' },
		{ SFTP_OPEN, 'H' }, { SFTP_WRITE, 'k' }, { SFTP_CLOSE, 'k' },
		{ SFTP_OPEN, 'H' }, { SFTP_WRITE, '.' }, { SFTP_CLOSE, '!' }, { 0 },
	};
	struct source src[3] = { { 10 }, { 20 }, { 30 } };
	struct sftp_put puts[] = {
		file_of("/a", 0600, &src[0]), file_of("/b", 0600, &src[1]), file_of("/c", 0600, &src[2]),
	};

	(void)state;
	start_steps(list, limits);
	while (sftp_in_flight(s) > 0)
		assert_int_equal(sftp_pump(s, true, &err), 0);
	assert_int_equal(sftp_put_all(s, puts, 3, NULL, &err), 0);
	for (size_t i = 0; i < COUNT(puts); i++)
		assert_true(puts[i].bytes == 10 * (i + 1));
	end_steps();
}

static void a_directory_gets_its_mode_after_what_is_in_it(void **state)
{
	static const struct step list[] = {
		{ SFTP_MKDIR, 'k' }, { SFTP_OPEN, 'H' }, { SFTP_WRITE, '.' }, { SFTP_CLOSE, '!' }, { SFTP_SETSTAT, 'k' }, { 0 },
	};
	static const struct step alone[] = { { SFTP_MKDIR, 'k' }, { SFTP_SETSTAT, 'k' }, { 0 } };
	static const struct step plain[] = { { SFTP_MKDIR, 'k' }, { 0 } };
	struct source src = { 10 };
	struct sftp_put puts[] = {
		{ .path = "/d", .mode = 0555, .is_dir = true },
		file_of("/d/f", 0600, &src),
	};

	(void)state;
	start_steps(list, NULL);
	assert_int_equal(sftp_put_all(s, puts, 2, NULL, &err), 0);
	end_steps();
	start_steps(alone, NULL);
	assert_int_equal(sftp_put_all(s, puts, 1, NULL, &err), 0);
	end_steps();
	puts[0].mode = 0700; /* as it was made */
	start_steps(plain, NULL);
	assert_int_equal(sftp_put_all(s, puts, 1, NULL, &err), 0);
	end_steps();
}

static void a_write_that_fails_in_the_middle_stops_the_sending(void **state)
{
	static const struct step list[] = {
		{ SFTP_OPEN, 'H' }, { SFTP_WRITE, 'k' }, { SFTP_WRITE, 'd' }, { SFTP_WRITE, '.' }, { SFTP_CLOSE, '!' }, { 0 },
	};
	struct source src = { 3 * CHUNK };
	struct sftp_put put = file_of("/f", 0600, &src);

	(void)state;
	start_steps(list, NULL);
	assert_int_equal(sftp_put_all(s, &put, 1, NULL, &err), -1);
	assert_said(ERROR_DENIED, "cannot write '/f': permission denied");
	assert_true(put.bytes == 2 * CHUNK); /* acknowledged */
	end_steps();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_out_of_order_are_given_in_order),
		cmocka_unit_test(short_answers_leave_no_gaps),
		cmocka_unit_test(the_size_that_stat_tells_is_only_a_hint),
		cmocka_unit_test(data_behind_the_end_is_not_given),
		cmocka_unit_test(past_the_hint_the_window_grows),
		cmocka_unit_test(the_window_grows_with_the_round_trip),
		cmocka_unit_test(a_read_that_is_refused_ends_it_and_the_session_lives),
		cmocka_unit_test(more_data_than_asked_and_no_data_break_the_session),
		cmocka_unit_test(reading_ahead_is_bounded),
		cmocka_unit_test(writing_ahead_is_bounded),
		cmocka_unit_test(asking_ahead_is_bounded),
		cmocka_unit_test(a_small_file_is_two_round_trips),
		cmocka_unit_test(files_are_opened_ahead_and_their_modes_set_where_a_umask_could_take),
		cmocka_unit_test(fsync_is_asked_for_before_the_close_where_there_is_one),
		cmocka_unit_test(a_close_that_fails_is_a_failure_and_is_looked_into),
		cmocka_unit_test(after_a_failure_what_is_open_is_closed_and_nothing_is_begun),
		cmocka_unit_test(the_first_failure_in_the_order_of_the_batch_is_told),
		cmocka_unit_test(a_directory_that_may_not_be_made_but_is_there_is_fine),
		cmocka_unit_test(an_answer_that_comes_after_that_to_the_close_counts_for_its_own_file),
		cmocka_unit_test(a_directory_gets_its_mode_after_what_is_in_it),
		cmocka_unit_test(a_write_that_fails_in_the_middle_stops_the_sending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
