/* What exec_compose makes, given to every shell that may be /bin/sh somewhere.  exec_run has its tests in
   tests/conformance, over every transport. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "transport/exec.h"
#include "transport/reply.h"
#include "util/error.h"
#include "util/strbuf.h"

static const char nonce[] = "0123456789abcdef0123456789abcdef";

static char *const shells[][4] = {
	{ (char *)"sh" },
	{ (char *)"dash" },
	{ (char *)"bash", (char *)"--posix" },
	{ (char *)"mksh" },
	{ (char *)"busybox", (char *)"sh" },
	{ (char *)"zsh", (char *)"--emulate", (char *)"sh" },
	{ (char *)"yash" },
};

enum { SHELLS = sizeof shells / sizeof *shells };

static bool present[SHELLS];
static char dir[] = "/tmp/test_exec.XXXXXX"; /* also the working directory of every shell */

/* posix_spawn, for this starts a few thousand shells. */
static pid_t spawn(char *const argv[], int in, int out)
{
	posix_spawn_file_actions_t actions;
	pid_t pid = -1;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in, 0);
	posix_spawn_file_actions_adddup2(&actions, out, 1);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ) != 0)
		pid = -1;
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

/* Write what fits; close the descriptor after the last byte, or when the shell has gone. */
static void feed(struct pollfd *fd, const char **text, size_t *n)
{
	ssize_t r = *n > 0 ? write(fd->fd, *text, *n) : 0;

	*text += r > 0 ? r : 0;
	*n = r < 0 ? 0 : *n - (size_t)r;
	if (*n > 0)
		return;
	close(fd->fd);
	fd->fd = -1;
}

static void drain(struct pollfd *fd, struct strbuf *out)
{
	char buf[4096];
	ssize_t r = read(fd->fd, buf, sizeof buf);

	if (r > 0 && out)
		strbuf_add(out, buf, (size_t)r);
	if (r > 0)
		return;
	close(fd->fd);
	fd->fd = -1;
}

