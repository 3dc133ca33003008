#include "config.h"

#include "suite.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/fsutil.h"
#include "util/shquote.h"
#include "util/strbuf.h"
#include "util/xalloc.h"

enum { PATIENCE_MS = 60000, CHANNELS = 4 };

/* One channel driven to its end. */
struct talk {
	struct channel *ch;
	const char *in;
	size_t in_left;
	bool in_done, write_failed;
	bool eof[2];
	struct strbuf said[2]; /* by enum channel_stream */
	struct channel_end end;
};

static void start(struct talk *talk, const char *command, const void *in, size_t n)
{
	struct error err = { ERROR_NONE };

	*talk = (struct talk){ .in = in, .in_left = n, .said = { STRBUF_INIT, STRBUF_INIT } };
	talk->ch = channel_open(suite_transport(), CHANNEL_EXEC, command, &err);
	if (!talk->ch)
		fail_msg("%s: %s", command, err.text);
}

static void finish(struct talk *talk)
{
	channel_close(talk->ch);
	strbuf_release(&talk->said[0]);
	strbuf_release(&talk->said[1]);
}

/* true if something moved */
static bool put(struct talk *talk)
{
	struct error err = { ERROR_NONE };
	ssize_t n;

	if (talk->in_done)
		return false;
	n = talk->in_left > 0 ? channel_write(talk->ch, talk->in, talk->in_left, &err) : channel_send_eof(talk->ch, &err);
	if (n == CHANNEL_AGAIN)
		return false;
	talk->write_failed = n < 0;
	talk->in_done = n < 0 || talk->in_left == 0;
	if (n > 0) {
		assert_true((size_t)n <= talk->in_left);
		talk->in += n;
		talk->in_left -= (size_t)n;
	}
	return true;
}

static bool take(struct talk *talk, enum channel_stream stream)
{
	struct error err = { ERROR_NONE };
	char buf[16384];
	ssize_t n;

	if (talk->eof[stream])
		return false;
	n = channel_read(talk->ch, stream, buf, sizeof buf, &err);
	if (n == CHANNEL_AGAIN)
		return false;
	if (n < 0)
		fail_msg("read: %s", err.text);
	talk->eof[stream] = n == CHANNEL_EOF;
	strbuf_add(&talk->said[stream], buf, (size_t)n);
	return true;
}

static bool over(const struct talk *talk)
{
	return talk->eof[0] && talk->eof[1];
}

/* Drive all to their ends. */
static void drive(struct talk *talks, size_t n)
{
	deadline_t deadline = deadline_in_ms(PATIENCE_MS);
	struct error err = { ERROR_NONE };
	struct channel *chs[CHANNELS];
	bool want_write[CHANNELS];
	size_t left;

	do {
		bool moved = false;

		left = 0;
		for (size_t i = 0; i < n; i++) {
			if (over(&talks[i]))
				continue;
			moved = put(&talks[i]) || moved;
			moved = take(&talks[i], CHANNEL_STDOUT) || moved;
			moved = take(&talks[i], CHANNEL_STDERR) || moved;
			want_write[left] = !talks[i].in_done;
			chs[left++] = talks[i].ch;
		}
		if (!moved && left > 0)
			assert_ok(channel_wait(chs, want_write, left, deadline, &err), &err);
	} while (left > 0);
	for (size_t i = 0; i < n; i++)
		while (channel_end(talks[i].ch, &talks[i].end) == CHANNEL_AGAIN)
			assert_ok(channel_wait(&talks[i].ch, NULL, 1, deadline, &err), &err);
}

static void run(struct talk *talk, const char *command, const void *in, size_t n)
{
	start(talk, command, in, n);
	drive(talk, 1);
}

static void expect_exit(const struct talk *talk, int status)
{
	assert_int_equal(talk->end.how, CHANNEL_END_EXITED);
	assert_int_equal(talk->end.status, status);
}

