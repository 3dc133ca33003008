#include "config.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "testing.h"
#include "util/child.h"
#include "util/error.h"
#include "util/strbuf.h"

static struct strbuf out = STRBUF_INIT;
static struct error err;
static struct child child;

static int setup(void **state)
{
	(void)state;
	strbuf_reset(&out);
	error_clear(&err);
	child = (struct child){ .out = &out, .cap = 1 << 20, .deadline = deadline_in_ms(60000) };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	strbuf_release(&out);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* none is left */
	return 0;
}

static int sh(const char *script)
{
	const char *argv[] = { "sh", "-c", script, "sh", "two words", "$(x)", NULL };

	child.argv = argv;
	return child_run(&child, &err);
}

static void output_status_and_last_line_come_back(void **state)
{
	(void)state;
	assert_int_equal(sh("printf 'a\\nb'; echo first >&2; printf 'l\\033ast\\n\\n' >&2; exit 3"), 0);
	assert_string_equal(out.buf, "a\nb");
	assert_int_equal(child.status, 3);
	assert_string_equal(child.said, "l\\east");
}

static void all_of_stderr_comes_back_where_it_is_wanted(void **state)
{
	struct strbuf text = STRBUF_INIT;

	(void)state;
	child.errout = &text;
	assert_int_equal(sh("printf 'a\\n\\033b\\n' >&2"), 0);
	assert_string_equal(text.buf, "a\n\033b\n");
	strbuf_reset(&text);
	assert_int_equal(sh("i=0; while [ $i -lt 20000 ]; do echo 'a line of twenty byt'; i=$((i + 1)); done >&2; echo end >&2"), 0);
	assert_true(text.len <= 128 * 1024 + 16384);
	assert_string_equal(text.buf + text.len - 4, "end\n");
	assert_string_equal(child.said, "end");
	strbuf_release(&text);
}

static void words_arrive_as_they_are(void **state)
{
	(void)state;
	assert_int_equal(sh("printf '%s|' \"$@\""), 0);
	assert_string_equal(out.buf, "two words|$(x)|");
	assert_int_equal(child.status, 0);
	assert_string_equal(child.said, "");
}

static void environment_and_directory_are_set(void **state)
{
	static const struct child_env env[] = { { "CHILD_A", "x y" }, { "CHILD_B", NULL }, { NULL, NULL } };

	(void)state;
	setenv("CHILD_B", "b", 1);
	child.env = env;
	child.dir = "/";
	assert_int_equal(sh("echo \"$CHILD_A ${CHILD_B-unset} $PWD\"; read -r x || echo end"), 0);
	assert_string_equal(out.buf, "x y unset /\nend\n");
	assert_string_equal(getenv("CHILD_B"), "b");
	unsetenv("CHILD_B");
}

static void output_goes_to_a_descriptor(void **state)
{
	int fds[2];
	char buf[8] = "";

	(void)state;
	assert_int_equal(pipe(fds), 0);
	child.out = NULL;
	child.out_fd = fds[1];
	assert_int_equal(sh("printf abc"), 0);
	assert_int_equal(read(fds[0], buf, sizeof buf - 1), 3);
	assert_string_equal(buf, "abc");
	close(fds[0]);
	close(fds[1]);
}

static void program_that_is_not_there_is_not_found(void **state)
{
	const char *argv[] = { "kedge-no-such-program", NULL };

	(void)state;
	child.argv = argv;
	assert_int_equal(child_run(&child, &err), -1);
	assert_int_equal(err.kind, ERROR_NOT_FOUND);
	assert_string_equal(err.text, "'kedge-no-such-program' cannot be run: No such file or directory");
}

static void output_past_the_cap_ends_it(void **state)
{
	(void)state;
	child.cap = 100000;
	assert_int_equal(sh("while :; do echo yes; done"), -1);
	assert_int_equal(err.kind, ERROR_SPEC);
	assert_true(out.len <= 100000);
}

/* All that it started is gone when nobody holds the pipe any more. */
static void deadline_ends_it_and_what_it_started(void **state)
{
	struct pollfd p = { -1, POLLIN, 0 };
	char buf[64];
	int fds[2];
	ssize_t n;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	child.out = NULL;
	child.out_fd = fds[1];
	child.deadline = deadline_in_ms(500);
	assert_int_equal(sh("sleep 600 & echo began; sleep 600"), -1);
	assert_int_equal(err.kind, ERROR_TIMEOUT);
	assert_int_equal(child.status, 128 + SIGKILL);
	close(fds[1]);
	p.fd = fds[0];
	do {
		assert_int_equal(poll(&p, 1, 60000), 1);
		n = read(fds[0], buf, sizeof buf);
	} while (n > 0);
	assert_int_equal(n, 0);
	close(fds[0]);
}

/* As an ssh that stays behind for the next connection does. */
static void one_that_leaves_a_process_behind_is_not_waited_for(void **state)
{
	(void)state;
	assert_int_equal(sh("setsid sleep 600 & echo $!; exit 4"), 0);
	assert_int_equal(child.status, 4);
	assert_true(out.len > 0);
	assert_int_equal(kill((pid_t)strtol(out.buf, NULL, 10), SIGKILL), 0);
}

static void one_that_closes_its_output_is_still_waited_for(void **state)
{
	(void)state;
	assert_int_equal(sh("exec >&- 2>&-; sleep 0.2; exit 7"), 0);
	assert_int_equal(child.status, 7);
	child.deadline = deadline_in_ms(300);
	assert_int_equal(sh("exec >&- 2>&-; sleep 600"), -1);
	assert_int_equal(err.kind, ERROR_TIMEOUT);
}

static void signal_is_told_as_128_and_its_number(void **state)
{
	(void)state;
	assert_int_equal(sh("kill -TERM $$"), 0);
	assert_int_equal(child.status, 128 + SIGTERM);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(output_status_and_last_line_come_back),
		TEST(all_of_stderr_comes_back_where_it_is_wanted),
		TEST(words_arrive_as_they_are),
		TEST(environment_and_directory_are_set),
		TEST(output_goes_to_a_descriptor),
		TEST(program_that_is_not_there_is_not_found),
		TEST(output_past_the_cap_ends_it),
		TEST(deadline_ends_it_and_what_it_started),
		TEST(one_that_leaves_a_process_behind_is_not_waited_for),
		TEST(one_that_closes_its_output_is_still_waited_for),
		TEST(signal_is_told_as_128_and_its_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