/* Give n bytes to the shell, and its output to out (NULL: nowhere). */
static void run_shell(char *const argv[], const char *text, size_t n, struct strbuf *out)
{
	int in[2], from[2];
	struct pollfd fd[2];
	pid_t pid;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	pid = spawn(argv, in[0], from[1]);
	close(in[0]);
	close(from[1]);
	fcntl(in[1], F_SETFL, O_NONBLOCK);
	fd[0] = (struct pollfd){ .fd = in[1], .events = POLLOUT };
	fd[1] = (struct pollfd){ .fd = from[0], .events = POLLIN };
	while (fd[0].fd >= 0 || fd[1].fd >= 0) {
		assert_true(poll(fd, 2, 10000) > 0);
		if (fd[0].fd >= 0 && fd[0].revents)
			feed(&fd[0], &text, &n);
		if (fd[1].fd >= 0 && fd[1].revents)
			drain(&fd[1], out);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

/* The status of a whole script; its output is appended to out. */
static int run_script(int shell, const char *script, const char *body, struct strbuf *out)
{
	struct strbuf text = STRBUF_INIT, said = STRBUF_INIT;
	struct error err = { ERROR_NONE };
	struct reply reply;
	int status = -1;

	exec_compose(script, body, nonce, &text);
	run_shell(shells[shell], text.buf, text.len, &said);
	reply_init(&reply, "", nonce, 64 << 20);
	assert_int_equal(reply_add(&reply, said.buf, said.len, &err), 0);
	if (reply.state == REPLY_ENDED) {
		status = reply.status;
		strbuf_add(out, reply.data.buf, reply.data.len);
	}
	reply_release(&reply);
	strbuf_release(&text);
	strbuf_release(&said);
	return status;
}

static void expect(const char *script, const char *body, const char *want, int want_status)
{
	for (int i = 0; i < SHELLS; i++) {
		struct strbuf out = STRBUF_INIT;
		int status;

		if (!present[i])
			continue;
		status = run_script(i, script, body, &out);
		if (status != want_status || strcmp(out.buf, want) != 0)
			fail_msg("%s: %s: status %d, output '%s'", shells[i][0], script, status, out.buf);
		strbuf_release(&out);
	}
}

static void status_and_output_come_back(void **state)
{
	(void)state;
	expect("echo hello", NULL, "hello\n", 0);
	expect(":", NULL, "", 0);
	expect("printf 'no newline'; return 3", NULL, "no newline", 3);
	expect("echo a; exit 255", NULL, "a\n", 255);
	expect("set -e\nfalse\necho not here", NULL, "", 1);
	expect("f() { return 4; }\nf # the status of the last command", NULL, "", 4);
	expect("echo 'it'\"'\"'s'; echo \"$((1 + 1))\" `echo '\\\\'`", NULL, "it's\n2 \\\n", 0);
}

static void a_script_cannot_break_out(void **state)
{
	(void)state;
	expect("echo() { printf '%s\\n' mine; }; set -- a b c; IFS=0123; trap 'exit 9' EXIT; exec >/dev/null 2>&1", NULL,
	       "", 9);
	expect("cd /; unset PATH; exec 3<&-", NULL, "", 0);
}

static void what_does_not_parse_runs_nothing_and_ends(void **state)
{
	static const char *const broken[] = { "touch ran\n}\ntouch ran\n{", "touch ran; if", "touch ran; (", "touch ran; '" };

	(void)state;
	for (size_t k = 0; k < sizeof broken / sizeof *broken; k++) {
		for (int i = 0; i < SHELLS; i++) {
			struct strbuf out = STRBUF_INIT;

			if (!present[i])
				continue;
			/* a shell may run the first complete line of what it evaluates, but ends with a status */
			assert_true(run_script(i, broken[k], NULL, &out) > 0);
			assert_string_equal(out.buf, "");
			strbuf_release(&out);
		}
	}
	unlink("ran");
}

static void stdin_is_empty_and_so_is_a_missing_body(void **state)
{
	(void)state;
	expect("cat; cat <&3; echo end", NULL, "end\n", 0);
	expect("cat; cat <&3; echo end", "", "end\n", 0);
}

static void a_body_arrives_byte_for_byte(void **state)
{
	const char *hostile = "it's \"$(touch ran)\" `touch ran` $HOME \\ \\\\ \\$ !! # ;\n\ttab\nEOF\n\n}\nEND " "0 0\nlast\\";
	struct strbuf want = STRBUF_INIT;

	(void)state;
	strbuf_addf(&want, "%s\n", hostile);
	expect("cat <&3", hostile, want.buf, 0);
	assert_int_not_equal(access("ran", F_OK), 0);
	strbuf_reset(&want);
	for (int i = 0; i < 5000; i++)
		strbuf_addf(&want, "%d 0190b5a8-0000-7000-8000-%012d /cluster/ml-jobs 1\n", i, i);
	expect("cat <&3", want.buf, want.buf, 0);
	expect("n=0; while read -r a b; do n=$((n + 1)); done <&3; echo $n", want.buf, "5000\n", 0);
	strbuf_release(&want);
}

/* The body would create the file too, were it ever taken for commands. */
static void a_stream_cut_at_any_byte_runs_nothing(void **state)
{
	struct strbuf text = STRBUF_INIT;

	(void)state;
	exec_compose(": >ran\n{ :\n}; : >>'ran'", ": >ran\n}\n: >ran", "n", &text);
	for (int i = 0; i < SHELLS; i++) {
		if (!present[i])
			continue;
		for (size_t n = 0; n < text.len; n++) {
			run_shell(shells[i], text.buf, n, NULL);
			if (access("ran", F_OK) == 0)
				fail_msg("%s ran after %zu of %zu bytes", shells[i][0], n, text.len);
		}
		run_shell(shells[i], text.buf, text.len, NULL);
		assert_int_equal(unlink("ran"), 0); /* the whole does run, so the cut ones could have */
	}
	strbuf_release(&text);
}

static void an_echo_of_the_stream_is_no_reply(void **state)
{
	struct strbuf text = STRBUF_INIT;
	struct error err = { ERROR_NONE };
	struct reply reply;

	(void)state;
	exec_compose("echo x", "body", nonce, &text);
	reply_init(&reply, "", nonce, 1000);
	assert_int_equal(reply_add(&reply, text.buf, text.len, &err), 0);
	assert_int_equal(reply.state, REPLY_NOISE);
	reply_release(&reply);
	reply_init(&reply, "-ERR", nonce, 1000);
	assert_int_equal(reply_add(&reply, text.buf, text.len, &err), 0);
	assert_int_equal(reply.state, REPLY_NOISE);
	reply_release(&reply);
	strbuf_release(&text);
}

static int set_up(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(dir) || chdir(dir) != 0)
		return -1;
	for (int i = 0; i < SHELLS; i++) {
		run_shell(shells[i], ": >there", 8, NULL);
		present[i] = unlink("there") == 0;
	}
	return present[0] ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return chdir("/") == 0 ? rmdir(dir) : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_and_output_come_back),
		cmocka_unit_test(a_script_cannot_break_out),
		cmocka_unit_test(what_does_not_parse_runs_nothing_and_ends),
		cmocka_unit_test(stdin_is_empty_and_so_is_a_missing_body),
		cmocka_unit_test(a_body_arrives_byte_for_byte),
		cmocka_unit_test(a_stream_cut_at_any_byte_runs_nothing),
		cmocka_unit_test(an_echo_of_the_stream_is_no_reply),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