/* Bytes that do not repeat soon. */
static char *noise(size_t n, uint64_t seed)
{
	char *p = xmalloc(n);

	for (size_t i = 0; i < n; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		p[i] = (char)(seed >> 56);
	}
	return p;
}

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* Neither gone nor a zombie that its new parent has not looked at yet. */
static bool is_running(pid_t pid)
{
	struct strbuf sb = STRBUF_INIT;
	char path[64];
	bool running;

	snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
	running = fsutil_read(path, 4096, &sb, NULL) == 0 && !strstr(sb.buf, ") Z ");
	strbuf_release(&sb);
	return running;
}

/* The number that a command wrote to this file. */
static pid_t read_pid(const char *path)
{
	struct strbuf sb = STRBUF_INIT;
	pid_t pid = 0;

	for (int i = 0; i < PATIENCE_MS / 10 && pid == 0; i++) {
		strbuf_reset(&sb);
		if (fsutil_read(path, 100, &sb, NULL) == 0 && strchr(sb.buf, '\n'))
			pid = atoi(sb.buf);
		if (pid == 0)
			usleep(10000);
	}
	strbuf_release(&sb);
	assert_true(pid > 1);
	return pid;
}

/* --- tests ------------------------------------------------------------------- */

static void a_command_is_run_and_says_something(void **state)
{
	struct talk talk;

	(void)state;
	run(&talk, "echo hello", NULL, 0);
	assert_string_equal(talk.said[CHANNEL_STDOUT].buf, "hello\n");
	assert_string_equal(talk.said[CHANNEL_STDERR].buf, "");
	expect_exit(&talk, 0);
	finish(&talk);
}

static void it_starts_in_the_home_directory(void **state)
{
	struct talk talk;

	(void)state;
	run(&talk, "a=`pwd -P`; cd && test \"$a\" = \"`pwd -P`\"", NULL, 0);
	expect_exit(&talk, 0);
	finish(&talk);
}

static void descriptors_of_ours_do_not_reach_it(void **state)
{
	struct talk talk;

	(void)state;
	assert_int_equal(dup2(STDERR_FILENO, 9), 9); /* as one that kedge was started with */
	run(&talk, "test ! -e /proc/$$/fd/9", NULL, 0);
	close(9);
	expect_exit(&talk, 0);
	finish(&talk);
}

static void a_closed_pipe_ends_its_writer_without_a_word(void **state)
{
	struct talk talk;

	(void)state;
	run(&talk, "yes | head -n 1", NULL, 0);
	assert_string_equal(talk.said[CHANNEL_STDOUT].buf, "y\n");
	assert_string_equal(talk.said[CHANNEL_STDERR].buf, "");
	finish(&talk);
}

static void ten_megabytes_go_each_way(void **state)
{
	enum { SIZE = 10 << 20 };
	char *data = noise(SIZE, 1);
	struct talk talk;

	(void)state;
	run(&talk, "cat", data, SIZE);
	assert_false(talk.write_failed);
	assert_int_equal(talk.said[CHANNEL_STDOUT].len, SIZE);
	assert_memory_equal(talk.said[CHANNEL_STDOUT].buf, data, SIZE);
	finish(&talk);
	free(data);
}

static void after_the_half_close_it_still_answers(void **state)
{
	struct talk talk;

	(void)state;
	run(&talk, "cat >/dev/null; sleep 0.1; echo the end", "abc", 3);
	assert_string_equal(talk.said[CHANNEL_STDOUT].buf, "the end\n");
	finish(&talk);
}

static void an_exit_status_comes_back(void **state)
{
	static const int statuses[] = { 0, 1, 3, 127, 255 };

	(void)state;
	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
		char command[32];
		struct talk talk;

		snprintf(command, sizeof command, "exit %d", statuses[i]);
		run(&talk, command, NULL, 0);
		expect_exit(&talk, statuses[i]);
		finish(&talk);
	}
}

static void a_killed_command_has_not_exited(void **state)
{
	struct talk talk;

	(void)state;
	run(&talk, "kill -9 $$", NULL, 0);
	assert_int_not_equal(talk.end.how, CHANNEL_END_EXITED);
	if (talk.end.how == CHANNEL_END_SIGNALLED)
		assert_string_equal(talk.end.signal, "KILL");
	finish(&talk);
}

static void a_missing_command_is_told_by_the_shell(void **state)
{
	struct talk talk;

	(void)state;
	run(&talk, "/nonexistent/command", NULL, 0);
	expect_exit(&talk, 127);
	assert_string_equal(talk.said[CHANNEL_STDOUT].buf, "");
	assert_non_null(strstr(talk.said[CHANNEL_STDERR].buf, "/nonexistent/command"));
	finish(&talk);
}

static void stderr_is_a_stream_of_its_own(void **state)
{
	struct talk talk;

	(void)state;
	run(&talk, "i=0; while [ $i -lt 2000 ]; do echo out; echo err >&2; i=$((i + 1)); done", NULL, 0);
	assert_int_equal(talk.said[CHANNEL_STDOUT].len, 4 * 2000);
	assert_int_equal(talk.said[CHANNEL_STDERR].len, 4 * 2000);
	assert_null(strstr(talk.said[CHANNEL_STDOUT].buf, "err"));
	assert_null(strstr(talk.said[CHANNEL_STDERR].buf, "out"));
	finish(&talk);
}

static void channels_do_not_mix(void **state)
{
	enum { SIZE = 1 << 20 };
	struct talk talks[CHANNELS];
	char *data[CHANNELS];

	(void)state;
	for (int i = 0; i < CHANNELS; i++) {
		data[i] = noise(SIZE, (uint64_t)i + 10);
		start(&talks[i], "cat", data[i], SIZE);
	}
	drive(talks, CHANNELS);
	for (int i = 0; i < CHANNELS; i++) {
		assert_int_equal(talks[i].said[CHANNEL_STDOUT].len, SIZE);
		assert_memory_equal(talks[i].said[CHANNEL_STDOUT].buf, data[i], SIZE);
		expect_exit(&talks[i], 0);
		finish(&talks[i]);
		free(data[i]);
	}
}

/* What the first channel has to say is received while the second is served, and must be found again. */
static void a_quiet_channel_does_not_hide_a_talking_one(void **state)
{
	struct talk talks[2];

	(void)state;
	start(&talks[0], "sleep 0.2; echo first", NULL, 0);
	start(&talks[1], "i=0; while [ $i -lt 3000 ]; do echo second; i=$((i + 1)); done; sleep 0.4", NULL, 0);
	drive(talks, 2);
	assert_string_equal(talks[0].said[CHANNEL_STDOUT].buf, "first\n");
	assert_int_equal(talks[1].said[CHANNEL_STDOUT].len, 7 * 3000);
	finish(&talks[0]);
	finish(&talks[1]);
}

static void a_reader_that_leaves_still_tells_its_end(void **state)
{
	enum { SIZE = 8 << 20 };
	char *data = noise(SIZE, 2);
	struct talk talk;

	(void)state;
	run(&talk, "echo no thanks; exit 4", data, SIZE);
	assert_string_equal(talk.said[CHANNEL_STDOUT].buf, "no thanks\n");
	assert_true(talk.in_left > 0);
	expect_exit(&talk, 4);
	finish(&talk);
	free(data);
}

static void the_end_of_a_stream_is_told_again_and_again(void **state)
{
	char buf[10];
	struct talk talk;

	(void)state;
	run(&talk, "true", NULL, 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(channel_read(talk.ch, CHANNEL_STDOUT, buf, sizeof buf, NULL), CHANNEL_EOF);
		assert_int_equal(channel_read(talk.ch, CHANNEL_STDERR, buf, sizeof buf, NULL), CHANNEL_EOF);
		assert_int_equal(channel_end(talk.ch, &talk.end), 0);
		expect_exit(&talk, 0);
	}
	finish(&talk);
}

static void nothing_to_read_is_said_at_once(void **state)
{
	struct error err = { ERROR_NONE };
	int64_t begun = clock_boot_ms();
	char buf[10];
	struct talk talk;

	(void)state;
	start(&talk, "exec sleep 5", NULL, 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(channel_read(talk.ch, i % 2, buf, sizeof buf, &err), CHANNEL_AGAIN);
	assert_true(clock_boot_ms() - begun < 4000);
	finish(&talk);
}

static void a_reader_that_sleeps_is_not_waited_for(void **state)
{
	enum { PIECE = 1 << 16, MUCH = 64 << 20 };
	struct error err = { ERROR_NONE };
	char *data = noise(PIECE, 3);
	int64_t moved = clock_boot_ms();
	size_t sent = 0;
	struct talk talk;

	(void)state;
	start(&talk, "exec sleep 5", NULL, 0);
	while (sent < MUCH) {
		bool want_write = true;
		ssize_t n = channel_write(talk.ch, data, PIECE, &err);

		assert_true(n > 0 || n == CHANNEL_AGAIN);
		assert_false(take(&talk, CHANNEL_STDOUT) || take(&talk, CHANNEL_STDERR));
		if (n > 0) {
			sent += (size_t)n;
			moved = clock_boot_ms();
		} else if (channel_wait(&talk.ch, &want_write, 1, moved + (sent > 0 ? 300 : PATIENCE_MS), &err) != 0) {
			break; /* before the first byte the channel was not open yet */
		}
	}
	assert_int_equal(err.kind, ERROR_TIMEOUT);
	assert_in_range(sent, 1, MUCH - 1);
	finish(&talk);
	free(data);
}

static void a_wait_ends_with_its_deadline(void **state)
{
	struct error err = { ERROR_NONE };
	int64_t begun, took;
	struct talk talk;
	char buf[10];

	(void)state;
	start(&talk, "echo; exec sleep 5", NULL, 0);
	while (channel_read(talk.ch, CHANNEL_STDOUT, buf, sizeof buf, &err) != 1)
		assert_ok(channel_wait(&talk.ch, NULL, 1, deadline_in_ms(PATIENCE_MS), &err), &err);
	begun = clock_boot_ms();
	do {
		assert_int_equal(channel_read(talk.ch, CHANNEL_STDOUT, buf, sizeof buf, &err), CHANNEL_AGAIN);
		assert_int_equal(channel_read(talk.ch, CHANNEL_STDERR, buf, sizeof buf, &err), CHANNEL_AGAIN);
	} while (channel_wait(&talk.ch, NULL, 1, begun + 300, &err) == 0);
	took = clock_boot_ms() - begun;
	assert_int_equal(err.kind, ERROR_TIMEOUT);
	assert_in_range(took, 300, 2300);
	assert_error(channel_wait(&talk.ch, NULL, 1, begun, &err), &err, ERROR_TIMEOUT);
	finish(&talk);
}

static void a_channel_closes_while_its_command_runs(void **state)
{
	char *path = suite_path("channel-pid");
	struct strbuf command = STRBUF_INIT;
	struct talk talk;
	int64_t begun;
	pid_t pid;

	(void)state;
	strbuf_addstr(&command, "sleep 5 & echo $! >");
	shquote_add(&command, path);
	strbuf_addstr(&command, "; wait");
	start(&talk, command.buf, NULL, 0);
	while (access(path, F_OK) != 0) { /* a transport may need us to get the opening done */
		put(&talk);
		take(&talk, CHANNEL_STDOUT);
		usleep(5000);
	}
	pid = read_pid(path);
	begun = clock_boot_ms();
	finish(&talk);
	assert_true(clock_boot_ms() - begun < 2000);
	for (int i = 0; i < 100 && suite_is("local") && is_running(pid); i++) /* sshd leaves it alone */
		usleep(20000);
	assert_false(suite_is("local") && is_running(pid));
	run(&talk, "echo still here", NULL, 0);
	assert_string_equal(talk.said[CHANNEL_STDOUT].buf, "still here\n");
	finish(&talk);
	strbuf_release(&command);
	free(path);
}

static void a_channel_closes_before_it_is_open(void **state)
{
	struct talk talk;

	(void)state;
	for (int i = 0; i < 5; i++) {
		start(&talk, "true", NULL, 0);
		finish(&talk);
	}
	run(&talk, "echo still here", NULL, 0);
	assert_string_equal(talk.said[CHANNEL_STDOUT].buf, "still here\n");
	finish(&talk);
}

static void channels_leave_nothing_behind(void **state)
{
	int before = count_fds();

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct talk talk;

		run(&talk, "echo x; echo y >&2", "z", 1);
		finish(&talk);
	}
	assert_int_equal(count_fds(), before);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left unreaped */
}

/* The child's own connection, for its end must not end ours.  Exit status: 0 as it should be, else where it failed. */
static void wait_in_child(int ready)
{
	struct error err = { ERROR_NONE };
	struct transport *t = transport_open(suite_cluster(), &err);
	struct channel *ch = t ? channel_open(t, CHANNEL_EXEC, "exec sleep 5", &err) : NULL;
	char buf[10];
	int rc;

	if (!ch || write(ready, "x", 1) != 1)
		_exit(1);
	do {
		channel_read(ch, CHANNEL_STDOUT, buf, sizeof buf, &err);
		channel_read(ch, CHANNEL_STDERR, buf, sizeof buf, &err);
		rc = channel_wait(&ch, NULL, 1, deadline_in_ms(4000), &err);
	} while (rc == 0);
	channel_close(ch);
	transport_close(t);
	_exit(err.kind == ERROR_INTERRUPTED ? 0 : 2);
}

static void a_signal_ends_the_wait(void **state)
{
	int ready[2], status = -1;
	int64_t begun;
	pid_t pid;
	char c;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0)
		wait_in_child(ready[1]);
	assert_true(pid > 0);
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	usleep(100000);
	begun = clock_boot_ms();
	kill(pid, SIGTERM);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(clock_boot_ms() - begun < 2500);
}

static void it_describes_itself(void **state)
{
	const char *text = transport_describe(suite_transport());

	(void)state;
	assert_int_equal(strncmp(text, suite_cluster()->transport, strlen(suite_cluster()->transport)), 0);
	assert_null(strchr(text, '\n'));
}

int suite_channel_tests(const struct CMUnitTest **tests)
{
	static const struct CMUnitTest rows[] = {
		cmocka_unit_test(a_command_is_run_and_says_something),
		cmocka_unit_test(it_starts_in_the_home_directory),
		cmocka_unit_test(descriptors_of_ours_do_not_reach_it),
		cmocka_unit_test(a_closed_pipe_ends_its_writer_without_a_word),
		cmocka_unit_test(ten_megabytes_go_each_way),
		cmocka_unit_test(after_the_half_close_it_still_answers),
		cmocka_unit_test(an_exit_status_comes_back),
		cmocka_unit_test(a_killed_command_has_not_exited),
		cmocka_unit_test(a_missing_command_is_told_by_the_shell),
		cmocka_unit_test(stderr_is_a_stream_of_its_own),
		cmocka_unit_test(channels_do_not_mix),
		cmocka_unit_test(a_quiet_channel_does_not_hide_a_talking_one),
		cmocka_unit_test(a_reader_that_leaves_still_tells_its_end),
		cmocka_unit_test(the_end_of_a_stream_is_told_again_and_again),
		cmocka_unit_test(nothing_to_read_is_said_at_once),
		cmocka_unit_test(a_reader_that_sleeps_is_not_waited_for),
		cmocka_unit_test(a_wait_ends_with_its_deadline),
		cmocka_unit_test(a_channel_closes_while_its_command_runs),
		cmocka_unit_test(a_channel_closes_before_it_is_open),
		cmocka_unit_test(channels_leave_nothing_behind),
		cmocka_unit_test(a_signal_ends_the_wait),
		cmocka_unit_test(it_describes_itself),
	};

	*tests = rows;
	return sizeof rows / sizeof *rows;
}
